/*
 * What can be recovered: from which point to which, on which timeline; and the snapshot that a
 * recovery to a target begins with. Decided from lists alone, before anything is written.
 *
 * A snapshot needs the WAL from its start (what it does not include itself) to its stop, and from
 * there without a gap to the target, along the history of the target's timeline.
 */
#ifndef RESTORE_WINDOW_H
#define RESTORE_WINDOW_H

#include "repository/catalog.h"
#include "restore/recovery_target.h"
#include "restore/timeline_chain.h"

/* What the repository holds: snapshots, WAL, and a chain for every timeline that any of them, or a
 * stored history, is of; by number. */
struct recovery_view {
    struct catalog snapshots;
    struct wal_catalog wal;
    struct timeline_chain *chains;
    size_t chain_count;
};
MUST_CHECK bool recovery_view_load(const struct repository *repository, struct recovery_view *out,
                                   struct error *err);
void recovery_view_release(struct recovery_view *view);
/* NULL when nothing of this timeline is known. */
const struct timeline_chain *recovery_view_chain(const struct recovery_view *view,
                                                 uint32_t timeline);

/* Every point of it can be recovered. Several windows of one timeline: WAL is missing in between.
 */
struct recovery_window {
    uint32_t timeline;
    uint64_t first_lsn;  /* stop of the first snapshot */
    uint64_t last_lsn;   /* end of the WAL; a record that ends here is in */
    int64_t first_us;    /* that snapshot was finished */
    int64_t last_us;     /* the last WAL was stored, by the store's clock; 0 = not known */
    uint64_t missing_to; /* WAL goes on there, behind a gap; 0 = it does not */
    size_t snapshot_count;
    const char *first_snapshot; /* ids, borrowed from the view */
    const char *last_snapshot;
};
/* By timeline, then position. Gives *out (free), NULL when there is none. */
MUST_CHECK bool recovery_windows(const struct recovery_view *view, struct recovery_window **out,
                                 size_t *out_count, struct error *err);

struct recovery_choice {
    const struct catalog_entry *snapshot; /* borrowed from the view */
    uint32_t timeline;                    /* that the recovery follows */
    uint64_t reach;                       /* up to where the WAL is there */
};

/* The snapshot to begin with: `wanted` (as for catalog_find) or, with NULL, the newest one from
 * which the target can be reached (for a transaction, whose place is not known, the oldest).
 * ERROR_REFUSED says why there is none, with the windows that there are in text or hint: the target
 * lies before the first snapshot, behind the WAL or behind a gap; a history is missing. */
MUST_CHECK bool recovery_choose(const struct recovery_view *view,
                                const struct recovery_target *target, const char *wanted,
                                struct recovery_choice *out, struct error *err);

#endif
