/*
 * BASE_BACKUP over the replication protocol, as a stream of tar archives: PostgreSQL 13 and 14
 * (keyword grammar, one COPY for each tablespace) and 15 to 18 (option list, one COPY with typed
 * messages) look the same here. Nothing is staged. Source: PostgreSQL's protocol.sgml ("Streaming
 * Replication Protocol"), src/backend/backup/basebackup_copy.c.
 *
 *     base_backup_start                  the server makes its checkpoint; start LSN is known
 *     base_backup_next_archive  ─┐       tablespaces first, the data directory last, then
 *     base_backup_read ...       │ loop  the server's backup_manifest
 *     ...                       ─┘
 *     base_backup_finish                 stop LSN, checksum verdict of the server
 */
#ifndef POSTGRES_BASE_BACKUP_H
#define POSTGRES_BASE_BACKUP_H

#include "postgres/connection.h"

#include <stddef.h>
#include <stdint.h>

struct base_backup;

struct base_backup_options {
    const char *label;     /* up to 1024 bytes, shown in backup_label */
    bool fast_checkpoint;  /* false: spread, as checkpoint_completion_target says */
    bool include_wal;      /* WAL from start to stop is in the data directory's archive */
    bool verify_checksums; /* the server checks pages below the start LSN, re-reading once */
    uint32_t max_rate_kib; /* 0 = unlimited */
};

enum base_backup_archive_kind {
    BASE_BACKUP_TABLESPACE, /* entries are relative to the tablespace: "PG_15_202209061/5/1259" */
    BASE_BACKUP_DATA,       /* entries are relative to the data directory: "base/5/1259" */
    BASE_BACKUP_MANIFEST,   /* not a tar: the server's backup_manifest as text */
};

struct base_backup_archive {
    enum base_backup_archive_kind kind;
    uint32_t tablespace_oid;     /* BASE_BACKUP_TABLESPACE */
    const char *tablespace_path; /* its directory on the server; borrowed until finish */
};

/* A tablespace other than pg_default and pg_global. */
struct base_backup_tablespace {
    uint32_t oid;
    char *path;
    uint64_t size_bytes; /* the server's estimate */
};

struct base_backup_start_info {
    uint64_t start_lsn; /* START WAL LOCATION: the redo point */
    uint32_t timeline;
    uint64_t size_bytes;                              /* the server's estimate for everything */
    const struct base_backup_tablespace *tablespaces; /* borrowed until close */
    size_t tablespace_count;
};

struct base_backup_finish_info {
    uint64_t stop_lsn;
    uint32_t timeline;
    bool checksum_failure; /* the server found bad pages; on_warning named them */
};

/* A WARNING of the server during the backup, e.g. a page whose checksum is wrong. */
typedef void (*base_backup_warning_fn)(void *context, const char *text);

/* Issues the command and reads the first result sets. Borrows the (replication) connection until
 * base_backup_close. Gives *out. */
MUST_CHECK bool base_backup_start(struct connection *connection,
                                  const struct base_backup_options *options,
                                  base_backup_warning_fn on_warning, void *context,
                                  struct base_backup **out, struct error *err);
const struct base_backup_start_info *base_backup_info(const struct base_backup *backup);

/* Moves to the next archive; *out_found is false after the last one. What is left unread of the
 * current archive is skipped. */
MUST_CHECK bool base_backup_next_archive(struct base_backup *backup,
                                         struct base_backup_archive *out, bool *out_found,
                                         struct error *err);

/* The next bytes of the current archive, borrowed until the next call; *out_len 0 at its end.
 * Wakes up on a stop request (ERROR_CANCELLED). A server that goes away, or says nothing
 * for a quarter of an hour, is ERROR_UNAVAILABLE. */
MUST_CHECK bool base_backup_read(struct base_backup *backup, const void **out, size_t *out_len,
                                 struct error *err);

/* After the last archive. */
MUST_CHECK bool base_backup_finish(struct base_backup *backup, struct base_backup_finish_info *out,
                                   struct error *err);

/* NULL is allowed. An unfinished backup is abandoned (the connection is then unusable). */
void base_backup_close(struct base_backup *backup);

#endif
