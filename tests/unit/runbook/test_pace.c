#include "runbook/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct runbook_limits limits = {
    .batch = 1000,
    .target_us = 200000,
    .max_replica_lag_us = 2000000,
    .max_active_backends = 60,
};

static void test_sizes_follow_the_target_time_by_a_fifth_upwards(void **state)
{
    (void)state;
    struct run_pace pace;
    run_pace_init(&pace, &limits, 0);
    assert_int_equal(pace.batch, 1000);
    run_pace_done(&pace, 1000, 20000, 30000); /* ten times too fast */
    assert_int_equal(pace.batch, 1200);
    run_pace_done(&pace, 1200, 24000, 30000);
    assert_int_equal(pace.batch, 1440);
    for (int i = 0; i < 40; i++)
        run_pace_done(&pace, pace.batch, 200000, 200000); /* now exactly right or slow */
    uint64_t steady = pace.batch;
    run_pace_done(&pace, pace.batch, 200000, 200000);
    assert_in_range(pace.batch, steady * 9 / 10, steady * 11 / 10);
}

static void test_slow_batches_shrink_at_once_and_stay_above_the_floor(void **state)
{
    (void)state;
    struct run_pace pace;
    run_pace_init(&pace, &limits, 0);
    run_pace_done(&pace, 1000, 2000000, 2000000);
    assert_int_equal(pace.batch, 100);
    for (int i = 0; i < 20; i++)
        run_pace_timeout(&pace);
    assert_int_equal(pace.batch, PACE_MIN_BATCH);
}

static void test_sizes_stay_below_what_the_adapter_takes(void **state)
{
    (void)state;
    struct run_pace pace;
    run_pace_init(&pace, &limits, 500);
    assert_int_equal(pace.batch, 500);
    for (int i = 0; i < 20; i++)
        run_pace_done(&pace, pace.batch, 1000, 1000);
    assert_int_equal(pace.batch, 500);
}

static void test_the_last_small_batch_teaches_nothing_about_sizes(void **state)
{
    (void)state;
    struct run_pace pace;
    run_pace_init(&pace, &limits, 0);
    run_pace_done(&pace, 3, 150000, 150000);
    assert_int_equal(pace.batch, 1000);
    run_pace_done(&pace, 0, 5, 5);
    assert_int_equal(pace.batch, 1000);
}

static void test_any_single_reason_waits_and_is_said(void **state)
{
    (void)state;
    struct run_pace pace;
    char reason[PACE_REASON_SIZE];
    run_pace_init(&pace, &limits, 0);
    struct server_load load = {
        .active = 60, .lock_waits = 5, .replica_lag_us = 2000000, .sees_all = true};
    assert_false(run_pace_must_wait(&pace, &load, reason));
    assert_string_equal(reason, "");
    load.active = 61;
    assert_true(run_pace_must_wait(&pace, &load, reason));
    assert_string_equal(reason, "61 active sessions, the runbook allows 60");
    load.active = 0;
    load.replica_lag_us = 3000000;
    assert_true(run_pace_must_wait(&pace, &load, reason));
    assert_non_null(strstr(reason, "a replica is 3.0 s behind"));
    load.replica_lag_us = 0;
    load.lock_waits = 6;
    assert_true(run_pace_must_wait(&pace, &load, reason));
    assert_string_equal(reason, "6 sessions wait for locks, 5 are fine");
}

static void test_numbers_that_mean_nothing_do_not_stop_a_run(void **state)
{
    (void)state;
    struct run_pace pace;
    char reason[PACE_REASON_SIZE];
    struct runbook_limits unlimited = {.batch = 1000, .target_us = 200000};
    struct server_load load = {.active = 900, .replica_lag_us = 90000000};
    run_pace_init(&pace, &limits, 0);
    assert_false(run_pace_must_wait(&pace, &load, reason));
    load.sees_all = true;
    run_pace_init(&pace, &unlimited, 0);
    assert_false(run_pace_must_wait(&pace, &load, reason));
}

static void test_the_rest_is_estimated_after_one_percent(void **state)
{
    (void)state;
    struct run_pace pace;
    run_pace_init(&pace, &limits, 0);
    assert_int_equal(run_pace_eta_us(&pace, 500, 1000), 0);
    run_pace_done(&pace, 1000, 100000, 200000);
    assert_int_equal(run_pace_eta_us(&pace, 999, 100000), 0);
    assert_int_equal(run_pace_eta_us(&pace, 1000, 100000), 99000 * 200);
    assert_int_equal(run_pace_eta_us(&pace, 100000, 100000), 0);
    assert_in_range((int)run_pace_rate(&pace), 4999, 5001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_follow_the_target_time_by_a_fifth_upwards),
        cmocka_unit_test(test_slow_batches_shrink_at_once_and_stay_above_the_floor),
        cmocka_unit_test(test_sizes_stay_below_what_the_adapter_takes),
        cmocka_unit_test(test_the_last_small_batch_teaches_nothing_about_sizes),
        cmocka_unit_test(test_any_single_reason_waits_and_is_said),
        cmocka_unit_test(test_numbers_that_mean_nothing_do_not_stop_a_run),
        cmocka_unit_test(test_the_rest_is_estimated_after_one_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
