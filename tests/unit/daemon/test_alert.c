#include "daemon/alert.h"
#include "daemon/alert_text.h"

#include "document/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR ((int64_t)3600 * 1000000)

static struct job jobs[ROLE_COUNT];
static struct facts facts;
static struct alert_state alerts;
static struct alert_limits limits;
static struct alert changes[ALERT_COUNT];
static int64_t now;

static int start(void **state)
{
    (void)state;
    struct job_time time = {0};
    now = 1000 * HOUR;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        job_init(&jobs[i], (enum role_id)i);
        job_enable(&jobs[i], true, &time);
    }
    facts = (struct facts){.leader = true,
                           .jobs = jobs,
                           .started_us = now,
                           .has_status = true,
                           .has_snapshot = true,
                           .snapshot_finished_us = now};
    alerts = (struct alert_state){0};
    limits = (struct alert_limits){
        .snapshot_age_us = 26 * HOUR, .wal_lag_us = HOUR, .failures = 3, .takes_snapshots = true};
    return 0;
}

static size_t look(void)
{
    return alert_update(&alerts, &facts, &limits, now, changes);
}

static void expect_change(const char *name, bool raised)
{
    assert_int_equal(look(), 1);
    assert_string_equal(changes[0].name, name);
    assert_int_equal(changes[0].raised, raised);
    assert_int_equal(look(), 0); /* told once */
}

static void test_nothing_is_said_when_all_is_well(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(look(), 0);
}

static void test_a_stale_snapshot_is_told_once_and_so_is_the_next_one(void **state)
{
    (void)state;
    now += 27 * HOUR;
    expect_change("snapshot-stale", true);
    now += HOUR;
    assert_int_equal(look(), 0);
    facts.snapshot_finished_us = now;
    expect_change("snapshot-stale", false);
    assert_int_equal(changes[0].since_us, 1027 * HOUR);
}

static void test_no_snapshot_at_all_counts_from_the_start_and_only_where_some_are_due(void **state)
{
    (void)state;
    facts.has_snapshot = false;
    assert_int_equal(look(), 0);
    now += 27 * HOUR;
    limits.takes_snapshots = false;
    assert_int_equal(look(), 0);
    limits.takes_snapshots = true;
    expect_change("snapshot-stale", true);
}

static void test_a_drill_that_is_old_or_failed_is_told(void **state)
{
    (void)state;
    limits.drill_age_us = 100 * HOUR;
    limits.snapshot_age_us = 0;
    now += 200 * HOUR;
    assert_int_equal(look(), 0); /* nobody holds drills */
    limits.holds_drills = true;
    expect_change("drill-stale", true);
    facts.drill_last_us = now;
    facts.drill_good_us = now;
    expect_change("drill-stale", false);
    facts.drill_failures = 2;
    expect_change("drill-failed", true);
    assert_non_null(strstr(changes[0].text, "2 in a row"));
    facts.drill_failures = 0;
    expect_change("drill-failed", false);
    limits.holds_drills = false; /* somebody else does: what there is tells */
    now += 101 * HOUR;
    expect_change("drill-stale", true);
}

static void test_a_job_is_told_of_after_so_many_failures_and_until_it_ends_well(void **state)
{
    (void)state;
    jobs[ROLE_SNAPSHOT].failures_in_row = 2;
    assert_int_equal(look(), 0);
    jobs[ROLE_SNAPSHOT].failures_in_row = 3;
    jobs[ROLE_SNAPSHOT].last_exit_code = 1;
    expect_change("job-failed-snapshot", true);
    jobs[ROLE_SNAPSHOT].failures_in_row = 9;
    assert_int_equal(look(), 0);
    jobs[ROLE_SNAPSHOT].failures_in_row = 0;
    expect_change("job-failed-snapshot", false);
}

static void test_wal_lag_needs_a_server_that_is_ahead(void **state)
{
    (void)state;
    facts.has_wal = true;
    facts.wal_stored_us = now - 2 * HOUR;
    facts.server_configured = facts.server_reachable = true;
    assert_int_equal(look(), 0);
    facts.lag_bytes = 1;
    expect_change("wal-lag", true);
    facts.wal_stored_us = now;
    expect_change("wal-lag", false);
    facts.wal_gap = true;
    expect_change("wal-gap", true);
}

static void test_store_server_and_damage_each_have_an_alert(void **state)
{
    (void)state;
    jobs[ROLE_STATUS].failures_in_row = 3;
    expect_change("store-down", true);
    facts.server_configured = true;
    expect_change("server-down", true);
    facts.verify_parts_damaged = 1;
    expect_change("verify-failed", true);
    facts.unreadable_count = 1;
    expect_change("snapshot-unreadable", true);
}

static void test_a_slot_in_danger_is_told_before_it_is_lost(void **state)
{
    (void)state;
    facts.server_configured = facts.server_reachable = true;
    facts.has_slot = facts.slot_limited = true;
    facts.slot_retained_bytes = 700;
    facts.slot_safe_bytes = 300;
    assert_int_equal(look(), 0);
    facts.slot_retained_bytes = 801;
    facts.slot_safe_bytes = 199;
    expect_change("slot-danger", true);
    facts.slot_retained_bytes = 10;
    facts.slot_safe_bytes = 990;
    expect_change("slot-danger", false);
    facts.slot_limited = false; /* without a limit nothing is ever taken away */
    facts.slot_safe_bytes = 0;
    assert_int_equal(look(), 0);
    facts.slot_unreserved = true;
    expect_change("slot-danger", true);
    facts.slot_lost = true;
    assert_int_equal(look(), 0);
    facts.slot_lost = facts.slot_unreserved = false;
    expect_change("slot-danger", false);
    facts.slot_lost = true;
    expect_change("slot-danger", true);
    assert_non_null(strstr(changes[0].text, "take a snapshot"));
}

static void test_a_standby_leaves_it_to_the_daemon_that_works(void **state)
{
    (void)state;
    facts.leader = false;
    now += 27 * HOUR;
    jobs[ROLE_SNAPSHOT].failures_in_row = 3;
    assert_int_equal(look(), 0);
    jobs[ROLE_STATUS].failures_in_row = 3;
    expect_change("store-down", true);
}

static bool fill(const char *template, struct buf *out, struct error *err)
{
    char text[] = "k\"ey";
    const struct secret key = {.text = text, .len = sizeof text - 1};
    struct alert alert = {.raised = true, .now_us = now, .text = "\"\\ {{key}}\n\x01\xff"};
    const struct alert_target target = {.format = "template",
                                        .text = template,
                                        .repository = "s3://b/p",
                                        .host = "db-1",
                                        .key = &key};
    strcpy(alert.name, "wal-gap");
    return alert_put_json(&alert, &target, out, err);
}

static void test_a_template_gives_json_whatever_the_values_hold(void **state)
{
    static const char template[] =
        "{\"title\": \"{{alert}} is {{ state }}\", \"body\": [\"{{text}}\"], \"at\": \"{{host}}\","
        " \"secret\": \"{{key}}\", \"n\": 7}";
    const struct value *list;
    const char *text;
    struct buf out;
    struct error err;
    (void)state;
    buf_init(&out, 4096);
    if (!fill(template, &out, &err))
        fail_msg("%s", err.text);
    struct value *root = value_parse(out.data, out.len, 4096, "alert", &err);
    assert_non_null(root);
    assert_true(value_get_text(root, "title", &text, &err));
    assert_string_equal(text, "wal-gap is firing");
    assert_true(value_get_text(root, "secret", &text, &err));
    assert_string_equal(text, "k\"ey");
    assert_true(value_get_array(root, "body", &list, &err) && value_at_text(list, 0, &text, &err));
    assert_string_equal(text, "\"\\ {{key}}\n\x01\xef\xbf\xbd");
    value_free(root);
    buf_release(&out);
}

static void test_a_template_that_gives_no_json_or_has_unknown_names_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "{{alert}}",
                                        "{\"a\": {{text}}}",
                                        "{\"a\": \"{{nam}}\"}",
                                        "{\"a\": \"{{alert\"}",
                                        "{\"a\": 1} x"};
    struct buf out;
    struct error err;
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(fill(wrong[i], &out, &err));
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    buf_release(&out);
}

static struct value *print(const char *format, bool raised)
{
    char text[] = "R0UT\"E";
    const struct secret key = {.text = text, .len = sizeof text - 1};
    struct alert alert = {.raised = raised, .now_us = now, .text = "it \"broke\"\n"};
    struct alert_target target = {
        .format = format, .repository = "s3://b/p", .host = "db-1", .key = &key};
    struct buf out;
    struct error err;
    strcpy(alert.name, "wal-gap");
    buf_init(&out, 4096);
    if (!alert_put_json(&alert, &target, &out, &err))
        fail_msg("%s", err.text);
    struct value *value = value_parse(out.data, out.len, 4096, "alert", &err);
    assert_non_null(value);
    buf_release(&out);
    return value;
}

static void expect_text(const struct value *object, const char *key, const char *expected)
{
    const char *text;
    struct error err;
    assert_true(value_get_text(object, key, &text, &err));
    assert_string_equal(text, expected);
}

static void test_pagerduty_opens_and_closes_the_same_incident(void **state)
{
    const struct value *payload;
    struct error err;
    (void)state;
    struct value *opened = print("pagerduty", true);
    struct value *closed = print("pagerduty", false);
    expect_text(opened, "event_action", "trigger");
    expect_text(closed, "event_action", "resolve");
    expect_text(opened, "dedup_key", "mainstay/wal-gap/s3://b/p");
    expect_text(closed, "dedup_key", "mainstay/wal-gap/s3://b/p");
    expect_text(opened, "routing_key", "R0UT\"E");
    assert_true(value_get_object(opened, "payload", &payload, &err));
    expect_text(payload, "summary", "it \"broke\"\n");
    expect_text(payload, "severity", "critical");
    value_free(opened);
    value_free(closed);
}

static void test_generic_and_slack_say_what_and_where(void **state)
{
    const char *text;
    struct error err;
    (void)state;
    struct value *generic = print("generic", true);
    expect_text(generic, "alert", "wal-gap");
    expect_text(generic, "state", "firing");
    expect_text(generic, "repository", "s3://b/p");
    struct value *slack = print("slack", false);
    assert_true(value_get_text(slack, "text", &text, &err));
    assert_non_null(strstr(text, "wal-gap"));
    assert_non_null(strstr(text, "this is over"));
    value_free(generic);
    value_free(slack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_is_said_when_all_is_well, start),
        cmocka_unit_test_setup(test_a_stale_snapshot_is_told_once_and_so_is_the_next_one, start),
        cmocka_unit_test_setup(
            test_no_snapshot_at_all_counts_from_the_start_and_only_where_some_are_due, start),
        cmocka_unit_test_setup(test_a_drill_that_is_old_or_failed_is_told, start),
        cmocka_unit_test_setup(test_a_job_is_told_of_after_so_many_failures_and_until_it_ends_well,
                               start),
        cmocka_unit_test_setup(test_wal_lag_needs_a_server_that_is_ahead, start),
        cmocka_unit_test_setup(test_store_server_and_damage_each_have_an_alert, start),
        cmocka_unit_test_setup(test_a_slot_in_danger_is_told_before_it_is_lost, start),
        cmocka_unit_test_setup(test_a_template_gives_json_whatever_the_values_hold, start),
        cmocka_unit_test_setup(test_a_template_that_gives_no_json_or_has_unknown_names_is_refused,
                               start),
        cmocka_unit_test_setup(test_a_standby_leaves_it_to_the_daemon_that_works, start),
        cmocka_unit_test_setup(test_pagerduty_opens_and_closes_the_same_incident, start),
        cmocka_unit_test_setup(test_generic_and_slack_say_what_and_where, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
