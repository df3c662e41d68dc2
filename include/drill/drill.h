/*
 * A restore drill: proof that what the repository holds comes back. Plan first, then run: the plan
 * chooses target and snapshot, compares sizes with the space there is and finds the server's
 * binaries, before a byte is written.
 *
 * The run restores into a scratch directory, starts PostgreSQL of the same major on a socket that
 * only this user reaches, recovers, checks and measures, and leaves a proof. The server acts for
 * nobody else (drill/drill_server.h) and cannot outlive the drill.
 *
 * What cannot be made (binaries, space, a user) is an error; what the repository cannot give back
 * is a drill that failed, with a proof that names the first broken promise.
 */
#ifndef DRILL_DRILL_H
#define DRILL_DRILL_H

#include "base/clock.h"
#include "base/progress.h"
#include "base/random.h"
#include "drill/drill_assertion.h"
#include "drill/drill_proof.h"
#include "postgres/connection.h"
#include "repository/repository.h"
#include "restore/recovery_target.h"

#include <sys/types.h>

enum drill_choice {
    DRILL_LATEST, /* the end of the WAL, from the newest snapshot */
    DRILL_RANDOM, /* a point in a recoverable window, by the seed */
    DRILL_NAMED,  /* options.target */
};

struct drill_options {
    enum drill_choice choice;
    struct recovery_target target;
    uint64_t seed;             /* DRILL_RANDOM */
    const char *snapshot;      /* as for catalog_find; NULL: the best for the target */
    const char *scratch;       /* directory in which one of the drill's own is made */
    uint64_t scratch_limit;    /* bytes that the drill may take there; 0 = what is free */
    bool keep;                 /* leave the data directory behind */
    const char *binaries;      /* holds "postgres", or "MAJOR/bin/postgres" */
    const char *user;          /* who runs the server when this is root */
    const char *role;          /* superuser of the restored cluster */
    const char *preload;       /* shared_preload_libraries of the drill's server; "" = none */
    const char *database;      /* of assertions that name none */
    const char *get_command;   /* restore_command for the end of the WAL */
    const char *get_to_target; /* the same for a recovery with a target (wal get --pad-gap) */
    int64_t rto_goal_us;       /* 0 = no goal */
    int64_t rpo_goal_us;       /* 0 = no goal */
    int64_t amcheck_budget_us; /* 0 = none: everything is checked */
    int64_t timeout_us;        /* for the start and the recovery of the server */
    int threads;
    const struct drill_assertions *assertions;
    const struct connection_options *source; /* the server that is backed up; NULL: not asked */
    const char *program_version;
    const struct clock *clock;
    const struct random_source *random;
    struct progress *progress; /* NULL allowed */
};

/* What the source said when the drill began. */
struct drill_source {
    bool asked;        /* there is one */
    bool answered;     /* and it is this cluster */
    char problem[256]; /* why not */
    uint64_t flush_lsn;
};

struct drill_plan {
    char id[17];
    int64_t started_us;
    int64_t started_monotonic_us;
    int64_t duration_us;
    bool possible;    /* false: broken says what the repository cannot give */
    char broken[768]; /* with its hint */
    /* the choice */
    struct recovery_target target;
    uint64_t seed;
    char snapshot_id[17];
    int64_t snapshot_started_us;
    uint64_t snapshot_start_lsn;
    uint64_t system_identifier;
    int major;
    uint64_t wal_segment_bytes;
    bool data_checksums;
    uint32_t timeline;
    uint64_t reach;           /* up to where the WAL is there */
    uint64_t last_record_end; /* of the last record in it that is complete; 0 = not known */
    int64_t stored_us;        /* when the newest WAL (without any: the snapshot) was stored */
    uint32_t *tablespaces;    /* OIDs */
    size_t tablespace_count;
    /* the room */
    uint64_t bytes_total; /* of the data directory */
    uint64_t bytes_needed;
    uint64_t bytes_free;
    char *binaries; /* directory with "postgres"; NULL when not possible */
    bool change_user;
    uid_t uid;
    gid_t gid;
    struct drill_source source;
};

/* ERROR_REFUSED: no binaries of the major (names the package), no space, root without a user to
 * become, a path too long for a socket. Gives *out (drill_plan_release). */
MUST_CHECK bool drill_plan(const struct repository *repository, const struct drill_options *options,
                           struct drill_plan *out, struct error *err);
void drill_plan_release(struct drill_plan *plan);

/* Gives *out (drill_proof_release), passed or not. An error: the drill could not be made to its
 * end, and says nothing about the repository. */
MUST_CHECK bool drill_run(const struct repository *repository, const struct drill_options *options,
                          const struct drill_plan *plan, struct drill_proof *out,
                          struct error *err);

/* "latest", "random", "time", ...: as a proof has it. */
const char *drill_target_kind(const struct drill_options *options);

/* Where a random target may lie: any LSN from first to last, both included. */
struct drill_span {
    uint32_t timeline;
    uint64_t first_lsn;
    uint64_t last_lsn;
};
/* The same seed and spans give the same point. count is at least 1. *out_span: of which. */
uint64_t drill_choose_lsn(const struct drill_span *spans, size_t count, uint64_t seed,
                          size_t *out_span);

#endif
