/*
 * How PostgreSQL would look tickets up. A cast in a view keeps it from using an index, which makes
 * the difference between milliseconds and minutes on a large helpdesk: EXPLAIN shows it on an empty
 * one already, when scans of whole tables are ruled out.
 */
#include "adapter_check_internal.h"

#include "base/cleanup.h"
#include "postgres/query.h"

#include <stdio.h>
#include <string.h>

enum { STATEMENT_SIZE = 256 };

static bool explain(struct connection *connection, const char *options, const char *statement,
                    struct query_result **out, struct error *err)
{
    char sql[STATEMENT_SIZE + 64];
    (void)snprintf(sql, sizeof sql, "EXPLAIN (%s) %s", options, statement);
    struct query query = {.sql = sql, .what = "plan a query"};
    return query_run(connection, &query, out, err);
}

/* --- bare columns ---------------------------------------------------------------------------- */

static const char *const bare[][2] = {{"tickets", "id"},          {"tickets", "customer_id"},
                                      {"tickets", "created_key"}, {"tickets", "updated_key"},
                                      {"messages", "ticket_id"},  {"messages", "created_key"}};

/* "t.id" is a column, "((t.id)::bigint)" is not; what is always NULL will do. */
static bool is_bare(const struct query_result *plan)
{
    for (size_t i = 0; i < query_rows(plan); i++) {
        const char *output = strstr(query_field(plan, i, 0), "Output: ");
        if (output == NULL)
            continue;
        output += strlen("Output: ");
        return strpbrk(output, "(,+'") == NULL &&
               (strstr(output, "::") == NULL || strncmp(output, "NULL::", strlen("NULL::")) == 0);
    }
    return false;
}

static void check_bare(struct connection *connection, struct check_list *list)
{
    static const char name[] = "columns.bare";
    char casts[CHECK_TEXT_SIZE] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
        char sql[STATEMENT_SIZE];
        struct error err;
        CLEANUP(query_result_cleanup) struct query_result *plan = NULL;
        (void)snprintf(sql, sizeof sql, "SELECT v.%s FROM mainstay.%s v", bare[i][1], bare[i][0]);
        if (!explain(connection, "VERBOSE, COSTS OFF", sql, &plan, &err)) {
            adapter_check_error(list, name, &err);
            return;
        }
        if (!is_bare(plan))
            used += (size_t)snprintf(casts + used, sizeof casts - used, "%s%s.%s",
                                     used == 0 ? "" : ", ", bare[i][0], bare[i][1]);
    }
    if (used == 0)
        check_add(list, name, CHECK_OK, "ids and keys are columns as they are stored");
    else
        check_add(list, name, CHECK_FAILED, "no bare columns: %s", casts);
}

/* --- indexes --------------------------------------------------------------------------------- */

/* The condition that an index must take over is known by a constant that nothing else has. */
struct lookup {
    const char *name;
    const char *sql;
    const char *constant;
    enum check_verdict verdict;
    const char *fix;
};

static const struct lookup lookups[] = {
    {"index.tickets",
     "SELECT v.id FROM mainstay.tickets v WHERE v.id = ANY ('{-8150001}'::bigint[])", "-8150001",
     CHECK_FAILED, ""},
    {"index.messages",
     "SELECT v.body FROM mainstay.messages v WHERE v.ticket_id = ANY ('{-8150001}'::bigint[])",
     "-8150001", CHECK_FAILED, ""},
    {"index.ticket_tags",
     "SELECT v.mark FROM mainstay.ticket_tags v WHERE v.ticket_id = ANY ('{-8150001}'::bigint[])",
     "-8150001", CHECK_FAILED, ""},
    {"index.customers",
     "SELECT v.name FROM mainstay.customers v WHERE v.id = ANY ('{-8150001}'::bigint[])",
     "-8150001", CHECK_FAILED, ""},
    /* A day to come, which few tickets have: where all have it, another index may be better. */
    {"index.created_key",
     "SELECT v.id FROM mainstay.tickets v WHERE v.created_key >= mainstay.key('2101-06-15 "
     "12:00+00')",
     "2101-06-1", CHECK_WARNING,
     "CREATE INDEX CONCURRENTLY on the column behind tickets.created_key: without one, finding the "
     "tickets of a day reads all of them"},
};

/* By an index, and never by looking at row after row. */
static bool uses_index(const struct query_result *plan, const char *constant)
{
    bool used = false;
    for (size_t i = 0; i < query_rows(plan); i++) {
        const char *line = query_field(plan, i, 0);
        if (strstr(line, constant) == NULL || strstr(line, "Recheck Cond:") != NULL)
            continue;
        if (strstr(line, "Index Cond:") == NULL)
            return false;
        used = true;
    }
    return used;
}

static void check_lookup(struct connection *connection, const struct lookup *lookup,
                         struct check_list *list)
{
    struct error err;
    CLEANUP(query_result_cleanup) struct query_result *plan = NULL;
    if (!explain(connection, "COSTS OFF", lookup->sql, &plan, &err)) {
        adapter_check_error(list, lookup->name, &err);
        return;
    }
    if (uses_index(plan, lookup->constant)) {
        check_add(list, lookup->name, CHECK_OK, "looked up by an index");
        return;
    }
    check_add(list, lookup->name, lookup->verdict, "no index can be used for: %s", lookup->sql);
    check_fix(list, "%s", lookup->fix);
}

void adapter_check_plans(struct connection *connection, struct check_list *list)
{
    struct error err;
    if (!query_script(connection, "BEGIN; SET LOCAL enable_seqscan = off", "begin", &err)) {
        adapter_check_error(list, "index", &err);
        return;
    }
    check_bare(connection, list);
    for (size_t i = 0; i < ARRAY_LEN(lookups); i++)
        check_lookup(connection, &lookups[i], list);
    query_rollback(connection);
}
