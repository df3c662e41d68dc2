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
static bool has_slot(const struct moment *at)
{
    return at->facts->server_reachable && at->facts->has_slot;
}
static bool slot_retained(const struct moment *at, double *out)
{
    return give(has_slot(at), (double)at->facts->slot_retained_bytes, out);
}
static bool slot_safe(const struct moment *at, double *out)
{
    return give(has_slot(at) && at->facts->slot_limited, (double)at->facts->slot_safe_bytes, out);
}
static bool slot_lost(const struct moment *at, double *out)
{
    return give(has_slot(at), at->facts->slot_lost, out);
}
static bool first_point(const struct moment *at, double *out)
{
    return give(at->facts->recoverable_first_us > 0, seconds(at->facts->recoverable_first_us), out);
}
static bool last_point(const struct moment *at, double *out)
{
    return give(at->facts->recoverable_last_us > 0, seconds(at->facts->recoverable_last_us), out);
}
static bool objects(const struct moment *at, double *out)
{
    return give(at->facts->has_objects, (double)at->facts->object_count, out);
}
static bool object_bytes(const struct moment *at, double *out)
{
    return give(at->facts->has_objects, (double)at->facts->object_bytes, out);
}
static bool verify_ok(const struct moment *at, double *out)
{
    return give(at->facts->verify_last_us > 0, at->facts->verify_parts_damaged == 0, out);
}
static bool verify_time(const struct moment *at, double *out)
{
    return give(at->facts->verify_last_us > 0, seconds(at->facts->verify_last_us), out);
}
static bool verified_since(const struct moment *at, double *out)
{
    return give(at->facts->verified_since_us > 0, seconds(at->facts->verified_since_us), out);
}
static bool verify_parts(const struct moment *at, double *out)
{
    return give(at->facts->verify_last_us > 0, (double)at->facts->verify_parts, out);
}
static bool verify_read(const struct moment *at, double *out)
{
    return give(at->facts->verify_last_us > 0, (double)at->facts->verify_parts_read, out);
}
static bool verify_damaged(const struct moment *at, double *out)
{
    return give(at->facts->verify_last_us > 0, (double)at->facts->verify_parts_damaged, out);
}
static bool expire_time(const struct moment *at, double *out)
{
    return give(at->facts->expire_last_us > 0, seconds(at->facts->expire_last_us), out);
}
static bool has_drill(const struct moment *at)
{
    return at->facts->drill_good_us > 0;
}
static bool drill_ok(const struct moment *at, double *out)
{
    return give(at->facts->drill_last_us > 0, at->facts->drill_failures == 0, out);
}
static bool drill_failures(const struct moment *at, double *out)
{
    return give(at->facts->drill_last_us > 0, (double)at->facts->drill_failures, out);
}
static bool drill_time(const struct moment *at, double *out)
{
    return give(at->facts->drill_last_us > 0, seconds(at->facts->drill_last_us), out);
}
static bool drill_age(const struct moment *at, double *out)
{
    return give(has_drill(at), seconds(at->now->wall_us - at->facts->drill_good_us), out);
}
static bool drill_duration(const struct moment *at, double *out)
{
    return give(has_drill(at), seconds(at->facts->drill_duration_us), out);
}
static bool drill_rto(const struct moment *at, double *out)
{
    return give(has_drill(at) && at->facts->drill_rto_us >= 0, seconds(at->facts->drill_rto_us),
                out);
}
static bool drill_rpo(const struct moment *at, double *out)
{
    return give(has_drill(at) && at->facts->drill_rpo_us >= 0, seconds(at->facts->drill_rpo_us),
                out);
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
    {"mainstay_first_recoverable_time_seconds", "gauge",
     "The earliest moment that can be recovered: the end of the oldest good snapshot.", first_point,
     NULL},
    {"mainstay_last_recoverable_time_seconds", "gauge",
     "The latest moment that can be recovered: when WAL was stored last, without a hole.",
     last_point, NULL},
    {"mainstay_slot_retained_bytes", "gauge", "WAL that our replication slot keeps on the server.",
     slot_retained, NULL},
    {"mainstay_slot_safe_bytes", "gauge",
     "WAL that may still be written before max_slot_wal_keep_size takes the slot; absent without a "
     "limit.",
     slot_safe, NULL},
    {"mainstay_slot_lost", "gauge", "Whether the server removed WAL that the slot needs.",
     slot_lost, NULL},
    {"mainstay_repository_objects", "gauge", "Objects in the repository, when counted last.",
     objects, NULL},
    {"mainstay_repository_size_bytes", "gauge", "Size of all of them.", object_bytes, NULL},
    {"mainstay_verify_ok", "gauge", "Whether no part of the repository is known to be damaged.",
     verify_ok, NULL},
    {"mainstay_last_verify_time_seconds", "gauge", "When a verification began last.", verify_time,
     NULL},
    {"mainstay_verified_since_time_seconds", "gauge",
     "Everything in the repository was read then or later; absent until it was.", verified_since,
     NULL},
    {"mainstay_verify_parts", "gauge", "Parts into which verification divides the repository.",
     verify_parts, NULL},
    {"mainstay_verify_parts_read", "gauge", "Those that were ever read.", verify_read, NULL},
    {"mainstay_verify_parts_damaged", "gauge", "Those that were damaged when read last.",
     verify_damaged, NULL},
    {"mainstay_last_expire_time_seconds", "gauge", "When a clean-up began last.", expire_time,
     NULL},
    {"mainstay_drill_ok", "gauge", "Whether the last restore drill passed.", drill_ok, NULL},
    {"mainstay_drill_failures", "gauge", "Restore drills that failed since the last good one.",
     drill_failures, NULL},
    {"mainstay_last_drill_time_seconds", "gauge", "When a restore drill began last.", drill_time,
     NULL},
    {"mainstay_last_good_drill_age_seconds", "gauge", "Age of the last good restore drill.",
     drill_age, NULL},
    {"mainstay_last_good_drill_duration_seconds", "gauge", "How long it took, checks included.",
     drill_duration, NULL},
    {"mainstay_drill_rto_seconds", "gauge",
     "From nothing to a server that answers, in the last good restore drill.", drill_rto, NULL},
    {"mainstay_drill_rpo_seconds", "gauge",
     "What would have been lost had the source died when it began.", drill_rpo, NULL},
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

static void put_failures(const struct facts *facts, struct buf *out)
{
    static const char name[] = "mainstay_job_failures_by_kind_total";
    put_head(name, "counter", "Failures of a job by what failed.", out);
    for (size_t i = 0; facts->jobs != NULL && i < ROLE_COUNT; i++) {
        const struct job *job = &facts->jobs[i];
        for (size_t kind = 0; kind < METER_KIND_COUNT; kind++) {
            if (job->failures_by_kind[kind] > 0)
                buf_printf(out, "%s{job=\"%s\",kind=\"%s\"} %" PRIu64 "\n", name, job->role->name,
                           kind == ERROR_NONE ? "signal" : error_kind_name((enum error_kind)kind),
                           job->failures_by_kind[kind]);
        }
    }
}

static void put_durations(const struct meter_counts *counts, const char *operation, struct buf *out)
{
    static const char name[] = "mainstay_store_request_duration_seconds";
    for (size_t i = 0; i < METER_BOUND_COUNT; i++)
        buf_printf(out, "%s_bucket{operation=\"%s\",le=\"%.17g\"} %" PRIu64 "\n", name, operation,
                   seconds(meter_bounds_us[i]), counts->within[i]);
    buf_printf(out, "%s_bucket{operation=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, operation,
               counts->requests);
    buf_printf(out, "%s_sum{operation=\"%s\"} %.17g\n", name, operation,
               (double)counts->total_us / 1e6);
    buf_printf(out, "%s_count{operation=\"%s\"} %" PRIu64 "\n", name, operation, counts->requests);
}

static void put_errors(const struct meter_counts *counts, const char *operation, struct buf *out)
{
    for (size_t kind = ERROR_NONE + 1; kind < METER_KIND_COUNT; kind++) {
        if (counts->errors[kind] > 0)
            buf_printf(out,
                       "mainstay_store_errors_total{operation=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
                       operation, error_kind_name((enum error_kind)kind), counts->errors[kind]);
    }
}

/* What the daemon's children asked of the store. Read once: counters move while they are printed,
 * and the parts of a histogram must agree. */
static void put_store(const struct meter *meter, struct buf *out)
{
    uint64_t sent = 0;
    uint64_t received = 0;
    struct meter_counts counts[METER_OPERATION_COUNT];
    for (size_t i = 0; i < METER_OPERATION_COUNT; i++) {
        meter_read(meter, (enum meter_operation)i, &counts[i]);
        sent += counts[i].sent_bytes;
        received += counts[i].received_bytes;
    }
    put_head("mainstay_store_requests_total", "counter", "Requests to the store, retries too.",
             out);
    for (size_t i = 0; i < METER_OPERATION_COUNT; i++)
        buf_printf(out, "mainstay_store_requests_total{operation=\"%s\"} %" PRIu64 "\n",
                   meter_operation_name((enum meter_operation)i), counts[i].requests);
    put_head("mainstay_store_errors_total", "counter", "Those that failed, by what failed.", out);
    for (size_t i = 0; i < METER_OPERATION_COUNT; i++)
        put_errors(&counts[i], meter_operation_name((enum meter_operation)i), out);
    put_head("mainstay_store_request_duration_seconds", "histogram",
             "How long requests to the store took.", out);
    for (size_t i = 0; i < METER_OPERATION_COUNT; i++)
        put_durations(&counts[i], meter_operation_name((enum meter_operation)i), out);
    put_head("mainstay_store_sent_bytes_total", "counter", "Bytes of objects stored.", out);
    buf_printf(out, "mainstay_store_sent_bytes_total %" PRIu64 "\n", sent);
    put_head("mainstay_store_received_bytes_total", "counter", "Bytes of objects read.", out);
    buf_printf(out, "mainstay_store_received_bytes_total %" PRIu64 "\n", received);
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
    put_failures(facts, out);
    if (facts->meter != NULL)
        put_store(facts->meter, out);
}
