/* What the parts of the supervisor share: the jobs (supervisor_jobs.c), what is told to others
 * (supervisor_report.c), and the loop around them (supervisor.c). */
#ifndef DAEMON_SUPERVISOR_INTERNAL_H
#define DAEMON_SUPERVISOR_INTERNAL_H

#include "daemon/alert.h"
#include "daemon/courier.h"
#include "daemon/process.h"
#include "daemon/supervisor.h"
#include "net/http_server.h"

struct supervisor {
    const struct supervisor_options *options;
    struct settings settings;
    struct job jobs[ROLE_COUNT];
    struct process processes[ROLE_COUNT];
    int64_t kill_us[ROLE_COUNT]; /* monotonic: SIGKILL then; INT64_MAX = not */
    struct facts facts;
    struct meter *meter;
    bool resume;                      /* the next status says what ran last */
    uint64_t runs_before[ROLE_COUNT]; /* of each job, when this daemon began to lead */
    uint64_t gap_lsn;                 /* of the gap that a snapshot was started for; 0 = none */
    struct alert_state alerts;
    struct courier *courier;
    struct http_server *server; /* NULL: not listening */
    int signal_fd;
    bool ended;
    bool killed; /* something had to be killed while draining */
    int64_t watchdog_us;
    int64_t watchdog_next_us; /* monotonic */
};

struct job_time supervisor_now(void);

/* --- supervisor_jobs.c --- */

/* Sets up every job by the settings; with `before`, what did not change goes on as it is. */
void jobs_apply(struct supervisor *supervisor, const struct settings *before);
/* Starts what is due and may run, reads what the children print, kills what had its time. */
void jobs_run(struct supervisor *supervisor);
/* Waits for children that ended. */
void jobs_reap(struct supervisor *supervisor);
/* SIGTERM now, SIGKILL after the drain timeout. */
void job_stop(struct supervisor *supervisor, enum role_id role);
void jobs_stop_writers(struct supervisor *supervisor);
bool jobs_writers_run(const struct supervisor *supervisor);
bool jobs_any_run(const struct supervisor *supervisor);
/* How long nothing happens by itself, in microseconds. */
int64_t jobs_wait_us(const struct supervisor *supervisor);

/* --- supervisor_report.c --- */

/* Opens (or closes) the HTTP endpoint as the settings say. */
MUST_CHECK bool report_listen(struct supervisor *supervisor, struct error *err);
/* Raises and clears alerts. */
void report_alerts(struct supervisor *supervisor);
void report_heartbeat(struct supervisor *supervisor);
/* To systemd; failures are logged. */
void report_service(struct supervisor *supervisor, const char *state);

#endif
