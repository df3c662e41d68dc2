#include "postgres/slot_status.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"

static const char statement[] =
    "SELECT i.system_identifier, c.timeline_id, c.redo_lsn, s.slot_name IS NOT NULL,"
    " coalesce(s.active, false), coalesce(s.restart_lsn, '0/0')"
    " FROM pg_catalog.pg_control_system() i CROSS JOIN pg_catalog.pg_control_checkpoint() c"
    " LEFT JOIN pg_catalog.pg_replication_slots s"
    " ON s.slot_name = $1 AND s.slot_type = 'physical'";

enum { SYSTEM, TIMELINE, REDO, EXISTS, ACTIVE, CONFIRMED };

static bool take_row(const struct query_result *row, struct slot_status *out, struct error *err)
{
    int64_t system;
    int64_t timeline;
    if (query_rows(row) != 1 || !text_to_lsn(query_field(row, 0, REDO), &out->redo_lsn) ||
        !text_to_lsn(query_field(row, 0, CONFIRMED), &out->confirmed_lsn))
        return error_set(err, ERROR_INVALID, "cannot use the server's answer about its slot");
    if (!query_i64(row, 0, SYSTEM, &system, err) || !query_i64(row, 0, TIMELINE, &timeline, err) ||
        !query_bool(row, 0, EXISTS, &out->exists, err) ||
        !query_bool(row, 0, ACTIVE, &out->active, err))
        return false;
    out->system_identifier = (uint64_t)system; /* SQL has no unsigned type */
    out->timeline = (uint32_t)timeline;
    return true;
}

bool connection_read_slot(struct connection *connection, const char *slot, struct slot_status *out,
                          struct error *err)
{
    struct slot_status status = {0};
    CLEANUP(query_result_cleanup) struct query_result *row = NULL;
    const struct query query = {
        .sql = statement, .values = &slot, .count = 1, .what = "look at the replication slot"};
    if (!query_run(connection, &query, &row, err) || !take_row(row, &status, err))
        return false;
    *out = status;
    return true;
}
