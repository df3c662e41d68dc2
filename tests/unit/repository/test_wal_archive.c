#include "repository/wal_archive.h"

#include "base/cleanup.h"
#include "store/store_memory.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 16 << 20, KIB = 1024, FRAME = 256 * KIB };

static const struct wal_source source = {
    .system_identifier = UINT64_C(7300000000000000001), .timeline = 1, .segment_bytes = SEGMENT};

/* The byte at an LSN, the same in every chunk: half of the WAL compresses, half does not. */
static void fill(uint8_t *out, uint64_t lsn, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t at = lsn + i;
        struct fixture_random random = {.state = at / 8};
        out[i] = at / 4096 % 2 == 0 ? (uint8_t)(at >> 16)
                                    : (uint8_t)(fixture_next(&random) >> 8 * (at % 8));
    }
}

static uint8_t *wal_of(uint64_t lsn, size_t len)
{
    uint8_t *wal = malloc(len);
    assert_non_null(wal);
    fill(wal, lsn, len);
    return wal;
}

static void put(const struct repository *repository, uint64_t lsn, size_t len)
{
    struct error err;
    CLEANUP(free_pointer) uint8_t *wal = wal_of(lsn, len);
    if (!wal_chunk_put(repository, &source, lsn, wal, len, NULL, &err))
        fail_msg("%s", err.text);
}

static struct wal_catalog load(const struct repository *repository)
{
    struct error err;
    struct wal_catalog catalog;
    if (!wal_catalog_load(repository, 0, 0, &catalog, &err))
        fail_msg("%s", err.text);
    return catalog;
}

static struct wal_chunk only_chunk(const struct repository *repository)
{
    struct wal_catalog catalog = load(repository);
    assert_int_equal(catalog.count, 1);
    struct wal_chunk chunk = catalog.chunks[0];
    wal_catalog_release(&catalog);
    return chunk;
}

static void expect_wal(const struct repository *repository, const struct wal_chunk *chunk,
                       uint64_t lsn, size_t len)
{
    struct error err;
    CLEANUP(free_pointer) uint8_t *expected = wal_of(lsn, len);
    CLEANUP(free_pointer) uint8_t *got = malloc(len);
    if (!wal_chunk_read(repository, chunk, &source, lsn, len, got, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(got, expected, len);
}

static void test_wal_comes_back_whole_and_in_parts(void **state)
{
    static const enum codec codecs[] = {CODEC_NONE, CODEC_ZLIB, CODEC_ZSTD};
    enum { START = 0x3000028, LEN = 5 * FRAME + 777 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        struct repository repository = fixture_repository(codecs[i]);
        put(&repository, START, LEN);
        struct wal_chunk chunk = only_chunk(&repository);
        assert_int_equal(chunk.start_lsn, START);
        assert_int_equal(chunk.end_lsn, START + LEN);
        expect_wal(&repository, &chunk, START, LEN);
        expect_wal(&repository, &chunk, START + LEN - 1, 1);
        expect_wal(&repository, &chunk, START + FRAME - 1, 2);
        expect_wal(&repository, &chunk, START + 2 * FRAME, FRAME);
        expect_wal(&repository, &chunk, START + 1000, 3 * FRAME);
        fixture_close(&repository);
    }
}

static void test_a_small_chunk_is_read_with_one_request_a_part_with_two(void **state)
{
    struct error err;
    struct store *store;
    struct repository repository = fixture_repository(CODEC_NONE);
    const struct fault count = {.ops = FAULT_GET, .at_call = 1000};
    (void)state;
    assert_true(store_fault_open(repository.store, &store, &err));
    repository.store = store;
    put(&repository, 0, 100 * KIB);
    struct wal_chunk chunk = only_chunk(&repository);
    store_fault_set(store, &count);
    expect_wal(&repository, &chunk, 5000, 100);
    assert_int_equal(store_fault_calls(store), 1);
    chunk = (struct wal_chunk){.timeline = 1, .start_lsn = 0, .end_lsn = 100 * KIB};
    char key[WAL_KEY_SIZE];
    assert_true(store_remove(store, wal_chunk_key(&chunk, key), &err));

    put(&repository, 0, 8 * FRAME);
    chunk = only_chunk(&repository);
    store_fault_set(store, &count);
    expect_wal(&repository, &chunk, 3 * FRAME + 5, 100);
    assert_int_equal(store_fault_calls(store), 2);
    store_fault_set(store, &count);
    expect_wal(&repository, &chunk, 0, 8 * FRAME);
    assert_int_equal(store_fault_calls(store), 1);
    fixture_close(&repository);
}

static void test_a_read_outside_of_the_chunk_is_refused(void **state)
{
    uint8_t byte[2];
    struct error err;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    put(&repository, 1000, 1000);
    struct wal_chunk chunk = only_chunk(&repository);
    assert_false(wal_chunk_read(&repository, &chunk, &source, 999, 1, byte, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_false(wal_chunk_read(&repository, &chunk, &source, 1999, 2, byte, &err));
    assert_false(wal_chunk_read(&repository, &chunk, &source, 1000, SIZE_MAX, byte, &err));
    assert_true(wal_chunk_read(&repository, &chunk, &source, 2000, 0, byte, &err));
    fixture_close(&repository);
}

/* A copy of the object under its name in another store. */
static struct repository with_object(const struct repository *original,
                                     const struct wal_chunk *chunk, const uint8_t *bytes,
                                     size_t len)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    struct repository copy = *original;
    assert_true(store_memory_open(&copy.store, &err));
    assert_true(store_put(copy.store, wal_chunk_key(chunk, key), bytes, len, NULL, &err));
    return copy;
}

static bool reads(const struct repository *repository, const struct wal_chunk *chunk,
                  struct error *err)
{
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    return wal_chunk_read(repository, chunk, &source, chunk->start_lsn, len, wal, err);
}

static void test_every_flipped_bit_is_refused(void **state)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_ZSTD);
    uint8_t object[8 * KIB];
    size_t len;
    (void)state;
    put(&repository, 0x1000028, 3000);
    struct wal_chunk chunk = only_chunk(&repository);
    assert_true(store_get(repository.store, wal_chunk_key(&chunk, key), 0, sizeof object, object,
                          &len, &err));
    assert_int_equal(len, chunk.size_bytes);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        object[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct repository damaged = with_object(&repository, &chunk, object, len);
        if (reads(&damaged, &chunk, &err))
            fail_msg("bit %zu: accepted", bit);
        assert_in_range(err.kind, ERROR_CORRUPT, ERROR_UNSUPPORTED);
        store_close(damaged.store);
        object[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    fixture_close(&repository);
}

static void test_every_other_length_is_refused(void **state)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_ZSTD);
    uint8_t object[8 * KIB] = {0};
    size_t len;
    (void)state;
    put(&repository, 0x1000028, 3000);
    struct wal_chunk chunk = only_chunk(&repository);
    assert_true(store_get(repository.store, wal_chunk_key(&chunk, key), 0, sizeof object, object,
                          &len, &err));
    for (size_t other = 1; other < len + 20; other++) {
        if (other == len)
            continue;
        struct repository damaged = with_object(&repository, &chunk, object, other);
        struct wal_chunk listed = only_chunk(&damaged);
        if (reads(&damaged, &listed, &err) || reads(&damaged, &chunk, &err) != (other > len))
            fail_msg("%zu bytes of %zu: not as expected", other, len);
        assert_in_range(err.kind, ERROR_CORRUPT, ERROR_CORRUPT);
        store_close(damaged.store);
    }
    fixture_close(&repository);
}

/* Ranged reads check head and frames, though not the SHA-256. */
static void test_damage_is_found_in_the_part_that_is_read(void **state)
{
    enum { LEN = 8 * FRAME, HEAD = 72 + 16 * 8 };
    uint8_t byte;
    size_t len;
    struct error err;
    char key[WAL_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_NONE);
    CLEANUP(free_pointer) uint8_t *object = malloc(LEN + 1000);
    (void)state;
    put(&repository, 0, LEN);
    struct wal_chunk chunk = only_chunk(&repository);
    assert_true(
        store_get(repository.store, wal_chunk_key(&chunk, key), 0, LEN + 1000, object, &len, &err));
    object[HEAD + 3 * FRAME + 99] ^= 1;
    struct repository damaged = with_object(&repository, &chunk, object, len);
    expect_wal(&damaged, &chunk, 2 * FRAME, FRAME);
    assert_false(wal_chunk_read(&damaged, &chunk, &source, 3 * FRAME, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, wal_chunk_key(&chunk, key)));
    store_close(damaged.store);
    object[70] ^= 1;
    damaged = with_object(&repository, &chunk, object, len);
    assert_false(wal_chunk_read(&damaged, &chunk, &source, 2 * FRAME, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    store_close(damaged.store);
    fixture_close(&repository);
}

static void test_wal_of_another_system_or_segment_size_is_refused(void **state)
{
    uint8_t byte;
    struct error err;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    struct wal_source other = source;
    (void)state;
    put(&repository, 1000, 1000);
    struct wal_chunk chunk = only_chunk(&repository);
    struct wal_source said = {0};
    assert_true(wal_chunk_source(&repository, &chunk, &said, &err));
    assert_int_equal(said.system_identifier, source.system_identifier);
    assert_int_equal(said.timeline, 1);
    assert_int_equal(said.segment_bytes, SEGMENT);
    other.system_identifier++;
    assert_false(wal_chunk_read(&repository, &chunk, &other, 1000, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    other = source;
    other.segment_bytes = 64 << 20;
    assert_false(wal_chunk_read(&repository, &chunk, &other, 1000, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    fixture_close(&repository);
}

static void test_a_chunk_under_another_name_is_refused(void **state)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    uint8_t object[8 * KIB];
    size_t len;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    put(&repository, 1000, 1000);
    struct wal_chunk chunk = only_chunk(&repository);
    assert_true(store_get(repository.store, wal_chunk_key(&chunk, key), 0, sizeof object, object,
                          &len, &err));
    chunk.start_lsn++;
    chunk.end_lsn++;
    assert_true(store_put(repository.store, wal_chunk_key(&chunk, key), object, len, NULL, &err));
    assert_false(reads(&repository, &chunk, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    fixture_close(&repository);
}

static void test_the_same_chunk_twice_is_success_and_other_wal_is_not(void **state)
{
    struct error err;
    uint64_t first;
    uint64_t second;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    CLEANUP(free_pointer) uint8_t *wal = wal_of(0, 3 * FRAME);
    (void)state;
    assert_true(wal_chunk_put(&repository, &source, 0, wal, 3 * FRAME, &first, &err));
    repository.settings.codec = CODEC_NONE; /* the same WAL, other bytes */
    assert_true(wal_chunk_put(&repository, &source, 0, wal, 3 * FRAME, &second, &err));
    assert_int_equal(first, second);
    wal[2 * FRAME] ^= 1;
    assert_false(wal_chunk_put(&repository, &source, 0, wal, 3 * FRAME, &second, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    assert_true(err.hint[0] != '\0');
    fixture_close(&repository);
}

static void test_what_cannot_be_a_chunk_is_not_stored(void **state)
{
    struct error err;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    assert_false(wal_chunk_put(&repository, &source, 0, "", 0, NULL, &err));
    assert_false(
        wal_chunk_put(&repository, &source, 0, "", (size_t)WAL_CHUNK_MAX_BYTES + 1, NULL, &err));
    assert_false(wal_chunk_put(&repository, &source, UINT64_MAX - 1, "abc", 3, NULL, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    fixture_close(&repository);
}

static void test_the_largest_chunk_comes_back(void **state)
{
    struct error err;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    CLEANUP(free_pointer) uint8_t *wal = calloc(1, WAL_CHUNK_MAX_BYTES);
    (void)state;
    memset(wal + 1000, 7, 5000);
    assert_true(wal_chunk_put(&repository, &source, SEGMENT, wal, WAL_CHUNK_MAX_BYTES, NULL, &err));
    struct wal_chunk chunk = only_chunk(&repository);
    CLEANUP(free_pointer) uint8_t *back = malloc(WAL_CHUNK_MAX_BYTES);
    assert_true(
        wal_chunk_read(&repository, &chunk, &source, SEGMENT, WAL_CHUNK_MAX_BYTES, back, &err));
    assert_memory_equal(back, wal, WAL_CHUNK_MAX_BYTES);
    fixture_close(&repository);
}

static void test_names(void **state)
{
    static const char *const wrong[] = {
        "wal/00000001/0000000001000028-0000000001000028.wal", /* empty */
        "wal/00000001/0000000001000028-0000000001000027.wal",
        "wal/00000001/0000000001000000-0000000005000001.wal", /* more than 64 MiB */
        "wal/00000000/0000000001000000-0000000001000001.wal",
        "wal/00000001/0000000001000000-000000000100000A.wal",
        "wal/00000001/0000000001000000-0000000001000001.war",
        "wax/00000001/0000000001000000-0000000001000001.wal",
        "wal/00000001/0000000001000000_0000000001000001.wal",
        "wal/00000001/0000000001000000-0000000001000001.wal.",
        "wal/1",
        "",
    };
    char key[WAL_KEY_SIZE];
    struct wal_chunk chunk;
    const char *right = "wal/0000000a/00000016b374d848-00000016b4000000.wal";
    (void)state;
    assert_true(wal_chunk_from_key(right, &chunk));
    assert_int_equal(chunk.timeline, 10);
    assert_int_equal(chunk.start_lsn, 0x16b374d848);
    assert_int_equal(chunk.end_lsn, 0x16b4000000);
    assert_string_equal(wal_chunk_key(&chunk, key), right);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (wal_chunk_from_key(wrong[i], &chunk))
            fail_msg("%s: accepted", wrong[i]);
}

static void add(struct wal_catalog *catalog, uint32_t timeline, uint64_t start, uint64_t end)
{
    catalog->chunks[catalog->count++] = (struct wal_chunk){
        .timeline = timeline, .start_lsn = start, .end_lsn = end};
}

static void test_reach_goes_over_overlaps_and_stops_at_gaps(void **state)
{
    struct wal_chunk chunks[16];
    struct wal_catalog catalog = {.chunks = chunks};
    (void)state;
    add(&catalog, 1, 100, 400); /* sorted as a catalog is: longest first */
    add(&catalog, 1, 100, 200);
    add(&catalog, 1, 200, 300);
    add(&catalog, 1, 400, 450);
    add(&catalog, 1, 420, 500);
    add(&catalog, 1, 501, 600);
    add(&catalog, 2, 500, 700);
    assert_int_equal(wal_catalog_reach(&catalog, 1, 100), 500);
    assert_int_equal(wal_catalog_reach(&catalog, 1, 250), 500);
    assert_int_equal(wal_catalog_reach(&catalog, 1, 99), 99);
    assert_int_equal(wal_catalog_reach(&catalog, 1, 500), 500);
    assert_int_equal(wal_catalog_reach(&catalog, 1, 501), 600);
    assert_int_equal(wal_catalog_reach(&catalog, 2, 500), 700);
    assert_int_equal(wal_catalog_reach(&catalog, 3, 500), 500);
    assert_ptr_equal(wal_catalog_find(&catalog, 1, 250), &chunks[0]);
    assert_ptr_equal(wal_catalog_find(&catalog, 1, 430), &chunks[4]);
    assert_null(wal_catalog_find(&catalog, 1, 500));
    assert_ptr_equal(wal_catalog_find(&catalog, 2, 500), &chunks[6]);
    assert_null(wal_catalog_find(&catalog, 2, 499));
}

static void test_a_catalog_is_sorted_and_leaves_out_what_is_not_wal(void **state)
{
    struct error err;
    struct wal_catalog catalog;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    put(&repository, 300, 50);
    put(&repository, 100, 100);
    put(&repository, 100, 250);
    assert_true(store_put(repository.store, "wal/00000001/notes", "x", 1, NULL, &err));
    catalog = load(&repository);
    assert_int_equal(catalog.count, 3);
    assert_int_equal(catalog.chunks[0].end_lsn, 350);
    assert_int_equal(catalog.chunks[1].end_lsn, 200);
    assert_int_equal(catalog.chunks[2].start_lsn, 300);
    assert_true(catalog.chunks[0].size_bytes > 0);
    wal_catalog_release(&catalog);
    assert_true(wal_catalog_load(&repository, 1, 200, &catalog, &err));
    assert_int_equal(catalog.count, 2);
    wal_catalog_release(&catalog);
    assert_true(wal_catalog_load(&repository, 2, 0, &catalog, &err));
    assert_int_equal(catalog.count, 0);
    fixture_close(&repository);
}

static void test_a_history_comes_back_and_is_never_another(void **state)
{
    struct error err;
    struct buf text;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    const char *history = "1\t0/3000158\tno recovery target specified\n";
    (void)state;
    buf_init(&text, 4096);
    assert_false(history_get(&repository, 2, &text, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_true(history_put(&repository, 2, history, strlen(history), &err));
    assert_true(history_put(&repository, 2, history, strlen(history), &err));
    assert_true(history_get(&repository, 2, &text, &err));
    assert_string_equal(buf_text(&text), history);
    assert_false(history_put(&repository, 2, history, strlen(history) - 1, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(history_put(&repository, 2, "", 0, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    buf_release(&text);
    fixture_close(&repository);
}

static void test_a_damaged_history_is_refused(void **state)
{
    struct error err;
    struct buf text;
    uint8_t object[512];
    size_t len;
    const char *key = "history/00000002.history";
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    buf_init(&text, 4096);
    assert_true(history_put(&repository, 2, "1\t0/3000158\tx\n", 14, &err));
    assert_true(store_get(repository.store, key, 0, sizeof object, object, &len, &err));
    for (size_t bit = 0; bit < 8 * len; bit++) {
        assert_true(store_remove(repository.store, key, &err));
        object[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(store_put(repository.store, key, object, len, NULL, &err));
        assert_false(history_get(&repository, 2, &text, &err));
        object[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t shorter = 0; shorter < len; shorter++) {
        assert_true(store_remove(repository.store, key, &err));
        assert_true(store_put(repository.store, key, object, shorter, NULL, &err));
        assert_false(history_get(&repository, 2, &text, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
    buf_release(&text);
    fixture_close(&repository);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_comes_back_whole_and_in_parts),
        cmocka_unit_test(test_a_small_chunk_is_read_with_one_request_a_part_with_two),
        cmocka_unit_test(test_a_read_outside_of_the_chunk_is_refused),
        cmocka_unit_test(test_every_flipped_bit_is_refused),
        cmocka_unit_test(test_every_other_length_is_refused),
        cmocka_unit_test(test_damage_is_found_in_the_part_that_is_read),
        cmocka_unit_test(test_wal_of_another_system_or_segment_size_is_refused),
        cmocka_unit_test(test_a_chunk_under_another_name_is_refused),
        cmocka_unit_test(test_the_same_chunk_twice_is_success_and_other_wal_is_not),
        cmocka_unit_test(test_what_cannot_be_a_chunk_is_not_stored),
        cmocka_unit_test(test_the_largest_chunk_comes_back),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_reach_goes_over_overlaps_and_stops_at_gaps),
        cmocka_unit_test(test_a_catalog_is_sorted_and_leaves_out_what_is_not_wal),
        cmocka_unit_test(test_a_history_comes_back_and_is_never_another),
        cmocka_unit_test(test_a_damaged_history_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
