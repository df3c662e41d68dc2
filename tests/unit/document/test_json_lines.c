#include "base/cleanup.h"
#include "base/macros.h"
#include "document/json_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct source {
    const char *bytes;
    size_t len;
    size_t step; /* bytes in one read at most */
};

static bool read_source(void *context, void *out, size_t size, size_t *out_got, struct error *err)
{
    struct source *source = context;
    (void)err;
    size_t got = source->len < source->step ? source->len : source->step;
    if (got > size)
        got = size;
    memcpy(out, source->bytes, got);
    source->bytes += got;
    source->len -= got;
    *out_got = got;
    return true;
}

/* The values of "a" with their lines, "1:x 3:y"; or the error's text. */
static void read_all(const char *text, size_t len, size_t step, struct buf *out)
{
    struct error err;
    struct source source = {.bytes = text, .len = len, .step = step};
    CLEANUP(json_lines_cleanup) struct json_lines *lines = NULL;
    if (!json_lines_new(read_source, &source, "f.jsonl", &lines, &err))
        fail_msg("%s", err.text);
    for (;;) {
        const char *a;
        CLEANUP(value_cleanup) struct value *object = NULL;
        if (!json_lines_next(lines, &object, &err)) {
            assert_int_equal(err.kind, ERROR_INVALID);
            buf_printf(out, "%s", err.text);
            return;
        }
        if (object == NULL)
            return;
        if (!value_get_text(object, "a", &a, &err))
            fail_msg("%s", err.text);
        buf_printf(out, "%s%d:%s", out->len == 0 ? "" : " ", (int)json_lines_line(lines), a);
    }
}

static void assert_read(const char *text, size_t len, const char *wanted)
{
    for (size_t step = 1; step < 20; step += 6) {
        struct buf out;
        buf_init(&out, 4096);
        read_all(text, len, step, &out);
        if (strstr(buf_text(&out), wanted) == NULL || (*wanted == '\0' && out.len > 0))
            fail_msg("\"%s\" is not \"%s\"", buf_text(&out), wanted);
        buf_release(&out);
    }
}

static void test_objects_come_with_their_lines(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf{\"a\": \"x\"}\n\n \t\r\n{\"a\": \"y\\n\"}\r\n{\"a\":\"z\"}";
    assert_read(text, strlen(text), "1:x 4:y\n 5:z");
    assert_read("", 0, "");
    assert_read("\n\n", 2, "");
}

static void test_what_is_wrong_names_the_line(void **state)
{
    (void)state;
    static const char broken[] = "{\"a\": \"x\"}\n{\"a\": \"y\"\n";
    static const char list[] = "\n[1]\n";
    static const char two[] = "{\"a\": \"x\"} {\"a\": \"y\"}\n";
    static const char twice[] = "{\"a\": \"x\", \"a\": \"y\"}\n";
    static const char nul[] = "{\"a\": \"x\0\"}\n";
    static const char only_nul[] = "\0\n";
    assert_read(broken, strlen(broken), "f.jsonl:2 is not valid JSON");
    assert_read(list, strlen(list), "f.jsonl:2 is not an object");
    assert_read(two, strlen(two), "f.jsonl:1 is not valid JSON");
    assert_read(twice, strlen(twice), "f.jsonl:1 is not valid JSON");
    assert_read(nul, sizeof nul - 1, "f.jsonl:1 is not valid JSON");
    assert_read(only_nul, sizeof only_nul - 1, "f.jsonl:1 is not valid JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_come_with_their_lines),
        cmocka_unit_test(test_what_is_wrong_names_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
