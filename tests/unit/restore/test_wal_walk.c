/* From the end of the WAL back to the snapshot, in segments of 1 MiB. */
#include "restore/wal_walk.h"

#include "base/cleanup.h"
#include "repository/wal_archive.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/wal_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = SAMPLE_SEGMENT, FIRST = 2, SEGMENTS = 4, ALL = SEGMENTS * SEGMENT };

static const int64_t noon = INT64_C(1790000000000000);
static const struct wal_source source = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = SEGMENT};

/* Segments 2 to 5 of timeline 1; the snapshot ended in the first of them. */
struct scene {
    struct repository repository;
    struct snapshot_info info;
    struct wal_walk walk;
    uint8_t *bytes;
    struct wal_sample wal;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->repository = fixture_repository(CODEC_ZSTD);
    scene->info = (struct snapshot_info){.system_identifier = source.system_identifier,
                                         .wal_segment_bytes = SEGMENT,
                                         .stop_lsn = FIRST * SEGMENT + 100};
    scene->walk = (struct wal_walk){.repository = &scene->repository,
                                    .info = &scene->info,
                                    .timeline = 1,
                                    .reach = (FIRST + SEGMENTS) * SEGMENT,
                                    .segments_max = 16};
    scene->bytes = malloc(ALL);
    wal_sample_begin(&scene->wal, FIRST * SEGMENT, scene->bytes, ALL);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    fixture_close(&scene->repository);
    free(scene->bytes);
    free(scene);
    return 0;
}

static void store(const struct scene *scene)
{
    struct error err;
    if (!wal_chunk_put(&scene->repository, &source, FIRST * SEGMENT, scene->bytes, ALL, NULL, &err))
        fail_msg("%s", err.text);
}

/* The pieces that were shown, and which one is the last that is wanted. */
struct visits {
    const struct scene *scene;
    size_t count;
    size_t enough;
    struct wal_piece pieces[16];
};

static bool visit(void *context, const struct wal_piece *piece)
{
    struct visits *visits = context;
    assert_true(visits->count < ARRAY_LEN(visits->pieces));
    assert_memory_equal(piece->bytes, visits->scene->bytes + (piece->lsn - FIRST * SEGMENT),
                        piece->len);
    visits->pieces[visits->count++] = *piece;
    return visits->count == visits->enough;
}

static void walk(struct visits *visits)
{
    struct error err;
    if (!wal_walk_back(&visits->scene->walk, visit, visits, &err))
        fail_msg("%s", err.text);
}

static void check_piece(const struct visits *visits, size_t at, uint64_t lsn, size_t len)
{
    assert_true(at < visits->count);
    assert_int_equal(visits->pieces[at].lsn, lsn);
    assert_int_equal(visits->pieces[at].len, len);
    assert_int_equal(visits->pieces[at].segment_bytes, SEGMENT);
    assert_int_equal(visits->pieces[at].block_bytes, SAMPLE_BLOCK);
}

static void fill_with_noise(const struct scene *scene)
{
    struct fixture_random random = {.state = 42};
    for (size_t i = 0; i < ALL; i++)
        scene->bytes[i] = (uint8_t)fixture_next(&random);
    store(scene);
}

static void test_from_the_reach_back_to_the_snapshot(void **state)
{
    struct scene *scene = *state;
    struct visits visits = {.scene = scene};
    fill_with_noise(scene);
    scene->walk.reach = 4 * SEGMENT + 5000;
    walk(&visits);
    assert_int_equal(visits.count, 3);
    check_piece(&visits, 0, 4 * SEGMENT, 5000);
    check_piece(&visits, 1, 3 * SEGMENT, SEGMENT + 5000);
    check_piece(&visits, 2, 2 * SEGMENT, 2 * SEGMENT);
    visits = (struct visits){.scene = scene};
    scene->walk.reach = 4 * SEGMENT; /* at the end of a segment: nothing of the next one */
    scene->info.stop_lsn = 3 * SEGMENT;
    walk(&visits);
    assert_int_equal(visits.count, 1);
    check_piece(&visits, 0, 3 * SEGMENT, SEGMENT);
}

static void test_no_further_than_asked_or_needed(void **state)
{
    struct scene *scene = *state;
    struct visits visits = {.scene = scene, .enough = 2};
    fill_with_noise(scene);
    walk(&visits);
    assert_int_equal(visits.count, 2);
    visits = (struct visits){.scene = scene};
    scene->walk.segments_max = 3;
    walk(&visits);
    assert_int_equal(visits.count, 3);
}

/* Timeline 2 left timeline 1 in segment 4: what came before is asked of timeline 1. */
static void test_an_ancestors_segments_are_not_visited(void **state)
{
    static const char history[] = "1\t0/480000\tno recovery target specified\n";
    struct error err;
    struct scene *scene = *state;
    struct visits visits = {.scene = scene};
    fill_with_noise(scene);
    assert_true(history_put(&scene->repository, 2, history, sizeof history - 1, &err));
    scene->walk.timeline = 2;
    scene->walk.reach = 0x480000;
    walk(&visits);
    assert_int_equal(visits.count, 1);
    check_piece(&visits, 0, 4 * SEGMENT, SEGMENT / 2);
}

static void test_a_failure_ends_the_walk(void **state)
{
    struct error err;
    struct scene *scene = *state;
    struct visits visits = {.scene = scene};
    fill_with_noise(scene);
    scene->info.system_identifier = 8;
    assert_false(wal_walk_back(&scene->walk, visit, &visits, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_int_equal(visits.count, 0);
}

/* A manifest is bytes from outside. */
static void test_impossible_segments_are_refused(void **state)
{
    static const uint64_t sizes[] = {0, 1, SEGMENT / 2, SEGMENT + 1, UINT64_C(1) << 32, UINT64_MAX};
    struct error err;
    struct scene *scene = *state;
    struct visits visits = {.scene = scene};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        scene->info.wal_segment_bytes = sizes[i];
        assert_false(wal_walk_back(&scene->walk, visit, &visits, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
    assert_int_equal(visits.count, 0);
}

static bool visit_commits(void *context, const struct wal_piece *piece)
{
    int64_t *last_us = context;
    *last_us = wal_last_commit_us(piece);
    return *last_us != 0;
}

static bool visit_records(void *context, const struct wal_piece *piece)
{
    return wal_last_record(piece, context);
}

/* Fills the WAL with other records, each on one page, until `left` bytes of a segment are free. */
static void fill_segment(struct wal_sample *wal, size_t left)
{
    static const uint8_t data[4096] = {255};
    const size_t end = (wal->at / SEGMENT + 1) * SEGMENT - left;
    while (wal->at < end) {
        size_t page = SAMPLE_BLOCK - wal->at % SAMPLE_BLOCK;
        if (page == SAMPLE_BLOCK)
            page -= wal->at % SEGMENT == 0 ? 40 : 24;
        size_t part = page < end - wal->at ? page : end - wal->at;
        part = part < sizeof data ? part : sizeof data;
        wal_sample_record(wal, 10, 0, data, part - 24);
    }
}

static void test_a_record_over_the_end_of_a_segment_is_found(void **state)
{
    struct error err;
    struct scene *scene = *state;
    int64_t last_us = 0;
    struct wal_record_place place = {0};
    wal_sample_end(&scene->wal, 0x00, noon);
    fill_segment(&scene->wal, 32);
    assert_int_equal(scene->wal.at, SEGMENT - 32);
    wal_sample_end(&scene->wal, 0x00, noon + 1); /* of 46 bytes */
    store(scene);
    scene->walk.reach = scene->wal.lsn + scene->wal.at;
    assert_true(wal_walk_back(&scene->walk, visit_commits, &last_us, &err));
    assert_int_equal(last_us, noon + 1);
    assert_true(wal_walk_back(&scene->walk, visit_records, &place, &err));
    assert_int_equal(place.start_lsn, 3 * SEGMENT - 32);
    assert_int_equal(place.end_lsn, 3 * SEGMENT + 40 + 16);
    scene->walk.reach--; /* a byte of it is missing: then it is not there */
    assert_true(wal_walk_back(&scene->walk, visit_commits, &last_us, &err));
    assert_int_equal(last_us, noon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_the_reach_back_to_the_snapshot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_no_further_than_asked_or_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_ancestors_segments_are_not_visited, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_ends_the_walk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_impossible_segments_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_over_the_end_of_a_segment_is_found, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
