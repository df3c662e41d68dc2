#include "supervisor_internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "daemon/leader.h"
#include "document/value.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { ARGUMENTS_MAX = ROLE_WORDS_MAX + 8, NUMBER_SIZE = 32, RESUME_ATTEMPTS = 3 };

/* --- settings
 * -------------------------------------------------------------------------------------- */

static bool same_option(const struct settings *a, const struct settings *b, enum option_id id)
{
    const char *left = config_text(&a->config, id);
    const char *right = config_text(&b->config, id);
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

static void schedule(struct supervisor *supervisor, enum role_id role,
                     const struct settings *before, const struct job_time *now)
{
    struct settings *settings = &supervisor->settings;
    struct job *job = &supervisor->jobs[role];
    struct timetable table;
    bool kept = before != NULL && job->timed && same_option(before, settings, job->role->option) &&
                same_option(before, settings, OPTION_DAEMON_TIME_ZONE);
    if (kept) {
        job->table.zone = settings->zone;
        job->table.jitter_us = config_amount(&settings->config, OPTION_DAEMON_JITTER);
        return;
    }
    bool interval = job->role->policy == ROLE_INTERVAL;
    int64_t jitter_us = interval ? 0 : config_amount(&settings->config, OPTION_DAEMON_JITTER);
    timetable_init(&table, &settings->crons[role], settings->zone, jitter_us, &random_system,
                   now->wall_us);
    job_schedule(job, &table);
    if (interval)
        job->again_us = now->monotonic_us;
}

static void apply(struct supervisor *supervisor, enum role_id role, const struct settings *before,
                  const struct job_time *now)
{
    struct job *job = &supervisor->jobs[role];
    const struct role *row = job->role;
    if (supervisor->settings.scheduled[role]) {
        schedule(supervisor, role, before, now);
        return;
    }
    bool on = row->policy == ROLE_ALWAYS &&
              (!row->has_option || config_bool(&supervisor->settings.config, row->option));
    job->timed = false;
    job_enable(job, on, now);
    if (!on && job->running)
        job_stop(supervisor, role);
}

void jobs_apply(struct supervisor *supervisor, const struct settings *before)
{
    struct job_time now = supervisor_now();
    for (size_t i = 0; i < ROLE_COUNT; i++)
        apply(supervisor, (enum role_id)i, before, &now);
}

/* --- starting and stopping
 * ------------------------------------------------------------------------- */

bool jobs_writers_run(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (supervisor->jobs[i].running && !supervisor->jobs[i].role->standby)
            return true;
    }
    return false;
}

bool jobs_any_run(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (supervisor->jobs[i].running)
            return true;
    }
    return false;
}

void job_stop(struct supervisor *supervisor, enum role_id role)
{
    struct job *job = &supervisor->jobs[role];
    if (!job->running || job->stopping)
        return;
    job->stopping = true;
    process_signal(&supervisor->processes[role], SIGTERM);
    supervisor->kill_us[role] = supervisor_now().monotonic_us +
                                config_amount(&supervisor->settings.config,
                                              OPTION_DAEMON_DRAIN_TIMEOUT);
}

void jobs_stop_writers(struct supervisor *supervisor)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (!supervisor->jobs[i].role->standby)
            job_stop(supervisor, (enum role_id)i);
    }
}

/* Nobody but the leader writes; the lock is asked for only when nobody writes any more. */
static bool may_run(const struct supervisor *supervisor, enum role_id role)
{
    if (supervisor->facts.draining)
        return false;
    if (role == ROLE_LEADER)
        return !jobs_writers_run(supervisor);
    /* Not before the store has said what ran last, or has been asked for it often enough. */
    if (role_row(role)->policy == ROLE_SCHEDULED && supervisor->resume &&
        supervisor->jobs[ROLE_STATUS].failures_in_row < RESUME_ATTEMPTS)
        return false;
    return role_row(role)->standby || supervisor->facts.leader;
}

static bool start(struct supervisor *supervisor, enum role_id role, struct error *err)
{
    const char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    char part[NUMBER_SIZE];
    char term[NUMBER_SIZE];
    size_t count = 0;
    const struct role *row = role_row(role);
    arguments[count++] = row->own ? supervisor->options->own_program : supervisor->options->program;
    for (size_t i = 0; i < ROLE_WORDS_MAX && row->words[i] != NULL; i++)
        arguments[count++] = row->words[i];
    if (row->subset) {
        (void)snprintf(part, sizeof part, "next/%" PRId64,
                       config_amount(&supervisor->settings.config, OPTION_DAEMON_VERIFY_RUNS));
        arguments[count++] = "--subset";
        arguments[count++] = part;
    }
    if (row->fenced) {
        (void)snprintf(term, sizeof term, "%" PRIu64, supervisor->facts.term);
        arguments[count++] = "--term";
        arguments[count++] = term;
    }
    if (supervisor->settings.config.file != NULL) {
        arguments[count++] = "--config";
        arguments[count++] = supervisor->settings.config.file;
    }
    union { /* execv takes what it does not change */
        const char *const *given;
        char *const *taken;
    } argv = {.given = arguments};
    log_event(LOG_DEBUG, "job.started", "%s started", row->name);
    return process_start(&supervisor->processes[role], argv.taken, err);
}

static void start_due(struct supervisor *supervisor)
{
    struct error err;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        struct job_time now = supervisor_now();
        if (!may_run(supervisor, (enum role_id)i) || !job_begin(&supervisor->jobs[i], &now))
            continue;
        if (start(supervisor, (enum role_id)i, &err))
            continue;
        log_error("job.unstartable", &err);
        job_end(&supervisor->jobs[i], 127, err.kind, &now);
    }
}

static void become_leader(struct supervisor *supervisor, uint64_t term)
{
    struct job_time now = supervisor_now();
    log_event(LOG_INFO, "daemon.leader",
              "this daemon works on the repository now (term %" PRIu64 ")", term);
    supervisor->facts.leader = true;
    supervisor->facts.term = term;
    supervisor->resume = true;
    /* What came due before was another daemon's. */
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        struct job *job = &supervisor->jobs[i];
        supervisor->runs_before[i] = job->runs;
        if (job->timed && !job->role->standby)
            timetable_init(&job->table, &supervisor->settings.crons[i], supervisor->settings.zone,
                           job->table.jitter_us, &random_system, now.wall_us);
    }
    supervisor->jobs[ROLE_STATUS].again_us = now.monotonic_us;
}

static void read_output(struct supervisor *supervisor)
{
    for (size_t i = 0; i < ROLE_COUNT; i++)
        process_read(&supervisor->processes[i]);
    struct process *leader = &supervisor->processes[ROLE_LEADER];
    uint64_t term;
    const char *said = buf_text(&leader->out);
    bool holds = leader->pid > 0 && said != NULL && leader_parse(said, &term);
    if (holds && !supervisor->facts.leader && !supervisor->facts.draining)
        become_leader(supervisor, term);
}

static void kill_overdue(struct supervisor *supervisor)
{
    int64_t now_us = supervisor_now().monotonic_us;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (!supervisor->jobs[i].running || now_us < supervisor->kill_us[i])
            continue;
        log_event(LOG_WARNING, "job.killed", "%s did not end in time: killed",
                  supervisor->jobs[i].role->name);
        process_signal(&supervisor->processes[i], SIGKILL);
        supervisor->kill_us[i] = INT64_MAX;
        supervisor->killed = true;
    }
}

void jobs_run(struct supervisor *supervisor)
{
    read_output(supervisor);
    kill_overdue(supervisor);
    start_due(supervisor);
}

int64_t jobs_wait_us(const struct supervisor *supervisor)
{
    struct job_time now = supervisor_now();
    int64_t wait_us = INT64_MAX;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        int64_t until_us = INT64_MAX;
        if (supervisor->jobs[i].running && supervisor->kill_us[i] != INT64_MAX)
            until_us = supervisor->kill_us[i] - now.monotonic_us;
        else if (may_run(supervisor, (enum role_id)i))
            until_us = job_wait_us(&supervisor->jobs[i], &now);
        wait_us = until_us < wait_us ? until_us : wait_us;
    }
    return wait_us < 0 ? 0 : wait_us;
}

/* --- results
 * --------------------------------------------------------------------------------------- */

/* Of {"error": {"kind": ..., "message": ...}}, if that is what it printed. */
struct failure {
    struct value *root;
    const char *message;  /* borrowed from it; "" */
    enum error_kind kind; /* ERROR_NONE: it did not say */
};

static void failure_release(struct failure *failure)
{
    value_free(failure->root);
}

static enum error_kind kind_of_name(const char *name)
{
    enum error_kind kind = ERROR_NONE;
    for (int i = ERROR_NONE + 1; i < METER_KIND_COUNT; i++) {
        if (strcmp(error_kind_name((enum error_kind)i), name) == 0)
            kind = (enum error_kind)i;
    }
    return kind;
}

static void read_failure(const struct process *process, struct failure *out)
{
    struct error ignored;
    const struct value *inner = NULL;
    const char *kind;
    *out = (struct failure){.message = ""};
    if (process->out.len == 0 || process->cut)
        return;
    out->root = value_parse(process->out.data, process->out.len, PROCESS_OUTPUT_MAX_BYTES, "output",
                            &ignored);
    if (out->root == NULL || !value_is_object(out->root) ||
        !value_find_object(out->root, "error", &inner, &ignored) || inner == NULL)
        return;
    if (!value_get_text(inner, "message", &out->message, &ignored))
        out->message = "";
    if (value_get_text(inner, "kind", &kind, &ignored))
        out->kind = kind_of_name(kind);
}

static void log_failure(const struct job *job, const struct failure *failure, int exit_code)
{
    log_event(LOG_WARNING, "job.failed", "%s failed with exit code %d, %" PRIu64 " %s in a row%s%s",
              job->role->name, exit_code, job->failures_in_row,
              text_plural(job->failures_in_row, "time", "times"),
              failure->message[0] == '\0' ? "" : ": ", failure->message);
}

/* What came due since the last run is due now. A repository without any snapshot gets one at once;
 * what never ran otherwise waits for its time. */
static void resume_schedules(struct supervisor *supervisor, const struct job_time *now)
{
    const struct facts *facts = &supervisor->facts;
    const struct {
        enum role_id role;
        bool known;
        int64_t last_us;
    } last[] = {
        {ROLE_SNAPSHOT, true, facts->has_snapshot ? facts->snapshot_started_us : 0},
        {ROLE_VERIFY, facts->verify_last_us > 0, facts->verify_last_us},
        {ROLE_EXPIRE, facts->expire_last_us > 0, facts->expire_last_us},
        {ROLE_DRILL, facts->drill_last_us > 0, facts->drill_last_us},
    };
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        struct job *job = &supervisor->jobs[last[i].role];
        bool untouched = !job->running && job->runs == supervisor->runs_before[last[i].role];
        if (job->timed && last[i].known && untouched)
            timetable_resume(&job->table, last[i].last_us, now->wall_us);
    }
    supervisor->resume = false;
}

/* Recovery cannot go through a gap: what lies behind it needs a snapshot of its own, once. */
static void answer_gap(struct supervisor *supervisor)
{
    const struct facts *facts = &supervisor->facts;
    struct job *snapshot = &supervisor->jobs[ROLE_SNAPSHOT];
    if (!facts->has_wal || !facts->wal_gap || facts->wal_end_lsn == supervisor->gap_lsn ||
        !snapshot->timed || snapshot->running)
        return;
    log_event(LOG_WARNING, "daemon.gap",
              "the stored WAL has a gap: a snapshot is taken now, besides the schedule");
    supervisor->gap_lsn = facts->wal_end_lsn;
    snapshot->again_us = supervisor_now().monotonic_us;
}

static void take_status(struct supervisor *supervisor, enum role_id role)
{
    struct error err;
    struct job_time now = supervisor_now();
    const struct process *process = &supervisor->processes[role];
    if (!facts_take_status(&supervisor->facts, process->out.data, process->out.len, now.wall_us,
                           &err)) {
        log_error("daemon.status", &err);
        return;
    }
    if (!supervisor->facts.leader)
        return;
    if (supervisor->resume)
        resume_schedules(supervisor, &now);
    answer_gap(supervisor);
}

static void take_leader(struct supervisor *supervisor)
{
    if (supervisor->facts.leader && !supervisor->facts.draining)
        log_event(LOG_WARNING, "daemon.deposed",
                  "the term is lost: this daemon no longer works on the repository");
    supervisor->facts.leader = false;
    if (!supervisor->facts.draining)
        jobs_stop_writers(supervisor);
}

static void take_result(struct supervisor *supervisor, enum role_id role, int exit_code,
                        const struct failure *failure, bool stopped)
{
    const struct job *job = &supervisor->jobs[role];
    char took[TEXT_SIZE];
    bool always = job->role->policy == ROLE_ALWAYS;
    if (!stopped && (exit_code != 0 || always))
        log_failure(job, failure, exit_code);
    else if (job->role->policy == ROLE_SCHEDULED || stopped)
        log_event(LOG_INFO, "job.finished", "%s %s after %s", job->role->name,
                  stopped ? "was stopped" : "finished",
                  text_duration_us(job->last_duration_us, took));
    if (role == ROLE_LEADER)
        take_leader(supervisor);
    if (stopped)
        return;
    if ((role == ROLE_STATUS || role == ROLE_COUNT_OBJECTS) && exit_code == 0)
        take_status(supervisor, role);
    if (job->role->policy == ROLE_SCHEDULED) /* it may have changed what there is to know */
        supervisor->jobs[ROLE_STATUS].again_us = supervisor_now().monotonic_us;
    if (role == ROLE_SNAPSHOT && exit_code == 0)
        report_heartbeat(supervisor);
}

static void reap_one(struct supervisor *supervisor, pid_t pid, int status)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (supervisor->processes[i].pid != pid)
            continue;
        struct job_time now = supervisor_now();
        bool stopped = supervisor->jobs[i].stopping;
        int exit_code = process_exit_code(status);
        process_ended(&supervisor->processes[i]);
        supervisor->kill_us[i] = INT64_MAX;
        CLEANUP(failure_release) struct failure failure;
        read_failure(&supervisor->processes[i], &failure);
        job_end(&supervisor->jobs[i], exit_code, failure.kind, &now);
        take_result(supervisor, (enum role_id)i, exit_code, &failure, stopped);
        return;
    }
    log_event(LOG_DEBUG, "daemon.orphan", "reaped process %d", (int)pid);
}

void jobs_reap(struct supervisor *supervisor)
{
    int status;
    read_output(supervisor);
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
        reap_one(supervisor, pid, status);
}
