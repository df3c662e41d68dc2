#include "snapshot/page_filter.h"

#include "codec/digest.h"
#include "postgres/page.h"

#include <string.h>

void page_filter_init(struct page_filter *filter, struct page_filter_parent *parent,
                      const char *path, bool by_lsn)
{
    *filter = (struct page_filter){.parent = parent, .by_lsn = by_lsn, .all_reused = true};
    if (parent->manifest == NULL)
        return;
    filter->old = manifest_find(parent->manifest, path);
    if (filter->old == NULL || filter->old->kind != ENTRY_FILE)
        filter->old = NULL;
    else if (by_lsn != ((filter->old->flags & ENTRY_RELATION) != 0))
        filter->old = NULL; /* classified in another way then: not comparable */
    if (filter->old == NULL)
        return;
    uint64_t blocks = page_count_of(filter->old->size_bytes);
    page_map_reader_init(&filter->map, filter->old->map, filter->old->map_bytes, blocks, path);
    /* A partial last block of a relation file is not a page: it has no LSN to trust. */
    filter->old_blocks = by_lsn ? filter->old->size_bytes / PAGE_BYTES : blocks;
}

/* Moves to the parent's run that holds this block; false when there is none. */
static bool seek_run(struct page_filter *filter, uint64_t block)
{
    struct error ignored; /* manifest_load has checked the map; a failure here means: take it */
    if (filter->old == NULL || filter->map_failed || block >= filter->old_blocks)
        return false;
    while (block >= filter->run_start + filter->run.count) {
        bool found;
        uint64_t next_start = filter->run_start + filter->run.count;
        if (!page_map_reader_next(&filter->map, &filter->run, &found, &ignored) || !found) {
            filter->map_failed = true;
            return false;
        }
        filter->run_start = next_start;
    }
    return true;
}

static bool is_unchanged(const struct page_filter *filter, uint64_t block, const uint8_t *bytes,
                         bool partial, const uint8_t *hash)
{
    if (filter->by_lsn) {
        uint64_t lsn = page_lsn(bytes);
        return !partial && lsn != 0 && lsn < filter->parent->start_lsn;
    }
    return (filter->old->flags & ENTRY_HASHES) != 0 &&
           memcmp(hash, filter->old->hashes + block * BLOCK_HASH_BYTES, BLOCK_HASH_BYTES) == 0;
}

/* The pack that has it must be there, and worth keeping. */
static bool pack_serves(struct page_filter *filter, uint32_t pack)
{
    struct page_filter_parent *parent = filter->parent;
    switch (parent->pack_states[pack]) {
    case PACK_MISSING:
        parent->healed_pages++;
        return false;
    case PACK_SPARSE:
        if (parent->sparse_budget_pages == 0)
            return true;
        parent->sparse_budget_pages--;
        return false;
    default:
        return true;
    }
}

/* Where the hashes of a pack are at hand, what the LSN says can be proved. */
static void check_sample(struct page_filter *filter, const struct page_run *page,
                         const uint8_t *bytes)
{
    const struct pack_index *samples = filter->parent->samples;
    if (!filter->by_lsn || samples == NULL || samples[page->pack].page_hashes == NULL)
        return;
    if (digest_xxh3(bytes, PAGE_BYTES) != samples[page->pack].page_hashes[page->ordinal])
        filter->contradiction = true;
}

enum page_verdict page_filter_decide(struct page_filter *filter, uint64_t block,
                                     const uint8_t *bytes, bool partial, const uint8_t *hash,
                                     struct page_run *out)
{
    bool in_parent = seek_run(filter, block);
    if (bytes_are_zero(bytes, PAGE_BYTES)) {
        if (!in_parent || filter->run.is_data)
            filter->all_reused = false;
        return PAGE_ZERO;
    }
    if (!in_parent || !filter->run.is_data || !is_unchanged(filter, block, bytes, partial, hash)) {
        filter->all_reused = false;
        return PAGE_TAKE;
    }
    if (!pack_serves(filter, filter->run.pack))
        return PAGE_TAKE;
    *out = (struct page_run){
        .count = 1,
        .is_data = true,
        .pack = filter->run.pack,
        .ordinal = filter->run.ordinal + (uint32_t)(block - filter->run_start),
    };
    check_sample(filter, out, bytes);
    return PAGE_REUSE;
}
