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
    connection_notice_fn on_notice; /* NULL: forgotten */
    void *notice_context;
};

/* For CLEANUP(). */
void connection_result_cleanup(PGresult **result);

/* Waits until the socket is ready for `events` (POLLIN, POLLOUT). No deadline when 0. */
MUST_CHECK bool connection_wait(struct connection *connection, short events,
                                int64_t deadline_monotonic_us, struct error *err);

/* Sends one statement of the simple protocol without waiting for its results. */
MUST_CHECK bool connection_send(struct connection *connection, const char *statement,
                                struct error *err);

/* Waits for the next result and gives it: NULL after the last one. Its status is not looked at. */
MUST_CHECK bool connection_next_result(struct connection *connection, PGresult **out,
                                       struct error *err);

/* Sends one statement and gives its first result, which must have this status; the other results
 * are read and forgotten. `what` is for the message: "could not WHAT: reason". */
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
