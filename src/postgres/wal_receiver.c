#include "postgres/wal_receiver.h"

#include "connection_error.h"
#include "connection_internal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATEMENT_SIZE = 256,
    DATA_HEADER_BYTES = 25,     /* 'w', start, end, time */
    KEEPALIVE_BYTES = 18,       /* 'k', end, time, reply requested */
    SILENCE_TIMEOUT_S = 300,    /* keepalives come every half wal_sender_timeout (1 min) */
    SEND_TIMEOUT_US = 60000000, /* for a reply of 34 bytes */
    END_TIMEOUT_US = 60000000,  /* for the result set behind a timeline */
    WAIT_SLICE_MS = 100,
    RESERVE_LIST_VERSION = 150000,
    POSTGRES_EPOCH_S = 946684800, /* 2000-01-01 */
};

struct wal_receiver {
    struct connection *connection;
    uint64_t expected_lsn;
    bool streaming;
    bool ended;       /* the timeline is over; result holds or precedes the result set */
    PGresult *result; /* what came instead of a stream, or behind it */
    char *message;    /* libpq's buffer of the last message */
    size_t message_len;
    int64_t heard_us; /* when the server last said something */
    enum wal_problem problem;
};

/* --- what went wrong ----------------------------------------------------------------------------
 */

static const struct {
    const char *sqlstate; /* "": any */
    const char *fragment;
    enum wal_problem problem;
} problems[] = {
    {"58P01", "", WAL_PROBLEM_REMOVED}, /* whatever its language; histories are asked elsewhere */
    {"", "is not in this server's history", WAL_PROBLEM_NOT_IN_HISTORY},
    {"", "is ahead of the WAL flush position", WAL_PROBLEM_AHEAD},
    {"55006", "", WAL_PROBLEM_SLOT_BUSY},
    {"42704", "", WAL_PROBLEM_SLOT_MISSING},
    {"55000", "logical replication slot", WAL_PROBLEM_SLOT_FOREIGN}, /* never to be dropped */
    {"55000", "replication slot", WAL_PROBLEM_SLOT_LOST},
};

enum wal_problem wal_problem_of(const char *sqlstate, const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(problems); i++) {
        bool state = problems[i].sqlstate[0] == '\0' || strcmp(problems[i].sqlstate, sqlstate) == 0;
        if (state && strstr(message, problems[i].fragment) != NULL)
            return problems[i].problem;
    }
    return WAL_PROBLEM_NONE;
}

static const enum error_kind kinds[] = {
    [WAL_PROBLEM_REMOVED] = ERROR_IO,
    [WAL_PROBLEM_NOT_IN_HISTORY] = ERROR_REFUSED,
    [WAL_PROBLEM_AHEAD] = ERROR_REFUSED,
    [WAL_PROBLEM_SLOT_BUSY] = ERROR_UNAVAILABLE,
    [WAL_PROBLEM_SLOT_MISSING] = ERROR_NOT_FOUND,
    [WAL_PROBLEM_SLOT_LOST] = ERROR_IO,
    [WAL_PROBLEM_SLOT_FOREIGN] = ERROR_REFUSED,
};

static const char *const hints[] = {
    [WAL_PROBLEM_REMOVED] = "The WAL in between is lost for the repository: take a new snapshot, "
                            "and start the stream with --restart-after-gap.",
    [WAL_PROBLEM_NOT_IN_HISTORY] = "This server does not descend from the one whose WAL is in the "
                                   "repository: connect to the right one, or give this one a "
                                   "repository of its own.",
    [WAL_PROBLEM_AHEAD] =
        "The repository holds WAL that this server does not have: it went back to "
        "an older state, or it is a standby that lags behind.",
    [WAL_PROBLEM_SLOT_BUSY] = "Another process streams from this slot: end it (pg_stat_replication "
                              "says where it runs), or choose another wal.slot.",
    [WAL_PROBLEM_SLOT_MISSING] = "Create it: SELECT pg_create_physical_replication_slot('NAME', "
                                 "true);",
    [WAL_PROBLEM_SLOT_LOST] = "The server gave the slot up (max_slot_wal_keep_size or "
                              "idle_replication_slot_timeout): drop it with SELECT "
                              "pg_drop_replication_slot('NAME'); and start the stream again.",
    [WAL_PROBLEM_SLOT_FOREIGN] = "It belongs to somebody who decodes: choose another wal.slot.",
};

static bool fail(struct wal_receiver *receiver, const PGresult *result, const char *what,
                 struct error *err)
{
    const char *message = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
                                         : PQerrorMessage(receiver->connection->pg);
    const char *sqlstate = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    receiver->problem = wal_problem_of(sqlstate != NULL ? sqlstate : "",
                                       message != NULL ? message : "");
    (void)connection_error(receiver->connection, result, what, err);
    if (receiver->problem == WAL_PROBLEM_NONE)
        return false;
    err->kind = kinds[receiver->problem];
    err->retryable = receiver->problem == WAL_PROBLEM_SLOT_BUSY;
    return error_hint(err, "%s", hints[receiver->problem]);
}

/* It held what the tables hold. */
static void forget_message(struct wal_receiver *receiver)
{
    secret_wipe(receiver->message, receiver->message_len);
    PQfreemem(receiver->message);
    receiver->message = NULL;
    receiver->message_len = 0;
}

/* --- life ---------------------------------------------------------------------------------------
 */

bool wal_receiver_new(struct connection *connection, struct wal_receiver **out, struct error *err)
{
    struct wal_receiver *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        return error_no_memory(err, "a WAL receiver");
    receiver->connection = connection;
    *out = receiver;
    return true;
}

void wal_receiver_free(struct wal_receiver *receiver)
{
    if (receiver == NULL)
        return;
    PQclear(receiver->result);
    forget_message(receiver);
    free(receiver);
}

void wal_receiver_cleanup(struct wal_receiver **receiver)
{
    wal_receiver_free(*receiver);
    *receiver = NULL;
}

enum wal_problem wal_receiver_problem(const struct wal_receiver *receiver)
{
    return receiver->problem;
}

static void forget_result(struct wal_receiver *receiver)
{
    PQclear(receiver->result);
    receiver->result = NULL;
}

bool wal_receiver_start(struct wal_receiver *receiver, const char *slot, uint32_t timeline,
                        uint64_t lsn, struct error *err)
{
    char statement[STATEMENT_SIZE];
    char place[TEXT_SIZE];
    (void)snprintf(statement, sizeof statement,
                   "START_REPLICATION %s%s%s PHYSICAL %s TIMELINE %" PRIu32,
                   slot != NULL ? "SLOT \"" : "", slot != NULL ? slot : "",
                   slot != NULL ? "\"" : "", text_lsn(lsn, place), timeline);
    struct connection *connection = receiver->connection;
    forget_result(receiver);
    receiver->streaming = false;
    receiver->ended = false;
    receiver->problem = WAL_PROBLEM_NONE;
    if (!connection_send(connection, statement, err) ||
        !connection_next_result(connection, connection_deadline_us(connection->answer_timeout_us),
                                &receiver->result, err))
        return error_wrap(err, "could not start the WAL stream");
    ExecStatusType status = PQresultStatus(receiver->result);
    if (receiver->result == NULL || (status != PGRES_COPY_BOTH && status != PGRES_TUPLES_OK))
        return fail(receiver, receiver->result, "start the WAL stream", err);
    receiver->ended = status == PGRES_TUPLES_OK; /* nothing left on this timeline */
    receiver->streaming = status == PGRES_COPY_BOTH;
    receiver->expected_lsn = lsn;
    receiver->heard_us = clock_monotonic_us(&clock_system);
    return true;
}

/* --- messages -----------------------------------------------------------------------------------
 */

static uint64_t big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put_big_endian(uint8_t *bytes, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static bool parse_message(struct wal_receiver *receiver, size_t len, struct wal_message *out,
                          struct error *err)
{
    char place[TEXT_SIZE];
    char expected[TEXT_SIZE];
    const uint8_t *bytes = (const uint8_t *)receiver->message;
    if (len >= KEEPALIVE_BYTES && bytes[0] == 'k') {
        *out = (struct wal_message){.event = WAL_EVENT_KEEPALIVE,
                                    .server_lsn = big_endian(bytes + 1),
                                    .reply_requested = bytes[KEEPALIVE_BYTES - 1] != 0};
        return true;
    }
    if (len < DATA_HEADER_BYTES || bytes[0] != 'w')
        return error_set(err, ERROR_INVALID,
                         "cannot read the WAL stream: a message of %zu bytes of type 0x%02x", len,
                         len > 0 ? (unsigned)bytes[0] : 0);
    *out = (struct wal_message){.event = WAL_EVENT_DATA,
                                .lsn = big_endian(bytes + 1),
                                .bytes = bytes + DATA_HEADER_BYTES,
                                .len = len - DATA_HEADER_BYTES,
                                .server_lsn = big_endian(bytes + 9)};
    if (out->lsn != receiver->expected_lsn)
        return error_set(err, ERROR_CORRUPT, "cannot use the WAL stream: it jumps from %s to %s",
                         text_lsn(receiver->expected_lsn, expected), text_lsn(out->lsn, place));
    receiver->expected_lsn += out->len;
    return true;
}

/* The server ended the COPY: a timeline is over, it shuts down, or it failed. */
static bool end_of_copy(struct wal_receiver *receiver, struct wal_message *out, struct error *err)
{
    struct connection *connection = receiver->connection;
    forget_result(receiver);
    receiver->streaming = false;
    if (!connection_next_result(connection, connection_deadline_us(END_TIMEOUT_US),
                                &receiver->result, err))
        return false;
    ExecStatusType status = PQresultStatus(receiver->result);
    if (receiver->result != NULL && status == PGRES_COPY_IN) {
        receiver->ended = true;
        *out = (struct wal_message){.event = WAL_EVENT_TIMELINE_END};
        return true;
    }
    if (receiver->result != NULL && status == PGRES_COMMAND_OK) {
        (void)error_set(err, ERROR_UNAVAILABLE, "the WAL stream ended: the server shuts down");
        err->retryable = true;
        return false;
    }
    return fail(receiver, receiver->result, "stream WAL", err);
}

static bool flush_some(struct wal_receiver *receiver, bool *out_left, struct error *err)
{
    int left = PQflush(receiver->connection->pg);
    *out_left = left > 0;
    return left >= 0 || fail(receiver, NULL, "send to the server", err);
}

/* *out_ready: the socket has something for us. */
static bool wait_for_input(struct wal_receiver *receiver, bool read_data, int wake_fd,
                           int64_t timeout_us, bool *out_ready, struct error *err)
{
    bool left = false;
    *out_ready = false;
    if (!flush_some(receiver, &left, err))
        return false;
    struct pollfd waiting[2] = {
        {.fd = PQsocket(receiver->connection->pg),
         .events = (short)((read_data ? POLLIN : 0) | (left ? POLLOUT : 0))},
        {.fd = wake_fd, .events = POLLIN},
    };
    int timeout_ms = timeout_us <= 0 ? 0 : (int)(timeout_us / 1000 + 1);
    int ready = poll(waiting, ARRAY_LEN(waiting), timeout_ms);
    if (ready < 0 && errno != EINTR)
        return error_set_errno(err, errno, "could not wait for the server");
    *out_ready = ready > 0 && waiting[0].revents != 0;
    return true;
}

/* A message that is here already. *out_found false: there is none, or only a part of it. */
static bool take_message(struct wal_receiver *receiver, struct wal_message *out, bool *out_found,
                         struct error *err)
{
    forget_message(receiver);
    int len = PQgetCopyData(receiver->connection->pg, &receiver->message, 1);
    *out_found = len != 0;
    if (len == 0)
        return true;
    if (len == -1)
        return end_of_copy(receiver, out, err);
    if (len < 0)
        return fail(receiver, NULL, "read the WAL stream", err);
    receiver->message_len = (size_t)len;
    receiver->heard_us = clock_monotonic_us(&clock_system);
    return parse_message(receiver, (size_t)len, out, err);
}

static bool check_silence(const struct wal_receiver *receiver, struct error *err)
{
    int64_t silent_us = clock_monotonic_us(&clock_system) - receiver->heard_us;
    if (silent_us < (int64_t)SILENCE_TIMEOUT_S * 1000000)
        return true;
    (void)error_set(err, ERROR_UNAVAILABLE, "the server said nothing for %d s", SILENCE_TIMEOUT_S);
    err->retryable = true;
    return false;
}

bool wal_receiver_next(struct wal_receiver *receiver, bool read_data, int wake_fd,
                       int64_t timeout_us, struct wal_message *out, struct error *err)
{
    bool found = false;
    bool ready = false;
    *out = (struct wal_message){.event = WAL_EVENT_NOTHING};
    if (receiver->ended) {
        out->event = WAL_EVENT_TIMELINE_END;
        return true;
    }
    if (!receiver->streaming)
        return error_set(err, ERROR_INVALID, "cannot read a WAL stream that was not started");
    if (!read_data) {
        receiver->heard_us = clock_monotonic_us(&clock_system); /* it may have spoken: unread */
        return wait_for_input(receiver, false, wake_fd, timeout_us, &ready, err);
    }
    if (!take_message(receiver, out, &found, err))
        return false;
    if (found)
        return true;
    if (!wait_for_input(receiver, true, wake_fd, timeout_us, &ready, err))
        return false;
    if (!ready)
        return check_silence(receiver, err);
    if (PQconsumeInput(receiver->connection->pg) != 1)
        return fail(receiver, NULL, "read the WAL stream", err);
    return take_message(receiver, out, &found, err);
}

/* --- answers ------------------------------------------------------------------------------------
 */

bool wal_receiver_confirm(struct wal_receiver *receiver, uint64_t stored_lsn, int64_t now_us,
                          struct error *err)
{
    uint8_t reply[34] = {'r'};
    int64_t deadline_us = connection_deadline_us(SEND_TIMEOUT_US);
    if (!receiver->streaming)
        return true;
    put_big_endian(reply + 1, stored_lsn);
    put_big_endian(reply + 9, stored_lsn);
    put_big_endian(reply + 17, 0); /* applied: never */
    put_big_endian(reply + 25, (uint64_t)(now_us - (int64_t)POSTGRES_EPOCH_S * 1000000));
    for (;;) {
        bool left = false;
        int put = PQputCopyData(receiver->connection->pg, (const char *)reply, sizeof reply);
        if (put < 0)
            return fail(receiver, NULL, "send to the server", err);
        if (!flush_some(receiver, &left, err))
            return false;
        if (put == 1)
            return true; /* what is left goes out with the next wait */
        struct pollfd waiting = {.fd = PQsocket(receiver->connection->pg), .events = POLLOUT};
        (void)poll(&waiting, 1, WAIT_SLICE_MS);
        if (clock_monotonic_us(&clock_system) >= deadline_us)
            return error_set(err, ERROR_UNAVAILABLE, "the server does not read our confirmations");
    }
}

static bool finish_copy(struct wal_receiver *receiver, struct error *err)
{
    bool left = true;
    int64_t deadline_us = connection_deadline_us(END_TIMEOUT_US);
    if (PQputCopyEnd(receiver->connection->pg, NULL) < 0)
        return fail(receiver, NULL, "end the WAL stream", err);
    while (left) {
        if (!flush_some(receiver, &left, err) ||
            (left && !connection_wait(receiver->connection, POLLOUT, deadline_us, err)))
            return false;
    }
    forget_result(receiver);
    return connection_next_result(receiver->connection, deadline_us, &receiver->result, err);
}

static bool read_end(const PGresult *result, struct wal_timeline_end *out, struct error *err)
{
    uint64_t timeline = 0;
    const char *fields[2] = {NULL};
    struct wal_timeline_end end = {0};
    for (int i = 0; i < (int)ARRAY_LEN(fields); i++)
        if (!connection_field(result, 0, i, "START_REPLICATION", &fields[i], err))
            return false;
    if (!text_to_u64(fields[0], &timeline) || timeline == 0 || timeline > UINT32_MAX ||
        !text_to_lsn(fields[1], &end.switch_lsn))
        return error_set(err, ERROR_INVALID, "cannot use the server's end of the timeline");
    end.next_timeline = (uint32_t)timeline;
    *out = end;
    return true;
}

bool wal_receiver_end(struct wal_receiver *receiver, struct wal_timeline_end *out,
                      struct error *err)
{
    struct connection *connection = receiver->connection;
    int64_t deadline_us = connection_deadline_us(END_TIMEOUT_US);
    if (PQresultStatus(receiver->result) == PGRES_COPY_IN && !finish_copy(receiver, err))
        return error_wrap(err, "could not end the timeline");
    if (PQresultStatus(receiver->result) != PGRES_TUPLES_OK)
        return fail(receiver, receiver->result, "end the timeline", err);
    if (!read_end(receiver->result, out, err))
        return false;
    while (receiver->result != NULL) { /* the end of the command */
        forget_result(receiver);
        if (!connection_next_result(connection, deadline_us, &receiver->result, err))
            return error_wrap(err, "could not end the timeline");
    }
    receiver->ended = false;
    return true;
}

void wal_receiver_stop(struct wal_receiver *receiver, int64_t timeout_us)
{
    PGconn *pg = receiver->connection->pg;
    int64_t deadline_us = clock_monotonic_us(&clock_system) + timeout_us;
    if (!receiver->streaming || PQputCopyEnd(pg, NULL) < 0)
        return;
    receiver->streaming = false;
    for (;;) {
        char *message = NULL;
        int left = PQflush(pg);
        int len = PQgetCopyData(pg, &message, 1);
        PQfreemem(message);
        if (left < 0 || len < 0 || clock_monotonic_us(&clock_system) >= deadline_us)
            return;
        if (len > 0)
            continue;
        struct pollfd waiting = {.fd = PQsocket(pg),
                                 .events = (short)(POLLIN | (left > 0 ? POLLOUT : 0))};
        (void)poll(&waiting, 1, WAIT_SLICE_MS);
        if (PQconsumeInput(pg) != 1)
            return;
    }
}

/* --- slots --------------------------------------------------------------------------------------
 */

bool wal_slot_check_name(const char *slot, struct error *err)
{
    size_t len = strlen(slot);
    if (len > 0 && len <= 63 && strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") == len)
        return true;
    return error_set(err, ERROR_USAGE,
                     "cannot use \"%.80s\" as the name of a replication slot: lower-case letters, "
                     "digits and underscores, at most 63",
                     slot);
}

bool wal_slot_read(struct connection *connection, const char *slot, struct wal_slot *out,
                   struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    char statement[STATEMENT_SIZE];
    struct wal_slot read = {.known = true};
    if (!wal_slot_check_name(slot, err))
        return false;
    *out = (struct wal_slot){.known = false};
    if (connection_server_version(connection) < RESERVE_LIST_VERSION)
        return true;
    (void)snprintf(statement, sizeof statement, "READ_REPLICATION_SLOT \"%s\"", slot);
    if (!connection_execute(connection, statement, PGRES_TUPLES_OK, "read the replication slot",
                            &result, err))
        return error_hint(err, "If \"%s\" is somebody else's, choose another wal.slot.", slot);
    read.exists = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
    read.reserved = read.exists && !PQgetisnull(result, 0, 1) &&
                    text_to_lsn(PQgetvalue(result, 0, 1), &read.restart_lsn);
    *out = read;
    return true;
}

static bool run_slot_command(struct connection *connection, const char *statement,
                             ExecStatusType status, const char *what, const char *sqlstate,
                             enum error_kind kind, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    int64_t deadline_us = connection_deadline_us(connection->answer_timeout_us);
    if (!connection_send(connection, statement, err) ||
        !connection_next_result(connection, deadline_us, &result, err))
        return error_wrap(err, "could not %s", what);
    bool done = result != NULL && PQresultStatus(result) == status;
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!done) {
        (void)connection_error(connection, result, what, err);
        if (state != NULL && strcmp(state, sqlstate) == 0)
            err->kind = kind;
    }
    for (bool more = result != NULL; more;) {
        CLEANUP(connection_result_cleanup) PGresult *next = NULL;
        struct error ignored;
        more = connection_next_result(connection, deadline_us, &next, &ignored) && next != NULL;
    }
    return done;
}

bool wal_slot_create(struct connection *connection, const char *slot, struct error *err)
{
    char statement[STATEMENT_SIZE];
    char what[STATEMENT_SIZE];
    bool list = connection_server_version(connection) >= RESERVE_LIST_VERSION;
    if (!wal_slot_check_name(slot, err))
        return false;
    (void)snprintf(statement, sizeof statement, "CREATE_REPLICATION_SLOT \"%s\" PHYSICAL %s", slot,
                   list ? "(RESERVE_WAL)" : "RESERVE_WAL");
    (void)snprintf(what, sizeof what, "create replication slot \"%s\"", slot);
    if (run_slot_command(connection, statement, PGRES_TUPLES_OK, what, "42710", ERROR_EXISTS, err))
        return true;
    return error_hint(err,
                      "Check max_replication_slots, or create it as a superuser: SELECT "
                      "pg_create_physical_replication_slot('%s', true);",
                      slot);
}

bool wal_slot_ensure(struct connection *connection, const char *slot, struct wal_slot *out,
                     bool *out_created, struct error *err)
{
    *out_created = false;
    if (!wal_slot_read(connection, slot, out, err))
        return false;
    if (out->exists)
        return true;
    if (!wal_slot_create(connection, slot, err))
        return !out->known && err->kind == ERROR_EXISTS;
    *out_created = true;
    return wal_slot_read(connection, slot, out, err);
}

bool wal_slot_make(const struct connection_options *options, const char *slot, bool *out_created,
                   struct error *err)
{
    struct wal_slot made;
    struct connection_options replication = *options;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    replication.replication = true;
    return connection_open(&replication, &connection, err) &&
           wal_slot_ensure(connection, slot, &made, out_created, err);
}

bool wal_slot_drop(struct connection *connection, const char *slot, struct error *err)
{
    char statement[STATEMENT_SIZE];
    char what[STATEMENT_SIZE];
    if (!wal_slot_check_name(slot, err))
        return false;
    (void)snprintf(statement, sizeof statement, "DROP_REPLICATION_SLOT \"%s\"", slot);
    (void)snprintf(what, sizeof what, "drop replication slot \"%s\"", slot);
    return run_slot_command(connection, statement, PGRES_COMMAND_OK, what, "42704", ERROR_NOT_FOUND,
                            err);
}
