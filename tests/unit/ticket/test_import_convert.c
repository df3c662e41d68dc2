#include "base/cleanup.h"
#include "base/macros.h"
#include "src/ticket/import_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct time_zone *berlin;

static bool convert(enum import_type type, const struct time_zone *zone, const char *text,
                    struct buf *out)
{
    char why[IMPORT_WHY_SIZE] = "";
    const struct import_options options = {.zone = zone, .file = "f"};
    const struct import_column column = {.name = "x", .type = type};
    bool done = import_convert(&options, &column, text, out, why);
    assert_true(done || why[0] != '\0');
    return done;
}

static void assert_converted(enum import_type type, const char *text, const char *wanted)
{
    struct buf out;
    buf_init(&out, 65536);
    if (!convert(type, berlin, text, &out))
        fail_msg("\"%s\" was refused", text);
    assert_string_equal(buf_text(&out), wanted);
    buf_release(&out);
}

static void assert_refused(enum import_type type, const char *text)
{
    struct buf out;
    buf_init(&out, 65536);
    if (convert(type, berlin, text, &out))
        fail_msg("\"%s\" was taken for \"%s\"", text, buf_text(&out));
    buf_release(&out);
}

static int load_berlin(void **state)
{
    struct error err;
    (void)state;
    return time_zone_load("Europe/Berlin", TIME_ZONE_DIRECTORY, &berlin, &err) ? 0 : 1;
}

static int free_berlin(void **state)
{
    (void)state;
    time_zone_free(berlin);
    return 0;
}

static void test_times(void **state)
{
    (void)state;
    assert_converted(TYPE_TIME, "2026-08-30T10:00:00.25+02:00", "2026-08-30T08:00:00.250000Z");
    assert_converted(TYPE_TIME, "2026-08-30 10:00:00 UTC", "2026-08-30T10:00:00.000000Z");
    assert_converted(TYPE_TIME, "2026-08-30 10:00:00 -0330", "2026-08-30T13:30:00.000000Z");
    assert_converted(TYPE_TIME, "2026-08-30 10:00", "2026-08-30T08:00:00.000000Z");
    assert_converted(TYPE_TIME, "2026-01-30 10:00:01", "2026-01-30T09:00:01.000000Z");
    assert_converted(TYPE_TIME, "2024-02-29", "2024-02-28T23:00:00.000000Z");
    static const char *const wrong[] = {"",
                                        "x",
                                        "2026-13-01",
                                        "2025-02-29",
                                        "2026-1-1",
                                        "2026-01-01 24:00",
                                        "30/08/2026",
                                        "1756540800",
                                        "2026-08-30 10:00 CEST",
                                        "2026-08-30 10",
                                        "2026-08-30 10:00 +99:00",
                                        "0000-01-01 10:00 UTC",
                                        "0999-12-31 23:59 UTC",
                                        "9999-12-31 23:59 -0200"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_refused(TYPE_TIME, wrong[i]);
}

static void test_a_time_without_zone_needs_one(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1024);
    assert_false(convert(TYPE_TIME, NULL, "2026-08-30 10:00", &out));
    assert_true(convert(TYPE_TIME, NULL, "2026-08-30 10:00 +0000", &out));
    buf_release(&out);
}

static void test_amounts_are_not_rounded(void **state)
{
    (void)state;
    assert_converted(TYPE_MONEY, "19.99", "1999");
    assert_converted(TYPE_MONEY, "19.9", "1990");
    assert_converted(TYPE_MONEY, "0", "0");
    assert_converted(TYPE_MONEY, "7.05", "705");
    static const char *const wrong[] = {"19.999", "19,99", "-1", "1e3", ".5", "5.", "EUR 5",
                                        "1.2.3", "99999999999999999999",
                                        /* what is cut off must not count: this is 7 */
                                        "00000000000000000000000000000000000000000000000000000007"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_refused(TYPE_MONEY, wrong[i]);
}

static void test_lists_keep_what_is_in_their_elements(void **state)
{
    (void)state;
    assert_converted(TYPE_LIST, "a|b c; d ,,", "{\"a\",\"b c\",\"d\"}");
    assert_converted(TYPE_LIST,
                     "\x1f"
                     "a,\"b\"\x1f"
                     "c|d",
                     "{\"a,\\\"b\\\"\",\"c|d\"}");
    assert_converted(TYPE_LIST, "\x1f", "{}");
    assert_converted(TYPE_WORDS, " vip incident:x,y ", "{\"vip\",\"incident:x\",\"y\"}");
    assert_converted(TYPE_WORDS,
                     "\x1f"
                     "two words",
                     "{\"two words\"}");
    assert_refused(TYPE_WORDS, "a\tb\x01");
    assert_refused(TYPE_TAG, "line\nline");
    assert_converted(TYPE_TAG, "größe", "größe");
}

static void test_words_of_other_helpdesks(void **state)
{
    (void)state;
    assert_converted(TYPE_STATUS, "On-hold", "on_hold");
    assert_converted(TYPE_STATUS, "RESOLVED", "solved");
    assert_converted(TYPE_PRIORITY, "Critical", "urgent");
    assert_converted(TYPE_DIRECTION, "true", "out");
    assert_converted(TYPE_ORDER_STATE, "out for delivery", "in_transit");
    assert_converted(TYPE_BOOL, "FALSE", "f");
    assert_converted(TYPE_BOOL, "1", "t");
    assert_converted(TYPE_COUNT, "-5", "-5");
    assert_refused(TYPE_STATUS, "opened");
    assert_refused(TYPE_BOOL, "2");
    assert_refused(TYPE_COUNT, "5.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_a_time_without_zone_needs_one),
        cmocka_unit_test(test_amounts_are_not_rounded),
        cmocka_unit_test(test_lists_keep_what_is_in_their_elements),
        cmocka_unit_test(test_words_of_other_helpdesks),
    };
    return cmocka_run_group_tests(tests, load_berlin, free_berlin);
}
