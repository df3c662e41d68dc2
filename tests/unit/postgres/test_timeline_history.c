#include "postgres/timeline_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct timeline_entry *entries;
static size_t count;
static struct error err;

static bool parse(const char *text, uint32_t timeline)
{
    free(entries);
    entries = NULL;
    count = 99;
    memset(&err, 0, sizeof err);
    return timeline_history_parse(text, strlen(text), timeline, &entries, &count, &err);
}

static void test_ancestors_are_read_oldest_first(void **state)
{
    (void)state;
    assert_true(parse("1\t0/3000158\tno recovery target specified\n\n"
                      "# a comment\n"
                      "2\t16/B374D848\tbefore 2026-03-01 12:00:00+00\n",
                      3));
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].timeline, 1);
    assert_int_equal(entries[0].end_lsn, 0x3000158);
    assert_int_equal(entries[1].timeline, 2);
    assert_int_equal(entries[1].end_lsn, 0x16B374D848);
}

static void test_small_variations_are_fine(void **state)
{
    (void)state;
    assert_true(parse("", 1));
    assert_int_equal(count, 0);
    assert_null(entries);
    assert_true(parse("  1 0/3000158", 2)); /* blanks, no reason, no line feed */
    assert_int_equal(count, 1);
    assert_true(parse("1\t0/3000158\treason\r\n", 2));
    assert_int_equal(count, 1);
}

static void test_a_very_long_reason_is_cut(void **state)
{
    static char text[20000];
    (void)state;
    memset(text, 'r', sizeof text - 1);
    memcpy(text, "1\t0/3000158\t", 12);
    assert_true(parse(text, 2));
    assert_int_equal(entries[0].end_lsn, 0x3000158);
}

static void test_malformed_histories_are_refused(void **state)
{
    static const char *const texts[] = {
        "1\n",
        "x\t0/1\n",
        "1\t0\n",
        "1\tX/1\n",
        "0\t0/1\tr\n",
        "4294967296\t0/1",
        "-1\t0/1",
        "1\t0/1\n1\t0/2\n",
        "2\t0/1\n1\t0/2",
        "3\t0/1\treason\n",
        "1\t0/1\n9\t0/2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (parse(texts[i], 3))
            fail_msg("accepted \"%s\"", texts[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static int tidy(void **state)
{
    (void)state;
    free(entries);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ancestors_are_read_oldest_first),
        cmocka_unit_test(test_small_variations_are_fine),
        cmocka_unit_test(test_a_very_long_reason_is_cut),
        cmocka_unit_test(test_malformed_histories_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, tidy);
}
