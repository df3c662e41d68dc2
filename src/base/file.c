#include "base/file.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *path_join(const char *directory, const char *name)
{
    const char *separator = text_ends_with(directory, "/") ? "" : "/";
    return text_format("%s%s%s", directory, separator, name);
}

bool path_is_safe_relative(const char *path)
{
    if (*path == '\0' || strlen(path) >= 1024)
        return false;
    for (const char *part = path;;) {
        size_t len = strcspn(part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') ||
            (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == '\\' || part[i] == 0x7f)
                return false;
        if (part[len] == '\0')
            return true;
        part += len + 1;
    }
}

bool dir_create_all(const char *path, mode_t mode, struct error *err)
{
    CLEANUP(free_pointer) char *copy = strdup(path);
    if (copy == NULL)
        return error_no_memory(err, "a path");
    for (char *slash = copy + (*copy != '\0' ? 1 : 0);; slash++) {
        slash = strchrnul(slash, '/');
        bool last = *slash == '\0';
        *slash = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return error_set_errno(err, errno, "could not create directory \"%s\"", copy);
        if (last)
            break;
        *slash = '/';
    }
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set_errno(err, errno, "could not inspect directory \"%s\"", path);
    if (!S_ISDIR(info.st_mode))
        return error_set(err, ERROR_EXISTS, "cannot use \"%s\" as a directory: it is a file", path);
    return true;
}

bool dir_sync(const char *path, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open directory \"%s\"", path);
    return file_sync(fd, path, err);
}

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static bool is_dot_entry(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool dir_is_empty(const char *path, bool *out_empty, struct error *err)
{
    CLEANUP(close_dir) DIR *dir = opendir(path);
    if (dir == NULL)
        return error_set_errno(err, errno, "could not open directory \"%s\"", path);
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(dir);
    } while (entry != NULL && is_dot_entry(entry->d_name));
    if (entry == NULL && errno != 0)
        return error_set_errno(err, errno, "could not read directory \"%s\"", path);
    *out_empty = entry == NULL;
    return true;
}

static bool remove_entries(DIR *dir, const char *path, struct error *err)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno == 0 ||
                   error_set_errno(err, errno, "could not read directory \"%s\"", path);
        if (is_dot_entry(entry->d_name))
            continue;
        CLEANUP(free_pointer) char *child = path_join(path, entry->d_name);
        if (child == NULL)
            return error_no_memory(err, "a path");
        if (!dir_remove_all(child, err))
            return false;
    }
}

bool dir_remove_all(const char *path, struct error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return error_set_errno(err, errno, "could not remove \"%s\"", path);
    CLEANUP(close_dir) DIR *dir = opendir(path);
    if (dir == NULL)
        return error_set_errno(err, errno, "could not open directory \"%s\"", path);
    if (!remove_entries(dir, path, err))
        return false;
    if (rmdir(path) != 0 && errno != ENOENT)
        return error_set_errno(err, errno, "could not remove directory \"%s\"", path);
    return true;
}

bool file_read_rest(int fd, const char *path, struct buf *out, struct error *err)
{
    for (;;) {
        size_t room = out->max_bytes - out->len;
        size_t want = room < 65536 ? room : 65536;
        uint8_t beyond = 0; /* with no room left, only the end may come */
        uint8_t *to = want == 0 ? &beyond : buf_reserve(out, want);
        if (to == NULL)
            return error_no_memory(err, path);
        ssize_t got = read(fd, to, want == 0 ? 1 : want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, errno, "could not read \"%s\"", path);
        if (got == 0)
            return true;
        if (want == 0)
            return error_set(err, ERROR_INVALID, "cannot read \"%s\": it is larger than %zu bytes",
                             path, out->max_bytes);
        out->len += (size_t)got;
    }
}

bool file_read_all(const char *path, struct buf *out, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    return file_read_rest(fd, path, out, err);
}

bool file_write_at(int fd, const char *path, const void *bytes, size_t len, uint64_t offset,
                   struct error *err)
{
    const uint8_t *from = bytes;
    while (len > 0) {
        ssize_t done = pwrite(fd, from, len, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set_errno(err, errno, "could not write \"%s\"", path);
        from += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

bool file_read_at(int fd, const char *path, void *out, size_t len, uint64_t offset, size_t *out_got,
                  struct error *err)
{
    size_t total = 0;
    while (total < len) {
        ssize_t got = pread(fd, (uint8_t *)out + total, len - total, (off_t)(offset + total));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, errno, "could not read \"%s\"", path);
        if (got == 0)
            break;
        total += (size_t)got;
    }
    *out_got = total;
    return true;
}

bool file_sync(int fd, const char *path, struct error *err)
{
    if (fsync(fd) != 0)
        return error_set_errno(err, errno, "could not fsync \"%s\"", path);
    return true;
}

/* Writes, syncs and closes the temporary file; on failure the caller unlinks it. */
static bool write_temporary(int *fd, const char *path, const void *bytes, size_t len, mode_t mode,
                            struct error *err)
{
    if (fchmod(*fd, mode) != 0)
        return error_set_errno(err, errno, "could not set the mode of \"%s\"", path);
    if (!file_write_at(*fd, path, bytes, len, 0, err) || !file_sync(*fd, path, err))
        return false;
    int closed = close(*fd);
    *fd = -1;
    if (closed != 0)
        return error_set_errno(err, errno, "could not close \"%s\"", path);
    return true;
}

bool file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode,
                       struct error *err)
{
    CLEANUP(free_pointer) char *temporary = text_format("%s.tmp-XXXXXX", path);
    CLEANUP(free_pointer) char *directory = strdup(path);
    if (temporary == NULL || directory == NULL)
        return error_no_memory(err, "a path");
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[slash == directory ? 1 : 0] = '\0';
    CLEANUP(close_fd) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", temporary);
    if (!write_temporary(&fd, temporary, bytes, len, mode, err)) {
        (void)unlink(temporary);
        return false;
    }
    if (rename(temporary, path) != 0) {
        (void)error_set_errno(err, errno, "could not rename \"%s\" to \"%s\"", temporary, path);
        (void)unlink(temporary);
        return false;
    }
    return dir_sync(slash == NULL ? "." : directory, err);
}
