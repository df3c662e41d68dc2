/*
 * Receiving, cutting into chunks, storing, confirming: one stretch of one timeline. The buffer that
 * fills and the one that is being stored change places.
 */
#ifndef WALSTREAM_WAL_PUMP_H
#define WALSTREAM_WAL_PUMP_H

#include "wal_uploader.h"

#include "postgres/wal_page.h"
#include "postgres/wal_receiver.h"
#include "walstream/wal_stream.h"

enum { WAL_MESSAGE_MAX_BYTES = 1 << 20 };

enum wal_pump_end { PUMP_STOPPED, PUMP_REACHED_LSN, PUMP_TIMELINE_END };

struct wal_buffer {
    uint8_t *bytes;
    size_t len;
    uint64_t start_lsn;
    int64_t first_us; /* when its first byte came */
};

struct wal_pump {
    const struct wal_stream_options *options;
    struct wal_uploader uploader;
    struct wal_receiver *receiver; /* borrowed */
    struct wal_source source;
    struct wal_page_rules rules;
    struct wal_buffer buffers[2];
    size_t filling; /* which of them */
    struct wal_stream_progress progress;
    int64_t replied_us;
    int64_t full_since_us; /* nothing is read: both buffers are full; 0: it is */
    bool heard;            /* the server sent something */
    bool broken;           /* the store refused a chunk: what follows must not be stored */
    bool urgent;           /* the server waits: store what is there at once */
    bool draining;         /* a stop was requested: store, confirm, end */
    bool arriving;         /* while draining: what the server has sent already still comes in */
    bool retried;          /* the job that the stop request hit was submitted again */
    int64_t drain_us;      /* when draining began */
    /* What the store has of the page in which we go on, to compare. */
    uint8_t overlap[8192];
    size_t overlap_len;
    size_t overlap_done;
    bool overlap_is_sealed; /* the store told a digest of them: the server's bytes are kept here */
    struct wal_chunk_end end;
};

MUST_CHECK bool wal_pump_open(struct wal_pump *pump, const struct repository *repository,
                              const struct wal_stream_options *options, struct error *err);
void wal_pump_close(struct wal_pump *pump);

/* Begins a stretch at lsn, which the store has up to there; the receiver has been started
 * overlap_len bytes before it. */
void wal_pump_begin(struct wal_pump *pump, struct wal_receiver *receiver, uint64_t lsn);

/* Runs until the end of the timeline (everything is stored then), until_lsn, or a stop request. */
MUST_CHECK bool wal_pump_run(struct wal_pump *pump, enum wal_pump_end *out, struct error *err);

/* After a failure of the server: stores what was received, without confirming. What a server that
 * died has sent may be all there is. Does nothing when it was the store that failed. */
MUST_CHECK bool wal_pump_salvage(struct wal_pump *pump, struct error *err);

#endif
