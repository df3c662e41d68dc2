#include "drill/drill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_a_random_point_always_lies_in_a_window(void **state)
{
    static const struct drill_span spans[] = {
        {.timeline = 1, .first_lsn = 0x2000100, .last_lsn = 0x2000100},
        {.timeline = 1, .first_lsn = 0x3000000, .last_lsn = 0x3000fff},
        {.timeline = 2, .first_lsn = UINT64_C(0xffffffff00000000), .last_lsn = UINT64_MAX - 1}};
    size_t hits[ARRAY_LEN(spans)] = {0};
    (void)state;
    for (size_t count = 1; count <= ARRAY_LEN(spans); count++) {
        for (uint64_t seed = 0; seed < 20000; seed++) {
            size_t at = SIZE_MAX;
            size_t again;
            uint64_t lsn = drill_choose_lsn(spans, count, seed, &at);
            assert_true(at < count);
            assert_true(lsn >= spans[at].first_lsn && lsn <= spans[at].last_lsn);
            assert_true(drill_choose_lsn(spans, count, seed, &again) == lsn && again == at);
            hits[at]++;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        assert_true(hits[i] > 0);
}

static void test_points_spread_over_the_window(void **state)
{
    static const struct drill_span span = {.timeline = 1, .first_lsn = 1000, .last_lsn = 1999};
    size_t tenths[10] = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 10000; seed++) {
        size_t at;
        tenths[(drill_choose_lsn(&span, 1, seed, &at) - 1000) / 100]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(tenths); i++)
        assert_true(tenths[i] > 800 && tenths[i] < 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_random_point_always_lies_in_a_window),
        cmocka_unit_test(test_points_spread_over_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
