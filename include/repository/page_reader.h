/*
 * Pages of one pack after another, by address: fetches the frames that hold them in as few ranged
 * reads as sensible, decodes them, checks every page's hash, and hands the pages out in ascending
 * order. One for each thread; memory is a few MiB.
 */
#ifndef REPOSITORY_PAGE_READER_H
#define REPOSITORY_PAGE_READER_H

#include "repository/pack_reader.h"

struct page_reader;

/* Pages ordinal ... ordinal + count - 1 of the pack at hand. */
struct page_range {
    uint32_t ordinal;
    uint32_t count;
};

/* pages: count pages, borrowed for the call. */
typedef bool (*page_visit_fn)(void *context, uint32_t ordinal, uint32_t count, const uint8_t *pages,
                              struct error *err);

/* Borrows the repository. Gives *out. */
MUST_CHECK bool page_reader_new(const struct repository *repository, struct page_reader **out,
                                struct error *err);
void page_reader_free(struct page_reader *reader);
void page_reader_cleanup(struct page_reader **reader);

/* Makes this the pack at hand and reads its index (unless it is already). The index is borrowed
 * until the next call. */
MUST_CHECK bool page_reader_select(struct page_reader *reader, const struct pack_ref *ref,
                                   const struct pack_index **out_index, struct error *err);

/* ranges: ascending by ordinal, within the pack; a page may be in several. Each range is visited in
 * one or more pieces. */
MUST_CHECK bool page_reader_visit(struct page_reader *reader, const struct page_range *ranges,
                                  size_t count, page_visit_fn visit, void *context,
                                  struct error *err);

/* Bytes read from the store so far. */
uint64_t page_reader_bytes(const struct page_reader *reader);

#endif
