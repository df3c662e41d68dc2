/* The recovery of a restore: which snapshot and timeline, and the files that PostgreSQL reads. */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "repository/restore_point.h"
#include "restore/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTO_CONF_MAX = 4 << 20 };

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

bool restore_choose(struct restore_job *job, struct error *err)
{
    struct recovery_view view;
    struct recovery_choice choice;
    job->target = job->options->recovery->target;
    if (!look_up_name(job, &job->target, err) || !recovery_view_load(job->repository, &view, err))
        return false;
    bool done = recovery_choose(&view, &job->target, job->options->snapshot, &choice, err) &&
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
