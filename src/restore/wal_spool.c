#include "restore/wal_spool.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

enum { NAME_SIZE = WAL_SEGMENT_NAME_SIZE + SHA256_HEX_SIZE };

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

/* "<segment>.<hash>" */
static bool is_of_segment(const char *file, const char *segment)
{
    return text_starts_with(file, segment) && file[WAL_SEGMENT_NAME_SIZE - 1] == '.' &&
           strlen(file) == NAME_SIZE - 1;
}

/* The file of this segment; *out_file is "" when there is none (or no spool). */
static bool find_file(const char *directory, const struct wal_segment *segment,
                      char out_file[NAME_SIZE], struct error *err)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    CLEANUP(close_dir) DIR *dir = opendir(directory);
    (void)wal_segment_name(segment, name);
    out_file[0] = '\0';
    if (dir == NULL)
        return errno == ENOENT || error_set_errno(err, errno, "could not open \"%s\"", directory);
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(dir);
        if (item == NULL)
            return errno == 0 || error_set_errno(err, errno, "could not read \"%s\"", directory);
        if (!is_of_segment(item->d_name, name))
            continue;
        (void)snprintf(out_file, NAME_SIZE, "%.*s", NAME_SIZE - 1, item->d_name);
        return true;
    }
}

static bool has_hash(const struct buf *content, const char *file)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    digest_sha256(content->data, content->len, hash);
    text_hex(hash, sizeof hash, hex);
    return strcmp(hex, file + WAL_SEGMENT_NAME_SIZE) == 0;
}

bool wal_spool_take(const char *directory, const struct wal_segment *segment, const char *target,
                    bool *out_taken, struct error *err)
{
    char file[NAME_SIZE];
    CLEANUP(buf_release) struct buf content;
    size_t bytes = (size_t)(segment->end_lsn - segment->start_lsn);
    *out_taken = false;
    buf_init(&content, 2 * bytes);
    if (!find_file(directory, segment, file, err))
        return false;
    if (file[0] == '\0')
        return true;
    CLEANUP(free_pointer) char *path = path_join(directory, file);
    if (path == NULL)
        return error_no_memory(err, "a path");
    bool good = file_read_all(path, &content, err) && content.len == bytes &&
                has_hash(&content, file);
    if (!good) {
        (void)unlink(path);
        return true;
    }
    if (rename(path, target) != 0)
        return error_set_errno(err, errno, "could not rename \"%s\" to \"%s\"", path, target);
    *out_taken = true;
    return true;
}

/* Removes files of segments that will not be asked for, and temporary ones of a fill that died. */
static bool remove_stale(const char *directory, const struct wal_segment *first, struct error *err)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    CLEANUP(close_dir) DIR *dir = opendir(directory);
    (void)wal_segment_name(first, name);
    if (dir == NULL)
        return error_set_errno(err, errno, "could not open \"%s\"", directory);
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(dir);
        if (item == NULL)
            return errno == 0 || error_set_errno(err, errno, "could not read \"%s\"", directory);
        const char *file = item->d_name;
        bool fresh = strlen(file) == NAME_SIZE - 1 && strncmp(file, name, 8) == 0 &&
                     strncmp(file, name, WAL_SEGMENT_NAME_SIZE - 1) >= 0;
        if (fresh || strcmp(file, ".") == 0 || strcmp(file, "..") == 0 || strcmp(file, "lock") == 0)
            continue;
        if (unlinkat(dirfd(dir), file, 0) != 0 && errno != ENOENT)
            return error_set_errno(err, errno, "could not remove \"%s/%s\"", directory, file);
    }
}

/* A temporary name, then the one that says what is in it; not synced, because the hash tells. */
static bool put_file(const char *directory, const struct wal_segment *segment, const uint8_t *bytes,
                     size_t len, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    char name[WAL_SEGMENT_NAME_SIZE];
    digest_sha256(bytes, len, hash);
    text_hex(hash, sizeof hash, hex);
    (void)wal_segment_name(segment, name);
    CLEANUP(free_pointer) char *temporary = text_format("%s/%s.new", directory, name);
    CLEANUP(free_pointer) char *final = text_format("%s/%s.%s", directory, name, hex);
    if (temporary == NULL || final == NULL)
        return error_no_memory(err, "a path");
    CLEANUP(close_fd)
    int fd = open(temporary, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", temporary);
    if (!file_write_at(fd, temporary, bytes, len, 0, err))
        return false;
    return rename(temporary, final) == 0 ||
           error_set_errno(err, errno, "could not rename \"%s\"", temporary);
}

static bool fill(const char *directory, const struct repository *repository,
                 const struct wal_source *source, const struct wal_segment *first, size_t count,
                 struct error *err)
{
    struct wal_segment segment = *first;
    size_t bytes = (size_t)(first->end_lsn - first->start_lsn);
    CLEANUP(free_pointer) uint8_t *content = malloc(bytes);
    if (content == NULL)
        return error_no_memory(err, "a WAL segment");
    for (size_t i = 0; i < count; i++, segment = wal_segment_next(&segment)) {
        char file[NAME_SIZE];
        enum wal_segment_state state;
        if (!find_file(directory, &segment, file, err))
            return false;
        if (file[0] != '\0')
            continue;
        if (!wal_segment_fetch(repository, source, &segment, content, &state, err))
            return false;
        if (state != WAL_SEGMENT_WHOLE)
            return true;
        if (!put_file(directory, &segment, content, bytes, err))
            return false;
    }
    return true;
}

bool wal_spool_fill(const char *directory, const struct repository *repository,
                    const struct wal_source *source, const struct wal_segment *first, size_t count,
                    struct error *err)
{
    if (!dir_create_all(directory, 0700, err))
        return false;
    CLEANUP(free_pointer) char *lock = path_join(directory, "lock");
    if (lock == NULL)
        return error_no_memory(err, "a path");
    CLEANUP(close_fd) int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", lock);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK || error_set_errno(err, errno, "could not lock \"%s\"", lock);
    return remove_stale(directory, first, err) &&
           fill(directory, repository, source, first, count, err);
}
