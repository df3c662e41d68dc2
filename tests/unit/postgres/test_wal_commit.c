#include "postgres/wal_commit.h"

#include "tests/lib/wal_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = SAMPLE_BLOCK, SEGMENT = SAMPLE_SEGMENT, PIECE = 4 * BLOCK };

#define UNIX_AT_2000_US INT64_C(946684800000000)

static void wal_begin(struct wal_sample *wal, uint64_t lsn)
{
    static uint8_t bytes[PIECE];
    wal_sample_begin(wal, lsn, bytes, sizeof bytes);
}

static int64_t look(const struct wal_sample *wal, size_t len)
{
    const struct wal_piece piece = {.lsn = wal->lsn,
                                    .bytes = wal->bytes,
                                    .len = len,
                                    .segment_bytes = SEGMENT,
                                    .block_bytes = BLOCK};
    return wal_last_commit_us(&piece);
}

static const int64_t noon = INT64_C(1790000000000000);

static void test_commits_and_aborts_count_and_nothing_else(void **state)
{
    static const uint8_t no_data[] = {255, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct wal_sample wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    wal_sample_record(&wal, 10, 0x00, no_data, sizeof no_data);
    assert_int_equal(look(&wal, wal.at), 0);
    wal_sample_end(&wal, 0x80, noon);     /* commit, with more behind it */
    wal_sample_end(&wal, 0x50, noon + 9); /* not an end */
    assert_int_equal(look(&wal, wal.at), noon);
    wal_sample_end(&wal, 0x20, noon + 5);
    wal_sample_end(&wal, 0x30, noon + 3); /* later in the WAL, earlier by its clock */
    assert_int_equal(look(&wal, PIECE), noon + 5);
    wal_sample_end(&wal, 0x40, noon + 7);
    assert_int_equal(look(&wal, PIECE), noon + 7);
}

static void test_records_go_over_pages(void **state)
{
    static uint8_t large[9000] = {254};
    struct wal_sample wal;
    uint32_t len = sizeof large - 5;
    (void)state;
    memcpy(large + 1, &len, sizeof len);
    for (uint64_t lsn = 5 * (uint64_t)SEGMENT; lsn <= 5 * (uint64_t)SEGMENT + BLOCK; lsn += BLOCK) {
        for (size_t less = 0; less < 64; less += 8) { /* headers and data are cut everywhere */
            wal_begin(&wal, lsn);
            wal_sample_record(&wal, 10, 0, large, 8100 - less);
            wal_sample_end(&wal, 0x00, noon);
            wal_sample_record(&wal, 10, 0, large, sizeof large);
            wal_sample_end(&wal, 0x00, noon + 1);
            assert_int_equal(look(&wal, PIECE), noon + 1);
        }
    }
}

static void test_a_record_that_goes_on_from_before_is_passed_over(void **state)
{
    static uint8_t tail[8300];
    struct wal_sample wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    wal_sample_put(&wal, tail, sizeof tail, sizeof tail);
    wal_sample_end(&wal, 0x00, noon);
    assert_int_equal(look(&wal, PIECE), noon);
}

static void test_what_is_cut_off_does_not_count(void **state)
{
    struct wal_sample wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    wal_sample_end(&wal, 0x00, noon);
    size_t whole = wal.at;
    wal_sample_end(&wal, 0x00, noon + 1);
    for (size_t len = 0; len < whole; len++)
        assert_int_equal(look(&wal, len), 0);
    for (size_t len = whole; len < wal.at; len++)
        assert_int_equal(look(&wal, len), noon);
}

/* Where PostgreSQL would say that it was (ReadRecPtr, EndRecPtr), and only whole records count. */
static void test_the_last_whole_record_is_found(void **state)
{
    static const uint8_t data[] = {255, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct wal_sample wal;
    struct wal_record_place place = {0};
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    struct wal_piece piece = {.lsn = wal.lsn,
                              .bytes = wal.bytes,
                              .len = PIECE,
                              .segment_bytes = SEGMENT,
                              .block_bytes = BLOCK};
    assert_false(wal_last_record(&piece, &place));
    wal_sample_record(&wal, 10, 0, data, sizeof data);
    assert_true(wal_last_record(&piece, &place));
    assert_true(place.start_lsn == wal.lsn + 40); /* behind the segment's header */
    assert_true(place.end_lsn == wal.lsn + (wal.at + 7) / 8 * 8);
    uint64_t second = place.end_lsn;
    wal_sample_record(&wal, 10, 0, data, sizeof data);
    assert_true(wal_last_record(&piece, &place) && place.start_lsn == second);
    piece.len = wal.at - 1; /* the second is cut off */
    assert_true(wal_last_record(&piece, &place) && place.start_lsn == wal.lsn + 40);
}

static void test_any_bytes_end_well(void **state)
{
    struct wal_sample wal;
    uint64_t seed = 42;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        wal_begin(&wal, (uint64_t)(round % 3) * BLOCK);
        wal_sample_end(&wal, 0x00, noon);
        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            wal.bytes[(seed >> 33) % (round % 2 == 0 ? 128 : PIECE)] = (uint8_t)(seed >> 25);
        }
        (void)look(&wal, (size_t)(seed >> 40) % (PIECE + 1));
    }
}

static void test_a_time_that_no_clock_has_does_not_count(void **state)
{
    struct wal_sample wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    wal_sample_end(&wal, 0x80, noon);
    wal_sample_end(&wal, 0x80, INT64_MIN + 2 * UNIX_AT_2000_US - 1);
    uint8_t beyond[] = {255, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    wal_sample_record(&wal, 1, 0x00, beyond, sizeof beyond);
    assert_int_equal(look(&wal, wal.at), noon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commits_and_aborts_count_and_nothing_else),
        cmocka_unit_test(test_records_go_over_pages),
        cmocka_unit_test(test_a_record_that_goes_on_from_before_is_passed_over),
        cmocka_unit_test(test_what_is_cut_off_does_not_count),
        cmocka_unit_test(test_the_last_whole_record_is_found),
        cmocka_unit_test(test_any_bytes_end_well),
        cmocka_unit_test(test_a_time_that_no_clock_has_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
