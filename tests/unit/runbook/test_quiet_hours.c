#include "runbook/quiet_hours.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int64_t at(const char *text)
{
    int64_t us = 0;
    assert_true(text_to_time_us(text, &us));
    return us;
}

/* 20:00 to 09:00 unless said otherwise; zone "" is not known. */
static void assert_moved(const char *from, const char *to, const char *zone_name, const char *when,
                         const char *expected)
{
    struct error err = {0};
    struct quiet_hours hours;
    char moved[TEXT_SIZE];
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    if (*zone_name != '\0' && !time_zone_load(zone_name, TIME_ZONE_DIRECTORY, &zone, &err))
        fail_msg("%s", err.text);
    assert_true(quiet_hours_parse(from, to, &hours, &err));
    assert_string_equal(text_time_us(quiet_hours_move(&hours, zone, at(when)), moved), expected);
}

static void test_the_recipients_clock_counts(void **state)
{
    (void)state;
    assert_moved("20:00", "09:00", "UTC", "2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z");
    assert_moved("20:00", "09:00", "UTC", "2026-03-02T20:00:00Z", "2026-03-03T09:00:00Z");
    assert_moved("20:00", "09:00", "UTC", "2026-03-02T19:59:59Z", "2026-03-02T19:59:59Z");
    assert_moved("20:00", "09:00", "UTC", "2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z");
    assert_moved("20:00", "09:00", "UTC", "2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z");
    assert_moved("20:00", "09:00", "Asia/Tokyo", "2026-03-02T12:00:00Z", "2026-03-03T00:00:00Z");
    assert_moved("20:00", "09:00", "America/New_York", "2026-03-02T12:00:00Z",
                 "2026-03-02T14:00:00Z");
}

static void test_hours_within_a_day_and_none_at_all(void **state)
{
    (void)state;
    assert_moved("12:30", "14:00", "UTC", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z");
    assert_moved("12:30", "14:00", "UTC", "2026-03-02T12:29:00Z", "2026-03-02T12:29:00Z");
    assert_moved("", "", "UTC", "2026-03-02T03:00:00Z", "2026-03-02T03:00:00Z");
    assert_moved("09:00", "09:00", "UTC", "2026-03-02T03:00:00Z", "2026-03-02T03:00:00Z");
}

/* Berlin: on 29 March 2026 the clock goes from 02:00 to 03:00, on 25 October from 03:00 to 02:00.
 */
static void test_the_nights_when_clocks_change(void **state)
{
    (void)state;
    assert_moved("20:00", "09:00", "Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T07:00:00Z");
    assert_moved("20:00", "09:00", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T08:00:00Z");
    assert_moved("20:00", "02:30", "Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z");
    assert_moved("20:00", "02:30", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T01:30:00Z");
}

static void test_an_unknown_zone_is_quiet_for_longer(void **state)
{
    (void)state;
    assert_moved("20:00", "09:00", "", "2026-03-02T16:59:00Z", "2026-03-02T16:59:00Z");
    assert_moved("20:00", "09:00", "", "2026-03-02T17:00:00Z", "2026-03-03T12:00:00Z");
    assert_moved("20:00", "09:00", "", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z");
    /* so long that nothing of the day would be left: as they are */
    assert_moved("12:00", "09:00", "", "2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z");
}

static void test_what_is_no_time_is_refused(void **state)
{
    static const char *const wrong[] = {"24:00",  "9:00",  "09:60", "0900",
                                        "09:00 ", "ab:cd", "-1:00"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct error err = {0};
        struct quiet_hours hours;
        if (quiet_hours_parse(wrong[i], "09:00", &hours, &err))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_recipients_clock_counts),
        cmocka_unit_test(test_hours_within_a_day_and_none_at_all),
        cmocka_unit_test(test_the_nights_when_clocks_change),
        cmocka_unit_test(test_an_unknown_zone_is_quiet_for_longer),
        cmocka_unit_test(test_what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
