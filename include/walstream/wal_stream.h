/*
 * The WAL of a server goes into the repository, all the time. README.md in src/walstream tells the
 * story; the promises are:
 *
 * - The server is told that WAL is durable only after the store has it: what is lost with us the
 *   server still has, and sends again.
 * - Chunks follow each other without gaps, and every page in them is of this server, this timeline
 *   and this place. Histories are stored before the first chunk of their timeline.
 * - A gap is an error, and stays one until somebody says --restart-after-gap.
 * - There is no local state: slot and store are the whole truth.
 */
#ifndef WALSTREAM_WAL_STREAM_H
#define WALSTREAM_WAL_STREAM_H

#include "postgres/connection.h"
#include "repository/wal_archive.h"

struct wal_stream_progress {
    uint32_t timeline;
    uint64_t received_lsn;
    uint64_t stored_lsn; /* everything before is in the store, and confirmed */
    uint64_t server_lsn; /* how far the server is */
    uint64_t chunks;     /* stored by this run */
    uint64_t wal_bytes;
    uint64_t object_bytes;
    bool connected;
};

typedef void (*wal_stream_progress_fn)(void *context, const struct wal_stream_progress *progress);

struct wal_stream_options {
    struct connection_options connection; /* application_name defaults to the slot's name */
    const char *slot;                     /* created when it is missing; default "mainstay" */
    int64_t flush_interval_us;            /* 0: whenever the store is free */
    uint32_t chunk_bytes;                 /* at most 32 MiB */
    bool restart_after_gap;
    int64_t merge_interval_us;          /* merge old chunks this often; 0: never */
    uint64_t until_lsn;                 /* end when the store has it; 0: until a stop request */
    wal_stream_progress_fn on_progress; /* NULL allowed; after every chunk, and connects */
    void *context;
};

/* Streams until a stop request (what was received is stored and confirmed first: success) or
 * until_lsn. Once it has streamed, a lost connection is made anew, for ever; what cannot get better
 * by itself ends it: a gap, another system, another history, damaged WAL, a store that refuses.
 * After a stop request a second one ends it at once (ERROR_CANCELLED). */
MUST_CHECK bool wal_stream_run(const struct repository *repository,
                               const struct wal_stream_options *options, struct error *err);

#endif
