/* Everything that is decided, and refused, before a byte is written. */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "postgres/control_file.h"
#include "repository/sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PG_VERSION_MAX = 64, CONTROL_MAX = 8192, PIDFILE_MAX = 8192, LOAD_TRIES = 3 };

/* A store that may only be read is no reason to refuse a restore; it has no clean-ups of ours. */
static bool announce(struct restore_job *job, const char *snapshot_id, struct error *err)
{
    struct lease_options options = {.kind = LEASE_READ,
                                    .parent_id = snapshot_id,
                                    .clock = &clock_system,
                                    .random = &random_system};
    if (lease_take(job->repository, &options, &job->lease, err))
        return true;
    if (err->kind == ERROR_CANCELLED)
        return false;
    log_event(LOG_WARNING, "restore.unprotected",
              "a clean-up that runs meanwhile could remove what this restore reads: %s", err->text);
    return true;
}

bool restore_load_manifest(struct restore_job *job, const struct catalog_entry *entry,
                           struct error *err)
{
    return (!entry->readable || announce(job, entry->info.id, err)) &&
           manifest_load(job->repository, entry->key, &job->manifest, err);
}

static bool load_once(struct restore_job *job, struct error *err)
{
    struct catalog catalog;
    const struct catalog_entry *entry;
    const char *wanted = job->options->snapshot != NULL ? job->options->snapshot : "latest";
    if (restore_has_recovery(job))
        return restore_choose(job, err);
    if (!catalog_load(job->repository, &catalog, err))
        return false;
    bool done = catalog_find(&catalog, wanted, &entry, err) &&
                restore_load_manifest(job, entry, err);
    catalog_release(&catalog);
    return done;
}

/* What was removed between the list and the lease is not in the next list. */
bool restore_load(struct restore_job *job, struct error *err)
{
    if (!repository_check_can_read(job->repository, "what snapshots hold", err))
        return false;
    for (int tries_left = LOAD_TRIES; !load_once(job, err); tries_left--)
        if (err->kind != ERROR_NOT_FOUND || job->lease.store == NULL || tries_left <= 1)
            return false;
    return true;
}

/* Where this tablespace goes: as mapped by path or OID, else where it was. */
static const char *mapped_target(const struct restore_options *options,
                                 const struct snapshot_tablespace *tablespace, bool *used)
{
    char oid[16];
    (void)snprintf(oid, sizeof oid, "%" PRIu32, tablespace->oid);
    for (size_t i = 0; i < options->tablespace_count; i++) {
        const char *from = options->tablespaces[i].from;
        if (strcmp(from, tablespace->path) != 0 && strcmp(from, oid) != 0)
            continue;
        used[i] = true;
        return options->tablespaces[i].to;
    }
    return tablespace->path;
}

static bool refuse_shared(uint32_t oid, const char *target, struct error *err)
{
    return error_set(err, ERROR_USAGE,
                     "cannot place tablespace %" PRIu32 " in \"%s\": something else of this "
                     "cluster goes to the same directory",
                     oid, target);
}

static bool add_place(struct restore_job *job, const struct snapshot_tablespace *tablespace,
                      bool *used, struct error *err)
{
    const char *target = mapped_target(job->options, tablespace, used);
    if (target[0] != '/' || strpbrk(target, "\n\r") != NULL)
        return error_set(err, ERROR_USAGE,
                         "cannot place tablespace %u in \"%s\": the path must be absolute",
                         tablespace->oid, target);
    for (size_t i = 0; i < job->place_count; i++)
        if (strcmp(job->places[i].target, target) == 0)
            return refuse_shared(tablespace->oid, target, err);
    job->places_moved |= strcmp(target, tablespace->path) != 0;
    job->places[job->place_count] = (struct restore_place){.tablespace_oid = tablespace->oid,
                                                           .target = strdup(target)};
    if (job->places[job->place_count].target == NULL)
        return error_no_memory(err, "a path");
    job->place_count++;
    return true;
}

static bool plan_places(struct restore_job *job, struct error *err)
{
    const struct snapshot_info *info = &job->manifest.info;
    const struct restore_options *options = job->options;
    CLEANUP(free_pointer) bool *used = calloc(options->tablespace_count + 1, sizeof *used);
    job->place_count = 0;
    job->places = calloc(info->tablespace_count + 1, sizeof *job->places);
    if (used == NULL || job->places == NULL)
        return error_no_memory(err, "tablespaces");
    for (size_t i = 0; i < info->tablespace_count; i++)
        if (!add_place(job, &info->tablespaces[i], used, err))
            return false;
    for (size_t i = 0; i < options->tablespace_count; i++)
        if (!used[i])
            return error_set(err, ERROR_USAGE, "the snapshot has no tablespace \"%s\"",
                             options->tablespaces[i].from);
    return true;
}

/* Reads a small file below the data directory; *out_found is false when it is not there. */
static bool read_small(const struct restore_job *job, const char *path, char *out, size_t size,
                       bool *out_found, struct error *err)
{
    size_t got = 0;
    CLEANUP(close_fd) int fd = openat(job->root_fd, path, O_RDONLY | O_CLOEXEC);
    *out_found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               error_set_errno(err, errno, "could not open \"%s/%s\"", job->options->to, path);
    if (!file_read_at(fd, path, out, size - 1, 0, &got, err))
        return false;
    out[got] = '\0';
    return true;
}

/* The first line of postmaster.pid is the process id; a process that is there may be a server. */
static bool refuse_running(const struct restore_job *job, struct error *err)
{
    char text[PIDFILE_MAX];
    bool found;
    if (!read_small(job, "postmaster.pid", text, sizeof text, &found, err))
        return false;
    if (!found)
        return true;
    text[strcspn(text, "\n")] = '\0';
    int64_t pid;
    bool readable = text_to_i64(text, &pid) && pid > 0;
    if (readable && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true; /* left behind by a crash */
    (void)error_set(err, ERROR_REFUSED,
                    "cannot restore into \"%s\": PostgreSQL runs in it (process %s)",
                    job->options->to, readable ? text : "unknown");
    return error_hint(err, "Stop it with: pg_ctl stop -D %s", job->options->to);
}

static bool refuse_other_cluster(const struct restore_job *job, struct error *err)
{
    char bytes[CONTROL_MAX + 1] = {0};
    char version[PG_VERSION_MAX];
    bool has_control;
    bool has_marker;
    bool has_version;
    struct control_file control;
    const struct snapshot_info *info = &job->manifest.info;
    if (!read_small(job, CONTROL_FILE, bytes, sizeof bytes, &has_control, err) ||
        !read_small(job, MARKER_FILE, version, sizeof version, &has_marker, err) ||
        !read_small(job, "PG_VERSION", version, sizeof version, &has_version, err))
        return false;
    if (has_marker && !has_control)
        return true; /* an interrupted restore of ours */
    if (!has_control || !has_version) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot restore into \"%s\": it is not empty, and not "
                        "a data directory of PostgreSQL",
                        job->options->to);
        return error_hint(err, "Name an empty directory.");
    }
    if (!control_file_parse(bytes, CONTROL_MAX, &control, err)) {
        err->kind = ERROR_REFUSED;
        return error_wrap(err, "cannot restore into \"%s\"", job->options->to);
    }
    if (control.system_identifier != info->system_identifier)
        return error_set(err, ERROR_REFUSED,
                         "cannot restore into \"%s\": it is of system %" PRIu64
                         ", the snapshot of %" PRIu64,
                         job->options->to, control.system_identifier, info->system_identifier);
    return true;
}

static bool plan_owner(struct restore_job *job, struct error *err)
{
    struct stat info;
    if (fstat(job->root_fd, &info) != 0)
        return error_set_errno(err, errno, "could not inspect \"%s\"", job->options->to);
    if (info.st_uid == geteuid())
        return true;
    if (geteuid() != 0) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot restore into \"%s\": it belongs to another user (%u)",
                        job->options->to, (unsigned)info.st_uid);
        return error_hint(err, "Run this as the user that PostgreSQL runs as.");
    }
    job->change_owner = true;
    job->uid = info.st_uid;
    job->gid = info.st_gid;
    return true;
}

static bool plan_directory(struct restore_job *job, struct error *err)
{
    const char *to = job->options->to;
    bool empty;
    job->root_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->root_fd < 0 && errno == ENOENT) {
        job->fresh = true;
        return true;
    }
    if (job->root_fd < 0)
        return error_set_errno(err, errno, "could not open directory \"%s\"", to);
    if (!dir_is_empty(to, &empty, err) || !plan_owner(job, err))
        return false;
    job->fresh = empty;
    if (empty)
        return true;
    if (!refuse_running(job, err))
        return false;
    if (!job->options->delta) {
        (void)error_set(err, ERROR_REFUSED, "cannot restore into \"%s\": it is not empty", to);
        return error_hint(err, "Name an empty directory, or give --delta to bring an existing data "
                               "directory to the state of the snapshot.");
    }
    return refuse_other_cluster(job, err);
}

/* A tablespace's directory must be free too, unless a delta restore finds it linked already. */
static bool check_place(const struct restore_job *job, const struct restore_place *place,
                        struct error *err)
{
    bool empty;
    char link[64];
    struct stat linked;
    struct stat target;
    if (strcmp(place->target, job->options->to) == 0)
        return refuse_shared(place->tablespace_oid, place->target, err);
    if (!dir_is_empty(place->target, &empty, err))
        return err->kind == ERROR_NOT_FOUND;
    if (empty)
        return true;
    (void)snprintf(link, sizeof link, "pg_tblspc/%" PRIu32, place->tablespace_oid);
    if (job->options->delta && !job->fresh && fstatat(job->root_fd, link, &linked, 0) == 0 &&
        stat(place->target, &target) == 0 && linked.st_ino == target.st_ino &&
        linked.st_dev == target.st_dev)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot place tablespace %" PRIu32 " in \"%s\": it is not empty",
                    place->tablespace_oid, place->target);
    return error_hint(err, "Give another place with: --tablespace %s=/new/directory",
                      place->target);
}

/* The nearest ancestor that exists tells the file system. Gives *out. */
static bool stat_filesystem(const char *path, struct statvfs *out, dev_t *out_device,
                            struct error *err)
{
    struct stat info;
    CLEANUP(free_pointer) char *at = strdup(path);
    if (at == NULL)
        return error_no_memory(err, "a path");
    while (stat(at, &info) != 0) {
        char *slash = strrchr(at, '/');
        if (slash == NULL)
            (void)snprintf(at, 2, ".");
        else if (slash == at)
            at[1] = '\0';
        else
            *slash = '\0';
        if (at[0] == '\0')
            return error_set(err, ERROR_IO, "could not inspect \"%s\"", path);
    }
    *out_device = info.st_dev;
    if (statvfs(at, out) != 0)
        return error_set_errno(err, errno, "could not inspect the file system of \"%s\"", path);
    return true;
}

/* The place an entry belongs to: its index, or place_count for the data directory itself. */
static size_t place_of(const struct restore_job *job, const char *path)
{
    char prefix[64];
    if (!text_starts_with(path, "pg_tblspc/"))
        return job->place_count;
    for (size_t i = 0; i < job->place_count; i++) {
        (void)snprintf(prefix, sizeof prefix, "pg_tblspc/%" PRIu32 "/",
                       job->places[i].tablespace_oid);
        if (text_starts_with(path, prefix))
            return i;
    }
    return job->place_count;
}

/* Bytes that a file will take on top of what it takes now. */
static uint64_t growth_of(const struct restore_job *job, const struct manifest_entry *entry)
{
    struct stat info;
    uint64_t size = entry->kind == ENTRY_FILE ? entry->size_bytes : 4096;
    size = (size + 4095) / 4096 * 4096;
    if (job->fresh || fstatat(job->root_fd, entry->path, &info, 0) != 0)
        return size;
    uint64_t now = (uint64_t)info.st_blocks * 512;
    return size > now ? size - now : 0;
}

static bool check_filesystem(const char *path, uint64_t need, const struct statvfs *fs,
                             struct error *err)
{
    char needed[TEXT_SIZE];
    char there[TEXT_SIZE];
    uint64_t available = (uint64_t)fs->f_bavail * fs->f_frsize;
    if (need <= available)
        return true;
    (void)error_set(err, ERROR_NO_SPACE,
                    "cannot restore into \"%s\": it needs %s, its file system has %s free", path,
                    text_bytes(need, needed), text_bytes(available, there));
    return error_hint(err, "Nothing was written. Free some space, or choose another directory.");
}

/* Several places may share a file system: their needs add up. */
static bool check_space(const struct restore_job *job, struct error *err)
{
    size_t count = job->place_count + 1;
    CLEANUP(free_pointer) uint64_t *need = calloc(count, sizeof *need);
    CLEANUP(free_pointer) dev_t *device = calloc(count, sizeof *device);
    if (need == NULL || device == NULL)
        return error_no_memory(err, "tablespaces");
    need[job->place_count] = restore_wal_bytes(&job->manifest.info);
    for (size_t i = 0; i < job->manifest.entry_count; i++)
        need[place_of(job, job->manifest.entries[i].path)] += growth_of(job,
                                                                        &job->manifest.entries[i]);
    for (size_t i = 0; i < count; i++) {
        struct statvfs fs;
        const char *path = i < job->place_count ? job->places[i].target : job->options->to;
        if (!stat_filesystem(path, &fs, &device[i], err))
            return false;
        uint64_t total = need[i];
        for (size_t j = 0; j < i; j++)
            total += device[j] == device[i] ? need[j] : 0;
        if (!check_filesystem(path, total, &fs, err))
            return false;
    }
    return true;
}

bool restore_plan(struct restore_job *job, struct error *err)
{
    if (!restore_load(job, err) || !restore_check_wal(job, err) || !plan_places(job, err) ||
        !plan_directory(job, err))
        return false;
    for (size_t i = 0; i < job->place_count; i++)
        if (!check_place(job, &job->places[i], err))
            return false;
    return job->options->ignore_space || check_space(job, err);
}
