#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_errno_chooses_the_kind(void **state)
{
    static const struct {
        int number;
        enum error_kind kind;
    } cases[] = {{ENOENT, ERROR_NOT_FOUND}, {EEXIST, ERROR_EXISTS},   {EACCES, ERROR_DENIED},
                 {EPERM, ERROR_DENIED},     {ENOSPC, ERROR_NO_SPACE}, {EDQUOT, ERROR_NO_SPACE},
                 {EIO, ERROR_IO},           {12345, ERROR_IO}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        assert_false(error_set_errno(&err, cases[i].number, "could not open \"%s\"", "f"));
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(strncmp(err.text, "could not open \"f\": ", 20), 0);
    }
}

static void test_context_comes_first_and_long_texts_are_cut(void **state)
{
    struct error err;
    char text[2000];
    (void)state;
    assert_false(error_set(&err, ERROR_IO, "inner"));
    err.retryable = true;
    err.retry_after_ms = 5;
    assert_false(error_wrap(&err, "outer %d", 1));
    assert_string_equal(err.text, "outer 1: inner");
    assert_true(err.retryable && err.retry_after_ms == 5 && err.kind == ERROR_IO);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(error_set(&err, ERROR_IO, "%s", text));
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    for (int i = 0; i < 10; i++)
        assert_false(error_wrap(&err, "%s", text));
    assert_true(strlen(err.text) < sizeof err.text);
    assert_false(error_set(&err, ERROR_IO, "new"));
    assert_string_equal(err.text, "new");
}

static void test_the_lowest_layer_knows_the_hint(void **state)
{
    struct error err;
    (void)state;
    assert_false(error_set(&err, ERROR_IO, "x"));
    assert_false(error_hint(&err, "Do %s.", "this"));
    assert_false(error_hint(&err, "Do that."));
    assert_string_equal(err.hint, "Do this.");
    assert_false(error_set(&err, ERROR_IO, "x"));
    assert_string_equal(err.hint, "");
}

static void test_every_kind_has_a_name_and_an_exit_code(void **state)
{
    (void)state;
    for (int kind = ERROR_NONE; kind <= ERROR_CANCELLED; kind++) {
        assert_non_null(error_kind_name((enum error_kind)kind));
        assert_in_range(error_exit_code((enum error_kind)kind), kind == ERROR_NONE ? 0 : 1, 5);
    }
    assert_int_equal(error_exit_code(ERROR_USAGE), 2);
    assert_int_equal(error_exit_code(ERROR_NOT_FOUND), 3);
    assert_int_equal(error_exit_code(ERROR_CORRUPT), 4);
    assert_int_equal(error_exit_code(ERROR_REFUSED), 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errno_chooses_the_kind),
        cmocka_unit_test(test_context_comes_first_and_long_texts_are_cut),
        cmocka_unit_test(test_the_lowest_layer_knows_the_hint),
        cmocka_unit_test(test_every_kind_has_a_name_and_an_exit_code),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
