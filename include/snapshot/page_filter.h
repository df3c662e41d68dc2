/*
 * Which blocks of a file have to be taken, and where the others already are: the rules of change,
 * for one file at a time, without any input or output.
 *
 * A page of the main fork of a relation is reused from the parent snapshot only when its LSN lies
 * below the parent's start (its redo point: every later change carries a later LSN), is not 0, the
 * block was part of the parent's file, and the parent's pack is there. Everything else (visibility
 * map, free space map, init forks, commit logs, configuration) does not carry trustworthy LSNs:
 * such blocks are reused only when their content is the same, by SHA-256. Blocks of zeros are never
 * stored.
 */
#ifndef SNAPSHOT_PAGE_FILTER_H
#define SNAPSHOT_PAGE_FILTER_H

#include "repository/manifest.h"

/* State of one of the parent's packs, by index in its pack table. */
enum pack_state {
    PACK_USABLE,
    PACK_MISSING, /* not in the store, or of another size: its pages are stored anew */
    PACK_SPARSE,  /* few live pages: they are stored anew while the budget lasts */
};

struct page_filter_parent {
    const struct manifest *manifest;  /* NULL: no parent, everything is taken */
    uint64_t start_lsn;               /* of the parent */
    const uint8_t *pack_states;       /* enum pack_state for each of the manifest's packs */
    const struct pack_index *samples; /* for each of its packs; without hashes: not looked at. NULL
                                         where a page may change without a new LSN */
    uint64_t sparse_budget_pages;     /* counts down */
    uint64_t healed_pages;            /* counts up: taken because of PACK_MISSING */
};

enum page_verdict { PAGE_TAKE, PAGE_REUSE, PAGE_ZERO };

/* One file being read. */
struct page_filter {
    struct page_filter_parent *parent;
    const struct manifest_entry *old; /* NULL: not in the parent */
    bool by_lsn;
    struct page_map_reader map;
    struct page_run run; /* of the parent; covers blocks from run_start */
    uint64_t run_start;
    uint64_t old_blocks; /* whole blocks of the parent's file that may be reused */
    bool map_failed;     /* a map that does not decode: nothing more is reused */
    bool all_reused;     /* so far every block was the parent's, by LSN */
    bool contradiction;  /* a page with an old LSN is not the page that the parent has */
};

void page_filter_init(struct page_filter *filter, struct page_filter_parent *parent,
                      const char *path, bool by_lsn);

/* Decides about block number `block` (ascending from 0). bytes: PAGE_BYTES, padded with zeros when
 * the file ends inside it (partial). hash: BLOCK_HASH_BYTES of it where !by_lsn, else ignored.
 * On PAGE_REUSE *out is the address in the parent's pack table. */
enum page_verdict page_filter_decide(struct page_filter *filter, uint64_t block,
                                     const uint8_t *bytes, bool partial, const uint8_t *hash,
                                     struct page_run *out);

#endif
