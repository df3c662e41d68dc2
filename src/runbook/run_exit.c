/* Whether a run's exit criteria hold: what can be counted is counted, the rest is for people. */
#include "run_internal.h"

#include <stdlib.h>

enum { EXCLUDED_AT_ONCE = 1000 };

/* Rows that only this run's own tags exclude still count: they are what the run is about. */
struct remaining {
    struct run *run;
    uint64_t count;
    struct run_ids excluded;
    size_t capacity;
};

static bool count_remaining(void *context, const struct selection_row *row, struct error *err)
{
    struct remaining *remaining = context;
    struct run_ids *excluded = &remaining->excluded;
    if (!row->excluded) {
        remaining->count++;
        return true;
    }
    if (excluded->count == remaining->capacity) {
        size_t capacity = remaining->capacity == 0 ? EXCLUDED_AT_ONCE : remaining->capacity * 2;
        int64_t *more = reallocarray(excluded->ids, capacity, sizeof *more);
        if (more == NULL)
            return error_no_memory(err, "an exit criterion");
        excluded->ids = more;
        remaining->capacity = capacity;
    }
    excluded->ids[excluded->count++] = row->id;
    return true;
}

static bool count_if_fitting(void *context, const struct selection_row *row, struct error *err)
{
    struct remaining *remaining = context;
    (void)err;
    remaining->count += !row->excluded;
    return true;
}

static bool look_again(struct remaining *remaining, const struct selection_query *query,
                       struct error *err)
{
    struct run *run = remaining->run;
    for (size_t at = 0; at < remaining->excluded.count; at += EXCLUDED_AT_ONCE) {
        size_t left = remaining->excluded.count - at;
        if (!selection_recheck(query, run->connection, run->id, &remaining->excluded.ids[at],
                               left < EXCLUDED_AT_ONCE ? left : EXCLUDED_AT_ONCE, count_if_fitting,
                               remaining, err))
            return false;
    }
    return true;
}

static bool count_selection(struct run *run, const char *name, uint64_t *out, struct error *err)
{
    CLEANUP(selection_cleanup) struct selection_query *query = NULL;
    struct remaining remaining = {.run = run};
    if (!run_selection(run, name, &query, err))
        return false;
    bool done = query_command(run->connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                              "begin", err) &&
                selection_set_session(run->connection, (int64_t)60 * 1000000, err) &&
                selection_each(query, run->connection, count_remaining, &remaining, err) &&
                look_again(&remaining, query, err);
    query_rollback(run->connection);
    free(remaining.excluded.ids);
    *out = remaining.count;
    return done;
}

static bool count_unsent(struct run *run, uint64_t *out, struct error *err)
{
    int64_t unsent = 0;
    const struct query query = {
        .sql = "SELECT count(*) FROM mainstay.notices WHERE run_id = $1 AND state IN ('queued', "
               "'held', 'sending', 'retry', 'unknown')",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "count the notices that are not sent",
    };
    bool done = run_query_number(run, &query, &unsent, err);
    *out = (uint64_t)unsent;
    return done;
}

static bool evaluate(struct run *run, const struct runbook_exit *criterion, struct value *item,
                     struct error *err)
{
    uint64_t left = 0;
    if (!value_set_text(item, "text", criterion->text, err))
        return false;
    if (criterion->zero[0] == '\0' && !criterion->drained)
        return value_set_text(item, "verdict", "for people to judge", err);
    if (criterion->drained ? !count_unsent(run, &left, err)
                           : !count_selection(run, criterion->zero, &left, err))
        return false;
    return value_set_u64(item, "left", left, err) &&
           value_set_text(item, "verdict", left == 0 ? "holds" : "does not hold", err);
}

bool run_exit_evaluate(struct run *run, struct value *array, struct error *err)
{
    for (size_t i = 0; i < run->runbook->exit_count; i++) {
        struct value *item = value_append_new_object(array, err);
        if (item == NULL || !evaluate(run, &run->runbook->exits[i], item, err))
            return error_wrap(err, "exit criterion %zu", i + 1);
    }
    return true;
}
