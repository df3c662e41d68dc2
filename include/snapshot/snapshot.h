/*
 * Takes a snapshot through BASE_BACKUP: reads everything, stores the pages that changed. The first
 * one is full, every later one is incremental against the newest usable snapshot. Nothing is
 * staged on disk; the manifest is written last, so a snapshot that dies leaves only unreferenced
 * packs behind.
 *
 * Where a stream (walstream/wal_stream.h) stores the server's WAL in the same repository, the
 * snapshot takes none of its own: somebody streams from the slot now, on the server's timeline, and
 * the repository holds the WAL from the server's last checkpoint to what that stream has confirmed.
 * The manifest then waits until the WAL up to the end of the backup is in the repository.
 */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include "base/progress.h"
#include "postgres/connection.h"
#include "repository/repository.h"
#include "repository/snapshot_info.h"

struct snapshot_options {
    struct connection_options connection; /* replication is set by snapshot_create */
    const char *label;                    /* NULL: "mainstay" */
    bool full;                            /* take everything anew, whatever the parent says */
    bool spread_checkpoint;               /* default false: an immediate checkpoint */
    bool no_verify_checksums;             /* default false: the server checks page checksums */
    uint32_t max_rate_kib;                /* 0 = unlimited */
    int compress_threads;                 /* 0: one for each processor, at most 8 */
    int uploads;                          /* packs in flight; 0: 3 */
    const char *wal_slot;                 /* of the stream; NULL: none */
    bool own_wal;                         /* whatever the stream stores */
    int64_t wal_timeout_us;               /* how long the manifest waits for the stream */
    struct progress *progress;            /* NULL allowed */
    const struct clock *clock;            /* NULL: clock_system */
    const struct random_source *random;   /* NULL: random_system */
};

/* Gives *out (snapshot_info_release). When out->damaged_pages is set the snapshot is stored, and
 * the caller ends with the exit code for ERROR_CORRUPT. ERROR_REFUSED: another system identifier
 * than the repository's snapshots have, full_page_writes off, a block size other than 8 KiB.
 * ERROR_UNAVAILABLE: the stream on which it relied did not store the WAL in time. */
MUST_CHECK bool snapshot_create(const struct repository *repository,
                                const struct snapshot_options *options, struct snapshot_info *out,
                                struct error *err);

#endif
