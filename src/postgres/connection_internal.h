/*
 * What the files of src/postgres share about a connection. libpq's types stay in this directory.
 *
 * Every wait is a poll in slices, so that a stop request is noticed by any thread within 100 ms.
 * After ERROR_CANCELLED or ERROR_UNAVAILABLE the connection can only be closed.
 */
#ifndef POSTGRES_CONNECTION_INTERNAL_H
#define POSTGRES_CONNECTION_INTERNAL_H

#include "postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>

/* A NOTICE or WARNING of the server; the result is borrowed. */
typedef void (*connection_notice_fn)(void *context, const PGresult *notice);

struct connection {
    PGconn *pg;
    bool replication;
    int64_t answer_timeout_us;      /* of connection_execute; 0: it may take as long as it wants */
    connection_notice_fn on_notice; /* NULL: forgotten */
    void *notice_context;
    char sqlstate[6]; /* of the last query that failed; "" after one that did not */
};

/* For CLEANUP(). */
void connection_result_cleanup(PGresult **result);

/* A point of clock_system's monotonic time for the functions below; 0 stays 0, "no deadline". */
int64_t connection_deadline_us(int64_t timeout_us);

/* Waits until the socket is ready for `events` (POLLIN, POLLOUT). A server that says nothing until
 * the deadline is ERROR_UNAVAILABLE: its machine answers TCP keepalives even when it hangs. */
MUST_CHECK bool connection_wait(struct connection *connection, short events, int64_t deadline_us,
                                struct error *err);

/* Sends one statement of the simple protocol without waiting for its results. */
MUST_CHECK bool connection_send(struct connection *connection, const char *statement,
                                struct error *err);

/* Sends what libpq still holds of a statement. */
MUST_CHECK bool connection_flush(struct connection *connection, struct error *err);

/* Waits for the next result and gives it: NULL after the last one. Its status is not looked at. */
MUST_CHECK bool connection_next_result(struct connection *connection, int64_t deadline_us,
                                       PGresult **out, struct error *err);

/* Reads what is left of an answer, so that the connection can be used again. */
MUST_CHECK bool connection_drain(struct connection *connection, int64_t deadline_us,
                                 struct error *err);

/* Sends one statement and gives its first result, which must have this status; the other results
 * are read and forgotten (but not those after a COPY begins), all within answer_timeout_us (a
 * minute unless changed). `what` is for the message: "could not WHAT: reason". */
MUST_CHECK bool connection_execute(struct connection *connection, const char *statement,
                                   ExecStatusType status, const char *what, PGresult **out,
                                   struct error *err);

/* Fills err from a failed result (kind by SQLSTATE), or from the connection when result is NULL.
 * Returns false. */
bool connection_error(struct connection *connection, const PGresult *result, const char *what,
                      struct error *err);

/* The field's text; false with ERROR_INVALID when the result has no such field. */
MUST_CHECK bool connection_field(const PGresult *result, int row, int column, const char *what,
                                 const char **out, struct error *err);

#endif
