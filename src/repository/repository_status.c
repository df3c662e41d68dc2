#include "repository/repository_status.h"

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

bool repository_read_status(const struct repository *repository, struct repository_status *out,
                            struct error *err)
{
    struct repository_status status = {0};
    if (!take_snapshots(repository, &status, err))
        return error_wrap(err, "could not read the status of the repository");
    *out = status;
    return true;
}
