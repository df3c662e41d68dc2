/*
 * Statements with bind parameters, their rows, and transactions, on an ordinary connection.
 *
 * Parameters travel beside the statement as texts, never inside it: nothing that comes from a
 * ticket, a parameter or a runbook's author can become SQL by being a value. The extended protocol
 * also takes exactly one statement, so that none can be smuggled in behind another.
 */
#ifndef POSTGRES_QUERY_H
#define POSTGRES_QUERY_H

#include "base/buf.h"
#include "postgres/connection.h"

#include <stddef.h>
#include <stdint.h>

struct query {
    const char *sql;           /* one statement; $1, $2, ... are the parameters */
    const char *const *values; /* `count` texts; NULL is NULL */
    size_t count;
    const char *what;   /* for messages: "could not WHAT: reason" */
    int64_t timeout_us; /* how long the answer may take; 0: the connection's minute */
};

struct query_result;

/* Runs it and gives all rows. The error's kind follows the SQLSTATE; lock timeouts, deadlocks,
 * serialization failures and statement timeouts are retryable (query_sqlstate tells them apart). */
MUST_CHECK bool query_run(struct connection *connection, const struct query *query,
                          struct query_result **out, struct error *err);
/* The same without rows wanted; *out_affected (NULL allowed) is the number of rows changed. */
MUST_CHECK bool query_do(struct connection *connection, const struct query *query,
                         uint64_t *out_affected, struct error *err);
/* Several statements of our own, without parameters: scripts from this program's own files. */
MUST_CHECK bool query_script(struct connection *connection, const char *sql, const char *what,
                             struct error *err);

/* "BEGIN", "COMMIT", "SET ...": statements without parameters and rows. */
MUST_CHECK bool query_command(struct connection *connection, const char *sql, const char *what,
                              struct error *err);
/* ROLLBACK where a transaction is open; a lost connection has none. For clean-up: cannot fail. */
void query_rollback(struct connection *connection);

/* SQLSTATE of the last failure on this connection: "55P03"; "" when there was none. */
const char *query_sqlstate(const struct connection *connection);
/* Who the server says is logged in: current role of the session. Borrowed. */
const char *connection_user(const struct connection *connection);

void query_result_free(struct query_result *result); /* NULL is allowed */
/* For CLEANUP(query_result_cleanup). */
void query_result_cleanup(struct query_result **result);

size_t query_rows(const struct query_result *result);
size_t query_columns(const struct query_result *result);
const char *query_column_name(const struct query_result *result, size_t column);
bool query_is_null(const struct query_result *result, size_t row, size_t column);
/* The field as the server printed it, borrowed; "" for NULL. Row and column must be there. */
const char *query_field(const struct query_result *result, size_t row, size_t column);
/* ERROR_INVALID for NULL and for what is no such number or flag. */
MUST_CHECK bool query_i64(const struct query_result *result, size_t row, size_t column,
                          int64_t *out, struct error *err);
MUST_CHECK bool query_bool(const struct query_result *result, size_t row, size_t column, bool *out,
                           struct error *err);

/* Appends one element to the text form of an array parameter ('{"a","b"}', PostgreSQL's "Array
 * Input"); begin with query_array_begin, end with query_array_end. NULL text is NULL. */
void query_array_begin(struct buf *array);
void query_array_add(struct buf *array, const char *text);
void query_array_add_i64(struct buf *array, int64_t number);
void query_array_end(struct buf *array);

#endif
