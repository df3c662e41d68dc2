/*
 * A snapshot as one tar stream: entries in the order of the manifest, each file's pages fetched in
 * the order of its blocks. The control file comes last of the data, the backup_manifest at the end.
 */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/stop.h"
#include "codec/crc32c.h"
#include "codec/tarball.h"
#include "repository/page_reader.h"

#include <stdlib.h>
#include <string.h>

/* Files alternate between the packs of several snapshots: a reader for each of the last few packs
 * spares fetching their indexes and frames again and again. */
enum { READERS = 6 };

struct tar_job {
    struct restore_job *job;
    struct tarball_writer *tar;
    struct page_reader *readers[READERS];
    uint32_t packs[READERS]; /* at hand in each */
    uint64_t used[READERS];  /* when, in runs; 0 = never */
    uint64_t runs;
    struct restore_file *file; /* being written */
    uint64_t bytes_left;       /* of it */
};

static bool put_bytes(struct tar_job *tar, const uint8_t *bytes, uint64_t len, struct error *err)
{
    if (len > tar->bytes_left)
        len = tar->bytes_left;
    tar->bytes_left -= len;
    uint32_t crc = atomic_load(&tar->file->crc32c);
    atomic_store(&tar->file->crc32c, crc32c_extend(crc, bytes, len));
    progress_add(&tar->job->bytes_written, len);
    if (tar->job->options->progress != NULL)
        progress_add(&tar->job->options->progress->bytes_done, len);
    return tarball_writer_data(tar->tar, bytes, len, err);
}

static bool put_pages(void *context, uint32_t ordinal, uint32_t count, const uint8_t *pages,
                      struct error *err)
{
    (void)ordinal;
    return stop_check(err) && put_bytes(context, pages, (uint64_t)count * PAGE_BYTES, err);
}

static void tar_job_release(struct tar_job *tar)
{
    for (size_t i = 0; i < READERS; i++)
        page_reader_free(tar->readers[i]);
}

/* The reader that has this pack at hand, else the one that was idle longest. */
static bool choose_reader(struct tar_job *tar, uint32_t pack, struct page_reader **out,
                          struct error *err)
{
    size_t chosen = 0;
    for (size_t i = 0; i < READERS; i++) {
        if (tar->used[i] != 0 && tar->packs[i] == pack) {
            chosen = i;
            break;
        }
        if (tar->used[i] < tar->used[chosen])
            chosen = i;
    }
    if (tar->readers[chosen] == NULL &&
        !page_reader_new(tar->job->repository, &tar->readers[chosen], err))
        return false;
    tar->packs[chosen] = pack;
    tar->used[chosen] = ++tar->runs;
    *out = tar->readers[chosen];
    return true;
}

static bool put_run(void *context, uint64_t block, const struct page_run *run, struct error *err)
{
    struct tar_job *tar = context;
    static const uint8_t zeros[PAGE_BYTES];
    const struct pack_index *index;
    struct page_reader *reader;
    (void)block;
    for (uint32_t i = 0; !run->is_data && i < run->count; i++)
        if (!put_bytes(tar, zeros, PAGE_BYTES, err))
            return false;
    if (!run->is_data)
        return true;
    struct page_range range = {.ordinal = run->ordinal, .count = run->count};
    return choose_reader(tar, run->pack, &reader, err) &&
           page_reader_select(reader, &tar->job->manifest.packs[run->pack], &index, err) &&
           page_reader_visit(reader, &range, 1, put_pages, tar, err);
}

static bool put_entry(struct tar_job *tar, size_t i, struct error *err)
{
    const struct manifest_entry *entry = &tar->job->manifest.entries[i];
    struct tarball_entry header = {
        .type = entry->kind == ENTRY_FILE ? TARBALL_FILE : TARBALL_DIRECTORY,
        .path = entry->path,
        .mode = entry->mode,
        .size_bytes = entry->size_bytes,
        .modified_us = entry->mtime_s * 1000000,
    };
    if (!stop_check(err) || !tarball_writer_entry(tar->tar, &header, err))
        return false;
    if (entry->kind != ENTRY_FILE)
        return true;
    tar->file = &tar->job->files[i];
    tar->file->entry = entry;
    tar->bytes_left = entry->size_bytes;
    return manifest_visit_runs(entry, put_run, tar, err);
}

static bool put_segment(void *context, const char *path, const uint8_t *bytes, size_t len,
                        struct error *err)
{
    struct tar_job *tar = context;
    struct tarball_entry header = {.type = TARBALL_FILE,
                                   .path = path,
                                   .mode = 0600,
                                   .size_bytes = len,
                                   .modified_us = tar->job->manifest.info.finished_us};
    return tarball_writer_entry(tar->tar, &header, err) &&
           tarball_writer_data(tar->tar, bytes, len, err);
}

static bool is_control(const struct manifest_entry *entry)
{
    return strcmp(entry->path, CONTROL_FILE) == 0;
}

static bool put_entries(struct tar_job *tar, struct error *err)
{
    const struct manifest *manifest = &tar->job->manifest;
    size_t control = manifest->entry_count;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        if (is_control(&manifest->entries[i]))
            control = i;
        else if (!put_entry(tar, i, err))
            return false;
    }
    return restore_visit_wal(tar->job, put_segment, tar, err) &&
           (control == manifest->entry_count || put_entry(tar, control, err));
}

static bool emit_to_buf(void *context, const void *bytes, size_t len, struct error *err)
{
    struct buf *out = context;
    buf_put(out, bytes, len);
    return buf_check(out, BACKUP_MANIFEST_FILE, err);
}

static bool put_backup_manifest(struct tar_job *tar, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, (size_t)4 << 30);
    if (!backup_manifest_print(tar->job, emit_to_buf, &text, err))
        return false;
    struct tarball_entry header = {.type = TARBALL_FILE,
                                   .path = BACKUP_MANIFEST_FILE,
                                   .mode = 0600,
                                   .size_bytes = text.len,
                                   .modified_us = tar->job->manifest.info.finished_us};
    return tarball_writer_entry(tar->tar, &header, err) &&
           tarball_writer_data(tar->tar, text.data, text.len, err);
}

static bool refuse_tablespaces(const struct restore_job *job, struct error *err)
{
    if (job->manifest.info.tablespace_count == 0)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot write snapshot %s as one tar stream: it has tablespaces",
                    job->manifest.info.id);
    return error_hint(err, "Restore it into a directory, with --to.");
}

bool restore_tar(const struct repository *repository, const struct restore_options *options, int fd,
                 struct restore_result *out, struct error *err)
{
    CLEANUP(restore_job_release)
    struct restore_job job = {
        .repository = repository, .options = options, .root_fd = -1, .fresh = true};
    CLEANUP(tar_job_release) struct tar_job tar = {.job = &job};
    CLEANUP(tarball_writer_cleanup) struct tarball_writer *writer = NULL;
    int64_t started_us = clock_monotonic_us(&clock_system);
    if (restore_has_recovery(&job))
        return error_set(err, ERROR_USAGE, "a tar stream cannot carry a recovery");
    if (!restore_load(&job, err) || !restore_check_wal(&job, err) || !refuse_tablespaces(&job, err))
        return false;
    job.files = calloc(job.manifest.entry_count + 1, sizeof *job.files);
    if (job.files == NULL)
        return error_no_memory(err, "the list of files");
    if (options->progress != NULL)
        atomic_store(&options->progress->bytes_total, job.manifest.info.data_bytes);
    if (!tarball_writer_open(fd, &writer, err))
        return false;
    tar.tar = writer;
    if (!put_entries(&tar, err) || !put_backup_manifest(&tar, err) ||
        !tarball_writer_finish(writer, err))
        return error_wrap(err, "could not write snapshot %s", job.manifest.info.id);
    job.files_differ = restore_count_differing(&job);
    for (size_t i = 0; i < READERS; i++)
        if (tar.readers[i] != NULL)
            progress_add(&job.bytes_fetched, page_reader_bytes(tar.readers[i]));
    restore_fill_result(&job, started_us, out);
    return true;
}
