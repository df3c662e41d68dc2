#include "restore/timeline_chain.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool timeline_chain_init(struct timeline_chain *out, uint32_t timeline,
                         const struct timeline_entry *ancestors, size_t count, struct error *err)
{
    struct timeline_chain chain = {.timeline = timeline, .count = count + 1};
    chain.parts = calloc(count + 1, sizeof *chain.parts);
    if (chain.parts == NULL)
        return error_no_memory(err, "a timeline history");
    if (count > 0)
        memcpy(chain.parts, ancestors, count * sizeof *ancestors);
    chain.parts[count] = (struct timeline_entry){.timeline = timeline, .end_lsn = UINT64_MAX};
    *out = chain;
    return true;
}

void timeline_chain_release(struct timeline_chain *chain)
{
    free(chain->parts);
    *chain = (struct timeline_chain){0};
}

/* What says something about this one history, not about the store. */
static bool is_about_the_object(enum error_kind kind)
{
    return kind == ERROR_NOT_FOUND || kind == ERROR_CORRUPT || kind == ERROR_INVALID ||
           kind == ERROR_UNSUPPORTED || kind == ERROR_REFUSED;
}

static bool read_ancestors(const struct repository *repository, uint32_t timeline,
                           struct timeline_entry **out, size_t *out_count, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TIMELINE_HISTORY_MAX_BYTES);
    return history_get(repository, timeline, &text, err) &&
           timeline_history_parse((const char *)text.data, text.len, timeline, out, out_count, err);
}

bool timeline_chain_load(const struct repository *repository, uint32_t timeline,
                         struct timeline_chain *out, struct error *err)
{
    CLEANUP(free_pointer) struct timeline_entry *ancestors = NULL;
    size_t count = 0;
    if (timeline == 1)
        return timeline_chain_init(out, timeline, NULL, 0, err);
    if (read_ancestors(repository, timeline, &ancestors, &count, err)) {
        if (count > 0)
            return timeline_chain_init(out, timeline, ancestors, count, err);
        (void)error_set(err, ERROR_INVALID, "it names no timeline that it comes from");
    }
    if (!is_about_the_object(err->kind))
        return false;
    struct timeline_chain chain = {.timeline = timeline};
    bool missing = err->kind == ERROR_NOT_FOUND;
    (void)snprintf(
        chain.problem, sizeof chain.problem, "the history of timeline %" PRIu32 " %s%.180s",
        timeline,
        missing ? "is not in the repository" : "cannot be used: ", missing ? "" : err->text);
    *out = chain;
    return true;
}

/* Index of the part that owns lsn. */
static size_t owner_of(const struct timeline_chain *chain, uint64_t lsn)
{
    size_t at = 0;
    while (at + 1 < chain->count && lsn >= chain->parts[at].end_lsn)
        at++;
    return at;
}

bool timeline_chain_passes(const struct timeline_chain *chain, uint32_t timeline, uint64_t lsn)
{
    uint64_t begin = 0;
    for (size_t i = 0; i < chain->count; i++) {
        if (chain->parts[i].timeline == timeline)
            return lsn >= begin && lsn <= chain->parts[i].end_lsn;
        begin = chain->parts[i].end_lsn;
    }
    return false;
}

uint64_t timeline_chain_begin(const struct timeline_chain *chain)
{
    return chain->count < 2 ? 0 : chain->parts[chain->count - 2].end_lsn;
}

const struct wal_chunk *timeline_chain_find(const struct timeline_chain *chain,
                                            const struct wal_catalog *wal, uint64_t lsn,
                                            uint64_t *out_end)
{
    for (size_t i = owner_of(chain, lsn); i < chain->count; i++) {
        const struct wal_chunk *chunk = wal_catalog_find(wal, chain->parts[i].timeline, lsn);
        if (chunk == NULL)
            continue;
        uint64_t left = chain->parts[i].end_lsn;
        *out_end = chunk->end_lsn < left ? chunk->end_lsn : left;
        return chunk;
    }
    return NULL;
}

uint64_t timeline_chain_reach(const struct timeline_chain *chain, const struct wal_catalog *wal,
                              uint64_t lsn)
{
    uint64_t end;
    while (timeline_chain_find(chain, wal, lsn, &end) != NULL)
        lsn = end;
    return lsn;
}

uint64_t timeline_chain_next(const struct timeline_chain *chain, const struct wal_catalog *wal,
                             uint64_t lsn)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < wal->count; i++) {
        const struct wal_chunk *chunk = &wal->chunks[i];
        for (size_t j = owner_of(chain, lsn); j < chain->count; j++) {
            if (chain->parts[j].timeline == chunk->timeline && chunk->start_lsn > lsn &&
                chunk->start_lsn < chain->parts[j].end_lsn && chunk->start_lsn < next)
                next = chunk->start_lsn;
        }
    }
    return next;
}
