/*
 * Charts as inline SVG: no script, no font of their own, colours from the page's style (chart_css),
 * so that they follow its light or dark scheme and print. The same data gives the same bytes. All
 * texts are escaped here; each chart carries its title and description for those who do not see it.
 */
#ifndef DOCUMENT_CHART_H
#define DOCUMENT_CHART_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Rules for the classes that the charts use; belongs into the page's <style> once. The page sets
 * --line, --muted, --accent, --good and --bad. */
extern const char chart_css[];

/* Writes a number as people read it ("12.3 s"). Returns out. */
typedef const char *(*chart_format_fn)(double number, char out[TEXT_SIZE]);

struct chart_bar {
    const char *label;
    const char *note; /* beside the bar: "1.2 s" */
    double start;
    double length; /* below 0: there is no bar, only the note */
};

struct chart_bars {
    const char *id; /* unique in the page, letters */
    const char *title;
    const char *description;
    const struct chart_bar *bars;
    size_t count;
};

/* Bars on one common axis that begins at 0, one row each. */
void chart_put_bars(const struct chart_bars *chart, struct buf *out);

struct chart_line {
    const char *id;
    const char *title;
    const char *description;
    const double *values; /* below 0: not known, a gap in the line */
    const bool *bad;      /* points that are marked; NULL: none */
    size_t count;
    double goal;             /* a dashed line; 0 or less: none */
    const char *first_label; /* under the ends of the axis */
    const char *last_label;
    chart_format_fn format;
    size_t mark; /* a line across this value, with its label; NULL: none */
    const char *mark_label;
};

/* Values one after the other at equal distances, from 0 upwards. */
void chart_put_line(const struct chart_line *chart, struct buf *out);

#endif
