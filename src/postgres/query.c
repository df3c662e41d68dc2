#include "postgres/query.h"

#include "connection_internal.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETERS_LIMIT = 100 };

struct query_result {
    PGresult *rows;
};

static bool send_query(struct connection *connection, const struct query *query, struct error *err)
{
    if (query->count > PARAMETERS_LIMIT)
        return error_set(err, ERROR_NO_MEMORY, "cannot bind %zu parameters", query->count);
    if (PQsendQueryParams(connection->pg, query->sql, (int)query->count, NULL, query->values, NULL,
                          NULL, 0) != 1)
        return connection_error(connection, NULL, query->what, err);
    return connection_flush(connection, err);
}

static void remember_sqlstate(struct connection *connection, const PGresult *result)
{
    const char *code = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(connection->sqlstate, sizeof connection->sqlstate, "%s",
                   code == NULL ? "" : code);
}

static bool is_success(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The server adds where and what in detail and hint; the message alone goes into the error. */
static bool take_answer(struct connection *connection, const struct query *query, PGresult **out,
                        struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *first = NULL;
    struct error lost = {0};
    int64_t timeout_us = query->timeout_us != 0 ? query->timeout_us : connection->answer_timeout_us;
    int64_t deadline_us = connection_deadline_us(timeout_us);
    if (!connection_next_result(connection, deadline_us, &first, err))
        return error_wrap(err, "could not %s", query->what);
    bool done = first != NULL && is_success(first);
    if (!done) {
        remember_sqlstate(connection, first);
        (void)connection_error(connection, first, query->what, err);
    }
    if (!connection_drain(connection, deadline_us, done ? err : &lost))
        return false;
    if (done)
        *out = TAKE(first);
    return done;
}

bool query_run(struct connection *connection, const struct query *query, struct query_result **out,
               struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *result = calloc(1, sizeof *result);
    if (result == NULL)
        return error_no_memory(err, "the rows of an answer");
    connection->sqlstate[0] = '\0';
    if (!send_query(connection, query, err) || !take_answer(connection, query, &result->rows, err))
        return false;
    *out = TAKE(result);
    return true;
}

bool query_do(struct connection *connection, const struct query *query, uint64_t *out_affected,
              struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *result = NULL;
    uint64_t affected = 0;
    if (!query_run(connection, query, &result, err))
        return false;
    const char *count = PQcmdTuples(result->rows);
    if (*count != '\0' && !text_to_u64(count, &affected))
        return error_set(err, ERROR_INVALID, "could not %s: cannot use the count \"%.20s\"",
                         query->what, count);
    if (out_affected != NULL)
        *out_affected = affected;
    return true;
}

bool query_command(struct connection *connection, const char *sql, const char *what,
                   struct error *err)
{
    return query_do(connection, &(struct query){.sql = sql, .what = what}, NULL, err);
}

bool query_script(struct connection *connection, const char *sql, const char *what,
                  struct error *err)
{
    int64_t deadline_us = connection_deadline_us(connection->answer_timeout_us);
    bool done = true;
    connection->sqlstate[0] = '\0';
    if (!connection_send(connection, sql, err))
        return error_wrap(err, "could not %s", what);
    for (;;) {
        CLEANUP(connection_result_cleanup) PGresult *result = NULL;
        struct error lost = {0};
        if (!connection_next_result(connection, deadline_us, &result, done ? err : &lost))
            return false;
        if (result == NULL)
            return done;
        if (done && !is_success(result)) {
            remember_sqlstate(connection, result);
            done = connection_error(connection, result, what, err);
        }
    }
}

void query_rollback(struct connection *connection)
{
    struct error ignored = {0};
    PGTransactionStatusType state = PQtransactionStatus(connection->pg);
    if (state == PQTRANS_INTRANS || state == PQTRANS_INERROR)
        (void)!query_command(connection, "ROLLBACK", "roll back", &ignored);
}

const char *query_sqlstate(const struct connection *connection)
{
    return connection->sqlstate;
}

const char *connection_user(const struct connection *connection)
{
    const char *user = PQuser(connection->pg);
    return user == NULL ? "" : user;
}

void query_result_free(struct query_result *result)
{
    if (result == NULL)
        return;
    PQclear(result->rows);
    free(result);
}

void query_result_cleanup(struct query_result **result)
{
    query_result_free(*result);
    *result = NULL;
}

size_t query_rows(const struct query_result *result)
{
    return (size_t)PQntuples(result->rows);
}

size_t query_columns(const struct query_result *result)
{
    return (size_t)PQnfields(result->rows);
}

const char *query_column_name(const struct query_result *result, size_t column)
{
    const char *name = PQfname(result->rows, (int)column);
    return name == NULL ? "" : name;
}

bool query_is_null(const struct query_result *result, size_t row, size_t column)
{
    return PQgetisnull(result->rows, (int)row, (int)column) != 0;
}

const char *query_field(const struct query_result *result, size_t row, size_t column)
{
    const char *text = PQgetvalue(result->rows, (int)row, (int)column);
    return text == NULL ? "" : text;
}

static bool wrong_field(const struct query_result *result, size_t row, size_t column,
                        const char *wanted, struct error *err)
{
    return error_set(
        err, ERROR_INVALID, "cannot use the server's answer: column \"%.60s\" is \"%.60s\", not %s",
        query_column_name(result, column),
        query_is_null(result, row, column) ? "NULL" : query_field(result, row, column), wanted);
}

bool query_i64(const struct query_result *result, size_t row, size_t column, int64_t *out,
               struct error *err)
{
    if (query_is_null(result, row, column) || !text_to_i64(query_field(result, row, column), out))
        return wrong_field(result, row, column, "a whole number", err);
    return true;
}

bool query_bool(const struct query_result *result, size_t row, size_t column, bool *out,
                struct error *err)
{
    const char *text = query_field(result, row, column);
    if (query_is_null(result, row, column) || (strcmp(text, "t") != 0 && strcmp(text, "f") != 0))
        return wrong_field(result, row, column, "a flag", err);
    *out = *text == 't';
    return true;
}

void query_array_begin(struct buf *array)
{
    buf_put_u8(array, '{');
}

static void array_separate(struct buf *array)
{
    if (array->len > 0 && array->data[array->len - 1] != '{')
        buf_put_u8(array, ',');
}

void query_array_add(struct buf *array, const char *text)
{
    array_separate(array);
    if (text == NULL) {
        buf_put(array, "NULL", strlen("NULL"));
        return;
    }
    buf_put_u8(array, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_put_u8(array, '\\');
        buf_put_u8(array, (uint8_t)*text);
    }
    buf_put_u8(array, '"');
}

void query_array_add_i64(struct buf *array, int64_t number)
{
    array_separate(array);
    buf_printf(array, "%lld", (long long)number);
}

void query_array_end(struct buf *array)
{
    buf_put_u8(array, '}');
}
