/*
 * How large the next batch is, and whether the server has time for it: numbers in, numbers out.
 *
 * The time that one target takes is a moving average (weight 0.4, as GitLab's batched migrations
 * have it); the size follows it towards the target time, by a fifth at most for each batch upwards,
 * and is halved when a batch ran into a timeout. A waiting server wins over everything: any single
 * reason is enough to wait, and it is said which.
 */
#ifndef RUNBOOK_PACE_H
#define RUNBOOK_PACE_H

#include "runbook/runbook.h"

#include <stddef.h>

enum {
    PACE_MIN_BATCH = 10,
    PACE_MAX_BATCH = 5000,
    PACE_MAX_LOCK_WAITS = 5, /* sessions that wait for locks while we hold none */
    PACE_REASON_SIZE = 160,
};

struct run_pace {
    uint64_t batch; /* targets of the next one */
    uint64_t max_batch;
    int64_t target_us;
    int64_t max_replica_lag_us;   /* 0: not looked at */
    uint64_t max_active_backends; /* 0: not looked at */
    double us_per_target;         /* 0: not known yet */
    double us_between;            /* from one batch's end to the next one's, moving average */
};

/* What mainstay.load() says. */
struct server_load {
    uint64_t active;
    uint64_t lock_waits;
    int64_t replica_lag_us;
    bool sees_all; /* false: only lock_waits means something */
};

/* max_batch 0: PACE_MAX_BATCH; else what the adapter takes at once. */
void run_pace_init(struct run_pace *pace, const struct runbook_limits *limits, uint64_t max_batch);

/* A batch of so many targets took so long, and until its end so much time went by since the last
 * one's. Nothing is learned from a batch of less than half the wanted size but the rate. */
void run_pace_done(struct run_pace *pace, uint64_t targets, int64_t batch_us, int64_t between_us);
/* A batch was given up for a lock or statement timeout. */
void run_pace_timeout(struct run_pace *pace);

/* True when the next batch should wait; `reason` then says why, else it is "". */
bool run_pace_must_wait(const struct run_pace *pace, const struct server_load *load,
                        char reason[PACE_REASON_SIZE]);

/* Targets a second; 0 while not known. */
double run_pace_rate(const struct run_pace *pace);
/* How long the rest takes; 0 while not known, which it is below 1 % of the whole. */
int64_t run_pace_eta_us(const struct run_pace *pace, uint64_t done, uint64_t total);

#endif
