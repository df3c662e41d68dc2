#include "postgres/wal_commit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = 8192, SEGMENT = 1 << 20, PIECE = 4 * BLOCK };

#define UNIX_AT_2000_US INT64_C(946684800000000)

/* WAL as a server lays it out: records over pages, each page with its header. */
struct wal {
    uint8_t bytes[PIECE];
    uint64_t lsn;
    size_t at;
};

static void wal_begin(struct wal *wal, uint64_t lsn)
{
    memset(wal, 0, sizeof *wal);
    wal->lsn = lsn;
}

/* `remaining` of the record that is being written go on on the new page. */
static void put(struct wal *wal, const void *bytes, size_t len, size_t remaining)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i++) {
        if (wal->at % BLOCK == 0) {
            uint16_t info = i + remaining > 0 && remaining > 0 ? 1 : 0;
            uint32_t left = (uint32_t)remaining;
            memcpy(wal->bytes + wal->at + 2, &info, sizeof info);
            memcpy(wal->bytes + wal->at + 16, &left, sizeof left);
            wal->at += (wal->lsn + wal->at) % SEGMENT == 0 ? 40 : 24;
        }
        wal->bytes[wal->at++] = from[i];
        if (remaining > 0)
            remaining--;
    }
}

/* One record: manager and info as in XLogRecord, then `data`, which has its block ids. */
static void put_record(struct wal *wal, uint8_t manager, uint8_t info, const void *data, size_t len)
{
    uint8_t record[16384] = {0};
    uint32_t total = (uint32_t)(24 + len);
    wal->at = (wal->at + 7) / 8 * 8;
    memcpy(record, &total, sizeof total);
    record[16] = info;
    record[17] = manager;
    memcpy(record + 24, data, len);
    put(wal, record, total, 0);
}

static void put_end(struct wal *wal, uint8_t info, int64_t time_us)
{
    uint8_t data[] = {253, 1, 0, 252, 9, 0, 0, 0, 255, 12, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7};
    int64_t time = time_us - UNIX_AT_2000_US;
    memcpy(data + 10, &time, sizeof time);
    put_record(wal, 1, info, data, sizeof data);
}

static int64_t look(const struct wal *wal, size_t len)
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
    static struct wal wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    put_record(&wal, 10, 0x00, no_data, sizeof no_data);
    assert_int_equal(look(&wal, wal.at), 0);
    put_end(&wal, 0x80, noon);     /* commit, with more behind it */
    put_end(&wal, 0x50, noon + 9); /* not an end */
    assert_int_equal(look(&wal, wal.at), noon);
    put_end(&wal, 0x20, noon + 5);
    put_end(&wal, 0x30, noon + 3); /* later in the WAL, earlier by its clock */
    assert_int_equal(look(&wal, PIECE), noon + 5);
    put_end(&wal, 0x40, noon + 7);
    assert_int_equal(look(&wal, PIECE), noon + 7);
}

static void test_records_go_over_pages(void **state)
{
    static uint8_t large[9000] = {254};
    static struct wal wal;
    uint32_t len = sizeof large - 5;
    (void)state;
    memcpy(large + 1, &len, sizeof len);
    for (uint64_t lsn = 5 * (uint64_t)SEGMENT; lsn <= 5 * (uint64_t)SEGMENT + BLOCK; lsn += BLOCK) {
        for (size_t less = 0; less < 64; less += 8) { /* headers and data are cut everywhere */
            wal_begin(&wal, lsn);
            put_record(&wal, 10, 0, large, 8100 - less);
            put_end(&wal, 0x00, noon);
            put_record(&wal, 10, 0, large, sizeof large);
            put_end(&wal, 0x00, noon + 1);
            assert_int_equal(look(&wal, PIECE), noon + 1);
        }
    }
}

static void test_a_record_that_goes_on_from_before_is_passed_over(void **state)
{
    static uint8_t tail[8300];
    static struct wal wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    put(&wal, tail, sizeof tail, sizeof tail);
    put_end(&wal, 0x00, noon);
    assert_int_equal(look(&wal, PIECE), noon);
}

static void test_what_is_cut_off_does_not_count(void **state)
{
    static struct wal wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    put_end(&wal, 0x00, noon);
    size_t whole = wal.at;
    put_end(&wal, 0x00, noon + 1);
    for (size_t len = 0; len < whole; len++)
        assert_int_equal(look(&wal, len), 0);
    for (size_t len = whole; len < wal.at; len++)
        assert_int_equal(look(&wal, len), noon);
}

/* Where PostgreSQL would say that it was (ReadRecPtr, EndRecPtr), and only whole records count. */
static void test_the_last_whole_record_is_found(void **state)
{
    static const uint8_t data[] = {255, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    static struct wal wal;
    struct wal_record_place place = {0};
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    struct wal_piece piece = {.lsn = wal.lsn,
                              .bytes = wal.bytes,
                              .len = PIECE,
                              .segment_bytes = SEGMENT,
                              .block_bytes = BLOCK};
    assert_false(wal_last_record(&piece, &place));
    put_record(&wal, 10, 0, data, sizeof data);
    assert_true(wal_last_record(&piece, &place));
    assert_true(place.start_lsn == wal.lsn + 40); /* behind the segment's header */
    assert_true(place.end_lsn == wal.lsn + (wal.at + 7) / 8 * 8);
    uint64_t second = place.end_lsn;
    put_record(&wal, 10, 0, data, sizeof data);
    assert_true(wal_last_record(&piece, &place) && place.start_lsn == second);
    piece.len = wal.at - 1; /* the second is cut off */
    assert_true(wal_last_record(&piece, &place) && place.start_lsn == wal.lsn + 40);
}

static void test_any_bytes_end_well(void **state)
{
    static struct wal wal;
    uint64_t seed = 42;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        wal_begin(&wal, (uint64_t)(round % 3) * BLOCK);
        put_end(&wal, 0x00, noon);
        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            wal.bytes[(seed >> 33) % (round % 2 == 0 ? 128 : PIECE)] = (uint8_t)(seed >> 25);
        }
        (void)look(&wal, (size_t)(seed >> 40) % (PIECE + 1));
    }
}

static void test_a_time_that_no_clock_has_does_not_count(void **state)
{
    static struct wal wal;
    (void)state;
    wal_begin(&wal, 5 * (uint64_t)SEGMENT);
    put_end(&wal, 0x80, noon);
    put_end(&wal, 0x80, INT64_MIN + 2 * UNIX_AT_2000_US - 1);
    uint8_t beyond[] = {255, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    put_record(&wal, 1, 0x00, beyond, sizeof beyond);
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
