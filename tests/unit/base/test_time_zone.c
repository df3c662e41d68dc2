/* Against the C library's idea of the same files, and against files that nobody should believe. */
#include "base/buf.h"
#include "base/file.h"
#include "base/time_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct time_zone *load(const char *name)
{
    struct time_zone *zone = NULL;
    struct error err;
    if (!time_zone_load(name, TIME_ZONE_DIRECTORY, &zone, &err))
        fail_msg("%s", err.text);
    return zone;
}

static void test_offsets_agree_with_the_c_library(void **state)
{
    static const char *const names[] = {
        "UTC",           "Europe/Berlin",       "America/New_York", "Asia/Kolkata",
        "Europe/Dublin", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca",
        "Asia/Tehran",   "Pacific/Apia",        "America/St_Johns", "Antarctica/Troll"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct time_zone *zone = load(names[i]);
        (void)setenv("TZ", names[i], 1);
        tzset();
        for (int64_t at = 0; at < 2900000000; at += 8 * 3600 - 77) {
            time_t utc = (time_t)at;
            struct tm local;
            assert_non_null(localtime_r(&utc, &local));
            if (local.tm_gmtoff != time_zone_offset(zone, at))
                fail_msg("%s at %lld: %lld instead of %ld", names[i], (long long)at,
                         (long long)time_zone_offset(zone, at), local.tm_gmtoff);
        }
        time_zone_free(zone);
    }
    (void)setenv("TZ", "UTC", 1);
    tzset();
}

/* Europe/Berlin 2026: 29 March 02:00 +1 becomes 03:00 +2; 25 October 03:00 +2 becomes 02:00 +1. */
static void test_wall_clock_times_are_once_twice_or_skipped(void **state)
{
    struct time_zone *zone = load("Europe/Berlin");
    int64_t first;
    int64_t second;
    int64_t march = date_to_days(2026, 3, 29) * 86400;
    int64_t october = date_to_days(2026, 10, 25) * 86400;
    (void)state;
    assert_int_equal(time_zone_instant(zone, march + 5400, &first, &second), LOCAL_ONCE);
    assert_int_equal(first, march + 1800);
    assert_int_equal(time_zone_instant(zone, march + 9000, &first, &second), LOCAL_SKIPPED);
    assert_int_equal(first, march + 3600);
    assert_int_equal(time_zone_instant(zone, march + 10800, &first, &second), LOCAL_ONCE);
    assert_int_equal(first, march + 3600);
    assert_int_equal(time_zone_instant(zone, october + 9000, &first, &second), LOCAL_TWICE);
    assert_int_equal(first, october + 1800);
    assert_int_equal(second, october + 5400);
    time_zone_free(zone);
}

static void test_dates_and_days_lead_back(void **state)
{
    (void)state;
    assert_int_equal(date_to_days(1970, 1, 1), 0);
    assert_int_equal(date_to_days(2024, 2, 29), 19782);
    for (int64_t days = -800000; days < 800000; days += 17) {
        int64_t year;
        int month;
        int day;
        date_from_days(days, &year, &month, &day);
        assert_int_equal(date_to_days(year, month, day), days);
    }
}

static void test_names_that_leave_the_directory_are_refused(void **state)
{
    static const char *const names[] = {"", "../etc/passwd", "/etc/passwd", "Europe/Nowhere", "."};
    struct time_zone *zone = NULL;
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_false(time_zone_load(names[i], TIME_ZONE_DIRECTORY, &zone, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
}

static void test_every_truncation_of_a_file_is_refused(void **state)
{
    struct buf content;
    struct time_zone *zone = NULL;
    struct error err;
    (void)state;
    buf_init(&content, 1 << 20);
    assert_true(file_read_all(TIME_ZONE_DIRECTORY "/Europe/Berlin", &content, &err));
    for (size_t len = 0; len < content.len; len++)
        assert_false(time_zone_parse(content.data, len, "cut", &zone, &err));
    assert_true(time_zone_parse(content.data, content.len, "whole", &zone, &err));
    time_zone_free(zone);
    content.data[0] = 'X';
    assert_false(time_zone_parse(content.data, content.len, "other", &zone, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    buf_release(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_agree_with_the_c_library),
        cmocka_unit_test(test_wall_clock_times_are_once_twice_or_skipped),
        cmocka_unit_test(test_dates_and_days_lead_back),
        cmocka_unit_test(test_names_that_leave_the_directory_are_refused),
        cmocka_unit_test(test_every_truncation_of_a_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
