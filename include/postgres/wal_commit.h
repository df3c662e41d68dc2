/*
 * When transactions ended, from the WAL itself: the time that PostgreSQL compares with
 * recovery_target_time. Source: src/include/access/xlogrecord.h (XLogRecord, block ids 252 to 255),
 * xact.h (xl_xact_commit, xl_xact_abort begin with the time), xlog_internal.h (page headers); the
 * same in 13 to 18, little-endian machines.
 */
#ifndef POSTGRES_WAL_COMMIT_H
#define POSTGRES_WAL_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pages as in wal_page.h: what stands in the store has been checked. */
struct wal_piece {
    uint64_t lsn; /* a multiple of block_bytes */
    const void *bytes;
    size_t len;
    uint32_t segment_bytes;
    uint32_t block_bytes; /* 8192 */
};

/* The latest time (microseconds since 1970) at which a transaction committed or aborted, of the
 * records that lie in the piece completely; 0: there is none. The first thing that is no record
 * ends the search: zeros behind the end of the WAL, or what a segment switch leaves. */
int64_t wal_last_commit_us(const struct wal_piece *piece);

/* The last record that begins in the piece and lies in it completely; false: there is none. What
 * ends the search is the same. */
struct wal_record_place {
    uint64_t start_lsn;
    uint64_t end_lsn; /* where the next one may begin, page headers not passed */
};
bool wal_last_record(const struct wal_piece *piece, struct wal_record_place *out);

#endif
