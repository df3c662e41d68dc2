/*
 * The WAL of a repository: every chunk is read and unpacked, its digests and the headers of its
 * pages are checked, histories are read; then the list is looked through for WAL that is missing.
 *
 * Chunks come and go meanwhile (a stream, merges, a clean-up), so what is missing is judged by a
 * list and by snapshots that are read when all the rest is done.
 */
#include "verify_internal.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/workers.h"
#include "codec/digest.h"
#include "postgres/wal_page.h"
#include "repository/archived_wal.h"
#include "repository/sealing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each holds a chunk, up to 64 MiB, and its object. */
enum { WAL_THREADS = 2, WAL_BLOCK_BYTES = 8192, GAPS_MAX = 1000 };

static bool overlaps(const struct snapshot_wal_range *range, const struct wal_chunk *chunk)
{
    return range->timeline == chunk->timeline && range->start_lsn < chunk->end_lsn &&
           range->end_lsn > chunk->start_lsn;
}

/* Whether this snapshot does not become consistent without the chunk. */
static bool relies_on(const struct snapshot_info *info, const struct wal_chunk *chunk)
{
    for (size_t i = 0; i < archived_wal_count(info); i++) {
        struct snapshot_wal_range range = archived_wal_range(info, i);
        if (overlaps(&range, chunk))
            return true;
    }
    return false;
}

static bool is_wanted(const struct verify_job *job, const struct wal_chunk *chunk)
{
    char key[WAL_KEY_SIZE];
    (void)wal_chunk_key(chunk, key);
    if (!verify_is_in_part(job->options, digest_xxh3(key, strlen(key)) >> 8))
        return false;
    if (job->options->snapshot == NULL)
        return true;
    for (size_t i = 0; i < job->catalog.count; i++)
        if (verify_is_wanted(job, i) && relies_on(&job->catalog.entries[i].info, chunk))
            return true;
    return false;
}

bool verify_wal_collect(struct verify_job *job, struct error *err)
{
    size_t kept = 0;
    if (!wal_catalog_load(job->repository, 0, 0, &job->wal, err))
        return false;
    for (size_t i = 0; i < job->wal.count; i++)
        if (is_wanted(job, &job->wal.chunks[i]))
            job->wal.chunks[kept++] = job->wal.chunks[i];
    job->wal.count = kept;
    return true;
}

uint64_t verify_wal_bytes(const struct verify_job *job)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->wal.count; i++)
        bytes += job->wal.chunks[i].size_bytes;
    return bytes;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The release whose WAL it is, as the newest snapshot of that system says; 0: nobody knows. */
static int server_version_of(const struct verify_job *job, uint64_t system_identifier)
{
    for (size_t i = job->catalog.count; i-- > 0;) {
        const struct catalog_entry *entry = &job->catalog.entries[i];
        if (entry->readable && entry->info.system_identifier == system_identifier)
            return (int)entry->info.server_version_num;
    }
    return 0;
}

static bool check_pages(const struct verify_job *job, const struct wal_chunk *chunk,
                        const struct wal_source *source, const uint8_t *wal, struct error *err)
{
    char key[WAL_KEY_SIZE];
    struct wal_page_rules rules = {
        .system_identifier = source->system_identifier,
        .timeline = chunk->timeline,
        .segment_bytes = source->segment_bytes,
        .block_bytes = WAL_BLOCK_BYTES,
        .server_version = server_version_of(job, source->system_identifier),
    };
    if (rules.server_version == 0)
        return true;
    return wal_pages_check(&rules, chunk->start_lsn, wal,
                           (size_t)(chunk->end_lsn - chunk->start_lsn), err) ||
           error_wrap(err, "WAL chunk \"%s\" is damaged", wal_chunk_key(chunk, key));
}

static bool check_chunk(const struct verify_job *job, const struct wal_chunk *chunk,
                        struct error *err)
{
    struct wal_source source;
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    CLEANUP(free_pointer) uint8_t *wal = NULL;
    if (!repository_can_read(job->repository))
        return wal_chunk_check_sealed(job->repository, chunk, err);
    if (!wal_chunk_source(job->repository, chunk, &source, err))
        return false;
    if (source.segment_bytes == 0)
        return error_set(err, ERROR_CORRUPT, "it names a segment size of 0");
    wal = malloc(len);
    if (wal == NULL)
        return error_no_memory(err, "a WAL chunk");
    return wal_chunk_read(job->repository, chunk, &source, chunk->start_lsn, len, wal, err) &&
           check_pages(job, chunk, &source, wal, err);
}

/* Snapshots that rely on the chunk, and how far a recovery comes without it. */
static bool report_chunk(struct verify_job *job, const struct wal_chunk *chunk, const char *text,
                         struct error *err)
{
    char key[WAL_KEY_SIZE];
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    struct verify_problem *problem = verify_add_problem(job->report, wal_chunk_key(chunk, key),
                                                        text, err);
    if (problem == NULL)
        return false;
    problem->lost = text_format("no recovery on timeline %" PRIu32 " goes through %s to %s",
                                chunk->timeline, text_lsn(chunk->start_lsn, from),
                                text_lsn(chunk->end_lsn, to));
    if (problem->lost == NULL)
        return error_no_memory(err, "the report");
    for (size_t i = 0; i < job->catalog.count; i++) {
        const struct catalog_entry *entry = &job->catalog.entries[i];
        if (entry->readable && relies_on(&entry->info, chunk) &&
            !verify_append_text(&problem->snapshots, &problem->snapshot_count, entry->info.id, err))
            return false;
    }
    return true;
}

/* One that is not there any more was merged or removed: what is missing in the end is told then. */
static bool note_chunk(struct verify_job *job, const struct wal_chunk *chunk, bool sound,
                       struct error *err)
{
    char text[sizeof err->text];
    struct verify_report *report = job->report;
    bool gone = !sound && err->kind == ERROR_NOT_FOUND;
    bool keep_going = sound || verify_is_about_the_object(err->kind);
    (void)pthread_mutex_lock(&job->lock);
    report->wal_checked += gone ? 0 : 1;
    report->bytes_read += gone ? 0 : chunk->size_bytes;
    if (!sound && keep_going && !gone) {
        memcpy(text, err->text, sizeof text);
        keep_going = report_chunk(job, chunk, text, err);
    }
    (void)pthread_mutex_unlock(&job->lock);
    if (job->options->progress != NULL)
        progress_add(&job->options->progress->bytes_done, chunk->size_bytes);
    return keep_going;
}

static const struct wal_chunk *take_chunk(struct verify_job *job)
{
    (void)pthread_mutex_lock(&job->lock);
    const struct wal_chunk *chunk = job->next < job->wal.count ? &job->wal.chunks[job->next++]
                                                               : NULL;
    (void)pthread_mutex_unlock(&job->lock);
    return chunk;
}

static bool check_chunks(struct workers *workers, void *context, struct error *err)
{
    struct verify_job *job = context;
    while (!workers_failed(workers)) {
        const struct wal_chunk *chunk = take_chunk(job);
        if (chunk == NULL)
            break;
        bool sound = stop_check(err) && check_chunk(job, chunk, err);
        if (!note_chunk(job, chunk, sound, err))
            return false;
    }
    return true;
}

static bool check_history(struct verify_job *job, uint32_t timeline, struct error *err)
{
    char key[HISTORY_KEY_SIZE];
    struct error finding = {0};
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 20);
    if (history_get(job->repository, timeline, &text, &finding))
        return true;
    *err = finding;
    if (!verify_is_about_the_object(finding.kind))
        return false;
    (void)snprintf(key, sizeof key, "history/%08" PRIx32 ".history", timeline);
    struct verify_problem *problem = verify_add_problem(job->report, key, finding.text, err);
    if (problem == NULL)
        return false;
    problem->lost = text_format("no recovery follows timeline %" PRIu32, timeline);
    return problem->lost != NULL || error_no_memory(err, "the report");
}

/* Chunks are sorted by timeline. Timeline 1 has no history. */
static bool check_histories(struct verify_job *job, struct error *err)
{
    uint32_t last = 1;
    for (size_t i = 0; i < job->wal.count; i++) {
        uint32_t timeline = job->wal.chunks[i].timeline;
        if (timeline == last)
            continue;
        last = timeline;
        if (timeline != 1 && !check_history(job, timeline, err))
            return false;
    }
    return true;
}

bool verify_wal_read(struct verify_job *job, struct error *err)
{
    if (job->wal.count == 0)
        return true;
    job->next = 0;
    (void)pthread_mutex_init(&job->lock, NULL);
    bool done = workers_run(workers_count(job->options->threads, WAL_THREADS), check_chunks, job,
                            err);
    (void)pthread_mutex_destroy(&job->lock);
    return done && check_histories(job, err);
}

/* --- what is missing ----------------------------------------------------------------------------
 */

static bool report_missing(struct verify_job *job, const struct snapshot_info *info,
                           const struct snapshot_wal_range *missing, struct error *err)
{
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    char object[sizeof "wal/00000000"];
    (void)snprintf(object, sizeof object, "wal/%08" PRIx32, missing->timeline);
    CLEANUP(free_pointer)
    char *text = text_format("the WAL from %s to %s, on which the snapshot relies, is missing",
                             text_lsn(missing->start_lsn, from), text_lsn(missing->end_lsn, to));
    if (text == NULL)
        return error_no_memory(err, "the report");
    struct verify_problem *problem = verify_add_problem(job->report, object, text, err);
    return problem != NULL &&
           verify_append_text(&problem->snapshots, &problem->snapshot_count, info->id, err);
}

static bool add_gap(struct verify_report *report, const struct snapshot_wal_range *gap,
                    struct error *err)
{
    if (report->gap_count == GAPS_MAX)
        return true;
    struct snapshot_wal_range *gaps = reallocarray(report->gaps, report->gap_count + 1,
                                                   sizeof *gaps);
    if (gaps == NULL)
        return error_no_memory(err, "the report");
    report->gaps = gaps;
    gaps[report->gap_count++] = *gap;
    return true;
}

/* Between the first and the last WAL of each timeline. */
static bool find_gaps(struct verify_job *job, const struct wal_catalog *wal, struct error *err)
{
    uint64_t reach = 0;
    for (size_t i = 0; i < wal->count; i++) {
        const struct wal_chunk *chunk = &wal->chunks[i];
        bool first = i == 0 || chunk->timeline != wal->chunks[i - 1].timeline;
        struct snapshot_wal_range gap = {
            .timeline = chunk->timeline, .start_lsn = reach, .end_lsn = chunk->start_lsn};
        if (!first && chunk->start_lsn > reach && !add_gap(job->report, &gap, err))
            return false;
        reach = first || chunk->end_lsn > reach ? chunk->end_lsn : reach;
    }
    return true;
}

/* A snapshot that is removed meanwhile takes its WAL with it: verify.c drops what is said of it. */
bool verify_wal_find_missing(struct verify_job *job, struct error *err)
{
    struct snapshot_wal_range missing;
    CLEANUP(wal_catalog_release) struct wal_catalog wal = {0};
    if (!wal_catalog_load(job->repository, 0, 0, &wal, err))
        return false;
    for (size_t i = 0; i < job->catalog.count; i++) {
        const struct catalog_entry *entry = &job->catalog.entries[i];
        if (entry->readable && verify_is_wanted(job, i) &&
            archived_wal_missing(&entry->info, &wal, &missing) &&
            !report_missing(job, &entry->info, &missing, err))
            return false;
    }
    return job->options->snapshot != NULL || find_gaps(job, &wal, err);
}
