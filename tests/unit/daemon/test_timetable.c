/* With a clock of our own: no run twice, none lost. */
#include "base/text.h"
#include "daemon/timetable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE = 60000000 };
#define HOUR ((int64_t)60 * MINUTE)

static struct time_zone *zone;
static struct timetable table;
static uint64_t next_random;

static uint64_t give_random(void *context)
{
    (void)context;
    return next_random;
}
static const struct random_source source = {.next = give_random};

static int start(void **state)
{
    struct error err;
    (void)state;
    return time_zone_load("UTC", TIME_ZONE_DIRECTORY, &zone, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    time_zone_free(zone);
    return 0;
}

static void plan(const char *schedule, int64_t jitter_us, int64_t now_us)
{
    struct cron cron;
    struct error err;
    assert_true(cron_parse(schedule, &cron, &err));
    timetable_init(&table, &cron, zone, jitter_us, &source, now_us);
}

static bool run_at(int64_t now_us)
{
    bool begun = timetable_begin(&table, now_us);
    if (begun)
        timetable_end(&table);
    return begun;
}

static void test_each_fire_runs_once(void **state)
{
    int runs = 0;
    (void)state;
    plan("*/10 * * * *", 0, 0);
    for (int64_t now = 0; now < 24 * HOUR; now += MINUTE / 7)
        runs += run_at(now);
    assert_int_equal(runs, 24 * 6 - 1);
}

static void test_what_came_due_during_a_run_runs_once_after_it(void **state)
{
    (void)state;
    plan("@hourly", 0, 0);
    assert_true(timetable_begin(&table, HOUR));
    for (int64_t now = HOUR; now < 4 * HOUR + MINUTE; now += MINUTE)
        assert_false(timetable_begin(&table, now));
    assert_int_equal(timetable_wake_us(&table), INT64_MAX);
    timetable_end(&table);
    assert_true(run_at(4 * HOUR + 2 * MINUTE));
    assert_false(run_at(4 * HOUR + 3 * MINUTE));
    assert_int_equal(timetable_wake_us(&table), 5 * HOUR);
}

static void test_fires_slept_through_are_caught_up_once(void **state)
{
    (void)state;
    plan("@hourly", 0, 0);
    assert_true(run_at(9 * HOUR + MINUTE));
    assert_false(run_at(9 * HOUR + 2 * MINUTE));
    assert_true(run_at(10 * HOUR));
}

static void test_a_fire_missed_while_the_daemon_was_away_is_due_at_once(void **state)
{
    (void)state;
    plan("@hourly", 0, 5 * HOUR + MINUTE);
    timetable_resume(&table, 2 * HOUR, 5 * HOUR + MINUTE);
    assert_true(run_at(5 * HOUR + MINUTE));
    assert_false(run_at(5 * HOUR + 2 * MINUTE));
    plan("@hourly", 0, 5 * HOUR + MINUTE);
    timetable_resume(&table, 5 * HOUR + 1, 5 * HOUR + MINUTE);
    assert_false(run_at(5 * HOUR + 2 * MINUTE));
    assert_int_equal(timetable_wake_us(&table), 6 * HOUR);
}

static void test_a_clock_set_back_repeats_nothing(void **state)
{
    (void)state;
    plan("@hourly", 0, 30 * HOUR);
    assert_true(run_at(31 * HOUR));
    for (int64_t now = 29 * HOUR; now < 32 * HOUR; now += MINUTE)
        assert_false(run_at(now));
    assert_true(run_at(32 * HOUR));
}

static void test_a_clock_set_back_while_the_daemon_was_away_repeats_nothing(void **state)
{
    (void)state;
    plan("@hourly", 0, 29 * HOUR + MINUTE);
    timetable_resume(&table, 31 * HOUR, 29 * HOUR + MINUTE);
    for (int64_t now = 29 * HOUR; now < 32 * HOUR; now += MINUTE)
        assert_false(run_at(now));
    assert_true(run_at(32 * HOUR));
}

static void test_what_the_store_says_of_the_far_future_does_not_silence_the_job(void **state)
{
    (void)state;
    plan("@hourly", 0, 29 * HOUR + MINUTE);
    timetable_resume(&table, 100000 * HOUR, 29 * HOUR + MINUTE);
    assert_true(run_at(30 * HOUR));
}

static void test_a_run_for_another_reason_serves_what_its_jitter_held_back(void **state)
{
    (void)state;
    next_random = 5 * MINUTE - 1;
    plan("@hourly", 5 * MINUTE, 0);
    assert_false(run_at(HOUR + MINUTE));
    timetable_serve(&table, HOUR + MINUTE);
    timetable_end(&table);
    assert_false(run_at(HOUR + 30 * MINUTE));
    assert_true(run_at(2 * HOUR + 5 * MINUTE));
}

/* Berlin 2026: 02:30 is skipped on 29 March and comes twice on 25 October. */
static void test_a_night_job_runs_once_a_day_whatever_summer_time_does(void **state)
{
    static const struct {
        const char *from;
        const char *run; /* on the day of the change, counted from the third night on */
    } changes[] = {{"2026-03-26T12:00:00Z", "2026-03-29T01:00:00Z"},
                   {"2026-10-22T12:00:00Z", "2026-10-25T00:30:00Z"}};
    struct time_zone *utc = zone;
    struct error err;
    (void)state;
    assert_true(time_zone_load("Europe/Berlin", TIME_ZONE_DIRECTORY, &zone, &err));
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        int64_t from;
        int64_t expected;
        int runs = 0;
        assert_true(text_to_time_us(changes[i].from, &from));
        assert_true(text_to_time_us(changes[i].run, &expected));
        plan("30 2 * * *", 0, from);
        for (int64_t now = from; now < from + 6 * 24 * HOUR; now += MINUTE) {
            if (!run_at(now))
                continue;
            runs++;
            if (runs == 3)
                assert_int_equal(now, expected);
        }
        assert_int_equal(runs, 6);
    }
    time_zone_free(zone);
    zone = utc;
}

static void test_a_clock_that_was_years_ahead_does_not_silence_the_job(void **state)
{
    (void)state;
    plan("@hourly", 0, 0);
    assert_true(run_at(100000 * HOUR));
    assert_false(run_at(10 * HOUR + MINUTE));
    assert_true(run_at(11 * HOUR));
}

static void test_jitter_delays_and_never_drops(void **state)
{
    int runs = 0;
    (void)state;
    next_random = 5 * MINUTE - 1;
    plan("@hourly", 5 * MINUTE, 0);
    assert_false(run_at(HOUR + 4 * MINUTE));
    assert_true(run_at(HOUR + 5 * MINUTE));
    for (int64_t now = HOUR + 6 * MINUTE; now < 24 * HOUR + 10 * MINUTE; now += MINUTE) {
        next_random = (uint64_t)now * 2654435761u;
        runs += run_at(now);
    }
    assert_int_equal(runs, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fire_runs_once),
        cmocka_unit_test(test_what_came_due_during_a_run_runs_once_after_it),
        cmocka_unit_test(test_fires_slept_through_are_caught_up_once),
        cmocka_unit_test(test_a_fire_missed_while_the_daemon_was_away_is_due_at_once),
        cmocka_unit_test(test_a_clock_set_back_repeats_nothing),
        cmocka_unit_test(test_a_clock_set_back_while_the_daemon_was_away_repeats_nothing),
        cmocka_unit_test(test_what_the_store_says_of_the_far_future_does_not_silence_the_job),
        cmocka_unit_test(test_a_run_for_another_reason_serves_what_its_jitter_held_back),
        cmocka_unit_test(test_a_night_job_runs_once_a_day_whatever_summer_time_does),
        cmocka_unit_test(test_a_clock_that_was_years_ahead_does_not_silence_the_job),
        cmocka_unit_test(test_jitter_delays_and_never_drops),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
