/*
 * Merges while a recovery reads: before every single call to the store that fetching a segment
 * makes, the chunks that it is about to read are merged and removed. It always gets the same bytes.
 */
#include "base/cleanup.h"
#include "restore/wal_segment.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_script.h"
#include "walstream/wal_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 1 << 20, CHUNK = 1 << 13, CALLS_MAX = 2000, MERGES = 6 };

static const struct wal_source source = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = SEGMENT};

struct world {
    struct script script;
    struct script_view view;
    struct repository repository; /* of a view that nothing disturbs */
    struct script_view *reader;
    int every; /* calls between two merges */
    int merges;
    uint64_t removed;
};

static uint8_t byte_at(uint64_t lsn)
{
    return (uint8_t)(lsn >> 10 ^ lsn >> 3);
}

static void world_init(struct world *world)
{
    struct error err;
    struct repository_settings settings;
    struct fixture_random random = {.state = 3};
    struct random_source numbers = fixture_random_source(&random);
    CLEANUP(free_pointer) uint8_t *wal = malloc(CHUNK);
    *world = (struct world){.merges = 0};
    script_init(&world->script, INT64_C(1772323200000000));
    script_view_init(&world->view, &world->script);
    struct clock clock = script_clock(&world->script);
    repository_default_settings(&settings);
    assert_true(repository_create(&world->view.store, &settings, &clock, &numbers,
                                  &world->repository, &err));
    for (uint64_t lsn = SEGMENT; lsn < 2 * (uint64_t)SEGMENT; lsn += CHUNK) {
        for (uint64_t i = 0; i < CHUNK; i++)
            wal[i] = byte_at(lsn + i);
        assert_true(wal_chunk_put(&world->repository, &source, lsn, wal, CHUNK, NULL, &err));
    }
}

/* Each merge makes one chunk of twice as many as the last one: what was just merged goes again. */
static void merge(void *context)
{
    struct error err;
    struct world *world = context;
    struct wal_merge_result result;
    struct wal_merge_options options;
    wal_merge_default_options(&options);
    options.min_age_us = 0;
    options.min_chunks = 2;
    options.max_bytes = (uint64_t)2 * CHUNK << world->merges;
    world->script.now_us += 1000;
    if (!wal_merge_run(&world->repository, &options, &result, &err))
        fail_msg("%s", err.text);
    world->removed += result.chunks_removed;
    if (++world->merges < MERGES && world->every > 0) {
        world->reader->hook_at = world->reader->calls + world->every;
        world->reader->hook = merge;
    }
}

/* False when the reader was through before the first merge. */
static bool read_while_merging(int at, int every)
{
    struct error err;
    struct world world;
    struct script_view view;
    enum wal_segment_state segment_state;
    struct wal_segment segment = {
        .timeline = 1, .start_lsn = SEGMENT, .end_lsn = 2 * (uint64_t)SEGMENT};
    CLEANUP(free_pointer) uint8_t *out = malloc(SEGMENT);
    world_init(&world);
    script_view_init(&view, &world.script);
    view.hook_at = at;
    view.hook = merge;
    view.context = &world;
    world.reader = &view;
    world.every = every;
    struct repository repository = world.repository;
    repository.store = &view.store;
    if (!wal_segment_fetch(&repository, &source, &segment, out, &segment_state, &err))
        fail_msg("call %d, every %d: %s", at, every, err.text);
    assert_int_equal(segment_state, WAL_SEGMENT_WHOLE);
    for (uint64_t i = 0; i < SEGMENT; i++)
        if (out[i] != byte_at(SEGMENT + i))
            fail_msg("call %d: byte %d differs", at, (int)i);
    bool merged = world.merges > 0;
    assert_true(!merged || world.removed >= SEGMENT / CHUNK);
    script_release(&world.script);
    return merged;
}

static void test_a_merge_at_any_step_does_not_hurt_a_reader(void **state)
{
    (void)state;
    for (int at = 1; at < CALLS_MAX; at++)
        if (!read_while_merging(at, 0))
            return;
    fail_msg("reading a segment takes more calls than that");
}

static void test_merge_after_merge_does_not_hurt_a_reader(void **state)
{
    (void)state;
    for (int every = 2; every < 40; every += 3)
        assert_true(read_while_merging(3, every));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_merge_at_any_step_does_not_hurt_a_reader),
        cmocka_unit_test(test_merge_after_merge_does_not_hurt_a_reader),
    };
    return cmocka_run_group_tests_name("merge race", tests, NULL, NULL);
}
