/*
 * Where the blocks of one file are: runs that follow each other from block 0 to the end, each a
 * stretch of consecutive pages of one pack, or of zeros. Encoded as in FORMAT.md ("Page map").
 */
#ifndef REPOSITORY_PAGE_MAP_H
#define REPOSITORY_PAGE_MAP_H

#include "base/buf.h"
#include "base/error.h"
#include "postgres/page.h"

#include <stdint.h>

struct page_run {
    uint32_t count;   /* blocks, at least 1 */
    bool is_data;     /* false: zeros; pack and ordinal are 0 */
    uint32_t pack;    /* index into the manifest's pack table */
    uint32_t ordinal; /* of the first page in that pack */
};

/* Number of blocks of a file of this size; the last one may be partial. */
static inline uint64_t page_count_of(uint64_t size_bytes)
{
    return (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Collects runs, joining neighbours, and encodes them. */
struct page_map_builder {
    struct buf encoded;
    struct page_run pending; /* count 0: none yet */
    uint32_t expected_ordinal;
};

enum { PAGE_MAP_MAX_BYTES = 1 << 28 };

void page_map_builder_init(struct page_map_builder *builder);
void page_map_builder_release(struct page_map_builder *builder);
void page_map_builder_add(struct page_map_builder *builder, const struct page_run *run);
/* Flushes the last run; then builder->encoded holds the map. */
MUST_CHECK bool page_map_builder_finish(struct page_map_builder *builder, struct error *err);

/* Walks over an encoded map (borrowed). */
struct page_map_reader {
    struct reader bytes;
    uint64_t blocks_left;
    uint32_t expected_ordinal;
};

/* blocks: how many the map must cover, exactly. what: the file, for messages. */
void page_map_reader_init(struct page_map_reader *reader, const void *map, size_t len,
                          uint64_t blocks, const char *what);
/* *out_found is false at the end. ERROR_CORRUPT: the runs do not cover the blocks exactly. */
MUST_CHECK bool page_map_reader_next(struct page_map_reader *reader, struct page_run *out,
                                     bool *out_found, struct error *err);

#endif
