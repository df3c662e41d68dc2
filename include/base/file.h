/*
 * Files and paths. What is written durably is written with file_write_atomic or followed by
 * file_sync and dir_sync; all descriptors are O_CLOEXEC.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* "a" + "b" = "a/b"; gives a malloc'd path, NULL when memory is short. */
char *path_join(const char *directory, const char *name);

/* True for a relative path without "..", ".", empty parts, backslashes or control characters: what
 * may be joined to a directory of ours when it comes from outside. */
bool path_is_safe_relative(const char *path);

/* Creates the directory and its missing parents with this mode. Existing is success. */
MUST_CHECK bool dir_create_all(const char *path, mode_t mode, struct error *err);
/* fsync of the directory itself, so that its entries survive a power cut. */
MUST_CHECK bool dir_sync(const char *path, struct error *err);
/* *out_empty is true when there is nothing but "." and ".."; ERROR_NOT_FOUND when absent. */
MUST_CHECK bool dir_is_empty(const char *path, bool *out_empty, struct error *err);
/* Deletes a tree; symbolic links are deleted, never followed. Absent is success. */
MUST_CHECK bool dir_remove_all(const char *path, struct error *err);

/* Appends the whole file to out; ERROR_INVALID above out's maximum. */
MUST_CHECK bool file_read_all(const char *path, struct buf *out, struct error *err);
/* The same from where a descriptor stands; the path is for messages. */
MUST_CHECK bool file_read_rest(int fd, const char *path, struct buf *out, struct error *err);
/* Temporary file beside it, write, fsync, rename, fsync of the directory. Replaces. */
MUST_CHECK bool file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode,
                                  struct error *err);
/* Writes all of it at this offset, over interruptions and short writes. path is for messages. */
MUST_CHECK bool file_write_at(int fd, const char *path, const void *bytes, size_t len,
                              uint64_t offset, struct error *err);
/* Reads up to len bytes; *out_got is short only at the end of the file. */
MUST_CHECK bool file_read_at(int fd, const char *path, void *out, size_t len, uint64_t offset,
                             size_t *out_got, struct error *err);
/* fsync with a checked result. */
MUST_CHECK bool file_sync(int fd, const char *path, struct error *err);

#endif
