#include "daemon/metrics.h"

#include "daemon/version.h"

#include <inttypes.h>

struct moment {
    const struct facts *facts;
    const struct job_time *now;
};

/* False: not known, no sample. */
typedef bool (*fact_fn)(const struct moment *at, double *out);
typedef bool (*job_fn)(const struct moment *at, const struct job *job, double *out);

struct metric {
    const char *name;
    const char *type;
    const char *help;
    fact_fn fact; /* one sample; NULL: one for each job */
    job_fn job;
};

static bool give(bool known, double value, double *out)
{
    *out = value;
    return known;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static bool is_leader(const struct moment *at, double *out)
{
    return give(true, at->facts->leader, out);
}
static bool term(const struct moment *at, double *out)
{
    return give(at->facts->leader, (double)at->facts->term, out);
}
static bool start_time(const struct moment *at, double *out)
{
    return give(true, seconds(at->facts->started_us), out);
}
static bool status_time(const struct moment *at, double *out)
{
    return give(at->facts->has_status, seconds(at->facts->status_us), out);
}
static bool snapshots(const struct moment *at, double *out)
{
    return give(at->facts->has_status, (double)at->facts->snapshot_count, out);
}
static bool unreadable(const struct moment *at, double *out)
{
    return give(at->facts->has_status, (double)at->facts->unreadable_count, out);
}
static bool stored(const struct moment *at, double *out)
{
    return give(at->facts->has_status, (double)at->facts->stored_bytes, out);
}
static bool last_time(const struct moment *at, double *out)
{
    return give(at->facts->has_snapshot, seconds(at->facts->snapshot_finished_us), out);
}
static bool last_age(const struct moment *at, double *out)
{
    return give(at->facts->has_snapshot,
                seconds(at->now->wall_us - at->facts->snapshot_finished_us), out);
}
static bool last_duration(const struct moment *at, double *out)
{
    return give(at->facts->has_snapshot,
                seconds(at->facts->snapshot_finished_us - at->facts->snapshot_started_us), out);
}
static bool last_size(const struct moment *at, double *out)
{
    return give(at->facts->has_snapshot, (double)at->facts->snapshot_data_bytes, out);
}
static bool last_stored(const struct moment *at, double *out)
{
    return give(at->facts->has_snapshot, (double)at->facts->snapshot_stored_bytes, out);
}
static bool wal_position(const struct moment *at, double *out)
{
    return give(at->facts->has_wal, (double)at->facts->wal_end_lsn, out);
}
static bool wal_lag(const struct moment *at, double *out)
{
    return give(at->facts->has_wal && at->facts->server_reachable,
                seconds(facts_wal_lag_us(at->facts, at->now->wall_us)), out);
}
static bool wal_gap(const struct moment *at, double *out)
{
    return give(at->facts->has_wal, at->facts->wal_gap, out);
}
static bool server_up(const struct moment *at, double *out)
{
    return give(at->facts->server_configured, at->facts->server_reachable, out);
}
static bool server_lag(const struct moment *at, double *out)
{
    return give(at->facts->server_reachable, (double)at->facts->lag_bytes, out);
}
static bool slot_retained(const struct moment *at, double *out)
{
    return give(at->facts->server_reachable && at->facts->slots > 0,
                (double)at->facts->slot_retained_bytes, out);
}
static bool verify_ok(const struct moment *at, double *out)
{
    return give(at->facts->has_verify, at->facts->verify_ok, out);
}
static bool alerts_sent(const struct moment *at, double *out)
{
    return give(true, (double)at->facts->alerts_sent, out);
}
static bool alerts_dropped(const struct moment *at, double *out)
{
    return give(true, (double)at->facts->alerts_dropped, out);
}
static bool job_runs(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(true, (double)job->runs, out);
}
static bool job_failures(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(true, (double)job->failures, out);
}
static bool job_running(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(true, job->running, out);
}
static bool job_exit_code(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(job->last_end_us > 0, job->last_exit_code, out);
}
static bool job_success(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(job->last_success_us > 0, seconds(job->last_success_us), out);
}
static bool job_duration(const struct moment *at, const struct job *job, double *out)
{
    (void)at;
    return give(job->last_end_us > 0, seconds(job->last_duration_us), out);
}
static bool job_next(const struct moment *at, const struct job *job, double *out)
{
    int64_t wait_us = job_wait_us(job, at->now);
    return give(wait_us != INT64_MAX, seconds(at->now->wall_us + wait_us), out);
}

static const struct metric table[] = {
    {"mainstay_leader", "gauge", "Whether this daemon works; 0 is a standby.", is_leader, NULL},
    {"mainstay_term", "gauge", "Number of the term in which this daemon works.", term, NULL},
    {"mainstay_start_time_seconds", "gauge", "When the daemon started.", start_time, NULL},
    {"mainstay_status_time_seconds", "gauge", "When repository and server were looked at last.",
     status_time, NULL},
    {"mainstay_snapshots", "gauge", "Snapshots in the repository.", snapshots, NULL},
    {"mainstay_snapshots_unreadable", "gauge", "Snapshots whose manifest cannot be read.",
     unreadable, NULL},
    {"mainstay_snapshots_stored_bytes", "gauge", "What all snapshots together have stored.", stored,
     NULL},
    {"mainstay_last_snapshot_time_seconds", "gauge", "When the last good snapshot was finished.",
     last_time, NULL},
    {"mainstay_last_snapshot_age_seconds", "gauge", "Age of the last good snapshot.", last_age,
     NULL},
    {"mainstay_last_snapshot_duration_seconds", "gauge", "How long the last good snapshot took.",
     last_duration, NULL},
    {"mainstay_last_snapshot_size_bytes", "gauge", "What a restore of it writes.", last_size, NULL},
    {"mainstay_last_snapshot_stored_bytes", "gauge", "What it added to the repository.",
     last_stored, NULL},
    {"mainstay_wal_stored_lsn_bytes", "gauge", "WAL position up to which the repository has all.",
     wal_position, NULL},
    {"mainstay_wal_lag_seconds", "gauge",
     "Time since WAL was stored last while the server has more; 0 when nothing is missing.",
     wal_lag, NULL},
    {"mainstay_wal_lag_bytes", "gauge",
     "WAL of the server that the repository lacks (without stored WAL: since the last snapshot).",
     server_lag, NULL},
    {"mainstay_wal_gap", "gauge", "Whether the stored WAL has a hole.", wal_gap, NULL},
    {"mainstay_server_up", "gauge", "Whether the PostgreSQL server answered.", server_up, NULL},
    {"mainstay_slot_retained_bytes", "gauge", "WAL that our replication slots keep on the server.",
     slot_retained, NULL},
    {"mainstay_verify_ok", "gauge", "Whether the last verification found everything sound.",
     verify_ok, NULL},
    {"mainstay_alerts_sent_total", "counter", "Alerts and recoveries that were delivered.",
     alerts_sent, NULL},
    {"mainstay_alerts_dropped_total", "counter", "Alerts given up after many attempts.",
     alerts_dropped, NULL},
    {"mainstay_job_runs_total", "counter", "Starts of a job.", NULL, job_runs},
    {"mainstay_job_failures_total", "counter", "Runs of a job that failed.", NULL, job_failures},
    {"mainstay_job_running", "gauge", "Whether the job runs now.", NULL, job_running},
    {"mainstay_job_last_exit_code", "gauge", "Exit code of its last run; 128 + N for signal N.",
     NULL, job_exit_code},
    {"mainstay_job_last_success_time_seconds", "gauge", "When it ended well last.", NULL,
     job_success},
    {"mainstay_job_last_duration_seconds", "gauge", "How long its last run took.", NULL,
     job_duration},
    {"mainstay_job_next_start_time_seconds", "gauge", "When it starts next.", NULL, job_next},
};

static void put_head(const char *name, const char *type, const char *help, struct buf *out)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_jobs(const struct metric *metric, const struct moment *at, struct buf *out)
{
    double value;
    for (size_t i = 0; at->facts->jobs != NULL && i < ROLE_COUNT; i++) {
        const struct job *job = &at->facts->jobs[i];
        if (job->enabled && metric->job(at, job, &value))
            buf_printf(out, "%s{job=\"%s\"} %.17g\n", metric->name, job->role->name, value);
    }
}

void metrics_put(const struct facts *facts, const struct job_time *now, struct buf *out)
{
    const struct moment at = {.facts = facts, .now = now};
    double value;
    put_head("mainstay_build_info", "gauge", "Version of the daemon; always 1.", out);
    buf_printf(out, "mainstay_build_info{version=\"%s\"} 1\n", DAEMON_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct metric *metric = &table[i];
        put_head(metric->name, metric->type, metric->help, out);
        if (metric->fact == NULL)
            put_jobs(metric, &at, out);
        else if (metric->fact(&at, &value))
            buf_printf(out, "%s %.17g\n", metric->name, value);
    }
}
