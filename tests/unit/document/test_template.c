#include "base/macros.h"
#include "document/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "name=value" texts; the first one of the name. */
struct names {
    const char *pairs[4];
};

static const char *lookup(void *context, const char *name)
{
    const struct names *names = context;
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(names->pairs) && names->pairs[i] != NULL; i++)
        if (strncmp(names->pairs[i], name, len) == 0 && names->pairs[i][len] == '=')
            return names->pairs[i] + len + 1;
    return NULL;
}

static char *render(const char *text, enum template_escape escape, struct names names,
                    struct error *err)
{
    struct buf out;
    char *copy = NULL;
    buf_init(&out, 4096);
    if (template_render(text, escape, lookup, &names, &out, err))
        copy = strdup(buf_text(&out));
    buf_release(&out);
    return copy;
}

static void assert_renders(const char *text, enum template_escape escape, const char *pair,
                           const char *expected)
{
    struct error err;
    char *got = render(text, escape, (struct names){{pair}}, &err);
    if (got == NULL)
        fail_msg("\"%s\": %s", text, err.text);
    assert_string_equal(got, expected);
    free(got);
}

static void assert_refused(const char *text, enum template_escape escape, const char *pair,
                           const char *problem)
{
    struct error err;
    char *got = render(text, escape, (struct names){{pair}}, &err);
    if (got != NULL)
        fail_msg("\"%s\" gave \"%s\"", text, got);
    assert_int_equal(err.kind, ERROR_INVALID);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, problem);
}

static void test_names_become_their_values(void **state)
{
    (void)state;
    assert_renders("", TEMPLATE_TEXT, NULL, "");
    assert_renders("no names } }} {", TEMPLATE_TEXT, NULL, "no names } }} {");
    assert_renders("Dear {{ customer.name }}!", TEMPLATE_TEXT, "customer.name=Ada", "Dear Ada!");
    assert_renders("{{a}}{{\ta }}", TEMPLATE_TEXT, "a=1", "11");
    assert_renders("\\{{ a }} \\ {", TEMPLATE_TEXT, "a=1", "{{ a }} \\ {");
    assert_renders("{{ a }}", TEMPLATE_TEXT, "a=", "");
}

static void test_values_are_never_looked_into(void **state)
{
    (void)state;
    assert_renders("x {{ a }} y", TEMPLATE_TEXT, "a={{ a }} \\{{ {{{ }}",
                   "x {{ a }} \\{{ {{{ }} y");
    assert_renders("{{ a }}{{ a }}", TEMPLATE_TEXT, "a={", "{{");
    assert_renders("{{ a }} a }}", TEMPLATE_TEXT, "a={{", "{{ a }}");
}

static void test_hostile_values_do_nothing_in_text_and_html(void **state)
{
    (void)state;
    assert_renders("{{ a }}", TEMPLATE_TEXT, "a=a\r\nb\tc\x1b[2J\x7f\x01", "a\nb\tc[2J");
    assert_renders("{{ a }}", TEMPLATE_TEXT, "a=<b>&\"'", "<b>&\"'");
    assert_renders("<i>{{ a }}</i>", TEMPLATE_HTML, "a=<script>&\"'\r\x1b",
                   "<i>&lt;script&gt;&amp;&quot;&#39;</i>");
    /* right-to-left override, isolate, C1, line separator */
    assert_renders("{{ a }}", TEMPLATE_TEXT, "a=x\xe2\x80\xaey\xe2\x81\xa6z\xc2\x85\xe2\x80\xa8!",
                   "xyz!");
    /* Arabic, a right-to-left mark and a parcel are text */
    assert_renders("{{ a }}", TEMPLATE_HTML, "a=\xd8\xb3\xe2\x80\x8f\xf0\x9f\x93\xa6",
                   "\xd8\xb3\xe2\x80\x8f\xf0\x9f\x93\xa6");
    assert_renders("{{ a }}", TEMPLATE_TEXT, "a=x\xff\xf0\x9fy",
                   "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy");
}

static void test_a_header_is_one_line(void **state)
{
    (void)state;
    assert_renders("Order {{ a }}", TEMPLATE_HEADER,
                   "a=B\xc3\xbc"
                   "cher & <1>",
                   "Order B\xc3\xbc"
                   "cher & <1>");
    assert_refused("Order {{ a }}", TEMPLATE_HEADER, "a=1\r\nBcc: all@example.net", "{{ a }}");
    assert_refused("Order {{ a }}", TEMPLATE_HEADER, "a=1\n", "line break");
    assert_refused("Order {{ a }}", TEMPLATE_HEADER, "a=\t", "control character");
    assert_refused("Order {{ a }}", TEMPLATE_HEADER, "a=\xe2\x80\xa8", "line break");
    assert_refused("Order\n{{ a }}", TEMPLATE_HEADER, "a=1", "line 1, character 6");
}

static void test_what_is_no_template_is_refused(void **state)
{
    (void)state;
    assert_refused("{{ b }}", TEMPLATE_TEXT, "a=1", "no value for {{ b }}");
    assert_refused("a\n b {{ a", TEMPLATE_TEXT, "a=1", "\"{{\" is not closed (line 2, character 4");
    assert_refused("{{ a }", TEMPLATE_TEXT, "a=1", "not closed");
    assert_refused("{{{ a }}}", TEMPLATE_TEXT, "a=1", "\"{{{\" is not allowed");
    assert_refused("{{ }}", TEMPLATE_TEXT, "a=1", "not a name");
    assert_refused("{{ a. }}", TEMPLATE_TEXT, "a.=1", "not a name");
    assert_refused("{{ a | upper }}", TEMPLATE_TEXT, "a=1", "no name between");
    assert_refused("{{ A }}", TEMPLATE_TEXT, "A=1", "no name between");
    assert_refused("{{ a\n}}", TEMPLATE_TEXT, "a=1", "no name between");
    assert_refused("{{ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }}",
                   TEMPLATE_TEXT, "a=1", "not a name");
}

static void test_a_text_over_the_maximum_is_an_error(void **state)
{
    struct names names = {{"a=0123456789"}};
    struct error err;
    struct buf out;
    (void)state;
    buf_init(&out, 8);
    assert_false(template_render("{{ a }}", TEMPLATE_TEXT, lookup, &names, &out, &err));
    buf_release(&out);
}

static bool collect(void *context, const char *name, struct error *err)
{
    struct buf *seen = context;
    buf_printf(seen, "%s,", name);
    return strcmp(name, "stop") != 0 || error_set(err, ERROR_REFUSED, "stopped");
}

static void test_visiting_names_every_name(void **state)
{
    struct error err;
    struct buf seen;
    (void)state;
    buf_init(&seen, 4096);
    assert_true(template_visit("{{ a }} \\{{ x }} {{ b.c }}{{ a }}", collect, &seen, &err));
    assert_string_equal(buf_text(&seen), "a,b.c,a,");
    assert_false(template_visit("{{ stop }} {{ d }}", collect, &seen, &err));
    assert_string_equal(err.text, "stopped");
    assert_string_equal(buf_text(&seen), "a,b.c,a,stop,");
    assert_false(template_visit("{{ d", collect, &seen, &err));
    buf_release(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_become_their_values),
        cmocka_unit_test(test_values_are_never_looked_into),
        cmocka_unit_test(test_hostile_values_do_nothing_in_text_and_html),
        cmocka_unit_test(test_a_header_is_one_line),
        cmocka_unit_test(test_what_is_no_template_is_refused),
        cmocka_unit_test(test_a_text_over_the_maximum_is_an_error),
        cmocka_unit_test(test_visiting_names_every_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
