/* From SQLSTATEs and libpq's words to struct error. */
#ifndef POSTGRES_CONNECTION_ERROR_H
#define POSTGRES_CONNECTION_ERROR_H

#include "base/error.h"

#include <libpq-fe.h>

/* Kind and retryable for a five-letter SQLSTATE; ERROR_IO for what is not in the table. */
enum error_kind sqlstate_kind(const char *sqlstate, bool *out_retryable);

/* Why the connection could not be established, with a hint where the next step is known. libpq
 * must have been set to PQERRORS_VERBOSE, which is the only way to see the SQLSTATE of a refused
 * connection. Returns false. */
bool connection_refused(PGconn *pg, bool replication, struct error *err);

/* Copies a message of libpq: first line only, without the final line feed. Returns out. */
char *connection_message_line(const char *message, char *out, size_t size);

#endif
