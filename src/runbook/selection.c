#include "runbook/selection.h"

#include "selection_internal.h"

#include "base/text.h"
#include "postgres/query.h"
#include "runbook/id_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS_AT_ONCE = 2000, FETCH_TIMEOUT_US = 600 * 1000 * 1000 };

enum { COLUMN_ID, COLUMN_CUSTOMER, COLUMN_SEGMENT, COLUMN_EXCLUDED };

bool selection_set_session(struct connection *connection, int64_t timeout_us, struct error *err)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'; "
                   "SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; "
                   "SET LOCAL standard_conforming_strings = on; SET LOCAL jit = off; "
                   "SET LOCAL cursor_tuple_fraction = 1; SET LOCAL statement_timeout = %" PRId64,
                   (timeout_us + 999) / 1000);
    return query_script(connection, sql, "set up the transaction", err);
}

static bool read_row(const struct query_result *rows, size_t at, struct selection_row *out,
                     struct error *err)
{
    int64_t segment = 0;
    *out = (struct selection_row){0};
    if (!query_i64(rows, at, COLUMN_ID, &out->id, err) ||
        !query_i64(rows, at, COLUMN_SEGMENT, &segment, err) ||
        !query_bool(rows, at, COLUMN_EXCLUDED, &out->excluded, err))
        return false;
    out->segment = (size_t)segment;
    return query_is_null(rows, at, COLUMN_CUSTOMER) ||
           query_i64(rows, at, COLUMN_CUSTOMER, &out->customer_id, err);
}

static bool visit_rows(const struct query_result *rows, selection_row_fn visit, void *context,
                       struct error *err)
{
    for (size_t i = 0; i < query_rows(rows); i++) {
        struct selection_row row;
        if (!read_row(rows, i, &row, err) || !visit(context, &row, err))
            return false;
    }
    return true;
}

static bool open_cursor(const struct selection_query *query, struct connection *connection,
                        struct error *err)
{
    char *sql = text_format("DECLARE mainstay_selection NO SCROLL CURSOR FOR\n%s", query->sql);
    if (sql == NULL)
        return error_no_memory(err, "a selection");
    bool done = query_do(connection,
                         &(struct query){.sql = sql,
                                         .values = (const char *const *)query->values,
                                         .count = query->value_count,
                                         .what = "begin to select"},
                         NULL, err);
    free(sql);
    return done;
}

static bool fetch(struct connection *connection, selection_row_fn visit, void *context,
                  bool *out_more, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    char sql[64];
    (void)snprintf(sql, sizeof sql, "FETCH %d FROM mainstay_selection", ROWS_AT_ONCE);
    if (!query_run(connection,
                   &(struct query){.sql = sql, .what = "select", .timeout_us = FETCH_TIMEOUT_US},
                   &rows, err))
        return false;
    *out_more = query_rows(rows) == ROWS_AT_ONCE;
    return visit_rows(rows, visit, context, err);
}

bool selection_each(const struct selection_query *query, struct connection *connection,
                    selection_row_fn visit, void *context, struct error *err)
{
    const char *name = query->selection->name;
    bool more = true;
    if (!open_cursor(query, connection, err))
        return error_wrap(err, "selection \"%s\"", name);
    while (more)
        if (!fetch(connection, visit, context, &more, err))
            return error_wrap(err, "selection \"%s\"", name);
    return query_command(connection, "CLOSE mainstay_selection", "end a selection", err);
}

bool selection_recheck(const struct selection_query *query, struct connection *connection,
                       const char *run_id, const int64_t *ids, size_t count, selection_row_fn visit,
                       void *context, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    const char *values[SELECTION_MAX_VALUES + 2];
    struct buf array;
    buf_init(&array, SELECTION_MAX_ARRAY_BYTES);
    ids_put_array(ids, count, &array);
    for (size_t i = 0; i < query->value_count; i++)
        values[i] = query->values[i];
    values[query->value_count] = run_id;
    values[query->value_count + 1] = buf_text(&array);
    bool done = buf_check(&array, "a list of ids", err) &&
                query_run(connection,
                          &(struct query){.sql = query->recheck_sql,
                                          .values = values,
                                          .count = query->value_count + 2,
                                          .what = "look at tickets again"},
                          &rows, err);
    buf_release(&array);
    if (!done || !visit_rows(rows, visit, context, err))
        return error_wrap(err, "selection \"%s\"", query->selection->name);
    return true;
}

bool selection_prepare(const struct selection_query *query, struct connection *connection,
                       struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *plan = NULL;
    char *sql = text_format("EXPLAIN %s", query->sql);
    if (sql == NULL)
        return error_no_memory(err, "a selection");
    bool done = query_run(connection,
                          &(struct query){.sql = sql,
                                          .values = (const char *const *)query->values,
                                          .count = query->value_count,
                                          .what = "prepare it"},
                          &plan, err);
    free(sql);
    if (!done)
        return error_wrap(err, "selection \"%s\" (line %d)", query->selection->name,
                          query->selection->line);
    return true;
}
