/*
 * COPY ... FROM STDIN: rows go to the server as they are made, with flat memory. Between begin and
 * finish or abort nothing else may use the connection.
 */
#ifndef POSTGRES_COPY_IN_H
#define POSTGRES_COPY_IN_H

#include "base/buf.h"
#include "postgres/connection.h"

/* Sends the statement: "COPY t (a, b) FROM STDIN". */
MUST_CHECK bool copy_in_begin(struct connection *connection, const char *sql, const char *what,
                              struct error *err);
/* Sends bytes; best in pieces of 64 KiB or so. What the server has against them is said at the end.
 */
MUST_CHECK bool copy_in_put(struct connection *connection, const void *bytes, size_t len,
                            struct error *err);
/* The end: the server's verdict, and the number of rows. */
MUST_CHECK bool copy_in_finish(struct connection *connection, const char *what, uint64_t *out_rows,
                               struct error *err);
/* Gives up; the transaction has failed then. For clean-up: cannot fail. */
void copy_in_abort(struct connection *connection);

/* Appends one field of the text format, escaped; NULL is NULL. Fields are separated by a tab, rows
 * end with a newline: both are the caller's. */
void copy_put_field(const char *text, struct buf *out);

#endif
