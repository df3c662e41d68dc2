#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct check_list list;

static int start(void **state)
{
    (void)state;
    list.count = 0;
    return 0;
}

static void test_a_fix_belongs_to_the_result_added_last(void **state)
{
    (void)state;
    check_fix(&list, "nothing to mend yet");
    assert_int_equal(list.count, 0);
    check_add(&list, "a.first", CHECK_OK, "%d of %d", 1, 2);
    check_add(&list, "a.second", CHECK_WARNING, "bad");
    check_fix(&list, "SET %s = on", "x");
    assert_int_equal(list.count, 2);
    assert_string_equal(list.results[0].text, "1 of 2");
    assert_string_equal(list.results[0].fix, "");
    assert_string_equal(list.results[1].name, "a.second");
    assert_string_equal(list.results[1].fix, "SET x = on");
}

static void test_the_worst_verdict_counts(void **state)
{
    (void)state;
    assert_int_equal(check_worst(&list), CHECK_OK);
    check_add(&list, "a", CHECK_FAILED, "x");
    check_add(&list, "b", CHECK_WARNING, "x");
    assert_int_equal(check_worst(&list), CHECK_FAILED);
    assert_string_equal(check_verdict_name(list.results[1].verdict), "warning");
}

static void test_a_full_list_drops_the_rest(void **state)
{
    (void)state;
    for (int i = 0; i < CHECK_MAX + 5; i++)
        check_add(&list, "n", CHECK_OK, "%0600d", i); /* longer than the text may be */
    assert_int_equal(list.count, CHECK_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_fix_belongs_to_the_result_added_last, start),
        cmocka_unit_test_setup(test_the_worst_verdict_counts, start),
        cmocka_unit_test_setup(test_a_full_list_drops_the_rest, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
