/*
 * Tar archives as streams: a reader that pulls blocks from a function, a writer to a descriptor.
 * Nothing is staged; content is handed out where libarchive holds it. Format: ustar and pax
 * are read, GNU tar is written (it needs no extra headers for long names and large files).
 *
 * Paths that are handed out are relative and safe to join to a directory of ours
 * (path_is_safe_relative).
 */
#ifndef CODEC_TARBALL_H
#define CODEC_TARBALL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum tarball_type { TARBALL_FILE, TARBALL_DIRECTORY, TARBALL_SYMLINK };

struct tarball_entry {
    enum tarball_type type;
    const char *path;        /* "base/5/1259", no leading "./", no trailing "/" */
    const char *link_target; /* TARBALL_SYMLINK, else NULL; not checked: may point anywhere */
    uint32_t mode;           /* permission bits, 0600 */
    uint64_t size_bytes;     /* TARBALL_FILE, else 0 */
    int64_t modified_us;     /* since 1970 UTC; the reader hands out whole seconds */
};

/* The next bytes of the archive, borrowed until the next call; *out_len 0 at the end. */
typedef bool (*tarball_read_fn)(void *context, const void **out, size_t *out_len,
                                struct error *err);

struct tarball_reader;

/* Reads the first block. An archive without its two terminating zero blocks (PostgreSQL 13 and 14
 * omit them) and an empty one are fine. A failure of read comes back unchanged from whichever call
 * needed the bytes. Gives *out. */
MUST_CHECK bool tarball_reader_open(tarball_read_fn read, void *context,
                                    struct tarball_reader **out, struct error *err);

/* Moves to the next entry, skipping what is left of the current one; *out_found is false after the
 * last. The entry's texts are borrowed until the next call. ERROR_INVALID for a damaged archive,
 * unsafe paths, and everything that is not a plain file, a directory or a symbolic link (hard
 * links, devices, sparse files). */
MUST_CHECK bool tarball_reader_next(struct tarball_reader *reader, struct tarball_entry *out,
                                    bool *out_found, struct error *err);

/* The next bytes of the current file, borrowed until the next call; *out_len 0 at its end, which
 * comes after exactly size_bytes. */
MUST_CHECK bool tarball_reader_data(struct tarball_reader *reader, const void **out,
                                    size_t *out_len, struct error *err);

void tarball_reader_close(struct tarball_reader *reader); /* NULL is allowed */
void tarball_reader_cleanup(struct tarball_reader **reader);

struct tarball_writer;

/* Borrows the descriptor (a pipe will do). Gives *out. */
MUST_CHECK bool tarball_writer_open(int fd, struct tarball_writer **out, struct error *err);
/* Begins an entry; the previous file must have got all its bytes. */
MUST_CHECK bool tarball_writer_entry(struct tarball_writer *writer,
                                     const struct tarball_entry *entry, struct error *err);
MUST_CHECK bool tarball_writer_data(struct tarball_writer *writer, const void *bytes, size_t len,
                                    struct error *err);
/* Writes the end of the archive; without it the archive is incomplete. */
MUST_CHECK bool tarball_writer_finish(struct tarball_writer *writer, struct error *err);
void tarball_writer_close(struct tarball_writer *writer); /* NULL is allowed */
void tarball_writer_cleanup(struct tarball_writer **writer);

#endif
