#include "repository/retention.h"

#include "base/text.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_SNAPSHOTS = 40, MAX_CHUNKS = 64, MAX_PINS = 4 };

static const int64_t minute_us = INT64_C(60) * 1000000;
static const int64_t hour_us = INT64_C(3600) * 1000000;
static const int64_t day_us = INT64_C(86400) * 1000000;

/* A catalog on the stack: snapshot i starts at LSN 1000 * (i + 1), ends 100 later. */
struct scene {
    struct catalog_entry entries[MAX_SNAPSHOTS];
    struct catalog catalog;
    struct pin pins[MAX_PINS];
    struct pin_list pin_list;
    struct wal_chunk chunks[MAX_CHUNKS];
    struct wal_catalog wal;
    char held[1][SNAPSHOT_ID_SIZE];
    struct retention_input input;
};

static void scene_init(struct scene *scene)
{
    *scene = (struct scene){0};
    scene->catalog.entries = scene->entries;
    scene->pin_list.pins = scene->pins;
    scene->wal.chunks = scene->chunks;
    scene->input = (struct retention_input){
        .catalog = &scene->catalog,
        .pins = &scene->pin_list,
        .wal = &scene->wal,
        .held_ids = (const char(*)[SNAPSHOT_ID_SIZE])scene->held};
}

static void add_at(struct scene *scene, int64_t started_us)
{
    size_t at = scene->catalog.count++;
    struct catalog_entry *entry = &scene->entries[at];
    *entry = (struct catalog_entry){.readable = true};
    fixture_info(&entry->info, (unsigned)at);
    entry->info.started_us = started_us;
    entry->info.finished_us = started_us + minute_us;
    entry->info.wal_segment_bytes = 1; /* no rounding */
    entry->info.start_lsn = 1000 * (at + 1);
    entry->info.stop_lsn = 1000 * (at + 1) + 100;
    scene->input.now_us = started_us + 2 * minute_us;
}

static void add(struct scene *scene, const char *started)
{
    int64_t started_us;
    assert_true(text_to_time_us(started, &started_us));
    add_at(scene, started_us);
}

static void add_chunk(struct scene *scene, uint32_t timeline, uint64_t start, uint64_t end)
{
    scene->chunks[scene->wal.count++] = (struct wal_chunk){
        .timeline = timeline, .start_lsn = start, .end_lsn = end};
}

static void add_pin(struct scene *scene, size_t snapshot, int64_t expires_us)
{
    struct pin *pin = &scene->pins[scene->pin_list.count++];
    *pin = (struct pin){.readable = true, .reason = "audit", .expires_us = expires_us};
    memcpy(pin->snapshot_id, scene->entries[snapshot].info.id, SNAPSHOT_ID_SIZE);
}

static struct retention_plan plan_of(const struct scene *scene,
                                     const struct retention_policy *policy)
{
    struct error err;
    struct retention_plan plan;
    if (!retention_plan(policy, &scene->input, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

/* "K" and "-" for each snapshot, oldest first. */
static void expect(const struct scene *scene, const struct retention_policy *policy,
                   const char *expected, const char *what)
{
    char got[MAX_SNAPSHOTS + 1] = "";
    struct retention_plan plan = plan_of(scene, policy);
    for (size_t i = 0; i < plan.snapshot_count; i++) {
        got[i] = plan.snapshots[i].keep ? 'K' : '-';
        assert_true(plan.snapshots[i].reason_count > 0);
    }
    if (strcmp(got, expected) != 0)
        fail_msg("%s: %s instead of %s", what, got, expected);
    retention_plan_release(&plan);
}

static void expect_wal(const struct scene *scene, const struct retention_policy *policy,
                       const char *expected)
{
    char got[MAX_CHUNKS + 1] = "";
    struct retention_plan plan = plan_of(scene, policy);
    for (size_t i = 0; i < plan.wal_count; i++)
        got[i] = plan.wal_kept[i] ? 'K' : '-';
    assert_string_equal(got, expected);
    retention_plan_release(&plan);
}

static void test_each_rule_keeps_the_newest_of_its_periods(void **state)
{
    static const char *const starts[] = {
        "2024-12-30T10:00:00Z", /* the Monday of ISO week 1 of 2025 */
        "2025-01-05T23:30:00Z", /* its Sunday */
        "2025-01-06T00:30:00Z", /* the next Monday */
        "2025-12-31T23:30:00Z", "2026-03-01T10:05:00Z", "2026-03-01T10:55:00Z",
        "2026-03-01T11:05:00Z", "2026-03-02T00:30:00Z",
    };
    static const struct {
        const char *what;
        struct retention_policy policy;
        const char *expected;
    } cases[] = {
        {"no rule keeps everything", {0}, "KKKKKKKK"},
        {"keep-last", {.keep_last = 3}, "-----KKK"},
        {"keep-last more than there are", {.keep_last = 99}, "KKKKKKKK"},
        {"hourly", {.hourly = 3}, "-----KKK"},
        {"hourly: one of each hour", {.hourly = 4}, "---K-KKK"},
        {"daily", {.daily = 2}, "------KK"},
        {"daily counts days that have one", {.daily = 4}, "--KK--KK"},
        {"weekly", {.weekly = 2}, "------KK"},
        {"weekly: ISO weeks go over the new year", {.weekly = 5}, "-KKK--KK"},
        {"monthly", {.monthly = 2}, "---K---K"},
        {"monthly over years", {.monthly = 4}, "K-KK---K"},
        {"yearly", {.yearly = 2}, "---K---K"},
        {"yearly, all", {.yearly = 9}, "K--K---K"},
        {"within", {.within_us = INT64_C(14) * 3600 * 1000000}, "-----KKK"},
        {"rules add up", {.keep_last = 1, .yearly = 3}, "K--K---K"},
        {"days of another zone: 2025 ended an hour before",
         {.yearly = 2, .utc_offset_s = 3600},
         "--K----K"},
        {"west of UTC", {.daily = 2, .utc_offset_s = -3600}, "---K---K"},
        {"minimum", {.daily = 1, .minimum = 3}, "-----KKK"},
    };
    struct scene scene;
    (void)state;
    scene_init(&scene);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        add(&scene, starts[i]);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(&scene, &cases[i].policy, cases[i].expected, cases[i].what);
}

static void test_the_newest_good_snapshot_always_stays(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 1};
    (void)state;
    scene_init(&scene);
    for (int i = 0; i < 5; i++)
        add_at(&scene, i * day_us);
    scene.entries[4].info.damaged_pages = true;
    expect(&scene, &policy, "---KK", "the newest without damaged pages stays too");
    scene.entries[4].info.damaged_pages = false;
    scene.entries[4].readable = false;
    expect(&scene, &policy, "---KK", "an unreadable one does not count, and stays");
    for (int i = 0; i < 5; i++)
        scene.entries[i].readable = false;
    expect(&scene, &policy, "KKKKK", "nothing is removed blindly");
}

static void test_pins_and_running_snapshots_hold(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 1};
    (void)state;
    scene_init(&scene);
    for (int i = 0; i < 5; i++)
        add_at(&scene, i * day_us);
    add_pin(&scene, 0, 0);
    add_pin(&scene, 1, scene.input.now_us + 1);
    add_pin(&scene, 2, scene.input.now_us);
    expect(&scene, &policy, "KK--K", "a pin holds until it expires");
    scene.pins[2].readable = false;
    expect(&scene, &policy, "KKK-K", "a pin that cannot be read holds");
    memcpy(scene.held[0], scene.entries[3].info.id, SNAPSHOT_ID_SIZE);
    scene.input.held_count = 1;
    expect(&scene, &policy, "KKKKK", "the parent of a running snapshot stays");
    scene.input.held_count = 0;
    scene.pin_list.count = 0;
    scene.input.hold_all = true;
    expect(&scene, &policy, "KKKKK", "a lease that cannot be read holds everything");
    struct retention_plan plan = plan_of(&scene, &policy);
    assert_string_equal(plan.snapshots[0].reasons[0], "a running snapshot or restore may need it");
    retention_plan_release(&plan);
}

static void test_wal_is_kept_for_consistency_and_for_the_window(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 2};
    (void)state;
    scene_init(&scene);
    for (int i = 0; i < 5; i++) /* start at LSN 1000 to 5000 */
        add_at(&scene, i * day_us);
    for (uint64_t lsn = 500; lsn < 6000; lsn += 500)
        add_chunk(&scene, 1, lsn, lsn + 500);
    /*                       500 1000 1500 2000 2500 3000 3500 4000 4500 5000 5500 */
    expect_wal(&scene, &policy, "-------KKKK"); /* snapshots at 4000 and 5000 */
    add_pin(&scene, 0, 0);
    expect_wal(&scene, &policy, "-KKKKKKKKKK"); /* no window: from the oldest on */
    policy.wal_window_us = hour_us;             /* the one at 4000 reaches its first moment */
    expect_wal(&scene, &policy, "-K-----KKKK");
    policy.wal_window_us = 2 * day_us; /* now is 3 minutes behind the newest's start */
    expect(&scene, &policy, "K-KKK", "the anchor of the window stays");
    expect_wal(&scene, &policy, "-K---KKKKKK");
    policy.wal_window_us = 99 * day_us;
    expect_wal(&scene, &policy, "-KKKKKKKKKK");
    scene.entries[1].readable = false;
    expect_wal(&scene, &policy, "KKKKKKKKKKK");
}

/* A recovery that begins in the middle of a segment reads the first page of it. */
static void test_the_head_of_a_segment_stays(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 1};
    (void)state;
    scene_init(&scene);
    add_at(&scene, 0);
    add_at(&scene, day_us); /* from 2000 */
    scene.entries[1].info.wal_segment_bytes = 512;
    add_chunk(&scene, 1, 1000, 1536);
    add_chunk(&scene, 1, 1536, 1600); /* 1536 to 2048 is the segment of 2000 */
    add_chunk(&scene, 1, 1600, 2100);
    expect_wal(&scene, &policy, "-KK");
}

static void test_wal_that_a_running_snapshot_finds_in_the_archive_stays(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 1};
    static const struct snapshot_wal_range held = {
        .timeline = 1, .start_lsn = 600, .end_lsn = UINT64_MAX};
    (void)state;
    scene_init(&scene);
    add_at(&scene, 0);
    add_at(&scene, day_us);
    add_chunk(&scene, 1, 400, 600);
    add_chunk(&scene, 1, 600, 800);
    add_chunk(&scene, 2, 400, 800);
    expect_wal(&scene, &policy, "---");
    scene.input.held_wal = &held;
    scene.input.held_wal_count = 1;
    expect_wal(&scene, &policy, "-K-");
    scene.input.hold_all = true;
    expect_wal(&scene, &policy, "KKK");
}

static void test_wal_of_later_timelines_stays(void **state)
{
    struct scene scene;
    struct retention_policy policy = {.keep_last = 1};
    (void)state;
    scene_init(&scene);
    add_at(&scene, 0);
    add_at(&scene, day_us); /* timeline 2, from 2000 */
    scene.entries[1].info.timeline = 2;
    add_chunk(&scene, 1, 1900, 2500); /* the old primary went on: unreachable from timeline 2 */
    add_chunk(&scene, 2, 1900, 2000);
    add_chunk(&scene, 2, 2000, 2200);
    add_chunk(&scene, 3, 2200, 2300);
    add_chunk(&scene, 3, 1500, 1600);
    expect_wal(&scene, &policy, "--KK-");
}

/* Berlin 2026: on 29 March 02:00 becomes 03:00 (01:00Z), on 25 October 03:00 becomes 02:00
 * (01:00Z).
 */
static void test_periods_end_where_the_clock_of_a_place_says(void **state)
{
    static const struct {
        const char *what;
        const char *starts[6];
        struct retention_policy policy;
        const char *berlin;
        const char *plus_one; /* what the same rule keeps with a fixed offset */
    } cases[] = {
        {"spring: the day has 23 hours, and the next begins at 22:00Z",
         {"2026-03-28T22:30:00Z", "2026-03-28T23:30:00Z", "2026-03-29T21:30:00Z",
          "2026-03-29T22:30:00Z"},
         {.daily = 2},
         "--KK",
         "K--K"},
        {"autumn: the day has 25 hours",
         {"2026-10-24T21:30:00Z", "2026-10-24T22:30:00Z", "2026-10-25T22:30:00Z",
          "2026-10-25T23:30:00Z"},
         {.daily = 3},
         "K-KK",
         "-KKK"},
        {"autumn: the hour that comes twice is two hours",
         {"2026-10-25T00:10:00Z", "2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z",
          "2026-10-25T01:50:00Z", "2026-10-25T02:10:00Z"},
         {.hourly = 3},
         "-K-KK",
         "-K-KK"},
        {"spring: the hour that is skipped is none",
         {"2026-03-29T00:10:00Z", "2026-03-29T00:50:00Z", "2026-03-29T01:10:00Z",
          "2026-03-29T02:10:00Z"},
         {.hourly = 3},
         "-KKK",
         "-KKK"},
        {"a month ends in summer time",
         {"2026-06-30T21:30:00Z", "2026-06-30T22:30:00Z", "2026-07-15T00:00:00Z"},
         {.monthly = 2},
         "K-K",
         "-KK"},
        {"a week ends in summer time",
         {"2026-06-28T21:30:00Z", "2026-06-28T22:30:00Z", "2026-06-29T12:00:00Z"},
         {.weekly = 2},
         "K-K",
         "-KK"},
    };
    struct error err;
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    (void)state;
    if (!time_zone_load("Europe/Berlin", TIME_ZONE_DIRECTORY, &zone, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene scene;
        struct retention_policy policy = cases[i].policy;
        scene_init(&scene);
        for (size_t j = 0; j < ARRAY_LEN(cases[i].starts) && cases[i].starts[j] != NULL; j++)
            add(&scene, cases[i].starts[j]);
        policy.zone = zone;
        expect(&scene, &policy, cases[i].berlin, cases[i].what);
        policy.zone = NULL;
        policy.utc_offset_s = 3600;
        expect(&scene, &policy, cases[i].plus_one, cases[i].what);
    }
}

static void test_zones_are_offsets(void **state)
{
    int32_t offset;
    (void)state;
    assert_true(retention_zone_from_text("UTC", &offset));
    assert_int_equal(offset, 0);
    assert_true(retention_zone_from_text("-03:30", &offset));
    assert_int_equal(offset, -12600);
    assert_true(retention_zone_from_text("+14:00", &offset));
    static const char *const wrong[] = {"", "utc", "+1:00", "+15:00", "+01:60", "01:00", "+01:00 "};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(retention_zone_from_text(wrong[i], &offset));
}

/* --- properties ------------------------------------------------------------------------------- */

static void random_scene(struct scene *scene, struct fixture_random *random)
{
    size_t count = (size_t)fixture_below(random, 16);
    int64_t at = INT64_C(1700000000000000);
    scene_init(scene);
    for (size_t i = 0; i < count; i++) {
        at += (int64_t)fixture_below(random, 40) * hour_us / 2 + minute_us;
        add_at(scene, at);
        scene->entries[i].readable = fixture_below(random, 20) != 0;
        scene->entries[i].info.damaged_pages = fixture_below(random, 5) == 0;
        scene->entries[i].info.timeline = 1 + (uint32_t)(i / 6);
    }
    scene->input.now_us += (int64_t)fixture_below(random, 100) * hour_us;
    for (size_t i = 0; count > 0 && i < fixture_below(random, 3); i++)
        add_pin(scene, (size_t)fixture_below(random, count),
                fixture_below(random, 2) == 0 ? 0 : scene->input.now_us + 1);
    for (size_t i = 0; i < 2 * count; i++)
        add_chunk(scene, 1 + (uint32_t)fixture_below(random, 3), 500 * i,
                  500 * i + 500 + fixture_below(random, 2) * 700);
    if (count > 0 && fixture_below(random, 3) == 0) {
        memcpy(scene->held[0], scene->entries[fixture_below(random, count)].info.id,
               SNAPSHOT_ID_SIZE);
        scene->input.held_count = 1;
    }
}

static void random_policy(struct retention_policy *policy, struct fixture_random *random)
{
    *policy = (struct retention_policy){
        .keep_last = (uint32_t)fixture_below(random, 3),
        .hourly = (uint32_t)fixture_below(random, 3),
        .daily = (uint32_t)fixture_below(random, 4),
        .weekly = (uint32_t)fixture_below(random, 3),
        .monthly = (uint32_t)fixture_below(random, 2),
        .yearly = (uint32_t)fixture_below(random, 2),
        .within_us = (int64_t)fixture_below(random, 2) * 20 * hour_us,
        .minimum = (uint32_t)fixture_below(random, 3),
        .utc_offset_s = (int32_t)fixture_below(random, 24) * 3600 - 12 * 3600,
        .wal_window_us = (int64_t)fixture_below(random, 4) * day_us,
    };
}

static bool is_held(const struct scene *scene, size_t at)
{
    const char *id = scene->entries[at].info.id;
    if (scene->input.held_count > 0 && strcmp(scene->held[0], id) == 0)
        return true;
    for (size_t i = 0; i < scene->pin_list.count; i++)
        if (strcmp(scene->pins[i].snapshot_id, id) == 0)
            return true;
    return !scene->entries[at].readable;
}

static void check_safety(const struct scene *scene, const struct retention_plan *plan)
{
    bool newest = true;
    for (size_t i = plan->snapshot_count; i-- > 0;) {
        if (is_held(scene, i))
            assert_true(plan->snapshots[i].keep);
        if (scene->entries[i].readable && newest) {
            assert_true(plan->snapshots[i].keep);
            newest = false;
        }
        const struct snapshot_info *info = &scene->entries[i].info;
        for (size_t j = 0; plan->snapshots[i].keep && j < plan->wal_count; j++)
            if (scene->chunks[j].timeline == info->timeline &&
                scene->chunks[j].start_lsn < info->stop_lsn &&
                scene->chunks[j].end_lsn > info->start_lsn)
                assert_true(plan->wal_kept[j]);
    }
}

/* Every moment of the window: its newest snapshot before it is kept with all WAL from there on. */
static void check_window(const struct scene *scene, const struct retention_policy *policy,
                         const struct retention_plan *plan)
{
    int64_t first = scene->input.now_us - policy->wal_window_us;
    for (size_t i = plan->snapshot_count; policy->wal_window_us > 0 && i-- > 0;) {
        const struct snapshot_info *info = &scene->entries[i].info;
        if (!scene->entries[i].readable || info->finished_us > first)
            continue;
        assert_true(plan->snapshots[i].keep);
        for (size_t j = 0; j < plan->wal_count; j++)
            if (scene->chunks[j].timeline >= info->timeline &&
                scene->chunks[j].end_lsn > info->start_lsn)
                assert_true(plan->wal_kept[j]);
        return;
    }
}

/* What is left after the plan was carried out. */
static void carry_out(struct scene *scene, const struct retention_plan *plan)
{
    size_t snapshots = 0;
    size_t chunks = 0;
    for (size_t i = 0; i < plan->snapshot_count; i++)
        if (plan->snapshots[i].keep)
            scene->entries[snapshots++] = scene->entries[i];
    for (size_t i = 0; i < plan->wal_count; i++)
        if (plan->wal_kept[i])
            scene->chunks[chunks++] = scene->chunks[i];
    scene->catalog.count = snapshots;
    scene->wal.count = chunks;
}

static void check_more_keeps_more(const struct scene *scene, struct retention_policy policy,
                                  const struct retention_plan *plan)
{
    if (!retention_has_rules(&policy))
        return;
    policy.keep_last++;
    policy.daily++;
    policy.monthly++;
    policy.within_us += hour_us;
    struct retention_plan more = plan_of(scene, &policy);
    for (size_t i = 0; i < plan->snapshot_count; i++)
        assert_true(more.snapshots[i].keep || !plan->snapshots[i].keep);
    assert_true(more.remove_count <= plan->remove_count);
    for (size_t i = 0; policy.wal_window_us == 0 && i < plan->wal_count; i++)
        assert_true(more.wal_kept[i] || !plan->wal_kept[i]);
    retention_plan_release(&more);
}

static void test_properties_of_random_plans(void **state)
{
    struct fixture_random random = {.state = 20261122};
    size_t removed = 0;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct scene scene;
        struct retention_policy policy;
        random_scene(&scene, &random);
        scene.input.held_ids = (const char(*)[SNAPSHOT_ID_SIZE])scene.held;
        random_policy(&policy, &random);
        struct retention_plan plan = plan_of(&scene, &policy);
        removed += plan.remove_count;
        check_safety(&scene, &plan);
        check_window(&scene, &policy, &plan);
        check_more_keeps_more(&scene, policy, &plan);
        carry_out(&scene, &plan);
        struct retention_plan again = plan_of(&scene, &policy);
        assert_int_equal(again.remove_count, 0);
        assert_int_equal(again.wal_remove_count, 0);
        retention_plan_release(&again);
        retention_plan_release(&plan);
    }
    assert_true(removed > 5000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_keeps_the_newest_of_its_periods),
        cmocka_unit_test(test_the_newest_good_snapshot_always_stays),
        cmocka_unit_test(test_pins_and_running_snapshots_hold),
        cmocka_unit_test(test_wal_is_kept_for_consistency_and_for_the_window),
        cmocka_unit_test(test_the_head_of_a_segment_stays),
        cmocka_unit_test(test_wal_that_a_running_snapshot_finds_in_the_archive_stays),
        cmocka_unit_test(test_wal_of_later_timelines_stays),
        cmocka_unit_test(test_periods_end_where_the_clock_of_a_place_says),
        cmocka_unit_test(test_zones_are_offsets),
        cmocka_unit_test(test_properties_of_random_plans),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
