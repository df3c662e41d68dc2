/* The recovery of a restore: which snapshot and timeline, and the files that PostgreSQL reads. */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "repository/restore_point.h"
#include "restore/wal_walk.h"
#include "restore/window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTO_CONF_MAX = 4 << 20, COMMIT_SEGMENTS = 64 };

bool restore_has_recovery(const struct restore_job *job)
{
    return job->options->recovery != NULL && job->options->recovery->target.kind != TARGET_NONE;
}

/* A name that has no record can still be found by the server, if somebody says where to begin. */
static bool look_up_name(struct restore_job *job, struct recovery_target *target, struct error *err)
{
    struct restore_point point;
    if (target->kind != TARGET_NAME)
        return true;
    if (restore_point_get(job->repository, target->name, &point, err)) {
        target->lsn = point.lsn;
        target->point_timeline = point.timeline;
        return true;
    }
    return err->kind == ERROR_NOT_FOUND && job->options->snapshot != NULL;
}

static bool visit_last_commit(void *context, const struct wal_piece *piece)
{
    int64_t *last_us = context;
    *last_us = wal_last_commit_us(piece);
    return *last_us != 0;
}

/* The latest end of a transaction before `choice->reach`: looked for in the last segments of the
 * WAL, back to the snapshot; *out_us 0: there is none in them. */
static bool find_last_commit(const struct restore_job *job, const struct recovery_choice *choice,
                             int64_t *out_us, struct error *err)
{
    const struct wal_walk walk = {.repository = job->repository,
                                  .info = &choice->snapshot->info,
                                  .timeline = choice->timeline,
                                  .reach = choice->reach,
                                  .segments_max = COMMIT_SEGMENTS};
    *out_us = 0;
    return wal_walk_back(&walk, visit_last_commit, out_us, err);
}

/* PostgreSQL stops at the first transaction that ended later than the target, and fails when the
 * WAL ends before it meets one: then there is nothing at that time to stop at. */
static bool check_time(const struct restore_job *job, const struct recovery_view *view,
                       const struct recovery_choice *choice, struct error *err)
{
    int64_t last_us;
    char target[TEXT_SIZE];
    char last[TEXT_SIZE];
    bool at_it = job->target.exclusive;
    if (job->target.kind != TARGET_TIME)
        return true;
    if (!find_last_commit(job, choice, &last_us, err))
        return false;
    if (last_us == 0 || last_us > job->target.time_us || (at_it && last_us == job->target.time_us))
        return true;
    const struct timeline_chain *chain = recovery_view_chain(view, choice->timeline);
    bool gap = timeline_chain_next(chain, &view->wal, choice->reach) != UINT64_MAX;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot recover to %s: the last transaction in the WAL of timeline %" PRIu32
                    "%s ended at %s",
                    text_time_exact_us(job->target.time_us, target), choice->timeline,
                    gap ? ", which is missing behind it," : "", text_time_exact_us(last_us, last));
    return error_hint(err, gap ? "Choose a time before that; `mainstay wal window` shows what else "
                                 "can be recovered."
                               : "Choose a time before that, or recover all that there is with "
                                 "--latest.");
}

bool restore_choose(struct restore_job *job, struct error *err)
{
    struct recovery_view view;
    struct recovery_choice choice;
    job->target = job->options->recovery->target;
    if (!look_up_name(job, &job->target, err) || !recovery_view_load(job->repository, &view, err))
        return false;
    bool done = recovery_choose(&view, &job->target, job->options->snapshot, &choice, err) &&
                check_time(job, &view, &choice, err) &&
                restore_load_manifest(job, choice.snapshot, err);
    if (done)
        job->recovery_timeline = choice.timeline;
    recovery_view_release(&view);
    return done;
}

static bool read_auto_conf(const struct restore_job *job, struct buf *out, struct error *err)
{
    struct stat info;
    size_t got = 0;
    CLEANUP(close_fd) int fd = openat(job->root_fd, AUTO_CONF_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0 || fstat(fd, &info) != 0)
        return error_set_errno(err, errno, "could not open \"%s\"", AUTO_CONF_FILE);
    uint8_t *to = info.st_size > AUTO_CONF_MAX ? NULL : buf_reserve(out, (size_t)info.st_size);
    if (to == NULL)
        return error_no_memory(err, AUTO_CONF_FILE);
    if (!file_read_at(fd, AUTO_CONF_FILE, to, (size_t)info.st_size, 0, &got, err))
        return false;
    out->len += got;
    return true;
}

bool restore_prepare_recovery(struct restore_job *job, struct error *err)
{
    const struct restore_recovery *recovery = job->options->recovery;
    if (!restore_has_recovery(job))
        return true;
    CLEANUP(buf_release) struct buf old;
    buf_init(&old, AUTO_CONF_MAX + 1);
    buf_init(&job->auto_conf, 2 * AUTO_CONF_MAX);
    const struct recovery_settings settings = {
        .target = &job->target,
        .timeline = job->recovery_timeline,
        .restore_command = recovery->restore_command,
        .recovery_end_command = recovery->recovery_end_command,
    };
    (void)snprintf(job->signal_file, sizeof job->signal_file, "%s",
                   job->target.standby ? STANDBY_SIGNAL_FILE : RECOVERY_SIGNAL_FILE);
    return read_auto_conf(job, &old, err) &&
           recovery_settings_print(&settings, old.len == 0 ? "" : (const char *)old.data, old.len,
                                   &job->auto_conf, err);
}

static bool write_file(const struct restore_job *job, const char *path, const void *bytes,
                       size_t len, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    if (!restore_open(job, path, O_CREAT | O_WRONLY | O_TRUNC, &fd, err) ||
        (len > 0 && !file_write_at(fd, path, bytes, len, 0, err)) ||
        !restore_set_owner(job, path, err))
        return false;
    return job->options->no_sync || file_sync(fd, path, err);
}

bool restore_write_recovery(struct restore_job *job, struct error *err)
{
    const char *other = job->target.standby ? RECOVERY_SIGNAL_FILE : STANDBY_SIGNAL_FILE;
    if (!restore_has_recovery(job))
        return true;
    if (unlinkat(job->root_fd, other, 0) != 0 && errno != ENOENT)
        return error_set_errno(err, errno, "could not remove \"%s/%s\"", job->options->to, other);
    return write_file(job, AUTO_CONF_FILE, job->auto_conf.data, job->auto_conf.len, err) &&
           write_file(job, job->signal_file, NULL, 0, err);
}
