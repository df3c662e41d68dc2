#include "codec/tarball.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tarball_reader {
    struct archive *archive;
    struct archive_entry *entry; /* borrowed from archive */
    tarball_read_fn read;
    void *context;
    struct error failure; /* of read: libarchive only knows that it failed */
    char *path;           /* of the current entry, tidied */
    uint64_t size_bytes;
    uint64_t done_bytes;
    bool ended;
};

struct tarball_writer {
    struct archive *archive;
    int fd;
    uint64_t left_bytes; /* of the current entry */
    bool discard;        /* closing: no trailer for an unfinished archive */
    struct error failure;
};

static const char *reason(struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return text != NULL ? text : "no reason given";
}

static bool reader_failed(struct tarball_reader *reader, struct error *err)
{
    if (reader->failure.kind != ERROR_NONE) {
        *err = reader->failure;
        return false;
    }
    if (archive_errno(reader->archive) == ENOMEM)
        return error_no_memory(err, "a tar reader");
    return error_set(err, ERROR_INVALID, "cannot read the tar archive%s%s: %s",
                     reader->path != NULL ? " at " : "", reader->path != NULL ? reader->path : "",
                     reason(reader->archive));
}

static la_ssize_t pull(struct archive *archive, void *context, const void **out)
{
    struct tarball_reader *reader = context;
    size_t len = 0;
    *out = NULL;
    if (reader->read(reader->context, out, &len, &reader->failure))
        return (la_ssize_t)len;
    archive_set_error(archive, EIO, "the source failed");
    return -1;
}

bool tarball_reader_open(tarball_read_fn read, void *context, struct tarball_reader **out,
                         struct error *err)
{
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_no_memory(err, "a tar reader");
    reader->read = read;
    reader->context = context;
    reader->archive = archive_read_new();
    if (reader->archive == NULL)
        return error_no_memory(err, "a tar reader");
    if (archive_read_support_format_tar(reader->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(reader->archive) != ARCHIVE_OK ||
        archive_read_open(reader->archive, reader, NULL, pull, NULL) != ARCHIVE_OK)
        return reader_failed(reader, err);
    *out = TAKE(reader);
    return true;
}

/* "./base/" becomes "base"; the top directory itself stays ".". */
static char *tidy_path(const char *path)
{
    while (path[0] == '.' && path[1] == '/' && path[2] != '\0')
        path += 2;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    return strndup(path, len);
}

static bool entry_type(struct archive_entry *entry, enum tarball_type *out)
{
    if (archive_entry_hardlink(entry) != NULL || archive_entry_sparse_count(entry) > 0)
        return false;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        *out = TARBALL_FILE;
        return true;
    case AE_IFDIR:
        *out = TARBALL_DIRECTORY;
        return true;
    case AE_IFLNK:
        *out = TARBALL_SYMLINK;
        return archive_entry_symlink(entry) != NULL;
    default:
        return false;
    }
}

static bool describe_entry(struct tarball_reader *reader, struct tarball_entry *out,
                           struct error *err)
{
    struct archive_entry *entry = reader->entry;
    const char *path = archive_entry_pathname(entry);
    enum tarball_type type = TARBALL_FILE;
    la_int64_t size = archive_entry_size(entry);
    if (path == NULL)
        return error_set(err, ERROR_INVALID, "cannot read the tar archive: an entry has no name");
    reader->path = tidy_path(path);
    if (reader->path == NULL)
        return error_no_memory(err, "a path");
    if (!path_is_safe_relative(reader->path))
        return error_set(err, ERROR_INVALID, "cannot use tar entry \"%s\": unsafe path", path);
    if (!entry_type(entry, &type) || size < 0)
        return error_set(err, ERROR_INVALID,
                         "cannot use tar entry \"%s\": neither a plain file, a "
                         "directory nor a symbolic link",
                         path);
    reader->size_bytes = type == TARBALL_FILE ? (uint64_t)size : 0;
    reader->done_bytes = 0;
    *out = (struct tarball_entry){
        .type = type,
        .path = reader->path,
        .link_target = type == TARBALL_SYMLINK ? archive_entry_symlink(entry) : NULL,
        .mode = (uint32_t)archive_entry_perm(entry),
        .size_bytes = reader->size_bytes,
        .modified_us = (int64_t)archive_entry_mtime(entry) * 1000000,
    };
    return true;
}

bool tarball_reader_next(struct tarball_reader *reader, struct tarball_entry *out, bool *out_found,
                         struct error *err)
{
    *out_found = false;
    while (!reader->ended) {
        int status = archive_read_next_header(reader->archive, &reader->entry);
        if (status == ARCHIVE_EOF) {
            reader->ended = true;
            break;
        }
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return reader_failed(reader, err);
        free(TAKE(reader->path));
        const char *path = archive_entry_pathname(reader->entry);
        if (path != NULL && (strcmp(path, ".") == 0 || strcmp(path, "./") == 0) &&
            archive_entry_filetype(reader->entry) == AE_IFDIR)
            continue; /* the top directory has no name below itself */
        *out_found = describe_entry(reader, out, err);
        return *out_found;
    }
    return true;
}

bool tarball_reader_data(struct tarball_reader *reader, const void **out, size_t *out_len,
                         struct error *err)
{
    const void *bytes = NULL;
    size_t len = 0;
    la_int64_t offset = 0;
    *out_len = 0;
    if (reader->done_bytes == reader->size_bytes)
        return true;
    int status = archive_read_data_block(reader->archive, &bytes, &len, &offset);
    if (status == ARCHIVE_OK && (uint64_t)offset == reader->done_bytes && len > 0 &&
        len <= reader->size_bytes - reader->done_bytes) {
        reader->done_bytes += len;
        *out = bytes;
        *out_len = len;
        return true;
    }
    if (status != ARCHIVE_OK && status != ARCHIVE_EOF)
        return reader_failed(reader, err);
    return error_set(err, ERROR_INVALID, "cannot use tar entry \"%s\": %s", reader->path,
                     status == ARCHIVE_EOF ? "it is shorter than its header says" : "it is sparse");
}

void tarball_reader_close(struct tarball_reader *reader)
{
    if (reader == NULL)
        return;
    (void)archive_read_free(reader->archive);
    free(reader->path);
    free(reader);
}

void tarball_reader_cleanup(struct tarball_reader **reader)
{
    tarball_reader_close(*reader);
    *reader = NULL;
}

static bool writer_failed(struct tarball_writer *writer, struct error *err)
{
    int number = archive_errno(writer->archive);
    return error_set(err, number == ENOMEM ? ERROR_NO_MEMORY : ERROR_INVALID,
                     "could not write the tar archive: %s", reason(writer->archive));
}

/* Failures are kept here and success is reported to libarchive: once it knows of a fatal error,
 * libarchive 3.6 never calls the function that would free its output buffer. */
static la_ssize_t push(struct archive *archive, void *context, const void *bytes, size_t len)
{
    struct tarball_writer *writer = context;
    (void)archive;
    while (!writer->discard && writer->failure.kind == ERROR_NONE) {
        ssize_t written = write(writer->fd, bytes, len);
        if (written >= 0)
            return written;
        if (errno != EINTR)
            (void)error_set_errno(&writer->failure, errno, "could not write the tar archive");
    }
    return (la_ssize_t)len;
}

static bool check_written(const struct tarball_writer *writer, struct error *err)
{
    if (writer->failure.kind == ERROR_NONE)
        return true;
    *err = writer->failure;
    return false;
}

bool tarball_writer_open(int fd, struct tarball_writer **out, struct error *err)
{
    CLEANUP(tarball_writer_cleanup) struct tarball_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_no_memory(err, "a tar writer");
    writer->fd = fd;
    writer->archive = archive_write_new();
    if (writer->archive == NULL)
        return error_no_memory(err, "a tar writer");
    if (archive_write_set_format_gnutar(writer->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(writer->archive, 1) != ARCHIVE_OK ||
        archive_write_open(writer->archive, writer, NULL, push, NULL) != ARCHIVE_OK)
        return writer_failed(writer, err);
    *out = TAKE(writer);
    return true;
}

static bool check_complete(const struct tarball_writer *writer, struct error *err)
{
    if (writer->left_bytes == 0)
        return true;
    return error_set(err, ERROR_INVALID,
                     "could not write the tar archive: an entry lacks %" PRIu64 " bytes",
                     writer->left_bytes);
}

static struct archive_entry *new_entry(const struct tarball_entry *from)
{
    static const unsigned types[] = {
        [TARBALL_FILE] = AE_IFREG, [TARBALL_DIRECTORY] = AE_IFDIR, [TARBALL_SYMLINK] = AE_IFLNK};
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL)
        return NULL;
    archive_entry_set_pathname(entry, from->path);
    archive_entry_set_filetype(entry, types[from->type]);
    archive_entry_set_perm(entry, (mode_t)(from->mode & 07777));
    archive_entry_set_mtime(entry, (time_t)(from->modified_us / 1000000), 0);
    archive_entry_set_size(entry, from->type == TARBALL_FILE ? (la_int64_t)from->size_bytes : 0);
    if (from->type == TARBALL_SYMLINK)
        archive_entry_set_symlink(entry, from->link_target);
    return entry;
}

bool tarball_writer_entry(struct tarball_writer *writer, const struct tarball_entry *entry,
                          struct error *err)
{
    if (!check_complete(writer, err))
        return false;
    struct archive_entry *header = new_entry(entry);
    if (header == NULL)
        return error_no_memory(err, "a tar entry");
    int status = archive_write_header(writer->archive, header);
    archive_entry_free(header);
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return writer_failed(writer, err);
    writer->left_bytes = entry->type == TARBALL_FILE ? entry->size_bytes : 0;
    return check_written(writer, err);
}

bool tarball_writer_data(struct tarball_writer *writer, const void *bytes, size_t len,
                         struct error *err)
{
    const uint8_t *next = bytes;
    if (len > writer->left_bytes)
        return error_set(err, ERROR_INVALID,
                         "could not write the tar archive: an entry is longer "
                         "than its header says");
    while (len > 0) {
        la_ssize_t written = archive_write_data(writer->archive, next, len);
        if (written <= 0)
            return writer_failed(writer, err);
        next += written;
        len -= (size_t)written;
        writer->left_bytes -= (uint64_t)written;
    }
    return check_written(writer, err);
}

bool tarball_writer_finish(struct tarball_writer *writer, struct error *err)
{
    if (!check_complete(writer, err))
        return false;
    if (archive_write_close(writer->archive) != ARCHIVE_OK)
        return writer_failed(writer, err);
    return check_written(writer, err);
}

void tarball_writer_close(struct tarball_writer *writer)
{
    if (writer == NULL)
        return;
    writer->discard = true;
    (void)archive_write_free(writer->archive);
    free(writer);
}

void tarball_writer_cleanup(struct tarball_writer **writer)
{
    tarball_writer_close(*writer);
    *writer = NULL;
}
