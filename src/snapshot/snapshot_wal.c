/*
 * Whose WAL makes the snapshot consistent: a copy of its own, or the archive's? The archive's, when
 * the stream covers the snapshot; that is decided before the backup begins, from what server and
 * store say, and the manifest is written only when the WAL is there.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "postgres/slot_status.h"
#include "repository/archived_wal.h"
#include "snapshot_job.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { POLL_FIRST_US = 250000, POLL_MAX_US = 2000000 }; /* each is a listing of the WAL */

static bool own(struct snapshot_wal *wal, const char *format, ...) FORMAT(2, 3);

static bool own(struct snapshot_wal *wal, const char *format, ...)
{
    va_list args;
    wal->archived = false;
    va_start(args, format);
    (void)vsnprintf(wal->why_own, sizeof wal->why_own, format, args);
    va_end(args);
    return false;
}

static bool read_slot(const struct snapshot_options *options, struct slot_status *out,
                      struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    struct connection_options ordinary = options->connection;
    ordinary.replication = false;
    return connection_open(&ordinary, &connection, err) &&
           connection_read_slot(connection, options->wal_slot, out, err);
}

/* Whether somebody streams this timeline of this server from the slot. */
static bool is_streamed(struct snapshot_wal *wal, const struct snapshot_options *options,
                        const struct server_identity *server)
{
    struct error err = {0};
    struct slot_status slot;
    if (options->own_wal || options->wal_slot == NULL)
        return own(wal, "asked for");
    if (!read_slot(options, &slot, &err))
        return own(wal, "the slot cannot be looked at: %.200s", err.text);
    if (!slot.exists || !slot.active || slot.confirmed_lsn == 0)
        return own(wal, "nobody streams from slot \"%s\"", options->wal_slot);
    if (slot.system_identifier != server->system_identifier || slot.timeline != server->timeline)
        return own(wal, "the server's last checkpoint is not on its timeline %" PRIu32,
                   server->timeline);
    *wal = (struct snapshot_wal){.archived = true,
                                 .timeline = server->timeline,
                                 .from_lsn = slot.redo_lsn,
                                 .confirmed_lsn = slot.confirmed_lsn};
    return true;
}

void snapshot_wal_ask_server(struct snapshot_job *job, const struct server_identity *server)
{
    struct snapshot_wal *wal = &job->wal;
    if (is_streamed(wal, job->options, server))
        wal->from_lsn = archived_wal_segment(&job->manifest.info, wal->from_lsn);
}

/* What the slot confirmed must be in this store, not in another one that uses the same name. */
bool snapshot_wal_ask_store(struct snapshot_job *job, struct error *err)
{
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    struct snapshot_wal *wal = &job->wal;
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    if (wal->archived) {
        if (!wal_catalog_load(job->repository, wal->timeline, wal->from_lsn, &catalog, err))
            return false;
        uint64_t reach = wal_catalog_reach(&catalog, wal->timeline, wal->from_lsn);
        if (reach == wal->from_lsn || reach < wal->confirmed_lsn)
            (void)own(wal, "the repository does not hold the WAL from %s to %s",
                      text_lsn(reach, from), text_lsn(wal->confirmed_lsn, to));
    }
    job->manifest.info.wal_included = !wal->archived;
    if (wal->archived)
        log_event(LOG_INFO, "snapshot.archived_wal",
                  "the stream covers this snapshot: it stores no WAL of its own");
    else
        log_event(LOG_DEBUG, "snapshot.own_wal", "the snapshot stores its own WAL: %s",
                  wal->why_own);
    return true;
}

static bool find_missing(const struct snapshot_job *job, struct snapshot_wal_range *out,
                         bool *out_missing, struct error *err)
{
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    if (!wal_catalog_load(job->repository, 0, 0, &catalog, err))
        return false;
    *out_missing = archived_wal_missing(&job->manifest.info, &catalog, out);
    return true;
}

static bool give_up(const struct snapshot_job *job, const struct snapshot_wal_range *missing,
                    struct error *err)
{
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    char waited[TEXT_SIZE];
    struct error ignored;
    struct slot_status slot = {.active = true};
    const struct snapshot_options *options = job->options;
    bool known = read_slot(options, &slot, &ignored);
    (void)error_set(
        err, ERROR_UNAVAILABLE,
        "after %s the WAL from %s to %s on timeline %" PRIu32
        " is still not in the repository: %s slot \"%s\"",
        text_duration_us(options->wal_timeout_us, waited), text_lsn(missing->start_lsn, from),
        text_lsn(missing->end_lsn, to), missing->timeline,
        known && !slot.active ? "nobody streams any more from" : "the stream is behind that uses",
        options->wal_slot);
    return error_hint(err, "Start `mainstay wal stream` (or wait until it has caught up) and take "
                           "the snapshot again; with snapshot.own-wal it needs no stream.");
}

bool snapshot_wal_wait(struct snapshot_job *job, struct error *err)
{
    bool is_missing = true;
    int64_t pause_us = POLL_FIRST_US;
    struct snapshot_wal_range missing;
    const struct clock *clock = job->options->clock;
    int64_t deadline_us = clock_monotonic_us(clock) + job->options->wal_timeout_us;
    if (!job->wal.archived)
        return true;
    for (;;) {
        if (!stop_check(err) || !find_missing(job, &missing, &is_missing, err))
            return false;
        if (!is_missing)
            return true;
        if (clock_monotonic_us(clock) >= deadline_us)
            return give_up(job, &missing, err);
        clock_sleep_us(clock, pause_us);
        pause_us = 2 * pause_us < POLL_MAX_US ? 2 * pause_us : POLL_MAX_US;
    }
}
