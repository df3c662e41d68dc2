#include "base/cleanup.h"
#include "cli/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_clean(const char *text, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    output_put_clean(text, &out);
    assert_string_equal(buf_text(&out), wanted);
    buf_release(&out);
}

static void test_what_drives_a_terminal_is_replaced(void **state)
{
    (void)state;
    assert_clean("plain \xc3\xa9\xe2\x82\xac", "plain \xc3\xa9\xe2\x82\xac");
    assert_clean("a\033[2Jb\r\n\tc\x7f", "a?[2Jb???c?");
    assert_clean("\xc2\x9b"
                 "2J",
                 "?2J"); /* C1: CSI in one character */
    assert_clean("a\xe2\x80\xae"
                 "b\xe2\x81\xa6"
                 "c\xe2\x80\x8f",
                 "a?b?c?"); /* bidirectional override, isolate, mark */
    assert_clean("\xff\xc3", "??");
}

static void test_table_aligns_by_characters(void **state)
{
    struct error err;
    struct buf out;
    static const struct text_column columns[] = {{"A", false}, {"N", true}, {"LAST", false}};
    static const char *const first[] = {"\xc3\xa9t\xc3\xa9", "1", "x"};
    static const char *const second[] = {"a", "1000", "y\n"};
    CLEANUP(text_table_release) struct text_table table;
    (void)state;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    assert_true(text_table_add(&table, first, &err));
    assert_true(text_table_add(&table, second, &err));
    buf_init(&out, 4096);
    text_table_put(&table, &out);
    assert_string_equal(buf_text(&out), "A       N  LAST\n"
                                        "\xc3\xa9t\xc3\xa9     1  x\n"
                                        "a    1000  y?\n");
    buf_release(&out);
}

static void test_failed_write_is_an_error(void **state)
{
    struct error err;
    struct buf text;
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    assert_non_null(full);
    const struct cli_world world = {.out = full, .err = stderr};
    const struct invocation call = {.world = &world};
    buf_init(&text, 4096);
    buf_printf(&text, "data\n");
    assert_false(output_write(&call, &text, &err));
    assert_int_equal(err.kind, ERROR_NO_SPACE);
    buf_release(&text);
    (void)fclose(full);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_drives_a_terminal_is_replaced),
        cmocka_unit_test(test_table_aligns_by_characters),
        cmocka_unit_test(test_failed_write_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
