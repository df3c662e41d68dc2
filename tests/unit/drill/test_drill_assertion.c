#include "drill/drill_assertion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool parse(const char *text, struct drill_assertions *out, struct error *err)
{
    return drill_assertions_parse(text, strlen(text), "drill.yaml", out, err);
}

static void test_every_expectation_is_read(void **state)
{
    struct error err;
    struct drill_assertions list;
    (void)state;
    assert_true(
        parse("assertions:\n"
              "  - {name: a, promise: p, sql: SELECT 1, equals: \"1\"}\n"
              "  - {name: b, promise: p, sql: SELECT 2, at-least: \"-2.5\"}\n"
              "  - {name: c, promise: p, sql: SELECT 3, at-most: \"3\", database: desk}\n"
              "  - {name: d, promise: p, sql: SELECT 4, rows: \"0\"}\n"
              "  - {name: e, promise: p, sql: SELECT 5, source: within-lag, slack: \"9\"}\n",
              &list, &err));
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.items[i].expectation, i);
    assert_string_equal(list.items[2].database, "desk");
    assert_null(list.items[3].database);
    assert_int_equal(list.items[4].slack, 9);
    drill_assertions_release(&list);
}

static void test_mistakes_are_named_with_their_place(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"assertions:\n  - {name: a, promise: p, sqll: x, equals: 1}\n",
         "drill.yaml:2:27: unknown"},
        {"assertions:\n  - {name: a, promise: p, sql: x}\n", "one of equals"},
        {"assertions:\n  - {name: a, promise: p, sql: x, equals: 1, rows: 1}\n", "already"},
        {"assertions:\n  - {name: a, promise: p, sql: x, at-least: many}\n", "no number"},
        {"assertions:\n  - {name: a, promise: p, sql: x, at-most: nan}\n", "no number"},
        {"assertions:\n  - {name: a, promise: p, sql: x, rows: -1}\n", "number of rows"},
        {"assertions:\n  - {name: a, promise: p, sql: x, source: exactly}\n", "within-lag"},
        {"assertions:\n  - {name: a, promise: p, sql: x, equals: 1, slack: 1}\n", "slack"},
        {"assertions:\n  - {name: a, promise: p, equals: 1}\n", "name, promise and sql"},
        {"assertions:\n  - {name: a, promise: p, sql: x, equals: 1}\n"
         "  - {name: a, promise: p, sql: y, equals: 1}\n",
         "another assertion"},
        {"assertions:\n  - {name: , promise: p, sql: x, equals: 1}\n", "a text is missing"},
        {"assertions:\n  - just text\n", "a mapping"},
        {"checks: []\n", "one list"},
        {"", "one list"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct drill_assertions list;
        if (parse(cases[i].text, &list, &err) || strstr(err.text, cases[i].words) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].words, err.text);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

/* --- judging -------------------------------------------------------------------------------------
 */

static enum drill_check_outcome judge(enum drill_expectation expectation, const char *value,
                                      const struct drill_comparison *comparison)
{
    struct error err;
    struct drill_proof proof;
    char copy[32];
    (void)snprintf(copy, sizeof copy, "%s", value);
    const struct drill_assertion assertion = {
        .expectation = expectation, .value = copy, .slack = 2};
    assert_true(drill_proof_init(&proof, &err));
    struct drill_check *check = drill_proof_add_check(&proof, "x", "y", &err);
    assert_non_null(check);
    assert_true(drill_assertion_judge(&assertion, comparison, check, &err));
    enum drill_check_outcome outcome = check->outcome;
    drill_proof_release(&proof);
    return outcome;
}

static void expect(enum drill_check_outcome outcome, enum drill_expectation expectation,
                   const char *value, const char *found)
{
    const struct drill_answer answer = {.rows = 1, .has_value = found != NULL, .value = found};
    const struct drill_comparison comparison = {.restored = &answer};
    assert_int_equal(judge(expectation, value, &comparison), outcome);
}

static void test_values_are_compared_as_numbers_where_both_are(void **state)
{
    (void)state;
    expect(DRILL_CHECK_PASSED, EXPECT_EQUALS, "7", "7.0");
    expect(DRILL_CHECK_PASSED, EXPECT_EQUALS, "ok", "ok");
    expect(DRILL_CHECK_FAILED, EXPECT_EQUALS, "ok", "OK");
    expect(DRILL_CHECK_FAILED, EXPECT_EQUALS, "7", "8");
    expect(DRILL_CHECK_FAILED, EXPECT_EQUALS, "0", NULL);
    expect(DRILL_CHECK_PASSED, EXPECT_AT_LEAST, "10", "10");
    expect(DRILL_CHECK_FAILED, EXPECT_AT_LEAST, "10", "9");
    expect(DRILL_CHECK_FAILED, EXPECT_AT_LEAST, "10", "many");
    expect(DRILL_CHECK_FAILED, EXPECT_AT_LEAST, "10", NULL);
    expect(DRILL_CHECK_PASSED, EXPECT_AT_MOST, "10", "-3");
    expect(DRILL_CHECK_FAILED, EXPECT_AT_MOST, "10", "11");
}

static void test_rows_are_counted(void **state)
{
    (void)state;
    const struct drill_answer none = {.rows = 0};
    const struct drill_answer three = {.rows = 3};
    const struct drill_comparison without = {.restored = &none};
    const struct drill_comparison with = {.restored = &three};
    assert_int_equal(judge(EXPECT_ROWS, "0", &without), DRILL_CHECK_PASSED);
    assert_int_equal(judge(EXPECT_ROWS, "0", &with), DRILL_CHECK_FAILED);
    assert_int_equal(judge(EXPECT_ROWS, "3", &with), DRILL_CHECK_PASSED);
}

static void test_the_lag_explains_so_much_and_no_more(void **state)
{
    (void)state;
    const struct drill_answer restored = {.rows = 1, .has_value = true, .value = "100"};
    const struct drill_answer source = {.rows = 1, .has_value = true, .value = "112"};
    struct drill_comparison comparison = {.restored = &restored, .source = &source};
    comparison.transactions = 10; /* and a slack of 2 */
    assert_int_equal(judge(EXPECT_SOURCE, "within-lag", &comparison), DRILL_CHECK_PASSED);
    comparison.transactions = 9;
    assert_int_equal(judge(EXPECT_SOURCE, "within-lag", &comparison), DRILL_CHECK_FAILED);
    comparison.source = &restored;
    comparison.transactions = 0;
    assert_int_equal(judge(EXPECT_SOURCE, "within-lag", &comparison), DRILL_CHECK_PASSED);
    comparison.source = NULL;
    assert_int_equal(judge(EXPECT_SOURCE, "within-lag", &comparison), DRILL_CHECK_SKIPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_expectation_is_read),
        cmocka_unit_test(test_mistakes_are_named_with_their_place),
        cmocka_unit_test(test_values_are_compared_as_numbers_where_both_are),
        cmocka_unit_test(test_rows_are_counted),
        cmocka_unit_test(test_the_lag_explains_so_much_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
