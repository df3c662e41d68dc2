/* The exposition format and Prometheus' rules for names, as promtool checks them. */
#include "daemon/metrics.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAMES_MAX = 64, NAME_SIZE = 96, TEXT_MAX_BYTES = 65536 };

static struct job jobs[ROLE_COUNT];
static const struct job_time now = {.wall_us = 1772366400000000, .monotonic_us = 77};

static struct facts everything(void)
{
    static const char status[] =
        "{\"snapshots\":{\"count\":3,\"unreadable\":1,\"stored_bytes\":4096},"
        "\"last_snapshot\":{\"started_us\":1772366300000000,\"finished_us\":1772366340000000,"
        "\"data_bytes\":8192,\"stored_bytes\":1024},"
        "\"wal\":{\"end_lsn\":100,\"stored_us\":1772366390000000,\"gap\":false},"
        "\"server\":{\"reachable\":true,\"lsn\":150,\"lag_bytes\":50,\"slots\":1,"
        "\"slots_active\":true,\"slot_retained_bytes\":7}}";
    struct facts facts = {.leader = true, .started_us = 1772366000000000, .jobs = jobs};
    struct error err;
    if (!facts_take_status(&facts, status, strlen(status), now.wall_us, &err))
        fail_msg("%s", err.text);
    facts.has_verify = true;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        job_init(&jobs[i], (enum role_id)i);
        job_enable(&jobs[i], true, &now);
        jobs[i].last_end_us = now.wall_us;
        jobs[i].last_success_us = now.wall_us;
    }
    return facts;
}

static char *print(const struct facts *facts)
{
    struct buf out;
    buf_init(&out, TEXT_MAX_BYTES);
    metrics_put(facts, &now, &out);
    char *text = strdup(buf_text(&out));
    buf_release(&out);
    return text;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    return len > strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static void check_name(const char *name, const char *type)
{
    static const char *const wrong_units[] = {"_ms", "_us", "_milliseconds", "_kib", "_mib", "_kb"};
    assert_true(strncmp(name, "mainstay_", 9) == 0);
    for (const char *at = name; *at != '\0'; at++)
        assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
    for (size_t i = 0; i < ARRAY_LEN(wrong_units); i++)
        assert_false(ends_with(name, wrong_units[i]));
    assert_true((strcmp(type, "counter") == 0) == ends_with(name, "_total"));
    assert_null(strstr(name, type));
}

/* name{label="value"} number */
static void check_sample(const char *line, const char *name)
{
    size_t len = strlen(name);
    char *end;
    if (strncmp(line, name, len) != 0 || (line[len] != '{' && line[len] != ' '))
        fail_msg("sample \"%s\" below the head of %s", line, name);
    const char *space = strrchr(line, ' ');
    assert_non_null(space);
    (void)strtod(space + 1, &end);
    assert_true(end != space + 1 && *end == '\0');
    if (line[len] == '{')
        assert_non_null(strstr(line, "\"} "));
}

static size_t check_text(char *text)
{
    char names[NAMES_MAX][NAME_SIZE];
    char type[32];
    size_t count = 0;
    size_t samples = 0;
    char *rest = text;
    assert_true(ends_with(text, "\n"));
    for (char *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_true(count < NAMES_MAX);
            assert_int_equal(sscanf(line, "# HELP %95s", names[count]), 1);
            assert_true(ends_with(line, "."));
            for (size_t i = 0; i < count; i++)
                assert_string_not_equal(names[i], names[count]);
            count++;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[NAME_SIZE];
            assert_int_equal(sscanf(line, "# TYPE %95s %31s", name, type), 2);
            assert_string_equal(name, names[count - 1]);
            assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);
            check_name(name, type);
        } else {
            check_sample(line, names[count - 1]);
            samples++;
        }
    }
    return samples;
}

static void test_names_types_and_samples_follow_the_rules(void **state)
{
    struct facts facts = everything();
    char *text = print(&facts);
    (void)state;
    assert_true(check_text(text) > 40);
    free(text);
}

static void test_values_are_in_base_units(void **state)
{
    struct facts facts = everything();
    char *text = print(&facts);
    (void)state;
    assert_non_null(strstr(text, "\nmainstay_last_snapshot_age_seconds 60\n"));
    assert_non_null(strstr(text, "\nmainstay_last_snapshot_duration_seconds 40\n"));
    assert_non_null(strstr(text, "\nmainstay_wal_lag_seconds 10\n"));
    assert_non_null(strstr(text, "\nmainstay_wal_lag_bytes 50\n"));
    assert_non_null(strstr(text, "\nmainstay_last_snapshot_time_seconds 1772366340\n"));
    free(text);
}

static void test_what_is_not_known_has_no_sample(void **state)
{
    struct facts facts = {.jobs = NULL};
    char *text = print(&facts);
    (void)state;
    assert_non_null(strstr(text, "\nmainstay_leader 0\n"));
    assert_null(strstr(text, "\nmainstay_last_snapshot_age_seconds "));
    assert_null(strstr(text, "\nmainstay_snapshots "));
    assert_true(check_text(text) < 10);
    free(text);
}

static void test_a_status_that_is_none_changes_nothing(void **state)
{
    static const char *const wrong[] = {"", "[]", "{}", "{\"snapshots\":{\"count\":\"x\"}}",
                                        "{\"error\":{\"message\":\"no\"}}"};
    struct facts facts = everything();
    struct facts before = facts;
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(facts_take_status(&facts, wrong[i], strlen(wrong[i]), 5, &err));
        assert_memory_equal(&facts, &before, sizeof facts);
    }
}

static void test_ready_means_leading_with_everything_in_reach(void **state)
{
    struct facts facts = everything();
    const char *why;
    int64_t interval_us = 60000000;
    (void)state;
    assert_true(facts_ready(&facts, now.wall_us, interval_us, &why));
    assert_false(facts_ready(&facts, now.wall_us + 5 * interval_us, interval_us, &why));
    assert_string_equal(why, "the repository has not been reached");
    facts.server_reachable = false;
    assert_false(facts_ready(&facts, now.wall_us, interval_us, &why));
    facts.server_reachable = true;
    facts.leader = false;
    assert_false(facts_ready(&facts, now.wall_us, interval_us, &why));
    assert_non_null(strstr(why, "standby"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_types_and_samples_follow_the_rules),
        cmocka_unit_test(test_values_are_in_base_units),
        cmocka_unit_test(test_what_is_not_known_has_no_sample),
        cmocka_unit_test(test_a_status_that_is_none_changes_nothing),
        cmocka_unit_test(test_ready_means_leading_with_everything_in_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
