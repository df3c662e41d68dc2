/*
 * What the daemon runs: one row for each job. A job is the same command that people run, in a child
 * with the same configuration file and environment; a crash in one never stops another.
 */
#ifndef DAEMON_ROLE_H
#define DAEMON_ROLE_H

#include "config/config_table.h"

#include <stdbool.h>

enum role_id {
    ROLE_LEADER, /* holds the lock that makes this daemon the one that works */
    ROLE_STATUS, /* what metrics and alerts know */
    ROLE_COUNT_OBJECTS,
    ROLE_WAL_STREAM,
    ROLE_SNAPSHOT,
    ROLE_VERIFY,
    ROLE_EXPIRE,
    ROLE_DRILL,
    ROLE_DISPATCH, /* sends what runbooks queued for webhooks */
    ROLE_COUNT,
};

enum role_policy {
    ROLE_ALWAYS,    /* restarted whenever it ends */
    ROLE_INTERVAL,  /* every so often, from the start on */
    ROLE_SCHEDULED, /* by a cron expression; a failed run is tried again */
};

enum { ROLE_WORDS_MAX = 6 };

struct role {
    const char *name; /* in metrics, alerts and logs */
    enum role_policy policy;
    bool own;                          /* the daemon's own program, else `mainstay` */
    const char *words[ROLE_WORDS_MAX]; /* of the command line, behind the program */
    bool has_option;                   /* option: the schedule, the interval, or whether at all */
    enum option_id option;
    bool standby;         /* runs without the lock too */
    bool fenced;          /* takes --term n, the daemon's */
    bool subset;          /* takes --subset next/m */
    int64_t pause_us;     /* before it is started again after a failure; doubles each time */
    int64_t pause_max_us; /* up to this */
};

const struct role *role_row(enum role_id id);

#endif
