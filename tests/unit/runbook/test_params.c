#include "base/cleanup.h"
#include "base/macros.h"
#include "runbook/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "apiVersion: mainstay/v1\n"
    "kind: Runbook\n"
    "metadata: {name: p, version: \"1.0.0\", title: P, owner: o, reviewed_on: \"2026-11-01\"}\n"
    "owners: {o: O.}\n"
    "params:\n"
    "  free: {type: text, pattern: \"[a-z]+ ?[a-z]*|ANY\"}\n"
    "  pick: {type: enum, values: [ups, dhl], required: true}\n"
    "  count: {type: int, min: -5, max: 10, default: 3}\n"
    "  flag: {type: bool, default: false}\n"
    "  span: {type: duration, default: 24h, max: 14d}\n"
    "  when: {type: timestamp, required: true, min: \"2026-01-01T00:00:00Z\"}\n"
    "  skus: {type: list, min: 1, max: 3, pattern: \"[^;]+\"}\n"
    "limits: {max_tickets: 1, max_notices: 1}\n"
    "steps: [{id: w, uses: wait, for: 1h}]\n";

static int load(void **state)
{
    struct error err;
    struct runbook *runbook;
    if (!runbook_load(text, strlen(text), "p.yaml", &runbook, &err))
        fail_msg("%s (%s)", err.text, err.hint);
    *state = runbook;
    return 0;
}

static int unload(void **state)
{
    runbook_free(*state);
    return 0;
}

#define WHEN "when=2026-03-01T08:00:00+02:00"
#define PICK "pick=ups"

static void test_values_are_typed_for_sql_and_as_given_for_texts(void **state)
{
    static const struct {
        const char *name;
        const char *given;
        const char *sql;
        const char *text;
    } cases[] = {
        {"free", "free=two words", "two words", "two words"},
        {"count", "count=-5", "-5", "-5"},
        {"flag", "flag=true", "true", "true"},
        {"span", "span=90s", "90 seconds", "90s"},
        {"span", "span=250ms", "0.250000 seconds", "250ms"},
        {"skus", "skus=a, b\"x ,c\\", "{\"a\",\"b\\\"x\",\"c\\\\\"}", "a, b\"x, c\\"},
        {"skus", "skus={1},NULL", "{\"{1}\",\"NULL\"}", "{1}, NULL"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        const char *given[] = {PICK, WHEN, cases[i].given};
        CLEANUP(param_values_cleanup) struct param_values *values = NULL;
        if (!param_values_parse(*state, given, 3, &values, &err))
            fail_msg("%s: %s", cases[i].given, err.text);
        const struct param_value *value = param_values_find(values, cases[i].name);
        assert_string_equal(value->sql, cases[i].sql);
        assert_string_equal(value->text, cases[i].text);
    }
}

static void test_defaults_stand_in_and_what_is_not_given_is_null(void **state)
{
    struct error err;
    const char *given[] = {PICK, WHEN};
    CLEANUP(param_values_cleanup) struct param_values *values = NULL;
    assert_true(param_values_parse(*state, given, 2, &values, &err));
    assert_int_equal(param_values_count(values), 7);
    assert_string_equal(param_values_at(values, 0)->param->name, "free");
    assert_null(param_values_find(values, "free")->sql);
    assert_null(param_values_find(values, "free")->text);
    assert_null(param_values_find(values, "skus")->sql);
    assert_string_equal(param_values_find(values, "count")->sql, "3");
    assert_string_equal(param_values_find(values, "span")->sql, "86400 seconds");
    assert_string_equal(param_values_find(values, "when")->sql, "2026-03-01T06:00:00.000000Z");
    assert_string_equal(param_values_find(values, "when")->text, "2026-03-01T08:00:00+02:00");
    assert_null(param_values_find(values, "nobody"));
}

static void test_what_is_not_of_the_type_is_refused_by_name(void **state)
{
    static const struct {
        const char *given;
        const char *problem;
    } cases[] = {
        {"free=UPPER", "parameter \"free\" cannot be \"UPPER\": it must match"},
        {"free=lower UPPER", "parameter \"free\" cannot be"},
        {"free=ANYTHING", "parameter \"free\" cannot be"},
        {"free=a\nb", "\"free\" has a control character"},
        {"free=a\x1b[2J", "\"free\" has a control character"},
        {"free=\xff", "\"free\" is not UTF-8"},
        {"count=11", "the greatest is 10"},
        {"count=-6", "the least is -5"},
        {"count=1.5", "it must be a whole number"},
        {"count=1; DROP TABLE x", "it must be a whole number"},
        {"flag=yes", "it must be true or false"},
        {"span=15d", "the greatest is 14d"},
        {"span=PT24H", "it must be a duration"},
        {"skus=", "an element is empty"},
        {"skus=a,,b", "an element is empty"},
        {"skus=a,b,c,d", "the greatest is 3 elements"},
        {"skus=a;b", "it must match"},
        {"pick=dhl", "\"pick\" is given twice"},
        {"nobody=1", "runbook \"p\" has no parameter \"nobody\""},
        {"cuont=1", "has no parameter \"cuont\""},
        {"=1", "\"=1\" is not a parameter with its value"},
        {"free", "\"free\" is not a parameter with its value"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct param_values *values = NULL;
        const char *given[] = {PICK, WHEN, cases[i].given};
        if (param_values_parse(*state, given, 3, &values, &err))
            fail_msg("\"%s\" was accepted", cases[i].given);
        assert_null(values);
        assert_int_equal(err.kind, ERROR_USAGE);
        if (strstr(err.text, cases[i].problem) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].problem);
    }
}

static void test_timestamps_need_an_offset(void **state)
{
    static const char *const bad[] = {"when=2026-03-01T08:00:00", "when=2026-03-01", "when=now()",
                                      "when=2026-02-30T08:00:00Z", "when=2025-12-31T23:59:59Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err;
        struct param_values *values = NULL;
        const char *given[] = {PICK, bad[i]};
        if (param_values_parse(*state, given, 2, &values, &err))
            fail_msg("\"%s\" was accepted", bad[i]);
    }
}

static void test_hints_name_what_is_near_and_all_that_is_missing(void **state)
{
    struct error err;
    struct param_values *values = NULL;
    const char *near[] = {"pick=usp"};
    assert_false(param_values_parse(*state, near, 1, &values, &err));
    assert_string_equal(err.hint, "Did you mean \"ups\"?");
    const char *far[] = {"pick=pigeons"};
    assert_false(param_values_parse(*state, far, 1, &values, &err));
    assert_string_equal(err.hint, "It can be: ups, dhl.");
    const char *unknown[] = {"conut=1"};
    assert_false(param_values_parse(*state, unknown, 1, &values, &err));
    assert_string_equal(err.hint, "Did you mean \"count\"?");
    assert_false(param_values_parse(*state, NULL, 0, &values, &err));
    assert_string_equal(err.text, "runbook \"p\" needs parameters: pick, when");
}

static void test_values_survive_the_way_through_json(void **state)
{
    struct error err;
    const char *given[] = {PICK, WHEN, "skus=a, b", "span=90s"};
    CLEANUP(param_values_cleanup) struct param_values *values = NULL;
    CLEANUP(param_values_cleanup) struct param_values *again = NULL;
    CLEANUP(value_cleanup) struct value *object = value_new_object(&err);
    assert_true(param_values_parse(*state, given, 4, &values, &err));
    assert_true(param_values_to_value(values, object, &err));
    assert_false(value_has(object, "free"));
    assert_true(param_values_from_value(*state, object, &again, &err));
    for (size_t i = 0; i < param_values_count(values); i++) {
        const struct param_value *a = param_values_at(values, i);
        const struct param_value *b = param_values_at(again, i);
        assert_int_equal(a->sql == NULL, b->sql == NULL);
        if (a->sql == NULL)
            continue;
        assert_string_equal(a->sql, b->sql);
        assert_string_equal(a->text, b->text);
    }
    assert_true(value_set_text(object, "extra", "1", &err));
    param_values_free(TAKE(again));
    assert_false(param_values_from_value(*state, object, &again, &err));
}

static void test_types_have_their_names_in_sql(void **state)
{
    (void)state;
    assert_string_equal(param_sql_type(PARAM_TEXT), "text");
    assert_string_equal(param_sql_type(PARAM_ENUM), "text");
    assert_string_equal(param_sql_type(PARAM_INT), "bigint");
    assert_string_equal(param_sql_type(PARAM_BOOL), "boolean");
    assert_string_equal(param_sql_type(PARAM_DURATION), "interval");
    assert_string_equal(param_sql_type(PARAM_TIMESTAMP), "timestamptz");
    assert_string_equal(param_sql_type(PARAM_LIST), "text[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_typed_for_sql_and_as_given_for_texts),
        cmocka_unit_test(test_defaults_stand_in_and_what_is_not_given_is_null),
        cmocka_unit_test(test_what_is_not_of_the_type_is_refused_by_name),
        cmocka_unit_test(test_timestamps_need_an_offset),
        cmocka_unit_test(test_hints_name_what_is_near_and_all_that_is_missing),
        cmocka_unit_test(test_values_survive_the_way_through_json),
        cmocka_unit_test(test_types_have_their_names_in_sql),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
