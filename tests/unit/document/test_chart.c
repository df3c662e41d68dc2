#include "document/chart.h"

#include "base/cleanup.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_BYTES = 65536 };

static const char *format_plain(double number, char out[TEXT_SIZE])
{
    (void)snprintf(out, TEXT_SIZE, "%.0f", number);
    return out;
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        found++;
    return found;
}

static void draw(struct chart_line chart, struct buf *out)
{
    chart.id = "x";
    chart.title = "title <&>";
    chart.description = "three \"drills\"";
    chart.first_label = "first";
    chart.last_label = "last";
    chart.format = format_plain;
    buf_init(out, MAX_BYTES);
    chart_put_line(&chart, out);
}

static void test_bars_lie_on_one_axis(void **state)
{
    (void)state;
    const struct chart_bar bars[] = {{"plan", "1 s", 0, 1},
                                     {"fetch", "2 s", 1, 2},
                                     {"none", "not reached", -1, -1},
                                     {"instant", "0 ms", 3, 0}};
    const struct chart_bars chart = {"phases", "Time", "text", bars, ARRAY_LEN(bars)};
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, MAX_BYTES);
    chart_put_bars(&chart, &out);
    const char *svg = buf_text(&out);
    assert_int_equal(count(svg, "<rect"), 3);
    /* 554 units wide: a third of it, then two thirds from there on. */
    assert_non_null(strstr(svg, "x=\"70.0\" y=\"7.0\" width=\"184.7\""));
    assert_non_null(strstr(svg, "x=\"254.7\" y=\"37.0\" width=\"369.3\""));
    assert_non_null(strstr(svg, "width=\"2.0\"")); /* seen, though it took no time */
    assert_non_null(strstr(svg, ">not reached</text>"));
}

static void test_bars_without_any_length_are_drawn(void **state)
{
    (void)state;
    const struct chart_bar bars[] = {{"plan", "0 ms", 0, 0}};
    const struct chart_bars chart = {"phases", "Time", "text", bars, 1};
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, MAX_BYTES);
    chart_put_bars(&chart, &out);
    assert_null(strstr(buf_text(&out), "nan"));
    assert_null(strstr(buf_text(&out), "inf"));
}

static void test_line_breaks_where_a_value_is_not_known(void **state)
{
    (void)state;
    const double values[] = {10, -1, 20, 30};
    const bool bad[] = {false, false, true, false};
    CLEANUP(buf_release) struct buf out;
    draw((struct chart_line){.values = values, .bad = bad, .count = 4, .goal = 25}, &out);
    const char *svg = buf_text(&out);
    const char *path = strstr(svg, "class=\"curve\" d=\"");
    assert_non_null(path);
    char curve[256];
    (void)snprintf(curve, sizeof curve, "%.*s", (int)strcspn(path + 17, "\""), path + 17);
    assert_int_equal(count(curve, "M"), 2);
    assert_int_equal(count(curve, "L"), 1);
    assert_int_equal(count(svg, "<circle"), 3);
    assert_int_equal(count(svg, "point bad"), 1);
    assert_int_equal(count(svg, "class=\"goal\""), 1);
    assert_non_null(strstr(svg, "title &lt;&amp;&gt;"));
    assert_non_null(strstr(svg, "three &quot;drills&quot;"));
}

static void test_line_of_one_or_no_value_has_no_nonsense(void **state)
{
    (void)state;
    const double nothing[] = {-1};
    const double zero[] = {0};
    const double *const cases[] = {nothing, zero};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out;
        draw((struct chart_line){.values = cases[i], .count = 1}, &out);
        const char *svg = buf_text(&out);
        assert_null(strstr(svg, "nan"));
        assert_null(strstr(svg, "inf"));
        assert_int_equal(count(svg, "<circle"), i);
        assert_null(strstr(svg, ">last<"));
    }
}

static void test_many_points_show_only_the_bad_ones_and_the_last(void **state)
{
    (void)state;
    double values[200];
    bool bad[200] = {false};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        values[i] = 1e12 + (double)i;
    bad[7] = true;
    CLEANUP(buf_release) struct buf out;
    draw((struct chart_line){.values = values, .bad = bad, .count = ARRAY_LEN(values)}, &out);
    assert_int_equal(count(buf_text(&out), "<circle"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_lie_on_one_axis),
        cmocka_unit_test(test_bars_without_any_length_are_drawn),
        cmocka_unit_test(test_line_breaks_where_a_value_is_not_known),
        cmocka_unit_test(test_line_of_one_or_no_value_has_no_nonsense),
        cmocka_unit_test(test_many_points_show_only_the_bad_ones_and_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
