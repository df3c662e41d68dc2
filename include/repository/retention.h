/*
 * Which snapshots and which WAL are kept: a pure function over what the repository holds. Nothing
 * is read or removed here.
 *
 * Rules for snapshots, each a reason to keep one; what no rule names is removed:
 *   keep-last N              the newest N
 *   hourly ... yearly N      the newest of each of the last N hours, days, ISO weeks, months, years
 *                            that have one (by the start of the snapshot, in the given time zone)
 *   within                   those that started at most so long before the newest
 *   pins                     those with a pin that holds now
 *   wal-window               the newest that was finished before the window began
 *   and, whatever the rules say: the newest that can be read, the newest `minimum` without damaged
 *   pages, what a running snapshot builds on, and what cannot be read (nothing is removed blindly)
 *
 * Rules for WAL. A chunk is kept when it overlaps a WAL range of a kept snapshot (without it that
 * snapshot does not become consistent), or when a recovery may run through it: let the anchor be
 * the newest readable snapshot that was finished at or before now - wal-window, or the oldest kept
 * one when there is none so old or no window is set. Chunks that reach behind the start of the
 * anchor, or of any kept snapshot that started after it, on that snapshot's timeline or a later
 * one, are kept. "The start" is the beginning of its segment, because PostgreSQL looks at the first
 * page of every segment that it reads. What a running snapshot finds in the archive is kept, too.
 * So every moment of the window can be reached as far as WAL was stored. While a manifest cannot be
 * read, or none is there, all WAL is kept.
 */
#ifndef REPOSITORY_RETENTION_H
#define REPOSITORY_RETENTION_H

#include "base/time_zone.h"
#include "repository/catalog.h"
#include "repository/pin.h"
#include "repository/wal_archive.h"

struct retention_policy {
    uint32_t keep_last; /* 0 = no such rule, here and below */
    uint32_t hourly;
    uint32_t daily;
    uint32_t weekly;
    uint32_t monthly;
    uint32_t yearly;
    int64_t within_us;
    uint32_t minimum; /* snapshots without damaged pages that stay at least; 0 = 1 */
    /* Borders of hours, days, ...: the clock of a place, which is set forward and back (borrowed),
     * or an offset, east of UTC positive. An hour that the clock shows twice is two hours. */
    const struct time_zone *zone; /* NULL: utc_offset_s */
    int32_t utc_offset_s;
    int64_t wal_window_us; /* 0 = WAL from the oldest kept snapshot on */
};

/* False when no rule of the policy names a snapshot: a plan then keeps everything. */
bool retention_has_rules(const struct retention_policy *policy);
/* "UTC" or an offset as "+02:00". */
MUST_CHECK bool retention_zone_from_text(const char *text, int32_t *out_offset_s);

struct retention_input {
    const struct catalog *catalog; /* all borrowed for the call */
    const struct pin_list *pins;
    const struct wal_catalog *wal;            /* NULL: no WAL */
    const char (*held_ids)[SNAPSHOT_ID_SIZE]; /* what running snapshots build on, restores read */
    size_t held_count;
    const struct snapshot_wal_range *held_wal; /* what running snapshots find in the archive */
    size_t held_wal_count;
    bool hold_all;  /* a lease cannot be read: nothing is removed */
    int64_t now_us; /* by the store's clock */
};

struct retention_verdict {
    bool keep;
    char **reasons; /* why it is kept, or why not; at least one */
    size_t reason_count;
};

struct retention_plan {
    struct retention_verdict *snapshots; /* as in the catalog */
    size_t snapshot_count;
    size_t remove_count;
    bool *wal_kept; /* as in the WAL catalog */
    size_t wal_count;
    size_t wal_remove_count;
};

/* Gives *out. */
MUST_CHECK bool retention_plan(const struct retention_policy *policy,
                               const struct retention_input *input, struct retention_plan *out,
                               struct error *err);
void retention_plan_release(struct retention_plan *plan);

#endif
