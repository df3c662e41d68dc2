#include "daemon/job.h"

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
        job_end(&job, 1, &now);
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
    job_end(&job, 137, &now);
    assert_int_equal(job_wait_us(&job, &now), SECOND);
    assert_int_equal(job.failures_in_row, 1);
}

static void test_an_always_on_job_that_ends_well_by_itself_has_failed(void **state)
{
    (void)state;
    begin(ROLE_WAL_STREAM);
    assert_true(job_begin(&job, &now));
    job_end(&job, 0, &now);
    assert_int_equal(job.failures, 1);
}

static void test_a_job_that_was_asked_to_stop_did_not_fail(void **state)
{
    (void)state;
    begin(ROLE_WAL_STREAM);
    assert_true(job_begin(&job, &now));
    job.stopping = true;
    job_end(&job, 143, &now);
    assert_int_equal(job.failures, 0);
    assert_true(job_begin(&job, &now)); /* still enabled: a restart with new options */
    job_enable(&job, false, &now);
    job.stopping = true;
    job_end(&job, 143, &now);
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
    job_end(&job, 1, &now);
    assert_int_equal(job_wait_us(&job, &now), 30 * SECOND);
    advance(30 * SECOND);
    assert_true(job_begin(&job, &now));
    job_end(&job, 0, &now);
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
        job_end(&job, codes[i], &now);
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
    job_end(&job, 0, &now);
    assert_true(job_begin(&job, &now));
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
