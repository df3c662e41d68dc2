#include "runbook/trial.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"
#include "runbook/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_US = 30 * 1000000, POLL_US = 100000, ROUNDS_PER_STEP = 3 };

static const char host[] = "test";

bool trial_passed(const struct trial_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        if (result->counts[i].expected != result->counts[i].found)
            return false;
    return true;
}

/* ---- playing people ---- */

static bool approve(struct connection *connection, const struct plan *plan, const char *run_id,
                    const char *step_id, struct error *err)
{
    for (size_t i = 0; i < plan->runbook->step_count; i++) {
        const struct runbook_step *step = &plan->runbook->steps[i];
        if (strcmp(step->id, step_id) != 0)
            continue;
        for (int64_t person = 1; person <= step->quorum; person++) {
            char name[32];
            (void)snprintf(name, sizeof name, "person-%" PRId64, person);
            const struct query query = {
                .sql = "INSERT INTO mainstay.approvals (run_id, step_id, plan_digest, approver, "
                       "verdict) VALUES ($1, $2, $3, $4, 'approved') ON CONFLICT DO NOTHING",
                .values = (const char *const[]){run_id, step_id, plan->digest, name},
                .count = 4,
                .what = "approve"};
            if (!query_do(connection, &query, NULL, err))
                return false;
        }
    }
    return true;
}

static bool choose(struct connection *connection, const struct plan *plan, const char *run_id,
                   const char *step_id, struct error *err)
{
    for (size_t i = 0; i < plan->runbook->step_count; i++) {
        const struct runbook_step *step = &plan->runbook->steps[i];
        if (strcmp(step->id, step_id) != 0)
            continue;
        const char *choice = step->choice_default.choice;
        if (choice == NULL || *choice == '\0')
            choice = step->choices.count > 0 ? step->choices.items[0] : "done";
        return run_signal(connection, run_id, step_id, choice, host, err);
    }
    return true;
}

/* What the run waits for; *out_over when the trial has seen enough. */
static bool answer(struct connection *connection, const struct plan *plan, const char *run_id,
                   bool *out_over, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    const struct query query = {
        .sql = "SELECT r.state, s.uses, s.step_id FROM mainstay.runs r LEFT JOIN "
               "mainstay.run_steps s ON s.run_id = r.id AND s.state = 'waiting' AND s.section = "
               "'steps' WHERE r.id = $1 ORDER BY s.at LIMIT 1",
        .values = &run_id,
        .count = 1,
        .what = "look where the run is"};
    if (!query_run(connection, &query, &rows, err))
        return false;
    const char *uses = query_field(rows, 0, 1);
    const char *step_id = query_field(rows, 0, 2);
    bool waits = strcmp(query_field(rows, 0, 0), "waiting") == 0;
    bool approval = waits && strcmp(uses, "approval") == 0;
    bool task = waits && strcmp(uses, "task") == 0;
    *out_over = !approval && !task;
    return (!approval || approve(connection, plan, run_id, step_id, err)) &&
           (!task || choose(connection, plan, run_id, step_id, err));
}

static bool work(struct connection *connection, const struct plan *plan, const char *run_id,
                 const struct runbook_settings *settings, struct error *err)
{
    size_t rounds = (plan->runbook->step_count + 1) * ROUNDS_PER_STEP;
    for (size_t i = 0; i < rounds; i++) {
        CLEANUP(value_cleanup) struct value *summary = value_new_object(err);
        bool over = false;
        if (summary == NULL || !run_work(connection, run_id, settings, summary, err) ||
            !answer(connection, plan, run_id, &over, err))
            return false;
        if (over)
            return true;
    }
    return error_set(err, ERROR_INVALID, "the run does not come to an end");
}

/* ---- counting ---- */

/* What a run did, by its name in `expect`. */
static const struct {
    const char *name;
    const char *sql;
} run_counts[] = {
    {"tagged",
     "SELECT count(DISTINCT ticket_id) FROM mainstay.changes WHERE run_id = $1 AND kind = "
     "'tag+'"},
    {"notices", "SELECT count(*) FROM mainstay.notices WHERE run_id = $1 AND customer_id IS NOT "
                "NULL AND state <> 'suppressed'"},
    {"suppressed", "SELECT count(*) FROM mainstay.notices WHERE run_id = $1 AND customer_id IS NOT "
                   "NULL AND state = 'suppressed'"},
};

static bool count_run(struct connection *connection, const char *run_id, const char *name,
                      bool *out_known, uint64_t *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(run_counts); i++) {
        CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
        int64_t count = 0;
        if (strcmp(run_counts[i].name, name) != 0)
            continue;
        *out_known = true;
        const struct query query = {.sql = run_counts[i].sql,
                                    .values = &run_id,
                                    .count = 1,
                                    .what = "count what the run did"};
        if (!query_run(connection, &query, &rows, err) || !query_i64(rows, 0, 0, &count, err))
            return false;
        *out = (uint64_t)count;
    }
    return true;
}

/* "affected", "affected/no-label" */
static bool count_plan(const struct plan *plan, const char *name, uint64_t *out, struct error *err)
{
    const struct value *selection = NULL;
    const struct value *segments = NULL;
    const char *slash = strchr(name, '/');
    CLEANUP(free_pointer)
    char *first = slash == NULL ? strdup(name) : strndup(name, (size_t)(slash - name));
    if (first == NULL)
        return error_no_memory(err, "a name");
    if (!plan_selection(plan->document, first, &selection, err))
        return false;
    if (slash == NULL)
        return value_get_u64(selection, "count", out, err);
    if (!value_get_array(selection, "segments", &segments, err))
        return false;
    for (size_t i = 0; i < value_count(segments); i++) {
        const struct value *segment = NULL;
        const char *segment_name = NULL;
        if (!value_at_object(segments, i, &segment, err) ||
            !value_get_text(segment, "name", &segment_name, err))
            return false;
        if (strcmp(segment_name, slash + 1) == 0)
            return value_get_u64(segment, "count", out, err);
    }
    return error_set(err, ERROR_INVALID, "selection \"%s\" has no segment \"%s\"", first,
                     slash + 1);
}

static bool count_all(struct connection *connection, const struct plan *plan, const char *run_id,
                      const struct runbook_test *test, struct trial_result *out, struct error *err)
{
    for (size_t i = 0; i < test->expect_count && i < TRIAL_MAX_COUNTS; i++) {
        struct trial_count *count = &out->counts[out->count++];
        bool of_run = false;
        (void)snprintf(count->name, sizeof count->name, "%s", test->expect[i].name);
        count->expected = test->expect[i].count;
        if (!count_run(connection, run_id, test->expect[i].name, &of_run, &count->found, err) ||
            (!of_run && !count_plan(plan, test->expect[i].name, &count->found, err)))
            return false;
    }
    return true;
}

/* ---- the trial ---- */

static bool make_plan(struct connection *connection, const struct runbook *runbook,
                      const struct runbook_test *test, struct plan **out, struct error *err)
{
    CLEANUP(param_values_cleanup) struct param_values *params = NULL;
    struct plan_options options = {0};
    if (!text_to_time_us(test->clock, &options.now_us))
        return error_set(err, ERROR_INVALID, "clock \"%.60s\" is not a time", test->clock);
    return param_values_parse(runbook, (const char *const *)test->params.items, test->params.count,
                              &params, err) &&
           plan_make(connection, runbook, params, &options, out, err);
}

bool trial_run(struct connection *connection, const struct runbook *runbook,
               const struct runbook_test *test, struct trial_result *out, struct error *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_pointer) char *run_id = NULL;
    struct runbook_settings settings = {
        .host = host, .clock = &clock_system, .lease_us = LEASE_US, .poll_us = POLL_US};
    *out = (struct trial_result){0};
    if (!make_plan(connection, runbook, test, &plan, err))
        return false;
    settings.at_us = plan->now_us;
    return run_start(connection, plan, &settings, &run_id, err) &&
           work(connection, plan, run_id, &settings, err) &&
           count_all(connection, plan, run_id, test, out, err);
}
