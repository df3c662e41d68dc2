#include "codec/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { BLOCK = 8192, BLOCKS = 40 };

static uint8_t bytes[BLOCK * BLOCKS + 64];

static int fill(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (size_t i = 0; i < sizeof bytes; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (uint8_t)(seed >> 56);
    }
    return 0;
}

/* RFC 3720 B.4 */
static void test_known_vectors(void **state)
{
    uint8_t input[32];
    (void)state;
    assert_int_equal(crc32c_extend(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c_extend(0, "", 0), 0);
    memset(input, 0, sizeof input);
    assert_int_equal(crc32c_extend(0, input, sizeof input), 0x8A9136AA);
    memset(input, 0xFF, sizeof input);
    assert_int_equal(crc32c_extend(0, input, sizeof input), 0x62A8AB43);
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    assert_int_equal(crc32c_extend(0, input, sizeof input), 0x46DD794E);
}

static void test_instruction_and_tables_agree_on_every_alignment(void **state)
{
    (void)state;
    for (size_t start = 0; start < 9; start++)
        for (size_t len = 0; len < 70; len++)
            assert_int_equal(crc32c_extend(7, bytes + start, len),
                             crc32c_extend_portable(7, bytes + start, len));
    assert_int_equal(crc32c_extend(0, bytes, sizeof bytes),
                     crc32c_extend_portable(0, bytes, sizeof bytes));
}

static void test_extend_continues(void **state)
{
    uint32_t whole = crc32c_extend(0, bytes, 1000);
    (void)state;
    for (size_t cut = 0; cut <= 1000; cut += 37)
        assert_int_equal(crc32c_extend(crc32c_extend(0, bytes, cut), bytes + cut, 1000 - cut),
                         whole);
}

static void test_combine_equals_one_pass(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 255, 256, 257, 4096, 8191, 8192, 65536, 65537};
    (void)state;
    for (size_t a = 0; a < sizeof lengths / sizeof *lengths; a++)
        for (size_t b = 0; b < sizeof lengths / sizeof *lengths; b++) {
            uint32_t left = crc32c_extend(0, bytes, lengths[a]);
            uint32_t right = crc32c_extend(0, bytes + lengths[a], lengths[b]);
            assert_int_equal(crc32c_combine(left, right, lengths[b]),
                             crc32c_extend(0, bytes, lengths[a] + lengths[b]));
        }
}

/* What a restore does: every block's checksum moved to its place, in any order, xored together. */
static void test_blocks_combine_in_any_order(void **state)
{
    uint32_t whole = crc32c_extend(0, bytes, (size_t)BLOCK * BLOCKS);
    uint32_t sum = 0;
    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t block = (i * 7 + 3) % BLOCKS;
        uint64_t after = (uint64_t)(BLOCKS - 1 - block) * BLOCK;
        uint32_t crc = crc32c_extend(0, bytes + block * BLOCK, BLOCK);
        sum ^= crc32c_combine(crc, 0, after);
    }
    assert_int_equal(sum, whole);
}

static void test_zeros(void **state)
{
    static const uint8_t zeros[100000];
    (void)state;
    for (size_t len = 0; len < sizeof zeros; len = len * 3 + 1)
        assert_int_equal(crc32c_zeros(len), crc32c_extend(0, zeros, len));
    uint32_t gib = 0;
    for (uint64_t done = 0; done < 1U << 30; done += 65536)
        gib = crc32c_extend(gib, zeros, 65536);
    assert_int_equal(crc32c_zeros(1U << 30), gib);
    /* Beyond what can be read: the halves must make the whole. */
    uint64_t huge = (uint64_t)5 << 40;
    assert_int_equal(crc32c_combine(crc32c_zeros(huge), crc32c_zeros(huge + 3), huge + 3),
                     crc32c_zeros(2 * huge + 3));
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_combine_is_fast(void **state)
{
    enum { ROUNDS = 100000 };
    uint32_t crc = 1;
    (void)state;
    double start = seconds_now();
    for (uint64_t i = 0; i < ROUNDS; i++)
        crc = crc32c_combine(crc, 5, (i & 0x1FFFF) * BLOCK);
    double combine_ns = (seconds_now() - start) * 1e9 / ROUNDS;
    start = seconds_now();
    for (int i = 0; i < 1000; i++)
        crc = crc32c_extend(crc, bytes, (size_t)BLOCK * BLOCKS);
    double rate = 1000.0 * BLOCK * BLOCKS / (seconds_now() - start) / 1e9;
    print_message("combine %.0f ns, extend %.1f GB/s (%08x)\n", combine_ns, rate, crc);
    assert_true(combine_ns < 20000); /* two orders of slack: sanitizers, busy machines */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_vectors),
        cmocka_unit_test(test_instruction_and_tables_agree_on_every_alignment),
        cmocka_unit_test(test_extend_continues),
        cmocka_unit_test(test_combine_equals_one_pass),
        cmocka_unit_test(test_blocks_combine_in_any_order),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_combine_is_fast),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
