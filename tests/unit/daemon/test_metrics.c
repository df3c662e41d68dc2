/* The exposition format and Prometheus' rules for names, as promtool checks them. */
#include "daemon/metrics.h"

#include "store/store_memory.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAMES_MAX = 96, SAMPLES_MAX = 256, NAME_SIZE = 96, TEXT_MAX_BYTES = 65536 };

static struct meter *meter;
static struct job jobs[ROLE_COUNT];
static const struct job_time now = {.wall_us = 1772366400000000, .monotonic_us = 77};

static struct facts everything(void)
{
    static const char status[] =
        "{\"snapshots\":{\"count\":3,\"unreadable\":1,\"stored_bytes\":4096},"
        "\"last_snapshot\":{\"started_us\":1772366300000000,\"finished_us\":1772366340000000,"
        "\"data_bytes\":8192,\"stored_bytes\":1024},"
        "\"wal\":{\"end_lsn\":100,\"stored_us\":1772366390000000,\"gap\":false},"
        "\"recoverable\":{\"first_us\":1772000000000000,\"last_us\":1772366390000000},"
        "\"server\":{\"reachable\":true,\"lsn\":150,\"lag_bytes\":50,\"slot\":true,"
        "\"slot_active\":true,\"slot_retained_bytes\":7,\"slot_safe_bytes\":93,"
        "\"slot_unreserved\":false,\"slot_lost\":false},"
        "\"runs\":{\"expire_last_us\":1772300000000000,\"verify_last_us\":1772310000000000,"
        "\"verified_since_us\":1772200000000000,\"verify_parts\":28,\"verify_parts_read\":28,"
        "\"verify_parts_damaged\":1},"
        "\"drills\":{\"count\":3,\"failures_in_row\":1,\"last_us\":1772366000000000,"
        "\"good_us\":1772365400000000,\"duration_us\":90000000,\"rto_us\":60000000,"
        "\"rpo_us\":5000000},\"objects\":{\"count\":77,\"bytes\":123456}}";
    struct facts facts = {
        .leader = true, .term = 3, .started_us = 1772366000000000, .jobs = jobs, .meter = meter};
    struct error err;
    if (!facts_take_status(&facts, status, strlen(status), now.wall_us, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        job_init(&jobs[i], (enum role_id)i);
        job_enable(&jobs[i], true, &now);
        jobs[i].last_end_us = now.wall_us;
        jobs[i].last_success_us = now.wall_us;
        jobs[i].failures_by_kind[ERROR_UNAVAILABLE] = 2;
        jobs[i].failures_by_kind[ERROR_NONE] = 1;
    }
    return facts;
}

/* A store that has been used, and refused something. */
static int start(void **state)
{
    int fd;
    char number[16];
    struct error err;
    struct store *store = NULL;
    (void)state;
    if (!meter_new(&meter, &fd, &err) || !store_memory_open(&store, &err))
        return -1;
    (void)snprintf(number, sizeof number, "%d", fd);
    if (!store_meter_open(store, meter_inherit(number), NULL, &store, &err))
        return -1;
    for (int i = 0; i < 5; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        if (!store_put(store, key, "123", 3, NULL, &err))
            return -1;
    }
    bool refused = !store_put(store, "../x", "1", 1, NULL, &err);
    store_close(store);
    return refused ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    meter_free(meter);
    return 0;
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

/* --- a strict reader of the text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/)
 * ------------------------------------
 */

struct sample {
    char name[NAME_SIZE];
    char labels[NAME_SIZE * 2]; /* a="b",c="d" without le */
    char le[32];                /* "" = none */
    double value;
};

struct family {
    char name[NAME_SIZE];
    char type[16];
    struct sample samples[SAMPLES_MAX];
    size_t count;
};

static void check_name(const char *name, const char *type)
{
    static const char *const wrong_units[] = {"_ms", "_us", "_milliseconds", "_kib", "_mib", "_kb"};
    assert_true(strncmp(name, "mainstay_", 9) == 0);
    for (const char *at = name; *at != '\0'; at++)
        assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
    for (size_t i = 0; i < ARRAY_LEN(wrong_units); i++)
        assert_false(ends_with(name, wrong_units[i]));
    assert_true((strcmp(type, "counter") == 0) == ends_with(name, "_total"));
    assert_false(ends_with(name, "_count") || ends_with(name, "_sum") ||
                 ends_with(name, "_bucket"));
    assert_null(strstr(name, type));
}

/* Moves behind [a-z_]+, which goes into out. */
static void read_word(const char **at, char *out, size_t size)
{
    size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz_0123456789");
    assert_true(len > 0 && len < size);
    (void)snprintf(out, size, "%.*s", (int)len, *at);
    *at += len;
}

/* {a="b",c="d"}: no blanks, no comma at the end, escapes only \\ \" \n; nothing of ours needs any.
 */
static void read_labels(const char **at, struct sample *sample)
{
    char name[NAME_SIZE];
    for (char before = '{'; **at == before; before = ',') {
        (*at)++;
        read_word(at, name, sizeof name);
        assert_true(strncmp(*at, "=\"", 2) == 0);
        *at += 2;
        size_t len = strcspn(*at, "\"\\\n{},");
        assert_int_equal((*at)[len], '"');
        size_t used = strlen(sample->labels);
        if (strcmp(name, "le") == 0)
            (void)snprintf(sample->le, sizeof sample->le, "%.*s", (int)len, *at);
        else
            (void)snprintf(sample->labels + used, sizeof sample->labels - used, "%s%s=\"%.*s\"",
                           used > 0 ? "," : "", name, (int)len, *at);
        *at += len + 1;
    }
    assert_int_equal(**at, '}');
    (*at)++;
}

static void read_sample(const char *line, struct family *family)
{
    char *end;
    const char *at = line;
    assert_true(family->count < SAMPLES_MAX);
    struct sample *sample = &family->samples[family->count++];
    *sample = (struct sample){.value = 0};
    read_word(&at, sample->name, sizeof sample->name);
    if (*at == '{')
        read_labels(&at, sample);
    assert_int_equal(*at, ' ');
    assert_true(at[1] != ' ');
    sample->value = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\0')
        fail_msg("no number at the end of \"%s\"", line);
}

/* Buckets of one set of labels rise with le and end with +Inf, which is the count. */
static void check_histogram(const struct family *family)
{
    size_t sets = 0;
    for (size_t i = 0; i < family->count; i++) {
        const struct sample *sample = &family->samples[i];
        const char *part = sample->name + strlen(family->name);
        assert_true(strncmp(sample->name, family->name, strlen(family->name)) == 0);
        if (strcmp(part, "_bucket") == 0) {
            const struct sample *next = sample + 1;
            assert_true(i + 1 < family->count && sample->le[0] != '\0');
            assert_string_equal(next->labels, sample->labels);
            if (strcmp(sample->le, "+Inf") == 0) {
                assert_true(i + 2 < family->count && ends_with(next->name, "_sum"));
                assert_true(ends_with(sample[2].name, "_count"));
                assert_true(sample->value >= 0 && sample[2].value == sample->value);
                sets++;
                continue;
            }
            assert_true(ends_with(next->name, "_bucket") && next->value >= sample->value);
            assert_true(strtod(next->le, NULL) > strtod(sample->le, NULL)); /* "+Inf" too */
        } else {
            assert_true(strcmp(part, "_sum") == 0 || strcmp(part, "_count") == 0);
        }
    }
    assert_int_equal(family->count, sets * (METER_BOUND_COUNT + 3));
}

static void check_family(const struct family *family)
{
    check_name(family->name, family->type);
    if (strcmp(family->type, "histogram") == 0) {
        check_histogram(family);
        return;
    }
    for (size_t i = 0; i < family->count; i++) {
        const struct sample *sample = &family->samples[i];
        assert_string_equal(sample->name, family->name);
        assert_string_equal(sample->le, "");
        if (strcmp(family->type, "counter") == 0)
            assert_true(sample->value >= 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sample->labels, family->samples[j].labels);
    }
}

static size_t check_text(char *text)
{
    static struct family family;
    char names[NAMES_MAX][NAME_SIZE];
    size_t count = 0;
    size_t samples = 0;
    char *rest = text;
    assert_true(ends_with(text, "\n"));
    family = (struct family){.count = 0};
    for (char *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n")) {
        if (strncmp(line, "# HELP ", 7) != 0) {
            read_sample(line, &family);
            samples++;
            continue;
        }
        if (count > 0)
            check_family(&family);
        family.count = 0;
        assert_true(count < NAMES_MAX && ends_with(line, ".") && strchr(line, '\\') == NULL);
        assert_int_equal(sscanf(line, "# HELP %95s", names[count]), 1);
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(names[i], names[count]);
        line = strsep(&rest, "\n");
        assert_non_null(rest);
        assert_int_equal(sscanf(line, "# TYPE %95s %15s", family.name, family.type), 2);
        assert_string_equal(family.name, names[count++]);
        assert_true(strcmp(family.type, "gauge") == 0 || strcmp(family.type, "counter") == 0 ||
                    strcmp(family.type, "histogram") == 0);
    }
    check_family(&family);
    return samples;
}

static void test_names_types_and_samples_follow_the_rules(void **state)
{
    struct facts facts = everything();
    char *text = print(&facts);
    (void)state;
    assert_true(check_text(text) > 100);
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
    assert_non_null(strstr(text, "\nmainstay_first_recoverable_time_seconds 1772000000\n"));
    assert_non_null(strstr(text, "\nmainstay_last_recoverable_time_seconds 1772366390\n"));
    assert_non_null(strstr(text, "\nmainstay_slot_retained_bytes 7\n"));
    assert_non_null(strstr(text, "\nmainstay_slot_safe_bytes 93\n"));
    assert_non_null(strstr(text, "\nmainstay_repository_objects 77\n"));
    assert_non_null(strstr(text, "\nmainstay_repository_size_bytes 123456\n"));
    assert_non_null(strstr(text, "\nmainstay_last_verify_time_seconds 1772310000\n"));
    assert_non_null(strstr(text, "\nmainstay_verify_ok 0\n"));
    assert_non_null(strstr(text, "\nmainstay_term 3\n"));
    free(text);
}

static void test_requests_and_failures_are_counted_by_what_they_were(void **state)
{
    struct facts facts = everything();
    char *text = print(&facts);
    (void)state;
    assert_non_null(strstr(text, "\nmainstay_store_requests_total{operation=\"put\"} 6\n"));
    assert_non_null(strstr(text, "\nmainstay_store_requests_total{operation=\"get\"} 0\n"));
    assert_non_null(
        strstr(text, "\nmainstay_store_errors_total{operation=\"put\",kind=\"invalid\"} 1\n"));
    assert_non_null(strstr(text, "\nmainstay_store_request_duration_seconds_bucket{"
                                 "operation=\"put\",le=\"+Inf\"} 6\n"));
    assert_non_null(strstr(text, "\nmainstay_store_sent_bytes_total 15\n"));
    assert_non_null(strstr(text, "\nmainstay_job_failures_by_kind_total{job=\"snapshot\","
                                 "kind=\"unavailable\"} 2\n"));
    assert_non_null(strstr(text, "\nmainstay_job_failures_by_kind_total{job=\"snapshot\","
                                 "kind=\"signal\"} 1\n"));
    free(text);
}

static void test_objects_stay_known_between_counts(void **state)
{
    static const char without[] =
        "{\"snapshots\":{\"count\":3,\"unreadable\":1,\"stored_bytes\":4096},"
        "\"runs\":{\"expire_last_us\":0,\"verify_last_us\":0,\"verified_since_us\":0,"
        "\"verify_parts\":1,\"verify_parts_read\":0,\"verify_parts_damaged\":0}}";
    struct facts facts = everything();
    struct error err;
    (void)state;
    assert_true(facts_take_status(&facts, without, strlen(without), now.wall_us, &err));
    assert_true(facts.has_objects);
    assert_int_equal(facts.object_count, 77);
    assert_false(facts.has_slot && facts.server_reachable);
    assert_int_equal(facts.recoverable_last_us, 0);
    assert_int_equal(facts.drill_last_us, 0);
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
        cmocka_unit_test(test_requests_and_failures_are_counted_by_what_they_were),
        cmocka_unit_test(test_objects_stay_known_between_counts),
        cmocka_unit_test(test_what_is_not_known_has_no_sample),
        cmocka_unit_test(test_a_status_that_is_none_changes_nothing),
        cmocka_unit_test(test_ready_means_leading_with_everything_in_reach),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
