#include "postgres/copy_in.h"
#include "postgres/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* PostgreSQL's manual, "Array Input and Output Syntax". */
static void test_arrays_quote_what_is_in_them(void **state)
{
    (void)state;
    struct buf array;
    buf_init(&array, 1024);
    query_array_begin(&array);
    query_array_add(&array, "a \"b\" \\ {c}, d");
    query_array_add(&array, NULL);
    query_array_add(&array, "");
    query_array_add(&array, "NULL");
    query_array_add_i64(&array, INT64_MIN);
    query_array_end(&array);
    assert_string_equal(buf_text(&array),
                        "{\"a \\\"b\\\" \\\\ {c}, d\",NULL,\"\",\"NULL\",-9223372036854775808}");
    buf_clear(&array);
    query_array_begin(&array);
    query_array_end(&array);
    assert_string_equal(buf_text(&array), "{}");
    buf_release(&array);
}

/* PostgreSQL's manual, COPY, "Text Format". */
static void test_copied_fields_cannot_end_a_row(void **state)
{
    (void)state;
    struct buf row;
    buf_init(&row, 1024);
    copy_put_field("a\tb\nc\rd\\.e\\N", &row);
    buf_put_u8(&row, '|');
    copy_put_field(NULL, &row);
    buf_put_u8(&row, '|');
    copy_put_field("", &row);
    assert_string_equal(buf_text(&row), "a\\tb\\nc\\rd\\\\.e\\\\N|\\N|");
    buf_release(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays_quote_what_is_in_them),
        cmocka_unit_test(test_copied_fields_cannot_end_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
