#include "runbook/undo.h"

#include "run_internal.h"

#include "base/text.h"
#include "codec/digest.h"
#include "notice/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a run added and did not take away again itself. $1 is the run. */
#define ADDED                                                                                   \
    "SELECT DISTINCT ON (c.value, c.ticket_id) c.value, c.ticket_id, c.mark "                   \
    "FROM mainstay.changes c WHERE c.run_id = $1 AND c.kind = 'tag+' AND c.undone_by IS NULL "  \
    "AND NOT EXISTS (SELECT FROM mainstay.changes d WHERE d.run_id = c.run_id AND "             \
    "d.kind = 'tag-' AND d.value = c.value AND d.ticket_id = c.ticket_id AND d.mark = c.mark) " \
    "ORDER BY c.value, c.ticket_id, c.at DESC"

struct undone_run {
    char *source;
    char *group;
    struct runbook *runbook;
};

static void undone_run_release(struct undone_run *run)
{
    free(run->source);
    free(run->group);
    runbook_free(run->runbook);
}

static bool load_run(struct connection *connection, const char *run_id, struct undone_run *out,
                     struct error *err)
{
    const struct query query = {
        .sql = "SELECT kind, state, source, concurrency_group FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "read the run",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run \"%.80s\"", run_id);
    const char *state = query_field(rows, 0, 1);
    if (strcmp(query_field(rows, 0, 0), "undo") == 0) {
        (void)error_set(err, ERROR_REFUSED, "run %s is an undo: it cannot be undone", run_id);
        return error_hint(err, "Plan and run the runbook again.");
    }
    if (strcmp(state, "done") != 0 && strcmp(state, "failed") != 0 &&
        strcmp(state, "cancelled") != 0) {
        (void)error_set(err, ERROR_REFUSED, "run %s is %s: what goes on cannot be undone", run_id,
                        state);
        return error_hint(err, "Cancel it first: `mainstay runbook cancel %s`.", run_id);
    }
    out->source = strdup(query_field(rows, 0, 2));
    out->group = strdup(query_field(rows, 0, 3));
    if (out->source == NULL || out->group == NULL)
        return error_no_memory(err, "a run");
    return runbook_load(out->source, strlen(out->source), run_id, &out->runbook, err);
}

/* ---- the plan ---- */

static bool add_tag_step(struct value *steps, const struct query_result *rows, size_t row,
                         struct error *err)
{
    char id[32];
    int64_t number[4];
    static const char *const names[] = {"count", "ready", "conflicts", "nothing"};
    struct value *step = value_append_new_object(steps, err);
    (void)snprintf(id, sizeof id, "undo-%zu", row + 1);
    if (step == NULL || !value_set_text(step, "id", id, err) ||
        !value_set_text(step, "uses", "untag", err) || !value_set_text(step, "from", id, err))
        return false;
    struct value *tags = value_set_new_array(step, "tags", err);
    struct value *tag = tags == NULL ? NULL : value_append_new_object(tags, err);
    if (tag == NULL || !value_set_text(tag, "tag", query_field(rows, row, 0), err) ||
        !value_set_text(tag, "segment", "", err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!query_i64(rows, row, i + 1, &number[i], err) ||
            !value_set_i64(step, names[i], number[i], err))
            return false;
    return true;
}

/* What would happen now, for each tag. */
static bool add_tag_steps(struct connection *connection, const char *run_id, struct value *steps,
                          struct error *err)
{
    const struct query query = {
        .sql =
            "WITH n AS MATERIALIZED (" ADDED "), s AS (SELECT n.value, n.ticket_id, "
            "bool_or(t.mark = n.mark) AS same, bool_or(t.ticket_id IS NOT NULL) AS tagged FROM n "
            "LEFT JOIN mainstay.ticket_tags t ON t.ticket_id = n.ticket_id AND t.tag = n.value "
            "GROUP BY 1, 2) "
            "SELECT value, count(*), count(*) FILTER (WHERE same), count(*) FILTER (WHERE tagged "
            "AND NOT same), count(*) FILTER (WHERE NOT tagged) FROM s GROUP BY value "
            "ORDER BY value COLLATE \"C\"",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "plan the undo",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++)
        if (!add_tag_step(steps, rows, i, err))
            return false;
    return true;
}

static bool count_unsent(struct connection *connection, const char *run_id, int64_t *out,
                         struct error *err)
{
    const struct query query = {
        .sql = "SELECT count(*) FROM mainstay.notices WHERE run_id = $1 "
               "AND state IN ('queued', 'held', 'retry')",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "count the notices that are not sent",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    return query_run(connection, &query, &rows, err) && query_i64(rows, 0, 0, out, err);
}

static bool add_notice_step(struct connection *connection, const char *run_id, struct value *steps,
                            struct error *err)
{
    int64_t unsent = 0;
    if (!count_unsent(connection, run_id, &unsent, err))
        return false;
    if (unsent == 0)
        return true;
    struct value *step = value_append_new_object(steps, err);
    return step != NULL && value_set_text(step, "id", "undo-notices", err) &&
           value_set_text(step, "uses", "notice", err) && value_set_i64(step, "count", unsent, err);
}

static bool add_note(struct value *notes, const char *what, const struct runbook_undo *rules,
                     struct error *err)
{
    CLEANUP(free_pointer)
    char *text = text_format("%s not undone: %s", what,
                             rules->reason[0] == '\0' ? "the runbook forbids it" : rules->reason);
    if (text == NULL)
        return error_no_memory(err, "a note");
    return value_append_text_lossy(notes, text, err);
}

static bool fill_plan(struct connection *connection, const char *run_id,
                      const struct undone_run *run, struct value *plan, struct error *err)
{
    const struct runbook_undo *rules = &run->runbook->undo;
    if (!value_set_u64(plan, "format", 1, err) || !value_set_text(plan, "undoes", run_id, err) ||
        !value_set_text(plan, "runbook", run->runbook->name, err))
        return false;
    struct value *steps = value_set_new_array(plan, "steps", err);
    struct value *notes = steps == NULL ? NULL : value_set_new_array(plan, "notes", err);
    if (notes == NULL)
        return false;
    bool done = rules->tags == UNDO_ALLOWED ? add_tag_steps(connection, run_id, steps, err)
                                            : add_note(notes, "tags are", rules, err);
    return done && (rules->notices == UNDO_ALLOWED
                        ? add_notice_step(connection, run_id, steps, err)
                        : add_note(notes, "notices that are not sent yet are", rules, err));
}

static bool set_digest(struct value *plan, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    bool done = value_print(plan, false, &text, err) && buf_check(&text, "the plan", err);
    if (done) {
        digest_sha256(text.data, text.len, hash);
        text_hex(hash, sizeof hash, hex);
        done = value_set_text(plan, "digest", hex, err);
    }
    buf_release(&text);
    return done;
}

bool undo_plan(struct connection *connection, const char *run_id, struct value **out,
               struct error *err)
{
    struct undone_run run = {0};
    CLEANUP(value_cleanup) struct value *plan = value_new_object(err);
    bool done = plan != NULL && load_run(connection, run_id, &run, err);
    if (done && run.runbook->undo.tags == UNDO_REFUSED && run.runbook->undo.notices == UNDO_REFUSED)
        done = error_set(err, ERROR_REFUSED, "cannot undo run %s: %s", run_id,
                         run.runbook->undo.reason[0] == '\0' ? "its runbook forbids it"
                                                             : run.runbook->undo.reason);
    done = done && fill_plan(connection, run_id, &run, plan, err) && set_digest(plan, err);
    undone_run_release(&run);
    if (done)
        *out = TAKE(plan);
    return done;
}

/* ---- the start ---- */

struct undo_start {
    struct connection *connection;
    const struct runbook_settings *settings;
    const struct value *plan;
    const char *undoes;
    const char *digest;
    char id[64];
};

static void make_id(struct undo_start *start)
{
    uint8_t bytes[3];
    char hex[sizeof bytes * 2 + 1];
    random_fill(&random_system, bytes, sizeof bytes);
    text_hex(bytes, sizeof bytes, hex);
    (void)snprintf(start->id, sizeof start->id, "undo-%.50s-%s", start->undoes, hex);
}

static bool insert_run(struct undo_start *start, struct error *err)
{
    struct buf text;
    uint64_t stored = 0;
    buf_init(&text, PLAN_MAX_BYTES);
    bool done = value_print(start->plan, false, &text, err) && buf_check(&text, "the plan", err);
    const struct query query = {
        .sql = "INSERT INTO mainstay.runs (id, kind, undoes, runbook, version, runbook_digest, "
               "plan_digest, source, plan, concurrency_group) SELECT $1, 'undo', id, runbook, "
               "version, runbook_digest, $3, source, $4, concurrency_group FROM mainstay.runs "
               "WHERE id = $2 AND kind = 'run' AND state IN ('done', 'failed', 'cancelled')",
        .values = (const char *const[]){start->id, start->undoes, start->digest,
                                        done ? buf_text(&text) : NULL},
        .count = 4,
        .what = "store the undo",
    };
    done = done && query_do(start->connection, &query, &stored, err);
    buf_release(&text);
    if (!done && strcmp(query_sqlstate(start->connection), "23505") == 0)
        return error_set(err, ERROR_REFUSED,
                         "cannot undo run %s: another run of its group is going on", start->undoes);
    return done && (stored == 1 || error_set(err, ERROR_REFUSED,
                                             "cannot undo run %s: it is not over", start->undoes));
}

static bool insert_targets(struct undo_start *start, const struct value *step, const char *id,
                           struct error *err)
{
    const struct value *tags;
    const struct value *tag;
    const char *name;
    if (!value_get_array(step, "tags", &tags, err) || !value_at_object(tags, 0, &tag, err) ||
        !value_get_text(tag, "tag", &name, err))
        return false;
    const struct query query = {
        .sql = "INSERT INTO mainstay.run_targets (run_id, selection, seq, id, ticket_id) "
               "SELECT $2, $3, row_number() OVER (ORDER BY ticket_id), ticket_id, ticket_id "
               "FROM (" ADDED ") n WHERE value = $4",
        .values = (const char *const[]){start->undoes, start->id, id, name},
        .count = 4,
        .what = "store what is undone",
    };
    return query_do(start->connection, &query, NULL, err);
}

static bool insert_step(struct undo_start *start, const struct value *step, size_t number,
                        struct error *err)
{
    const char *id;
    const char *uses;
    char at[RUN_NUMBER_SIZE];
    if (!value_get_text(step, "id", &id, err) || !value_get_text(step, "uses", &uses, err))
        return false;
    const struct query query = {
        .sql = "INSERT INTO mainstay.run_steps (run_id, section, at, step_id, uses) "
               "VALUES ($1, 'undo', $2, $3, $4)",
        .values = (const char *const[]){start->id, run_number((int64_t)number, at), id, uses},
        .count = 4,
        .what = "store the steps of the undo",
    };
    if (!query_do(start->connection, &query, NULL, err))
        return false;
    return strcmp(uses, "notice") == 0 || insert_targets(start, step, id, err);
}

static bool insert_steps(struct undo_start *start, struct error *err)
{
    const struct value *steps;
    if (!value_get_array(start->plan, "steps", &steps, err))
        return false;
    for (size_t i = 0; i < value_count(steps); i++) {
        const struct value *step;
        if (!value_at_object(steps, i, &step, err) || !insert_step(start, step, i, err))
            return false;
    }
    return true;
}

static bool write_events(struct undo_start *start, struct error *err)
{
    struct run run = {
        .connection = start->connection, .settings = start->settings, .id = start->id};
    struct run undone = {.connection = start->connection, .settings = start->settings};
    CLEANUP(free_pointer) char *undoes = strdup(start->undoes);
    undone.id = undoes;
    return (undoes != NULL || error_no_memory(err, "a run's name")) &&
           run_event_text(&run, "started", "undoes", start->undoes, err) &&
           run_event_text(&undone, "undo_started", "undo", start->id, err);
}

bool undo_start(struct connection *connection, const struct value *plan,
                const struct runbook_settings *settings, char **out_run_id, struct error *err)
{
    struct undo_start start = {.connection = connection, .settings = settings, .plan = plan};
    if (!value_get_text(plan, "undoes", &start.undoes, err) ||
        !value_get_text(plan, "digest", &start.digest, err))
        return false;
    make_id(&start);
    bool done = query_command(connection, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                              "begin a transaction", err) &&
                insert_run(&start, err) && insert_steps(&start, err) && write_events(&start, err) &&
                query_command(connection, "COMMIT", "commit", err);
    if (!done) {
        query_rollback(connection);
        return false;
    }
    *out_run_id = strdup(start.id);
    return *out_run_id != NULL || error_no_memory(err, "a run's name");
}

/* ---- its steps ---- */

static bool call_back(struct run *run, void *context, struct error *err)
{
    uint64_t cancelled = 0;
    uint64_t left = 0;
    char why[128];
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    (void)context;
    (void)snprintf(why, sizeof why, "undone by %.80s", run->id);
    return detail != NULL &&
           outbox_cancel(run->connection, run->undoes, NULL, why, &cancelled, &left, err) &&
           value_set_u64(detail, "cancelled", cancelled, err) &&
           value_set_u64(detail, "left", left, err) && run_step_set(run, "notices", detail, err) &&
           run_event(run, "notices_cancelled", detail, err);
}

bool step_undo_run(struct run *run, enum step_outcome *out, struct error *err)
{
    if (strcmp(run->step.uses, "notice") != 0)
        return step_tag_run(run, out, err);
    *out = STEP_DONE;
    return run_transaction(run, call_back, NULL, err);
}
