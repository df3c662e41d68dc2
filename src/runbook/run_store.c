/* Rows of a run: what is read when it is taken up, and what is written while it goes on. */
#include "run_internal.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *run_number(int64_t number, char out[RUN_NUMBER_SIZE])
{
    (void)snprintf(out, RUN_NUMBER_SIZE, "%" PRId64, number);
    return out;
}

static char *field_copy(const struct query_result *rows, size_t row, size_t column,
                        struct error *err)
{
    char *copy = strdup(query_field(rows, row, column));
    if (copy == NULL)
        (void)error_no_memory(err, "a run");
    return copy;
}

static bool load_row(struct run *run, const char *run_id, struct query_result **out,
                     struct error *err)
{
    const struct query query = {
        .sql = "SELECT id, coalesce(undoes, ''), requester, plan_digest, source, plan "
               "FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "read the run",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0) {
        (void)error_set(err, ERROR_NOT_FOUND, "there is no run \"%.80s\"", run_id);
        return error_hint(err, "`mainstay runbook status` lists them.");
    }
    run->id = field_copy(rows, 0, 0, err);
    run->undoes = field_copy(rows, 0, 1, err);
    run->requester = field_copy(rows, 0, 2, err);
    run->plan_digest = field_copy(rows, 0, 3, err);
    if (run->id == NULL || run->undoes == NULL || run->requester == NULL ||
        run->plan_digest == NULL)
        return false;
    *out = TAKE(rows);
    return true;
}

static bool load_run_plan(struct run *run, const char *text, struct error *err)
{
    if (!plan_parse(text, strlen(text), run->id, &run->plan, err))
        return false;
    run->runbook = run->plan->runbook;
    if (strcmp(run->plan->digest, run->plan_digest) == 0)
        return true;
    return error_set(err, ERROR_CORRUPT, "run %s has plan %s stored, not %s", run->id,
                     run->plan->digest, run->plan_digest);
}

static bool load_undo_plan(struct run *run, const char *source, const char *text, struct error *err)
{
    run->undo_plan = value_parse(text, strlen(text), PLAN_MAX_BYTES, run->id, err);
    if (run->undo_plan == NULL ||
        !runbook_load(source, strlen(source), run->id, &run->undo_runbook, err))
        return false;
    run->runbook = run->undo_runbook;
    return true;
}

static bool load_settings(struct run *run, struct error *err)
{
    const struct query query = {
        .sql = "SELECT coalesce((SELECT value FROM mainstay.settings WHERE name = 'actor'), '0'),"
               " coalesce((SELECT value FROM mainstay.settings WHERE name = 'chunk'), '0')",
        .what = "read the adapter's settings",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t chunk = 0;
    if (!helpdesk_read(run->connection, &run->helpdesk, err) ||
        !query_run(run->connection, &query, &rows, err) ||
        !query_i64(rows, 0, 0, &run->actor, err) || !query_i64(rows, 0, 1, &chunk, err))
        return false;
    run_pace_init(&run->pace, &run->runbook->limits, chunk < 0 ? 0 : (uint64_t)chunk);
    return true;
}

bool run_load(struct run *run, const char *run_id, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!load_row(run, run_id, &rows, err))
        return false;
    bool done = run->undoes[0] == '\0'
                    ? load_run_plan(run, query_field(rows, 0, 5), err)
                    : load_undo_plan(run, query_field(rows, 0, 4), query_field(rows, 0, 5), err);
    return done && load_settings(run, err);
}

void run_step_release(struct run_step *step)
{
    free(step->section);
    free(step->id);
    free(step->uses);
    free(step->state);
    *step = (struct run_step){0};
}

void run_release(struct run *run)
{
    run_step_release(&run->step);
    free(run->id);
    free(run->undoes);
    free(run->requester);
    free(run->plan_digest);
    plan_free(run->plan);
    value_free(run->undo_plan);
    runbook_free(run->undo_runbook);
    helpdesk_release(&run->helpdesk);
    *run = (struct run){0};
}

/* What the plan has for the step, and the runbook. */
static bool find_planned(struct run *run, struct run_step *step, struct error *err)
{
    const struct value *steps;
    size_t at = (size_t)step->at;
    if (run->plan == NULL)
        return value_get_array(run->undo_plan, "steps", &steps, err) &&
               value_at_object(steps, at, &step->planned, err);
    bool recover = strcmp(step->section, "recover") == 0;
    size_t count = recover ? run->runbook->recover_count : run->runbook->step_count;
    if (at >= count)
        return error_set(err, ERROR_CORRUPT, "run %s has a step %s that its runbook has not",
                         run->id, step->id);
    step->spec = recover ? &run->runbook->recover[at] : &run->runbook->steps[at];
    return plan_step(run->plan, step->section, at, &step->planned, err);
}

static bool take_step(struct run *run, const struct query_result *rows, struct error *err)
{
    struct run_step *step = &run->step;
    step->section = field_copy(rows, 0, 0, err);
    step->id = field_copy(rows, 0, 2, err);
    step->uses = field_copy(rows, 0, 3, err);
    step->state = field_copy(rows, 0, 4, err);
    step->due_us = INT64_MAX;
    return step->section != NULL && step->id != NULL && step->uses != NULL && step->state != NULL &&
           query_i64(rows, 0, 1, &step->at, err) && query_i64(rows, 0, 5, &step->cursor, err) &&
           query_i64(rows, 0, 6, &step->running_us, err) &&
           (query_is_null(rows, 0, 7) || query_i64(rows, 0, 7, &step->due_us, err)) &&
           find_planned(run, step, err);
}

bool run_next_step(struct run *run, const char *section, bool *out_found, struct error *err)
{
    const struct query query = {
        .sql = "SELECT section, at, step_id, uses, state, cursor, "
               "coalesce(extract(epoch FROM clock_timestamp() - started_at) * 1000000, 0)::bigint, "
               "(extract(epoch FROM due_at - clock_timestamp()) * 1000000)::bigint "
               "FROM mainstay.run_steps WHERE run_id = $1 AND section = $2 "
               "AND state IN ('pending', 'running', 'waiting') ORDER BY at LIMIT 1",
        .values = (const char *const[]){run->id, section},
        .count = 2,
        .what = "read the run's steps",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    run_step_release(&run->step);
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    *out_found = query_rows(rows) > 0;
    return !*out_found || take_step(run, rows, err);
}

bool run_event(struct run *run, const char *kind, const struct value *detail, struct error *err)
{
    struct buf text;
    buf_init(&text, RUN_DETAIL_MAX_BYTES);
    if (detail == NULL)
        buf_put(&text, "{}", 2);
    bool done = detail == NULL || value_print(detail, false, &text, err);
    const char *json = buf_text(&text);
    if (done && json == NULL)
        done = buf_check(&text, "an event", err);
    const struct query query = {
        .sql = "SELECT mainstay.event_append($1, $2, $3, $4)",
        .values = (const char *const[]){run->id, run->settings->host, kind, json},
        .count = 4,
        .what = "write an event",
    };
    done = done && query_do(run->connection, &query, NULL, err);
    buf_release(&text);
    return done;
}

bool run_event_text(struct run *run, const char *kind, const char *key, const char *text,
                    struct error *err)
{
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    if (detail == NULL ||
        (run->step.id != NULL && !value_set_text(detail, "step", run->step.id, err)))
        return false;
    if (key != NULL && !value_set_text_lossy(detail, key, text, err))
        return false;
    return run_event(run, kind, detail, err);
}

bool run_step_set(struct run *run, const char *key, const struct value *value, struct error *err)
{
    struct buf text;
    char at[RUN_NUMBER_SIZE];
    buf_init(&text, RUN_DETAIL_MAX_BYTES);
    bool done = value_print(value, false, &text, err) && buf_check(&text, "a step's result", err);
    const struct query query = {
        .sql = "UPDATE mainstay.run_steps SET result = result || jsonb_build_object($4::text, "
               "$5::jsonb) WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        key, done ? buf_text(&text) : NULL},
        .count = 5,
        .what = "write a step's result",
    };
    done = done && query_do(run->connection, &query, NULL, err);
    buf_release(&text);
    return done;
}

bool run_step_set_text(struct run *run, const char *key, const char *text, struct error *err)
{
    char at[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.run_steps SET result = result || jsonb_build_object($4::text, "
               "$5::text) WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        key, text},
        .count = 5,
        .what = "write a step's result",
    };
    return query_do(run->connection, &query, NULL, err);
}

bool run_step_set_number(struct run *run, const char *key, int64_t number, struct error *err)
{
    char at[RUN_NUMBER_SIZE];
    char text[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.run_steps SET result = result || jsonb_build_object($4::text, "
               "$5::bigint) WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section, run_number(run->step.at, at),
                                        key, run_number(number, text)},
        .count = 5,
        .what = "write a step's result",
    };
    return query_do(run->connection, &query, NULL, err);
}

bool run_step_advance(struct run *run, int64_t cursor, const struct run_counts *counts,
                      struct error *err)
{
    char number[5][RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.run_steps SET cursor = $4, result = result || jsonb_build_object("
               "'done', coalesce((result->>'done')::bigint, 0) + $5::bigint, "
               "'changed', coalesce((result->>'changed')::bigint, 0) + $6::bigint, "
               "'already', coalesce((result->>'already')::bigint, 0) + $7::bigint) "
               "WHERE run_id = $1 AND section = $2 AND at = $3",
        .values = (const char *const[]){run->id, run->step.section,
                                        run_number(run->step.at, number[0]),
                                        run_number(cursor, number[1]),
                                        run_number((int64_t)counts->done, number[2]),
                                        run_number((int64_t)counts->changed, number[3]),
                                        run_number((int64_t)counts->already, number[4])},
        .count = 7,
        .what = "move the step's cursor",
    };
    return query_do(run->connection, &query, NULL, err);
}

bool run_query_number(struct run *run, const struct query *query, int64_t *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, query, &rows, err))
        return false;
    if (query_rows(rows) != 1)
        return error_set(err, ERROR_INVALID, "could not %s: no answer", query->what);
    return query_i64(rows, 0, 0, out, err);
}

bool run_selection(struct run *run, const char *name, struct selection_query **out,
                   struct error *err)
{
    const struct runbook_selection *selection = runbook_selection(run->runbook, name);
    const struct selection_context context = {
        .runbook = run->runbook,
        .params = run->plan->params,
        .capabilities = &run->helpdesk.capabilities,
        .now_us = run->plan->now_us,
    };
    if (selection == NULL)
        return error_set(err, ERROR_CORRUPT, "run %s has no selection \"%s\"", run->id, name);
    return selection_compile(&context, selection, out, err);
}

bool run_count_targets(struct run *run, const char *selection, int64_t *out, struct error *err)
{
    const struct query query = {
        .sql = "SELECT coalesce(max(seq), 0) FROM mainstay.run_targets "
               "WHERE run_id = $1 AND selection = $2",
        .values = (const char *const[]){run->id, selection},
        .count = 2,
        .what = "count the run's targets",
    };
    return run_query_number(run, &query, out, err);
}
