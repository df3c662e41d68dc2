/*
 * Every page to its place. The maps of all files are turned over: sorted by pack and ordinal, so
 * that each pack is read once, front to back, by one thread, and its pages are scattered with
 * pwrite. With a delta, the pack's index (a hash for every page) tells which pages of the existing
 * files are right already, so that only the others are fetched.
 *
 * The checksum of each file grows with its pages, in whatever order they come (crc32c.h).
 */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/workers.h"
#include "codec/crc32c.h"
#include "codec/digest.h"
#include "repository/page_reader.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* count blocks of one file, from this page of this pack on. */
struct segment {
    uint32_t pack;
    uint32_t ordinal;
    uint32_t count;
    uint32_t file; /* index of the manifest entry */
    uint32_t block;
};

struct segment_list {
    struct segment *items;
    size_t count;
    size_t capacity;
};

/* One thread's state. */
struct worker {
    struct restore_job *job;
    struct page_reader *reader;
    const struct pack_index *index;
    int fd; /* of the file written last, -1 at first */
    uint32_t fd_file;
    /* The segments of the pack at hand, and the one being visited. */
    const struct segment *segments;
    size_t segment_count;
    size_t at;
    uint32_t done;              /* pages of it so far */
    struct segment_list wanted; /* delta: what is not right yet */
    uint8_t compare[FRAME_BYTES];
};

struct page_work {
    struct restore_job *job;
    const struct segment *segments;
    const size_t *pack_start; /* pack_count + 1 positions in segments */
    _Atomic size_t next_pack;
};

static bool add_segment(struct segment_list *list, const struct segment *segment, struct error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 1024 : 2 * list->capacity;
        struct segment *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return error_no_memory(err, "the list of pages");
        list->items = items;
        list->capacity = capacity;
    }
    assert(list->items != NULL);
    list->items[list->count++] = *segment;
    return true;
}

static void segment_list_release(struct segment_list *list)
{
    free(list->items);
    *list = (struct segment_list){0};
}

/* The last block of a file may be partial. */
static size_t block_bytes(const struct manifest_entry *entry, uint64_t block)
{
    uint64_t left = entry->size_bytes - block * PAGE_BYTES;
    return left < PAGE_BYTES ? (size_t)left : PAGE_BYTES;
}

static void add_checksum(struct restore_file *file, uint64_t block, const uint8_t *page)
{
    size_t len = block_bytes(file->entry, block);
    uint64_t behind = file->entry->size_bytes - block * PAGE_BYTES - len;
    uint32_t part = crc32c_combine(crc32c_extend(0, page, len), 0, behind);
    (void)atomic_fetch_xor_explicit(&file->crc32c, part, memory_order_relaxed);
}

static uint64_t range_bytes(const struct manifest_entry *entry, uint64_t block, uint64_t count)
{
    uint64_t end = (block + count) * PAGE_BYTES;
    if (end > entry->size_bytes)
        end = entry->size_bytes;
    return end - block * PAGE_BYTES;
}

/* A stretch of zeros: files are created as holes, so only old content has to go. */
static bool write_zeros(struct restore_job *job, struct restore_file *file, uint64_t block,
                        uint64_t count, struct error *err)
{
    uint64_t len = range_bytes(file->entry, block, count);
    uint64_t behind = file->entry->size_bytes - block * PAGE_BYTES - len;
    (void)atomic_fetch_xor(&file->crc32c, crc32c_combine(crc32c_zeros(len), 0, behind));
    progress_add(&job->bytes_kept, len);
    if (job->options->progress != NULL)
        progress_add(&job->options->progress->bytes_done, len);
    if (block * PAGE_BYTES >= file->existing_bytes)
        return true;
    CLEANUP(close_fd) int fd = -1;
    if (!restore_open(job, file->path, O_RDWR, &fd, err))
        return false;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(block * PAGE_BYTES),
                  (off_t)len) == 0)
        return true;
    static const uint8_t zeros[PAGE_BYTES];
    for (uint64_t done = 0; done < len; done += PAGE_BYTES) {
        size_t part = len - done < PAGE_BYTES ? (size_t)(len - done) : PAGE_BYTES;
        if (!file_write_at(fd, file->path, zeros, part, block * PAGE_BYTES + done, err))
            return false;
    }
    return true;
}

struct collecting {
    struct restore_job *job;
    uint32_t file;
    struct segment_list *list;
};

static bool collect_run(void *context, uint64_t block, const struct page_run *run,
                        struct error *err)
{
    const struct collecting *at = context;
    struct segment segment = {.pack = run->pack,
                              .ordinal = run->ordinal,
                              .count = run->count,
                              .file = at->file,
                              .block = (uint32_t)block};
    return run->is_data ? add_segment(at->list, &segment, err)
                        : write_zeros(at->job, &at->job->files[at->file], block, run->count, err);
}

static int compare_segments(const void *a, const void *b)
{
    const struct segment *left = a;
    const struct segment *right = b;
    if (left->pack != right->pack)
        return left->pack < right->pack ? -1 : 1;
    if (left->ordinal != right->ordinal)
        return left->ordinal < right->ordinal ? -1 : 1;
    return 0;
}

static bool worker_open(struct worker *worker, uint32_t file, struct error *err)
{
    if (worker->fd >= 0 && worker->fd_file == file)
        return true;
    close_fd(&worker->fd);
    worker->fd_file = file;
    return restore_open(worker->job, worker->job->files[file].path, O_RDWR, &worker->fd, err);
}

static bool write_pages(struct worker *worker, const struct segment *segment, uint32_t skip,
                        uint32_t count, const uint8_t *pages, struct error *err)
{
    struct restore_job *job = worker->job;
    struct restore_file *file = &job->files[segment->file];
    uint64_t block = (uint64_t)segment->block + skip;
    uint64_t len = range_bytes(file->entry, block, count);
    if (!worker_open(worker, segment->file, err) ||
        !file_write_at(worker->fd, file->path, pages, (size_t)len, block * PAGE_BYTES, err))
        return false;
    /* Starts the disk now, so that the fsync at the end finds little left to do. */
    (void)sync_file_range(worker->fd, (off_t)(block * PAGE_BYTES), (off_t)len,
                          SYNC_FILE_RANGE_WRITE);
    for (uint32_t i = 0; i < count; i++)
        add_checksum(file, block + i, pages + (size_t)i * PAGE_BYTES);
    progress_add(&job->bytes_written, len);
    if (job->options->progress != NULL)
        progress_add(&job->options->progress->bytes_done, len);
    return true;
}

/* Called by the page reader with stretches of pages in the order of the segments. */
static bool visit_pages(void *context, uint32_t ordinal, uint32_t count, const uint8_t *pages,
                        struct error *err)
{
    struct worker *worker = context;
    const struct segment *segment = &worker->segments[worker->at];
    (void)ordinal;
    if (!stop_check(err) || !write_pages(worker, segment, worker->done, count, pages, err))
        return false;
    worker->done += count;
    if (worker->done == segment->count) {
        worker->at++;
        worker->done = 0;
    }
    return true;
}

/* True when the page on disk is the one that the pack has. Its checksum is added then. */
static bool page_is_right(struct worker *worker, const struct segment *segment, uint32_t page,
                          const uint8_t *bytes)
{
    if (digest_xxh3(bytes, PAGE_BYTES) != worker->index->page_hashes[segment->ordinal + page])
        return false;
    struct restore_file *file = &worker->job->files[segment->file];
    add_checksum(file, (uint64_t)segment->block + page, bytes);
    progress_add(&worker->job->bytes_kept, PAGE_BYTES);
    if (worker->job->options->progress != NULL)
        progress_add(&worker->job->options->progress->bytes_done, PAGE_BYTES);
    return true;
}

static bool want_page(struct worker *worker, const struct segment *segment, uint32_t page,
                      struct error *err)
{
    struct segment_list *wanted = &worker->wanted;
    struct segment *last = wanted->count == 0 ? NULL : &wanted->items[wanted->count - 1];
    if (last != NULL && last->file == segment->file &&
        last->ordinal + last->count == segment->ordinal + page &&
        last->block + last->count == segment->block + page) {
        last->count++;
        return true;
    }
    struct segment one = {.pack = segment->pack,
                          .ordinal = segment->ordinal + page,
                          .count = 1,
                          .file = segment->file,
                          .block = segment->block + page};
    return add_segment(wanted, &one, err);
}

/* Compares what is on disk with the hashes of the index; the rest is wanted. */
static bool compare_segment(struct worker *worker, const struct segment *segment, struct error *err)
{
    const struct restore_file *file = &worker->job->files[segment->file];
    if (segment->block < file->existing_blocks && !worker_open(worker, segment->file, err))
        return false;
    for (uint32_t page = 0; page < segment->count; page += FRAME_PAGES) {
        uint32_t part = segment->count - page < FRAME_PAGES ? segment->count - page : FRAME_PAGES;
        uint64_t block = (uint64_t)segment->block + page;
        size_t got = 0;
        if (block < file->existing_blocks &&
            !file_read_at(worker->fd, file->path, worker->compare, (size_t)part * PAGE_BYTES,
                          block * PAGE_BYTES, &got, err))
            return false;
        for (uint32_t i = 0; i < part; i++) {
            const uint8_t *bytes = worker->compare + (size_t)i * PAGE_BYTES;
            bool there = block + i < file->existing_blocks && got >= (size_t)(i + 1) * PAGE_BYTES;
            if (!(there && page_is_right(worker, segment, page + i, bytes)) &&
                !want_page(worker, segment, page + i, err))
                return false;
        }
    }
    return true;
}

/* Fetches and writes the given segments of the pack at hand. */
static bool fetch_segments(struct worker *worker, const struct segment *segments, size_t count,
                           struct error *err)
{
    CLEANUP(free_pointer) struct page_range *ranges = malloc((count + 1) * sizeof *ranges);
    if (ranges == NULL)
        return error_no_memory(err, "the list of pages");
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct page_range){.ordinal = segments[i].ordinal, .count = segments[i].count};
    worker->segments = segments;
    worker->segment_count = count;
    worker->at = 0;
    worker->done = 0;
    return page_reader_visit(worker->reader, ranges, count, visit_pages, worker, err);
}

static bool restore_pack(struct worker *worker, uint32_t pack, const struct segment *segments,
                         size_t count, struct error *err)
{
    uint64_t before = page_reader_bytes(worker->reader);
    if (!page_reader_select(worker->reader, &worker->job->manifest.packs[pack], &worker->index,
                            err))
        return false;
    if (!worker->job->fresh) {
        worker->wanted.count = 0;
        for (size_t i = 0; i < count; i++)
            if (!stop_check(err) || !compare_segment(worker, &segments[i], err))
                return false;
        segments = worker->wanted.items;
        count = worker->wanted.count;
    }
    if (!fetch_segments(worker, segments, count, err))
        return false;
    uint64_t fetched = page_reader_bytes(worker->reader) - before;
    progress_add(&worker->job->bytes_fetched, fetched);
    if (worker->job->options->progress != NULL) {
        progress_add(&worker->job->options->progress->bytes_stored, fetched);
        progress_add(&worker->job->options->progress->objects_stored, 1);
    }
    return true;
}

static bool take_packs(struct workers *workers, const struct page_work *work, struct worker *worker,
                       _Atomic size_t *next, struct error *err)
{
    if (!page_reader_new(work->job->repository, &worker->reader, err))
        return false;
    while (!workers_failed(workers)) {
        size_t pack = atomic_fetch_add(next, 1);
        if (pack >= work->job->manifest.pack_count)
            break;
        size_t start = work->pack_start[pack];
        size_t count = work->pack_start[pack + 1] - start;
        if (count > 0 && !restore_pack(worker, (uint32_t)pack, work->segments + start, count, err))
            return false;
    }
    return true;
}

static bool write_packs(struct workers *workers, void *context, struct error *err)
{
    struct page_work *work = context;
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return error_no_memory(err, "a restore");
    worker->job = work->job;
    worker->fd = -1;
    bool done = take_packs(workers, work, worker, &work->next_pack, err);
    page_reader_free(worker->reader);
    segment_list_release(&worker->wanted);
    close_fd(&worker->fd);
    free(worker);
    return done;
}

/* Where each pack's segments begin in the sorted list; one more at the end. Gives *out. */
static size_t *index_packs(const struct segment_list *list, size_t pack_count)
{
    size_t *start = calloc(pack_count + 1, sizeof *start);
    size_t at = 0;
    for (size_t pack = 0; start != NULL && pack <= pack_count; pack++) {
        while (at < list->count && list->items[at].pack < pack)
            at++;
        start[pack] = at;
    }
    return start;
}

bool restore_write_pages(struct restore_job *job, struct error *err)
{
    CLEANUP(segment_list_release) struct segment_list list = {0};
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        struct collecting at = {.job = job, .file = (uint32_t)i, .list = &list};
        if (job->files[i].entry != NULL &&
            !manifest_visit_runs(job->files[i].entry, collect_run, &at, err))
            return false;
    }
    if (list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, compare_segments);
    CLEANUP(free_pointer) size_t *pack_start = index_packs(&list, job->manifest.pack_count);
    if (pack_start == NULL)
        return error_no_memory(err, "the list of packs");
    struct page_work work = {.job = job, .segments = list.items, .pack_start = pack_start};
    return workers_run(restore_threads(job->options), write_packs, &work, err);
}
