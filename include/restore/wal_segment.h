/*
 * A segment of WAL as PostgreSQL's restore_command gives it: 16 MiB, put together from the chunks
 * of its timeline and, before the timeline began, from its ancestors'.
 *
 * Whole or padded? PostgreSQL reads the archive until a segment is "not there", and takes that, as
 * well as a record of zeros, for the end of the WAL; so both may be said only where it is the end:
 *   - behind the last byte of the timeline that the store has, the rest of that segment is zeros.
 *     Refusing the segment would throw away what came in since it began; a server that follows
 *     (standby) asks again and then gets more;
 *   - WAL that is missing although more of it follows is an error, never "not there". Only a
 * recovery with a target may have what comes before the gap, because PostgreSQL (13 and later)
 * itself fails when the WAL seems to end before its target. Source: PostgreSQL, xlogrecovery.c
 * (WaitForWALToBecomeAvailable, XLogFileReadAnyTLI).
 */
#ifndef RESTORE_WAL_SEGMENT_H
#define RESTORE_WAL_SEGMENT_H

#include "restore/timeline_chain.h"

enum { WAL_SEGMENT_NAME_SIZE = 25 };

struct wal_segment {
    uint32_t timeline;
    uint64_t start_lsn;
    uint64_t end_lsn;
    bool pad_gap; /* a gap that begins inside is filled with zeros, too */
};

/* "000000010000000000000003". False for other names ("....partial", "....backup"). */
bool wal_segment_from_name(const char *name, uint32_t segment_bytes, struct wal_segment *out);
const char *wal_segment_name(const struct wal_segment *segment, char out[WAL_SEGMENT_NAME_SIZE]);
/* The one after it on the same timeline. */
struct wal_segment wal_segment_next(const struct wal_segment *segment);

enum wal_segment_state {
    WAL_SEGMENT_ABSENT,  /* behind the end of the timeline's WAL, or before the timeline */
    WAL_SEGMENT_PARTIAL, /* the WAL ends in it: zeros from there */
    WAL_SEGMENT_WHOLE,
};

/* Fills out (the segment's size). source: of the cluster; its timeline is not looked at. wal: all
 * chunks of the chain from the segment's start on. ERROR_REFUSED for a gap; ERROR_NOT_FOUND when a
 * chunk was merged meanwhile: load the catalog again. */
MUST_CHECK bool wal_segment_read(const struct repository *repository,
                                 const struct wal_source *source,
                                 const struct timeline_chain *chain, const struct wal_catalog *wal,
                                 const struct wal_segment *segment, uint8_t *out,
                                 enum wal_segment_state *out_state, struct error *err);

/* The same with chain and catalog loaded as needed, again when a chunk was merged.
 * ERROR_REFUSED for a timeline without history. */
MUST_CHECK bool wal_segment_fetch(const struct repository *repository,
                                  const struct wal_source *source,
                                  const struct wal_segment *segment, uint8_t *out,
                                  enum wal_segment_state *out_state, struct error *err);

#endif
