/*
 * What `mainstay doctor` can find out about a PostgreSQL server, over a replication connection and,
 * where that is allowed, an ordinary one. Each finding comes with the statement that mends it.
 *
 *     server.tls                     certificates are verified, unless the server is local
 *     server.replication_connection  pg_hba.conf, password, REPLICATION: tried by connecting
 *     server.version                 13 to 18
 *     server.role                    which power the role has
 *     server.wal_level               replica or logical
 *     server.full_page_writes        torn pages are repaired by replay only with them
 *     server.data_checksums          damage on disk is noticed
 *     server.block_size              8 KiB
 *     server.recovery                primary or standby
 *     server.wal_senders             free ones: the WAL stream and a snapshot need one each
 *     server.replication_slots       free ones: the WAL stream needs one
 *     server.sql_connection          an ordinary connection; only a warning without it
 *     server.wal_slot                there, not lost, in use; how much WAL it holds back
 */
#ifndef POSTGRES_SERVER_CHECK_H
#define POSTGRES_SERVER_CHECK_H

#include "base/check.h"
#include "postgres/connection.h"

/* Appends the findings. Of the options, `replication` is ignored: both kinds are tried. */
void server_check(const struct connection_options *options, struct check_list *out);

/* Appends server.wal_slot, where an ordinary connection is allowed. */
void server_check_slot(const struct connection_options *options, const char *slot,
                       struct check_list *out);

#endif
