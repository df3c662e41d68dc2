/* What a repository holds, in a few numbers: for `mainstay status`, metrics and alerts. */
#ifndef REPOSITORY_REPOSITORY_STATUS_H
#define REPOSITORY_REPOSITORY_STATUS_H

#include "repository/catalog.h"
#include "repository/drill_record.h"
#include "repository/run_record.h"

struct repository_status {
    uint64_t snapshot_count;
    uint64_t unreadable_count;
    uint64_t stored_bytes; /* by all snapshots together */
    bool has_snapshot;     /* a good one: readable, no damaged pages; the last of them: */
    char last_id[SNAPSHOT_ID_SIZE];
    int64_t last_started_us;
    int64_t last_finished_us;
    uint64_t last_data_bytes;
    uint64_t last_stored_bytes;
    uint32_t last_timeline;
    uint64_t last_stop_lsn;
    int64_t first_finished_us; /* the oldest good one: nothing before it can be recovered */
    uint64_t wal_count;        /* chunks */
    uint64_t wal_bytes;        /* of their objects */
    bool has_wal;              /* on the newest timeline: */
    uint32_t wal_timeline;
    uint64_t wal_end_lsn;  /* as far as it goes without a gap from the last good snapshot on */
    int64_t wal_stored_us; /* when the newest chunk was stored; 0 = not known */
    bool wal_gap;          /* there is WAL behind a hole */
    /* Moments that can be recovered, as far as the store's own times tell; 0 = none. */
    int64_t recoverable_first_us;
    int64_t recoverable_last_us;
    struct run_coverage verified;
    int64_t expire_last_us; /* 0 = never */
    char run_problem[512];  /* a record of a run that does not count, and why; "": there is none */
    struct drill_summary drills;
    bool counted; /* every object of the repository was listed: */
    uint64_t object_count;
    uint64_t object_bytes;
};

/* Reads the summaries of all snapshots and lists the WAL and the runs; all objects too when `count`
 * is set, which takes a request for each thousand of them. */
MUST_CHECK bool repository_read_status(const struct repository *repository, bool count,
                                       struct repository_status *out, struct error *err);

#endif
