#include "base/text.h"
#include "daemon/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct time_zone *load(const char *name)
{
    struct time_zone *zone = NULL;
    struct error err;
    if (!time_zone_load(name, TIME_ZONE_DIRECTORY, &zone, &err))
        fail_msg("%s", err.text);
    return zone;
}

static struct cron parse(const char *text)
{
    struct cron cron;
    struct error err;
    if (!cron_parse(text, &cron, &err))
        fail_msg("%s", err.text);
    return cron;
}

static int64_t at(const char *text)
{
    int64_t us;
    assert_true(text_to_time_us(text, &us));
    return us;
}

/* The fires after a time, one after the other. */
static void expect(const char *expression, const char *zone_name, const char *after,
                   const char *const *fires)
{
    struct time_zone *zone = load(zone_name);
    struct cron cron = parse(expression);
    char got[TEXT_SIZE];
    int64_t now = at(after);
    for (size_t i = 0; fires[i] != NULL; i++) {
        now = cron_next(&cron, zone, now);
        if (strcmp(text_time_us(now, got), fires[i]) != 0)
            fail_msg("%s in %s: fire %zu is %s instead of %s", expression, zone_name, i, got,
                     fires[i]);
    }
    time_zone_free(zone);
}
#define FIRES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_fields_take_lists_ranges_steps_and_names(void **state)
{
    (void)state;
    expect("30 2 * * mon-fri", "UTC", "2026-03-06T02:30:00Z",
           FIRES("2026-03-09T02:30:00Z", "2026-03-10T02:30:00Z"));
    expect("0,45 8-10/2 1 jan,Jul *", "UTC", "2026-01-01T08:00:00Z",
           FIRES("2026-01-01T08:45:00Z", "2026-01-01T10:00:00Z", "2026-01-01T10:45:00Z",
                 "2026-07-01T08:00:00Z"));
    expect("50/5 23 * * *", "UTC", "2026-01-01T00:00:00Z",
           FIRES("2026-01-01T23:50:00Z", "2026-01-01T23:55:00Z", "2026-01-02T23:50:00Z"));
    expect("@hourly", "UTC", "2026-01-01T00:00:01Z", FIRES("2026-01-01T01:00:00Z"));
    expect("0 0 29 2 *", "UTC", "2024-03-01T00:00:00Z", FIRES("2028-02-29T00:00:00Z"));
    expect("0 12 * * 7", "UTC", "2026-03-01T13:00:00Z", FIRES("2026-03-08T12:00:00Z"));
}

static void test_either_day_field_may_match_when_both_are_given(void **state)
{
    (void)state;
    expect("0 0 13 * fri", "UTC", "2026-03-07T00:00:00Z",
           FIRES("2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z", "2026-03-27T00:00:00Z",
                 "2026-04-03T00:00:00Z", "2026-04-10T00:00:00Z", "2026-04-13T00:00:00Z"));
}

static void test_every_counts_in_whole_multiples(void **state)
{
    (void)state;
    expect("@every 15min", "UTC", "2026-01-01T00:00:01Z",
           FIRES("2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"));
}

static void test_a_run_in_the_skipped_hour_comes_once_after_it(void **state)
{
    (void)state;
    expect("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z",
           FIRES("2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"));
    expect("*/20 2 * * *", "America/New_York", "2026-03-08T00:00:00Z",
           FIRES("2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"));
    expect("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z",
           FIRES("2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"));
}

static void test_a_run_in_the_repeated_hour_comes_once(void **state)
{
    (void)state;
    expect("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
           FIRES("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"));
    expect("0 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
           FIRES("2026-11-01T05:00:00Z", "2026-11-02T06:00:00Z"));
}

static void test_an_hourly_schedule_follows_the_elapsed_time(void **state)
{
    (void)state;
    expect("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
           FIRES("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"));
    expect("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
           FIRES("2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
                 "2026-10-25T02:00:00Z"));
}

static void test_a_midnight_that_there_is_not_still_counts(void **state)
{
    (void)state;
    /* Santiago skips 00:00 to 01:00 on 6 September 2026. */
    expect("@daily", "America/Santiago", "2026-09-05T12:00:00Z",
           FIRES("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"));
}

/* Whatever the zone does in thirty years: fires are strictly later, one for each day, never two. */
static void test_a_daily_schedule_fires_once_for_each_day_of_thirty_years(void **state)
{
    static const char *const zones[] = {"Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca",
                                        "America/Santiago"};
    static const char *const schedules[] = {"30 2 * * *", "0 0 * * *", "15 3 * * *", "59 1 * * *"};
    (void)state;
    for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
        struct time_zone *zone = load(zones[z]);
        for (size_t s = 0; s < ARRAY_LEN(schedules); s++) {
            struct cron cron = parse(schedules[s]);
            int64_t now = at("2020-01-01T12:00:00Z");
            for (int i = 0; i < 30 * 365; i++) {
                int64_t next = cron_next(&cron, zone, now);
                int64_t hours = (next - now) / 3600000000;
                if (i > 0 && (hours < 22 || hours > 25))
                    fail_msg("%s in %s: %lld hours apart", schedules[s], zones[z],
                             (long long)hours);
                now = next;
            }
            assert_in_range(now, at("2049-12-15T00:00:00Z"), at("2049-12-31T00:00:00Z"));
        }
        time_zone_free(zone);
    }
}

static void test_wrong_expressions_are_refused_by_field(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } wrong[] = {
        {"", "0 fields"},           {"* * * *", "4 fields"},      {"* * * * * *", "6 fields"},
        {"60 * * * *", "minute"},   {"* 24 * * *", "hour"},       {"* * 0 * *", "day of month"},
        {"* * * 13 *", "month"},    {"* * * * 8", "day of week"}, {"*/0 * * * *", "minute"},
        {"5-1 * * * *", "minute"},  {"1,,2 * * * *", "minute"},   {"* * * foo *", "month"},
        {"@sometimes", "1 fields"}, {"@every 10ms", "@every"},    {"1-2-3 * * * *", "minute"},
    };
    struct cron cron;
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (cron_parse(wrong[i].text, &cron, &err))
            fail_msg("\"%s\" was accepted", wrong[i].text);
        assert_int_equal(err.kind, ERROR_USAGE);
        if (strstr(err.text, wrong[i].says) == NULL)
            fail_msg("\"%s\": %s", wrong[i].text, err.text);
    }
}

static void test_an_expression_that_never_fires_ends_the_search(void **state)
{
    struct time_zone *zone = load("UTC");
    struct cron cron = parse("0 0 30 2 *");
    (void)state;
    assert_int_equal(cron_next(&cron, zone, 0), INT64_MAX);
    time_zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_take_lists_ranges_steps_and_names),
        cmocka_unit_test(test_either_day_field_may_match_when_both_are_given),
        cmocka_unit_test(test_every_counts_in_whole_multiples),
        cmocka_unit_test(test_a_run_in_the_skipped_hour_comes_once_after_it),
        cmocka_unit_test(test_a_run_in_the_repeated_hour_comes_once),
        cmocka_unit_test(test_an_hourly_schedule_follows_the_elapsed_time),
        cmocka_unit_test(test_a_midnight_that_there_is_not_still_counts),
        cmocka_unit_test(test_a_daily_schedule_fires_once_for_each_day_of_thirty_years),
        cmocka_unit_test(test_wrong_expressions_are_refused_by_field),
        cmocka_unit_test(test_an_expression_that_never_fires_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
