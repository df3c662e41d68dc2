/* Lists as a repository gives them, made up: what can be recovered, and from which snapshot. */
#include "restore/window.h"

#include "base/cleanup.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 16 };
#define SECOND INT64_C(1000000)

/* LSNs in the hundreds, times in seconds; arrays end with a zero. */
struct scene {
    struct recovery_view view;
    struct catalog_entry entries[MAX];
    struct wal_chunk chunks[MAX];
    struct timeline_chain chains[MAX];
    char keys[MAX][8];
};

static void add_snapshot(struct scene *scene, const char *id, uint32_t timeline, uint64_t start,
                         uint64_t stop, int64_t finished_s)
{
    struct catalog_entry *entry = &scene->entries[scene->view.snapshots.count++];
    *entry = (struct catalog_entry){.readable = true,
                                    .key = scene->keys[scene->view.snapshots.count]};
    (void)snprintf(entry->info.id, sizeof entry->info.id, "%s", id);
    entry->info.timeline = timeline;
    entry->info.start_lsn = start;
    entry->info.stop_lsn = stop;
    entry->info.finished_us = finished_s * SECOND;
}

static void add_chunk(struct scene *scene, uint32_t timeline, uint64_t start, uint64_t end,
                      int64_t stored_s)
{
    scene->chunks[scene->view.wal.count++] = (struct wal_chunk){
        .timeline = timeline, .start_lsn = start, .end_lsn = end, .modified_us = stored_s * SECOND};
}

static void add_chain(struct scene *scene, uint32_t timeline, const struct timeline_entry *from,
                      size_t count)
{
    struct error err;
    assert_true(timeline_chain_init(&scene->chains[scene->view.chain_count++], timeline, from,
                                    count, &err));
}

static void begin(struct scene *scene)
{
    *scene = (struct scene){0};
    scene->view.snapshots.entries = scene->entries;
    scene->view.wal.chunks = scene->chunks;
    scene->view.chains = scene->chains;
}

static void end(struct scene *scene)
{
    for (size_t i = 0; i < scene->view.chain_count; i++)
        timeline_chain_release(&scene->chains[i]);
}

/* One timeline: snapshots at 100-150 and 300-350, WAL from 100 to 600, stored until second 60. */
static void one_timeline(struct scene *scene)
{
    begin(scene);
    add_chain(scene, 1, NULL, 0);
    add_snapshot(scene, "aaaa", 1, 100, 150, 10);
    add_snapshot(scene, "bbbb", 1, 300, 350, 30);
    add_chunk(scene, 1, 100, 250, 20);
    add_chunk(scene, 1, 200, 400, 40);
    add_chunk(scene, 1, 400, 600, 60);
}

/* 1 was left for 2 at 500, 2 for 3 at 800; 1 went on by itself to 700 after the first promotion. */
static void three_timelines(struct scene *scene)
{
    static const struct timeline_entry two[] = {{1, 500}};
    static const struct timeline_entry three[] = {{1, 500}, {2, 800}};
    begin(scene);
    add_chain(scene, 1, NULL, 0);
    add_chain(scene, 2, two, 1);
    add_chain(scene, 3, three, 2);
    add_snapshot(scene, "aaaa", 1, 100, 150, 10);
    add_snapshot(scene, "abab", 1, 560, 580, 28); /* on the abandoned end of 1 */
    add_snapshot(scene, "bbbb", 2, 600, 650, 30);
    add_chunk(scene, 1, 100, 700, 25);
    add_chunk(scene, 2, 480, 900, 45); /* begins with a copy of 1, as its first segment does */
    add_chunk(scene, 3, 800, 1000, 60);
}

static const char *chosen(const struct scene *scene, struct recovery_target target,
                          uint32_t expected_timeline)
{
    struct error err;
    struct recovery_choice choice;
    if (!recovery_choose(&scene->view, &target, NULL, &choice, &err))
        fail_msg("%s (%s)", err.text, err.hint);
    assert_int_equal(choice.timeline, expected_timeline);
    return choice.snapshot->info.id;
}

static void refused(const struct scene *scene, struct recovery_target target, const char *wanted,
                    const char *text, const char *hint)
{
    struct error err = {0};
    struct recovery_choice choice;
    if (recovery_choose(&scene->view, &target, wanted, &choice, &err))
        fail_msg("chose %s, although: %s", choice.snapshot->info.id, text);
    if (strstr(err.text, text) == NULL || strstr(err.hint, hint) == NULL)
        fail_msg("said \"%s\" (%s), not \"%s\" (%s)", err.text, err.hint, text, hint);
}

static struct recovery_target at_lsn(uint64_t lsn)
{
    return (struct recovery_target){.kind = TARGET_LSN, .lsn = lsn};
}

static struct recovery_target at_second(int64_t second)
{
    return (struct recovery_target){.kind = TARGET_TIME, .time_us = second * SECOND};
}

static struct recovery_target on(enum recovery_target_kind kind, uint32_t timeline)
{
    return (struct recovery_target){
        .kind = kind, .timeline = TIMELINE_NUMBER, .timeline_number = timeline};
}

static void check_windows(const struct scene *scene, const struct recovery_window *expected,
                          size_t count)
{
    struct error err;
    size_t got_count;
    CLEANUP(free_pointer) struct recovery_window *got = NULL;
    assert_true(recovery_windows(&scene->view, &got, &got_count, &err));
    assert_int_equal(got_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].timeline, expected[i].timeline);
        assert_int_equal(got[i].first_lsn, expected[i].first_lsn);
        assert_int_equal(got[i].last_lsn, expected[i].last_lsn);
        assert_int_equal(got[i].missing_to, expected[i].missing_to);
        assert_int_equal(got[i].snapshot_count, expected[i].snapshot_count);
    }
}

static void test_the_window_of_one_timeline(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    check_windows(&scene,
                  &(struct recovery_window){
                      .timeline = 1, .first_lsn = 150, .last_lsn = 600, .snapshot_count = 2},
                  1);
    end(&scene);
}

static void test_a_gap_makes_two_windows(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    scene.chunks[1].start_lsn = 260; /* 250 to 260 is missing */
    static const struct recovery_window expected[] = {
        {.timeline = 1, .first_lsn = 150, .last_lsn = 250, .missing_to = 260, .snapshot_count = 1},
        {.timeline = 1, .first_lsn = 350, .last_lsn = 600, .snapshot_count = 1}};
    check_windows(&scene, expected, 2);
    assert_string_equal(chosen(&scene, at_lsn(200), 1), "aaaa");
    refused(&scene, at_lsn(270), NULL, "is missing from 0/FA to 0/104", "0/96");
    assert_string_equal(chosen(&scene, at_lsn(500), 1), "bbbb");
    refused(&scene, at_lsn(500), "aaaa", "is missing from 0/FA", "timeline 1 from 0/15E");
    /* nobody knows on which side of the gap a transaction is, but who names the snapshot may */
    struct error err;
    struct recovery_choice choice;
    struct recovery_target xid = on(TARGET_XID, 1);
    refused(&scene, xid, NULL, "from snapshot aaaa: the WAL of timeline 1 is missing", "0/15E");
    assert_true(recovery_choose(&scene.view, &xid, "aaaa", &choice, &err));
    assert_string_equal(choice.snapshot->info.id, "aaaa");
    refused(&scene, at_second(25), NULL, "missing", "Recoverable is timeline 1");
    end(&scene);
}

static void test_the_newest_snapshot_before_the_target_is_chosen(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    assert_string_equal(chosen(&scene, at_lsn(150), 1), "aaaa");
    assert_string_equal(chosen(&scene, at_lsn(349), 1), "aaaa");
    assert_string_equal(chosen(&scene, at_lsn(350), 1), "bbbb");
    assert_string_equal(chosen(&scene, at_lsn(599), 1), "bbbb");
    assert_string_equal(chosen(&scene, at_second(29), 1), "aaaa");
    assert_string_equal(chosen(&scene, at_second(30), 1), "bbbb");
    assert_string_equal(chosen(&scene, on(TARGET_LATEST, 1), 1), "bbbb");
    assert_string_equal(chosen(&scene, on(TARGET_IMMEDIATE, 1), 1), "bbbb");
    /* nobody knows where a transaction is: the oldest snapshot has it before it */
    assert_string_equal(chosen(&scene, on(TARGET_XID, 1), 1), "aaaa");
    struct recovery_target point = {
        .kind = TARGET_NAME, .lsn = 600, .point_timeline = 1, .timeline = TIMELINE_CURRENT};
    assert_string_equal(chosen(&scene, point, 1), "bbbb"); /* its record ends at its LSN */
    end(&scene);
}

static void test_targets_outside_are_refused_with_the_window(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    const char *window = "timeline 1 from 0/96 (1970-01-01T00:00:10Z) to 0/258 "
                         "(1970-01-01T00:01:00Z)";
    refused(&scene, at_lsn(149), NULL, "before the end of snapshot aaaa", window);
    refused(&scene, at_lsn(600), NULL, "ends at 0/258", window);
    refused(&scene, at_second(9), NULL, "before the end of snapshot aaaa", window);
    refused(&scene, at_second(9000), NULL, "ends at 0/258", window);
    refused(&scene, at_lsn(200), "bbbb", "before the end of snapshot bbbb", window);
    refused(&scene, on(TARGET_LATEST, 7), NULL, "knows nothing of it", window);
    scene.view.snapshots.count = 0;
    refused(&scene, at_lsn(200), NULL, "holds no snapshot", "snapshot create");
    end(&scene);
}

static void test_a_snapshot_needs_its_own_wal(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    scene.entries[0].info.start_lsn = 90; /* before the first chunk */
    refused(&scene, at_lsn(200), NULL, "is missing from 0/5A to 0/64", "timeline 1 from 0/15E");
    scene.entries[0].info.wal_included = true;
    assert_string_equal(chosen(&scene, at_lsn(200), 1), "aaaa");
    /* without any WAL a snapshot with its own can become consistent, no more */
    scene.view.wal.count = 0;
    assert_string_equal(chosen(&scene, on(TARGET_IMMEDIATE, 1), 1), "aaaa");
    refused(&scene, at_second(20), NULL, "ends at 0/96", "");
    end(&scene);
}

static void test_a_chain_leads_over_timelines(void **state)
{
    static const struct recovery_window expected[] = {
        {.timeline = 1, .first_lsn = 150, .last_lsn = 700, .snapshot_count = 2},
        {.timeline = 2, .first_lsn = 150, .last_lsn = 900, .snapshot_count = 2},
        {.timeline = 3, .first_lsn = 150, .last_lsn = 1000, .snapshot_count = 2}};
    struct scene scene;
    (void)state;
    three_timelines(&scene);
    check_windows(&scene, expected, 3);
    assert_string_equal(chosen(&scene, on(TARGET_LATEST, 3), 3), "bbbb");
    assert_string_equal(chosen(&scene, at_lsn(950), 3), "bbbb");
    assert_string_equal(chosen(&scene, at_lsn(620), 3), "aaaa");
    /* latest is the newest timeline, and no snapshot of an abandoned end is on its way */
    assert_string_equal(chosen(&scene, at_lsn(590), 3), "aaaa");
    struct recovery_target abandoned = on(TARGET_LSN, 1);
    abandoned.lsn = 590;
    assert_string_equal(chosen(&scene, abandoned, 1), "abab");
    abandoned.lsn = 950;
    refused(&scene, abandoned, NULL, "ends at 0/2BC", "timeline 3 from");
    refused(&scene, at_lsn(990), "abab", "is not on the history", "timeline 2 from");
    end(&scene);
}

static void test_current_stays_on_the_timeline_of_the_snapshot(void **state)
{
    struct scene scene;
    (void)state;
    three_timelines(&scene);
    struct recovery_target current = {.kind = TARGET_LATEST, .timeline = TIMELINE_CURRENT};
    assert_string_equal(chosen(&scene, current, 2), "bbbb");
    current.kind = TARGET_LSN;
    current.lsn = 590;
    assert_string_equal(chosen(&scene, current, 1), "abab");
    struct recovery_target point = {
        .kind = TARGET_NAME, .lsn = 850, .point_timeline = 2, .timeline = TIMELINE_CURRENT};
    assert_string_equal(chosen(&scene, point, 2), "bbbb");
    end(&scene);
}

static void test_wal_missing_before_a_departure_is_a_gap(void **state)
{
    struct scene scene;
    (void)state;
    three_timelines(&scene);
    scene.chunks[0].end_lsn = 470; /* 2 has a copy from 480 on */
    refused(&scene, at_lsn(490), NULL, "is missing from 0/1D6 to 0/1E0", "Recoverable is");
    scene.chunks[0].end_lsn = 485;
    assert_string_equal(chosen(&scene, at_lsn(590), 3), "aaaa");
    /* the WAL ends before the last timeline begins */
    scene.chunks[1].end_lsn = 790;
    scene.view.wal.count = 2;
    refused(&scene, on(TARGET_LATEST, 3), NULL, "is missing from 0/316 to 0/320",
            "timeline 2 from");
    end(&scene);
}

static void test_a_missing_history_is_refused(void **state)
{
    struct scene scene;
    (void)state;
    three_timelines(&scene);
    timeline_chain_release(&scene.chains[2]);
    scene.chains[2].timeline = 3;
    (void)snprintf(scene.chains[2].problem, sizeof scene.chains[2].problem,
                   "the history of timeline 3 is not in the repository");
    refused(&scene, (struct recovery_target){.kind = TARGET_LATEST}, NULL,
            "the history of timeline 3 is not in the repository", "--target-timeline");
    refused(&scene, at_lsn(620), NULL, "the history of timeline 3", "");
    assert_string_equal(chosen(&scene, on(TARGET_LATEST, 2), 2), "bbbb");
    end(&scene);
}

static void test_an_unreadable_snapshot_is_passed_over(void **state)
{
    struct scene scene;
    (void)state;
    one_timeline(&scene);
    scene.entries[1] = (struct catalog_entry){
        .readable = false, .problem = "damaged", .key = scene.keys[1]};
    assert_string_equal(chosen(&scene, at_lsn(500), 1), "aaaa");
    end(&scene);
}

/* The same from objects: histories are read, and one that is missing is the chain's problem. */
static void test_a_view_knows_every_timeline(void **state)
{
    struct error err;
    struct recovery_view view;
    static const char two[] = "1\t0/1F4\tno recovery target specified\n";
    static const uint8_t wal[64] = {0};
    struct wal_source source = {.system_identifier = 1, .timeline = 4, .segment_bytes = 16 << 20};
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    assert_true(history_put(&repository, 2, two, sizeof two - 1, &err));
    assert_true(wal_chunk_put(&repository, &source, 4096, wal, sizeof wal, NULL, &err));
    assert_true(recovery_view_load(&repository, &view, &err));
    assert_int_equal(view.chain_count, 2);
    const struct timeline_chain *chain = recovery_view_chain(&view, 2);
    assert_int_equal(chain->count, 2);
    assert_int_equal(timeline_chain_begin(chain), 500);
    assert_non_null(strstr(recovery_view_chain(&view, 4)->problem, "timeline 4 is not in the"));
    assert_null(recovery_view_chain(&view, 3));
    recovery_view_release(&view);
    fixture_close(&repository);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_window_of_one_timeline),
        cmocka_unit_test(test_a_gap_makes_two_windows),
        cmocka_unit_test(test_the_newest_snapshot_before_the_target_is_chosen),
        cmocka_unit_test(test_targets_outside_are_refused_with_the_window),
        cmocka_unit_test(test_a_snapshot_needs_its_own_wal),
        cmocka_unit_test(test_a_chain_leads_over_timelines),
        cmocka_unit_test(test_current_stays_on_the_timeline_of_the_snapshot),
        cmocka_unit_test(test_wal_missing_before_a_departure_is_a_gap),
        cmocka_unit_test(test_a_missing_history_is_refused),
        cmocka_unit_test(test_an_unreadable_snapshot_is_passed_over),
        cmocka_unit_test(test_a_view_knows_every_timeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
