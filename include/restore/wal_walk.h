/*
 * The WAL of a timeline from its end backwards, segment by segment: for what is looked for in the
 * newest records (the last transaction that ended, the last whole record).
 */
#ifndef RESTORE_WAL_WALK_H
#define RESTORE_WAL_WALK_H

#include "postgres/wal_commit.h"
#include "repository/repository.h"
#include "repository/snapshot_info.h"

struct wal_walk {
    const struct repository *repository; /* borrows */
    const struct snapshot_info *info;    /* borrows: no segment that lies before its end */
    uint32_t timeline;                   /* no segment before that began, either: an ancestor's */
    uint64_t reach;                      /* what stands behind it does not count */
    int segments_max;
};

/* The piece begins with a segment and goes on, up to the reach, with the first MiB of the segment
 * behind it: records do not end where segments do. True: found, the walk is over. */
typedef bool wal_visit_fn(void *context, const struct wal_piece *piece);

/* ERROR_CORRUPT for a snapshot with an impossible size of segments; else as wal_segment_fetch. */
MUST_CHECK bool wal_walk_back(const struct wal_walk *walk, wal_visit_fn *visit, void *context,
                              struct error *err);

#endif
