#include "restore/restore.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "restore_internal.h"

#include <stdlib.h>
#include <unistd.h>

enum { MAX_DEFAULT_THREADS = 8, MAX_THREADS = 64 };

int restore_threads(const struct restore_options *options)
{
    if (options->threads > 0)
        return options->threads > MAX_THREADS ? MAX_THREADS : options->threads;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1)
        return 1;
    return processors > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS : (int)processors;
}

void restore_job_release(struct restore_job *job)
{
    manifest_release(&job->manifest);
    for (size_t i = 0; i < job->place_count; i++)
        free(job->places[i].target);
    free(job->places);
    free(job->files);
    close_fd(&job->root_fd);
}

bool restore_check_checksums(const struct restore_job *job, struct error *err)
{
    if (!job->manifest.info.data_checksums)
        return true;
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        const struct restore_file *file = &job->files[i];
        if (file->entry == NULL || (file->entry->flags & ENTRY_CHECKSUM) == 0 ||
            atomic_load(&file->crc32c) == file->entry->crc32c)
            continue;
        (void)error_set(err, ERROR_CORRUPT,
                        "file \"%s\" was not restored as the server had it: its checksum differs",
                        file->entry->path);
        return error_hint(err, "Restore another snapshot, and take a new one with: mainstay "
                               "snapshot create --full");
    }
    return true;
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
    if (!restore_create_tree(&job, err) || !restore_write_pages(&job, err) ||
        !restore_check_checksums(&job, err))
        return error_wrap(err, "could not restore snapshot %s", job.manifest.info.id);
    set_phase(options, "syncing");
    if (!restore_finish_tree(&job, err))
        return error_wrap(err, "could not finish the restore of snapshot %s", job.manifest.info.id);
    restore_fill_result(&job, started_us, out);
    return true;
}

void restore_result_release(struct restore_result *result)
{
    snapshot_info_release(&result->info);
}
