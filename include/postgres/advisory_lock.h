/*
 * Advisory locks of the server as agreements between processes of ours: who is the daemon of a
 * repository, who takes a snapshot. A lock lives as long as its connection, so it is gone with its
 * holder, whatever happened to it. Advisory locks belong to one database: all who are to agree must
 * connect to the same one.
 */
#ifndef POSTGRES_ADVISORY_LOCK_H
#define POSTGRES_ADVISORY_LOCK_H

#include "postgres/connection.h"

/* The number that stands for this purpose ("daemon") and this repository id: the first 8 bytes of
 * SHA-256 over "mainstay <purpose> " and the id. */
int64_t advisory_lock_key(const char *purpose, const void *id, size_t id_len);

/* Takes the lock if it is free; *out_taken says so. Ordinary connections only. */
MUST_CHECK bool advisory_lock_try(struct connection *connection, int64_t key, bool *out_taken,
                                  struct error *err);
/* Which lock that is: system identifier, database and start of the server, as "7300/5/1772366400".
 * The same text twice means the same table of locks. */
MUST_CHECK bool advisory_lock_identity(struct connection *connection, char *out, size_t size,
                                       struct error *err);
/* Waits for it, until it is there, the connection is lost or a stop is requested. */
MUST_CHECK bool advisory_lock_wait(struct connection *connection, int64_t key, struct error *err);

/* Lets the server notice within about 20 s that our machine is gone, where its default is two
 * hours; only then does the lock become free. */
MUST_CHECK bool connection_shorten_keepalives(struct connection *connection, struct error *err);

/* How long the server may take for an answer from now on, instead of a minute. */
void connection_limit_answers(struct connection *connection, int64_t timeout_us);

/* Asks the server something: ERROR_UNAVAILABLE when the connection (and the lock) is gone. */
MUST_CHECK bool connection_ping(struct connection *connection, struct error *err);

#endif
