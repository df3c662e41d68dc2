#include "walstream/wal_merge.h"

#include "base/cleanup.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/sealed_repository.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 16 << 20, PIECE = 10000 };

static const struct wal_source source = {
    .system_identifier = UINT64_C(7300000000000000001), .timeline = 1, .segment_bytes = SEGMENT};

static void put(const struct repository *repository, uint64_t start, uint64_t end)
{
    struct error err;
    size_t len = (size_t)(end - start);
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    for (size_t i = 0; i < len; i++)
        wal[i] = (uint8_t)((start + i) * 2654435761u >> 13);
    if (!wal_chunk_put(repository, &source, start, wal, len, NULL, &err))
        fail_msg("%s", err.text);
}

static struct wal_merge_options everything(void)
{
    struct wal_merge_options options;
    wal_merge_default_options(&options);
    options.min_age_us = -3600000000; /* also what is new */
    return options;
}

static struct wal_catalog load(const struct repository *repository)
{
    struct error err;
    struct wal_catalog catalog;
    assert_true(wal_catalog_load(repository, 0, 0, &catalog, &err));
    return catalog;
}

static void expect_wal(const struct repository *repository, uint64_t start, uint64_t end)
{
    struct error err;
    struct wal_catalog catalog = load(repository);
    for (uint64_t lsn = start; lsn < end;) {
        const struct wal_chunk *chunk = wal_catalog_find(&catalog, 1, lsn);
        assert_non_null(chunk);
        uint64_t stop = chunk->end_lsn < end ? chunk->end_lsn : end;
        size_t len = (size_t)(stop - lsn);
        CLEANUP(free_pointer) uint8_t *wal = malloc(len);
        if (!wal_chunk_read(repository, chunk, &source, lsn, len, wal, &err))
            fail_msg("%s", err.text);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(wal[i], (uint8_t)((lsn + i) * 2654435761u >> 13));
        lsn = stop;
    }
    wal_catalog_release(&catalog);
}

static void test_small_chunks_become_one_and_gaps_stay(void **state)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options = everything();
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        if (i != 10)
            put(&repository, i * PIECE, (i + 1) * PIECE + 5); /* they overlap a little */
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.merges, 2);
    assert_int_equal(result.chunks_removed, 19);
    struct wal_catalog catalog = load(&repository);
    assert_int_equal(catalog.count, 2);
    assert_int_equal(catalog.chunks[0].end_lsn, 10 * PIECE + 5);
    assert_int_equal(catalog.chunks[1].start_lsn, 11 * PIECE);
    wal_catalog_release(&catalog);
    expect_wal(&repository, 0, 10 * PIECE);
    expect_wal(&repository, 11 * PIECE, 20 * PIECE);
    fixture_close(&repository);
}

static void test_young_chunks_and_few_chunks_stay(void **state)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    wal_merge_default_options(&options);
    for (uint64_t i = 0; i < 20; i++)
        put(&repository, i * PIECE, (i + 1) * PIECE);
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.merges, 0);
    options = everything();
    options.min_chunks = 21;
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.merges, 0);
    fixture_close(&repository);
}

static void test_a_large_chunk_waits_for_its_equal(void **state)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options = everything();
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    put(&repository, 0, 100 * PIECE);
    for (uint64_t i = 100; i < 120; i++)
        put(&repository, i * PIECE, (i + 1) * PIECE);
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.wal_bytes, 20 * PIECE); /* the large one was left alone */
    struct wal_catalog catalog = load(&repository);
    assert_int_equal(catalog.count, 2);
    wal_catalog_release(&catalog);
    fixture_close(&repository);
}

static void test_a_merged_chunk_never_exceeds_the_maximum(void **state)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options = everything();
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    options.max_bytes = 8 * PIECE;
    for (uint64_t i = 0; i < 20; i++)
        put(&repository, i * PIECE, (i + 1) * PIECE);
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.merges, 2);
    struct wal_catalog catalog = load(&repository);
    assert_int_equal(catalog.count, 6); /* two of eight, and four alone */
    wal_catalog_release(&catalog);
    expect_wal(&repository, 0, 20 * PIECE);
    fixture_close(&repository);
}

static void test_objects_are_merged_up_to_their_maximum(void **state)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options = everything();
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    options.max_object_bytes = 8 * (PIECE + 500);
    put(&repository, 0, 8 * PIECE);
    for (uint64_t i = 0; i < 8; i++) /* left over: they add nothing */
        put(&repository, i * PIECE, (i + 1) * PIECE);
    for (uint64_t i = 8; i < 18; i++)
        put(&repository, i * PIECE, (i + 1) * PIECE);
    assert_true(wal_merge_run(&repository, &options, &result, &err));
    assert_int_equal(result.merges, 2);
    struct wal_catalog catalog = load(&repository);
    assert_int_equal(catalog.count, 4); /* two of eight, and two alone */
    assert_int_equal(catalog.chunks[0].end_lsn, 8 * PIECE);
    assert_int_equal(catalog.chunks[1].end_lsn, 16 * PIECE);
    wal_catalog_release(&catalog);
    expect_wal(&repository, 0, 18 * PIECE);
    fixture_close(&repository);
}

/* A chunk keeps all parts of those that it was made of, so there is an end to it: merging must stop
 * before that, not fail there again and again. */
static void test_sealed_chunks_are_merged_as_far_as_their_parts_fit(void **state)
{
    enum { LARGE = 1 << 20, COUNT = 24, FIRST = 15 };
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options = everything();
    struct repository repository = sealed_repository();
    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        put(&repository, i * LARGE, (i + 1) * LARGE);
    if (!wal_merge_run(&repository, &options, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.merges, 2);
    struct wal_catalog catalog = load(&repository);
    assert_int_equal(catalog.count, 2);
    assert_int_equal(catalog.chunks[0].end_lsn, FIRST * LARGE);
    assert_true(catalog.chunks[0].size_bytes <= WAL_JOIN_MAX_BYTES);
    wal_catalog_release(&catalog);
    expect_wal(&repository, 0, COUNT * LARGE);
    store_close(repository.store);
}

/* Every call to the store fails once; the WAL is whole at every moment, and the next run ends. */
static void test_a_merge_that_is_interrupted_anywhere_loses_nothing(void **state)
{
    (void)state;
    for (int at = 1; at < 60; at++) {
        struct error err;
        struct store *store;
        struct wal_merge_result result;
        struct wal_merge_options options = everything();
        struct repository repository = fixture_repository(CODEC_ZSTD);
        assert_true(store_fault_open(repository.store, &store, &err));
        repository.store = store;
        for (uint64_t i = 0; i < 10; i++)
            put(&repository, i * PIECE, (i + 1) * PIECE);
        const struct fault fault = {
            .ops = FAULT_ANY, .at_call = at, .times = 1, .kind = ERROR_UNAVAILABLE};
        store_fault_set(store, &fault);
        bool done = wal_merge_run(&repository, &options, &result, &err);
        store_fault_set(store, &(const struct fault){.ops = 0});
        expect_wal(&repository, 0, 10 * PIECE);
        assert_true(wal_merge_run(&repository, &options, &result, &err));
        expect_wal(&repository, 0, 10 * PIECE);
        struct wal_catalog catalog = load(&repository);
        if (catalog.count != 1)
            fail_msg("failure at call %d: %zu chunks", at, catalog.count);
        wal_catalog_release(&catalog);
        fixture_close(&repository);
        if (done)
            return;
    }
    fail_msg("no run without a failure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_chunks_become_one_and_gaps_stay),
        cmocka_unit_test(test_young_chunks_and_few_chunks_stay),
        cmocka_unit_test(test_a_large_chunk_waits_for_its_equal),
        cmocka_unit_test(test_a_merged_chunk_never_exceeds_the_maximum),
        cmocka_unit_test(test_objects_are_merged_up_to_their_maximum),
        cmocka_unit_test(test_sealed_chunks_are_merged_as_far_as_their_parts_fit),
        cmocka_unit_test(test_a_merge_that_is_interrupted_anywhere_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
