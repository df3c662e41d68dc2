/*
 * The tree around the pages: directories, tablespace links and files of the right size before,
 * modes, fsync and the control file's name after. Directories come before their content, because
 * the manifest is sorted.
 */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_error(const struct restore_job *job, const char *what, const char *path,
                       struct error *err)
{
    return error_set_errno(err, errno, "could not %s \"%s/%s\"", what, job->options->to, path);
}

bool restore_open(const struct restore_job *job, const char *path, int flags, int *out_fd,
                  struct error *err)
{
    /* A link at the path of a file could point anywhere: nothing is ever written through one. */
    int follow = (flags & O_ACCMODE) == O_RDONLY ? 0 : O_NOFOLLOW;
    int fd = openat(job->root_fd, path, flags | follow | O_CLOEXEC, 0600);
    if (fd < 0)
        return path_error(job, "open", path, err);
    *out_fd = fd;
    return true;
}

static bool set_owner(const struct restore_job *job, const char *path, struct error *err)
{
    if (job->change_owner &&
        fchownat(job->root_fd, path, job->uid, job->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return path_error(job, "set the owner of", path, err);
    return true;
}

/* Somebody who may write to his own directory must not make root write to another one. */
static bool refuse_foreign_link(const struct restore_job *job, const char *path, struct error *err)
{
    struct stat link;
    struct stat target;
    if (!job->change_owner || fstatat(job->root_fd, path, &link, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISLNK(link.st_mode))
        return true;
    if (fstatat(job->root_fd, path, &target, 0) == 0 && target.st_uid == job->uid)
        return true;
    return error_set(err, ERROR_REFUSED,
                     "cannot follow the link \"%s/%s\": it leads to another user's directory",
                     job->options->to, path);
}

/* A symbolic link to a directory (pg_wal on another disk) stays. */
static bool create_directory(const struct restore_job *job, const char *path, uint32_t mode,
                             struct error *err)
{
    struct stat info;
    if (mkdirat(job->root_fd, path, 0700) == 0)
        return fchmodat(job->root_fd, path, mode, 0) == 0
                   ? set_owner(job, path, err)
                   : path_error(job, "set the mode of", path, err);
    if (errno != EEXIST)
        return path_error(job, "create directory", path, err);
    if (fstatat(job->root_fd, path, &info, 0) != 0)
        return path_error(job, "inspect", path, err);
    if (!refuse_foreign_link(job, path, err))
        return false;
    if (!S_ISDIR(info.st_mode))
        return error_set(err, ERROR_REFUSED,
                         "cannot restore over \"%s/%s\": a directory of the "
                         "snapshot is a file there",
                         job->options->to, path);
    return true;
}

static bool open_root(struct restore_job *job, struct error *err)
{
    const char *to = job->options->to;
    if (job->root_fd < 0) {
        if (!dir_create_all(to, 0700, err))
            return false;
        job->root_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (job->root_fd < 0)
            return error_set_errno(err, errno, "could not open directory \"%s\"", to);
    }
    /* PostgreSQL refuses a data directory that others may write to. */
    if (fchmod(job->root_fd, 0700) != 0)
        return error_set_errno(err, errno, "could not set the mode of \"%s\"", to);
    return true;
}

/* From here on the directory is ours to change, and cannot be started until the end. */
static bool begin_change(const struct restore_job *job, struct error *err)
{
    static const char *const stale[] = {CONTROL_FILE, "postmaster.pid", BACKUP_MANIFEST_FILE};
    struct stat info;
    CLEANUP(close_fd) int fd = -1;
    if (fstatat(job->root_fd, MARKER_FILE, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(info.st_mode) && unlinkat(job->root_fd, MARKER_FILE, 0) != 0)
        return path_error(job, "replace", MARKER_FILE, err);
    if (!restore_open(job, MARKER_FILE, O_CREAT | O_WRONLY | O_TRUNC, &fd, err))
        return false;
    const char *id = job->manifest.info.id;
    if (!file_write_at(fd, MARKER_FILE, id, strlen(id), 0, err) || !file_sync(fd, MARKER_FILE, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(stale); i++)
        if (unlinkat(job->root_fd, stale[i], 0) != 0 && errno != ENOENT)
            return path_error(job, "remove", stale[i], err);
    return fsync(job->root_fd) == 0 || path_error(job, "fsync", "", err);
}

static bool link_place(const struct restore_job *job, const struct restore_place *place,
                       struct error *err)
{
    char link[64];
    struct stat info;
    (void)snprintf(link, sizeof link, "pg_tblspc/%" PRIu32, place->tablespace_oid);
    if (!dir_create_all(place->target, 0700, err))
        return false;
    if (job->change_owner && chown(place->target, job->uid, job->gid) != 0)
        return error_set_errno(err, errno, "could not set the owner of \"%s\"", place->target);
    if (fstatat(job->root_fd, link, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        unlinkat(job->root_fd, link, S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0)
        return path_error(job, "replace", link, err);
    if (symlinkat(place->target, job->root_fd, link) != 0)
        return path_error(job, "create link", link, err);
    return set_owner(job, link, err);
}

/* Creates the file, or finds out how much of it is there. */
static bool prepare_file(struct restore_job *job, struct restore_file *file, struct error *err)
{
    struct stat info;
    CLEANUP(close_fd) int fd = -1;
    uint64_t size = file->entry->size_bytes;
    if (!restore_open(job, file->path, O_CREAT | O_RDWR | O_NOFOLLOW, &fd, err))
        return false;
    if (fstat(fd, &info) != 0)
        return path_error(job, "inspect", file->path, err);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERROR_REFUSED, "cannot restore over \"%s/%s\": it is not a file",
                         job->options->to, file->path);
    uint64_t there = (uint64_t)info.st_size < size ? (uint64_t)info.st_size : size;
    file->existing_bytes = there;
    file->existing_blocks = there / PAGE_BYTES;
    if ((uint64_t)info.st_size != size && ftruncate(fd, (off_t)size) != 0)
        return path_error(job, "set the size of", file->path, err);
    if (fchmod(fd, file->entry->mode) != 0)
        return path_error(job, "set the mode of", file->path, err);
    return set_owner(job, file->path, err);
}

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static bool remove_extra(struct restore_job *job, const char *relative, struct error *err);

static const struct restore_place *find_place(const struct restore_job *job, const char *path)
{
    char link[64];
    for (size_t i = 0; i < job->place_count; i++) {
        (void)snprintf(link, sizeof link, "pg_tblspc/%" PRIu32, job->places[i].tablespace_oid);
        if (strcmp(path, link) == 0)
            return &job->places[i];
    }
    return NULL;
}

/* False too when either is missing. */
static bool leads_to(const struct restore_job *job, const char *path, const char *target)
{
    struct stat here;
    struct stat there;
    return fstatat(job->root_fd, path, &here, 0) == 0 && stat(target, &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* "pg_tblspc/16500/PG_14_202107181": another version's part of a shared tablespace directory. */
static bool is_of_another_version(const char *path)
{
    const char *below = text_starts_with(path, "pg_tblspc/") ? strchr(path + 10, '/') : NULL;
    return below != NULL && strchr(below + 1, '/') == NULL;
}

enum extra { EXTRA_KEEP, EXTRA_DESCEND, EXTRA_REMOVE };

/* What the snapshot does not have, or has as something else, goes away; what is ours to write
 * stays. info: of the path itself, links not followed. */
static enum extra judge_extra(const struct restore_job *job, const char *path,
                              const struct stat *info)
{
    struct stat target;
    const struct manifest_entry *entry = manifest_find(&job->manifest, path);
    const struct restore_place *place = find_place(job, path);
    if (place != NULL) /* a link to elsewhere is replaced later, and what it leads to left alone */
        return leads_to(job, path, place->target) ? EXTRA_DESCEND : EXTRA_KEEP;
    if (strcmp(path, MARKER_FILE) == 0 || strcmp(path, CONTROL_FILE_UNFINISHED) == 0)
        return S_ISREG(info->st_mode) ? EXTRA_KEEP : EXTRA_REMOVE;
    if (entry == NULL)
        return is_of_another_version(path) ? EXTRA_KEEP : EXTRA_REMOVE;
    if (entry->kind == ENTRY_FILE)
        return S_ISREG(info->st_mode) ? EXTRA_KEEP : EXTRA_REMOVE;
    bool is_directory = fstatat(job->root_fd, path, &target, 0) == 0 && S_ISDIR(target.st_mode);
    return is_directory ? EXTRA_DESCEND : EXTRA_REMOVE;
}

static bool remove_if_extra(struct restore_job *job, const char *path, struct error *err)
{
    struct stat info;
    if (fstatat(job->root_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return path_error(job, "inspect", path, err);
    enum extra verdict = judge_extra(job, path, &info);
    if (verdict == EXTRA_KEEP)
        return true;
    if (verdict == EXTRA_DESCEND) /* the places of tablespaces are the caller's word */
        return (find_place(job, path) != NULL || refuse_foreign_link(job, path, err)) &&
               remove_extra(job, path, err);
    job->files_removed++;
    CLEANUP(free_pointer) char *full = path_join(job->options->to, path);
    return full == NULL ? error_no_memory(err, "a path") : dir_remove_all(full, err);
}

static bool remove_extra(struct restore_job *job, const char *relative, struct error *err)
{
    int fd = openat(job->root_fd, *relative == '\0' ? "." : relative,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)path_error(job, "open", relative, err);
        close_fd(&fd);
        return false;
    }
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(dir);
        if (item == NULL)
            return errno == 0 || path_error(job, "read", relative, err);
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        CLEANUP(free_pointer)
        char *child = *relative == '\0' ? strdup(item->d_name) : path_join(relative, item->d_name);
        if (child == NULL)
            return error_no_memory(err, "a path");
        if (!remove_if_extra(job, child, err))
            return false;
    }
}

static bool create_files(struct restore_job *job, struct error *err)
{
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        const struct manifest_entry *entry = &job->manifest.entries[i];
        struct restore_file *file = &job->files[i];
        if (entry->kind != ENTRY_FILE)
            continue;
        file->entry = entry;
        file->path = strcmp(entry->path, CONTROL_FILE) == 0 ? CONTROL_FILE_UNFINISHED : entry->path;
        if (!stop_check(err) || !prepare_file(job, file, err))
            return false;
    }
    return true;
}

/* Directories of tablespaces lie behind links, which therefore come first. */
static bool create_directories(struct restore_job *job, bool in_tablespaces, struct error *err)
{
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        const struct manifest_entry *entry = &job->manifest.entries[i];
        if (entry->kind == ENTRY_DIRECTORY &&
            text_starts_with(entry->path, "pg_tblspc/") == in_tablespaces &&
            !create_directory(job, entry->path, entry->mode, err))
            return false;
    }
    return true;
}

bool restore_create_tree(struct restore_job *job, struct error *err)
{
    job->files = calloc(job->manifest.entry_count + 1, sizeof *job->files);
    if (job->files == NULL)
        return error_no_memory(err, "the list of files");
    if (!open_root(job, err) || !begin_change(job, err) ||
        (!job->fresh && !remove_extra(job, "", err)) || !create_directories(job, false, err))
        return false;
    for (size_t i = 0; i < job->place_count; i++)
        if (!link_place(job, &job->places[i], err))
            return false;
    return create_directories(job, true, err) && create_files(job, err);
}

void restore_print_tablespace_map(const struct restore_job *job, struct buf *out)
{
    for (size_t i = 0; i < job->place_count; i++) {
        buf_printf(out, "%" PRIu32 " ", job->places[i].tablespace_oid);
        for (const char *at = job->places[i].target; *at != '\0'; at++) {
            if (*at == '\\') /* as do_pg_backup_start escapes it */
                buf_put_u8(out, '\\');
            buf_put_u8(out, (uint8_t)*at);
        }
        buf_put_u8(out, '\n');
    }
}

/* A moved tablespace must be moved for recovery too, which makes the links from this file. */
static bool rewrite_tablespace_map(const struct restore_job *job, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 16 << 20);
    restore_print_tablespace_map(job, &text);
    return buf_check(&text, "tablespace_map", err) &&
           restore_open(job, TABLESPACE_MAP_FILE, O_WRONLY | O_CREAT | O_TRUNC, &fd, err) &&
           file_write_at(fd, TABLESPACE_MAP_FILE, text.data, text.len, 0, err);
}

struct sync_work {
    struct restore_job *job;
    _Atomic size_t next;
};

static bool sync_path(const struct restore_job *job, const char *path, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    return restore_open(job, path, O_RDONLY, &fd, err) &&
           (fsync(fd) == 0 || path_error(job, "fsync", path, err));
}

static bool sync_entries(struct workers *workers, void *context, struct error *err)
{
    struct sync_work *work = context;
    const struct restore_job *job = work->job;
    while (!workers_failed(workers)) {
        size_t i = atomic_fetch_add(&work->next, 1);
        if (i >= job->manifest.entry_count)
            break;
        const struct restore_file *file = &job->files[i];
        const char *path = file->entry != NULL ? file->path : job->manifest.entries[i].path;
        if (!stop_check(err) || !sync_path(job, path, err))
            return false;
    }
    return true;
}

static bool sync_everything(struct restore_job *job, struct error *err)
{
    struct sync_work work = {.job = job};
    return workers_run(restore_threads(job->options), sync_entries, &work, err);
}

bool restore_finish_tree(struct restore_job *job, struct error *err)
{
    bool sync = !job->options->no_sync;
    if (job->places_moved && !rewrite_tablespace_map(job, err))
        return false;
    if (!restore_write_backup_manifest(job, err) || (sync && !sync_everything(job, err)) ||
        (sync && !sync_path(job, BACKUP_MANIFEST_FILE, err)))
        return false;
    for (size_t i = 0; sync && i < job->place_count; i++)
        if (!dir_sync(job->places[i].target, err))
            return false;
    /* Everything else is durable: from this rename on PostgreSQL can start here. */
    if (renameat(job->root_fd, CONTROL_FILE_UNFINISHED, job->root_fd, CONTROL_FILE) != 0)
        return path_error(job, "rename to", CONTROL_FILE, err);
    if (sync && (!sync_path(job, "global", err) || !sync_path(job, ".", err)))
        return false;
    if (unlinkat(job->root_fd, MARKER_FILE, 0) != 0)
        return path_error(job, "remove", MARKER_FILE, err);
    if (geteuid() == 0 && !job->change_owner)
        log_event(LOG_WARNING, "restore.owner",
                  "the files belong to root, and PostgreSQL will not start as root: run chown -R "
                  "postgres %s",
                  job->options->to);
    return !sync || sync_path(job, ".", err);
}
