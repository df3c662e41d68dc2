#include "document/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Gives its text `step` bytes at a time. */
struct source {
    const char *text;
    size_t len;
    size_t at;
    size_t step;
};

static bool read_source(void *context, void *out, size_t size, size_t *out_got, struct error *err)
{
    struct source *source = context;
    size_t left = source->len - source->at;
    size_t got = left < source->step ? left : source->step;
    (void)err;
    if (got > size)
        got = size;
    memcpy(out, source->text + source->at, got);
    source->at += got;
    *out_got = got;
    return true;
}

/* Records as "line:[field][field]" one behind the other, or the error. */
static void expect_bytes(const char *text, size_t len, const char *expected)
{
    for (size_t step = 1; step < 8; step += 3) {
        struct error err;
        struct buf seen;
        struct source source = {text, len, 0, step};
        CLEANUP(csv_cleanup) struct csv *csv = NULL;
        const char *const *fields;
        size_t count;
        bool done;
        buf_init(&seen, 65536);
        assert_true(csv_new(read_source, &source, "a.csv", &csv, &err));
        while ((done = csv_next(csv, &fields, &count, &err)) && fields != NULL) {
            buf_printf(&seen, "%llu:", (unsigned long long)csv_line(csv));
            for (size_t i = 0; i < count; i++)
                buf_printf(&seen, "[%s]", fields[i]);
        }
        if (!done) {
            assert_int_equal(err.kind, ERROR_INVALID);
            buf_printf(&seen, "%s", err.text);
        }
        assert_string_equal(buf_text(&seen), expected);
        buf_release(&seen);
    }
}

static void expect(const char *text, const char *expected)
{
    expect_bytes(text, strlen(text), expected);
}

static void test_records_and_fields(void **state)
{
    (void)state;
    expect("", "");
    expect("a,b\n1,2\n", "1:[a][b]2:[1][2]");
    expect("a,b\r\n1,2", "1:[a][b]2:[1][2]");
    expect("\xef\xbb\xbfid,name\n", "1:[id][name]");
    expect("\n\n,\n\na\n", "3:[][]5:[a]");
    expect("\"\",x\n", "1:[][x]");
}

static void test_quotes_hold_separators_and_line_ends(void **state)
{
    (void)state;
    expect("\"a,b\",\"c\"\"d\"\"\"\n", "1:[a,b][c\"d\"]");
    expect("1,\"two\nlines\r\n\"\n2,x\n", "1:[1][two\nlines\r\n]4:[2][x]");
}

static void test_what_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    expect("a\nb\"c\n", "1:[a]a.csv:2: there is a quote inside a field that is not quoted");
    expect("a\n\"b\"c\n", "1:[a]a.csv:2: there is text behind a closing quote");
    expect("a\n\n\"b\nc\n", "1:[a]a.csv:3: the quote that opens here is never closed");
    expect("a\rb\n", "a.csv:1: there is a carriage return inside a line");
    expect("a\n\xff\n", "1:[a]a.csv:2: the text is not UTF-8");
    expect("\xef\xbbz", "a.csv:1: the text is not UTF-8");
    expect_bytes("a\0b\n", 4, "a.csv:1: there is a NUL byte");
}

static void test_too_many_fields_are_refused(void **state)
{
    char text[CSV_FIELDS_MAX + 1];
    (void)state;
    memset(text, ',', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    expect(text, "a.csv:1: the record has too many fields");
}

static void test_fields_come_back_and_formulas_are_defused(void **state)
{
    static const char *const rows[][2] = {
        {"plain", "plain"},       {"", ""},
        {"a,b", "\"a,b\""},       {"say \"x\"", "\"say \"\"x\"\"\""},
        {"l1\nl2", "\"l1\nl2\""}, {"=1+1", "\"'=1+1\""},
        {"-2", "\"'-2\""},        {"@x", "\"'@x\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 1024);
        csv_put_field(rows[i][0], &out);
        assert_string_equal(buf_text(&out), rows[i][1]);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_and_fields),
        cmocka_unit_test(test_quotes_hold_separators_and_line_ends),
        cmocka_unit_test(test_what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(test_too_many_fields_are_refused),
        cmocka_unit_test(test_fields_come_back_and_formulas_are_defused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
