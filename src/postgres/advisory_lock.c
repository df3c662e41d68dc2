#include "postgres/advisory_lock.h"

#include "connection_internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/stop.h"
#include "codec/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STATEMENT_SIZE = 96, NAME_MAX_BYTES = 128, RETRY_MS = 500 };

int64_t advisory_lock_key(const char *purpose, const void *id, size_t id_len)
{
    uint8_t hash[SHA256_BYTES];
    struct buf name;
    uint64_t key = 0;
    buf_init(&name, NAME_MAX_BYTES);
    buf_printf(&name, "mainstay %s ", purpose);
    buf_put(&name, id, id_len);
    digest_sha256(name.data, name.len, hash);
    buf_release(&name);
    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | hash[i];
    return (int64_t)key;
}

bool advisory_lock_try(struct connection *connection, int64_t key, bool *out_taken,
                       struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    char statement[STATEMENT_SIZE];
    const char *answer;
    (void)snprintf(statement, sizeof statement,
                   "SELECT pg_catalog.pg_try_advisory_lock(%" PRId64 ")", key);
    if (!connection_execute(connection, statement, PGRES_TUPLES_OK, "take an advisory lock",
                            &result, err) ||
        !connection_field(result, 0, 0, "pg_try_advisory_lock", &answer, err))
        return false;
    *out_taken = strcmp(answer, "t") == 0;
    return true;
}

bool advisory_lock_identity(struct connection *connection, char *out, size_t size,
                            struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    const char *text;
    static const char statement[] =
        "SELECT s.system_identifier || '/' || d.oid || '/' ||"
        " extract(epoch FROM pg_catalog.pg_postmaster_start_time())"
        " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d"
        " WHERE d.datname = pg_catalog.current_database()";
    if (!connection_execute(connection, statement, PGRES_TUPLES_OK, "identify the server", &result,
                            err) ||
        !connection_field(result, 0, 0, "the identity of its locks", &text, err))
        return false;
    (void)snprintf(out, size, "%s", text);
    return true;
}

/* Asked again and again: a statement that waits would hold a snapshot, and with it vacuum, back. */
bool advisory_lock_wait(struct connection *connection, int64_t key, struct error *err)
{
    bool taken = false;
    while (true) {
        if (!advisory_lock_try(connection, key, &taken, err))
            return false;
        if (taken)
            return true;
        clock_sleep_us(&clock_system, (int64_t)RETRY_MS * 1000);
        if (!stop_check(err))
            return false;
    }
}

bool connection_shorten_keepalives(struct connection *connection, struct error *err)
{
    static const char *const statements[] = {
        "SET tcp_keepalives_idle = 5", "SET tcp_keepalives_interval = 5",
        "SET tcp_keepalives_count = 3", "SET tcp_user_timeout = '20s'"};
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        CLEANUP(connection_result_cleanup) PGresult *result = NULL;
        if (!connection_execute(connection, statements[i], PGRES_COMMAND_OK,
                                "shorten the server's keepalives", &result, err))
            return false;
    }
    return true;
}

void connection_limit_answers(struct connection *connection, int64_t timeout_us)
{
    connection->answer_timeout_us = timeout_us;
}

bool connection_ping(struct connection *connection, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    return connection_execute(connection, "SELECT 1", PGRES_TUPLES_OK, "reach the server", &result,
                              err);
}
