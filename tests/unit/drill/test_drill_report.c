#include "drill/drill_report.h"

#include "base/cleanup.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_BYTES = 4 << 20, HISTORY = 60, SECOND_US = 1000000 };

#define HOSTILE "</script><img src=x onerror=alert(1)>]]>|`\"'&\x01\xff\xe2\x80\xae\n-->"

static void set(char **text, const char *to)
{
    free(*text);
    *text = strdup(to);
    assert_non_null(*text);
}

static void add_check(struct drill_proof *proof, const char *name, enum drill_check_outcome outcome,
                      const char *text)
{
    struct drill_check *grown = reallocarray(proof->checks, proof->check_count + 1,
                                             sizeof *proof->checks);
    assert_non_null(grown);
    proof->checks = grown;
    struct drill_check *check = &grown[proof->check_count++];
    *check = (struct drill_check){.outcome = outcome, .duration_us = 1500000};
    set(&check->name, name);
    set(&check->promise, "every file is as the server had it");
    set(&check->expected, text);
    set(&check->found, text);
    set(&check->detail, text);
}

static void make(struct drill_proof *proof, bool passed, int64_t day)
{
    struct error err;
    assert_true(drill_proof_init(proof, &err));
    (void)snprintf(proof->id, sizeof proof->id, "00000000000000%02x", (unsigned)day);
    (void)snprintf(proof->snapshot_id, sizeof proof->snapshot_id, "3f2a000000000000");
    proof->started_us = (INT64_C(1772366400) + day * 86400) * SECOND_US;
    proof->finished_us = proof->started_us + 100 * (int64_t)SECOND_US;
    proof->snapshot_started_us = proof->started_us - 3600 * (int64_t)SECOND_US;
    proof->passed = passed;
    set(&proof->server_version, "15.18");
    set(&proof->program_version, "0.1.0");
    set(&proof->host, "2 processors, 24 GiB of memory");
    set(&proof->target_kind, "random");
    set(&proof->target_value, "time 2026-03-01T11:00:05.250000Z");
    proof->seed = 42;
    proof->bytes_total = (UINT64_C(5) << 30) + (uint64_t)day * (64 << 20);
    proof->bytes_fetched = UINT64_C(1) << 30;
    proof->rto_us = (60 + day % 7 * 3) * SECOND_US;
    proof->rto_goal_us = 120 * SECOND_US;
    proof->rpo_us = passed ? 4 * SECOND_US : -1;
    for (int i = 0; i < DRILL_PHASE_COUNT && (passed || i < DRILL_START); i++)
        proof->phases[i] = (struct drill_phase_time){.offset_us = i * 10 * SECOND_US,
                                                     .duration_us = 12 * SECOND_US};
    if (!passed)
        set(&proof->broken, "the newest ticket is older than the goal allows");
}

/* The whole report as text; the caller frees. */
typedef bool (*report_fn)(const struct drill_proof *proof, struct buf *out, struct error *err);

static struct drill_proof past[HISTORY];

static bool markdown(const struct drill_proof *proof, struct buf *out, struct error *err)
{
    const struct drill_history history = {past, HISTORY};
    return drill_report_markdown(proof, &history, out, err);
}

static bool html(const struct drill_proof *proof, struct buf *out, struct error *err)
{
    const struct drill_history history = {past, HISTORY};
    return drill_report_html(proof, &history, out, err);
}

static bool html_alone(const struct drill_proof *proof, struct buf *out, struct error *err)
{
    return drill_report_html(proof, NULL, out, err);
}

static char *report(report_fn make_report, const struct drill_proof *proof)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, MAX_BYTES);
    assert_true(make_report(proof, &out, &err));
    char *text = strdup(buf_text(&out));
    assert_non_null(text);
    return text;
}

/* For people who want to look at them: REPORTS_DIR=/tmp build/tests/unit/drill/test_drill_report */
static void keep(const char *name, const char *text)
{
    char path[512];
    const char *directory = getenv("REPORTS_DIR");
    if (directory == NULL)
        return;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        found++;
    return found;
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < HISTORY; i++)
        make(&past[i], i % 17 != 16, i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < HISTORY; i++)
        drill_proof_release(&past[i]);
    return 0;
}

static void test_page_says_first_that_it_passed(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, true, HISTORY);
    add_check(&proof, "pg_verifybackup", DRILL_CHECK_PASSED, "");
    add_check(&proof, "amcheck", DRILL_CHECK_SKIPPED, "the extension is not installed");
    CLEANUP(free_pointer) char *page = report(html, &proof);
    keep("passed.html", page);
    const char *verdict = strstr(page, "<h1>The restore drill passed</h1>");
    assert_non_null(verdict);
    assert_true(verdict < strstr(page, "<table"));
    assert_non_null(strstr(page, "1 check passed, 0 failed, 1 skipped"));
    assert_non_null(strstr(page, "within the goal of 2 min"));
    assert_int_equal(count(page, "<svg"), 4);
    assert_int_equal(count(page, "</svg>"), 4);
    CLEANUP(free_pointer) char *alone = report(html_alone, &proof);
    keep("first.html", alone);
    assert_non_null(strstr(alone, "This is the first one on record"));
}

static void test_page_of_a_failure_names_the_promise_before_anything_else(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, false, HISTORY);
    add_check(&proof, "pg_verifybackup", DRILL_CHECK_PASSED, "");
    add_check(&proof, "newest-ticket", DRILL_CHECK_FAILED, "at most 10 min");
    CLEANUP(free_pointer) char *page = report(html, &proof);
    keep("failed.html", page);
    const char *broken = strstr(page, "the newest ticket is older than the goal allows</p>");
    assert_non_null(broken);
    assert_true(broken < strstr(page, "<table"));
    assert_true(strstr(page, ">newest-ticket<") < strstr(page, ">pg_verifybackup<"));
    assert_non_null(strstr(page, "not reached"));
    CLEANUP(free_pointer) char *text = report(markdown, &proof);
    keep("failed.md", text);
    assert_non_null(strstr(text, "# Restore drill: FAILED"));
    assert_non_null(strstr(text, "| newest-ticket | **failed** |"));
}

static void test_page_loads_nothing_and_runs_nothing(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, true, HISTORY);
    CLEANUP(free_pointer) char *page = report(html, &proof);
    static const char *const forbidden[] = {"<script", "http:", "https:", "url(",
                                            "@import", "src=",  "<link",  "javascript"};
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        assert_null(strstr(page, forbidden[i]));
}

static void test_hostile_texts_are_texts_in_every_report(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, false, HISTORY);
    set(&proof.broken, HOSTILE);
    set(&proof.target_value, HOSTILE);
    set(&proof.host, HOSTILE);
    set(&proof.kept, HOSTILE);
    add_check(&proof, HOSTILE, DRILL_CHECK_FAILED, HOSTILE);
    add_check(&proof, HOSTILE, DRILL_CHECK_PASSED, HOSTILE);
    add_check(&proof, HOSTILE, DRILL_CHECK_SKIPPED, HOSTILE);
    const report_fn reports[] = {html, markdown, drill_report_junit};
    static const char *const names[] = {"hostile.html", "hostile.md", "hostile.xml"};
    for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
        CLEANUP(free_pointer) char *text = report(reports[i], &proof);
        keep(names[i], text);
        assert_null(strstr(text, "<img"));
        assert_null(strstr(text, "</script"));
        assert_null(strstr(text, "]]>"));
        assert_null(strchr(text, '\x01'));
        assert_null(strchr(text, '\xff'));
        assert_null(strstr(text, "\xe2\x80\xae"));
    }
}

static void test_junit_counts_what_it_holds(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, false, HISTORY);
    add_check(&proof, "a", DRILL_CHECK_FAILED, "1");
    add_check(&proof, "b", DRILL_CHECK_PASSED, "2");
    add_check(&proof, "c", DRILL_CHECK_SKIPPED, "3");
    CLEANUP(free_pointer) char *xml = report(drill_report_junit, &proof);
    assert_non_null(strstr(xml, "tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""));
    assert_int_equal(count(xml, "<testcase"), 3);
    assert_int_equal(count(xml, "<failure"), 1);
    assert_non_null(strstr(xml, "message=\"expected 1, found 1\""));
}

static void test_junit_of_a_drill_that_ended_early_is_not_green(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, false, HISTORY);
    CLEANUP(free_pointer) char *xml = report(drill_report_junit, &proof);
    assert_non_null(strstr(xml, "tests=\"1\" failures=\"0\" errors=\"1\""));
    assert_int_equal(count(xml, "<error message=\"the newest ticket"), 1);
}

static void test_same_proof_same_bytes(void **state)
{
    (void)state;
    CLEANUP(drill_proof_release) struct drill_proof proof;
    make(&proof, true, HISTORY);
    CLEANUP(free_pointer) char *one = report(html, &proof);
    CLEANUP(free_pointer) char *other = report(html, &proof);
    assert_string_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_says_first_that_it_passed),
        cmocka_unit_test(test_page_of_a_failure_names_the_promise_before_anything_else),
        cmocka_unit_test(test_page_loads_nothing_and_runs_nothing),
        cmocka_unit_test(test_hostile_texts_are_texts_in_every_report),
        cmocka_unit_test(test_junit_counts_what_it_holds),
        cmocka_unit_test(test_junit_of_a_drill_that_ended_early_is_not_green),
        cmocka_unit_test(test_same_proof_same_bytes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
