#include "daemon/facts.h"

#include "document/value.h"

enum { STATUS_MAX_BYTES = 1024 * 1024, INTERVALS_MAX = 3, SLACK_US = 15 * 1000000 };

static bool take_snapshots(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *snapshots;
    const struct value *last;
    if (!value_get_object(root, "snapshots", &snapshots, err) ||
        !value_get_u64(snapshots, "count", &facts->snapshot_count, err) ||
        !value_get_u64(snapshots, "unreadable", &facts->unreadable_count, err) ||
        !value_get_u64(snapshots, "stored_bytes", &facts->stored_bytes, err) ||
        !value_find_object(root, "last_snapshot", &last, err))
        return false;
    facts->has_snapshot = last != NULL;
    return last == NULL ||
           (value_get_i64(last, "started_us", &facts->snapshot_started_us, err) &&
            value_get_i64(last, "finished_us", &facts->snapshot_finished_us, err) &&
            value_get_u64(last, "data_bytes", &facts->snapshot_data_bytes, err) &&
            value_get_u64(last, "stored_bytes", &facts->snapshot_stored_bytes, err));
}

static bool take_wal(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *wal;
    if (!value_find_object(root, "wal", &wal, err))
        return false;
    facts->has_wal = wal != NULL;
    return wal == NULL || (value_get_u64(wal, "end_lsn", &facts->wal_end_lsn, err) &&
                           value_get_i64(wal, "stored_us", &facts->wal_stored_us, err) &&
                           value_get_bool(wal, "gap", &facts->wal_gap, err));
}

static bool take_slot(struct facts *facts, const struct value *server, struct error *err)
{
    facts->slot_limited = value_has(server, "slot_safe_bytes");
    if (!value_get_bool(server, "slot", &facts->has_slot, err) ||
        !value_get_bool_or(server, "slot_unreserved", false, &facts->slot_unreserved, err) ||
        !value_get_bool_or(server, "slot_lost", false, &facts->slot_lost, err))
        return false;
    return value_get_u64_or(server, "slot_retained_bytes", 0, &facts->slot_retained_bytes, err) &&
           value_get_u64_or(server, "slot_safe_bytes", 0, &facts->slot_safe_bytes, err);
}

static bool take_server(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *server;
    if (!value_find_object(root, "server", &server, err))
        return false;
    facts->server_configured = server != NULL;
    facts->server_reachable = false;
    if (server == NULL)
        return true;
    if (!value_get_bool(server, "reachable", &facts->server_reachable, err))
        return false;
    return !facts->server_reachable ||
           (value_get_u64(server, "lsn", &facts->server_lsn, err) &&
            value_get_u64(server, "lag_bytes", &facts->lag_bytes, err) &&
            take_slot(facts, server, err));
}

static bool take_recoverable(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *window;
    facts->recoverable_first_us = 0;
    facts->recoverable_last_us = 0;
    return value_find_object(root, "recoverable", &window, err) &&
           (window == NULL ||
            (value_get_i64(window, "first_us", &facts->recoverable_first_us, err) &&
             value_get_i64(window, "last_us", &facts->recoverable_last_us, err)));
}

static bool take_runs(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *runs;
    return value_get_object(root, "runs", &runs, err) &&
           value_get_i64(runs, "expire_last_us", &facts->expire_last_us, err) &&
           value_get_i64(runs, "verify_last_us", &facts->verify_last_us, err) &&
           value_get_i64(runs, "verified_since_us", &facts->verified_since_us, err) &&
           value_get_u64(runs, "verify_parts", &facts->verify_parts, err) &&
           value_get_u64(runs, "verify_parts_read", &facts->verify_parts_read, err) &&
           value_get_u64(runs, "verify_parts_damaged", &facts->verify_parts_damaged, err);
}

static bool take_drills(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *drills;
    facts->drill_last_us = 0;
    facts->drill_good_us = 0;
    facts->drill_failures = 0;
    return value_find_object(root, "drills", &drills, err) &&
           (drills == NULL ||
            (value_get_i64(drills, "last_us", &facts->drill_last_us, err) &&
             value_get_i64(drills, "good_us", &facts->drill_good_us, err) &&
             value_get_u64(drills, "failures_in_row", &facts->drill_failures, err) &&
             value_get_i64(drills, "duration_us", &facts->drill_duration_us, err) &&
             value_get_i64(drills, "rto_us", &facts->drill_rto_us, err) &&
             value_get_i64(drills, "rpo_us", &facts->drill_rpo_us, err)));
}

/* Not in every status: what is known stays known. */
static bool take_objects(struct facts *facts, const struct value *root, struct error *err)
{
    const struct value *objects;
    if (!value_find_object(root, "objects", &objects, err))
        return false;
    facts->has_objects |= objects != NULL;
    return objects == NULL || (value_get_u64(objects, "count", &facts->object_count, err) &&
                               value_get_u64(objects, "bytes", &facts->object_bytes, err));
}

bool facts_take_status(struct facts *facts, const void *text, size_t len, int64_t now_us,
                       struct error *err)
{
    struct facts read = *facts;
    CLEANUP(value_cleanup)
    struct value *root = value_parse(text, len, STATUS_MAX_BYTES, "the status", err);
    if (root == NULL || !take_snapshots(&read, root, err) || !take_wal(&read, root, err) ||
        !take_server(&read, root, err) || !take_recoverable(&read, root, err) ||
        !take_runs(&read, root, err) || !take_drills(&read, root, err) ||
        !take_objects(&read, root, err))
        return false;
    read.has_status = true;
    read.status_us = now_us;
    *facts = read;
    return true;
}

int64_t facts_wal_lag_us(const struct facts *facts, int64_t now_us)
{
    if (!facts->has_wal || !facts->server_reachable || facts->lag_bytes == 0 ||
        facts->wal_stored_us == 0 || now_us < facts->wal_stored_us)
        return 0;
    return now_us - facts->wal_stored_us;
}

bool facts_ready(const struct facts *facts, int64_t now_us, int64_t interval_us,
                 const char **out_why)
{
    int64_t age_us = now_us - facts->status_us;
    *out_why = "ready";
    if (facts->draining)
        *out_why = "shutting down";
    else if (!facts->has_status || age_us > INTERVALS_MAX * interval_us + SLACK_US)
        *out_why = "the repository has not been reached";
    else if (facts->server_configured && !facts->server_reachable)
        *out_why = "the server has not been reached";
    else if (!facts->leader)
        *out_why = "standby: another daemon works on this repository";
    else
        return true;
    return false;
}
