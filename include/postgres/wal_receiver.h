/*
 * The WAL as a server sends it: START_REPLICATION ... PHYSICAL on a replication connection, and the
 * slot that makes the server keep what was not confirmed. The protocol is the same from 13 to 18.
 * Source: PostgreSQL's protocol.sgml ("Streaming Replication Protocol"), src/bin/pg_basebackup/
 * receivelog.c.
 *
 *     wal_receiver_new
 *     wal_receiver_start     at an LSN of a timeline     <----+
 *     wal_receiver_next      data, keepalives, ...            |  the next timeline
 *     wal_receiver_confirm   what is stored                   |
 *     wal_receiver_end       after WAL_EVENT_TIMELINE_END ----+
 *
 * One thread. A stop request does not disturb it: what is stored must still be confirmed.
 */
#ifndef POSTGRES_WAL_RECEIVER_H
#define POSTGRES_WAL_RECEIVER_H

#include "postgres/connection.h"

#include <stddef.h>
#include <stdint.h>

/* Failures that have a next step of their own; the hint of the error says which. */
enum wal_problem {
    WAL_PROBLEM_NONE,
    WAL_PROBLEM_REMOVED,        /* the server has not got this WAL any more: a gap */
    WAL_PROBLEM_NOT_IN_HISTORY, /* the server does not come from there */
    WAL_PROBLEM_AHEAD,          /* the server is not that far: it went back */
    WAL_PROBLEM_SLOT_BUSY,      /* somebody else streams from this slot */
    WAL_PROBLEM_SLOT_MISSING,
    WAL_PROBLEM_SLOT_FOREIGN, /* a logical one */
    WAL_PROBLEM_SLOT_LOST, /* invalidated: max_slot_wal_keep_size, idle_replication_slot_timeout */
};

/* What a message of the server means; sqlstate "" when there was none. */
enum wal_problem wal_problem_of(const char *sqlstate, const char *message);

struct wal_receiver;

/* Borrows the connection until wal_receiver_free; once that is closed, only wal_receiver_problem
 * and wal_receiver_free are allowed. Gives *out. */
MUST_CHECK bool wal_receiver_new(struct connection *connection, struct wal_receiver **out,
                                 struct error *err);
/* NULL is allowed. In mid-stream the connection is then only good for closing. */
void wal_receiver_free(struct wal_receiver *receiver);
void wal_receiver_cleanup(struct wal_receiver **receiver);
/* Of the last failure. */
enum wal_problem wal_receiver_problem(const struct wal_receiver *receiver);

/* Asks for the WAL of this timeline from lsn on; slot NULL: without one. A timeline that ended just
 * there is fine: the next event is WAL_EVENT_TIMELINE_END. */
MUST_CHECK bool wal_receiver_start(struct wal_receiver *receiver, const char *slot,
                                   uint32_t timeline, uint64_t lsn, struct error *err);

enum wal_event {
    WAL_EVENT_NOTHING, /* the time is over, or wake_fd can be read */
    WAL_EVENT_DATA,
    WAL_EVENT_KEEPALIVE,
    WAL_EVENT_TIMELINE_END,
};

struct wal_message {
    enum wal_event event;
    uint64_t lsn;         /* of the first byte */
    const uint8_t *bytes; /* up to 128 KiB, borrowed until the next call */
    size_t len;
    uint64_t server_lsn; /* how far the server could send */
    bool reply_requested;
};

/* The next message. Waits up to timeout_us for it, or until wake_fd (-1: none) can be read;
 * read_data false: does not take any, only waits (the buffer is full). Data that do not begin where
 * the last ended are ERROR_CORRUPT; a server that shuts down is ERROR_UNAVAILABLE, retryable. */
MUST_CHECK bool wal_receiver_next(struct wal_receiver *receiver, bool read_data, int wake_fd,
                                  int64_t timeout_us, struct wal_message *out, struct error *err);

/* Tells the server that everything before stored_lsn is durable: it may forget it, and synchronous
 * commits that wait for it return. "Written" says the same: bytes in our memory are no promise. */
MUST_CHECK bool wal_receiver_confirm(struct wal_receiver *receiver, uint64_t stored_lsn,
                                     int64_t now_us, struct error *err);

/* After WAL_EVENT_TIMELINE_END: which timeline goes on, and where it left this one. */
struct wal_timeline_end {
    uint32_t next_timeline;
    uint64_t switch_lsn;
};
MUST_CHECK bool wal_receiver_end(struct wal_receiver *receiver, struct wal_timeline_end *out,
                                 struct error *err);

/* Ends the stream in good order, so that the server has read the last confirmation. Best effort,
 * within timeout_us. */
void wal_receiver_stop(struct wal_receiver *receiver, int64_t timeout_us);

/* --- slots: on a replication connection ---------------------------------------------------------
 */

struct wal_slot {
    bool exists;
    bool reserved;        /* it holds WAL back; false: never used, or invalidated */
    uint64_t restart_lsn; /* if reserved */
    bool known;           /* false: 13 and 14 do not tell over a replication connection */
};

/* Lower-case letters, digits and underscores, at most 63. ERROR_USAGE. */
MUST_CHECK bool wal_slot_check_name(const char *slot, struct error *err);
/* READ_REPLICATION_SLOT (15 and later). */
MUST_CHECK bool wal_slot_read(struct connection *connection, const char *slot, struct wal_slot *out,
                              struct error *err);
/* A physical slot that holds WAL back from now on (RESERVE_WAL). ERROR_EXISTS. */
MUST_CHECK bool wal_slot_create(struct connection *connection, const char *slot, struct error *err);
/* Makes it when it is not there; *out is how it is then. */
MUST_CHECK bool wal_slot_ensure(struct connection *connection, const char *slot,
                                struct wal_slot *out, bool *out_created, struct error *err);
/* The same over a connection of its own; of the options, `replication` is ignored. */
MUST_CHECK bool wal_slot_make(const struct connection_options *options, const char *slot,
                              bool *out_created, struct error *err);
/* ERROR_NOT_FOUND. */
MUST_CHECK bool wal_slot_drop(struct connection *connection, const char *slot, struct error *err);

#endif
