#include "store/store_local.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEMPORARY_DIRECTORY ".tmp"

enum { TEMPORARY_MAX_AGE_S = 86400 };

struct store_local {
    struct store store;
    char *root;
    bool root_known; /* the directory was there when the store was opened: */
    dev_t root_device;
    ino_t root_inode;
};

static struct store_local *from_store(struct store *store)
{
    return (struct store_local *)store;
}

/* Gives the file name of a key, or NULL with err filled. */
static char *object_path(struct store *store, const char *key, struct error *err)
{
    if (!store_check_key(key, err))
        return NULL;
    char *path = path_join(from_store(store)->root, key);
    if (path == NULL)
        (void)error_no_memory(err, "a path");
    return path;
}

/* The directory at copy[0..end) exists afterwards. A directory below the root is always synced into
 * its parent: another thread or process may have made it and not have got as far as the fsync. */
static bool make_directory(char *copy, char *end, bool below_root, struct error *err)
{
    char after = *end;
    *end = '\0';
    bool made = mkdir(copy, 0700) == 0;
    bool done = made || errno == EEXIST ||
                error_set_errno(err, errno, "could not create directory \"%s\"", copy);
    if (done && (made || below_root)) {
        char *parent_end = strrchr(copy, '/');
        *parent_end = '\0';
        done = dir_sync(parent_end == copy ? "/" : copy, err);
        *parent_end = '/';
    }
    *end = after;
    return done;
}

/* Creates the directories above a path, from "/" down, so that they survive a power cut. */
static bool create_parents(const char *root, const char *path, struct error *err)
{
    CLEANUP(free_pointer) char *copy = strdup(path);
    if (copy == NULL)
        return error_no_memory(err, "a path");
    size_t root_len = strlen(root);
    for (char *end = strchr(copy + 1, '/'); end != NULL; end = strchr(end + 1, '/'))
        if (!make_directory(copy, end, (size_t)(end - copy) > root_len, err))
            return false;
    return true;
}

/* Gives a synced, closed temporary file with this content; on failure nothing stays behind. */
static bool write_temporary(const char *root, const void *bytes, size_t len, char **out_path,
                            struct error *err)
{
    CLEANUP(free_pointer) char *path = text_format("%s/%s/put-XXXXXX", root, TEMPORARY_DIRECTORY);
    if (path == NULL)
        return error_no_memory(err, "a path");
    if (!create_parents(root, path, err))
        return false;
    CLEANUP(close_fd) int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", path);
    bool done = file_write_at(fd, path, bytes, len, 0, err) && file_sync(fd, path, err);
    int closed = close(fd);
    fd = -1;
    if (done && closed != 0)
        done = error_set_errno(err, errno, "could not close \"%s\"", path);
    if (!done) {
        (void)unlink(path);
        return false;
    }
    *out_path = TAKE(path);
    return true;
}

/* link(2) refuses an existing name, which rename(2) would replace. */
static bool link_object(const char *temporary, const char *path, const char *key, struct error *err)
{
    if (link(temporary, path) != 0) {
        bool no_links = errno == EPERM || errno == EOPNOTSUPP;
        (void)error_set_errno(err, errno, "could not store object \"%s\" as \"%s\"", key, path);
        return no_links && error_hint(err, "Use a file system that knows hard links.");
    }
    CLEANUP(free_pointer) char *directory = strdup(path);
    if (directory == NULL)
        return error_no_memory(err, "a path");
    *strrchr(directory, '/') = '\0';
    return dir_sync(directory, err);
}

/* A disk that was unmounted, or a directory that was moved away, must not be made anew beside the
 * objects: they would be split over two places. */
static bool check_root(const struct store_local *local, struct error *err)
{
    struct stat info;
    if (!local->root_known || (stat(local->root, &info) == 0 && info.st_dev == local->root_device &&
                               info.st_ino == local->root_inode))
        return true;
    (void)error_set(err, ERROR_UNAVAILABLE, "the directory \"%s\" is not the one that was opened",
                    local->root);
    err->retryable = true;
    return error_hint(err, "Is its disk still mounted?");
}

static bool local_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    const char *root = from_store(store)->root;
    (void)sha256; /* the bytes do not leave this machine's page cache before the fsync */
    CLEANUP(free_pointer) char *path = object_path(store, key, err);
    if (path == NULL)
        return false;
    CLEANUP(free_pointer) char *temporary = NULL;
    if (!check_root(from_store(store), err) || !write_temporary(root, bytes, len, &temporary, err))
        return error_wrap(err, "could not store object \"%s\"", key);
    bool done = create_parents(root, path, err) && link_object(temporary, path, key, err);
    (void)unlink(temporary);
    return done;
}

/* What says that there is no such object: a part of the key may be a file, or all of it a
 * directory. Another errno is passed on. */
static int missing_or(int errno_value)
{
    return errno_value == ENOTDIR || errno_value == EISDIR ? ENOENT : errno_value;
}

static bool local_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    CLEANUP(free_pointer) char *path = object_path(store, key, err);
    if (path == NULL)
        return false;
    struct stat info;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0)
        return error_set_errno(err, missing_or(errno), "could not open object \"%s\"", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERROR_NOT_FOUND, "could not find object \"%s\": not a file", path);
    return file_read_at(fd, path, out, want, offset, out_got, err);
}

static int64_t modified_us(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
}

static bool local_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    struct stat info;
    CLEANUP(free_pointer) char *path = object_path(store, key, err);
    if (path == NULL)
        return false;
    if (stat(path, &info) != 0)
        return error_set_errno(err, missing_or(errno), "could not inspect object \"%s\"", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERROR_NOT_FOUND, "could not find object \"%s\": not a file", path);
    *out = (struct store_object){
        .key = key, .size_bytes = (uint64_t)info.st_size, .modified_us = modified_us(&info)};
    return true;
}

struct listing {
    const char *root;
    const char *prefix;
    store_visit_fn visit;
    void *context;
};

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int compare_names(const char *a, bool a_is_dir, const char *b, bool b_is_dir)
{
    /* Keys sort as if directories ended in "/": "a-b" comes before "a/b". */
    for (; *a == *b && *a != '\0'; a++, b++)
        ;
    int left = *a == '\0' && a_is_dir ? '/' : (unsigned char)*a;
    int right = *b == '\0' && b_is_dir ? '/' : (unsigned char)*b;
    return left - right;
}

static int compare_entries(const void *left, const void *right)
{
    const struct dirent *const *a = left;
    const struct dirent *const *b = right;
    return compare_names((*a)->d_name, (*a)->d_type == DT_DIR, (*b)->d_name,
                         (*b)->d_type == DT_DIR);
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Sorted entries of a directory, or -1 with errno set. */
static int read_directory(const char *path, struct dirent ***out)
{
    struct dirent **names;
    int count = scandir(path, &names, not_hidden, NULL);
    if (count < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        struct stat info;
        if (names[i]->d_type != DT_UNKNOWN) /* not every file system tells */
            continue;
        CLEANUP(free_pointer) char *child = path_join(path, names[i]->d_name);
        if (child != NULL && lstat(child, &info) == 0)
            names[i]->d_type = S_ISDIR(info.st_mode) ? DT_DIR : DT_REG;
    }
    if (count > 0)
        qsort(names, (size_t)count, sizeof(struct dirent *), compare_entries);
    *out = names;
    return count;
}

static bool list_directory(const struct listing *listing, const char *relative, struct error *err);

/* True when something below `relative` may match the prefix, or the prefix lies below it. */
static bool may_match(const char *relative, const char *prefix)
{
    size_t a = strlen(relative);
    size_t b = strlen(prefix);
    return strncmp(relative, prefix, a < b ? a : b) == 0;
}

static bool visit_entry(const struct listing *listing, const char *relative, struct error *err)
{
    struct stat info;
    CLEANUP(free_pointer) char *path = path_join(listing->root, relative);
    if (path == NULL)
        return error_no_memory(err, "a path");
    if (!may_match(relative, listing->prefix))
        return true;
    if (lstat(path, &info) != 0) /* removed meanwhile: not an object any more */
        return errno == ENOENT || error_set_errno(err, errno, "could not inspect \"%s\"", path);
    if (S_ISDIR(info.st_mode))
        return list_directory(listing, relative, err);
    struct error not_a_key;
    if (!S_ISREG(info.st_mode) || !text_starts_with(relative, listing->prefix) ||
        !store_check_key(relative, &not_a_key))
        return true;
    struct store_object object = {
        .key = relative, .size_bytes = (uint64_t)info.st_size, .modified_us = modified_us(&info)};
    return listing->visit(listing->context, &object, err);
}

static bool list_directory(const struct listing *listing, const char *relative, struct error *err)
{
    struct dirent **names;
    CLEANUP(free_pointer) char *path = path_join(listing->root, relative);
    if (path == NULL)
        return error_no_memory(err, "a path");
    int count = read_directory(path, &names);
    if (count < 0)
        return errno == ENOENT || error_set_errno(err, errno, "could not list \"%s\"", path);
    bool done = true;
    for (int i = 0; i < count && done; i++) {
        CLEANUP(free_pointer)
        char *child = *relative == '\0' ? strdup(names[i]->d_name)
                                        : path_join(relative, names[i]->d_name);
        done = child == NULL ? error_no_memory(err, "a path") : visit_entry(listing, child, err);
    }
    free_names(names, count);
    return done;
}

static bool local_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    struct listing listing = {
        .root = from_store(store)->root, .prefix = prefix, .visit = visit, .context = context};
    return list_directory(&listing, "", err);
}

static bool local_remove(struct store *store, const char *key, struct error *err)
{
    CLEANUP(free_pointer) char *path = object_path(store, key, err);
    if (path == NULL)
        return false;
    if (unlink(path) != 0 && missing_or(errno) != ENOENT)
        return error_set_errno(err, errno, "could not remove object \"%s\"", path);
    return true;
}

static bool local_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    (void)store;
    (void)err;
    *out_unix_us = clock_now_us(&clock_system);
    return true;
}

static const char *local_create_only(struct store *store)
{
    (void)store;
    return "link(2)";
}

static void local_close(struct store *store)
{
    struct store_local *local = from_store(store);
    free(local->root);
    free(local);
}

static const struct store_ops local_ops = {
    .name = "local",
    .put = local_put,
    .get = local_get,
    .stat = local_stat,
    .list = local_list,
    .remove = local_remove,
    .time = local_time,
    .create_only = local_create_only,
    .close = local_close,
};

/* What a killed process left behind. Failing to tidy up is no reason to fail. */
static void remove_old_temporaries(const char *root)
{
    CLEANUP(free_pointer) char *directory = path_join(root, TEMPORARY_DIRECTORY);
    struct dirent **names;
    int count = directory == NULL ? -1 : scandir(directory, &names, not_hidden, NULL);
    if (count < 0)
        return;
    int64_t oldest_s = clock_now_us(&clock_system) / 1000000 - TEMPORARY_MAX_AGE_S;
    for (int i = 0; i < count; i++) {
        struct stat info;
        CLEANUP(free_pointer) char *path = path_join(directory, names[i]->d_name);
        if (path != NULL && lstat(path, &info) == 0 && info.st_mtime < oldest_s)
            (void)unlink(path);
    }
    free_names(names, count);
}

bool store_local_open(const char *root, struct store **out, struct error *err)
{
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/')
        len--;
    if (len <= 1 || root[0] != '/')
        return error_set(err, ERROR_USAGE,
                         "cannot use \"%s\" as a local store: the path must "
                         "be absolute and not \"/\"",
                         root);
    struct store_local *local = calloc(1, sizeof *local);
    char *copy = strndup(root, len);
    if (local == NULL || copy == NULL) {
        free(local);
        free(copy);
        return error_no_memory(err, "a local store");
    }
    struct stat info;
    *local = (struct store_local){.store = {.ops = &local_ops}, .root = copy};
    if (stat(copy, &info) == 0) {
        local->root_known = true;
        local->root_device = info.st_dev;
        local->root_inode = info.st_ino;
    }
    remove_old_temporaries(copy);
    *out = &local->store;
    return true;
}
