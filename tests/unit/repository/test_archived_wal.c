#include "repository/archived_wal.h"

#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 0x1000 };

static struct wal_chunk chunks[] = {
    {.timeline = 1, .start_lsn = 0x1000, .end_lsn = 0x1800},
    {.timeline = 1, .start_lsn = 0x1800, .end_lsn = 0x2400},
    {.timeline = 2, .start_lsn = 0x2000, .end_lsn = 0x3000},
};
static const struct wal_catalog wal = {.chunks = chunks, .count = ARRAY_LEN(chunks)};

static struct snapshot_info snapshot(uint32_t timeline, uint64_t start, uint64_t stop)
{
    return (struct snapshot_info){
        .wal_segment_bytes = SEGMENT, .timeline = timeline, .start_lsn = start, .stop_lsn = stop};
}

static void test_what_is_there_is_not_missing(void **state)
{
    struct snapshot_wal_range missing;
    struct snapshot_info info = snapshot(1, 0x1900, 0x2400);
    (void)state;
    assert_false(archived_wal_missing(&info, &wal, &missing));
    info.stop_lsn = 0x2401;
    assert_true(archived_wal_missing(&info, &wal, &missing));
    assert_int_equal(missing.timeline, 1);
    assert_int_equal(missing.start_lsn, 0x2400);
    assert_int_equal(missing.end_lsn, 0x2401);
    info.wal_included = true;
    assert_false(archived_wal_missing(&info, &wal, &missing));
    assert_int_equal(archived_wal_count(&info), 0);
}

/* PostgreSQL looks at the first page of a segment before it reads from the middle. */
static void test_a_range_begins_with_its_segment(void **state)
{
    struct snapshot_wal_range missing;
    struct wal_catalog without_head = {.chunks = chunks + 1, .count = 1};
    struct snapshot_info info = snapshot(1, 0x1900, 0x2000);
    (void)state;
    assert_int_equal(archived_wal_range(&info, 0).start_lsn, 0x1000);
    assert_true(archived_wal_missing(&info, &without_head, &missing));
    assert_int_equal(missing.start_lsn, 0x1000);
}

static void test_each_range_is_looked_for_on_its_timeline(void **state)
{
    struct snapshot_wal_range missing;
    struct snapshot_wal_range ranges[] = {{1, 0x1900, 0x2400}, {2, 0x2400, 0x3000}};
    struct snapshot_info info = snapshot(2, 0x1900, 0x3000);
    (void)state;
    info.wal_ranges = ranges;
    info.wal_range_count = 2;
    assert_int_equal(archived_wal_count(&info), 2);
    assert_false(archived_wal_missing(&info, &wal, &missing));
    ranges[1].end_lsn = 0x3100;
    assert_true(archived_wal_missing(&info, &wal, &missing));
    assert_int_equal(missing.timeline, 2);
    assert_int_equal(missing.start_lsn, 0x3000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_there_is_not_missing),
        cmocka_unit_test(test_a_range_begins_with_its_segment),
        cmocka_unit_test(test_each_range_is_looked_for_on_its_timeline),
    };
    return cmocka_run_group_tests_name("archived_wal", tests, NULL, NULL);
}
