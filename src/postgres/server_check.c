#include "postgres/server_check.h"

#include "connection_internal.h"

#include "base/text.h"
#include "postgres/tls_policy.h"
#include "postgres/wal_receiver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_SIZE = 8192, SENDERS_NEEDED = 2 };

static void add_error(struct check_list *out, const char *name, enum check_verdict verdict,
                      const struct error *err)
{
    check_add(out, name, verdict, "%s", err->text);
    check_fix(out, "%s", err->hint);
}

static bool open_connection(const struct connection_options *options, bool replication,
                            struct connection **out, struct error *err)
{
    struct connection_options chosen = *options;
    chosen.replication = replication;
    return connection_open(&chosen, out, err);
}

static void check_wal_level(const struct server_settings *settings, struct check_list *out)
{
    bool enough = strcmp(settings->wal_level, "minimal") != 0;
    check_add(out, "server.wal_level", enough ? CHECK_OK : CHECK_FAILED, "wal_level is %s",
              settings->wal_level);
    if (!enough)
        check_fix(out, "ALTER SYSTEM SET wal_level = 'replica'; then restart the server");
}

static void check_full_page_writes(const struct server_settings *settings, struct check_list *out)
{
    bool on = settings->full_page_writes;
    check_add(out, "server.full_page_writes", on ? CHECK_OK : CHECK_FAILED,
              "full_page_writes is %s%s", on ? "on" : "off",
              on ? "" : ": pages that change while they are read could not be repaired");
    if (!on)
        check_fix(out, "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();");
}

static void check_data_checksums(const struct server_settings *settings, struct check_list *out)
{
    bool on = settings->data_checksums;
    check_add(out, "server.data_checksums", on ? CHECK_OK : CHECK_WARNING,
              "data checksums are %s%s", on ? "on" : "off",
              on ? "" : ": damage on the server's disk goes unnoticed");
    if (!on)
        check_fix(out, "stop the server cleanly, run pg_checksums --enable -D DATA_DIRECTORY, "
                       "start it");
}

static void check_block_size(const struct server_settings *settings, struct check_list *out)
{
    bool known = settings->block_size == BLOCK_SIZE && settings->wal_block_size == BLOCK_SIZE;
    check_add(out, "server.block_size", known ? CHECK_OK : CHECK_FAILED,
              "blocks of %" PRIu32 " bytes, WAL blocks of %" PRIu32 " bytes", settings->block_size,
              settings->wal_block_size);
    if (!known)
        check_fix(out, "use a server built with the default block sizes of 8192 bytes");
}

static void check_settings(struct connection *connection, struct check_list *out)
{
    struct server_settings settings;
    struct error err = {0};
    if (!connection_read_settings(connection, &settings, &err)) {
        add_error(out, "server.version", CHECK_FAILED, &err);
        return;
    }
    check_add(out, "server.version", CHECK_OK, "PostgreSQL %s", settings.server_version);
    check_wal_level(&settings, out);
    check_full_page_writes(&settings, out);
    check_data_checksums(&settings, out);
    check_block_size(&settings, out);
    check_add(out, "server.recovery", CHECK_OK,
              settings.in_recovery ? "the server is a standby" : "the server is a primary");
}

static bool read_number(const PGresult *row, int column, uint64_t *out)
{
    return PQntuples(row) == 1 && column < PQnfields(row) && !PQgetisnull(row, 0, column) &&
           text_to_u64(PQgetvalue(row, 0, column), out);
}

/* Our own replication connection holds one of the senders in use. */
static void check_senders(const PGresult *row, bool we_hold_one, struct check_list *out)
{
    uint64_t limit = 0;
    uint64_t used = 0;
    if (!read_number(row, 1, &limit) || !read_number(row, 2, &used))
        return;
    used -= we_hold_one && used > 0;
    uint64_t left = limit > used ? limit - used : 0;
    enum check_verdict verdict = left >= SENDERS_NEEDED ? CHECK_OK
                                 : left > 0             ? CHECK_WARNING
                                                        : CHECK_FAILED;
    check_add(out, "server.wal_senders", verdict,
              "%" PRIu64 " of %" PRIu64 " WAL senders are free, %d are needed", left, limit,
              SENDERS_NEEDED);
    if (verdict != CHECK_OK)
        check_fix(out, "ALTER SYSTEM SET max_wal_senders = %" PRIu64 "; then restart the server",
                  limit + 10);
}

static void check_slots(const PGresult *row, struct check_list *out)
{
    uint64_t limit = 0;
    uint64_t used = 0;
    if (!read_number(row, 3, &limit) || !read_number(row, 4, &used))
        return;
    uint64_t left = limit > used ? limit - used : 0;
    /* With none left the stream still works if one of the slots in use is ours. */
    check_add(out, "server.replication_slots", left > 0 ? CHECK_OK : CHECK_WARNING,
              "%" PRIu64 " of %" PRIu64 " replication slots are free", left, limit);
    if (left == 0)
        check_fix(out,
                  "ALTER SYSTEM SET max_replication_slots = %" PRIu64 "; then restart the server",
                  limit + 10);
}

static void check_role(struct connection *connection, const PGresult *row, struct check_list *out)
{
    const char *role = PQntuples(row) == 1 ? PQgetvalue(row, 0, 0) : "";
    const char *user = PQuser(connection->pg);
    if (strcmp(role, "none") == 0) {
        check_add(out, "server.role", CHECK_FAILED, "role %s has no REPLICATION", user);
        check_fix(out, "ALTER ROLE \"%s\" REPLICATION;", user);
        return;
    }
    check_add(out, "server.role", CHECK_OK, "role %s has %s", user, role);
}

/* What only SQL can tell. Every role may read these views; other users' rows come as NULLs. */
static void check_with_sql(struct connection *connection, bool replication_works,
                           struct check_list *out)
{
    static const char *const query =
        "SELECT CASE WHEN r.rolsuper THEN 'SUPERUSER' WHEN r.rolreplication THEN 'REPLICATION'"
        " ELSE 'none' END,"
        " current_setting('max_wal_senders'),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_replication),"
        " current_setting('max_replication_slots'),"
        " (SELECT count(*) FROM pg_catalog.pg_replication_slots)"
        " FROM pg_catalog.pg_roles r WHERE r.rolname = session_user";
    CLEANUP(connection_result_cleanup) PGresult *row = NULL;
    struct error err = {0};
    if (!connection_execute(connection, query, PGRES_TUPLES_OK, "inspect the server", &row, &err)) {
        add_error(out, "server.sql_connection", CHECK_WARNING, &err);
        return;
    }
    check_add(out, "server.sql_connection", CHECK_OK, "ordinary connections are accepted");
    check_role(connection, row, out);
    check_senders(row, replication_works, out);
    check_slots(row, out);
}

void server_check(const struct connection_options *options, struct check_list *out)
{
    CLEANUP(connection_cleanup) struct connection *replication = NULL;
    CLEANUP(connection_cleanup) struct connection *ordinary = NULL;
    struct error refused = {0};
    tls_check(options->conninfo, "server.tls", out);
    bool works = open_connection(options, true, &replication, &refused);
    if (works)
        check_add(out, "server.replication_connection", CHECK_OK,
                  "replication connections are accepted");
    else
        add_error(out, "server.replication_connection", CHECK_FAILED, &refused);
    struct error err = {0};
    if (!open_connection(options, false, &ordinary, &err))
        add_error(out, "server.sql_connection", CHECK_WARNING, &err);
    if (works)
        check_settings(replication, out);
    else if (ordinary != NULL)
        check_settings(ordinary, out);
    if (ordinary != NULL)
        check_with_sql(ordinary, works, out);
}

/* What is wrong with the slot, worst first. Columns: wal_status, active, bytes held back. */
static void judge_slot(const PGresult *row, const char *slot, struct check_list *out)
{
    static const char name[] = "server.wal_slot";
    char size[TEXT_SIZE];
    uint64_t held = 0;
    if (PQntuples(row) == 0) {
        check_add(out, name, CHECK_WARNING,
                  "replication slot \"%s\" does not exist: the server keeps no WAL for us", slot);
        check_fix(out,
                  "SELECT pg_create_physical_replication_slot('%s', true); or start mainstay "
                  "wal stream, which makes it",
                  slot);
        return;
    }
    if (strcmp(PQgetvalue(row, 0, 0), "lost") == 0) {
        check_add(out, name, CHECK_FAILED,
                  "the server gave replication slot \"%s\" up: WAL that was not stored is gone",
                  slot);
        check_fix(out, "run mainstay wal stream --restart-after-gap and take a new snapshot");
        return;
    }
    if (!text_to_u64(PQgetvalue(row, 0, 2), &held))
        held = 0;
    bool active = strcmp(PQgetvalue(row, 0, 1), "t") == 0;
    check_add(out, name, active ? CHECK_OK : CHECK_WARNING,
              "replication slot \"%s\" is %s and holds back %s of WAL", slot,
              active ? "in use" : "not in use", text_bytes(held, size));
    if (!active)
        check_fix(out,
                  "start mainstay wal stream; or, if nobody will: SELECT "
                  "pg_drop_replication_slot('%s');",
                  slot);
}

void server_check_slot(const struct connection_options *options, const char *slot,
                       struct check_list *out)
{
    enum { QUERY_SIZE = 640 };
    char query[QUERY_SIZE];
    struct error err = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(connection_result_cleanup) PGresult *row = NULL;
    if (!wal_slot_check_name(slot, &err)) {
        add_error(out, "server.wal_slot", CHECK_FAILED, &err);
        return;
    }
    (void)snprintf(query, sizeof query,
                   "SELECT coalesce(wal_status, ''), active,"
                   " greatest(0, coalesce(CASE WHEN pg_catalog.pg_is_in_recovery()"
                   " THEN pg_catalog.pg_last_wal_replay_lsn()"
                   " ELSE pg_catalog.pg_current_wal_lsn() END - restart_lsn, 0))"
                   " FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
                   slot);
    if (!open_connection(options, false, &connection, &err))
        return; /* said by server.sql_connection */
    if (!connection_execute(connection, query, PGRES_TUPLES_OK, "inspect the slot", &row, &err))
        add_error(out, "server.wal_slot", CHECK_WARNING, &err);
    else
        judge_slot(row, slot, out);
}
