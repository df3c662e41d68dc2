/*
 * add -> [todo] -> compress threads -> slots, in order -> assemble thread -> [full] -> put threads
 *
 * Frames and pack buffers are allocated once and go round through the `free` queues: that is the
 * bound on memory. The assembler takes frames strictly in order, so packs hold the pages in the
 * order in which they came; what it does is all that is not done side by side, so it only copies.
 * Sealing and hashing are the put threads' work.
 */
#include "repository/pack_writer.h"

#include "base/queue.h"
#include "base/secret.h"
#include "codec/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 16, INDEX_MAX_BYTES = 1 << 20 };

struct frame_job {
    uint64_t number; /* 0, 1, 2, ...: the order of assembly */
    uint32_t pages;
    enum codec codec;
    size_t stored_bytes;
    uint8_t *stored;
    uint64_t hashes[FRAME_PAGES];
    uint8_t raw[FRAME_BYTES];
};

struct pack_build {
    struct buf bytes;
    struct pack_index index; /* arrays sized for PACK_MAX_PAGES */
    uint32_t first_sequence;
    uint32_t index_bytes;
    size_t number;
    uint8_t wrapped[CONTENT_WRAPPED_BYTES]; /* of a sealed repository */
};

struct pack_writer {
    const struct repository *repository;
    struct pack_writer_options options;

    struct frame_job *current; /* being filled by pack_writer_add */
    uint64_t next_frame;
    uint32_t next_sequence;

    struct queue free_frames;
    struct queue todo;
    struct queue free_packs;
    struct queue full;

    struct frame_job
        *jobs; /* all of them; slots[i] is the compressed frame with number % count = i */
    struct frame_job **slots;
    size_t job_count;
    struct pack_build *builds;
    size_t build_count;

    pthread_mutex_t lock; /* slots, input_ended, failure, packs */
    pthread_cond_t changed;
    bool input_ended;
    bool failed;
    struct error failure;
    struct written_pack *packs;
    size_t pack_count;
    size_t pack_capacity;

    pthread_t threads[2 * MAX_THREADS + 1];
    size_t thread_count;
};

/* Keeps the first failure and wakes everybody up. */
static void fail(struct pack_writer *writer, const struct error *err)
{
    (void)pthread_mutex_lock(&writer->lock);
    if (!writer->failed) {
        writer->failed = true;
        writer->failure = *err;
    }
    (void)pthread_cond_broadcast(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
    queue_abort(&writer->free_frames);
    queue_abort(&writer->todo);
    queue_abort(&writer->free_packs);
    queue_abort(&writer->full);
}

static bool report_failure(struct pack_writer *writer, struct error *err)
{
    (void)pthread_mutex_lock(&writer->lock);
    *err = writer->failure;
    (void)pthread_mutex_unlock(&writer->lock);
    return false;
}

/* A frame that does not shrink is stored as it is. */
static bool compress_frame(struct pack_writer *writer, struct codec_context *codec,
                           struct frame_job *job, struct error *err)
{
    const struct repository_settings *settings = &writer->repository->settings;
    size_t raw_bytes = (size_t)job->pages * PAGE_BYTES;
    for (uint32_t i = 0; i < job->pages; i++)
        job->hashes[i] = digest_xxh3(job->raw + (size_t)i * PAGE_BYTES, PAGE_BYTES);
    job->codec = settings->codec;
    if (!codec_compress(codec, job->codec, settings->level, job->raw, raw_bytes, job->stored,
                        &job->stored_bytes, err))
        return false;
    if (job->codec != CODEC_NONE && job->stored_bytes >= raw_bytes) {
        job->codec = CODEC_NONE;
        job->stored_bytes = raw_bytes;
        memcpy(job->stored, job->raw, raw_bytes);
    }
    return true;
}

static void *compress_thread(void *argument)
{
    struct pack_writer *writer = argument;
    struct error err;
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    if (!codec_context_new(&codec, &err)) {
        fail(writer, &err);
        return NULL;
    }
    for (;;) {
        struct frame_job *job = queue_pop(&writer->todo);
        if (job == NULL)
            return NULL;
        if (!compress_frame(writer, codec, job, &err)) {
            fail(writer, &err);
            return NULL;
        }
        (void)pthread_mutex_lock(&writer->lock);
        writer->slots[job->number % writer->job_count] = job;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
    }
}

/* The frame with this number, or NULL when there will not be one (the end, or a failure). */
static struct frame_job *wait_for_frame(struct pack_writer *writer, uint64_t number)
{
    struct frame_job **slot = &writer->slots[number % writer->job_count];
    (void)pthread_mutex_lock(&writer->lock);
    while (*slot == NULL && !writer->failed &&
           !(writer->input_ended && number == writer->next_frame))
        (void)pthread_cond_wait(&writer->changed, &writer->lock);
    struct frame_job *job = writer->failed ? NULL : *slot;
    *slot = NULL;
    (void)pthread_mutex_unlock(&writer->lock);
    return job;
}

/* A sealed pack has a key of its own, which is forgotten when the pack is closed. */
static bool start_sealed(const struct repository *repository, struct pack_build *build,
                         struct error *err)
{
    struct content_key key;
    struct pack_index *index = &build->index;
    seal_id_new(repository, &index->seal);
    index->sealed_by = repository;
    if (!content_key_new(repository, &index->seal, &key, err))
        return false;
    memcpy(index->content_key, key.key, sizeof index->content_key);
    memcpy(build->wrapped, key.wrapped, sizeof build->wrapped);
    secret_wipe(&key, sizeof key);
    seal_head_put(&build->bytes, OBJECT_PACK, repository, &index->seal);
    return true;
}

static bool start_pack(struct pack_writer *writer, struct pack_build *build, size_t number,
                       uint32_t first_sequence)
{
    struct error err;
    buf_clear(&build->bytes);
    build->index.frame_count = 0;
    build->index.page_count = 0;
    build->number = number;
    build->first_sequence = first_sequence;
    if (repository_is_sealed(writer->repository)) {
        bool started = start_sealed(writer->repository, build, &err);
        if (!started)
            fail(writer, &err);
        return started;
    }
    envelope_put(&build->bytes, OBJECT_PACK, writer->repository);
    buf_put(&build->bytes, writer->options.writer_id, PACK_WRITER_BYTES);
    return true;
}

static bool pack_is_full(const struct pack_writer *writer, const struct pack_build *build,
                         const struct frame_job *job)
{
    return build->bytes.len + job->stored_bytes > writer->repository->settings.pack_bytes ||
           build->index.page_count + job->pages > PACK_MAX_PAGES;
}

/* A frame of a sealed pack gets its room here and is sealed in it by the put thread. */
static void append_frame(struct pack_build *build, const struct frame_job *job)
{
    struct pack_index *index = &build->index;
    index->frames[index->frame_count++] = (struct pack_frame){
        .offset = build->bytes.len,
        .stored_bytes = (uint32_t)job->stored_bytes,
        .first_ordinal = index->page_count,
        .page_count = (uint8_t)job->pages,
        .codec = (uint8_t)job->codec,
    };
    memcpy(index->page_hashes + index->page_count, job->hashes, job->pages * sizeof job->hashes[0]);
    index->page_count += job->pages;
    if (index->sealed_by == NULL) {
        buf_put(&build->bytes, job->stored, job->stored_bytes);
        return;
    }
    struct pack_frame *frame = &index->frames[index->frame_count - 1];
    frame->stored_bytes += SEAL_OVERHEAD;
    uint8_t *to = buf_reserve(&build->bytes, frame->stored_bytes);
    if (to == NULL)
        return; /* the buffer remembers, and close_pack says so */
    memcpy(to + SEAL_NONCE_BYTES, job->stored, job->stored_bytes);
    build->bytes.len += frame->stored_bytes;
}

/* Hands a pack with pages in it to the put threads. False when the writer failed meanwhile. */
static bool close_pack(struct pack_writer *writer, struct pack_build *build)
{
    struct error err;
    if (!buf_check(&build->bytes, "a pack", &err)) {
        fail(writer, &err);
        return false;
    }
    return queue_push(&writer->full, build);
}

static void *assemble_thread(void *argument)
{
    struct pack_writer *writer = argument;
    struct pack_build *build = NULL;
    size_t number = 0;
    uint32_t sequence = 0;
    for (uint64_t frame = 0;; frame++) {
        struct frame_job *job = wait_for_frame(writer, frame);
        if (job == NULL)
            break;
        if (build != NULL && pack_is_full(writer, build, job)) {
            if (!close_pack(writer, build))
                return NULL;
            build = NULL;
        }
        if (build == NULL) {
            build = queue_pop(&writer->free_packs);
            if (build == NULL)
                return NULL;
            if (!start_pack(writer, build, number++, sequence))
                return NULL;
        }
        append_frame(build, job);
        sequence += job->pages;
        if (!queue_push(&writer->free_frames, job))
            return NULL;
    }
    if (build != NULL && !close_pack(writer, build))
        return NULL;
    queue_close(&writer->full);
    return NULL;
}

static bool record_pack(struct pack_writer *writer, const struct pack_build *build,
                        const uint8_t id[PACK_ID_BYTES], struct error *err)
{
    struct written_pack written = {.ref = {.size_bytes = build->bytes.len,
                                           .index_bytes = build->index_bytes,
                                           .page_count = build->index.page_count,
                                           .seal = build->index.seal},
                                   .first_sequence = build->first_sequence};
    memcpy(written.ref.id, id, PACK_ID_BYTES);

    (void)pthread_mutex_lock(&writer->lock);
    bool done = true;
    if (build->number >= writer->pack_capacity) {
        size_t capacity = 2 * build->number + 16;
        struct written_pack *packs = realloc(writer->packs, capacity * sizeof *packs);
        done = packs != NULL || error_no_memory(err, "the list of packs");
        if (done) {
            writer->packs = packs;
            writer->pack_capacity = capacity;
        }
    }
    if (done) {
        writer->packs[build->number] = written;
        writer->pack_count++;
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return done;
}

static void seal_frames(struct pack_build *build)
{
    const struct pack_index *index = &build->index;
    struct seal_place place = {.kind = OBJECT_PACK, .id = index->seal, .name = ""};
    for (uint32_t i = 0; i < index->frame_count; i++) {
        uint8_t *at = build->bytes.data + index->frames[i].offset;
        place.position = i;
        content_seal(index->sealed_by, &place, index->content_key, at + SEAL_NONCE_BYTES,
                     index->frames[i].stored_bytes - SEAL_OVERHEAD, at);
    }
}

/* Behind the frames: the index. The key of the pack is not needed any more. */
static bool finish_pack(const struct pack_writer *writer, struct pack_build *build,
                        struct error *err)
{
    size_t frames_end = build->bytes.len;
    if (build->index.sealed_by == NULL) {
        pack_index_put(&build->bytes, &build->index);
        build->index_bytes = (uint32_t)(build->bytes.len - frames_end - PACK_TRAILER_BYTES);
        return buf_check(&build->bytes, "a pack", err);
    }
    seal_frames(build);
    bool done = pack_sealed_tail_put(writer->repository, &build->bytes, &build->index,
                                     build->wrapped, &build->index_bytes, err);
    secret_wipe(build->index.content_key, sizeof build->index.content_key);
    return done && buf_check(&build->bytes, "a pack", err);
}

static bool put_pack(struct pack_writer *writer, struct pack_build *build, struct error *err)
{
    uint8_t id[PACK_ID_BYTES];
    char key[PACK_KEY_SIZE];
    if (!finish_pack(writer, build, err))
        return false;
    digest_sha256(build->bytes.data, build->bytes.len, id);
    /* An object that already has this name has these bytes: names are hashes of the content. */
    if (!store_put(writer->repository->store, pack_key(id, key), build->bytes.data,
                   build->bytes.len, id, err) &&
        err->kind != ERROR_EXISTS)
        return error_wrap(err, "could not store pack \"%s\"", key);
    if (writer->options.progress != NULL) {
        progress_add(&writer->options.progress->bytes_stored, build->bytes.len);
        progress_add(&writer->options.progress->objects_stored, 1);
    }
    return record_pack(writer, build, id, err);
}

static void *put_thread(void *argument)
{
    struct pack_writer *writer = argument;
    for (;;) {
        struct error err;
        struct pack_build *build = queue_pop(&writer->full);
        if (build == NULL)
            return NULL;
        if (!put_pack(writer, build, &err)) {
            fail(writer, &err);
            return NULL;
        }
        if (!queue_push(&writer->free_packs, build))
            return NULL;
    }
}

static bool allocate_jobs(struct pack_writer *writer, struct error *err)
{
    size_t room = codec_bound(writer->repository->settings.codec, FRAME_BYTES);
    writer->job_count = 4 * (size_t)writer->options.threads + 4;
    writer->jobs = calloc(writer->job_count, sizeof *writer->jobs);
    writer->slots = calloc(writer->job_count, sizeof(struct frame_job *));
    if (writer->jobs == NULL || writer->slots == NULL)
        return error_no_memory(err, "page frames");
    if (!queue_init(&writer->free_frames, writer->job_count, err) ||
        !queue_init(&writer->todo, writer->job_count, err))
        return false;
    for (size_t i = 0; i < writer->job_count; i++) {
        writer->jobs[i].stored = malloc(room < FRAME_BYTES ? FRAME_BYTES : room);
        if (writer->jobs[i].stored == NULL || !queue_push(&writer->free_frames, &writer->jobs[i]))
            return error_no_memory(err, "page frames");
    }
    return true;
}

static bool allocate_builds(struct pack_writer *writer, struct error *err)
{
    size_t max_bytes = writer->repository->settings.pack_bytes + 2 * FRAME_BYTES + INDEX_MAX_BYTES;
    writer->build_count = (size_t)writer->options.uploads + 1;
    writer->builds = calloc(writer->build_count, sizeof *writer->builds);
    if (writer->builds == NULL)
        return error_no_memory(err, "packs");
    if (!queue_init(&writer->free_packs, writer->build_count, err) ||
        !queue_init(&writer->full, writer->build_count, err))
        return false;
    for (size_t i = 0; i < writer->build_count; i++) {
        struct pack_build *build = &writer->builds[i];
        buf_init(&build->bytes, max_bytes);
        build->index.frames = calloc(PACK_MAX_PAGES, sizeof *build->index.frames);
        build->index.page_hashes = calloc(PACK_MAX_PAGES, sizeof *build->index.page_hashes);
        /* Reserved whole at the start: growing later would copy and could double the memory. */
        if (build->index.frames == NULL || build->index.page_hashes == NULL ||
            buf_reserve(&build->bytes, max_bytes) == NULL ||
            !queue_push(&writer->free_packs, build))
            return error_no_memory(err, "packs");
    }
    return true;
}

static bool start_thread(struct pack_writer *writer, void *(*run)(void *), struct error *err)
{
    int result = pthread_create(&writer->threads[writer->thread_count], NULL, run, writer);
    if (result != 0)
        return error_set_errno(err, result, "could not start a thread");
    writer->thread_count++;
    return true;
}

static bool start_threads(struct pack_writer *writer, struct error *err)
{
    for (int i = 0; i < writer->options.threads; i++)
        if (!start_thread(writer, compress_thread, err))
            return false;
    for (int i = 0; i < writer->options.uploads; i++)
        if (!start_thread(writer, put_thread, err))
            return false;
    return start_thread(writer, assemble_thread, err);
}

static int clamp_threads(int wanted)
{
    if (wanted < 1)
        return 1;
    return wanted > MAX_THREADS ? MAX_THREADS : wanted;
}

bool pack_writer_new(const struct repository *repository, const struct pack_writer_options *options,
                     struct pack_writer **out, struct error *err)
{
    CLEANUP(pack_writer_cleanup) struct pack_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_no_memory(err, "a pack writer");
    writer->repository = repository;
    writer->options = *options;
    writer->options.threads = clamp_threads(options->threads);
    writer->options.uploads = clamp_threads(options->uploads);
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->changed, NULL);
    if (!allocate_jobs(writer, err) || !allocate_builds(writer, err) || !start_threads(writer, err))
        return false;
    *out = TAKE(writer);
    return true;
}

static bool submit_current(struct pack_writer *writer, struct error *err)
{
    struct frame_job *job = TAKE(writer->current);
    job->number = writer->next_frame;
    (void)pthread_mutex_lock(&writer->lock);
    writer->next_frame++;
    (void)pthread_mutex_unlock(&writer->lock);
    return queue_push(&writer->todo, job) || report_failure(writer, err);
}

bool pack_writer_add(struct pack_writer *writer, const void *page, uint32_t *out_sequence,
                     struct error *err)
{
    if (writer->next_sequence == UINT32_MAX)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot store more than 2^32 pages (32 TiB) in one snapshot");
    if (writer->current == NULL) {
        writer->current = queue_pop(&writer->free_frames);
        if (writer->current == NULL)
            return report_failure(writer, err);
        writer->current->pages = 0;
    }
    struct frame_job *job = writer->current;
    memcpy(job->raw + (size_t)job->pages * PAGE_BYTES, page, PAGE_BYTES);
    job->pages++;
    *out_sequence = writer->next_sequence++;
    return job->pages < FRAME_PAGES || submit_current(writer, err);
}

static void join_threads(struct pack_writer *writer)
{
    for (size_t i = 0; i < writer->thread_count; i++)
        (void)pthread_join(writer->threads[i], NULL);
    writer->thread_count = 0;
}

bool pack_writer_finish(struct pack_writer *writer, struct error *err)
{
    if (writer->current != NULL && !submit_current(writer, err))
        return false;
    queue_close(&writer->todo);
    (void)pthread_mutex_lock(&writer->lock);
    writer->input_ended = true;
    (void)pthread_cond_broadcast(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
    join_threads(writer);
    return !writer->failed || report_failure(writer, err);
}

const struct written_pack *pack_writer_packs(const struct pack_writer *writer, size_t *out_count)
{
    *out_count = writer->pack_count;
    return writer->packs;
}

static void release_buffers(struct pack_writer *writer)
{
    for (size_t i = 0; writer->jobs != NULL && i < writer->job_count; i++)
        free(writer->jobs[i].stored);
    for (size_t i = 0; writer->builds != NULL && i < writer->build_count; i++) {
        buf_release(&writer->builds[i].bytes);
        pack_index_release(&writer->builds[i].index);
    }
    free(writer->jobs);
    free(writer->slots);
    free(writer->builds);
    free(writer->packs);
}

void pack_writer_free(struct pack_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->thread_count > 0) {
        struct error abandoned;
        (void)error_set(&abandoned, ERROR_CANCELLED, "the snapshot was abandoned");
        fail(writer, &abandoned);
        join_threads(writer);
    }
    queue_release(&writer->free_frames);
    queue_release(&writer->todo);
    queue_release(&writer->free_packs);
    queue_release(&writer->full);
    release_buffers(writer);
    (void)pthread_mutex_destroy(&writer->lock);
    (void)pthread_cond_destroy(&writer->changed);
    free(writer);
}

void pack_writer_cleanup(struct pack_writer **writer)
{
    pack_writer_free(*writer);
    *writer = NULL;
}
