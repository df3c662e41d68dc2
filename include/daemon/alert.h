/*
 * Conditions that somebody must know about, and the moments at which they begin and end. Each is
 * raised once and cleared once, however often it is looked at; nothing is said about what was never
 * wrong. Only the daemon that leads raises alerts, except for what keeps everybody from leading.
 */
#ifndef DAEMON_ALERT_H
#define DAEMON_ALERT_H

#include "daemon/facts.h"

enum alert_kind {
    ALERT_SNAPSHOT_STALE,
    ALERT_WAL_LAG,
    ALERT_WAL_GAP,
    ALERT_SLOT_DANGER,
    ALERT_VERIFY_FAILED,
    ALERT_DRILL_STALE,
    ALERT_DRILL_FAILED,
    ALERT_UNREADABLE,
    ALERT_STORE_DOWN,
    ALERT_SERVER_DOWN,
    ALERT_JOB_FIRST, /* one for each role behind it */
    ALERT_COUNT = ALERT_JOB_FIRST + ROLE_COUNT,
};

enum { ALERT_TEXT_SIZE = 512, ALERT_NAME_SIZE = 40 };

struct alert_limits {
    int64_t snapshot_age_us; /* 0 = never an alert */
    int64_t wal_lag_us;      /* 0 = never an alert */
    int64_t drill_age_us;    /* 0 = never an alert */
    uint64_t failures;       /* of a job in a row */
    bool takes_snapshots;    /* only then no snapshot at all is stale */
    bool holds_drills;       /* only then no drill at all is stale */
};

/* A change to be told. */
struct alert {
    char name[ALERT_NAME_SIZE]; /* stable: "snapshot-stale", "job-failed-verify" */
    bool raised;                /* false: it is over */
    int64_t since_us;           /* when it was raised */
    int64_t now_us;
    char text[ALERT_TEXT_SIZE];
};

struct alert_state {
    bool raised[ALERT_COUNT];
    int64_t since_us[ALERT_COUNT];
};

/* Looks at everything and gives what changed since the last time (at most ALERT_COUNT). */
size_t alert_update(struct alert_state *state, const struct facts *facts,
                    const struct alert_limits *limits, int64_t now_us,
                    struct alert out[ALERT_COUNT]);

#endif
