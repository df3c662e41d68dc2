#include "daemon/leader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_the_whole_line_says_the_term_and_nothing_less_does(void **state)
{
    static const char *const wrong[] = {
        "",
        "{\"leader\":true,\"term\":",
        "{\"leader\":true,\"term\":7",
        "{\"leader\":true,\"term\":7}",
        "{\"leader\":true,\"term\":}\n",
        "{\"leader\":true,\"term\":x}\n",
        "{\"leader\":true,\"term\":-1}\n",
        "{\"leader\":true,\"term\":99999999999999999999999999}\n",
        "{\"leader\":true,\"term\":00000000000000000000000000000000000000000000000000007}\n",
        "x{\"leader\":true,\"term\":7}\n",
    };
    uint64_t term = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(leader_parse(wrong[i], &term));
    assert_true(leader_parse("{\"leader\":true,\"term\":7}\n", &term));
    assert_int_equal(term, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_line_says_the_term_and_nothing_less_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
