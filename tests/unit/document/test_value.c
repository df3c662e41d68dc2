#include "base/cleanup.h"
#include "base/text.h"
#include "document/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct value *parse(const char *text, struct error *err)
{
    return value_parse(text, strlen(text), 4096, "test", err);
}

static struct value *parse_good(const char *text)
{
    struct error err;
    struct value *value = parse(text, &err);
    assert_non_null(value);
    return value;
}

static void test_print_keeps_the_order_of_building(void **state)
{
    struct error err;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    CLEANUP(value_cleanup) struct value *root = value_new_object(&err);
    assert_true(value_set_text(root, "zeta", "z\"\n", &err));
    assert_true(value_set_u64(root, "alpha", 1, &err));
    assert_true(value_set_i64(root, "minus", -5, &err));
    assert_true(value_set_bool(root, "flag", true, &err));
    assert_true(value_set_null(root, "nothing", &err));
    struct value *list = value_set_new_array(root, "list", &err);
    assert_non_null(list);
    assert_true(value_append_text(list, "a", &err));
    assert_true(value_append_u64(list, 2, &err));
    struct value *inner = value_append_new_object(list, &err);
    assert_true(value_set_bool(inner, "deep", false, &err));
    char *texts[] = {(char[]){"x"}, (char[]){"y"}};
    assert_true(value_set_texts(root, "texts", texts, 2, &err));
    assert_true(value_set_texts(root, "none", NULL, 0, &err));
    assert_true(value_print(root, false, &out, &err));
    assert_string_equal(buf_text(&out),
                        "{\"zeta\":\"z\\\"\\n\",\"alpha\":1,\"minus\":-5,\"flag\":true,"
                        "\"nothing\":null,\"list\":[\"a\",2,{\"deep\":false}],"
                        "\"texts\":[\"x\",\"y\"],\"none\":[]}");
    buf_release(&out);
}

static void test_numbers_above_two_to_the_63_survive(void **state)
{
    struct error err;
    struct buf out;
    uint64_t number = 0;
    static const uint64_t numbers[] = {0,          INT64_MAX,      (uint64_t)INT64_MAX + 1,
                                       UINT64_MAX, UINT64_MAX - 1, UINT32_MAX};
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_clear(&out);
        CLEANUP(value_cleanup) struct value *root = value_new_object(&err);
        assert_true(value_set_u64(root, "n", numbers[i], &err));
        assert_true(value_print(root, true, &out, &err));
        CLEANUP(value_cleanup)
        struct value *again = value_parse(out.data, out.len, 4096, "test", &err);
        assert_non_null(again);
        assert_true(value_get_u64(again, "n", &number, &err));
        assert_true(number == numbers[i]);
    }
    buf_release(&out);
}

static void test_small_number_as_text_is_refused(void **state)
{
    struct error err;
    uint64_t number;
    (void)state;
    CLEANUP(value_cleanup) struct value *root = parse_good("{\"n\":\"12\",\"m\":-1}");
    assert_false(value_get_u64(root, "n", &number, &err));
    assert_string_equal(err.text, "key \"n\" must be a number, not a text");
    assert_false(value_get_u64(root, "m", &number, &err));
    assert_string_equal(err.text, "key \"m\" must not be negative");
}

static void test_getters_name_what_is_missing_or_wrong(void **state)
{
    struct error err;
    const char *text;
    bool flag;
    uint32_t small;
    const struct value *child;
    (void)state;
    CLEANUP(value_cleanup)
    struct value *root = parse_good("{\"t\":1,\"b\":\"x\",\"big\":4294967296,\"o\":[],\"r\":1.5}");
    assert_false(value_get_text(root, "absent", &text, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_string_equal(err.text, "key \"absent\" is missing");
    assert_false(value_get_text(root, "t", &text, &err));
    assert_string_equal(err.text, "key \"t\" must be a text, not a number");
    assert_false(value_get_bool(root, "b", &flag, &err));
    assert_string_equal(err.text, "key \"b\" must be true or false, not a text");
    assert_false(value_get_u32(root, "big", &small, &err));
    assert_string_equal(err.text, "key \"big\" does not fit 32 bits");
    assert_false(value_get_object(root, "o", &child, &err));
    assert_string_equal(err.text, "key \"o\" must be an object, not an array");
    assert_false(value_get_u32(root, "r", &small, &err));
    assert_string_equal(err.text, "key \"r\" must be a number, not a fraction");
}

static void test_optional_members_have_defaults_but_keep_their_type(void **state)
{
    struct error err;
    const char *text;
    uint64_t number;
    int64_t whole;
    bool flag;
    const struct value *child;
    (void)state;
    CLEANUP(value_cleanup) struct value *root = parse_good("{\"t\":1}");
    assert_true(value_get_text_or(root, "x", "none", &text, &err));
    assert_string_equal(text, "none");
    assert_true(value_get_u64_or(root, "x", 7, &number, &err));
    assert_int_equal(number, 7);
    assert_true(value_get_i64_or(root, "x", -7, &whole, &err));
    assert_int_equal(whole, -7);
    assert_true(value_get_bool_or(root, "x", true, &flag, &err));
    assert_true(flag);
    assert_true(value_find_array(root, "x", &child, &err));
    assert_null(child);
    assert_int_equal(value_count(child), 0);
    assert_true(value_find_object(root, "x", &child, &err));
    assert_null(child);
    assert_false(value_get_text_or(root, "t", "none", &text, &err));
}

static void test_array_elements(void **state)
{
    struct error err;
    const struct value *list;
    const struct value *child;
    const char *text;
    uint64_t number;
    (void)state;
    CLEANUP(value_cleanup) struct value *root = parse_good("{\"l\":[\"a\",2,{\"k\":[1]},[3]]}");
    assert_true(value_get_array(root, "l", &list, &err));
    assert_int_equal(value_count(list), 4);
    assert_true(value_at_text(list, 0, &text, &err));
    assert_string_equal(text, "a");
    assert_true(value_at_u64(list, 1, &number, &err));
    assert_true(value_at_object(list, 2, &child, &err));
    assert_true(value_has(child, "k"));
    assert_true(value_at_array(list, 3, &child, &err));
    assert_false(value_at_text(list, 1, &text, &err));
    assert_string_equal(err.text, "element 1 must be a text, not a number");
    assert_false(value_at_text(list, 4, &text, &err));
    assert_string_equal(err.text, "element 4 is missing");
}

static void test_parse_refuses(const char *text, const char *problem)
{
    struct error err;
    assert_null(parse(text, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, problem);
}

static void test_malformed_input_is_refused_with_its_position(void **state)
{
    (void)state;
    test_parse_refuses("", "test is not valid JSON: line 1");
    test_parse_refuses("{\"a\":1,\n \"a\":2}", "line 2, column 4: duplicate object key");
    test_parse_refuses("{\"a\":1} x", "end of file expected");
    test_parse_refuses("{\"a\":\"\\u0000\"}", "\\u0000 is not allowed");
    test_parse_refuses("{\"a\":\"\xff\"}", "unable to decode byte 0xff");
    test_parse_refuses("{\"a\":18446744073709551615}", "too big integer");
    test_parse_refuses("7", "'[' or '{' expected");
}

static void test_deep_and_large_input_is_refused(void **state)
{
    struct error err;
    char deep[4000];
    (void)state;
    memset(deep, '[', sizeof deep);
    assert_null(value_parse(deep, sizeof deep, sizeof deep, "deep", &err));
    assert_non_null(strstr(err.text, "maximum parsing depth"));
    assert_null(value_parse(deep, sizeof deep, 100, "large", &err));
    assert_string_equal(err.text, "large has 4000 bytes, more than the 100 allowed");
}

static void test_text_that_is_not_utf8_is_refused_or_marked(void **state)
{
    struct error err;
    static const char *const wrong[] = {
        "\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"};
    (void)state;
    CLEANUP(value_cleanup) struct value *root = value_new_object(&err);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(value_set_text(root, "path", wrong[i], &err));
        assert_int_equal(err.kind, ERROR_INVALID);
        assert_string_equal(err.text, "cannot store path as JSON: it is not UTF-8");
        assert_true(value_set_text_lossy(root, "path", wrong[i], &err));
    }
    const char *text;
    assert_true(value_set_text_lossy(root, "path", "a\xff\xc3\xa9", &err));
    assert_true(value_get_text(root, "path", &text, &err));
    assert_string_equal(text, "a\xef\xbf\xbd\xc3\xa9");
}

static void test_print_stops_at_the_maximum(void **state)
{
    struct error err;
    struct buf out;
    (void)state;
    buf_init(&out, 8);
    CLEANUP(value_cleanup) struct value *root = value_new_object(&err);
    assert_true(value_set_text(root, "key", "long enough", &err));
    assert_false(value_print(root, false, &out, &err));
    assert_int_equal(err.kind, ERROR_NO_MEMORY);
    buf_release(&out);
}

static void test_unknown_member_names_the_nearest(void **state)
{
    struct error err;
    static const char *const names[] = {"codec", "level"};
    (void)state;
    CLEANUP(value_cleanup) struct value *root = parse_good("{\"level\":1,\"codek\":\"zstd\"}");
    assert_false(value_check_keys(root, names, ARRAY_LEN(names), &err));
    assert_string_equal(err.text, "key \"codek\" is unknown");
    assert_string_equal(err.hint, "Did you mean \"codec\"?");
    CLEANUP(value_cleanup) struct value *good = parse_good("{\"level\":1}");
    assert_true(value_check_keys(good, names, ARRAY_LEN(names), &err));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_keeps_the_order_of_building),
        cmocka_unit_test(test_numbers_above_two_to_the_63_survive),
        cmocka_unit_test(test_small_number_as_text_is_refused),
        cmocka_unit_test(test_getters_name_what_is_missing_or_wrong),
        cmocka_unit_test(test_optional_members_have_defaults_but_keep_their_type),
        cmocka_unit_test(test_array_elements),
        cmocka_unit_test(test_malformed_input_is_refused_with_its_position),
        cmocka_unit_test(test_deep_and_large_input_is_refused),
        cmocka_unit_test(test_text_that_is_not_utf8_is_refused_or_marked),
        cmocka_unit_test(test_print_stops_at_the_maximum),
        cmocka_unit_test(test_unknown_member_names_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
