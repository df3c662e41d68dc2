/*
 * What the daemon knows and shows: the one place that metrics, probes and alerts read. Plain data,
 * filled from the JSON of `mainstay status`, from the jobs and from the supervisor.
 */
#ifndef DAEMON_FACTS_H
#define DAEMON_FACTS_H

#include "daemon/job.h"
#include "store/store_meter.h"

struct facts {
    bool leader;
    uint64_t term; /* the last one in which it led; 0 = none */
    bool draining;
    int64_t started_us;
    /* the last status; nothing of it is known before the first one */
    bool has_status;
    int64_t status_us; /* when it was read */
    bool has_snapshot;
    uint64_t snapshot_count;
    uint64_t unreadable_count;
    uint64_t stored_bytes;
    int64_t snapshot_started_us;
    int64_t snapshot_finished_us;
    uint64_t snapshot_data_bytes;
    uint64_t snapshot_stored_bytes;
    bool has_wal;
    uint64_t wal_end_lsn;
    int64_t wal_stored_us;
    bool wal_gap;
    bool server_configured;
    bool server_reachable;
    uint64_t server_lsn;
    uint64_t lag_bytes;
    bool has_slot;
    uint64_t slot_retained_bytes;
    bool slot_limited; /* by max_slot_wal_keep_size: */
    uint64_t slot_safe_bytes;
    bool slot_unreserved;
    bool slot_lost;
    /* the moments that can be recovered; 0 = none */
    int64_t recoverable_first_us;
    int64_t recoverable_last_us;
    /* what ran, by the records in the repository; 0 = never */
    int64_t expire_last_us;
    int64_t verify_last_us;
    int64_t verified_since_us; /* everything was read since then */
    uint64_t verify_parts;
    uint64_t verify_parts_read;
    uint64_t verify_parts_damaged;
    /* restore drills, by their proofs in the repository; 0 = none */
    int64_t drill_last_us;
    int64_t drill_good_us;
    uint64_t drill_failures; /* since the last good one: */
    int64_t drill_duration_us;
    int64_t drill_rto_us; /* -1 = not measured */
    int64_t drill_rpo_us;
    /* all objects, counted less often than the rest */
    bool has_objects;
    uint64_t object_count;
    uint64_t object_bytes;
    const struct meter *meter; /* of the daemon and its children, borrowed; NULL = none */
    const struct job *jobs;    /* ROLE_COUNT of them, borrowed */
    uint64_t alerts_sent;
    uint64_t alerts_dropped;
};

/* Takes what `mainstay status --json` printed. ERROR_INVALID: facts are as they were. */
MUST_CHECK bool facts_take_status(struct facts *facts, const void *text, size_t len, int64_t now_us,
                                  struct error *err);

/* How long ago WAL was stored last while the server has more of it; 0 when nothing is missing. */
int64_t facts_wal_lag_us(const struct facts *facts, int64_t now_us);

/* Ready: the repository (and the server, where one is configured) was reached within three status
 * intervals, and this daemon leads. *out_why says what is missing. */
bool facts_ready(const struct facts *facts, int64_t now_us, int64_t interval_us,
                 const char **out_why);

#endif
