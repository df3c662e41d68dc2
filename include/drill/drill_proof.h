/*
 * What one restore drill did and found: plain data. drill_run fills it, the repository keeps it as
 * JSON ("drills/", FORMAT.md), and drill/drill_report.h makes reports for people from it.
 *
 * Times within the drill (offset_us, duration_us) are on the monotonic clock; -1 means not known or
 * not reached. All texts are owned by the proof and never NULL: "" means there is none.
 */
#ifndef DRILL_DRILL_PROOF_H
#define DRILL_DRILL_PROOF_H

#include "base/error.h"
#include "document/value.h"

#include <stddef.h>
#include <stdint.h>

/* Fetch and write overlap: both belong to one restore pipeline. */
enum drill_phase {
    DRILL_PLAN,   /* target chosen, sizes compared with the free space */
    DRILL_FETCH,  /* packs read from the store */
    DRILL_WRITE,  /* pages written, files synced */
    DRILL_START,  /* server started until it replays */
    DRILL_REPLAY, /* until the target is reached and the server answers */
    DRILL_CHECKS, /* everything below drill_proof.checks that is not measured before */
    DRILL_PHASE_COUNT
};

/* "plan", "fetch", "write", "start", "replay", "checks" */
const char *drill_phase_name(enum drill_phase phase);

enum drill_check_outcome { DRILL_CHECK_PASSED, DRILL_CHECK_FAILED, DRILL_CHECK_SKIPPED };

struct drill_check {
    char *name;     /* "pg_verifybackup", "rto", "assertion newest-ticket" */
    char *promise;  /* what it stands for, as a sentence without a full stop */
    char *expected; /* "at most 15 min" */
    char *found;    /* "17 min 3 s" */
    char *detail;   /* output of a tool, a share that was sampled, why it was skipped */
    enum drill_check_outcome outcome;
    int64_t duration_us;
};

struct drill_phase_time {
    int64_t offset_us; /* since the start of the drill */
    int64_t duration_us;
};

struct drill_proof {
    char id[17];        /* 16 hex digits */
    int64_t started_us; /* UTC, since 1970 */
    int64_t finished_us;
    bool passed;
    char *broken; /* the first broken promise, with its reason: a sentence; "" when passed */

    char repository_id[33];
    uint64_t system_identifier;
    char *server_version;  /* of the server that ran the drill: "15.18 (Debian ...)" */
    char *program_version; /* of Mainstay */
    char *host;            /* "2 processors, 24 GiB of memory" */
    char snapshot_id[17];  /* "" when none was found */
    int64_t snapshot_started_us;

    char *target_kind;  /* "latest", "random", "time", "name", "lsn", "xid", "immediate" */
    char *target_value; /* what was asked for, or what the seed chose */
    uint64_t seed;      /* of a random target; 0 otherwise */
    uint32_t timeline;  /* that recovery ended on */
    uint64_t reached_lsn;
    int64_t reached_us; /* last transaction replayed; -1 = not known */

    uint64_t bytes_total; /* of the data directory */
    uint64_t bytes_fetched;
    uint64_t bytes_written;
    uint64_t wal_bytes; /* replayed */

    int64_t rto_us;      /* from nothing to a server that answers queries */
    int64_t rto_goal_us; /* 0 = no goal */
    int64_t rpo_us;      /* what would have been lost had the source died at the start */
    int64_t rpo_goal_us; /* 0 = no goal */

    struct drill_phase_time phases[DRILL_PHASE_COUNT];
    struct drill_check *checks; /* in the order in which they were made */
    size_t check_count;
    char *kept; /* directory with the evidence; "" = nothing was kept */
};

/* Empty texts, all times -1. Cannot half succeed: on error there is nothing to release. */
MUST_CHECK bool drill_proof_init(struct drill_proof *proof, struct error *err);
void drill_proof_release(struct drill_proof *proof);

/* Puts a new value (malloc'd, NULL when memory was short) in the place of a text. Takes value. */
MUST_CHECK bool drill_proof_set(char **text, char *value, struct error *err);
/* Appends a check, skipped until somebody says otherwise. Borrowed from the proof until the next
 * one is added; NULL when memory is short. */
MUST_CHECK struct drill_check *drill_proof_add_check(struct drill_proof *proof, const char *name,
                                                     const char *promise, struct error *err);

/* What is longer is cut when it is stored. */
enum { DRILL_TEXT_MAX = 4000 };

/* As the JSON object that is stored: members of "drills/" in FORMAT.md. Gives a new value. */
MUST_CHECK struct value *drill_proof_to_value(const struct drill_proof *proof, struct error *err);
/* Unknown members are ignored. ERROR_CORRUPT with what is missing or of the wrong shape. */
MUST_CHECK bool drill_proof_from_value(const struct value *value, struct drill_proof *out,
                                       struct error *err);

#endif
