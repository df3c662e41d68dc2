/*
 * A timeline with those it descends from, as a recovery along it reads WAL: up to where each one
 * was left, and from there on the next. Plain data.
 *
 * The first segment of a new timeline begins with a copy of what the old one had in it: such bytes
 * are taken from the descendant where the ancestor's are not there, never the other way round
 * beyond the point of departure.
 */
#ifndef RESTORE_TIMELINE_CHAIN_H
#define RESTORE_TIMELINE_CHAIN_H

#include "postgres/timeline_history.h"
#include "repository/wal_archive.h"

struct timeline_chain {
    uint32_t timeline;
    struct timeline_entry *parts; /* oldest first; the last is the timeline itself, without an end
                                     (UINT64_MAX); NULL when the history is missing */
    size_t count;
    char problem[256]; /* "" = the chain is whole */
};

/* From the entries of a history file. Gives *out. */
MUST_CHECK bool timeline_chain_init(struct timeline_chain *out, uint32_t timeline,
                                    const struct timeline_entry *ancestors, size_t count,
                                    struct error *err);
void timeline_chain_release(struct timeline_chain *chain);

/* Reads the history from the repository; timeline 1 has none. A history that is missing, damaged or
 * malformed is no error but the chain's problem: without it PostgreSQL would quietly stay on the
 * older timeline. */
MUST_CHECK bool timeline_chain_load(const struct repository *repository, uint32_t timeline,
                                    struct timeline_chain *out, struct error *err);

/* Whether the chain passes lsn on this timeline. */
bool timeline_chain_passes(const struct timeline_chain *chain, uint32_t timeline, uint64_t lsn);
/* Where the chain's own timeline begins; 0 for one without ancestors. */
uint64_t timeline_chain_begin(const struct timeline_chain *chain);

/* The chunk to read the byte at lsn from, on the way along the chain, and up to where it may be
 * used. NULL when there is none. */
const struct wal_chunk *timeline_chain_find(const struct timeline_chain *chain,
                                            const struct wal_catalog *wal, uint64_t lsn,
                                            uint64_t *out_end);
/* How far the WAL goes on along the chain without a gap; lsn itself when its byte is not there. */
uint64_t timeline_chain_reach(const struct timeline_chain *chain, const struct wal_catalog *wal,
                              uint64_t lsn);
/* Where WAL of the chain goes on behind lsn, which is not there itself; UINT64_MAX: nowhere. */
uint64_t timeline_chain_next(const struct timeline_chain *chain, const struct wal_catalog *wal,
                             uint64_t lsn);

#endif
