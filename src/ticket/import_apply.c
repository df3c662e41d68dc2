/* From the temporary table into the helpdesk's tables, in a few statements. */
#include "import_internal.h"

#include "base/cleanup.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <string.h>

enum { STATEMENT_MAX_BYTES = 64 * 1024 };

#define STEP_TIMEOUT_US (INT64_C(6) * 3600 * 1000000)

static bool run(struct connection *connection, const char *sql, const char *what,
                struct query_result **out, struct error *err)
{
    struct query query = {.sql = sql, .what = what, .timeout_us = STEP_TIMEOUT_US};
    return query_run(connection, &query, out, err);
}

static bool execute(struct connection *connection, const char *sql, const char *what,
                    uint64_t *out_rows, struct error *err)
{
    struct query query = {.sql = sql, .what = what, .timeout_us = STEP_TIMEOUT_US};
    return query_do(connection, &query, out_rows, err);
}

/* --- references ------------------------------------------------------------------------------ */

/* Tickets and orders may bring persons that nobody has imported: known by their address. */
static const char make_customers[] =
    "INSERT INTO helpdesk.customers (external_id, email, name)"
    " SELECT DISTINCT ON (x.k) x.k, x.customer_email, x.customer_name FROM (SELECT i.*,"
    "   COALESCE(i.customer, 'email:' || lower(i.customer_email)) AS k"
    "   FROM pg_temp.mainstay_import i WHERE i.customer_email IS NOT NULL) x"
    " WHERE NOT EXISTS (SELECT 1 FROM helpdesk.customers c WHERE c.external_id = x.k)"
    "   AND (x.customer IS NOT NULL OR NOT EXISTS (SELECT 1 FROM helpdesk.customers c"
    "     WHERE lower(c.email) = lower(x.customer_email)))"
    " ORDER BY x.k, x.line ON CONFLICT (external_id) DO NOTHING";

static const char missing_customers[] =
    "SELECT i.line, i.customer, count(*) OVER () FROM pg_temp.mainstay_import i"
    " WHERE i.customer IS NOT NULL AND NOT EXISTS (SELECT 1 FROM helpdesk.customers c"
    "   WHERE c.external_id = i.customer) ORDER BY i.line LIMIT 1";

static const char missing_tickets[] =
    "SELECT i.line, i.ticket, count(*) OVER () FROM pg_temp.mainstay_import i"
    " WHERE NOT EXISTS (SELECT 1 FROM helpdesk.tickets t WHERE t.external_id = i.ticket)"
    " ORDER BY i.line LIMIT 1";

static bool check_references(struct connection *connection, const struct import_options *options,
                             const char *sql, const char *what, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!run(connection, sql, "look for what is named", &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return true;
    (void)error_set(err, ERROR_INVALID, "%s:%s: there is no %s \"%.60s\"; so it is on %s lines",
                    options->file, query_field(rows, 0, 0), what, query_field(rows, 0, 1),
                    query_field(rows, 0, 2));
    return error_hint(err, "Import the %ss first.", what);
}

static bool uses(const struct import_table *table, enum import_use use,
                 const bool present[IMPORT_COLUMNS_MAX])
{
    for (size_t i = 0; i < import_column_count(table); i++)
        if (table->columns[i].use == use && present[i])
            return true;
    return false;
}

static bool resolve(struct connection *connection, const struct import_options *options,
                    const bool present[IMPORT_COLUMNS_MAX], struct error *err)
{
    const struct import_table *table = import_table(options->kind);
    if (uses(table, USE_TICKET, present))
        return check_references(connection, options, missing_tickets, "ticket", err);
    if (!uses(table, USE_CUSTOMER, present))
        return true;
    return execute(connection, make_customers, "make customers", NULL, err) &&
           check_references(connection, options, missing_customers, "customer", err);
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Calls put for every column of the table that the file has, with commas between. */
static void put_columns(const struct import_table *table, const bool present[IMPORT_COLUMNS_MAX],
                        void (*put)(const struct import_column *column, struct buf *out),
                        struct buf *out)
{
    const char *comma = "";
    for (size_t i = 0; i < import_column_count(table); i++) {
        if (!present[i] || table->columns[i].use != USE_COLUMN)
            continue;
        buf_printf(out, "%s", comma);
        put(&table->columns[i], out);
        comma = ", ";
    }
}

static void put_name(const struct import_column *column, struct buf *out)
{
    buf_printf(out, "%s", import_target(column));
}

static void put_value(const struct import_column *column, struct buf *out)
{
    if (column->standard == NULL)
        buf_printf(out, "i.%s", column->name);
    else
        buf_printf(out, "COALESCE(i.%s, o.%s, %s)", column->name, import_target(column),
                   column->standard);
}

static void put_assignment(const struct import_column *column, struct buf *out)
{
    buf_printf(out, "%s = EXCLUDED.%s", import_target(column), import_target(column));
}

static void put_old(const struct import_column *column, struct buf *out)
{
    buf_printf(out, "r.%s", import_target(column));
}

static void put_new(const struct import_column *column, struct buf *out)
{
    buf_printf(out, "EXCLUDED.%s", import_target(column));
}

/* What a row refers to: its column, where its value comes from, and how that is found. */
struct reference {
    const char *column;
    const char *value;
    const char *join;
};

static const struct reference no_reference = {NULL, NULL, ""};
static const struct reference to_customer = {
    "customer_id", "COALESCE(c.id, e.id)",
    " LEFT JOIN helpdesk.customers c ON c.external_id = i.customer"
    " LEFT JOIN LATERAL (SELECT min(m.id) AS id FROM helpdesk.customers m"
    "   WHERE i.customer IS NULL AND lower(m.email) = lower(i.customer_email)) e ON true"};
static const struct reference to_ticket = {"ticket_id", "t.id",
                                           " JOIN helpdesk.tickets t ON t.external_id = i.ticket"};

static const struct reference *reference_of(const struct import_table *table,
                                            const bool present[IMPORT_COLUMNS_MAX])
{
    if (uses(table, USE_TICKET, present))
        return &to_ticket;
    return uses(table, USE_CUSTOMER, present) ? &to_customer : &no_reference;
}

/* When the file says nothing about when a row changed, that is now. */
static bool touches(const struct import_table *table, const bool present[IMPORT_COLUMNS_MAX])
{
    for (size_t i = 0; i < import_column_count(table); i++)
        if (strcmp(table->columns[i].name, "updated_at") == 0)
            return !present[i];
    return strcmp(table->name, "messages") != 0;
}

/* The last of several records with one external_id counts. Where a record says nothing and the
 * table wants something, it stays as it was (o). Rows that are as the file says are not written. */
static void put_upsert(const struct import_table *table, const bool present[IMPORT_COLUMNS_MAX],
                       struct buf *out)
{
    const struct reference *reference = reference_of(table, present);
    bool refers = reference->column != NULL;
    buf_printf(out, "WITH done AS (INSERT INTO %s AS r (", table->relation);
    put_columns(table, present, put_name, out);
    buf_printf(out, "%s%s) SELECT ", refers ? ", " : "", refers ? reference->column : "");
    put_columns(table, present, put_value, out);
    buf_printf(out, "%s%s", refers ? ", " : "", refers ? reference->value : "");
    buf_printf(out,
               " FROM (SELECT DISTINCT ON (external_id) * FROM pg_temp.mainstay_import"
               " ORDER BY external_id, line DESC) i"
               " LEFT JOIN %s o ON o.external_id = i.external_id%s ORDER BY i.line"
               " ON CONFLICT (external_id) DO UPDATE SET ",
               table->relation, reference->join);
    put_columns(table, present, put_assignment, out);
    if (refers)
        buf_printf(out, ", %s = EXCLUDED.%s", reference->column, reference->column);
    buf_printf(out, "%s WHERE (", touches(table, present) ? ", updated_at = now()" : "");
    put_columns(table, present, put_old, out);
    if (refers)
        buf_printf(out, ", r.%s", reference->column);
    buf_printf(out, ") IS DISTINCT FROM (");
    put_columns(table, present, put_new, out);
    if (refers)
        buf_printf(out, ", EXCLUDED.%s", reference->column);
    buf_printf(out, ") RETURNING r.xmax = 0 AS made)"
                    " SELECT count(*) FILTER (WHERE made), count(*) FILTER (WHERE NOT made)"
                    " FROM done");
}

static bool upsert(struct connection *connection, const struct import_table *table,
                   const bool present[IMPORT_COLUMNS_MAX], struct import_counts *counts,
                   struct error *err)
{
    struct buf sql;
    int64_t created = 0;
    int64_t updated = 0;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    buf_init(&sql, STATEMENT_MAX_BYTES);
    put_upsert(table, present, &sql);
    const char *text = buf_text(&sql);
    bool done = text != NULL ? run(connection, text, "write the rows", &rows, err)
                             : error_no_memory(err, "a statement");
    buf_release(&sql);
    if (!done || !query_i64(rows, 0, 0, &created, err) || !query_i64(rows, 0, 1, &updated, err))
        return false;
    counts->created = (uint64_t)created;
    counts->updated = (uint64_t)updated;
    return true;
}

/* --- tags ------------------------------------------------------------------------------------ */

#define TAGS_OF_TICKETS                                                      \
    "(SELECT i.external_id AS ticket, u.tag FROM pg_temp.mainstay_import i," \
    " unnest(i.tags) AS u (tag)) w"
#define TAGS_OF_THEIR_OWN "pg_temp.mainstay_import w"

/* The lock is the one that tag_add takes before it makes a tag. */
static const char lock_tags[] =
    "SELECT pg_advisory_xact_lock(hashtextextended('helpdesk.tags', 0))";
#define MAKE_TAGS(source)                                                 \
    "INSERT INTO helpdesk.tags (name) SELECT DISTINCT w.tag FROM " source \
    " ORDER BY 1 ON CONFLICT (name) DO NOTHING"
#define SET_TAGS(source)                                                                           \
    "INSERT INTO helpdesk.ticket_tags (ticket_id, tag_id) SELECT DISTINCT t.id, g.id FROM " source \
    " JOIN helpdesk.tickets t ON t.external_id = w.ticket"                                         \
    " JOIN helpdesk.tags g ON g.name = w.tag ORDER BY 1, 2"                                        \
    " ON CONFLICT (ticket_id, tag_id) DO NOTHING"

static bool set_tags(struct connection *connection, bool of_tickets, uint64_t *out_tags,
                     struct error *err)
{
    return execute(connection, lock_tags, "lock the tags", NULL, err) &&
           execute(connection,
                   of_tickets ? MAKE_TAGS(TAGS_OF_TICKETS) : MAKE_TAGS(TAGS_OF_THEIR_OWN),
                   "make tags", NULL, err) &&
           execute(connection, of_tickets ? SET_TAGS(TAGS_OF_TICKETS) : SET_TAGS(TAGS_OF_THEIR_OWN),
                   "set tags", out_tags, err);
}

bool import_apply(struct connection *connection, const struct import_options *options,
                  const bool present[IMPORT_COLUMNS_MAX], struct import_counts *out,
                  struct error *err)
{
    const struct import_table *table = import_table(options->kind);
    bool own_rows = options->kind != IMPORT_TAGS;
    return execute(connection, "ANALYZE pg_temp.mainstay_import", "count the records", NULL, err) &&
           resolve(connection, options, present, err) &&
           (!own_rows || upsert(connection, table, present, out, err)) &&
           (!uses(table, USE_TAGS, present) || set_tags(connection, own_rows, &out->tags, err));
}
