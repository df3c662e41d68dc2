/* A plan becomes a run: rows only, in one transaction. Nothing of the helpdesk's is touched. */
#include "run_internal.h"

#include "base/text.h"
#include "runbook/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_NAME_MAX = 36, ID_SIZE = 64, TARGETS_AT_ONCE = 5000 };

struct start {
    struct connection *connection;
    const struct plan *plan;
    const struct runbook_settings *settings;
    char *group;
    char id[ID_SIZE];
};

static void make_id(struct start *start)
{
    char day[TEXT_SIZE];
    uint8_t bytes[3];
    char hex[sizeof bytes * 2 + 1];
    random_fill(&random_system, bytes, sizeof bytes);
    text_hex(bytes, sizeof bytes, hex);
    (void)text_time_compact_us(clock_now_us(start->settings->clock), day);
    (void)snprintf(start->id, sizeof start->id, "%.*s-%.8s-%s", ID_NAME_MAX,
                   start->plan->runbook->name, day, hex);
}

static bool render_group(struct start *start, struct error *err)
{
    const struct runbook *runbook = start->plan->runbook;
    struct scope scope = {
        .runbook = runbook, .params = start->plan->params, .now_us = start->plan->now_us};
    if (runbook->concurrency_group[0] != '\0')
        return scope_render(&scope, runbook->concurrency_group, TEMPLATE_TEXT, &start->group, err);
    start->group = strdup(runbook->name);
    return start->group != NULL || error_no_memory(err, "the run's concurrency group");
}

/* Always false. */
static bool explain_conflict(struct start *start, struct error *err)
{
    const struct query query = {
        .sql = "SELECT id, state FROM mainstay.runs WHERE concurrency_group = $1 "
               "AND state IN ('running', 'waiting', 'paused')",
        .values = (const char *const[]){start->group},
        .count = 1,
        .what = "look for live runs",
    };
    struct error other = {0};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    query_rollback(start->connection);
    if (!query_run(start->connection, &query, &rows, &other) || query_rows(rows) == 0)
        return false;
    (void)error_set(err, ERROR_REFUSED, "cannot start: run %s of \"%s\" is %s",
                    query_field(rows, 0, 0), start->group, query_field(rows, 0, 1));
    return error_hint(err, "Go on with it (`mainstay runbook status %s`), or cancel it first.",
                      query_field(rows, 0, 0));
}

static bool insert_run(struct start *start, struct error *err)
{
    const struct runbook *runbook = start->plan->runbook;
    struct buf text;
    char first_us[RUN_NUMBER_SIZE];
    buf_init(&text, PLAN_MAX_BYTES);
    bool done = plan_print(start->plan, &text, err) && buf_check(&text, "the plan", err);
    const struct query query = {
        .sql = "INSERT INTO mainstay.runs (id, runbook, version, runbook_digest, plan_digest, "
               "source, plan, concurrency_group, next_update_at) VALUES ($1, $2, $3, $4, $5, $6, "
               "$7, $8, CASE WHEN $9::bigint > 0 THEN clock_timestamp() + "
               "$9::bigint * interval '1 microsecond' END)",
        .values = (const char *const[]){start->id, runbook->name, runbook->version, runbook->digest,
                                        start->plan->digest, runbook->source,
                                        done ? buf_text(&text) : NULL, start->group,
                                        run_number(runbook->clock.first_update_within_us,
                                                   first_us)},
        .count = 9,
        .what = "store the run",
    };
    done = done && query_do(start->connection, &query, NULL, err);
    buf_release(&text);
    if (!done && strcmp(query_sqlstate(start->connection), "23505") == 0)
        return explain_conflict(start, err);
    return done;
}

/* ---- targets ---- */

struct frozen {
    int64_t id;
    const char *segment;
};

struct frozen_list {
    struct frozen *items;
    size_t count;
    size_t capacity;
    const char *segment; /* of those that are being added */
};

static bool add_frozen(void *context, int64_t id, struct error *err)
{
    struct frozen_list *list = context;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        struct frozen *more = reallocarray(list->items, capacity, sizeof *more);
        if (more == NULL)
            return error_no_memory(err, "the rows of a plan");
        list->items = more;
        list->capacity = capacity;
    }
    list->items[list->count++] = (struct frozen){.id = id, .segment = list->segment};
    return true;
}

static int compare_frozen(const void *a, const void *b)
{
    const struct frozen *left = a;
    const struct frozen *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static bool read_segments(const struct value *selection, struct frozen_list *out, struct error *err)
{
    const struct value *segments;
    if (!value_get_array(selection, "segments", &segments, err))
        return false;
    for (size_t i = 0; i < value_count(segments); i++) {
        const struct value *segment;
        const char *ids;
        if (!value_at_object(segments, i, &segment, err) ||
            !value_get_text(segment, "name", &out->segment, err) ||
            !value_get_text(segment, "ids", &ids, err) ||
            !id_ranges_each(ids, add_frozen, out, err))
            return false;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, compare_frozen);
    return true;
}

struct target_batch {
    const char *selection;
    bool tickets;
    const struct frozen *items;
    size_t count;
    size_t before; /* how many are stored already */
};

static bool insert_targets(struct start *start, const struct target_batch *batch, struct error *err)
{
    struct buf ids;
    struct buf segments;
    char before[RUN_NUMBER_SIZE];
    buf_init(&ids, RUN_IDS_MAX_BYTES);
    buf_init(&segments, RUN_IDS_MAX_BYTES);
    query_array_begin(&ids);
    query_array_begin(&segments);
    for (size_t i = 0; i < batch->count; i++) {
        query_array_add_i64(&ids, batch->items[i].id);
        query_array_add(&segments, batch->items[i].segment);
    }
    query_array_end(&ids);
    query_array_end(&segments);
    const struct query query = {
        .sql = "INSERT INTO mainstay.run_targets (run_id, selection, seq, id, ticket_id, segment) "
               "SELECT $1, $2, $3::bigint + n, id, CASE WHEN $4::boolean THEN id END, segment "
               "FROM unnest($5::bigint[], $6::text[]) WITH ORDINALITY AS u (id, segment, n)",
        .values = (const char *const[]){start->id, batch->selection,
                                        run_number((int64_t)batch->before, before),
                                        batch->tickets ? "true" : "false", buf_text(&ids),
                                        buf_text(&segments)},
        .count = 6,
        .what = "store the run's targets",
    };
    bool done = buf_check(&ids, "the rows of a plan", err) &&
                buf_check(&segments, "the rows of a plan", err) &&
                query_do(start->connection, &query, NULL, err);
    buf_release(&ids);
    buf_release(&segments);
    return done;
}

static bool insert_selection(struct start *start, const struct runbook_selection *selection,
                             struct error *err)
{
    const struct value *selections;
    const struct value *planned;
    struct frozen_list list = {0};
    bool done = value_get_object(start->plan->document, "selections", &selections, err) &&
                value_find_object(selections, selection->name, &planned, err) &&
                (planned == NULL || read_segments(planned, &list, err));
    for (size_t at = 0; done && at < list.count; at += TARGETS_AT_ONCE) {
        size_t left = list.count - at;
        const struct target_batch batch = {
            .selection = selection->name,
            .tickets = selection->of == OF_TICKETS,
            .items = &list.items[at],
            .count = left < TARGETS_AT_ONCE ? left : TARGETS_AT_ONCE,
            .before = at,
        };
        done = insert_targets(start, &batch, err);
    }
    free(list.items);
    return done;
}

static bool insert_all_targets(struct start *start, struct error *err)
{
    const struct runbook *runbook = start->plan->runbook;
    for (size_t i = 0; i < runbook->selection_count; i++)
        if (!insert_selection(start, &runbook->selections[i], err))
            return error_wrap(err, "selection \"%s\"", runbook->selections[i].name);
    return true;
}

/* ---- steps and the first event ---- */

static bool insert_steps(struct start *start, const char *section, const struct runbook_step *steps,
                         size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char at[RUN_NUMBER_SIZE];
        const struct query query = {
            .sql = "INSERT INTO mainstay.run_steps (run_id, section, at, step_id, uses) "
                   "VALUES ($1, $2, $3, $4, $5)",
            .values = (const char *const[]){start->id, section, run_number((int64_t)i, at),
                                            steps[i].id, step_uses_name(steps[i].uses)},
            .count = 5,
            .what = "store the run's steps",
        };
        if (!query_do(start->connection, &query, NULL, err))
            return false;
    }
    return true;
}

static bool write_started(struct start *start, struct error *err)
{
    const struct runbook *runbook = start->plan->runbook;
    struct run run = {
        .connection = start->connection, .settings = start->settings, .id = start->id};
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    struct value *params = NULL;
    if (detail == NULL || !value_set_text(detail, "runbook", runbook->name, err) ||
        !value_set_text(detail, "version", runbook->version, err) ||
        !value_set_text(detail, "runbook_digest", runbook->digest, err) ||
        !value_set_text(detail, "plan_digest", start->plan->digest, err))
        return false;
    params = value_set_new_object(detail, "params", err);
    return params != NULL && param_values_to_value(start->plan->params, params, err) &&
           run_event(&run, "started", detail, err);
}

static bool store(struct start *start, struct error *err)
{
    const struct runbook *runbook = start->plan->runbook;
    return query_command(start->connection, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                         "begin a transaction", err) &&
           insert_run(start, err) && insert_all_targets(start, err) &&
           insert_steps(start, "steps", runbook->steps, runbook->step_count, err) &&
           insert_steps(start, "recover", runbook->recover, runbook->recover_count, err) &&
           write_started(start, err) && query_command(start->connection, "COMMIT", "commit", err);
}

bool run_start(struct connection *connection, const struct plan *plan,
               const struct runbook_settings *settings, char **out_run_id, struct error *err)
{
    struct start start = {.connection = connection, .plan = plan, .settings = settings};
    if (!plan_check_database(plan, connection, err) || !render_group(&start, err))
        return false;
    make_id(&start);
    bool done = store(&start, err);
    free(start.group);
    if (!done) {
        query_rollback(connection);
        return error_wrap(err, "could not start the run");
    }
    *out_run_id = strdup(start.id);
    return *out_run_id != NULL || error_no_memory(err, "a run's name");
}
