#include "daemon/job.h"

#include "base/text.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static struct job job;
static struct job_time now;

static void advance(int64_t us)
{
    now.wall_us += us;
    now.monotonic_us += us;
}

static void begin(enum role_id role)
{
    now = (struct job_time){.wall_us = 3600 * (int64_t)SECOND, .monotonic_us = 50};
    job_init(&job, role);
    if (job.role->policy == ROLE_ALWAYS)
        job_enable(&job, true, &now);
}

static void schedule(const char *text)
{
    static struct time_zone *zone;
    struct timetable table;
    struct cron cron;
    struct error err;
    if (zone == NULL)
        assert_true(time_zone_load("UTC", TIME_ZONE_DIRECTORY, &zone, &err));
    assert_true(cron_parse(text, &cron, &err));
    timetable_init(&table, &cron, zone, 0, NULL, now.wall_us);
    job_schedule(&job, &table);
}

static void test_an_always_on_job_starts_at_once_and_comes_back_after_a_growing_pause(void **state)
{
    int64_t pause_us = SECOND;
    (void)state;
    begin(ROLE_WAL_STREAM);
    for (int i = 0; i < 10; i++) {
        assert_true(job_begin(&job, &now));
        assert_false(job_begin(&job, &now));
        advance(SECOND);
        job_end(&job, 1, ERROR_NONE, &now);
        assert_int_equal(job_wait_us(&job, &now), pause_us);
        advance(pause_us - 1);
        assert_false(job_begin(&job, &now));
        advance(1);
        pause_us = pause_us * 2 > 60 * SECOND ? 60 * SECOND : pause_us * 2;
    }
    assert_int_equal(job.failures, 10);
    assert_int_equal(job.failures_in_row, 10);
}

static void test_a_healthy_run_sets_the_pause_back(void **state)
{
    (void)state;
    begin(ROLE_WAL_STREAM);
    job.failures_in_row = 8;
    assert_true(job_begin(&job, &now));
    advance(JOB_HEALTHY_US);
    job_end(&job, 137, ERROR_NONE, &now);
    assert_int_equal(job_wait_us(&job, &now), SECOND);
    assert_int_equal(job.failures_in_row, 1);
}

static void test_an_always_on_job_that_ends_well_by_itself_has_failed(void **state)
{
    (void)state;
    begin(ROLE_WAL_STREAM);
    assert_true(job_begin(&job, &now));
    job_end(&job, 0, ERROR_NONE, &now);
    assert_int_equal(job.failures, 1);
}

static void test_a_job_that_was_asked_to_stop_did_not_fail(void **state)
{
    (void)state;
    begin(ROLE_WAL_STREAM);
    assert_true(job_begin(&job, &now));
    job.stopping = true;
    job_end(&job, 143, ERROR_NONE, &now);
    assert_int_equal(job.failures, 0);
    assert_true(job_begin(&job, &now)); /* still enabled: a restart with new options */
    job_enable(&job, false, &now);
    job.stopping = true;
    job_end(&job, 143, ERROR_NONE, &now);
    advance(3600 * (int64_t)SECOND);
    assert_false(job_begin(&job, &now));
}

static void test_a_scheduled_job_that_failed_is_tried_again_before_its_next_time(void **state)
{
    (void)state;
    begin(ROLE_SNAPSHOT);
    schedule("@daily");
    advance(23 * 3600 * (int64_t)SECOND);
    assert_true(job_begin(&job, &now));
    job_end(&job, 1, ERROR_NONE, &now);
    assert_int_equal(job_wait_us(&job, &now), 30 * SECOND);
    advance(30 * SECOND);
    assert_true(job_begin(&job, &now));
    job_end(&job, 0, ERROR_NONE, &now);
    assert_int_equal(job.failures_in_row, 0);
    assert_int_equal(job.last_success_us, now.wall_us);
    assert_int_equal(job_wait_us(&job, &now), (24 * 3600 - 30) * (int64_t)SECOND);
}

static void test_what_would_fail_again_waits_for_the_next_time(void **state)
{
    static const int codes[] = {2, 4, 5};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        begin(ROLE_SNAPSHOT);
        schedule("@hourly");
        advance(3600 * (int64_t)SECOND);
        assert_true(job_begin(&job, &now));
        job_end(&job, codes[i], ERROR_NONE, &now);
        assert_int_equal(job.failures, 1);
        assert_int_equal(job_wait_us(&job, &now), 3600 * (int64_t)SECOND);
    }
}

static void test_a_new_schedule_leaves_a_running_job_alone(void **state)
{
    (void)state;
    begin(ROLE_SNAPSHOT);
    schedule("@hourly");
    advance(3600 * (int64_t)SECOND);
    assert_true(job_begin(&job, &now));
    schedule("@every 1s");
    advance(10 * SECOND);
    assert_false(job_begin(&job, &now));
    job_end(&job, 0, ERROR_NONE, &now);
    assert_true(job_begin(&job, &now));
}

/* --- whatever the clocks do, and whenever it dies
 * -------------------------------------------------- */

enum { HOUR_S = 3600, JITTER_S = 300, RESTARTS_MAX = 3000 };

/* A daemon and the snapshots that it leaves in the store, which outlive it. */
struct life {
    struct fixture_random random;
    struct random_source source;
    struct cron cron;
    struct time_zone *zone;
    int64_t true_us;
    int64_t off_us; /* of the wall clock */
    int64_t busy_until_us;
    int64_t started_us;  /* wall: the run under way */
    int64_t began_us;    /* wall: the run under way, or its first attempt */
    int64_t served_us;   /* wall: up to here every time of the schedule is served */
    int64_t last_run_us; /* what the newest snapshot in the store says; never goes back */
    size_t completed;
    size_t crashes;
};

static struct job_time life_now(const struct life *life)
{
    return (struct job_time){.wall_us = life->true_us + life->off_us,
                             .monotonic_us = life->true_us};
}

static int64_t seconds_below(struct life *life, uint64_t limit)
{
    return (int64_t)fixture_below(&life->random, limit) * SECOND;
}

/* As the supervisor does when it begins to lead: by the schedule, and by what the store says. */
static void life_begins(struct life *life)
{
    struct timetable table;
    struct job_time at = life_now(life);
    job_init(&job, ROLE_SNAPSHOT);
    timetable_init(&table, &life->cron, life->zone, JITTER_S * (int64_t)SECOND, &life->source,
                   at.wall_us);
    timetable_resume(&table, life->last_run_us, at.wall_us);
    job_schedule(&job, &table);
    life->served_us = life->last_run_us;
    life->began_us = 0;
    life->crashes++;
}

/* A snapshot is in the store: none may be there for the same time of the schedule. */
static void life_completes(struct life *life)
{
    int64_t fire_us = cron_next(&life->cron, life->zone, life->served_us);
    if (fire_us > life->began_us)
        fail_msg("run %zu at %lld serves nothing that the one at %lld did not", life->completed,
                 (long long)life->began_us, (long long)life->served_us);
    life->served_us = life->began_us;
    life->last_run_us = life->started_us > life->last_run_us ? life->started_us
                                                             : life->last_run_us + 1;
    life->began_us = 0;
    life->completed++;
}

static void life_disturbed(struct life *life)
{
    switch (fixture_below(&life->random, 3)) {
    case 0: /* the clock is set: never wrong by more than half a day */
        life->off_us = seconds_below(life, (uint64_t)24 * HOUR_S) - 12 * HOUR_S * (int64_t)SECOND;
        break;
    case 1: /* it is away for a while, or starts again at once */
        life->true_us += (int64_t)fixture_below(&life->random, 2) * seconds_below(life, 20000);
        life_begins(life);
        break;
    default: /* killed when the snapshot was stored, but nobody had heard of it */
        if (job.running)
            life_completes(life);
        life_begins(life);
        break;
    }
}

static void life_goes_on(struct life *life, uint64_t step_s)
{
    life->true_us += seconds_below(life, step_s) + SECOND;
    struct job_time at = life_now(life);
    if (job.running && life->true_us >= life->busy_until_us) {
        bool good = fixture_below(&life->random, 4) != 0;
        if (good)
            life_completes(life);
        job_end(&job, good ? 0 : 1, ERROR_NONE, &at);
    }
    if (!job_begin(&job, &at))
        return;
    life->started_us = at.wall_us;
    life->began_us = at.wall_us > life->began_us ? at.wall_us : life->began_us;
    life->busy_until_us = life->true_us + seconds_below(life, 5400);
}

static void live(const char *schedule, const char *zone, uint64_t seed)
{
    struct error err;
    struct life life = {.random = {.state = seed}};
    life.source = fixture_random_source(&life.random);
    assert_true(cron_parse(schedule, &life.cron, &err));
    assert_true(time_zone_load(zone, TIME_ZONE_DIRECTORY, &life.zone, &err));
    assert_true(text_to_time_us("2026-03-20T00:00:00Z", &life.true_us));
    life.last_run_us = life.true_us;
    life_begins(&life);
    while (life.crashes < RESTARTS_MAX) {
        if (fixture_below(&life.random, 20) == 0)
            life_disturbed(&life);
        life_goes_on(&life, 900);
    }
    assert_true(life.completed > 500);
    /* Left alone for longer than its clock was ever wrong, it has caught up with everything. */
    int64_t calm_us = life.true_us + 26 * HOUR_S * (int64_t)SECOND;
    while (life.true_us < calm_us || job.running || job.again_us != INT64_MAX)
        life_goes_on(&life, 60);
    assert_true(cron_next(&life.cron, life.zone, life.last_run_us) >
                life_now(&life).wall_us - (JITTER_S + 7200) * (int64_t)SECOND);
    time_zone_free(life.zone);
}

static void test_no_time_is_served_twice_and_none_is_forgotten(void **state)
{
    uint64_t seed = 20261126;
    const char *given = getenv("SEED");
    (void)state;
    if (given != NULL && !text_to_u64(given, &seed))
        fail_msg("SEED is no number");
    live("*/30 * * * *", "UTC", seed);
    live("15 * * * *", "Europe/Berlin", seed + 1);
    live("30 2,14 * * *", "America/New_York", seed + 2); /* 02:30 is skipped and repeated */
    live("@every 47min", "UTC", seed + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_always_on_job_starts_at_once_and_comes_back_after_a_growing_pause),
        cmocka_unit_test(test_a_healthy_run_sets_the_pause_back),
        cmocka_unit_test(test_an_always_on_job_that_ends_well_by_itself_has_failed),
        cmocka_unit_test(test_a_job_that_was_asked_to_stop_did_not_fail),
        cmocka_unit_test(test_a_scheduled_job_that_failed_is_tried_again_before_its_next_time),
        cmocka_unit_test(test_what_would_fail_again_waits_for_the_next_time),
        cmocka_unit_test(test_a_new_schedule_leaves_a_running_job_alone),
        cmocka_unit_test(test_no_time_is_served_twice_and_none_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
