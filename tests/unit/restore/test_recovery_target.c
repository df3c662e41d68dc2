#include "restore/recovery_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct recovery_target parsed(struct recovery_target_texts texts)
{
    struct error err;
    struct recovery_target target;
    if (!recovery_target_parse(&texts, &target, &err))
        fail_msg("%s", err.text);
    return target;
}

/* Must be refused, and what is said must contain both. */
static void refused(struct recovery_target_texts texts, const char *text, const char *hint)
{
    struct recovery_target target;
    struct error err = {0};
    if (recovery_target_parse(&texts, &target, &err))
        fail_msg("accepted, although: %s", text);
    assert_int_equal(err.kind, ERROR_USAGE);
    if (strstr(err.text, text) == NULL || strstr(err.hint, hint) == NULL)
        fail_msg("said \"%s\" (%s), not \"%s\" (%s)", err.text, err.hint, text, hint);
}

static void test_times_are_read_with_their_zone(void **state)
{
    static const char *const same[] = {
        "2026-03-01T12:00:05.25Z",      "2026-03-01 12:00:05.250000Z",
        "2026-03-01 13:00:05.25+01:00", "2026-03-01 13:00:05.250000+01",
        "2026-03-01 07:00:05.25-05",    "2026-03-01T12:00:05.25z",
        "2026-03-01T17:30:05.25+05:30",
    };
    char text[TARGET_TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct recovery_target target = parsed((struct recovery_target_texts){.time = same[i]});
        assert_int_equal(target.kind, TARGET_TIME);
        if (target.time_us != INT64_C(1772366405250000))
            fail_msg("%s is not the moment", same[i]);
    }
    struct recovery_target target = parsed((struct recovery_target_texts){.time = same[0]});
    assert_string_equal(recovery_target_text(&target, text), "time 2026-03-01T12:00:05.250000Z");
    assert_string_equal(recovery_target_time_text(target.time_us, text),
                        "2026-03-01 12:00:05.250000+00");
}

static void test_times_without_a_clear_zone_are_refused_with_what_to_write(void **state)
{
    (void)state;
    refused((struct recovery_target_texts){.time = "2026-03-01 12:00:05"}, "has no time zone",
            "\"2026-03-01 12:00:05Z\" if that is UTC (2026-03-01T12:00:05Z)");
    refused((struct recovery_target_texts){.time = "2026-03-01T12:00:05.5"}, "has no time zone",
            "2026-03-01T12:00:05.5+01:00");
    refused((struct recovery_target_texts){.time = "2026-03-01 12:00:05 EST"}, "is not a time",
            "names of zones are ambiguous");
    refused((struct recovery_target_texts){.time = "2026-03-01 12:00:05 Europe/Berlin"},
            "is not a time", "2026-03-01 12:00:05+01:00");
    refused((struct recovery_target_texts){.time = "yesterday"}, "is not a time", "date, time");
    refused((struct recovery_target_texts){.time = "2026-02-30 12:00:05Z"}, "is not a time", "");
    refused((struct recovery_target_texts){.time = "2026-03-01"}, "is not a time", "");
    refused((struct recovery_target_texts){.time = ""}, "is not a time", "");
}

static void test_positions_and_transactions(void **state)
{
    (void)state;
    assert_int_equal(parsed((struct recovery_target_texts){.lsn = "1/2000028"}).lsn,
                     UINT64_C(0x102000028));
    assert_int_equal(parsed((struct recovery_target_texts){.xid = "745"}).xid, 745);
    /* txid_current() of the second epoch: the WAL knows the low 32 bits */
    assert_int_equal(parsed((struct recovery_target_texts){.xid = "4294968041"}).xid, 745);
    refused((struct recovery_target_texts){.lsn = "123"}, "is not an LSN", "16/B374D848");
    refused((struct recovery_target_texts){.lsn = "0/0"}, "is not an LSN", "");
    refused((struct recovery_target_texts){.xid = "2"}, "is not a transaction id", "");
    refused((struct recovery_target_texts){.xid = "-5"}, "is not a transaction id", "");
}

static void test_names_fit_the_server_and_the_repository(void **state)
{
    char longest[RESTORE_POINT_NAME_MAX + 2];
    (void)state;
    memset(longest, 'n', sizeof longest - 1);
    longest[RESTORE_POINT_NAME_MAX + 1] = '\0';
    refused((struct recovery_target_texts){.name = longest}, "cannot be the name", "63 letters");
    longest[RESTORE_POINT_NAME_MAX] = '\0';
    assert_string_equal(parsed((struct recovery_target_texts){.name = longest}).name, longest);
    static const char *const bad[] = {"", ".hidden", "-flag", "a b", "a/b", "it's", "gr\xc3\xbcn"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refused((struct recovery_target_texts){.name = bad[i]}, "cannot be the name", "");
}

static void test_timelines_and_actions(void **state)
{
    (void)state;
    struct recovery_target target = parsed((struct recovery_target_texts){.latest = true});
    assert_int_equal(target.kind, TARGET_LATEST);
    assert_int_equal(target.timeline, TIMELINE_LATEST);
    assert_int_equal(target.action, ACTION_PROMOTE);
    target = parsed((struct recovery_target_texts){
        .lsn = "0/5", .timeline = "3", .action = "pause", .exclusive = true});
    assert_int_equal(target.timeline, TIMELINE_NUMBER);
    assert_int_equal(target.timeline_number, 3);
    assert_int_equal(target.action, ACTION_PAUSE);
    assert_true(target.exclusive);
    target = parsed((struct recovery_target_texts){.latest = true, .timeline = "current"});
    assert_int_equal(target.timeline, TIMELINE_CURRENT);
    target = parsed((struct recovery_target_texts){.name = "before"});
    assert_int_equal(target.timeline, TIMELINE_CURRENT);
    target = parsed((struct recovery_target_texts){.name = "before", .timeline = "latest"});
    assert_int_equal(target.timeline, TIMELINE_LATEST);
    assert_int_equal(parsed((struct recovery_target_texts){0}).kind, TARGET_NONE);
    refused((struct recovery_target_texts){.latest = true, .timeline = "0"}, "--target-timeline",
            "");
    refused((struct recovery_target_texts){.lsn = "0/5", .action = "stop"}, "--target-action", "");
}

static void test_combinations_without_a_meaning_are_refused(void **state)
{
    (void)state;
    refused((struct recovery_target_texts){.lsn = "0/5", .xid = "745"}, "more than one",
            "--latest");
    refused((struct recovery_target_texts){.latest = true, .immediate = true}, "more than one", "");
    refused((struct recovery_target_texts){.name = "a", .exclusive = true}, "--target-exclusive",
            "");
    refused((struct recovery_target_texts){.latest = true, .exclusive = true}, "--target-exclusive",
            "");
    refused((struct recovery_target_texts){.exclusive = true}, "--target-exclusive", "");
    refused((struct recovery_target_texts){.lsn = "0/5", .standby = true}, "--standby", "");
    refused((struct recovery_target_texts){.standby = true, .timeline = "2"}, "--standby", "");
    refused((struct recovery_target_texts){.action = "pause"}, "need a recovery target",
            "--latest");
    refused((struct recovery_target_texts){.latest = true, .action = "pause"}, "--latest", "");
    struct recovery_target standby = parsed((struct recovery_target_texts){.standby = true});
    assert_true(standby.standby);
    assert_int_equal(standby.kind, TARGET_LATEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_read_with_their_zone),
        cmocka_unit_test(test_times_without_a_clear_zone_are_refused_with_what_to_write),
        cmocka_unit_test(test_positions_and_transactions),
        cmocka_unit_test(test_names_fit_the_server_and_the_repository),
        cmocka_unit_test(test_timelines_and_actions),
        cmocka_unit_test(test_combinations_without_a_meaning_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
