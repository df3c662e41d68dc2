#include "postgres/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint8_t page[PAGE_BYTES];

/* Vectors made with page_checksum() of PostgreSQL 15's pageinspect. */
static void test_checksum_equals_postgresql(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGE_BYTES; i++)
        page[i] = (uint8_t)(i * 7 + 3);
    assert_int_equal(page_checksum(page, 0), 43596);
    assert_int_equal(page_checksum(page, 1), 43595);
    assert_int_equal(page_checksum(page, 131071), 40531);
    assert_int_equal(page_checksum(page, 4294967294U), 21942);
    memset(page, 0, sizeof page);
    page[15] = 32; /* pd_upper = 8192 */
    assert_int_equal(page_checksum(page, 0), 8084);
}

static void test_checksum_does_not_cover_itself(void **state)
{
    (void)state;
    memset(page, 0x5A, sizeof page);
    uint16_t sum = page_checksum(page, 9);
    page[8] = 1;
    page[9] = 2;
    assert_int_equal(page_checksum(page, 9), sum);
    page[10] ^= 1;
    assert_int_not_equal(page_checksum(page, 9), sum);
}

static void put_u32(size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        page[at + i] = (uint8_t)(value >> (8 * i));
}

static void test_lsn_has_its_high_half_first(void **state)
{
    (void)state;
    memset(page, 0, sizeof page);
    put_u32(0, 0x16);
    put_u32(4, 0xB374D848);
    assert_int_equal(page_lsn(page), 0x16B374D848);
}

static void test_verifies_like_the_server(void **state)
{
    (void)state;
    memset(page, 0, sizeof page);
    assert_true(page_is_new(page));
    assert_true(page_verifies(page, 3, UINT64_MAX)); /* new pages have no checksum */
    put_u32(4, 0x1000);
    page[15] = 32;
    assert_false(page_is_new(page));
    uint16_t sum = page_checksum(page, 3);
    page[8] = (uint8_t)sum;
    page[9] = (uint8_t)(sum >> 8);
    assert_true(page_verifies(page, 3, UINT64_MAX));
    assert_false(page_verifies(page, 4, UINT64_MAX)); /* the right page at the wrong place */
    page[5000] ^= 1;
    assert_false(page_verifies(page, 3, UINT64_MAX));
    assert_false(page_verifies(page, 3, 0x1001));
    assert_true(page_verifies(page, 3, 0x1000)); /* replay brings a full image */
}

static void test_header_sanity(void **state)
{
    (void)state;
    memset(page, 0, sizeof page);
    assert_false(page_header_is_sane(page));
    page[12] = 24;
    page[15] = page[17] = 32;
    page[18] = 4;
    page[19] = 32;
    assert_true(page_header_is_sane(page));
    page[12] = 23;
    assert_false(page_header_is_sane(page));
    page[12] = 24;
    page[16] = 1; /* special beyond the page */
    assert_false(page_header_is_sane(page));
}

static void test_zero_is_found_at_every_length(void **state)
{
    static uint8_t bytes[1100];
    (void)state;
    for (size_t len = 0; len < sizeof bytes; len += 13) {
        assert_true(bytes_are_zero(bytes, len));
        if (len == 0)
            continue;
        bytes[len - 1] = 1;
        assert_false(bytes_are_zero(bytes, len));
        assert_true(bytes_are_zero(bytes, len - 1));
        bytes[len - 1] = 0;
    }
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_speed(void **state)
{
    enum { ROUNDS = 20000 };
    uint32_t sum = 0;
    (void)state;
    memset(page, 0, sizeof page);
    double start = seconds_now();
    for (uint32_t i = 0; i < ROUNDS; i++)
        sum += page_checksum(page, i);
    double checksums = ROUNDS * (double)PAGE_BYTES / (seconds_now() - start) / 1e9;
    start = seconds_now();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        page[i % PAGE_BYTES] = 0;
        sum += bytes_are_zero(page, PAGE_BYTES);
    }
    double zeros = ROUNDS * (double)PAGE_BYTES / (seconds_now() - start) / 1e9;
    print_message("page checksum %.1f GB/s, zero test %.1f GB/s (%u)\n", checksums, zeros, sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_equals_postgresql),
        cmocka_unit_test(test_checksum_does_not_cover_itself),
        cmocka_unit_test(test_lsn_has_its_high_half_first),
        cmocka_unit_test(test_verifies_like_the_server),
        cmocka_unit_test(test_header_sanity),
        cmocka_unit_test(test_zero_is_found_at_every_length),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
