/* What the server that is backed up says: how far its WAL is, and answers to compare with. */
#include "drill_internal.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CONNECT_TIMEOUT_S = 5, ASK_TIMEOUT_US = 60000000 };

static bool open_source(const struct drill_options *options, const char *database,
                        struct connection **out, struct error *err)
{
    struct connection_options source = *options->source;
    source.application_name = "mainstay drill";
    source.connect_timeout_s = CONNECT_TIMEOUT_S;
    if (database != NULL)
        source.database = database;
    return connection_open(&source, out, err);
}

static bool look(const struct drill_options *options, uint64_t system_identifier,
                 struct drill_source *out, struct error *err)
{
    static const char sql[] = "SELECT system_identifier::text, CASE WHEN pg_is_in_recovery() THEN "
                              "pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text "
                              "FROM pg_control_system()";
    char expected[TEXT_SIZE];
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    const struct query query = {.sql = sql, .what = "ask the source how far its WAL is"};
    if (!open_source(options, NULL, &connection, err) || !query_run(connection, &query, &rows, err))
        return false;
    (void)snprintf(expected, sizeof expected, "%" PRIu64, system_identifier);
    if (strcmp(query_field(rows, 0, 0), expected) != 0)
        return error_set(err, ERROR_REFUSED,
                         "postgres.connection leads to another cluster (system identifier %s)",
                         query_field(rows, 0, 0));
    return text_to_lsn(query_field(rows, 0, 1), &out->flush_lsn) ||
           error_set(err, ERROR_INVALID, "the source does not say how far its WAL is");
}

void drill_source_look(const struct drill_options *options, uint64_t system_identifier,
                       struct drill_source *out)
{
    struct error err = {0};
    *out = (struct drill_source){.asked = options->source != NULL};
    if (!out->asked)
        return;
    out->answered = look(options, system_identifier, out, &err);
    if (!out->answered)
        (void)snprintf(out->problem, sizeof out->problem, "%.255s", err.text);
}

bool drill_source_connect(const struct drill_job *job, const char *database,
                          struct connection **out, struct error *err)
{
    static const char session[] = "SET default_transaction_read_only = on;"
                                  "SET statement_timeout = '60s';"
                                  "SET lock_timeout = '2s';"
                                  "SET TimeZone = 'UTC';"
                                  "SET DateStyle = 'ISO, YMD'";
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    *out = NULL;
    if (!job->plan->source.answered)
        return true;
    if (!open_source(job->options, database, &connection, err) ||
        !query_script(connection, session, "prepare the session", err)) {
        /* What the source does not answer is no fault of the backup. */
        return err->kind != ERROR_NO_MEMORY && err->kind != ERROR_CANCELLED;
    }
    *out = TAKE(connection);
    return true;
}

bool drill_ask(struct connection *connection, const char *sql, const char *what,
               struct query_result **out, struct error *err)
{
    const struct query query = {.sql = sql, .what = what, .timeout_us = ASK_TIMEOUT_US};
    if (!query_command(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                       "begin a transaction", err))
        return false;
    bool done = query_command(connection, "SET LOCAL statement_timeout = '60s'",
                              "limit the time of a question", err) &&
                query_run(connection, &query, out, err);
    query_rollback(connection);
    return done;
}
