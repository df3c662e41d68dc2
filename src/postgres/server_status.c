#include "postgres/server_status.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"

#include <string.h>

/* A slot without restart_lsn keeps nothing. safe_wal_size is not known where nothing limits a slot,
 * and for a lost one. */
static const char statement[] =
    "WITH here AS (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
    " THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn)"
    " SELECT pg_catalog.pg_is_in_recovery(), coalesce(here.lsn, '0/0'),"
    " s.slot_name IS NOT NULL, coalesce(s.active, false),"
    " greatest(coalesce(pg_catalog.pg_wal_lsn_diff(here.lsn, s.restart_lsn), 0), 0)::bigint,"
    " s.safe_wal_size IS NOT NULL, greatest(coalesce(s.safe_wal_size, 0), 0),"
    " coalesce(s.wal_status = 'lost', false), coalesce(s.wal_status = 'unreserved', false)"
    " FROM here LEFT JOIN pg_catalog.pg_replication_slots s"
    " ON s.slot_type = 'physical' AND s.slot_name = $1";

static bool take_u64(const struct query_result *result, size_t column, uint64_t *out,
                     struct error *err)
{
    int64_t number;
    if (!query_i64(result, 0, column, &number, err))
        return false;
    *out = number < 0 ? 0 : (uint64_t)number;
    return true;
}

bool connection_read_status(struct connection *connection, const char *slot,
                            struct server_status *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *result = NULL;
    struct server_status read = {0};
    const char *const values[] = {slot};
    const struct query query = {
        .sql = statement, .values = values, .count = 1, .what = "read the server's status"};
    if (!query_run(connection, &query, &result, err))
        return false;
    if (query_rows(result) != 1 || !text_to_lsn(query_field(result, 0, 1), &read.position))
        return error_set(err, ERROR_INVALID, "cannot use the server's answer about its status");
    if (!query_bool(result, 0, 0, &read.in_recovery, err) ||
        !query_bool(result, 0, 2, &read.has_slot, err) ||
        !query_bool(result, 0, 3, &read.slot_active, err) ||
        !take_u64(result, 4, &read.slot_retained_bytes, err) ||
        !query_bool(result, 0, 5, &read.slot_limited, err) ||
        !take_u64(result, 6, &read.slot_safe_bytes, err) ||
        !query_bool(result, 0, 7, &read.slot_lost, err) ||
        !query_bool(result, 0, 8, &read.slot_unreserved, err))
        return error_wrap(err, "cannot use the server's answer about its status");
    *out = read;
    return true;
}
