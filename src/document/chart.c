#include "document/chart.h"

#include "document/markup.h"

#include <string.h>

/* In units of the viewBox; the page scales it. */
enum {
    WIDTH = 720,
    ROW_HEIGHT = 30,
    BAR_HEIGHT = 16,
    LABEL_WIDTH = 62, /* at least; */
    LABEL_MAX = 200,
    CHARACTER_WIDTH = 8,
    NOTE_WIDTH = 96,
    LINE_HEIGHT = 190,
    AXIS_WIDTH = 92,
    MARGIN = 14,
    BASE_LINE = 156,
    LAST_SHOWN = 60 /* with more points their circles would touch */
};

const char chart_css[] =
    "svg.chart{width:100%;height:auto;display:block;margin:.5rem 0}"
    ".chart text{font:13px system-ui,sans-serif;fill:currentColor}"
    ".chart .muted{fill:var(--muted)}"
    ".chart .axis{stroke:var(--line);stroke-width:1}"
    ".chart .bar{fill:var(--accent)}"
    ".chart .curve{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}"
    ".chart .point{fill:var(--accent)}"
    ".chart .point.bad{fill:var(--bad)}"
    ".chart .goal{stroke:var(--good);stroke-width:1.5;stroke-dasharray:6 4}"
    "@media (max-width:40rem){.chart text{font-size:19px}}"
    "@media print{svg.chart{break-inside:avoid}}";

static void put_head(const char *id, const char *title, const char *description, int height,
                     struct buf *out)
{
    buf_printf(out,
               "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
               "aria-labelledby=\"%s-title %s-text\">\n<title id=\"%s-title\">",
               WIDTH, height, id, id, id);
    markup_put(title, out);
    buf_printf(out, "</title>\n<desc id=\"%s-text\">", id);
    markup_put(description, out);
    buf_printf(out, "</desc>\n");
}

enum anchor { ANCHOR_START, ANCHOR_END };

static void put_label(double x, double y, enum anchor anchor, bool muted, const char *text,
                      struct buf *out)
{
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\"%s%s>", x, y,
               anchor == ANCHOR_END ? " text-anchor=\"end\"" : "", muted ? " class=\"muted\"" : "");
    markup_put(text, out);
    buf_printf(out, "</text>\n");
}

static void put_line(const char *class, double x1, double y1, double x2, double y2, struct buf *out)
{
    buf_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
               x1, y1, x2, y2);
}

/* --- bars ------------------------------------------------------------------------------------ */

static double end_of(const struct chart_bars *chart)
{
    double end = 0;
    for (size_t i = 0; i < chart->count; i++) {
        const struct chart_bar *bar = &chart->bars[i];
        if (bar->length >= 0 && bar->start + bar->length > end)
            end = bar->start + bar->length;
    }
    return end > 0 ? end : 1;
}

static int label_width(const struct chart_bars *chart)
{
    size_t longest = 0;
    for (size_t i = 0; i < chart->count; i++)
        if (strlen(chart->bars[i].label) > longest)
            longest = strlen(chart->bars[i].label);
    int width = longest > LABEL_MAX ? LABEL_MAX : (int)longest * CHARACTER_WIDTH + MARGIN;
    if (width > LABEL_MAX)
        return LABEL_MAX;
    return width < LABEL_WIDTH ? LABEL_WIDTH : width;
}

void chart_put_bars(const struct chart_bars *chart, struct buf *out)
{
    const int left = label_width(chart);
    const double room = WIDTH - left - NOTE_WIDTH;
    const double scale = room / end_of(chart);
    int height = (int)chart->count * ROW_HEIGHT + MARGIN;
    put_head(chart->id, chart->title, chart->description, height, out);
    put_line("axis", left, 0, left, height - MARGIN, out);
    for (size_t i = 0; i < chart->count; i++) {
        const struct chart_bar *bar = &chart->bars[i];
        double top = (double)i * ROW_HEIGHT;
        double base = top + ROW_HEIGHT * 0.66;
        double x = left + bar->start * scale;
        double width = bar->length * scale;
        put_label(left - 8, base, ANCHOR_END, false, bar->label, out);
        if (bar->length < 0) {
            put_label(left + 8, base, ANCHOR_START, true, bar->note, out);
            continue;
        }
        if (width < 2) /* what took no time was done all the same */
            width = 2;
        buf_printf(out,
                   "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                   "rx=\"2\"/>\n",
                   x, top + (ROW_HEIGHT - BAR_HEIGHT) / 2.0, width, BAR_HEIGHT);
        put_label(x + width + 8, base, ANCHOR_START, false, bar->note, out);
    }
    buf_printf(out, "</svg>\n");
}

/* --- lines ------------------------------------------------------------------------------------ */

struct plane {
    double top; /* of the values */
    double step;
    double left;
};

static double highest(const struct chart_line *chart)
{
    double top = chart->goal;
    for (size_t i = 0; i < chart->count; i++)
        if (chart->values[i] > top)
            top = chart->values[i];
    return top > 0 ? top * 1.08 : 1;
}

static double x_of(const struct plane *plane, size_t at)
{
    return plane->left + (double)at * plane->step;
}

static double y_of(const struct plane *plane, double value)
{
    return BASE_LINE - value / plane->top * (BASE_LINE - MARGIN);
}

static void put_axis(const struct chart_line *chart, const struct plane *plane, struct buf *out)
{
    char label[TEXT_SIZE];
    for (int i = 0; i <= 2; i++) {
        double value = plane->top * i / 2;
        double y = y_of(plane, value);
        put_line("axis", AXIS_WIDTH, y, WIDTH - MARGIN, y, out);
        put_label(AXIS_WIDTH - 8, y + 4, ANCHOR_END, true, chart->format(value, label), out);
    }
    put_label(AXIS_WIDTH, BASE_LINE + 22, ANCHOR_START, true, chart->first_label, out);
    if (chart->count > 1)
        put_label(WIDTH - MARGIN, BASE_LINE + 22, ANCHOR_END, true, chart->last_label, out);
    if (chart->goal > 0)
        put_line("goal", AXIS_WIDTH, y_of(plane, chart->goal), WIDTH - MARGIN,
                 y_of(plane, chart->goal), out);
}

static void put_mark(const struct chart_line *chart, const struct plane *plane, struct buf *out)
{
    if (chart->mark_label == NULL || chart->mark >= chart->count)
        return;
    double x = x_of(plane, chart->mark);
    put_line("goal", x, 0, x, BASE_LINE, out);
    bool right = x > WIDTH / 2.0;
    put_label(right ? x - 6 : x + 6, MARGIN, right ? ANCHOR_END : ANCHOR_START, true,
              chart->mark_label, out);
}

static void put_curve(const struct chart_line *chart, const struct plane *plane, struct buf *out)
{
    bool drawing = false;
    buf_printf(out, "<path class=\"curve\" d=\"");
    for (size_t i = 0; i < chart->count; i++) {
        if (chart->values[i] >= 0)
            buf_printf(out, "%c%.1f %.1f", drawing ? 'L' : 'M', x_of(plane, i),
                       y_of(plane, chart->values[i]));
        drawing = chart->values[i] >= 0;
    }
    buf_printf(out, "\"/>\n");
}

static void put_points(const struct chart_line *chart, const struct plane *plane, struct buf *out)
{
    char label[TEXT_SIZE];
    for (size_t i = 0; i < chart->count; i++) {
        bool bad = chart->bad != NULL && chart->bad[i];
        bool last = i + 1 == chart->count;
        if (chart->values[i] < 0 || (chart->count > LAST_SHOWN && !bad && !last))
            continue;
        buf_printf(out, "<circle class=\"point%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>",
                   bad ? " bad" : "", x_of(plane, i), y_of(plane, chart->values[i]), bad ? 5 : 4);
        markup_put(chart->format(chart->values[i], label), out);
        buf_printf(out, "</title></circle>\n");
    }
}

void chart_put_line(const struct chart_line *chart, struct buf *out)
{
    const double room = WIDTH - MARGIN - AXIS_WIDTH;
    const struct plane plane = {
        .top = highest(chart),
        .step = chart->count > 1 ? (room - 2 * MARGIN) / (double)(chart->count - 1) : 0,
        .left = chart->count > 1 ? AXIS_WIDTH + MARGIN : AXIS_WIDTH + room / 2,
    };
    put_head(chart->id, chart->title, chart->description, LINE_HEIGHT, out);
    put_axis(chart, &plane, out);
    put_mark(chart, &plane, out);
    put_curve(chart, &plane, out);
    put_points(chart, &plane, out);
    buf_printf(out, "</svg>\n");
}
