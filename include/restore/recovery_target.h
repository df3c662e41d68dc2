/*
 * Up to where a recovery goes, and on which timeline: what a person writes, checked before anything
 * else is looked at. Source of the meanings: PostgreSQL's documentation, "Recovery Target".
 */
#ifndef RESTORE_RECOVERY_TARGET_H
#define RESTORE_RECOVERY_TARGET_H

#include "repository/restore_point.h"

#include <stdint.h>

enum recovery_target_kind {
    TARGET_NONE,      /* the snapshot alone, with the WAL that it includes */
    TARGET_LATEST,    /* to the end of the WAL that is there */
    TARGET_IMMEDIATE, /* as soon as the snapshot is consistent */
    TARGET_TIME,
    TARGET_LSN,
    TARGET_NAME, /* a restore point */
    TARGET_XID,
};

enum recovery_timeline {
    TIMELINE_LATEST,  /* the newest one that the repository knows */
    TIMELINE_CURRENT, /* the one of the snapshot (of a restore point: the one it was made on) */
    TIMELINE_NUMBER,
};

enum recovery_action { ACTION_PROMOTE, ACTION_PAUSE, ACTION_SHUTDOWN };

struct recovery_target {
    enum recovery_target_kind kind;
    bool exclusive;          /* stop just before it: time, LSN and xid only */
    int64_t time_us;         /* since 1970 UTC */
    uint64_t lsn;            /* of a restore point too, once it was looked up; 0 = not known */
    uint32_t point_timeline; /* of a restore point that was looked up */
    uint32_t xid;
    char name[RESTORE_POINT_NAME_MAX + 1];
    enum recovery_timeline timeline;
    uint32_t timeline_number; /* TIMELINE_NUMBER */
    enum recovery_action action;
    bool standby; /* go on following the primary: no target, no action */
};

/* As a command line has it: NULL = not given. */
struct recovery_target_texts {
    const char *time;     /* "2026-03-01 12:00:05+01:00"; a zone is required */
    const char *lsn;      /* "16/B374D848" */
    const char *name;     /* letters, digits, "-", "_", "." */
    const char *xid;      /* decimal */
    const char *timeline; /* "latest", "current", "3" */
    const char *action;   /* "promote", "pause", "shutdown" */
    bool immediate;
    bool latest;
    bool exclusive;
    bool standby;
};

/* ERROR_USAGE names the flag and shows what to write: several targets, a time without a zone or
 * with the name of one, an exclusive target that has no "just before", a standby with a target. */
MUST_CHECK bool recovery_target_parse(const struct recovery_target_texts *texts,
                                      struct recovery_target *out, struct error *err);

enum { TARGET_TEXT_SIZE = 128 };

/* "time 2026-03-01T11:00:05.250000Z", "LSN 16/B374D848", "the end of the WAL". Returns out. */
const char *recovery_target_text(const struct recovery_target *target, char out[TARGET_TEXT_SIZE]);
/* "2026-03-01 11:00:05.250000+00", as PostgreSQL reads it. Returns out. */
const char *recovery_target_time_text(int64_t time_us, char out[TARGET_TEXT_SIZE]);

#endif
