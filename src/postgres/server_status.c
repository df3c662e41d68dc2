#include "postgres/server_status.h"

#include "connection_internal.h"

#include "base/text.h"

#include <string.h>

/* A slot without restart_lsn keeps nothing. */
static const char query[] =
    "WITH here AS (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
    " THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn)"
    " SELECT pg_catalog.pg_is_in_recovery()::text, coalesce(here.lsn, '0/0')::text,"
    " count(s.slot_name)::text, coalesce(bool_and(s.active), false)::text,"
    " greatest(coalesce(max(pg_catalog.pg_wal_lsn_diff(here.lsn, s.restart_lsn)), 0), 0)::bigint"
    " FROM here LEFT JOIN pg_catalog.pg_replication_slots s"
    " ON s.slot_type = 'physical' AND left(s.slot_name, 8) = 'mainstay' GROUP BY here.lsn";

enum { FIELD_COUNT = 5 };

bool connection_read_status(struct connection *connection, struct server_status *out,
                            struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    const char *fields[FIELD_COUNT];
    struct server_status read = {0};
    if (!connection_execute(connection, query, PGRES_TUPLES_OK, "read the server's status", &result,
                            err))
        return false;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!connection_field(result, 0, i, "its status", &fields[i], err))
            return false;
    }
    read.in_recovery = strcmp(fields[0], "true") == 0;
    read.slots_active = strcmp(fields[3], "true") == 0;
    if (!text_to_lsn(fields[1], &read.position) || !text_to_u64(fields[2], &read.slot_count) ||
        !text_to_u64(fields[4], &read.slot_retained_bytes))
        return error_set(err, ERROR_INVALID, "cannot use the server's answer about its status");
    *out = read;
    return true;
}
