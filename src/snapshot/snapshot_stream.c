/*
 * From the server's tar streams to manifest entries and pages. Content is looked at where libpq
 * holds it; only pages that are taken, or cut by a message boundary, are copied.
 */
#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"
#include "codec/crc32c.h"
#include "codec/digest.h"
#include "codec/tarball.h"
#include "postgres/control_file.h"
#include "postgres/relation_path.h"
#include "snapshot/server_manifest.h"
#include "snapshot_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_FILE "global/pg_control"
#define WAL_DIRECTORY "pg_wal/"

/* A file on its way through. */
struct file_stream {
    struct snapshot_job *job;
    struct manifest_entry entry;
    struct page_filter filter;
    struct page_map_builder map;
    struct buf hashes;
    bool by_lsn;
    bool by_content; /* neither: WAL, which no later snapshot compares with */
    uint64_t block;
    uint64_t bytes_seen;
    size_t cut_len; /* bytes of a block that a message boundary has cut */
    uint8_t cut[PAGE_BYTES];
};

static void file_stream_release(struct file_stream *file)
{
    manifest_entry_release(&file->entry);
    page_map_builder_release(&file->map);
    buf_release(&file->hashes);
}

static void file_stream_init(struct file_stream *file, struct snapshot_job *job,
                             struct manifest_entry *entry)
{
    struct relation_path relation;
    const char *path = entry->path;
    file->job = job;
    file->entry = *entry;
    *entry = (struct manifest_entry){0};
    file->by_lsn = relation_path_parse(path, &relation) && relation.fork == FORK_MAIN;
    file->by_content = !file->by_lsn && !text_starts_with(path, WAL_DIRECTORY);
    file->block = 0;
    file->bytes_seen = 0;
    file->cut_len = 0;
    page_map_builder_init(&file->map);
    buf_init(&file->hashes, PAGE_MAP_MAX_BYTES);
    page_filter_init(&file->filter, &job->parent, path, file->by_lsn);
}

static bool take_page(struct file_stream *file, const uint8_t *bytes, struct page_run *run,
                      struct error *err)
{
    *run = (struct page_run){.count = 1, .is_data = true, .pack = PACK_NEW};
    file->job->manifest.info.pages_stored++;
    return pack_writer_add(file->job->writer, bytes, &run->ordinal, err);
}

/* One block; a partial one comes padded with zeros. */
static bool take_block(struct file_stream *file, const uint8_t *bytes, bool partial,
                       struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct page_run run = {.count = 1};
    struct snapshot_info *info = &file->job->manifest.info;
    if (file->by_content) {
        digest_sha256(bytes, PAGE_BYTES, hash);
        buf_put(&file->hashes, hash, BLOCK_HASH_BYTES);
    }
    info->pages_total++;
    switch (page_filter_decide(&file->filter, file->block, bytes, partial, hash, &run)) {
    case PAGE_TAKE:
        if (!take_page(file, bytes, &run, err))
            return false;
        break;
    case PAGE_REUSE:
        info->pages_reused++;
        break;
    case PAGE_ZERO:
        run.is_data = false;
        break;
    }
    file->block++;
    page_map_builder_add(&file->map, &run);
    return true;
}

/* Completes the block that the last message has cut, if there is one. */
static bool fill_cut(struct file_stream *file, const uint8_t **bytes, size_t *len,
                     struct error *err)
{
    if (file->cut_len == 0)
        return true;
    size_t missing = PAGE_BYTES - file->cut_len;
    size_t part = *len < missing ? *len : missing;
    memcpy(file->cut + file->cut_len, *bytes, part);
    file->cut_len += part;
    *bytes += part;
    *len -= part;
    if (file->cut_len < PAGE_BYTES)
        return true;
    file->cut_len = 0;
    return take_block(file, file->cut, false, err);
}

static bool take_bytes(struct file_stream *file, const uint8_t *bytes, size_t len,
                       struct error *err)
{
    file->entry.crc32c = crc32c_extend(file->entry.crc32c, bytes, len);
    file->bytes_seen += len;
    if (!fill_cut(file, &bytes, &len, err))
        return false;
    for (; len >= PAGE_BYTES; bytes += PAGE_BYTES, len -= PAGE_BYTES)
        if (!take_block(file, bytes, false, err))
            return false;
    if (len > 0) {
        memcpy(file->cut, bytes, len);
        file->cut_len = len;
    }
    return true;
}

/* Pages say "unchanged", but the content differs: then LSNs do not tell the truth here (a storage
 * rollback, files put back by hand), and nothing may be concluded from them. */
static bool check_divergence(struct file_stream *file, struct error *err)
{
    const struct manifest_entry *old = file->filter.old;
    bool differs = file->filter.all_reused && old != NULL && (old->flags & ENTRY_CHECKSUM) != 0 &&
                   old->size_bytes == file->entry.size_bytes && old->crc32c != file->entry.crc32c;
    if (!file->job->pages_are_exact || !file->by_lsn || !(differs || file->filter.contradiction))
        return true;
    file->job->diverged = true;
    (void)snprintf(file->job->diverged_path, sizeof file->job->diverged_path, "%s",
                   file->entry.path);
    return error_set(err, ERROR_CORRUPT,
                     "file \"%s\" changed although none of its pages has a new LSN",
                     file->entry.path);
}

static bool finish_file(struct file_stream *file, struct error *err)
{
    struct manifest *manifest = &file->job->manifest;
    if (file->cut_len > 0) {
        memset(file->cut + file->cut_len, 0, PAGE_BYTES - file->cut_len);
        if (!take_block(file, file->cut, true, err))
            return false;
    }
    if (file->bytes_seen != file->entry.size_bytes)
        return error_set(err, ERROR_CORRUPT,
                         "file \"%s\" arrived with %" PRIu64 " bytes instead of "
                         "%" PRIu64,
                         file->entry.path, file->bytes_seen, file->entry.size_bytes);
    if (!check_divergence(file, err) || !page_map_builder_finish(&file->map, err) ||
        !buf_check(&file->hashes, "block hashes", err))
        return false;
    file->entry.flags = (file->by_lsn ? ENTRY_RELATION : 0) |
                        (file->by_content ? ENTRY_HASHES : 0) |
                        (file->by_lsn || file->by_content ? ENTRY_CHECKSUM : 0);
    file->entry.map = TAKE(file->map.encoded.data);
    file->entry.map_bytes = file->map.encoded.len;
    file->entry.hashes = TAKE(file->hashes.data);
    manifest->info.file_count++;
    manifest->info.data_bytes += file->entry.size_bytes;
    return manifest_add_entry(manifest, &file->entry, err);
}

/* The control file must be whole and of this cluster; its first page is enough. */
static bool check_control_file(struct snapshot_job *job, const uint8_t *bytes, size_t len,
                               struct error *err)
{
    struct control_file control;
    if (!control_file_parse(bytes, len, &control, err)) {
        err->retryable = true;
        return error_wrap(err, "could not use the \"" CONTROL_FILE "\" that the server sent");
    }
    if (control.system_identifier != job->manifest.info.system_identifier)
        return error_set(err, ERROR_CORRUPT,
                         "file \"" CONTROL_FILE "\" is of system %" PRIu64
                         ", the server of %" PRIu64,
                         control.system_identifier, job->manifest.info.system_identifier);
    return true;
}

static bool stream_file(struct snapshot_job *job, struct tarball_reader *tar,
                        struct manifest_entry *entry, struct error *err)
{
    /* clang-format off */
    CLEANUP(file_stream_release) struct file_stream file;
    /* clang-format on */
    file_stream_init(&file, job, entry);
    bool is_control = strcmp(file.entry.path, CONTROL_FILE) == 0;
    for (;;) {
        const void *bytes;
        size_t len;
        if (!tarball_reader_data(tar, &bytes, &len, err))
            return false;
        if (len == 0)
            break;
        if (is_control && file.bytes_seen == 0 && !check_control_file(job, bytes, len, err))
            return false;
        if (job->options->progress != NULL)
            progress_add(&job->options->progress->bytes_done, len);
        if (!take_bytes(&file, bytes, len, err))
            return false;
    }
    return finish_file(&file, err);
}

/* Entries of a tablespace's archive are relative to it; ours are relative to the data directory. */
static char *entry_path(const struct base_backup_archive *archive, const char *path)
{
    if (archive->kind == BASE_BACKUP_TABLESPACE)
        return text_format("pg_tblspc/%" PRIu32 "/%s", archive->tablespace_oid, path);
    return strdup(path);
}

static bool stream_entry(struct snapshot_job *job, const struct base_backup_archive *archive,
                         struct tarball_reader *tar, const struct tarball_entry *item,
                         struct error *err)
{
    /* Tablespaces come as tablespace_map and archives of their own; the server follows a link at
     * pg_wal. Nothing else below a data directory is a link that it would send. */
    if (item->type == TARBALL_SYMLINK)
        return error_set(err, ERROR_UNSUPPORTED, "cannot store \"%s\": it is a symbolic link",
                         item->path);
    struct manifest_entry entry = {
        .kind = item->type == TARBALL_FILE ? ENTRY_FILE : ENTRY_DIRECTORY,
        .path = entry_path(archive, item->path),
        .mode = item->mode & 07777,
        .mtime_s = item->modified_us / 1000000,
        .size_bytes = item->size_bytes,
    };
    if (entry.path == NULL)
        return error_no_memory(err, "a path");
    bool done = item->type == TARBALL_FILE ? stream_file(job, tar, &entry, err)
                                           : manifest_add_entry(&job->manifest, &entry, err);
    manifest_entry_release(&entry);
    return done;
}

static bool read_archive(void *context, const void **out, size_t *out_len, struct error *err)
{
    struct snapshot_job *job = context;
    return base_backup_read(job->backup, out, out_len, err);
}

static bool stream_archive(struct snapshot_job *job, const struct base_backup_archive *archive,
                           struct error *err)
{
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *tar = NULL;
    if (!tarball_reader_open(read_archive, job, &tar, err))
        return false;
    for (;;) {
        struct tarball_entry item;
        bool found;
        if (!stop_check(err) || !tarball_reader_next(tar, &item, &found, err))
            return false;
        if (!found)
            return true;
        if (!stream_entry(job, archive, tar, &item, err))
            return false;
    }
}

static bool stream_manifest(struct snapshot_job *job, struct error *err)
{
    CLEANUP(server_manifest_cleanup) struct server_manifest *reader = NULL;
    if (!manifest_sort(&job->manifest, err) || !server_manifest_new(&job->manifest, &reader, err))
        return false;
    for (;;) {
        const void *bytes;
        size_t len;
        if (!base_backup_read(job->backup, &bytes, &len, err))
            return false;
        if (len == 0)
            return server_manifest_finish(reader, err);
        if (!server_manifest_feed(reader, bytes, len, err))
            return false;
    }
}

bool stream_archives(struct snapshot_job *job, struct error *err)
{
    bool has_manifest = false;
    for (;;) {
        struct base_backup_archive archive;
        bool found;
        if (!base_backup_next_archive(job->backup, &archive, &found, err))
            return false;
        if (!found)
            break;
        bool is_manifest = archive.kind == BASE_BACKUP_MANIFEST;
        has_manifest |= is_manifest;
        if (!(is_manifest ? stream_manifest(job, err) : stream_archive(job, &archive, err)))
            return false;
    }
    if (!has_manifest || manifest_find(&job->manifest, CONTROL_FILE) == NULL)
        return error_set(err, ERROR_CORRUPT, "the server's backup ended before it was complete");
    return true;
}
