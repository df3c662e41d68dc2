/*
 * Tables and B-tree indexes by the functions of the extension amcheck, those that pg_amcheck calls:
 * asked one by one, so that a time budget can end the check between two of them, on PostgreSQL 13
 * as well, and where pg_amcheck is not installed. The order is by chance and different in each
 * drill, so that with a budget different relations are looked at.
 */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_MAJOR = 14, NAMED_MAX = 5, ONE_TIMEOUT_US = INT32_MAX };

struct amcheck {
    struct drill_job *job;
    int64_t deadline_us; /* INT64_MAX: none */
    uint64_t relations;
    uint64_t bytes;
    uint64_t relations_done;
    uint64_t bytes_done;
    uint64_t broken;
    struct buf named;
};

bool drill_databases(struct drill_job *job, struct query_result **out, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    const struct query query = {.sql = "SELECT datname FROM pg_database WHERE datallowconn AND "
                                       "datname <> 'template0' ORDER BY datname COLLATE \"C\"",
                                .what = "list the databases"};
    return drill_server_connect(&job->server, "template1", &connection, err) &&
           query_run(connection, &query, out, err);
}

/* Its schema, quoted. *out_schema NULL: it is not installed on this machine. */
static bool install(struct connection *connection, char **out_schema, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *available = NULL;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    const struct query look = {
        .sql = "SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'",
        .what = "look for the extension amcheck"};
    const struct query schema = {
        .sql = "SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = "
               "e.extnamespace WHERE extname = 'amcheck'",
        .what = "look for the extension amcheck"};
    *out_schema = NULL;
    if (!query_run(connection, &look, &available, err))
        return false;
    if (query_rows(available) == 0)
        return true;
    if (!query_command(connection, "CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog",
                       "create the extension amcheck", err) ||
        !query_run(connection, &schema, &rows, err))
        return false;
    *out_schema = strdup(query_field(rows, 0, 0));
    return *out_schema != NULL || error_no_memory(err, "a schema");
}

static bool list_relations(struct amcheck *check, struct connection *connection,
                           struct query_result **out, struct error *err)
{
    const char *const values[] = {check->job->plan->id};
    const struct query query = {
        .sql = check->job->plan->major >= HEAP_MAJOR
                   ? "SELECT c.oid, c.relkind = 'i', c.oid::regclass, pg_relation_size(c.oid) "
                     "FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN "
                     "pg_am a ON a.oid = c.relam WHERE c.relpersistence = 'p' AND ((c.relkind = "
                     "'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready) OR "
                     "(c.relkind IN ('r', 'm', 't') AND a.amname = 'heap')) "
                     "ORDER BY md5(c.oid::text || $1)"
                   : "SELECT c.oid, c.relkind = 'i', c.oid::regclass, pg_relation_size(c.oid) "
                     "FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON "
                     "a.oid = c.relam WHERE c.relpersistence = 'p' AND c.relkind = 'i' AND "
                     "a.amname = 'btree' AND i.indisvalid AND i.indisready "
                     "ORDER BY md5(c.oid::text || $1)",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "list tables and indexes"};
    return query_run(connection, &query, out, err);
}

static uint64_t size_of(const struct query_result *list, size_t row)
{
    uint64_t bytes = 0;
    return text_to_u64(query_field(list, row, 3), &bytes) ? bytes : 0;
}

static void name_broken(struct amcheck *check, const char *database, const char *relation,
                        const char *what)
{
    if (check->broken++ < NAMED_MAX)
        buf_printf(&check->named, "%s\"%s\" in database \"%s\": %.400s",
                   check->named.len > 0 ? "; " : "", relation, database, what);
}

/* A broken relation is no error: it is named. */
static bool check_relation(struct amcheck *check, struct connection *connection,
                           const char *database, const char *schema,
                           const struct query_result *list, size_t row, struct error *err)
{
    struct error failure = {0};
    const char *const values[] = {query_field(list, row, 0)};
    bool is_index = query_field(list, row, 1)[0] == 't';
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    CLEANUP(free_pointer)
    char *sql = is_index
                    ? text_format("SELECT %s.bt_index_parent_check($1::oid::regclass, true)",
                                  schema)
                    : text_format("SELECT format('block %%s, row %%s: %%s', blkno, offnum, msg) "
                                  "FROM %s.verify_heapam($1::oid::regclass) LIMIT 1",
                                  schema);
    if (sql == NULL)
        return error_no_memory(err, "a statement");
    const struct query query = {
        .sql = sql, .values = values, .count = 1, .what = "check it", .timeout_us = ONE_TIMEOUT_US};
    bool answered = query_run(connection, &query, &rows, &failure);
    if (!answered && strcmp(query_sqlstate(connection), "57014") == 0)
        return true; /* the budget is spent */
    if (!answered && (failure.kind == ERROR_CANCELLED || failure.kind == ERROR_NO_MEMORY ||
                      query_sqlstate(connection)[0] == '\0')) {
        *err = failure;
        return false;
    }
    if (!answered)
        name_broken(check, database, query_field(list, row, 2), failure.text);
    else if (!is_index && query_rows(rows) > 0)
        name_broken(check, database, query_field(list, row, 2), query_field(rows, 0, 0));
    check->relations_done++;
    check->bytes_done += size_of(list, row);
    return true;
}

static bool limit_time(const struct amcheck *check, struct connection *connection,
                       struct error *err)
{
    char sql[64];
    if (check->deadline_us == INT64_MAX)
        return true;
    int64_t left_us = check->deadline_us - drill_now(check->job);
    (void)snprintf(sql, sizeof sql, "SET statement_timeout = %" PRId64,
                   left_us > 1000 ? left_us / 1000 : 1);
    return query_command(connection, sql, "limit the time of a check", err);
}

static bool check_relations(struct amcheck *check, struct connection *connection,
                            const char *database, const char *schema, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *list = NULL;
    if (!list_relations(check, connection, &list, err))
        return false;
    check->relations += query_rows(list);
    for (size_t i = 0; i < query_rows(list); i++)
        check->bytes += size_of(list, i);
    for (size_t i = 0; i < query_rows(list) && drill_now(check->job) < check->deadline_us; i++)
        if (!stop_check(err) || !limit_time(check, connection, err) ||
            !check_relation(check, connection, database, schema, list, i, err))
            return false;
    return true;
}

static bool check_database(struct amcheck *check, const char *database, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(free_pointer) char *schema = NULL;
    if (!drill_server_connect(&check->job->server, database, &connection, err) ||
        !install(connection, &schema, err))
        return error_wrap(err, "database \"%s\"", database);
    return schema == NULL || check_relations(check, connection, database, schema, err);
}

/* What was looked at, said always: a sample must not be taken for the whole. */
static char *describe(const struct amcheck *check)
{
    char done[TEXT_SIZE];
    char all[TEXT_SIZE];
    bool whole = check->relations_done == check->relations;
    return text_format(
        "%s: %" PRIu64 " of %" PRIu64 " %s, %s of %s%s",
        whole ? "everything" : "a sample within drill.amcheck-budget", check->relations_done,
        check->relations, check->job->plan->major >= HEAP_MAJOR ? "tables and indexes" : "indexes",
        text_bytes(check->bytes_done, done), text_bytes(check->bytes, all),
        check->job->plan->major >= HEAP_MAJOR ? "" : " (PostgreSQL 13 cannot check tables)");
}

static bool settle(struct amcheck *check, struct drill_check *row, struct error *err)
{
    if (check->relations == 0)
        return drill_check_skip(row, strdup("the extension amcheck is not installed"), err);
    const char *named = buf_text(&check->named);
    char *found = check->broken == 0 ? strdup("nothing broken")
                                     : text_format("%" PRIu64 " broken: %s", check->broken,
                                                   named == NULL ? "" : named);
    return drill_check_settle(row, check->broken == 0, "nothing broken", found, err) &&
           drill_proof_set(&row->detail, describe(check), err);
}

static void amcheck_release(struct amcheck *check)
{
    buf_release(&check->named);
}

bool drill_check_amcheck(struct drill_job *job, struct drill_check *row, struct error *err)
{
    int64_t budget_us = job->options->amcheck_budget_us;
    CLEANUP(amcheck_release)
    struct amcheck check = {.job = job,
                            .deadline_us = budget_us == 0 ? INT64_MAX : drill_now(job) + budget_us};
    CLEANUP(query_result_cleanup) struct query_result *databases = NULL;
    buf_init(&check.named, DRILL_TEXT_MAX);
    if (!drill_databases(job, &databases, err))
        return false;
    for (size_t i = 0; i < query_rows(databases); i++)
        if (!check_database(&check, query_field(databases, i, 0), err))
            return false;
    return settle(&check, row, err);
}
