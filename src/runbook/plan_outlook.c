/* What else is going on, and how long it will take. */
#include "plan_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"
#include "runbook/id_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- overlap ---- */

static bool add_selection_ids(const struct value *selection, struct id_list *out, struct error *err)
{
    const struct value *segments = NULL;
    const char *of = NULL;
    if (!value_get_text(selection, "of", &of, err) ||
        !value_get_array(selection, "segments", &segments, err))
        return false;
    for (size_t i = 0; strcmp(of, "tickets") == 0 && i < value_count(segments); i++) {
        const struct value *segment = NULL;
        const char *ids = NULL;
        if (!value_at_object(segments, i, &segment, err) ||
            !value_get_text(segment, "ids", &ids, err) || !id_list_add_ranges(out, ids, err))
            return false;
    }
    return true;
}

static bool read_overlap(struct connection *connection, const struct id_list *tickets,
                         struct query_result **out, struct error *err)
{
    struct buf ids;
    buf_init(&ids, PLAN_MAX_BYTES);
    ids_put_array(tickets->items, tickets->count, &ids);
    bool done = buf_check(&ids, "a list of ids", err) &&
                query_run(
                    connection,
                    &(struct query){
                        .sql = "SELECT r.id, r.runbook, count(DISTINCT g.ticket_id) FROM "
                               "mainstay.runs r JOIN mainstay.run_targets g ON g.run_id = r.id "
                               "JOIN unnest($1::bigint[]) AS ours (id) ON ours.id = g.ticket_id "
                               "WHERE r.state IN ('running', 'waiting', 'paused') "
                               "GROUP BY r.id, r.runbook ORDER BY r.id",
                        .values = (const char *const[]){buf_text(&ids)},
                        .count = 1,
                        .what = "look for other runs"},
                    out, err);
    buf_release(&ids);
    return done;
}

static bool put_overlap_rows(const struct query_result *rows, struct value *list, struct error *err)
{
    for (size_t i = 0; i < query_rows(rows); i++) {
        struct value *item = value_append_new_object(list, err);
        int64_t tickets = 0;
        if (item == NULL || !query_i64(rows, i, 2, &tickets, err) ||
            !value_set_text(item, "run", query_field(rows, i, 0), err) ||
            !value_set_text(item, "runbook", query_field(rows, i, 1), err) ||
            !value_set_i64(item, "tickets", tickets, err))
            return false;
    }
    return true;
}

static bool collect_tickets(const struct plan_context *context, struct id_list *out,
                            struct error *err)
{
    for (size_t i = 0; i < context->runbook->selection_count; i++) {
        const struct value *selection = NULL;
        if (!plan_selection(context->plan, context->runbook->selections[i].name, &selection, err) ||
            !add_selection_ids(selection, out, err))
            return false;
    }
    id_list_sort(out);
    return true;
}

bool plan_put_overlap(struct plan_context *context, struct value *list, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    CLEANUP(id_list_release) struct id_list tickets = {0};
    return collect_tickets(context, &tickets, err) &&
           (tickets.count == 0 || (read_overlap(context->connection, &tickets, &rows, err) &&
                                   put_overlap_rows(rows, list, err)));
}

/* ---- estimate ---- */

struct work {
    uint64_t batches;
    uint64_t targets; /* of tag steps: one for each tag and ticket */
};

static bool add_tags(const struct value *planned, struct work *work, uint64_t batch,
                     struct error *err)
{
    const struct value *tags = NULL;
    if (!value_get_array(planned, "tags", &tags, err))
        return false;
    for (size_t i = 0; i < value_count(tags); i++) {
        const struct value *tag = NULL;
        uint64_t count = 0;
        if (!value_at_object(tags, i, &tag, err) || !value_get_u64(tag, "count", &count, err))
            return false;
        work->targets += count;
        work->batches += (count + batch - 1) / batch;
    }
    return true;
}

static bool add_notices(const struct value *planned, struct work *work, uint64_t batch,
                        struct error *err)
{
    uint64_t count = 0;
    if (!value_get_u64(planned, "customer_count", &count, err))
        return false;
    work->targets += count;
    work->batches += (count + batch - 1) / batch;
    return true;
}

static bool measure_work(const struct plan_context *context, struct work *out, struct error *err)
{
    const struct value *list = NULL;
    uint64_t batch = context->runbook->limits.batch == 0 ? 1000 : context->runbook->limits.batch;
    if (!value_get_array(context->plan, "steps", &list, err))
        return false;
    for (size_t i = 0; i < context->runbook->step_count; i++) {
        enum step_uses uses = context->runbook->steps[i].uses;
        const struct value *planned = NULL;
        if (!value_at_object(list, i, &planned, err) ||
            ((uses == USES_TAG || uses == USES_UNTAG) && !add_tags(planned, out, batch, err)) ||
            (uses == USES_NOTICE && !add_notices(planned, out, batch, err)))
            return false;
    }
    return true;
}

/* Microseconds that one target took in the newest run that did enough of them to tell; an empty id
 * where there is none. Steps that waited or were paused would not tell: only those that ran in one
 * go have no event of that kind between, so the quickest of the last five is taken. */
static bool read_measured(struct connection *connection, struct query_result **out,
                          struct error *err)
{
    static const struct query query = {
        .sql =
            "SELECT w.run_id, ceil(w.seconds * 1000000 / w.cursor)::bigint FROM (SELECT s.run_id, "
            "s.cursor, extract(epoch FROM s.finished_at - s.started_at) AS seconds FROM "
            "mainstay.run_steps s WHERE s.uses IN ('tag', 'untag', 'notice') AND s.state = "
            "'done' AND s.cursor >= 100 AND s.finished_at > s.started_at ORDER BY s.finished_at "
            "DESC, s.run_id, s.section, s.at LIMIT 5) w ORDER BY 2, 1 LIMIT 1",
        .what = "read how long earlier runs took"};
    return query_run(connection, &query, out, err);
}

bool plan_put_estimate(struct plan_context *context, struct value *estimate, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    CLEANUP(free_pointer) char *basis = NULL;
    struct work work = {0};
    int64_t each_us = 0;
    if (!measure_work(context, &work, err) || !read_measured(context->connection, &rows, err))
        return false;
    bool measured = query_rows(rows) == 1;
    if (measured && !query_i64(rows, 0, 1, &each_us, err))
        return false;
    int64_t us = measured ? each_us * (int64_t)work.targets
                          : context->runbook->limits.target_us * (int64_t)work.batches;
    basis = measured ? text_format("measured on run %s", query_field(rows, 0, 0))
                     : strdup("default");
    if (basis == NULL)
        return error_no_memory(err, "an estimate");
    return value_set_u64(estimate, "batches", work.batches, err) &&
           value_set_i64(estimate, "seconds", (us + 999999) / 1000000, err) &&
           value_set_text(estimate, "basis", basis, err);
}
