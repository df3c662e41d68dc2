#include "postgres/copy_in.h"

#include "connection_internal.h"

#include "base/text.h"

bool copy_in_begin(struct connection *connection, const char *sql, const char *what,
                   struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    return connection_execute(connection, sql, PGRES_COPY_IN, what, &result, err);
}

/* Keeps at it while libpq's buffer is full. */
bool copy_in_put(struct connection *connection, const void *bytes, size_t len, struct error *err)
{
    for (;;) {
        int taken = PQputCopyData(connection->pg, bytes, (int)len);
        if (taken < 0)
            return connection_error(connection, NULL, "send rows", err);
        if (!connection_flush(connection, err))
            return false;
        if (taken > 0)
            return true;
    }
}

/* Sends the end, or a reason for which there is none. */
static bool put_end(struct connection *connection, const char *reason, struct error *err)
{
    for (;;) {
        int taken = PQputCopyEnd(connection->pg, reason);
        if (taken < 0)
            return connection_error(connection, NULL, "send rows", err);
        if (!connection_flush(connection, err))
            return false;
        if (taken > 0)
            return true;
    }
}

bool copy_in_finish(struct connection *connection, const char *what, uint64_t *out_rows,
                    struct error *err)
{
    struct error lost = {0};
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    int64_t deadline_us = connection_deadline_us(connection->answer_timeout_us);
    if (!put_end(connection, NULL, err) ||
        !connection_next_result(connection, deadline_us, &result, err))
        return error_wrap(err, "could not %s", what);
    bool done = result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!done)
        (void)connection_error(connection, result, what, err);
    if (!connection_drain(connection, deadline_us, done ? err : &lost))
        return false;
    if (done && !text_to_u64(PQcmdTuples(result), out_rows))
        return error_set(err, ERROR_INVALID, "could not %s: the server does not say how many rows",
                         what);
    return done;
}

void copy_in_abort(struct connection *connection)
{
    struct error ignored = {0};
    int64_t deadline_us = connection_deadline_us(connection->answer_timeout_us);
    if (put_end(connection, "given up", &ignored))
        (void)!connection_drain(connection, deadline_us, &ignored);
}

void copy_put_field(const char *text, struct buf *out)
{
    static const char letters[256] = {['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\'};
    if (text == NULL) {
        buf_put(out, "\\N", 2);
        return;
    }
    const char *start = text;
    for (; *text != '\0'; text++) {
        char letter = letters[(unsigned char)*text];
        if (letter == 0)
            continue;
        buf_put(out, start, (size_t)(text - start));
        buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)letter);
        start = text + 1;
    }
    buf_put(out, start, (size_t)(text - start));
}
