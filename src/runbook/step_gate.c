/* Steps where people decide, or time does: assess, approval, task, wait. */
#include "run_internal.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_SIZE = 92 }; /* of a question in the line that says for what a run waits */

/* ---- waiting ---- */

struct wait_note {
    int64_t for_us;
    const char *reason;
};

static bool write_waiting(struct run *run, void *context, struct error *err)
{
    const struct wait_note *note = context;
    char at[RUN_NUMBER_SIZE];
    char for_us[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql =
            "UPDATE mainstay.run_steps SET state = 'waiting', due_at = CASE WHEN $4::bigint > 0 "
            "THEN coalesce(due_at, clock_timestamp() + $4::bigint * interval '1 microsecond') END "
            "WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        run_number(note->for_us, for_us)},
        .count = 4,
        .what = "write that the step waits",
    };
    bool first = strcmp(run->step.state, "waiting") != 0; /* the row, as this process found it */
    return query_do(run->connection, &query, NULL, err) &&
           run_set_state(run, "waiting", note->reason, err) &&
           (!first || run_event_text(run, "waiting", "for", note->reason, err));
}

bool run_step_wait(struct run *run, int64_t for_us, const char *reason, struct error *err)
{
    struct wait_note note = {.for_us = for_us, .reason = reason};
    if (run->waiting && strcmp(run->reason, reason) == 0)
        return true;
    run->waiting = true;
    (void)snprintf(run->reason, sizeof run->reason, "%s", reason);
    return run_transaction(run, write_waiting, &note, err);
}

bool run_step_is_due(struct run *run, bool *out, struct error *err)
{
    int64_t due = 0;
    char at[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "SELECT coalesce(due_at <= clock_timestamp(), false)::int FROM mainstay.run_steps "
               "WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at)},
        .count = 3,
        .what = "look whether the step is due",
    };
    bool done = run_query_number(run, &query, &due, err);
    *out = due != 0;
    return done;
}

static bool is_choice(const struct text_list *choices, const char *value)
{
    for (size_t i = 0; i < choices->count; i++)
        if (strcmp(choices->items[i], value) == 0)
            return true;
    return choices->count == 0;
}

bool run_find_signal(struct run *run, const char *name, const struct text_list *choices, char **out,
                     struct error *err)
{
    const struct query query = {
        .sql = "SELECT value FROM mainstay.signals WHERE run_id = $1 AND name = $2 ORDER BY id "
               "LIMIT 100",
        .values = (const char *const[]){run->id, name},
        .count = 2,
        .what = "look for a signal",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    *out = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        const char *value = query_field(rows, i, 0);
        if (choices != NULL && !is_choice(choices, value))
            continue;
        *out = strdup(value);
        return *out != NULL || error_no_memory(err, "a signal");
    }
    return true;
}

/* One member of the step's result, with an event of the same. */
struct answer {
    const char *key;
    const char *text;
    const char *event;
};

static bool write_answer(struct run *run, void *context, struct error *err)
{
    const struct answer *answer = context;
    return run_step_set_text(run, answer->key, answer->text, err) &&
           run_event_text(run, answer->event, answer->key, answer->text, err);
}

static bool keep_answer(struct run *run, const char *event, const char *key, const char *text,
                        struct error *err)
{
    struct answer answer = {.key = key, .text = text, .event = event};
    return run_transaction(run, write_answer, &answer, err);
}

/* ---- assess ---- */

static bool write_counts(struct run *run, void *context, struct error *err)
{
    const struct value *counts = context;
    return run_step_set(run, "counts", counts, err);
}

bool step_assess_run(struct run *run, enum step_outcome *out, struct error *err)
{
    const struct value *counts = NULL;
    const char *guard = "";
    const char *then = "";
    char begin[sizeof run->end_reason - sizeof "stopped: "];
    if (!value_find_object(run->step.planned, "counts", &counts, err) ||
        !value_get_text_or(run->step.planned, "guard", "", &guard, err) ||
        !value_get_text_or(run->step.planned, "then", "", &then, err))
        return false;
    CLEANUP(value_cleanup) struct value *copy = NULL;
    if (counts != NULL) {
        struct buf text;
        buf_init(&text, RUN_DETAIL_MAX_BYTES);
        if (value_print(counts, false, &text, err))
            copy = value_parse(text.data, text.len, RUN_DETAIL_MAX_BYTES, "counts", err);
        buf_release(&text);
        if (copy == NULL || !run_transaction(run, write_counts, copy, err))
            return false;
    }
    *out = STEP_DONE;
    if (guard[0] == '\0')
        return true;
    if (strcmp(then, "stop") != 0)
        return error_set(err, ERROR_REFUSED, "%s", guard);
    *out = STEP_STOP;
    run->end_state = "done";
    (void)snprintf(run->end_reason, sizeof run->end_reason, "stopped: %s",
                   text_cut(guard, begin, sizeof begin));
    return keep_answer(run, "guard", "stopped", guard, err);
}

/* ---- approval ---- */

struct votes {
    int64_t approved;
    bool rejected;
    char by[128];
};

/* Whoever requested the run is not counted, whatever the table says. */
static bool read_votes(struct run *run, struct votes *out, struct error *err)
{
    const struct query query = {
        .sql =
            "SELECT count(DISTINCT approver) FILTER (WHERE verdict = 'approved'), "
            "count(*) FILTER (WHERE verdict = 'rejected') > 0, "
            "coalesce(string_agg(approver || CASE WHEN comment = '' THEN '' ELSE ': ' || comment "
            "END, ', ' ORDER BY at) FILTER (WHERE verdict = 'rejected'), "
            "string_agg(approver, ', ' ORDER BY at), '') FROM mainstay.approvals WHERE run_id = $1 "
            "AND step_id = $2 AND plan_digest = $3 AND approver <> $4",
        .values = (const char *const[]){run->id, run->step.id, run->plan_digest, run->requester},
        .count = 4,
        .what = "count the approvals",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err) ||
        !query_i64(rows, 0, 0, &out->approved, err) || !query_bool(rows, 0, 1, &out->rejected, err))
        return false;
    (void)snprintf(out->by, sizeof out->by, "%s", query_field(rows, 0, 2));
    return true;
}

static bool renew_window(struct run *run, void *context, struct error *err)
{
    char at[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.run_steps SET due_at = NULL "
               "WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at)},
        .count = 3,
        .what = "ask for approval again",
    };
    (void)context;
    return query_do(run->connection, &query, NULL, err);
}

static bool wait_for_votes(struct run *run, const struct votes *votes, enum step_outcome *out,
                           struct error *err)
{
    const struct runbook_step *spec = run->step.spec;
    char reason[PACE_REASON_SIZE];
    char waited[TEXT_SIZE];
    bool due = false;
    /* A window that closed while the run was paused: whoever resumes it asks again. */
    if (!run->waiting && run->step.due_us <= 0 && !run_transaction(run, renew_window, NULL, err))
        return false;
    (void)snprintf(reason, sizeof reason, "for approval: %" PRId64 " of %" PRId64 ", by %s",
                   votes->approved, spec->quorum < 1 ? 1 : spec->quorum,
                   spec->role[0] == '\0' ? "a second person" : spec->role);
    if (!run_step_wait(run, spec->expires_us, reason, err) || !run_step_is_due(run, &due, err))
        return false;
    if (due)
        return error_set(err, ERROR_REFUSED, "nobody else approved it within %s",
                         text_duration_us(spec->expires_us, waited));
    *out = STEP_WAITING;
    return true;
}

bool step_approval_run(struct run *run, enum step_outcome *out, struct error *err)
{
    const struct runbook_step *spec = run->step.spec;
    struct votes votes = {0};
    if (!read_votes(run, &votes, err))
        return false;
    if (votes.rejected) {
        *out = STEP_STOP;
        run->end_state = "cancelled";
        (void)snprintf(run->end_reason, sizeof run->end_reason, "rejected by %s", votes.by);
        return true;
    }
    if (votes.approved < (spec->quorum < 1 ? 1 : spec->quorum))
        return wait_for_votes(run, &votes, out, err);
    *out = STEP_DONE;
    return keep_answer(run, "approval_complete", "approved_by", votes.by, err);
}

/* ---- task ---- */

bool step_task_run(struct run *run, enum step_outcome *out, struct error *err)
{
    const struct runbook_step *spec = run->step.spec;
    const struct runbook_choice_default *otherwise = &spec->choice_default;
    const char *ask = spec->ask;
    char reason[PACE_REASON_SIZE];
    char begin[ASK_SIZE];
    CLEANUP(free_pointer) char *choice = NULL;
    bool due = false;
    if (!value_get_text_or(run->step.planned, "ask", spec->ask, &ask, err) ||
        !run_find_signal(run, run->step.id, &spec->choices, &choice, err))
        return false;
    if (choice == NULL) {
        (void)snprintf(reason, sizeof reason, "for %s: %s",
                       spec->owner[0] == '\0' ? "an answer" : spec->owner,
                       text_cut(ask, begin, sizeof begin));
        if (!run_step_wait(run, otherwise->after_us, reason, err) ||
            !run_step_is_due(run, &due, err))
            return false;
        *out = STEP_WAITING;
        if (!due)
            return true;
    }
    *out = STEP_DONE;
    return keep_answer(run, choice == NULL ? "task_default" : "task_answered", "choice",
                       choice == NULL ? otherwise->choice : choice, err);
}

/* ---- wait ---- */

static bool write_reminder(struct run *run, void *context, struct error *err)
{
    (void)context;
    return run_event_text(run, "reminder", "signal", run->step.spec->signal, err);
}

/* Every `remind` since the step began or the last reminder. */
static bool remind(struct run *run, struct error *err)
{
    int64_t due = 0;
    char us[RUN_NUMBER_SIZE];
    char at[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "SELECT (coalesce((SELECT max(at) FROM mainstay.events WHERE run_id = $1 AND kind = "
               "'reminder' AND at > s.started_at), s.started_at) + $4::bigint * interval "
               "'1 microsecond' <= clock_timestamp())::int FROM mainstay.run_steps s "
               "WHERE run_id = $1 AND section = $2 AND s.at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        run_number(run->step.spec->remind_us, us)},
        .count = 4,
        .what = "look whether a reminder is due",
    };
    if (run->step.spec->remind_us == 0)
        return true;
    if (!run_query_number(run, &query, &due, err))
        return false;
    return due == 0 || run_transaction(run, write_reminder, NULL, err);
}

static bool find_wanted_signal(struct run *run, char **out, struct error *err)
{
    const char *name = run->step.spec->signal;
    if (*name != '\0' && !run_find_signal(run, name, NULL, out, err))
        return false;
    /* Recovery may begin although the signal never came. */
    return *out != NULL || run_find_signal(run, RECOVER_SIGNAL, NULL, out, err);
}

bool step_wait_run(struct run *run, enum step_outcome *out, struct error *err)
{
    const struct runbook_step *spec = run->step.spec;
    CLEANUP(free_pointer) char *value = NULL;
    char reason[PACE_REASON_SIZE];
    char text[TEXT_SIZE];
    bool due = false;
    if (!find_wanted_signal(run, &value, err))
        return false;
    *out = STEP_DONE;
    if (value != NULL)
        return keep_answer(run, "wait_over", "signal", value, err);
    if (spec->signal[0] != '\0')
        (void)snprintf(reason, sizeof reason, "for the signal %s", spec->signal);
    else
        (void)snprintf(reason, sizeof reason, "until %s are over",
                       text_duration_us(spec->for_us, text));
    if (!run_step_wait(run, spec->for_us, reason, err) || !run_step_is_due(run, &due, err))
        return false;
    if (due)
        return keep_answer(run, "wait_over", "waited", text_duration_us(spec->for_us, text), err);
    *out = STEP_WAITING;
    return remind(run, err);
}
