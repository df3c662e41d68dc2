#include "ticket/adapter_probe.h"

#include "postgres/query.h"

#include <string.h>

enum { WANTED_MAX_BYTES = 1024 * 1024 };

static bool put_wanted(const struct adapter *adapter, struct buf *tables, struct buf *columns,
                       struct error *err)
{
    query_array_begin(tables);
    query_array_begin(columns);
    for (size_t i = 0; i < adapter->table_count; i++) {
        const struct adapter_table *table = &adapter->tables[i];
        for (size_t j = 0; j < table->columns.count; j++) {
            query_array_add(tables, table->name);
            query_array_add(columns, table->columns.items[j]);
        }
    }
    query_array_end(tables);
    query_array_end(columns);
    return buf_check(tables, "the columns of an adapter", err) &&
           buf_check(columns, "the columns of an adapter", err);
}

/* Gives a row for each table that lacks something: its name, the columns, whether it is there. */
static bool find_missing(struct connection *connection, const struct adapter *adapter,
                         struct query_result **out, struct error *err)
{
    struct buf tables;
    struct buf columns;
    buf_init(&tables, WANTED_MAX_BYTES);
    buf_init(&columns, WANTED_MAX_BYTES);
    bool done = put_wanted(adapter, &tables, &columns, err);
    const char *const values[] = {adapter->helpdesk_schema, done ? buf_text(&tables) : NULL,
                                  done ? buf_text(&columns) : NULL};
    struct query query = {
        .sql = "SELECT w.t, pg_catalog.string_agg(w.c, ', ' ORDER BY w.n), k.oid IS NOT NULL"
               " FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (t, c, n)"
               " LEFT JOIN pg_catalog.pg_namespace s ON s.nspname = $1"
               " LEFT JOIN pg_catalog.pg_class k ON k.relnamespace = s.oid AND k.relname = w.t"
               "   AND k.relkind IN ('r', 'p', 'v', 'm', 'f')"
               " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = k.oid AND a.attname = w.c"
               "   AND a.attnum > 0 AND NOT a.attisdropped"
               " WHERE a.attname IS NULL GROUP BY w.t, k.oid ORDER BY pg_catalog.min(w.n)",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "look at the helpdesk's tables"};
    done = done && query_run(connection, &query, out, err);
    buf_release(&tables);
    buf_release(&columns);
    return done;
}

bool adapter_probe(struct connection *connection, const struct adapter *adapter, struct buf *out,
                   struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!find_missing(connection, adapter, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        bool table_there = strcmp(query_field(rows, i, 2), "t") == 0;
        buf_printf(out, "%s (%s)\n", query_field(rows, i, 0),
                   table_there ? query_field(rows, i, 1) : "the table itself");
    }
    return buf_check(out, "the missing columns", err);
}
