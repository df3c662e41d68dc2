#include "restore/wal_segment.h"

#include "base/stop.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A merge that goes on may take chunks away several times while one segment is read. */
enum { FETCH_TRIES = 10 };

bool wal_segment_from_name(const char *name, uint32_t segment_bytes, struct wal_segment *out)
{
    uint8_t bytes[12];
    uint32_t parts[3] = {0};
    if (strlen(name) != 2 * sizeof bytes || !text_from_hex(name, bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        parts[i / 4] = parts[i / 4] << 8 | bytes[i];
    uint64_t in_log = (UINT64_C(1) << 32) / segment_bytes;
    if (parts[0] == 0 || parts[2] >= in_log)
        return false;
    uint64_t start = ((uint64_t)parts[1] << 32) + (uint64_t)parts[2] * segment_bytes;
    *out = (struct wal_segment){
        .timeline = parts[0], .start_lsn = start, .end_lsn = start + segment_bytes};
    return true;
}

const char *wal_segment_name(const struct wal_segment *segment, char out[WAL_SEGMENT_NAME_SIZE])
{
    uint64_t bytes = segment->end_lsn - segment->start_lsn;
    (void)snprintf(out, WAL_SEGMENT_NAME_SIZE, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32,
                   segment->timeline, (uint32_t)(segment->start_lsn >> 32),
                   (uint32_t)((segment->start_lsn & UINT32_MAX) / bytes));
    return out;
}

struct wal_segment wal_segment_next(const struct wal_segment *segment)
{
    uint64_t bytes = segment->end_lsn - segment->start_lsn;
    return (struct wal_segment){.timeline = segment->timeline,
                                .start_lsn = segment->end_lsn,
                                .end_lsn = segment->end_lsn + bytes,
                                .pad_gap = segment->pad_gap};
}

static bool say_gap(const struct wal_segment *segment, uint64_t from, uint64_t to,
                    struct error *err)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    char begin[TEXT_SIZE];
    char end[TEXT_SIZE];
    (void)error_set(err, ERROR_REFUSED,
                    "cannot give WAL segment %s: the WAL from %s to %s is not in the repository",
                    wal_segment_name(segment, name), text_lsn(from, begin), text_lsn(to, end));
    return error_hint(err, "`mainstay wal window` shows what can be recovered.");
}

bool wal_segment_read(const struct repository *repository, const struct wal_source *source,
                      const struct timeline_chain *chain, const struct wal_catalog *wal,
                      const struct wal_segment *segment, uint8_t *out,
                      enum wal_segment_state *out_state, struct error *err)
{
    uint64_t at = segment->start_lsn;
    uint64_t end;
    *out_state = WAL_SEGMENT_ABSENT;
    if (chain->count > 1 && segment->end_lsn <= timeline_chain_begin(chain))
        return true; /* the ancestor's own segment is the one to ask for */
    while (at < segment->end_lsn) {
        const struct wal_chunk *chunk = timeline_chain_find(chain, wal, at, &end);
        if (chunk == NULL)
            break;
        struct wal_source from = *source;
        from.timeline = chunk->timeline;
        end = end < segment->end_lsn ? end : segment->end_lsn;
        if (!stop_check(err) || !wal_chunk_read(repository, chunk, &from, at, (size_t)(end - at),
                                                out + (at - segment->start_lsn), err))
            return false;
        at = end;
    }
    if (at == segment->end_lsn) {
        *out_state = WAL_SEGMENT_WHOLE;
        return true;
    }
    uint64_t next = timeline_chain_next(chain, wal, at);
    bool padded = segment->pad_gap && at > segment->start_lsn;
    if (next != UINT64_MAX && !padded)
        return say_gap(segment, at, next, err);
    /* The timeline began later than the WAL of its ancestors ends. */
    if (at < timeline_chain_begin(chain) && !padded)
        return say_gap(segment, at, timeline_chain_begin(chain), err);
    if (at == segment->start_lsn)
        return true;
    memset(out + (at - segment->start_lsn), 0, (size_t)(segment->end_lsn - at));
    *out_state = WAL_SEGMENT_PARTIAL;
    return true;
}

static bool fetch_once(const struct repository *repository, const struct wal_source *source,
                       const struct timeline_chain *chain, const struct wal_segment *segment,
                       uint8_t *out, enum wal_segment_state *out_state, struct error *err)
{
    struct wal_catalog wal;
    /* Chunks of ancestors are needed in the first segment of a timeline only. */
    bool first = segment->start_lsn < timeline_chain_begin(chain);
    if (!wal_catalog_load(repository, first ? 0 : segment->timeline, segment->start_lsn, &wal, err))
        return false;
    bool done = wal_segment_read(repository, source, chain, &wal, segment, out, out_state, err);
    wal_catalog_release(&wal);
    return done;
}

bool wal_segment_fetch(const struct repository *repository, const struct wal_source *source,
                       const struct wal_segment *segment, uint8_t *out,
                       enum wal_segment_state *out_state, struct error *err)
{
    struct timeline_chain chain;
    if (!timeline_chain_load(repository, segment->timeline, &chain, err))
        return false;
    bool done;
    if (chain.count == 0) {
        done = error_set(err, ERROR_REFUSED, "cannot give WAL of timeline %" PRIu32 ": %s",
                         segment->timeline, chain.problem);
    } else {
        int tries_left = FETCH_TRIES;
        do
            done = fetch_once(repository, source, &chain, segment, out, out_state, err);
        while (!done && err->kind == ERROR_NOT_FOUND && --tries_left > 0);
    }
    timeline_chain_release(&chain);
    return done;
}
