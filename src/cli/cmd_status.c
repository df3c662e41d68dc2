/* mainstay status */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/query.h"
#include "postgres/server_status.h"
#include "repository/repository_status.h"

#include <inttypes.h>

struct status {
    int64_t now_us;
    struct repository_status repository;
    bool has_server;
    struct server_status server;
    struct error server_error; /* kind ERROR_NONE: it was not asked */
    bool has_helpdesk;
    int64_t runs_live;
    int64_t update_late_us;      /* of the run whose promised update is latest; 0: none is late */
    struct error helpdesk_error; /* kind ERROR_NONE: it was not asked */
};

/* What the store lacks of the server's WAL; where it has none, since the last snapshot. */
static uint64_t lag_bytes(const struct status *status)
{
    const struct repository_status *repository = &status->repository;
    uint64_t stored = repository->has_wal ? repository->wal_end_lsn : repository->last_stop_lsn;
    return status->server.position > stored ? status->server.position - stored : 0;
}

static void read_server(const struct config *config, struct status *status)
{
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    struct connection_options options;
    if (config_text(config, OPTION_POSTGRES_CONNECTION) == NULL)
        return;
    status->has_server = config_fill_connection(config, &password, &options,
                                                &status->server_error) &&
                         connection_open(&options, &connection, &status->server_error) &&
                         connection_read_status(connection, config_text(config, OPTION_WAL_SLOT),
                                                &status->server, &status->server_error);
}

/* Runs of runbooks that are not over, and how late the update is that people were promised. */
static void read_helpdesk(const struct config *config, struct status *status)
{
    const struct query query = {
        .sql = "SELECT count(*), greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - "
               "next_update_at) * 1000000), 0))::bigint FROM mainstay.runs "
               "WHERE state IN ('running', 'waiting', 'paused')",
        .what = "look at the runs",
    };
    struct error *err = &status->helpdesk_error;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (config_text(config, OPTION_HELPDESK_CONNECTION) == NULL)
        return;
    status->has_helpdesk = helpdesk_session_open(config, "status", &connection, err) &&
                           query_run(connection, &query, &rows, err) &&
                           query_i64(rows, 0, 0, &status->runs_live, err) &&
                           query_i64(rows, 0, 1, &status->update_late_us, err);
}

/* What there is not has no member. */
static bool add_last(struct value *root, const struct status *status, struct error *err)
{
    char text[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_snapshot)
        return true;
    struct value *last = value_set_new_object(root, "last_snapshot", err);
    return last != NULL && value_set_text(last, "id", from->last_id, err) &&
           value_set_text(last, "started", text_time_us(from->last_started_us, text), err) &&
           value_set_text(last, "finished", text_time_us(from->last_finished_us, text), err) &&
           value_set_i64(last, "started_us", from->last_started_us, err) &&
           value_set_i64(last, "finished_us", from->last_finished_us, err) &&
           value_set_i64(last, "age_us", status->now_us - from->last_finished_us, err) &&
           value_set_u64(last, "data_bytes", from->last_data_bytes, err) &&
           value_set_u64(last, "stored_bytes", from->last_stored_bytes, err);
}

static bool add_wal(struct value *root, const struct status *status, struct error *err)
{
    char text[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_wal)
        return true;
    struct value *wal = value_set_new_object(root, "wal", err);
    return wal != NULL && value_set_u64(wal, "chunks", from->wal_count, err) &&
           value_set_u64(wal, "stored_bytes", from->wal_bytes, err) &&
           value_set_u64(wal, "timeline", from->wal_timeline, err) &&
           value_set_text(wal, "end", text_lsn(from->wal_end_lsn, text), err) &&
           value_set_u64(wal, "end_lsn", from->wal_end_lsn, err) &&
           value_set_i64(wal, "stored_us", from->wal_stored_us, err) &&
           value_set_bool(wal, "gap", from->wal_gap, err);
}

static bool add_slot(struct value *server, const struct server_status *from, struct error *err)
{
    if (!value_set_bool(server, "slot", from->has_slot, err))
        return false;
    if (!from->has_slot)
        return true;
    return value_set_bool(server, "slot_active", from->slot_active, err) &&
           value_set_u64(server, "slot_retained_bytes", from->slot_retained_bytes, err) &&
           (!from->slot_limited ||
            value_set_u64(server, "slot_safe_bytes", from->slot_safe_bytes, err)) &&
           value_set_bool(server, "slot_unreserved", from->slot_unreserved, err) &&
           value_set_bool(server, "slot_lost", from->slot_lost, err);
}

static bool add_server(struct value *root, const struct status *status, struct error *err)
{
    if (!status->has_server && status->server_error.kind == ERROR_NONE)
        return true;
    struct value *server = value_set_new_object(root, "server", err);
    if (server == NULL || !value_set_bool(server, "reachable", status->has_server, err))
        return false;
    if (!status->has_server)
        return value_set_text_lossy(server, "problem", status->server_error.text, err);
    return value_set_bool(server, "in_recovery", status->server.in_recovery, err) &&
           value_set_u64(server, "lsn", status->server.position, err) &&
           value_set_u64(server, "lag_bytes", lag_bytes(status), err) &&
           add_slot(server, &status->server, err);
}

static bool add_recoverable(struct value *root, const struct status *status, struct error *err)
{
    char text[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_snapshot)
        return true;
    struct value *window = value_set_new_object(root, "recoverable", err);
    return window != NULL &&
           value_set_text(window, "first", text_time_us(from->recoverable_first_us, text), err) &&
           value_set_text(window, "last", text_time_us(from->recoverable_last_us, text), err) &&
           value_set_i64(window, "first_us", from->recoverable_first_us, err) &&
           value_set_i64(window, "last_us", from->recoverable_last_us, err);
}

/* What ran, and what it found. */
static bool add_runs(struct value *root, const struct status *status, struct error *err)
{
    const struct run_coverage *read = &status->repository.verified;
    struct value *runs = value_set_new_object(root, "runs", err);
    return runs != NULL &&
           value_set_i64(runs, "expire_last_us", status->repository.expire_last_us, err) &&
           value_set_i64(runs, "verify_last_us", read->last_us, err) &&
           value_set_i64(runs, "verified_since_us", read->since_us, err) &&
           value_set_u64(runs, "verify_parts", read->parts, err) &&
           value_set_u64(runs, "verify_parts_read", read->parts_read, err) &&
           value_set_u64(runs, "verify_parts_damaged", read->parts_damaged, err);
}

static bool add_helpdesk(struct value *root, const struct status *status, struct error *err)
{
    if (!status->has_helpdesk && status->helpdesk_error.kind == ERROR_NONE)
        return true;
    struct value *helpdesk = value_set_new_object(root, "helpdesk", err);
    if (helpdesk == NULL || !value_set_bool(helpdesk, "reachable", status->has_helpdesk, err))
        return false;
    if (!status->has_helpdesk)
        return value_set_text_lossy(helpdesk, "problem", status->helpdesk_error.text, err);
    return value_set_i64(helpdesk, "runs_live", status->runs_live, err) &&
           value_set_i64(helpdesk, "update_late_us", status->update_late_us, err);
}

/* Without a drill there is nothing to say. */
static bool add_drills(struct value *root, const struct status *status, struct error *err)
{
    const struct drill_summary *from = &status->repository.drills;
    if (from->count == 0)
        return true;
    struct value *drills = value_set_new_object(root, "drills", err);
    return drills != NULL && value_set_u64(drills, "count", from->count, err) &&
           value_set_u64(drills, "failures_in_row", from->failures_in_row, err) &&
           value_set_i64(drills, "last_us", from->last_us, err) &&
           value_set_i64(drills, "good_us", from->good_us, err) &&
           value_set_i64(drills, "duration_us", from->duration_us, err) &&
           value_set_i64(drills, "rto_us", from->rto_us, err) &&
           value_set_i64(drills, "rpo_us", from->rpo_us, err);
}

static bool add_objects(struct value *root, const struct status *status, struct error *err)
{
    if (!status->repository.counted)
        return true;
    struct value *objects = value_set_new_object(root, "objects", err);
    return objects != NULL &&
           value_set_u64(objects, "count", status->repository.object_count, err) &&
           value_set_u64(objects, "bytes", status->repository.object_bytes, err);
}

static bool print_json(const struct invocation *call, const struct status *status,
                       struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_i64(root, "time_us", status->now_us, err))
        return false;
    struct value *snapshots = value_set_new_object(root, "snapshots", err);
    if (snapshots == NULL ||
        !value_set_u64(snapshots, "count", status->repository.snapshot_count, err) ||
        !value_set_u64(snapshots, "unreadable", status->repository.unreadable_count, err) ||
        !value_set_u64(snapshots, "stored_bytes", status->repository.stored_bytes, err))
        return false;
    return add_last(root, status, err) && add_recoverable(root, status, err) &&
           add_wal(root, status, err) && add_server(root, status, err) &&
           add_runs(root, status, err) && add_drills(root, status, err) &&
           add_objects(root, status, err) && add_helpdesk(root, status, err) &&
           output_value(call, root, err);
}

static void put_last(const struct status *status, struct buf *out)
{
    char time[TEXT_SIZE];
    char age[TEXT_SIZE];
    char size[TEXT_SIZE];
    char stored[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_snapshot) {
        buf_printf(out, "last good     none: nothing can be restored\n");
        return;
    }
    buf_printf(out, "last good     %s, %s ago (%s), %s, stored %s\n", from->last_id,
               text_duration_us(status->now_us - from->last_finished_us, age),
               text_time_us(from->last_finished_us, time), text_bytes(from->last_data_bytes, size),
               text_bytes(from->last_stored_bytes, stored));
}

static void put_recoverable(const struct status *status, struct buf *out)
{
    char first[TEXT_SIZE];
    char last[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_snapshot)
        return;
    buf_printf(out, "recoverable   from %s to %s\n",
               text_time_us(from->recoverable_first_us, first),
               text_time_us(from->recoverable_last_us, last));
}

static void put_wal(const struct status *status, struct buf *out)
{
    char lsn[TEXT_SIZE];
    char bytes[TEXT_SIZE];
    const struct repository_status *from = &status->repository;
    if (!from->has_wal) {
        buf_printf(out, "WAL           none stored\n");
        return;
    }
    buf_printf(out, "WAL           up to %s on timeline %" PRIu32 ", %s in %" PRIu64 " %s%s\n",
               text_lsn(from->wal_end_lsn, lsn), from->wal_timeline,
               text_bytes(from->wal_bytes, bytes), from->wal_count,
               text_plural(from->wal_count, "chunk", "chunks"),
               from->wal_gap ? ", then a gap" : "");
}

static void put_slot(const struct server_status *from, struct buf *out)
{
    char kept[TEXT_SIZE];
    char safe[TEXT_SIZE];
    if (!from->has_slot)
        return;
    buf_printf(out, "slot          %s, keeps %s", from->slot_active ? "in use" : "not in use",
               text_bytes(from->slot_retained_bytes, kept));
    if (from->slot_lost)
        buf_printf(out, ": lost, the server removed WAL that it needs");
    else if (from->slot_unreserved)
        buf_printf(out, ": the next checkpoint may remove WAL that it needs");
    else if (from->slot_limited)
        buf_printf(out, ", %s until max_slot_wal_keep_size",
                   text_bytes(from->slot_safe_bytes, safe));
    buf_printf(out, "\n");
}

static void put_server(const struct status *status, struct buf *out)
{
    char lag[TEXT_SIZE];
    if (!status->has_server && status->server_error.kind == ERROR_NONE)
        return;
    buf_printf(out, "server        ");
    if (!status->has_server) {
        output_put_clean(status->server_error.text, out);
        buf_printf(out, "\n");
        return;
    }
    buf_printf(out, "%s, %s ahead of the repository\n",
               status->server.in_recovery ? "standby" : "primary",
               text_bytes(lag_bytes(status), lag));
    put_slot(&status->server, out);
}

static void put_verified(const struct status *status, struct buf *out)
{
    char since[TEXT_SIZE];
    char last[TEXT_SIZE];
    const struct run_coverage *from = &status->repository.verified;
    if (from->last_us == 0) {
        buf_printf(out, "verified      never on record\n");
        return;
    }
    buf_printf(out, "verified      %" PRIu32 " of %" PRIu32 " parts, last at %s", from->parts_read,
               from->parts, text_time_us(from->last_us, last));
    if (from->since_us > 0)
        buf_printf(out, ", all since %s", text_time_us(from->since_us, since));
    if (from->parts_damaged > 0)
        buf_printf(out, "; damage in %" PRIu32, from->parts_damaged);
    buf_printf(out, "\n");
}

static void put_helpdesk(const struct status *status, struct buf *out)
{
    char late[TEXT_SIZE];
    if (!status->has_helpdesk && status->helpdesk_error.kind == ERROR_NONE)
        return;
    buf_printf(out, "runbooks      ");
    if (!status->has_helpdesk)
        output_put_clean(status->helpdesk_error.text, out);
    else
        buf_printf(out, "%" PRId64 " under way", status->runs_live);
    if (status->update_late_us > 0)
        buf_printf(out, ", an update is %s late", text_duration_us(status->update_late_us, late));
    buf_printf(out, "\n");
}

static void put_drills(const struct status *status, struct buf *out)
{
    char age[TEXT_SIZE];
    char time[TEXT_SIZE];
    char rto[TEXT_SIZE];
    const struct drill_summary *from = &status->repository.drills;
    buf_printf(out, "last drill    ");
    if (from->count == 0) {
        buf_printf(out, "none: that it can be restored is not proven\n");
        return;
    }
    if (from->failures_in_row > 0)
        buf_printf(out, "FAILED, %" PRIu64 " in a row; ", from->failures_in_row);
    if (from->good_us == 0)
        buf_printf(out, "none was good\n");
    else
        buf_printf(out, "good %s ago (%s), RTO %s\n",
                   text_duration_us(status->now_us - from->good_us, age),
                   text_time_us(from->good_us, time), text_duration_us(from->rto_us, rto));
}

static void put_objects(const struct status *status, struct buf *out)
{
    char size[TEXT_SIZE];
    if (status->repository.counted)
        buf_printf(out, "objects       %" PRIu64 ", %s\n", status->repository.object_count,
                   text_bytes(status->repository.object_bytes, size));
}

static bool print_text(const struct invocation *call, const struct status *status,
                       struct error *err)
{
    char stored[TEXT_SIZE];
    struct buf text;
    const struct repository_status *from = &status->repository;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "snapshots     %" PRIu64 ", stored %s", from->snapshot_count,
               text_bytes(from->stored_bytes, stored));
    if (from->unreadable_count > 0)
        buf_printf(&text, ", %" PRIu64 " unreadable", from->unreadable_count);
    buf_printf(&text, "\n");
    put_last(status, &text);
    put_recoverable(status, &text);
    put_wal(status, &text);
    put_server(status, &text);
    put_verified(status, &text);
    put_drills(status, &text);
    put_objects(status, &text);
    put_helpdesk(status, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_status(struct invocation *call, struct error *err)
{
    struct status status = {.now_us = clock_now_us(&clock_system)};
    CLEANUP(session_close) struct session session = {0};
    if (!session_open(&session, &call->config, err) ||
        !repository_read_status(&session.repository, invocation_has(call, "objects"),
                                &status.repository, err))
        return false;
    read_server(&call->config, &status);
    read_helpdesk(&call->config, &status);
    return call->json ? print_json(call, &status, err) : print_text(call, &status, err);
}

const struct command command_status = {
    .noun = "status",
    .summary = "show what could be restored now, and what would be lost",
    .details = "The last good snapshot with its age, how far the stored WAL reaches, and, where "
               "postgres.connection is set, how far the server is ahead. A server that does not "
               "answer is part of the status, no failure. Where helpdesk.connection is set: the "
               "runs that are under way, and whether an update that was promised is late.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_WAL | GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"objects", NULL, NULL,
               "Count all objects of the repository too: a request for each thousand."}},
    .examples = {"mainstay status --repo /srv/backup", "mainstay status --json"},
    .confined = true,
    .run = run_status,
};
