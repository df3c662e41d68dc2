/*
 * One job of the daemon: when it starts, how it ended, when it is tried again. No processes here:
 * the supervisor says what happened and when, so that tests set the time.
 *
 * Two clocks: schedules follow the wall clock, pauses and durations the monotonic one. A job that
 * fails is tried again after a pause that doubles; a run that lasted HEALTHY (always-on jobs) or
 * ended well sets the pause back. What would fail again in the same way (wrong usage, damaged data,
 * a refusal) waits for the next scheduled time.
 */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "daemon/role.h"
#include "daemon/timetable.h"
#include "store/store_meter.h"

#define JOB_HEALTHY_US ((int64_t)60 * 1000000)

struct job_time {
    int64_t wall_us;
    int64_t monotonic_us;
};

struct job {
    const struct role *role;
    bool enabled;
    bool running;
    bool stopping;          /* we asked it to end: how it does is no failure */
    bool timed;             /* table is set */
    struct timetable table; /* ROLE_INTERVAL, ROLE_SCHEDULED */
    int64_t again_us;       /* monotonic: tried again then; INT64_MAX = not */
    int64_t started_us;     /* monotonic */
    /* what happened so far */
    uint64_t runs;
    uint64_t failures;
    uint64_t failures_in_row;
    uint64_t failures_by_kind[METER_KIND_COUNT]; /* by enum error_kind; ERROR_NONE: a signal */
    int last_exit_code;
    int64_t last_end_us; /* wall; 0 = never */
    int64_t last_success_us;
    int64_t last_duration_us;
};

void job_init(struct job *job, enum role_id role);
/* An always-on job: from now on it runs, or no longer. */
void job_enable(struct job *job, bool enabled, const struct job_time *now);
/* A timed job: from now on by this timetable. */
void job_schedule(struct job *job, const struct timetable *table);

/* True when it must be started now; it then counts as running. */
MUST_CHECK bool job_begin(struct job *job, const struct job_time *now);
/* It could not be started, or ended; `kind` says what it failed of (ERROR_NONE: not known). */
void job_end(struct job *job, int exit_code, enum error_kind kind, const struct job_time *now);
/* What an exit code alone says of a failure: ERROR_NONE for a signal. */
enum error_kind job_failure_kind(int exit_code);
/* How long nothing can begin by itself, in microseconds; INT64_MAX = for ever. */
int64_t job_wait_us(const struct job *job, const struct job_time *now);

/* Pause before the next attempt: doubles with each failure in a row. */
int64_t job_pause_us(const struct role *role, uint64_t failures_in_row);

#endif
