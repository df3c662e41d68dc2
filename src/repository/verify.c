/*
 * Collect what the snapshots need (pack by pack), compare with what the store lists, read every
 * pack in parallel, then the WAL (verify_wal.c), then say for each problem which snapshots and
 * files it hits. A snapshot that a clean-up removes meanwhile is no problem: its manifest goes
 * first, so what is found missing is judged by the manifests that are there at the end.
 */
#include "verify_internal.h"

#include "base/stop.h"
#include "base/workers.h"
#include "repository/manifest.h"
#include "repository/pack_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEFAULT_THREADS = 4, FILES_SHOWN = 5 };

static void problem_release(struct verify_problem *problem)
{
    for (size_t i = 0; i < problem->snapshot_count; i++)
        free(problem->snapshots[i]);
    for (size_t i = 0; i < problem->file_count; i++)
        free(problem->files[i]);
    free(problem->snapshots);
    free(problem->files);
    free(problem->object);
    free(problem->text);
    free(problem->lost);
}

void verify_report_release(struct verify_report *report)
{
    for (size_t i = 0; i < report->problem_count; i++)
        problem_release(&report->problems[i]);
    free(report->problems);
    free(report->gaps);
    *report = (struct verify_report){0};
}

struct verify_problem *verify_add_problem(struct verify_report *report, const char *object,
                                          const char *text, struct error *err)
{
    struct verify_problem *problems = realloc(report->problems,
                                              (report->problem_count + 1) * sizeof *problems);
    if (problems == NULL) {
        (void)error_no_memory(err, "the report");
        return NULL;
    }
    report->problems = problems;
    struct verify_problem *problem = &problems[report->problem_count++];
    *problem = (struct verify_problem){.object = strdup(object), .text = strdup(text)};
    if (problem->object == NULL || problem->text == NULL) {
        (void)error_no_memory(err, "the report");
        return NULL;
    }
    return problem;
}

bool verify_append_text(char ***list, size_t *count, const char *text, struct error *err)
{
    char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (grown == NULL)
        return error_no_memory(err, "the report");
    *list = grown;
    grown[*count] = strdup(text);
    if (grown[*count] == NULL)
        return error_no_memory(err, "the report");
    (*count)++;
    return true;
}

/* The id stands in the key, for manifests that cannot be read. */
static const char *entry_id(const struct catalog_entry *entry, char out[SNAPSHOT_ID_SIZE])
{
    const char *dash = strchr(entry->key, '-');
    (void)snprintf(out, SNAPSHOT_ID_SIZE, "%.16s",
                   entry->readable ? entry->info.id
                   : dash != NULL  ? dash + 1
                                   : "?");
    return out;
}

bool verify_is_about_the_object(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_UNSUPPORTED || kind == ERROR_REFUSED ||
           kind == ERROR_NOT_FOUND;
}

static bool bad_manifest(struct verify_job *job, const struct catalog_entry *entry,
                         const char *text, struct error *err)
{
    char id[SNAPSHOT_ID_SIZE];
    struct verify_problem *problem = verify_add_problem(job->report, entry->key, text, err);
    return problem != NULL && verify_append_text(&problem->snapshots, &problem->snapshot_count,
                                                 entry_id(entry, id), err);
}

static bool add_need(struct verify_job *job, const struct verify_need *need, struct error *err)
{
    if (job->need_count == job->need_capacity) {
        size_t capacity = job->need_capacity == 0 ? 256 : 2 * job->need_capacity;
        struct verify_need *needs = realloc(job->needs, capacity * sizeof *needs);
        if (needs == NULL)
            return error_no_memory(err, "the list of packs");
        job->needs = needs;
        job->need_capacity = capacity;
    }
    job->needs[job->need_count++] = *need;
    return true;
}

static bool count_pages(void *pages, uint64_t block, const struct page_run *run, struct error *err)
{
    (void)block;
    (void)err;
    if (run->is_data)
        ((uint64_t *)pages)[run->pack] += run->count;
    return true;
}

static bool collect_needs(struct verify_job *job, uint32_t snapshot,
                          const struct manifest *manifest, struct error *err)
{
    uint64_t *pages = calloc(manifest->pack_count + 1, sizeof *pages);
    bool done = pages != NULL || error_no_memory(err, "the list of packs");
    for (size_t i = 0; done && i < manifest->entry_count; i++)
        if (manifest->entries[i].kind == ENTRY_FILE)
            done = manifest_visit_runs(&manifest->entries[i], count_pages, pages, err);
    for (size_t i = 0; done && i < manifest->pack_count; i++) {
        struct verify_need need = {
            .ref = manifest->packs[i], .snapshot = snapshot, .pages = pages[i]};
        done = add_need(job, &need, err);
    }
    free(pages);
    return done;
}

static bool collect_snapshot(struct verify_job *job, uint32_t snapshot, struct error *err)
{
    struct manifest manifest;
    const struct catalog_entry *entry = &job->catalog.entries[snapshot];
    job->report->snapshots_checked++;
    job->report->bytes_read += entry->size_bytes;
    if (!entry->readable)
        return bad_manifest(job, entry, entry->problem, err);
    if (!manifest_load(job->repository, entry->key, &manifest, err))
        return verify_is_about_the_object(err->kind) && bad_manifest(job, entry, err->text, err);
    bool done = collect_needs(job, snapshot, &manifest, err);
    manifest_release(&manifest);
    return done;
}

static int compare_needs(const void *a, const void *b)
{
    const struct verify_need *left = a;
    const struct verify_need *right = b;
    int order = memcmp(left->ref.id, right->ref.id, PACK_ID_BYTES);
    if (order != 0)
        return order;
    return left->snapshot < right->snapshot ? -1 : left->snapshot > right->snapshot;
}

static bool same_pack(const struct verify_need *a, const struct verify_need *b)
{
    return memcmp(a->ref.id, b->ref.id, PACK_ID_BYTES) == 0;
}

/* Behind the last need of the pack that begins at `first`. */
static size_t pack_end(const struct verify_job *job, size_t first)
{
    size_t end = first + 1;
    while (end < job->need_count && same_pack(&job->needs[end], &job->needs[first]))
        end++;
    return end;
}

static bool take_listing(void *context, const struct store_object *object, struct error *err)
{
    struct verify_job *job = context;
    uint8_t id[PACK_ID_BYTES];
    size_t low = 0;
    size_t high = job->need_count;
    (void)err;
    if (!pack_id_from_key(object->key, id))
        return true;
    while (low < high) { /* the first need of this pack */
        size_t middle = low + (high - low) / 2;
        if (memcmp(job->needs[middle].ref.id, id, PACK_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < job->need_count && memcmp(job->needs[low].ref.id, id, PACK_ID_BYTES) == 0)
        job->listed[low] = object->size_bytes + 1;
    else
        job->report->unreferenced_packs++;
    return true;
}

static bool report_pack(struct verify_job *job, size_t first, const char *text, struct error *err)
{
    char key[PACK_KEY_SIZE];
    char id[SNAPSHOT_ID_SIZE];
    size_t end = pack_end(job, first);
    struct verify_problem *problem = verify_add_problem(
        job->report, pack_key(job->needs[first].ref.id, key), text, err);
    if (problem == NULL)
        return false;
    for (size_t i = first; i < end; i++) {
        const struct catalog_entry *entry = &job->catalog.entries[job->needs[i].snapshot];
        if (!verify_append_text(&problem->snapshots, &problem->snapshot_count, entry_id(entry, id),
                                err))
            return false;
    }
    problem->pages_hit = job->needs[end - 1].pages;
    return true;
}

static bool decode_frames(const struct buf *pack, const struct pack_index *index,
                          struct codec_context *codec, const char *what, struct error *err)
{
    uint8_t *pages = malloc(FRAME_BYTES);
    bool done = pages != NULL || error_no_memory(err, "a frame");
    for (uint32_t i = 0; done && i < index->frame_count; i++)
        done = pack_frame_decode(index, &index->frames[i], codec,
                                 pack->data + index->frames[i].offset, pages, what, err);
    free(pages);
    return done;
}

/* Reads and decodes one pack. ERROR_CORRUPT is the finding. */
static bool read_pack(struct verify_job *job, size_t first, struct buf *buffer,
                      struct codec_context *codec, struct error *err)
{
    char key[PACK_KEY_SIZE];
    char label[PACK_KEY_SIZE + 8];
    struct pack_index index;
    const struct pack_ref *ref = &job->needs[first].ref;
    (void)snprintf(label, sizeof label, "pack \"%s\"", pack_key(ref->id, key));
    if (job->listed[first] == 0)
        return error_set(err, ERROR_CORRUPT, "%s is missing from the store", label);
    if (job->listed[first] - 1 != ref->size_bytes)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it has %llu bytes instead of %llu",
                         label, (unsigned long long)(job->listed[first] - 1),
                         (unsigned long long)ref->size_bytes);
    for (size_t i = first + 1; i < pack_end(job, first); i++)
        if (memcmp(&job->needs[i].ref, ref, sizeof *ref) != 0)
            return error_set(err, ERROR_CORRUPT, "%s is described in two ways by two manifests",
                             label);
    if (!pack_read_whole(job->repository, ref, buffer, &index, err))
        return false;
    /* Without the key to its content: that it is, byte for byte, what the manifest names. */
    bool done = !repository_can_read(job->repository) ||
                decode_frames(buffer, &index, codec, label, err);
    pack_index_release(&index);
    return done;
}

/* The next pack to read, or need_count. */
static size_t take_pack(struct verify_job *job)
{
    (void)pthread_mutex_lock(&job->lock);
    size_t first = job->next;
    if (first < job->need_count)
        job->next = pack_end(job, first);
    (void)pthread_mutex_unlock(&job->lock);
    return first;
}

/* A damaged object is a finding; everything else (the store does not answer) ends the check. */
static bool note_result(struct verify_job *job, size_t first, bool sound, struct error *err)
{
    const struct pack_ref *ref = &job->needs[first].ref;
    struct verify_report *report = job->report;
    char text[sizeof err->text];
    bool keep_going = sound || verify_is_about_the_object(err->kind);
    (void)pthread_mutex_lock(&job->lock);
    report->packs_checked++;
    report->pages_checked += sound && report->opened ? ref->page_count : 0;
    report->bytes_read += ref->size_bytes;
    if (!sound && keep_going) {
        memcpy(text, err->text, sizeof text);
        keep_going = report_pack(job, first, text, err);
    }
    (void)pthread_mutex_unlock(&job->lock);
    if (job->options->progress != NULL)
        progress_add(&job->options->progress->bytes_done, ref->size_bytes);
    return keep_going;
}

static bool check_packs(struct workers *workers, void *context, struct error *err)
{
    struct verify_job *job = context;
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    CLEANUP(buf_release) struct buf buffer;
    buf_init(&buffer, PACK_MAX_BYTES);
    if (!codec_context_new(&codec, err))
        return false;
    while (!workers_failed(workers)) {
        size_t first = take_pack(job);
        if (first >= job->need_count)
            break;
        bool sound = stop_check(err) && read_pack(job, first, &buffer, codec, err);
        if (!note_result(job, first, sound, err))
            return false;
    }
    return true;
}

static bool read_packs(struct verify_job *job, struct error *err)
{
    (void)pthread_mutex_init(&job->lock, NULL);
    bool done = workers_run(workers_count(job->options->threads, MAX_DEFAULT_THREADS), check_packs,
                            job, err);
    (void)pthread_mutex_destroy(&job->lock);
    return done;
}

static bool file_uses(const struct manifest *manifest, const struct manifest_entry *entry,
                      const char *object)
{
    struct page_map_reader map;
    struct page_run run;
    struct error ignored;
    bool found = true;
    char key[PACK_KEY_SIZE];
    if (entry->kind != ENTRY_FILE)
        return false;
    page_map_reader_init(&map, entry->map, entry->map_bytes, page_count_of(entry->size_bytes),
                         entry->path);
    while (page_map_reader_next(&map, &run, &found, &ignored) && found)
        if (run.is_data && strcmp(pack_key(manifest->packs[run.pack].id, key), object) == 0)
            return true;
    return false;
}

/* Names the files of the newest snapshot that a damaged pack hits. */
static bool name_files(struct verify_job *job, struct verify_problem *problem, struct error *err)
{
    const struct catalog_entry *entry;
    struct manifest manifest;
    if (problem->pages_hit == 0 || problem->snapshot_count == 0)
        return true;
    if (!catalog_find(&job->catalog, problem->snapshots[problem->snapshot_count - 1], &entry,
                      err) ||
        !manifest_load(job->repository, entry->key, &manifest, err))
        return err->kind == ERROR_NOT_FOUND; /* removed in this moment */
    bool done = true;
    for (size_t i = 0; done && i < manifest.entry_count; i++) {
        if (!file_uses(&manifest, &manifest.entries[i], problem->object))
            continue;
        if (problem->files_hit++ < FILES_SHOWN)
            done = verify_append_text(&problem->files, &problem->file_count,
                                      manifest.entries[i].path, err);
    }
    manifest_release(&manifest);
    return done;
}

/* Names of packs are hashes: their first bytes divide them evenly, and the same way every time. */
static uint32_t pack_number(const struct verify_need *need)
{
    return (uint32_t)need->ref.id[0] << 16 | (uint32_t)need->ref.id[1] << 8 | need->ref.id[2];
}

bool verify_is_in_part(const struct verify_options *options, uint64_t number)
{
    return options->parts <= 1 || number % options->parts == options->part - 1;
}

static void keep_part(struct verify_job *job)
{
    size_t kept = 0;
    for (size_t i = 0; i < job->need_count; i++) {
        if (verify_is_in_part(job->options, pack_number(&job->needs[i])))
            job->needs[kept++] = job->needs[i];
    }
    job->need_count = kept;
}

bool verify_is_wanted(const struct verify_job *job, size_t snapshot)
{
    return job->only == NULL || job->only == &job->catalog.entries[snapshot];
}

static bool collect(struct verify_job *job, struct error *err)
{
    if (job->options->snapshot != NULL &&
        !catalog_find(&job->catalog, job->options->snapshot, &job->only, err))
        return false;
    for (size_t i = 0; i < job->catalog.count; i++)
        if (verify_is_wanted(job, i) && !collect_snapshot(job, (uint32_t)i, err))
            return false;
    keep_part(job);
    if (job->need_count > 0)
        qsort(job->needs, job->need_count, sizeof *job->needs, compare_needs);
    job->listed = calloc(job->need_count + 1, sizeof *job->listed);
    return job->listed != NULL || error_no_memory(err, "the list of packs");
}

static void set_total(struct verify_job *job)
{
    uint64_t total = verify_wal_bytes(job);
    for (size_t i = 0; i < job->need_count; i = pack_end(job, i))
        total += job->needs[i].ref.size_bytes;
    if (job->options->progress != NULL) {
        atomic_store(&job->options->progress->bytes_total, total);
        atomic_store(&job->options->progress->phase, "verifying");
    }
}

/* Drops what is said of snapshots that are not there any more; a problem of them alone, too. */
static void forget_removed(struct verify_problem *problem, const struct catalog *now)
{
    size_t kept = 0;
    for (size_t i = 0; i < problem->snapshot_count; i++) {
        char id[SNAPSHOT_ID_SIZE];
        bool there = false;
        for (size_t j = 0; j < now->count && !there; j++)
            there = strcmp(entry_id(&now->entries[j], id), problem->snapshots[i]) == 0;
        if (there)
            problem->snapshots[kept++] = problem->snapshots[i];
        else
            free(problem->snapshots[i]);
    }
    problem->snapshot_count = kept;
}

static bool judge_again(struct verify_job *job, struct error *err)
{
    struct catalog now;
    size_t kept = 0;
    struct verify_report *report = job->report;
    if (report->problem_count == 0)
        return true;
    if (!catalog_load(job->repository, &now, err))
        return false;
    for (size_t i = 0; i < report->problem_count; i++) {
        struct verify_problem *problem = &report->problems[i];
        bool had_snapshots = problem->snapshot_count > 0;
        forget_removed(problem, &now);
        if (had_snapshots && problem->snapshot_count == 0 && problem->lost == NULL)
            problem_release(problem);
        else
            report->problems[kept++] = *problem;
    }
    report->problem_count = kept;
    catalog_release(&now);
    return true;
}

static bool run(struct verify_job *job, struct error *err)
{
    if (!collect(job, err) || !verify_wal_collect(job, err) ||
        !store_list(job->repository->store, "packs/", take_listing, job, err))
        return false;
    /* With one snapshot or part only, the packs of the others are not garbage. */
    if (job->options->snapshot != NULL || job->options->parts > 1)
        job->report->unreferenced_packs = 0;
    set_total(job);
    if (!read_packs(job, err) || !verify_wal_read(job, err) || !verify_wal_find_missing(job, err) ||
        !judge_again(job, err))
        return false;
    for (size_t i = 0; i < job->report->problem_count; i++)
        if (!name_files(job, &job->report->problems[i], err))
            return false;
    return true;
}

bool verify_run(const struct repository *repository, const struct verify_options *options,
                struct verify_report *out, struct error *err)
{
    struct verify_report report = {.opened = repository_can_read(repository)};
    struct verify_job job = {.repository = repository, .options = options, .report = &report};
    bool done = catalog_load(repository, &job.catalog, err) && run(&job, err);
    catalog_release(&job.catalog);
    wal_catalog_release(&job.wal);
    free(job.needs);
    free(job.listed);
    if (!done) {
        verify_report_release(&report);
        return error_wrap(err, "could not verify the repository");
    }
    *out = report;
    return true;
}
