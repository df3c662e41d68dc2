/*
 * The runs of one scheduled job: each fire of its cron expression once, late by the jitter, one at
 * a time. What came due while the job was running (or the machine slept) runs once afterwards,
 * however often it came due. A wall clock that is set back repeats nothing: the next run counts
 * from the fire that was served last, unless the clock was wrong by more than a day.
 *
 * Times are microseconds since 1970 of the wall clock, given by the caller.
 */
#ifndef DAEMON_TIMETABLE_H
#define DAEMON_TIMETABLE_H

#include "base/random.h"
#include "daemon/cron.h"

struct timetable {
    struct cron cron;
    const struct time_zone *zone; /* borrowed */
    const struct random_source *random;
    int64_t jitter_us; /* at most; 0 = none */
    int64_t due_us;    /* the fire that is waited for; INT64_MAX = there is none */
    int64_t start_us;  /* due_us with its jitter */
    int64_t latest_us; /* the wall clock at its farthest */
    bool running;
};

/* Begins after `now_us`. */
void timetable_init(struct timetable *table, const struct cron *cron, const struct time_zone *zone,
                    int64_t jitter_us, const struct random_source *random, int64_t now_us);
/* The job ran last at this time, as the outside world remembers: a fire that was missed since then
 * is due now, once; one that was served already, before the clock was set back, is not due again.
 */
void timetable_resume(struct timetable *table, int64_t last_run_us, int64_t now_us);

/* True when the job must start now; it then counts as running until timetable_end. */
MUST_CHECK bool timetable_begin(struct timetable *table, int64_t now_us);
/* It starts now anyway (tried again after a failure): that serves what has come due, also what its
 * jitter still holds back. */
void timetable_serve(struct timetable *table, int64_t now_us);
void timetable_end(struct timetable *table);

/* When timetable_begin can be true next; INT64_MAX while the job runs. */
int64_t timetable_wake_us(const struct timetable *table);

#endif
