#include "walstream/wal_resume.h"

#include "postgres/wal_page.h"

#include <inttypes.h>

/* The server's timeline, or one that it descends from. */
static bool is_lineage(const struct wal_resume_facts *facts, uint32_t timeline)
{
    if (timeline == facts->timeline)
        return true;
    for (size_t i = 0; i < facts->history_count; i++)
        if (facts->history[i].timeline == timeline)
            return true;
    return false;
}

/* The chunk of the newest timeline of the lineage that reaches farthest; NULL when there is none.
 */
static const struct wal_chunk *last_chunk(const struct wal_resume_facts *facts)
{
    const struct wal_chunk *last = NULL;
    for (size_t i = 0; i < facts->catalog->count; i++) {
        const struct wal_chunk *chunk = &facts->catalog->chunks[i];
        if (!is_lineage(facts, chunk->timeline))
            continue;
        if (last == NULL || chunk->timeline > last->timeline || chunk->end_lsn > last->end_lsn)
            last = chunk;
    }
    return last;
}

/* Behind the end of an old timeline comes the next one. */
static void step_to_next_timeline(const struct wal_resume_facts *facts, struct wal_resume *resume)
{
    for (size_t i = 0; i < facts->history_count; i++) {
        const struct timeline_entry *entry = &facts->history[i];
        if (entry->timeline != resume->timeline || resume->lsn < entry->end_lsn)
            continue;
        resume->timeline = i + 1 < facts->history_count ? facts->history[i + 1].timeline
                                                        : facts->timeline;
        resume->lsn = wal_segment_start(entry->end_lsn, facts->segment_bytes);
        resume->last = NULL;
        return;
    }
}

bool wal_resume_plan(const struct wal_resume_facts *facts, struct wal_resume *out,
                     struct error *err)
{
    const struct wal_chunk *last = last_chunk(facts);
    if (!facts->ignore_store && last == NULL && facts->catalog->count > 0) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot continue the WAL: the server is on timeline %" PRIu32
                        ", and the repository holds only timelines it does not descend from "
                        "(%" PRIu32 " and others)",
                        facts->timeline,
                        facts->catalog->chunks[facts->catalog->count - 1].timeline);
        return error_hint(err, "Connect to the right server, or give this one a repository of its "
                               "own.");
    }
    if (!facts->ignore_store && last != NULL) {
        *out = (struct wal_resume){
            .from = WAL_FROM_STORE, .timeline = last->timeline, .lsn = last->end_lsn, .last = last};
        step_to_next_timeline(facts, out);
        return true;
    }
    uint64_t lsn = facts->slot_lsn != 0 ? facts->slot_lsn : facts->position;
    *out = (struct wal_resume){
        .from = facts->slot_lsn != 0 ? WAL_FROM_SLOT : WAL_FROM_POSITION,
        .timeline = facts->timeline,
        .lsn = wal_segment_start(lsn, facts->segment_bytes),
    };
    return true;
}
