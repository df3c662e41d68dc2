/*
 * Bytes as a file that has no name in any directory, for parsers that want a path. Only one at a
 * time. For the fuzz targets.
 */
#ifndef FUZZ_MEMORY_FILE_H
#define FUZZ_MEMORY_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY_FILE_PATH_SIZE = 64 };

struct memory_file {
    int fd; /* at the start of the bytes */
    char path[MEMORY_FILE_PATH_SIZE];
};

static inline struct memory_file memory_file_open(const uint8_t *bytes, size_t len)
{
    struct memory_file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    if (file.fd < 0 || (len > 0 && pwrite(file.fd, bytes, len, 0) != (ssize_t)len))
        abort();
    (void)snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static inline void memory_file_close(struct memory_file *file)
{
    (void)close(file->fd);
}

#endif
