/* The selections of a plan: who is in them, how many, and a few of them to look at. */
#include "plan_internal.h"

#include "base/cleanup.h"
#include "document/utf8.h"
#include "postgres/query.h"
#include "runbook/id_list.h"
#include "runbook/selection.h"

#include <stdlib.h>
#include <string.h>

struct segment_found {
    struct id_ranges ids;
    int64_t samples[PLAN_SAMPLE_MAX]; /* the first ones */
    size_t sample_count;
};

struct found {
    struct segment_found *segments;
    size_t segment_count;
    uint64_t sample_limit;
    uint64_t count;
    uint64_t excluded;
    uint64_t without_customer;
    struct id_list *customers; /* as they come: not sorted, with repetitions */
};

static void found_release(struct found *found)
{
    for (size_t i = 0; i < found->segment_count; i++)
        id_ranges_release(&found->segments[i].ids);
    free(found->segments);
}

static bool found_init(struct found *found, const struct runbook_selection *selection,
                       uint64_t sample_limit, struct id_list *customers, struct error *err)
{
    size_t count = selection->segment_count == 0 ? 1 : selection->segment_count;
    *found = (struct found){.sample_limit = sample_limit, .customers = customers};
    found->segments = calloc(count, sizeof *found->segments);
    if (found->segments == NULL)
        return error_no_memory(err, "a selection");
    for (; found->segment_count < count; found->segment_count++)
        id_ranges_init(&found->segments[found->segment_count].ids, PLAN_MAX_BYTES);
    return true;
}

static bool add_row(void *context, const struct selection_row *row, struct error *err)
{
    struct found *found = context;
    if (row->segment >= found->segment_count)
        return error_set(err, ERROR_INVALID, "there is no segment %zu", row->segment);
    if (row->excluded) {
        found->excluded++;
        return true;
    }
    struct segment_found *segment = &found->segments[row->segment];
    id_ranges_add(&segment->ids, row->id);
    if (segment->sample_count < found->sample_limit)
        segment->samples[segment->sample_count++] = row->id;
    found->count++;
    if (row->customer_id != 0)
        return id_list_add(found->customers, row->customer_id, err);
    found->without_customer++;
    return true;
}

/* ---- samples ---- */

/* What people recognise a row by; no addresses. */
static const char *const sample_queries[] = {
    [OF_TICKETS] =
        "SELECT t.ref AS ticket, t.status, to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD "
        "HH24:MI') AS created, t.customer_name AS customer, t.order_no AS order, t.subject FROM "
        "mainstay.tickets t WHERE t.id = ANY ($1::bigint[]) ORDER BY t.id",
    [OF_ORDERS] =
        "SELECT o.order_no AS order, o.carrier, o.state, to_char(o.promised_at AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD HH24:MI') AS promised, o.tracking FROM mainstay.orders o WHERE o.id = ANY "
        "($1::bigint[]) ORDER BY o.id",
    [OF_CUSTOMERS] = "SELECT c.id::text AS customer, c.name, c.locale, c.country FROM "
                     "mainstay.customers c WHERE c.id = ANY ($1::bigint[]) ORDER BY c.id",
};

static bool put_clean(struct value *object, const char *key, const char *text, struct error *err)
{
    struct buf clean;
    buf_init(&clean, PLAN_MAX_BYTES);
    utf8_put_clean(text, "?", &clean);
    bool done = buf_check(&clean, "a sample", err) &&
                value_set_text(object, key, buf_text(&clean), err);
    buf_release(&clean);
    return done;
}

static bool put_sample_rows(const struct query_result *rows, struct value *list, struct error *err)
{
    for (size_t row = 0; row < query_rows(rows); row++) {
        struct value *sample = value_append_new_object(list, err);
        if (sample == NULL)
            return false;
        for (size_t column = 0; column < query_columns(rows); column++)
            if (!put_clean(sample, query_column_name(rows, column), query_field(rows, row, column),
                           err))
                return false;
    }
    return true;
}

static bool put_samples(struct connection *connection, enum selection_of of,
                        const struct segment_found *segment, struct value *list, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct buf ids;
    if (segment->sample_count == 0)
        return true;
    buf_init(&ids, 64 * 1024);
    ids_put_array(segment->samples, segment->sample_count, &ids);
    bool done = buf_check(&ids, "a list of ids", err) &&
                query_run(connection,
                          &(struct query){.sql = sample_queries[of],
                                          .values = (const char *const[]){buf_text(&ids)},
                                          .count = 1,
                                          .what = "read samples"},
                          &rows, err);
    buf_release(&ids);
    return done && put_sample_rows(rows, list, err);
}

/* ---- the object ---- */

static const char *segment_name(const struct runbook_selection *selection, size_t at)
{
    return selection->segment_count == 0 ? "all" : selection->segments[at].name;
}

static bool put_segment(struct connection *connection, const struct runbook_selection *selection,
                        size_t at, struct segment_found *segment, struct value *list,
                        struct error *err)
{
    const char *ids = id_ranges_text(&segment->ids);
    struct value *item = value_append_new_object(list, err);
    if (ids == NULL)
        return error_no_memory(err, "the ids of a selection");
    if (item == NULL || !value_set_text(item, "name", segment_name(selection, at), err) ||
        !value_set_u64(item, "count", segment->ids.count, err) ||
        !value_set_text(item, "ids", ids, err))
        return false;
    struct value *samples = value_set_new_array(item, "samples", err);
    return samples != NULL && put_samples(connection, selection->of, segment, samples, err);
}

static bool put_segments(struct connection *connection, const struct selection_query *query,
                         const struct runbook_selection *selection, struct found *found,
                         struct value *object, struct error *err)
{
    struct value *segments = value_set_new_array(object, "segments", err);
    for (size_t i = 0; segments != NULL && i < found->segment_count; i++)
        if (selection_left_out(query, i) == NULL &&
            !put_segment(connection, selection, i, &found->segments[i], segments, err))
            return false;
    struct value *left_out = segments == NULL ? NULL : value_set_new_array(object, "left_out", err);
    for (size_t i = 0; left_out != NULL && i < found->segment_count; i++) {
        const char *needs = selection_left_out(query, i);
        struct value *item = needs == NULL ? NULL : value_append_new_object(left_out, err);
        if (needs != NULL &&
            (item == NULL || !value_set_text(item, "segment", segment_name(selection, i), err) ||
             !value_set_text(item, "needs", needs, err)))
            return false;
    }
    return left_out != NULL;
}

static bool put_selection(struct plan_context *context, const struct runbook_selection *selection,
                          struct found *found, struct value *object, struct error *err)
{
    static const char *const of_names[] = {
        [OF_TICKETS] = "tickets", [OF_ORDERS] = "orders", [OF_CUSTOMERS] = "customers"};
    CLEANUP(selection_cleanup) struct selection_query *query = NULL;
    struct selection_context selections = plan_selections(context);
    if (!selection_compile(&selections, selection, &query, err) ||
        !selection_each(query, context->connection, add_row, found, err))
        return false;
    id_list_sort(found->customers);
    return value_set_text(object, "of", of_names[selection->of], err) &&
           value_set_u64(object, "count", found->count, err) &&
           value_set_u64(object, "customers", found->customers->count, err) &&
           value_set_u64(object, "without_customer", found->without_customer, err) &&
           value_set_u64(object, "excluded", found->excluded, err) &&
           put_segments(context->connection, query, selection, found, object, err);
}

bool plan_put_selections(struct plan_context *context, uint64_t sample_count,
                         struct value *selections, struct error *err)
{
    for (size_t i = 0; i < context->runbook->selection_count; i++) {
        const struct runbook_selection *selection = &context->runbook->selections[i];
        struct found found;
        struct value *object = value_set_new_object(selections, selection->name, err);
        if (object == NULL ||
            !found_init(&found, selection, sample_count, &context->memory->of_selection[i], err))
            return false;
        bool done = put_selection(context, selection, &found, object, err);
        found_release(&found);
        if (!done)
            return false;
    }
    return true;
}
