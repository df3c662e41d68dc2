#include "base/macros.h"
#include "runbook/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_what_could_leave_its_parentheses_is_refused(void **state)
{
    static const struct {
        const char *sql;
        const char *problem;
    } cases[] = {
        {"true; DROP TABLE tickets", "\";\" is not allowed (character 5"},
        {"true) OR (true", "\")\" closes nothing (character 5"},
        {"a[1) = 1]", "\")\" closes nothing (character 4"},
        {"a]", "\"]\" closes nothing"},
        {"(true", "\"(\" is not closed"},
        {"a[1", "\"[\" is not closed"},
        {"true -- and the rest", "\"--\" is not allowed (character 6"},
        {"1--1 = 0", "\"--\" is not allowed"},
        {"true /* open", "a comment is not closed (character 6"},
        {"true /* open /* closed */", "a comment is not closed"},
        {"t.subject = 'open", "a quote is not closed (character 13"},
        {"t.subject = 'it''s", "a quote is not closed"},
        {"\"name = 1", "a quote is not closed"},
        {"t.subject = $$open", "a $quote$ is not closed"},
        {"t.subject = $a$ open $b$", "a $quote$ is not closed"},
        {"t.id = $1", "\"$\" is not allowed here"},
        {"t.subject = E'\\' OR true --'", "E'...' is not allowed (character 13"},
        {"t.subject = 1e'\\'; --'", "E'...' is not allowed"},
        {"t.subject = 'a'e'\\''", "E'...' is not allowed"},
        {"a \x01 b", "a control character"},
        {":aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too long"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        if (condition_check(cases[i].sql, &err))
            fail_msg("\"%s\" was accepted", cases[i].sql);
        assert_int_equal(err.kind, ERROR_INVALID);
        if (strstr(err.text, cases[i].problem) == NULL)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].sql, err.text,
                     cases[i].problem);
    }
}

static void test_too_long_and_too_deep_are_refused(void **state)
{
    char text[CONDITION_MAX_BYTES + 2];
    struct error err;
    (void)state;
    memset(text, ' ', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_false(condition_check(text, &err));
    memset(text, '(', CONDITION_MAX_DEPTH + 1);
    text[CONDITION_MAX_DEPTH + 1] = '\0';
    assert_false(condition_check(text, &err));
    assert_non_null(strstr(err.text, "nested too deeply"));
}

/* "$<n>" in order of appearance; knows every name but "unknown". */
static bool number_params(void *context, const char *name, struct buf *out, struct error *err)
{
    int *count = context;
    if (strcmp(name, "unknown") == 0)
        return error_set(err, ERROR_INVALID, "unknown parameter \":%s\"", name);
    buf_printf(out, "$%d::%s_t", ++*count, name);
    return true;
}

static void test_names_become_parameters_and_nothing_else_does(void **state)
{
    static const struct {
        const char *sql;
        const char *compiled;
    } cases[] = {
        {"", "true"},
        {" \n\t", " \n\ttrue"},
        {"/* nothing */", " true"},
        {"o.carrier = :carrier", "o.carrier = $1::carrier_t"},
        {"x < :now-:lookback", "x < $1::now_t-$2::lookback_t"},
        {"x::text = :carrier::text", "x::text = $1::carrier_t::text"},
        {"x = ':carrier' AND \":carrier\" = 1", "x = ':carrier' AND \":carrier\" = 1"},
        {"x = 'it''s :a' OR y = :b", "x = 'it''s :a' OR y = $1::b_t"},
        {"x = $$a ' :b ; )$$", "x = $$a ' :b ; )$$"},
        {"x = $q$a $$ :b$q$", "x = $q$a $$ :b$q$"},
        {"a$$b = 1", "a$$b = 1"},
        {"a /* :b ; ' /* x */ ) */ = 1", "a   = 1"},
        {"f(v := 1) AND s[1:2] = :x", "f(v := 1) AND s[1:2] = $1::x_t"},
        {"t.subject ~ '\\mups\\M'", "t.subject ~ '\\mups\\M'"},
        {"\xf0\x9f\x93\xa6 = :x", "\xf0\x9f\x93\xa6 = $1::x_t"},
        {"(a AND (b OR c[1] = :x))", "(a AND (b OR c[1] = $1::x_t))"},
        {"u&'\\0041' = N'x'", "u&'\\0041' = N'x'"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int count = 0;
        struct error err;
        struct buf out;
        buf_init(&out, 4096);
        if (!condition_compile(cases[i].sql, number_params, &count, &out, &err))
            fail_msg("\"%s\": %s", cases[i].sql, err.text);
        assert_string_equal(buf_text(&out), cases[i].compiled);
        buf_release(&out);
    }
}

static void test_what_the_callback_says_comes_back(void **state)
{
    int count = 0;
    struct error err;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    assert_false(condition_compile("a = :b AND c = :unknown", number_params, &count, &out, &err));
    assert_string_equal(err.text, "unknown parameter \":unknown\"");
    buf_release(&out);
}

static void test_a_result_over_its_maximum_is_an_error(void **state)
{
    int count = 0;
    struct error err;
    struct buf out;
    (void)state;
    buf_init(&out, 8);
    assert_false(condition_compile("a = 1234567890", number_params, &count, &out, &err));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_could_leave_its_parentheses_is_refused),
        cmocka_unit_test(test_too_long_and_too_deep_are_refused),
        cmocka_unit_test(test_names_become_parameters_and_nothing_else_does),
        cmocka_unit_test(test_what_the_callback_says_comes_back),
        cmocka_unit_test(test_a_result_over_its_maximum_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
