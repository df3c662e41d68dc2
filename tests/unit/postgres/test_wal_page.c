#include "postgres/wal_page.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = 8192, SEGMENT = 1 << 20, PAGES = 4 };

static const struct wal_page_rules rules = {.system_identifier = UINT64_C(7300000000000000001),
                                            .timeline = 3,
                                            .segment_bytes = SEGMENT,
                                            .block_bytes = BLOCK,
                                            .server_version = 150018};

static void put(uint8_t *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_page(uint8_t *page, uint64_t lsn)
{
    bool starts_segment = lsn % SEGMENT == 0;
    memset(page, 0x5a, BLOCK);
    put(page, 0xD110, 2);
    put(page + 2, starts_segment ? 2 : 1, 2);
    put(page + 4, 2, 4); /* an older timeline is fine */
    put(page + 8, lsn, 8);
    if (!starts_segment)
        return;
    put(page + 24, rules.system_identifier, 8);
    put(page + 32, SEGMENT, 4);
    put(page + 36, BLOCK, 4);
}

/* The last page of a segment, and three of the next. */
static const uint64_t start = 5 * SEGMENT - BLOCK;

static void make_wal(uint8_t wal[PAGES * BLOCK])
{
    for (size_t i = 0; i < PAGES; i++)
        put_page(wal + i * BLOCK, start + i * BLOCK);
}

static bool check(const uint8_t *wal, size_t from, size_t to)
{
    struct error err;
    size_t len = to - from;
    uint8_t *copy = malloc(len + 1); /* so that overreads are noticed */
    memcpy(copy, wal + from, len);
    bool sound = wal_pages_check(&rules, start + from, copy, len, &err);
    free(copy);
    if (!sound)
        assert_int_equal(err.kind, ERROR_CORRUPT);
    return sound;
}

static void test_wal_is_accepted_wherever_it_is_cut(void **state)
{
    uint8_t wal[PAGES * BLOCK];
    (void)state;
    make_wal(wal);
    for (size_t from = 0; from < sizeof wal; from += 37)
        for (size_t to = from; to < sizeof wal; to += 1009)
            assert_true(check(wal, from, to));
    assert_true(check(wal, 0, sizeof wal));
}

static void test_every_change_of_a_header_is_noticed(void **state)
{
    static const struct {
        size_t page;
        size_t at;
        uint64_t value;
        size_t width;
    } changes[] = {
        {2, 0, 0xD113, 2},    {2, 2, 0x10, 2},  {2, 2, 2, 2},     {1, 2, 0, 2},
        {2, 4, 0, 4},         {2, 4, 4, 4},     {2, 8, start, 8}, {1, 24, 1, 8},
        {1, 32, 16 << 20, 4}, {1, 36, 4096, 4}, {3, 8, 0, 8},
    };
    uint8_t wal[PAGES * BLOCK];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        make_wal(wal);
        put(wal + changes[i].page * BLOCK + changes[i].at, changes[i].value, changes[i].width);
        if (check(wal, 0, sizeof wal))
            fail_msg("change %zu: accepted", i);
        assert_true(check(wal, changes[i].page * BLOCK + 1, changes[i].page * BLOCK + BLOCK));
    }
}

static void test_zeros_are_what_a_segment_switch_leaves(void **state)
{
    uint8_t wal[PAGES * BLOCK];
    (void)state;
    make_wal(wal);
    memset(wal + 2 * BLOCK, 0, BLOCK);
    assert_true(check(wal, 0, sizeof wal));
    make_wal(wal);
    memset(wal + BLOCK, 0, BLOCK); /* a segment's first page is never empty */
    assert_false(check(wal, 0, sizeof wal));
    make_wal(wal);
    memset(wal + 2 * BLOCK, 0, 24);
    assert_false(check(wal, 0, sizeof wal));
}

static void test_each_major_has_its_magic_number(void **state)
{
    static const uint16_t magics[] = {0xD106, 0xD10D, 0xD110, 0xD113, 0xD116, 0xD118};
    uint8_t wal[PAGES * BLOCK];
    struct error err;
    (void)state;
    for (int major = 13; major <= 18; major++) {
        struct wal_page_rules other = rules;
        other.server_version = major * 10000 + 1;
        make_wal(wal);
        assert_int_equal(wal_pages_check(&other, start, wal, sizeof wal, &err), major == 15);
        for (size_t i = 0; i < PAGES; i++)
            put(wal + i * BLOCK, magics[major - 13], 2);
        assert_true(wal_pages_check(&other, start, wal, sizeof wal, &err));
    }
    struct wal_page_rules unknown = rules;
    unknown.server_version = 190000;
    assert_false(wal_pages_check(&unknown, start, wal, sizeof wal, &err));
    assert_int_equal(err.kind, ERROR_UNSUPPORTED);
}

static void test_segment_start(void **state)
{
    (void)state;
    assert_int_equal(wal_segment_start(0x16b374d848, 16 << 20), 0x16b3000000);
    assert_int_equal(wal_segment_start(0x16b3000000, 16 << 20), 0x16b3000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_is_accepted_wherever_it_is_cut),
        cmocka_unit_test(test_every_change_of_a_header_is_noticed),
        cmocka_unit_test(test_zeros_are_what_a_segment_switch_leaves),
        cmocka_unit_test(test_each_major_has_its_magic_number),
        cmocka_unit_test(test_segment_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
