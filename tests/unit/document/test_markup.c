#include "document/markup.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MAX_BYTES = 1024 };

typedef void (*put_fn)(const char *text, struct buf *out);

static void expect(put_fn put, const char *text, const char *expected)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, MAX_BYTES);
    put(text, &out);
    assert_string_equal(buf_text(&out), expected);
}

static void test_markup_leaves_text_as_it_is(void **state)
{
    (void)state;
    expect(markup_put, "", "");
    expect(markup_put, "Grüße, 你好 \xf0\x9f\x93\xa6\n\tnext",
           "Grüße, 你好 \xf0\x9f\x93\xa6\n\tnext");
}

static void test_markup_has_no_way_out_of_an_element_or_attribute(void **state)
{
    (void)state;
    expect(markup_put, "</script><b a='1' c=\"2\">&amp;]]>",
           "&lt;/script&gt;&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;]]&gt;");
}

static void test_markup_replaces_what_xml_does_not_allow(void **state)
{
    (void)state;
    expect(markup_put, "a\x01z\x1b[2J", "a\xef\xbf\xbdz\xef\xbf\xbd[2J");
    expect(markup_put, "\xff\xfe|\xc3", "\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd");
    expect(markup_put, "\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd");
    expect(markup_put, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    expect(markup_put, "a\r\n", "a\xef\xbf\xbd\n");
    expect(markup_put,
           "\xe2\x80\xae"
           "gpj.exe",
           "\xef\xbf\xbdgpj.exe"); /* right to left */
}

static void test_markdown_stays_one_cell(void **state)
{
    (void)state;
    expect(markup_put_markdown, "a|b\nc", "a\\|b c");
    expect(markup_put_markdown, "<img src=x> & [x](y) `c` **d**",
           "&lt;img src=x\\> &amp; \\[x\\]\\(y\\) \\`c\\` \\*\\*d\\*\\*");
    expect(markup_put_markdown, "15.18-0 at 1.2 s", "15.18-0 at 1.2 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup_leaves_text_as_it_is),
        cmocka_unit_test(test_markup_has_no_way_out_of_an_element_or_attribute),
        cmocka_unit_test(test_markup_replaces_what_xml_does_not_allow),
        cmocka_unit_test(test_markdown_stays_one_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
