/*
 * A self-contained HTML page for people: nothing is loaded and nothing runs (its policy forbids
 * both), it follows the light or dark scheme, prints, and is readable on a phone.
 *
 *   html_page_begin; html_page_verdict; html_page_measures_begin, html_page_measure ...,
 * html_page_measures_end; html_page_section, charts and tables; html_page_end
 */
#ifndef DOCUMENT_HTML_PAGE_H
#define DOCUMENT_HTML_PAGE_H

#include "base/buf.h"

enum html_page_mood { HTML_PAGE_NEUTRAL, HTML_PAGE_GOOD, HTML_PAGE_BAD };

/* "good", "bad", "": the class that colours an element. */
const char *html_page_class(enum html_page_mood mood);

/* The texts of all of these are escaped; NULL is "". */
void html_page_begin(const char *title, struct buf *out);
/* What a reader must know first: a headline, the reason, and a quieter line. */
void html_page_verdict(enum html_page_mood mood, const char *headline, const char *reason,
                       const char *note, struct buf *out);

void html_page_measures_begin(struct buf *out);
/* One figure; `meaning` explains its name, `note` stands below it. */
void html_page_measure(const char *name, const char *meaning, enum html_page_mood mood,
                       const char *figure, const char *note, struct buf *out);
void html_page_measures_end(struct buf *out);

/* Ends the section before and begins one. */
void html_page_section(const char *title, struct buf *out);
void html_page_subtitle(const char *title, struct buf *out);
void html_page_paragraph(const char *text, struct buf *out);

/* A table that scrolls sideways where the screen is narrow. titles NULL: names and values. */
void html_page_table_begin(const char *const *titles, size_t count, struct buf *out);
void html_page_row_begin(struct buf *out);
void html_page_cell(enum html_page_mood mood, const char *text, struct buf *out);
/* The name of a row. */
void html_page_row_name(const char *text, struct buf *out);
/* A cell with something long below it, in small letters. */
void html_page_cell_detail(const char *text, const char *detail, struct buf *out);
void html_page_row_end(struct buf *out);
void html_page_table_end(struct buf *out);

void html_page_end(const char *footer, struct buf *out);

#endif
