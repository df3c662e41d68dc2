#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_PREFIX "mainstay-drill-"
#define LOCK_NAME "lock"
#define SOCKET_SUFFIX "/" NAME_PREFIX "0123456789abcdef/.s.PGSQL.5432.lock"

bool drill_scratch_check_path(const char *parent, struct error *err)
{
    size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1 - strlen(SOCKET_SUFFIX);
    if (strlen(parent) <= most)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot hold a drill in \"%s\": a socket in it would have too long a path",
                    parent);
    return error_hint(err, "Choose a directory of at most %zu characters with --scratch.", most);
}

static bool give(const char *path, const struct drill_plan *plan, struct error *err)
{
    if (plan->change_user && lchown(path, plan->uid, plan->gid) != 0)
        return error_set_errno(err, errno, "could not set the owner of \"%s\"", path);
    return true;
}

static bool make_directory(const char *path, const struct drill_plan *plan, struct error *err)
{
    if (mkdir(path, 0700) != 0)
        return error_set_errno(err, errno, "could not make directory \"%s\"", path);
    return give(path, plan, err);
}

/* The lock is held by this process only: what it starts does not inherit it. */
static bool take_lock(struct drill_scratch *scratch, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(scratch->root, LOCK_NAME);
    if (path == NULL)
        return error_no_memory(err, "a path");
    scratch->lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (scratch->lock_fd < 0 || flock(scratch->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return error_set_errno(err, errno, "could not lock \"%s\"", path);
    return true;
}

static bool make_paths(struct drill_scratch *scratch, struct error *err)
{
    scratch->data = path_join(scratch->root, "data");
    scratch->tablespaces = path_join(scratch->root, "tablespaces");
    scratch->log = path_join(scratch->root, "server.log");
    scratch->checks = path_join(scratch->root, "checks.log");
    return (scratch->data != NULL && scratch->tablespaces != NULL && scratch->log != NULL &&
            scratch->checks != NULL) ||
           error_no_memory(err, "a path");
}

static bool make_tablespaces(const struct drill_scratch *scratch, const struct drill_plan *plan,
                             struct error *err)
{
    for (size_t i = 0; i < plan->tablespace_count; i++) {
        CLEANUP(free_pointer)
        char *path = text_format("%s/%" PRIu32, scratch->tablespaces, plan->tablespaces[i]);
        if (path == NULL)
            return error_no_memory(err, "a path");
        if (!make_directory(path, plan, err))
            return false;
    }
    return true;
}

bool drill_scratch_make(const struct drill_options *options, const struct drill_plan *plan,
                        struct drill_scratch *out, struct error *err)
{
    struct drill_scratch scratch = {.lock_fd = -1};
    scratch.root = text_format("%s/" NAME_PREFIX "%s", options->scratch, plan->id);
    if (scratch.root == NULL)
        return error_no_memory(err, "a path");
    bool done = make_paths(&scratch, err) && make_directory(scratch.root, plan, err) &&
                take_lock(&scratch, err) && make_directory(scratch.data, plan, err) &&
                make_directory(scratch.tablespaces, plan, err) &&
                make_tablespaces(&scratch, plan, err);
    if (!done) {
        struct error ignored;
        (void)!dir_remove_all(scratch.root, &ignored);
        drill_scratch_release(&scratch);
        return false;
    }
    *out = scratch;
    return true;
}

bool drill_scratch_write(const struct drill_scratch *scratch, const struct drill_plan *plan,
                         const char *name, const char *text, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(scratch->root, name);
    if (path == NULL)
        return error_no_memory(err, "a path");
    return file_write_atomic(path, text, strlen(text), 0600, err) && give(path, plan, err);
}

/* A server of a drill that was killed ends within moments; while it is there, so is its directory.
 */
static bool has_server(const char *root)
{
    char line[32] = "";
    char link[64];
    char cwd[512];
    uint64_t pid;
    struct error ignored;
    CLEANUP(buf_release) struct buf text;
    CLEANUP(free_pointer) char *data = path_join(root, "data");
    CLEANUP(free_pointer) char *path = path_join(root, "data/postmaster.pid");
    buf_init(&text, 4096);
    if (data == NULL || path == NULL || !file_read_all(path, &text, &ignored) ||
        buf_text(&text) == NULL)
        return false;
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
    if (!text_to_u64(line, &pid))
        return false;
    (void)snprintf(link, sizeof link, "/proc/%" PRIu64 "/cwd", pid);
    ssize_t len = readlink(link, cwd, sizeof cwd - 1);
    return len > 0 && strncmp(cwd, data, (size_t)len) == 0;
}

static void remove_if_stale(const char *root)
{
    struct stat info;
    struct error ignored;
    CLEANUP(free_pointer) char *path = path_join(root, LOCK_NAME);
    if (path == NULL || lstat(root, &info) != 0 || !S_ISDIR(info.st_mode))
        return;
    CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    /* Only what a drill of this user has made. */
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_uid != geteuid() ||
        flock(fd, LOCK_EX | LOCK_NB) != 0 || has_server(root))
        return;
    (void)!dir_remove_all(root, &ignored);
}

void drill_scratch_remove_stale(const char *parent)
{
    DIR *directory = opendir(parent);
    if (directory == NULL)
        return;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (!text_starts_with(entry->d_name, NAME_PREFIX))
            continue;
        char *root = path_join(parent, entry->d_name);
        if (root != NULL)
            remove_if_stale(root);
        free(root);
    }
    (void)closedir(directory);
}

static bool remove_below(const struct drill_scratch *scratch, const char *name, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(scratch->root, name);
    if (path == NULL)
        return error_no_memory(err, "a path");
    return dir_remove_all(path, err);
}

bool drill_scratch_end(struct drill_scratch *scratch, enum drill_leave leave, char **out_kept,
                       struct error *err)
{
    *out_kept = NULL;
    if (scratch->root == NULL)
        return true;
    if (leave == LEAVE_NOTHING)
        return dir_remove_all(scratch->root, err);
    if (leave == LEAVE_EVIDENCE &&
        (!dir_remove_all(scratch->data, err) || !dir_remove_all(scratch->tablespaces, err)))
        return false;
    /* Without a lock nobody takes it for left behind. */
    if (!remove_below(scratch, LOCK_NAME, err))
        return false;
    *out_kept = strdup(scratch->root);
    return *out_kept != NULL || error_no_memory(err, "a path");
}

void drill_scratch_release(struct drill_scratch *scratch)
{
    close_fd(&scratch->lock_fd);
    free(scratch->root);
    free(scratch->data);
    free(scratch->tablespaces);
    free(scratch->log);
    free(scratch->checks);
    *scratch = (struct drill_scratch){.lock_fd = -1};
}
