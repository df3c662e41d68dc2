/*
 * The WAL of a snapshot that has none of its own: segments from the archive go into pg_wal, from
 * the snapshot's start to its stop. So what was restored becomes consistent by itself, with a
 * recovery target or without one, and pg_verifybackup finds what it looks for.
 */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"
#include "repository/archived_wal.h"
#include "restore/wal_segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = sizeof "pg_wal/" + WAL_SEGMENT_NAME_SIZE, SEGMENT_MAX_BYTES = 1 << 30 };

bool restore_check_segment_size(const struct snapshot_info *info, struct error *err)
{
    uint64_t bytes = info->wal_segment_bytes;
    return (bytes >= 1 << 20 && bytes <= SEGMENT_MAX_BYTES && (bytes & (bytes - 1)) == 0) ||
           error_set(err, ERROR_CORRUPT,
                     "snapshot %s is damaged: WAL segments cannot have %" PRIu64 " bytes", info->id,
                     bytes);
}

static uint64_t segments_of(const struct snapshot_info *info,
                            const struct snapshot_wal_range *range)
{
    return range->end_lsn <= range->start_lsn
               ? 0
               : (range->end_lsn - range->start_lsn - 1) / info->wal_segment_bytes + 1;
}

bool restore_check_wal(const struct restore_job *job, struct error *err)
{
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    struct snapshot_wal_range missing;
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    const struct snapshot_info *info = &job->manifest.info;
    if (info->wal_included)
        return true;
    if (!restore_check_segment_size(info, err) ||
        !wal_catalog_load(job->repository, 0, 0, &catalog, err))
        return false;
    if (!archived_wal_missing(info, &catalog, &missing))
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot restore snapshot %s: it relies on the archive, where the WAL from %s "
                    "to %s on timeline %" PRIu32 " is missing",
                    info->id, text_lsn(missing.start_lsn, from), text_lsn(missing.end_lsn, to),
                    missing.timeline);
    return error_hint(err, "Choose another snapshot: `mainstay snapshot list` and `mainstay wal "
                           "window` show what there is.");
}

uint64_t restore_wal_bytes(const struct snapshot_info *info)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < archived_wal_count(info); i++) {
        struct snapshot_wal_range range = archived_wal_range(info, i);
        bytes += segments_of(info, &range) * info->wal_segment_bytes;
    }
    return bytes;
}

/* Behind the end of the range there is nothing for this snapshot, whatever came later. */
static bool fetch_segment(const struct restore_job *job, const struct snapshot_wal_range *range,
                          const struct wal_segment *segment, uint8_t *bytes, struct error *err)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    enum wal_segment_state state;
    const struct snapshot_info *info = &job->manifest.info;
    struct wal_source source = {.system_identifier = info->system_identifier,
                                .segment_bytes = (uint32_t)info->wal_segment_bytes};
    if (!stop_check(err) ||
        !wal_segment_fetch(job->repository, &source, segment, bytes, &state, err))
        return false;
    if (state == WAL_SEGMENT_ABSENT)
        return error_set(err, ERROR_NOT_FOUND, "WAL segment %s went away from the repository",
                         wal_segment_name(segment, name));
    if (range->end_lsn < segment->end_lsn)
        memset(bytes + (range->end_lsn - segment->start_lsn), 0,
               (size_t)(segment->end_lsn - range->end_lsn));
    return true;
}

static bool emit_range(const struct restore_job *job, const struct snapshot_wal_range *range,
                       uint8_t *bytes, restore_wal_fn emit, void *context, struct error *err)
{
    char path[PATH_SIZE];
    char name[WAL_SEGMENT_NAME_SIZE];
    uint64_t size = job->manifest.info.wal_segment_bytes;
    uint64_t count = segments_of(&job->manifest.info, range);
    for (uint64_t i = 0; i < count; i++) {
        struct wal_segment segment = {.timeline = range->timeline,
                                      .start_lsn = range->start_lsn + i * size,
                                      .end_lsn = range->start_lsn + (i + 1) * size,
                                      .pad_gap = true};
        (void)snprintf(path, sizeof path, "pg_wal/%s", wal_segment_name(&segment, name));
        if (!fetch_segment(job, range, &segment, bytes, err) ||
            !emit(context, path, bytes, (size_t)size, err))
            return false;
    }
    return true;
}

bool restore_visit_wal(const struct restore_job *job, restore_wal_fn emit, void *context,
                       struct error *err)
{
    const struct snapshot_info *info = &job->manifest.info;
    CLEANUP(free_pointer) uint8_t *bytes = NULL;
    if (info->wal_included)
        return true;
    bytes = malloc(info->wal_segment_bytes);
    if (bytes == NULL)
        return error_no_memory(err, "a WAL segment");
    for (size_t i = 0; i < archived_wal_count(info); i++) {
        struct snapshot_wal_range range = archived_wal_range(info, i);
        if (!emit_range(job, &range, bytes, emit, context, err))
            return false;
    }
    return true;
}

static bool write_segment(void *context, const char *path, const uint8_t *bytes, size_t len,
                          struct error *err)
{
    const struct restore_job *job = context;
    CLEANUP(close_fd) int fd = -1;
    return restore_open(job, path, O_CREAT | O_WRONLY | O_TRUNC, &fd, err) &&
           file_write_at(fd, path, bytes, len, 0, err) && restore_set_owner(job, path, err) &&
           (job->options->no_sync || file_sync(fd, path, err));
}

bool restore_write_wal(struct restore_job *job, struct error *err)
{
    return restore_visit_wal(job, write_segment, job, err);
}
