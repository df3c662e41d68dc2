#include "runbook/plan.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 4096 };

static void assert_text_of(const int64_t *ids, size_t count, const char *expected)
{
    struct id_ranges ranges;
    id_ranges_init(&ranges, TEXT_MAX);
    for (size_t i = 0; i < count; i++)
        id_ranges_add(&ranges, ids[i]);
    assert_string_equal(id_ranges_text(&ranges), expected);
    assert_int_equal(ranges.count, count);
    id_ranges_release(&ranges);
}

static void test_neighbours_become_ranges(void **state)
{
    static const int64_t ids[] = {1, 2, 3, 7, 9, 10, INT64_MAX - 1, INT64_MAX};
    (void)state;
    assert_text_of(ids, ARRAY_LEN(ids), "1-3,7,9-10,9223372036854775806-9223372036854775807");
    assert_text_of(ids, 1, "1");
    assert_text_of(ids, 0, "");
}

static bool put_id(void *context, int64_t id, struct error *err)
{
    struct buf *out = context;
    buf_printf(out, "%" PRId64 " ", id);
    return buf_check(out, "ids", err);
}

static void assert_read(const char *text, const char *expected)
{
    struct error err = {0};
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_true(id_ranges_each(text, put_id, &out, &err));
    assert_string_equal(buf_text(&out), expected);
    buf_release(&out);
}

static void test_ranges_are_read_back(void **state)
{
    (void)state;
    assert_read("1-3,7,9-10", "1 2 3 7 9 10 ");
    assert_read("9223372036854775806-9223372036854775807",
                "9223372036854775806 9223372036854775807 ");
    assert_read("", "");
}

static void test_anything_but_ascending_numbers_is_refused(void **state)
{
    static const char *const wrong[] = {"0",
                                        "-1",
                                        "1,",
                                        ",1",
                                        "1,1",
                                        "2,1",
                                        "3-1",
                                        "1-1",
                                        "1-3,3",
                                        "1--3",
                                        "1 ,2",
                                        "1-3-5",
                                        "01",
                                        "1;2",
                                        "x",
                                        "1-",
                                        "99999999999999999999",
                                        "9223372036854775808",
                                        "1,-2"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct error err = {0};
        struct buf out;
        buf_init(&out, TEXT_MAX);
        if (id_ranges_each(wrong[i], put_id, &out, &err))
            fail_msg("\"%s\" was read", wrong[i]);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        buf_release(&out);
    }
}

static bool stop_at_two(void *context, int64_t id, struct error *err)
{
    int64_t *last = context;
    *last = id;
    return id < 2 || error_set(err, ERROR_CANCELLED, "enough");
}

static void test_the_visitor_can_stop(void **state)
{
    struct error err = {0};
    int64_t last = 0;
    (void)state;
    assert_false(id_ranges_each("1-1000000", stop_at_two, &last, &err));
    assert_int_equal(last, 2);
    assert_int_equal(err.kind, ERROR_CANCELLED);
}

static void test_a_text_beyond_its_maximum_is_a_failure(void **state)
{
    struct id_ranges ranges;
    (void)state;
    id_ranges_init(&ranges, 8);
    for (int64_t id = 1; id < 20; id += 2)
        id_ranges_add(&ranges, id);
    assert_null(id_ranges_text(&ranges));
    id_ranges_release(&ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours_become_ranges),
        cmocka_unit_test(test_ranges_are_read_back),
        cmocka_unit_test(test_anything_but_ascending_numbers_is_refused),
        cmocka_unit_test(test_the_visitor_can_stop),
        cmocka_unit_test(test_a_text_beyond_its_maximum_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
