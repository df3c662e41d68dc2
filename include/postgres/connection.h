/*
 * One connection to a PostgreSQL server (13 to 18), ordinary or replication. Passwords come from
 * libpq's own sources (PGPASSWORD, password file, service file) or a secret file, never from argv.
 * libpq's types do not leave src/postgres.
 */
#ifndef POSTGRES_CONNECTION_H
#define POSTGRES_CONNECTION_H

#include "base/error.h"
#include "base/secret.h"
#include "postgres/timeline_history.h"

#include <stdint.h>

struct connection;

struct connection_options {
    const char *conninfo;          /* libpq connection string or URI; "" = libpq's defaults */
    const struct secret *password; /* NULL: libpq's own sources */
    const char *application_name;  /* NULL: "mainstay" */
    const char *database;          /* instead of conninfo's; NULL: conninfo's */
    bool replication;              /* a walsender: BASE_BACKUP, IDENTIFY_SYSTEM, SHOW */
    int connect_timeout_s;         /* for each host, over conninfo's; 0: conninfo's, or 10 s */
};

/* Connects (10 s for each host unless conninfo says otherwise; looking up a host name is up to the
 * resolver) and checks the server's version. TCP keepalives find a dead server within half a minute
 * unless conninfo says otherwise. ERROR_DENIED for
 * authentication, ERROR_UNAVAILABLE (retryable) when nobody answers, ERROR_UNSUPPORTED for a
 * version outside 13 to 18. Gives *out. */
MUST_CHECK bool connection_open(const struct connection_options *options, struct connection **out,
                                struct error *err);
void connection_close(struct connection *connection); /* NULL is allowed */
void connection_cleanup(struct connection **connection);

/* 150018 for 15.18 */
int connection_server_version(const struct connection *connection);

/* What IDENTIFY_SYSTEM and SHOW say on a replication connection. */
struct server_identity {
    uint64_t system_identifier;
    uint32_t timeline;
    uint64_t position; /* current flush (or replay) position */
};
MUST_CHECK bool connection_identify_system(struct connection *connection,
                                           struct server_identity *out, struct error *err);

struct server_settings {
    bool data_checksums;
    bool full_page_writes;
    bool wal_log_hints;
    bool in_recovery;
    uint32_t block_size;
    uint32_t wal_block_size;
    uint64_t wal_segment_bytes;
    char wal_level[16];
    char server_version[64]; /* "15.18 (Debian 15.18-0+deb12u1)" */
};
/* SHOW, one by one: works on replication connections too. in_recovery comes from in_hot_standby,
 * on 13 from transaction_read_only (which says nothing where default_transaction_read_only is on).
 */
MUST_CHECK bool connection_read_settings(struct connection *connection, struct server_settings *out,
                                         struct error *err);

/* TIMELINE_HISTORY, parsed, oldest first, without the current timeline; none for timeline 1.
 * Gives *out (free). */
MUST_CHECK bool connection_timeline_history(struct connection *connection, uint32_t timeline,
                                            struct timeline_entry **out, size_t *out_count,
                                            struct error *err);

/* The content of the .history file as the server keeps it, for storing it beside the WAL; empty
 * for timeline 1. Gives *out (free), NUL-terminated beyond *out_len. */
MUST_CHECK bool connection_timeline_history_text(struct connection *connection, uint32_t timeline,
                                                 char **out, size_t *out_len, struct error *err);

#endif
