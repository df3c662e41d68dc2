#include "restore/restore.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"
#include "restore_internal.h"

#include <stdlib.h>

enum { MAX_DEFAULT_THREADS = 8 };

int restore_threads(const struct restore_options *options)
{
    return workers_count(options->threads, MAX_DEFAULT_THREADS);
}

void restore_job_release(struct restore_job *job)
{
    lease_release(&job->lease);
    manifest_release(&job->manifest);
    for (size_t i = 0; i < job->place_count; i++)
        free(job->places[i].target);
    free(job->places);
    free(job->files);
    buf_release(&job->auto_conf);
    close_fd(&job->root_fd);
}

uint64_t restore_count_differing(const struct restore_job *job)
{
    uint64_t count = 0;
    if (!job->manifest.info.data_checksums)
        return 0;
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        const struct restore_file *file = &job->files[i];
        if (file->entry == NULL || (file->entry->flags & ENTRY_CHECKSUM) == 0 ||
            atomic_load(&file->crc32c) == file->entry->crc32c)
            continue;
        count++;
        log_event(LOG_ERROR, "restore.file_differs",
                  "file \"%s\" is not as the server had it: its checksum differs",
                  file->entry->path);
    }
    return count;
}

static void set_phase(const struct restore_options *options, const char *phase)
{
    if (options->progress != NULL)
        atomic_store(&options->progress->phase, phase);
}

void restore_fill_result(struct restore_job *job, int64_t started_us, struct restore_result *out)
{
    *out = (struct restore_result){
        .files = job->manifest.info.file_count,
        .bytes_total = job->manifest.info.data_bytes,
        .bytes_fetched = atomic_load(&job->bytes_fetched),
        .bytes_written = atomic_load(&job->bytes_written),
        .bytes_kept = atomic_load(&job->bytes_kept),
        .files_removed = job->files_removed,
        .files_differ = job->files_differ,
        .recovery_timeline = job->recovery_timeline,
        .duration_us = clock_monotonic_us(&clock_system) - started_us,
    };
    out->info = job->manifest.info;
    job->manifest.info = (struct snapshot_info){0};
}

bool restore_run(const struct repository *repository, const struct restore_options *options,
                 struct restore_result *out, struct error *err)
{
    CLEANUP(restore_job_release)
    struct restore_job job = {.repository = repository, .options = options, .root_fd = -1};
    int64_t started_us = clock_monotonic_us(&clock_system);
    set_phase(options, "planning");
    if (!restore_plan(&job, err))
        return false;
    if (options->progress != NULL)
        atomic_store(&options->progress->bytes_total, job.manifest.info.data_bytes);
    set_phase(options, "restoring");
    int64_t planned_us = clock_monotonic_us(&clock_system) - started_us;
    if (!restore_create_tree(&job, err) || !restore_write_pages(&job, err) ||
        !restore_write_wal(&job, err))
        return error_wrap(err, "could not restore snapshot %s", job.manifest.info.id);
    job.files_differ = restore_count_differing(&job);
    int64_t fetched_us = clock_monotonic_us(&clock_system) - started_us;
    set_phase(options, "syncing");
    if (!restore_finish_tree(&job, err))
        return error_wrap(err, "could not finish the restore of snapshot %s", job.manifest.info.id);
    restore_fill_result(&job, started_us, out);
    out->planned_us = planned_us;
    out->fetched_us = fetched_us;
    return true;
}

void restore_result_release(struct restore_result *result)
{
    snapshot_info_release(&result->info);
}
