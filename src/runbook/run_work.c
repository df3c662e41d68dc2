/*
 * The loop that carries a run on: the next step that is not done, again and again, until the run
 * ends, waits for people while nobody wants to wait with it, or is stopped. Where it stands is in
 * the database only, so that any process may be the next one.
 */
#include "run_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "document/utf8.h"
#include "notice/outbox.h"
#include "postgres/advisory_lock.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum step_uses uses;
    step_run_fn run;
} step_runs[] = {
    {USES_ASSESS, step_assess_run}, {USES_RESTORE_POINT, step_restore_point_run},
    {USES_TAG, step_tag_run},       {USES_UNTAG, step_tag_run},
    {USES_NOTICE, step_notice_run}, {USES_APPROVAL, step_approval_run},
    {USES_TASK, step_task_run},     {USES_WAIT, step_wait_run},
    {USES_STATUS, step_status_run}, {USES_WEBHOOK, step_status_run},
};

static step_run_fn find_step_run(const struct run *run)
{
    if (run->step.spec == NULL)
        return step_undo_run;
    for (size_t i = 0; i < ARRAY_LEN(step_runs); i++)
        if (step_runs[i].uses == run->step.spec->uses)
            return step_runs[i].run;
    return NULL;
}

/* ---- states of steps ---- */

static bool set_step_state(struct run *run, const char *state, struct error *err)
{
    char at[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql =
            "UPDATE mainstay.run_steps SET state = $4, "
            "started_at = coalesce(started_at, clock_timestamp()), finished_at = CASE WHEN $4 IN "
            "('done', 'failed', 'skipped') THEN clock_timestamp() END "
            "WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        state},
        .count = 4,
        .what = "write the step's state",
    };
    return query_do(run->connection, &query, NULL, err);
}

static bool write_begin(struct run *run, void *context, struct error *err)
{
    (void)context;
    return set_step_state(run, "running", err) &&
           run_event_text(run, "step_started", NULL, NULL, err);
}

static bool write_done(struct run *run, void *context, struct error *err)
{
    (void)context;
    return set_step_state(run, "done", err) && run_set_state(run, "running", NULL, err) &&
           run_event_text(run, "step_done", NULL, NULL, err);
}

static bool write_failed(struct run *run, void *context, struct error *err)
{
    const char *why = context;
    return set_step_state(run, "failed", err) && run_step_set_text(run, "error", why, err) &&
           run_set_state(run, "running", NULL, err) &&
           run_event_text(run, "step_failed", "error", why, err);
}

static bool write_paused(struct run *run, void *context, struct error *err)
{
    const char *why = context;
    return run_step_set_text(run, "error", why, err) && run_set_state(run, "paused", why, err) &&
           run_event_text(run, "paused", "error", why, err);
}

/* ---- the end ---- */

struct ending {
    const char *state;
    const char *reason; /* NULL: none */
    bool calls_back;    /* unsent notices are cancelled */
};

static bool write_end(struct run *run, void *context, struct error *err)
{
    const struct ending *ending = context;
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    uint64_t cancelled = 0;
    uint64_t left = 0;
    const struct query skip = {
        .sql = "UPDATE mainstay.run_steps SET state = 'skipped', finished_at = clock_timestamp() "
               "WHERE run_id = $1 AND state IN ('pending', 'running', 'waiting')",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "skip the other steps",
    };
    if (detail == NULL || !query_do(run->connection, &skip, NULL, err))
        return false;
    if (ending->calls_back && (!outbox_cancel(run->connection, run->id, NULL,
                                              "the run was cancelled", &cancelled, &left, err) ||
                               !value_set_u64(detail, "notices_cancelled", cancelled, err) ||
                               !value_set_u64(detail, "notices_left", left, err)))
        return false;
    if (ending->reason != NULL && !value_set_text_lossy(detail, "reason", ending->reason, err))
        return false;
    return run_set_state(run, ending->state, ending->reason, err) &&
           run_event(run, ending->state, detail, err);
}

static bool finish(struct run *run, struct error *err)
{
    struct ending ending = {.state = "done"};
    if (run->end_state != NULL) {
        ending = (struct ending){.state = run->end_state, .reason = run->end_reason};
        ending.calls_back = strcmp(run->end_state, "cancelled") == 0;
    }
    run_step_release(&run->step);
    return run_transaction(run, write_end, &ending, err);
}

/* ---- one step ---- */

/* Lost lease, a request to stop and a lost connection are not the step's fault. */
static bool is_of_the_step(struct run *run, const struct error *err)
{
    struct error lost = {0};
    return err->kind != ERROR_CANCELLED && connection_ping(run->connection, &lost);
}

/* Gives false with the error that ends this process's work, or true where the run goes on. */
static bool step_failed(struct run *run, struct error *err)
{
    struct error other = {0};
    CLEANUP(buf_release) struct buf line;
    enum step_on_error rule = run->step.spec == NULL ? ON_ERROR_PAUSE : run->step.spec->on_error;
    /* The text may be cut inside a character, which the database would refuse. */
    buf_init(&line, sizeof err->text);
    utf8_put_clean(err->text, " ", &line);
    if (!is_of_the_step(run, err))
        return false;
    if (run->step.spec != NULL && run->step.spec->uses == USES_APPROVAL &&
        rule == ON_ERROR_CONTINUE)
        rule = ON_ERROR_PAUSE; /* what was not approved is not done */
    if (buf_text(&line) == NULL)
        return error_no_memory(err, "the error of a step");
    char *why = (char *)line.data;
    struct ending ending = {.state = "failed", .reason = why};
    (void)error_wrap(err, "step %s of run %s", run->step.id, run->id);
    if (rule == ON_ERROR_CONTINUE) {
        log_error("runbook.step_failed", err);
        return run_transaction(run, write_failed, why, err);
    }
    bool written = rule == ON_ERROR_PAUSE ? run_transaction(run, write_paused, why, &other)
                                          : run_transaction(run, write_failed, why, &other) &&
                                                run_transaction(run, write_end, &ending, &other);
    if (written && rule == ON_ERROR_PAUSE)
        (void)error_hint(err, "The run is paused: `mainstay runbook resume %s` tries again.",
                         run->id);
    return false;
}

/* Runs the step until it is done, ends the run, or waits for people and we do not. */
static bool carry_step(struct run *run, enum step_outcome *out, struct error *err)
{
    step_run_fn step_run = find_step_run(run);
    run->step_began_us = clock_monotonic_us(run->settings->clock);
    for (;;) {
        if (!stop_check(err) || !step_run(run, out, err) || !run_clock_check(run, err))
            return false;
        if (*out != STEP_WAITING)
            return true;
        run_tell(run, "waiting", 0);
        if (!run->settings->wait)
            return true;
        if (!run_step_check_time(run, err) || !run_lease_keep(run, err))
            return false;
        clock_sleep_us(run->settings->clock, run->settings->poll_us);
    }
}

static bool do_step(struct run *run, enum step_outcome *out, struct error *err)
{
    *out = STEP_DONE;
    run->waiting = false;
    run->reason[0] = '\0';
    run->last_batch_end_us = 0;
    if (strcmp(run->step.state, "pending") == 0 && !run_transaction(run, write_begin, NULL, err))
        return false;
    run_tell(run, "running", 0);
    if (!carry_step(run, out, err))
        return step_failed(run, err);
    return *out != STEP_DONE || run_transaction(run, write_done, NULL, err);
}

static bool do_section(struct run *run, const char *section, enum step_outcome *out,
                       struct error *err)
{
    bool found = true;
    *out = STEP_DONE;
    for (;;) {
        if (!run_next_step(run, section, &found, err))
            return false;
        if (!found)
            return true;
        if (!do_step(run, out, err))
            return false;
        if (*out != STEP_DONE)
            return true;
    }
}

/* ---- recovery ---- */

static bool may_recover(struct run *run, bool *out, struct error *err)
{
    int64_t may = 0;
    const struct query query = {
        .sql = "SELECT (EXISTS (SELECT FROM mainstay.signals WHERE run_id = $1 AND name = $2) OR "
               "coalesce((SELECT uses = 'wait' AND result ? 'signal' FROM mainstay.run_steps WHERE "
               "run_id = $1 AND section = 'steps' ORDER BY at DESC LIMIT 1), false))::int",
        .values = (const char *const[]){run->id, RECOVER_SIGNAL},
        .count = 2,
        .what = "ask whether recovery may begin",
    };
    bool done = run_query_number(run, &query, &may, err);
    *out = may != 0;
    return done;
}

static bool write_waits_for_recovery(struct run *run, void *context, struct error *err)
{
    (void)context;
    return run_set_state(run, "waiting", "for `runbook recover`: the steps are done", err);
}

static bool wait_for_recovery(struct run *run, enum step_outcome *out, struct error *err)
{
    bool may = false;
    bool told = false;
    for (;;) {
        if (!stop_check(err) || !may_recover(run, &may, err) || !run_clock_check(run, err))
            return false;
        *out = may ? STEP_DONE : STEP_WAITING;
        if (may)
            return true;
        if (!told && !run_transaction(run, write_waits_for_recovery, NULL, err))
            return false;
        told = true;
        run_tell(run, "waiting", 0);
        if (!run->settings->wait)
            return true;
        if (!run_lease_keep(run, err))
            return false;
        clock_sleep_us(run->settings->clock, run->settings->poll_us);
    }
}

static bool do_recovery(struct run *run, enum step_outcome *out, struct error *err)
{
    if (!wait_for_recovery(run, out, err))
        return false;
    return *out != STEP_DONE || do_section(run, "recover", out, err);
}

/* ---- exit criteria ---- */

static bool write_exits(struct run *run, void *context, struct error *err)
{
    const struct value *criteria = context;
    return run_event(run, "exit_criteria", criteria, err);
}

static bool judge_exits(struct run *run, struct error *err)
{
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    struct value *list = detail == NULL ? NULL : value_set_new_array(detail, "criteria", err);
    return list != NULL && run_exit_evaluate(run, list, err) &&
           run_transaction(run, write_exits, detail, err);
}

static bool do_run(struct run *run, enum step_outcome *out, struct error *err)
{
    if (run->plan == NULL)
        return do_section(run, "undo", out, err);
    if (!do_section(run, "steps", out, err))
        return false;
    if (*out == STEP_DONE && run->runbook->recover_count > 0 && !do_recovery(run, out, err))
        return false;
    return *out != STEP_DONE || run->runbook->exit_count == 0 || judge_exits(run, err);
}

/* ---- being asked to stop ---- */

static bool write_pause(struct run *run, void *context, struct error *err)
{
    const char *why = context;
    return run_set_state(run, "paused", why, err) && run_event_text(run, "paused", NULL, NULL, err);
}

/* "asked for by alice", as the events have it. */
static bool who_asked(struct run *run, char *out, size_t size, struct error *err)
{
    const struct query query = {
        .sql = "SELECT coalesce((SELECT actor FROM mainstay.events WHERE run_id = $1 AND kind = "
               "'stop_asked' ORDER BY seq DESC LIMIT 1), 'somebody')",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "look who asked the run to stop",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    (void)snprintf(out, size, "asked for by %s", query_field(rows, 0, 0));
    return true;
}

/* Somebody wants the run paused or cancelled: that is done, and said as the error of this work. */
static bool obey(struct run *run, struct error *err)
{
    bool pause = strcmp(run->wanted, "pause") == 0;
    char why[128];
    struct ending ending = {.state = "cancelled", .reason = why, .calls_back = true};
    struct error other = {0};
    run->ending = true;
    bool done = who_asked(run, why, sizeof why, &other) &&
                (pause ? run_transaction(run, write_pause, why, &other)
                       : run_transaction(run, write_end, &ending, &other));
    if (!done) {
        *err = other;
        return false;
    }
    run_tell(run, pause ? "paused" : "cancelled", 0);
    (void)error_set(err, ERROR_CANCELLED, "run %s was %s", run->id, pause ? "paused" : "cancelled");
    return error_hint(err,
                      pause ? "Go on with `mainstay runbook resume %s`."
                            : "What it changed stays: `mainstay runbook undo %s` takes it back.",
                      run->id);
}

static bool work(struct run *run, struct error *err)
{
    enum step_outcome outcome = STEP_DONE;
    if (run->wanted[0] != '\0')
        return obey(run, err);
    if (!do_run(run, &outcome, err))
        return run->wanted[0] != '\0' ? obey(run, err) : false;
    return outcome == STEP_WAITING || finish(run, err);
}

static bool summarize(struct connection *connection, const char *run_id, struct value *out,
                      struct error *err)
{
    const struct query query = {
        .sql = "SELECT state, coalesce(reason, '') FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "read the run's state",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    return query_rows(rows) == 0 ||
           (value_set_text(out, "run", run_id, err) &&
            value_set_text(out, "state", query_field(rows, 0, 0), err) &&
            value_set_text_lossy(out, "reason", query_field(rows, 0, 1), err));
}

bool run_work(struct connection *connection, const char *run_id,
              const struct runbook_settings *settings, struct value *out_summary, struct error *err)
{
    struct run run = {.connection = connection, .settings = settings, .random = &random_system};
    bool done = run_load(&run, run_id, err) && run_lease_take(&run, err);
    if (done) {
        done = work(&run, err);
        run_lease_release(&run);
    }
    run_release(&run);
    return done && summarize(connection, run_id, out_summary, err);
}

/* ---- from outside ---- */

static bool write_wanted(struct connection *connection, const char *run_id, const char *wanted,
                         struct error *err)
{
    uint64_t asked = 0;
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET wanted = $2 WHERE id = $1 AND state IN ('running', "
               "'waiting', 'paused')",
        .values = (const char *const[]){run_id, wanted},
        .count = 2,
        .what = "ask the run to stop",
    };
    if (!query_do(connection, &query, &asked, err))
        return false;
    return asked == 1 ||
           error_set(err, ERROR_REFUSED, "cannot %s run %s: it is over", wanted, run_id);
}

/* Somebody works on it: they will see what is wanted. */
static bool is_worked_on(const struct error *err)
{
    return err->kind == ERROR_UNAVAILABLE && err->retryable;
}

bool run_stop(struct connection *connection, const char *run_id, const char *wanted,
              const struct runbook_settings *settings, bool *out_stopped, struct error *err)
{
    struct run run = {.connection = connection, .settings = settings, .random = &random_system};
    bool loaded = run_load(&run, run_id, err);
    bool done = loaded && write_wanted(connection, run_id, wanted, err) &&
                run_event_text(&run, "stop_asked", "wanted", wanted, err);
    bool stopped = false;
    if (done) {
        struct error refusal = {0};
        if (run_lease_take(&run, &refusal)) {
            (void)snprintf(run.wanted, sizeof run.wanted, "%s", wanted);
            (void)obey(&run, &refusal);
            run_lease_release(&run);
            stopped = refusal.kind == ERROR_CANCELLED;
        }
        if (!stopped && !is_worked_on(&refusal)) {
            *err = refusal;
            done = false;
        }
    }
    run_release(&run);
    if (done)
        *out_stopped = stopped;
    return done;
}
