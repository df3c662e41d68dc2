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

/* Creates the missing directories of a key and fsyncs the parent of each new one. */
static bool create_parents(const char *root, const char *path, struct error *err)
{
    CLEANUP(free_pointer) char *copy = strdup(path);
    if (copy == NULL)
        return error_no_memory(err, "a path");
    for (char *at = copy + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(copy, 0700) == 0) {
            char *parent_end = strrchr(copy, '/');
            *parent_end = '\0';
            bool synced = dir_sync(copy, err);
            *parent_end = '/';
            if (!synced)
                return false;
        } else if (errno != EEXIST) {
            return error_set_errno(err, errno, "could not create directory \"%s\"", copy);
        }
        *at = '/';
    }
    return true;
}

/* Gives a synced, closed temporary file with this content; on failure nothing stays behind. */
static bool write_temporary(const char *root, const void *bytes, size_t len, char **out_path,
                            struct error *err)
{
    CLEANUP(free_pointer) char *directory = path_join(root, TEMPORARY_DIRECTORY);
    CLEANUP(free_pointer) char *path = text_format("%s/%s/put-XXXXXX", root, TEMPORARY_DIRECTORY);
    if (directory == NULL || path == NULL)
        return error_no_memory(err, "a path");
    if (!dir_create_all(directory, 0700, err))
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
static bool link_object(const char *temporary, const char *path, const char *key,
                        struct error *err)
{
    if (link(temporary, path) != 0)
        return error_set_errno(err, errno, "could not store object \"%s\" as \"%s\"", key, path);
    CLEANUP(free_pointer) char *directory = strdup(path);
    if (directory == NULL)
        return error_no_memory(err, "a path");
    *strrchr(directory, '/') = '\0';
    return dir_sync(directory, err);
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
    if (!write_temporary(root, bytes, len, &temporary, err))
        return error_wrap(err, "could not store object \"%s\"", key);
    bool done = create_parents(root, path, err) && link_object(temporary, path, key, err);
    (void)unlink(temporary);
    return done;
}

static bool local_get(struct store *store, const char *key, uint64_t offset, size_t want,
                      void *out, size_t *out_got, struct error *err)
{
    CLEANUP(free_pointer) char *path = object_path(store, key, err);
    if (path == NULL)
        return false;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open object \"%s\"", path);
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
        return error_set_errno(err, errno, "could not inspect object \"%s\"", path);
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

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return compare_names((*a)->d_name, (*a)->d_type == DT_DIR, (*b)->d_name,
                         (*b)->d_type == DT_DIR);
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
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
    if (!S_ISREG(info.st_mode) || !text_starts_with(relative, listing->prefix))
        return true;
    struct store_object object = {.key = relative,
                                  .size_bytes = (uint64_t)info.st_size,
                                  .modified_us = modified_us(&info)};
    return listing->visit(listing->context, &object, err);
}

static bool list_directory(const struct listing *listing, const char *relative, struct error *err)
{
    struct dirent **names;
    CLEANUP(free_pointer) char *path = path_join(listing->root, relative);
    if (path == NULL)
        return error_no_memory(err, "a path");
    int count = scandir(path, &names, not_hidden, compare_entries);
    if (count < 0)
        return errno == ENOENT || error_set_errno(err, errno, "could not list \"%s\"", path);
    bool done = true;
    for (int i = 0; i < count && done; i++) {
        CLEANUP(free_pointer) char *child =
            *relative == '\0' ? strdup(names[i]->d_name) : path_join(relative, names[i]->d_name);
        done = child == NULL ? error_no_memory(err, "a path") : visit_entry(listing, child, err);
    }
    free_names(names, count);
    return done;
}

static bool local_list(struct store *store, const char *prefix, store_visit_fn visit,
                       void *context, struct error *err)
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
    if (unlink(path) != 0 && errno != ENOENT)
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
    if (len == 0 || root[0] != '/')
        return error_set(err, ERROR_USAGE, "cannot use \"%s\" as a local store: the path must "
                                           "be absolute", root);
    struct store_local *local = calloc(1, sizeof *local);
    char *copy = strndup(root, len);
    if (local == NULL || copy == NULL) {
        free(local);
        free(copy);
        return error_no_memory(err, "a local store");
    }
    *local = (struct store_local){.store = {.ops = &local_ops}, .root = copy};
    remove_old_temporaries(copy);
    *out = &local->store;
    return true;
}
