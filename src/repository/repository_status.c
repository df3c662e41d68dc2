#include "repository/repository_status.h"

#include "base/cleanup.h"
#include "repository/wal_archive.h"

#include <stdio.h>

static void take_snapshot(struct repository_status *status, const struct snapshot_info *info)
{
    status->stored_bytes += info->bytes_stored;
    if (info->damaged_pages)
        return;
    if (!status->has_snapshot)
        status->first_finished_us = info->finished_us;
    status->has_snapshot = true;
    (void)snprintf(status->last_id, sizeof status->last_id, "%s", info->id);
    status->last_started_us = info->started_us;
    status->last_finished_us = info->finished_us;
    status->last_data_bytes = info->data_bytes;
    status->last_stored_bytes = info->bytes_stored;
    status->last_timeline = info->timeline;
    status->last_stop_lsn = info->stop_lsn;
}

static bool take_snapshots(const struct repository *repository, struct repository_status *status,
                           struct error *err)
{
    struct catalog catalog;
    if (!catalog_load(repository, &catalog, err))
        return false;
    status->snapshot_count = catalog.count;
    for (size_t i = 0; i < catalog.count; i++) {
        if (catalog.entries[i].readable)
            take_snapshot(status, &catalog.entries[i].info);
        else
            status->unreadable_count++;
    }
    catalog_release(&catalog);
    return true;
}

/* Without a snapshot, the WAL counts from where it begins. */
static void take_reach(struct repository_status *status, const struct wal_catalog *catalog)
{
    const struct wal_chunk *newest = &catalog->chunks[catalog->count - 1];
    uint64_t from = 0;
    uint64_t end = 0;
    status->has_wal = true;
    status->wal_timeline = newest->timeline;
    for (size_t i = 0; i < catalog->count; i++) {
        const struct wal_chunk *chunk = &catalog->chunks[i];
        if (chunk->modified_us > status->wal_stored_us)
            status->wal_stored_us = chunk->modified_us;
        if (chunk->timeline != newest->timeline)
            continue;
        from = from == 0 ? chunk->start_lsn : from;
        end = chunk->end_lsn > end ? chunk->end_lsn : end;
    }
    if (status->has_snapshot && status->last_timeline == newest->timeline &&
        status->last_stop_lsn > from)
        from = status->last_stop_lsn;
    status->wal_end_lsn = wal_catalog_reach(catalog, newest->timeline, from);
    status->wal_gap = status->wal_end_lsn < end;
}

static bool take_wal(const struct repository *repository, struct repository_status *status,
                     struct error *err)
{
    struct wal_catalog catalog;
    if (!wal_catalog_load(repository, 0, 0, &catalog, err))
        return false;
    status->wal_count = catalog.count;
    for (size_t i = 0; i < catalog.count; i++)
        status->wal_bytes += catalog.chunks[i].size_bytes;
    if (catalog.count > 0)
        take_reach(status, &catalog);
    wal_catalog_release(&catalog);
    return true;
}

/* Without WAL that goes on, the end of the last good snapshot is the end of everything. */
static void take_recoverable(struct repository_status *status)
{
    bool goes_on = status->has_wal && !status->wal_gap &&
                   status->wal_stored_us > status->last_finished_us;
    if (!status->has_snapshot)
        return;
    status->recoverable_first_us = status->first_finished_us;
    status->recoverable_last_us = goes_on ? status->wal_stored_us : status->last_finished_us;
}

static bool take_runs(const struct repository *repository, struct repository_status *status,
                      struct error *err)
{
    CLEANUP(run_list_release) struct run_list list = {0};
    if (!run_list_load(repository, &list, err))
        return false;
    run_list_coverage(&list, 0, &status->verified);
    status->expire_last_us = run_list_last(&list, RUN_EXPIRE);
    (void)snprintf(status->run_problem, sizeof status->run_problem, "%s", list.problem);
    return true;
}

static bool count_object(void *context, const struct store_object *object, struct error *err)
{
    struct repository_status *status = context;
    (void)err;
    status->object_count++;
    status->object_bytes += object->size_bytes;
    return true;
}

bool repository_read_status(const struct repository *repository, bool count,
                            struct repository_status *out, struct error *err)
{
    struct repository_status status = {.counted = count};
    if (!take_snapshots(repository, &status, err) || !take_wal(repository, &status, err) ||
        !take_runs(repository, &status, err) ||
        !drill_summary_load(repository, &status.drills, err) ||
        (count && !store_list(repository->store, "", count_object, &status, err)))
        return error_wrap(err, "could not read the status of the repository");
    take_recoverable(&status);
    *out = status;
    return true;
}
