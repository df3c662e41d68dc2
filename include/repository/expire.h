/*
 * Removes snapshots and WAL that retention does not keep: one step of a clean-up (sweep.h). What
 * was planned is what is done, except that a snapshot on which somebody has begun to build stays.
 *
 * A snapshot whose manifest the store has locked stays, with its packs and its WAL, until the lock
 * ends; the plan says so like for a pin. In a bucket with versions everything that is removed is
 * only hidden: the store's lifecycle rule for noncurrent versions frees the space.
 */
#ifndef REPOSITORY_EXPIRE_H
#define REPOSITORY_EXPIRE_H

#include "repository/garbage.h"
#include "repository/retention.h"

struct expire_plan {
    struct catalog catalog;
    struct pin_list pins;
    struct wal_catalog wal;
    struct retention_plan retention; /* over these */
    struct key_list manifests;       /* to be removed */
    uint64_t wal_bytes;              /* of the chunks to be removed */
};

struct expire_result {
    uint64_t snapshots_removed;
    uint64_t snapshots_spared; /* somebody builds on them since the plan was made */
    uint64_t wal_removed;
    uint64_t bytes_freed; /* manifests and WAL; garbage_run counts packs */
};

/* ERROR_REFUSED for a plan that would leave no snapshot at all. Gives *out. */
MUST_CHECK bool expire_plan(const struct sweep *sweep, const struct retention_policy *policy,
                            struct expire_plan *out, struct error *err);
/* Fills *out also when it fails half-way: what was removed is removed. */
MUST_CHECK bool expire_run(const struct sweep *sweep, const struct expire_plan *plan,
                           struct expire_result *out, struct error *err);
void expire_plan_release(struct expire_plan *plan);

#endif
