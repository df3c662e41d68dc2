/* Pages as a parser sees them: with expat, which takes nothing that is not well formed. */
#include "document/html_page.h"

#include "base/cleanup.h"
#include "base/macros.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <expat.h>

enum { MAX_BYTES = 1 << 20, POSITIONS = 20 };

#define U_FFFD "\xef\xbf\xbd"

/* What may stand in a ticket, and what a reader must see of it; the parser makes lines one. */
static const struct {
    const char *text;
    const char *seen;
} hostile[] = {
    {"</title></style></script><script>alert(1)</script>", NULL},
    {"\"><img src=http://tracker.example/x onerror=alert(1)>", NULL},
    {"' onmouseover='alert(1)", NULL},
    {"</td></tr></table></dl></section></main></body></html>", NULL},
    {"</pre></small></abbr></footer></header>", NULL},
    {"<!-- <![CDATA[ ]]> --> <?xml?> <!doctype x>", NULL},
    {"&lt;b&gt; &#60;b&#62; &amp &unknown; &", NULL},
    {"<style>@import url(//tracker.example)</style>", NULL},
    {"%s%n%5$s", NULL},
    {"a\x01\x1b[2J\xff\xc3", "a" U_FFFD U_FFFD "[2J" U_FFFD U_FFFD},
    {"\xed\xa0\x80\xef\xbf\xbf", U_FFFD U_FFFD U_FFFD U_FFFD},
    {"\xe2\x80\xaegpj.exe", U_FFFD "gpj.exe"}, /* right to left */
    {"one\n\ttwo", "one  two"},
};

/* What a parser saw: elements with the names of their attributes, and all texts. */
struct seen {
    struct buf shape;
    struct buf texts;
    size_t depth;
};

static void see_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct seen *seen = context;
    buf_printf(&seen->shape, "%*s<%s", (int)seen->depth++, "", name);
    for (; *attributes != NULL; attributes += 2) {
        buf_printf(&seen->shape, " %s", attributes[0]);
        if (strcmp(attributes[0], "title") == 0)
            buf_printf(&seen->texts, "[%s]", attributes[1]);
        else
            buf_printf(&seen->shape, "=%s", attributes[1]);
    }
    buf_printf(&seen->shape, ">\n");
}

static void see_end(void *context, const XML_Char *name)
{
    struct seen *seen = context;
    (void)name;
    seen->depth--;
}

static void see_text(void *context, const XML_Char *text, int len)
{
    struct seen *seen = context;
    for (int i = 0; i < len; i++)
        buf_put_u8(&seen->texts, text[i] == '\n' || text[i] == '\t' ? ' ' : (uint8_t)text[i]);
}

/* The element that begins with `begin` and ends with the last `end` of the page. */
static void parse(struct seen *seen, const char *page, const char *begin, const char *end)
{
    const char *from = strstr(page, begin);
    const char *to = NULL;
    for (const char *at = from; at != NULL; at = strstr(at + 1, end))
        to = at;
    assert_non_null(from);
    assert_non_null(to);
    XML_Parser parser = XML_ParserCreate("UTF-8");
    assert_non_null(parser);
    XML_SetUserData(parser, seen);
    XML_SetElementHandler(parser, see_start, see_end);
    XML_SetCharacterDataHandler(parser, see_text);
    size_t len = (size_t)(to - from) + strlen(end);
    if (XML_Parse(parser, from, (int)len, XML_TRUE) != XML_STATUS_OK)
        fail_msg("line %lu: %s, in: %.*s", XML_GetCurrentLineNumber(parser),
                 XML_ErrorString(XML_GetErrorCode(parser)), (int)len, from);
    XML_ParserFree(parser);
}

static void look(const char *page, struct seen *seen)
{
    *seen = (struct seen){0};
    buf_init(&seen->shape, MAX_BYTES);
    buf_init(&seen->texts, MAX_BYTES);
    parse(seen, page, "<title>", "</title>");
    parse(seen, page, "<style>", "</style>");
    parse(seen, page, "<body>", "</body>");
}

static void seen_release(struct seen *seen)
{
    buf_release(&seen->shape);
    buf_release(&seen->texts);
}

/* A page with everything in it: each text stands at one place, `texts` has POSITIONS of them. */
static void make_page(const char *const *texts, struct buf *out)
{
    const char *const titles[] = {texts[0], texts[1]};
    buf_init(out, MAX_BYTES);
    html_page_begin(texts[2], out);
    html_page_verdict(HTML_PAGE_BAD, texts[3], texts[4], texts[5], out);
    html_page_measures_begin(out);
    html_page_measure(texts[6], texts[7], HTML_PAGE_GOOD, texts[8], texts[9], out);
    html_page_measures_end(out);
    html_page_section(texts[10], out);
    html_page_subtitle(texts[11], out);
    html_page_paragraph(texts[12], out);
    html_page_table_begin(titles, ARRAY_LEN(titles), out);
    html_page_row_begin(out);
    html_page_row_name(texts[13], out);
    html_page_cell(HTML_PAGE_NEUTRAL, texts[14], out);
    html_page_cell(HTML_PAGE_BAD, texts[15], out);
    html_page_cell_detail(texts[16], texts[17], out);
    html_page_row_end(out);
    html_page_table_end(out);
    html_page_table_begin(NULL, 0, out);
    html_page_row_begin(out);
    html_page_row_name(texts[18], out);
    html_page_row_end(out);
    html_page_table_end(out);
    html_page_end(texts[19], out);
}

/* Harmless texts "@0@" to "@19@", but for one. */
static void look_at(size_t place, const char *text, struct seen *out)
{
    char marks[POSITIONS][TEXT_SIZE];
    const char *texts[POSITIONS];
    CLEANUP(buf_release) struct buf page;
    for (size_t i = 0; i < POSITIONS; i++) {
        (void)snprintf(marks[i], TEXT_SIZE, "@%zu@", i);
        texts[i] = i == place ? text : marks[i];
    }
    make_page(texts, &page);
    look(buf_text(&page), out);
}

static void test_a_text_is_a_text_wherever_it_stands(void **state)
{
    CLEANUP(seen_release) struct seen harmless;
    (void)state;
    look_at(POSITIONS, NULL, &harmless);
    const char *before = buf_text(&harmless.texts);
    for (size_t place = 0; place < POSITIONS; place++) {
        char mark[TEXT_SIZE];
        (void)snprintf(mark, sizeof mark, "@%zu@", place);
        const char *at = strstr(before, mark);
        assert_non_null(at); /* and so each text is seen at all */
        for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
            const char *wanted = hostile[i].seen == NULL ? hostile[i].text : hostile[i].seen;
            CLEANUP(seen_release) struct seen seen;
            CLEANUP(free_pointer)
            char *expected = text_format("%.*s%s%s", (int)(at - before), before, wanted,
                                         at + strlen(mark));
            look_at(place, hostile[i].text, &seen);
            assert_string_equal(buf_text(&seen.shape), buf_text(&harmless.shape));
            assert_string_equal(buf_text(&seen.texts), expected);
        }
    }
}

static void test_a_text_that_is_not_there_leaves_a_page_all_the_same(void **state)
{
    const char *const nothing[POSITIONS] = {NULL};
    const char *empty[POSITIONS];
    CLEANUP(buf_release) struct buf page;
    CLEANUP(buf_release) struct buf other;
    CLEANUP(seen_release) struct seen seen;
    (void)state;
    for (size_t i = 0; i < POSITIONS; i++)
        empty[i] = "";
    make_page(nothing, &page);
    make_page(empty, &other);
    assert_string_equal(buf_text(&page), buf_text(&other));
    look(buf_text(&page), &seen);
    assert_null(strstr(buf_text(&seen.shape), "<abbr"));
    assert_null(strstr(buf_text(&seen.shape), "<small"));
    assert_null(strstr(buf_text(&seen.shape), "<pre"));
}

/* The policy stands before everything that could break it. */
static void test_nothing_is_loaded_and_nothing_runs(void **state)
{
    static const char policy[] = "content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    static const char *const forbidden[] = {"<script", "http:", "https:", "url(", "@import",
                                            "src=",    "href",  "<link",  "//"};
    const char *const nothing[POSITIONS] = {NULL};
    CLEANUP(buf_release) struct buf page;
    (void)state;
    make_page(nothing, &page);
    const char *at = strstr(buf_text(&page), policy);
    assert_non_null(at);
    assert_true(at < strstr(buf_text(&page), "<title>"));
    assert_true(text_starts_with(buf_text(&page), "<!doctype html>\n")); /* else: quirks mode */
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        assert_null(strstr(buf_text(&page), forbidden[i]));
}

static void test_moods_are_classes(void **state)
{
    CLEANUP(seen_release) struct seen seen;
    (void)state;
    look_at(POSITIONS, NULL, &seen);
    const char *shape = buf_text(&seen.shape);
    assert_non_null(strstr(shape, "<header class=verdict bad>"));
    assert_non_null(strstr(shape, "<dd class=good>"));
    assert_non_null(strstr(shape, "<td>"));
    assert_non_null(strstr(shape, "<td class=bad>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_a_text_wherever_it_stands),
        cmocka_unit_test(test_a_text_that_is_not_there_leaves_a_page_all_the_same),
        cmocka_unit_test(test_nothing_is_loaded_and_nothing_runs),
        cmocka_unit_test(test_moods_are_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
