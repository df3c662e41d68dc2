/*
 * A self-contained HTML page for people: nothing is loaded and nothing runs (its policy forbids
 * both), it follows the light or dark scheme, prints, and is readable on a phone.
 *
 *   page_begin; page_verdict; page_measures_begin, page_measure ..., page_measures_end;
 *   page_section, charts and tables; page_end
 */
#ifndef DOCUMENT_PAGE_H
#define DOCUMENT_PAGE_H

#include "base/buf.h"

enum page_mood { PAGE_NEUTRAL, PAGE_GOOD, PAGE_BAD };

/* "good", "bad", "": the class that colours an element. */
const char *page_class(enum page_mood mood);

/* The texts of all of these are escaped; NULL is "". */
void page_begin(const char *title, struct buf *out);
/* What a reader must know first: a headline, the reason, and a quieter line. */
void page_verdict(enum page_mood mood, const char *headline, const char *reason, const char *note,
                  struct buf *out);

void page_measures_begin(struct buf *out);
/* One figure; `meaning` explains its name, `note` stands below it. */
void page_measure(const char *name, const char *meaning, enum page_mood mood, const char *figure,
                  const char *note, struct buf *out);
void page_measures_end(struct buf *out);

/* Ends the section before and begins one. */
void page_section(const char *title, struct buf *out);
void page_subtitle(const char *title, struct buf *out);
void page_paragraph(const char *text, struct buf *out);

/* A table that scrolls sideways where the screen is narrow. titles NULL: names and values. */
void page_table_begin(const char *const *titles, size_t count, struct buf *out);
void page_row_begin(struct buf *out);
void page_cell(enum page_mood mood, const char *text, struct buf *out);
/* The name of a row. */
void page_row_name(const char *text, struct buf *out);
/* A cell with something long below it, in small letters. */
void page_cell_detail(const char *text, const char *detail, struct buf *out);
void page_row_end(struct buf *out);
void page_table_end(struct buf *out);

void page_end(const char *footer, struct buf *out);

#endif
