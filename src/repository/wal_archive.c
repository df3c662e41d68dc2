#include "repository/wal_archive.h"

#include "wal_sealed.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "repository/envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_WAL_BYTES = 256 << 10,
    FRAMES_MAX = WAL_CHUNK_MAX_BYTES / FRAME_WAL_BYTES,
    SOURCE_BYTES = 32, /* system, timeline, segment size, start, end */
    INDEX_ROW_BYTES = 16,
    INDEX_AT = ENVELOPE_BYTES + SOURCE_BYTES,
    HEAD_MAX_BYTES = INDEX_AT + FRAMES_MAX * INDEX_ROW_BYTES + 8,
    OBJECT_MAX_BYTES = WAL_CHUNK_MAX_BYTES + HEAD_MAX_BYTES + SHA256_BYTES,
    WHOLE_READ_BYTES = 1 << 20, /* up to here one request for the whole object is the cheapest */
    HISTORY_TEXT_MAX = 1 << 20,
    LABEL_SIZE = WAL_KEY_SIZE + 16,
};

struct frame {
    uint64_t offset; /* in the object */
    uint64_t hash;   /* of the WAL in it */
    uint32_t codec;
    uint32_t stored_bytes;
};

struct chunk_index {
    struct frame frames[FRAMES_MAX];
    size_t count;
};

static size_t frame_count(uint64_t wal_bytes)
{
    return (size_t)((wal_bytes + FRAME_WAL_BYTES - 1) / FRAME_WAL_BYTES);
}

/* All frames but the last are full, so the length of the head follows from the key. */
static size_t head_bytes(uint64_t wal_bytes)
{
    return INDEX_AT + frame_count(wal_bytes) * INDEX_ROW_BYTES + 8;
}

static size_t frame_wal_bytes(uint64_t wal_bytes, size_t at)
{
    uint64_t left = wal_bytes - (uint64_t)at * FRAME_WAL_BYTES;
    return left < FRAME_WAL_BYTES ? (size_t)left : FRAME_WAL_BYTES;
}

/* `WAL chunk "wal/00000001/….wal"`, for messages. */
static const char *chunk_label(const struct wal_chunk *chunk, char out[LABEL_SIZE])
{
    char key[WAL_KEY_SIZE];
    (void)snprintf(out, LABEL_SIZE, "WAL chunk \"%s\"", wal_chunk_key(chunk, key));
    return out;
}

/* --- names ------------------------------------------------------------------------------------ */

const char *wal_chunk_key(const struct wal_chunk *chunk, char out[WAL_KEY_SIZE])
{
    (void)snprintf(out, WAL_KEY_SIZE, "wal/%08" PRIx32 "/%016" PRIx64 "-%016" PRIx64 ".wal",
                   chunk->timeline, chunk->start_lsn, chunk->end_lsn);
    return out;
}

static bool hex_at(const char *text, size_t digits, uint64_t *out)
{
    char hex[17];
    uint8_t bytes[8];
    memcpy(hex, text, digits);
    hex[digits] = '\0';
    if (!text_from_hex(hex, bytes, digits / 2))
        return false;
    *out = 0;
    for (size_t i = 0; i < digits / 2; i++)
        *out = *out << 8 | bytes[i];
    return true;
}

bool wal_chunk_from_key(const char *key, struct wal_chunk *out)
{
    enum { TIMELINE_AT = 4, START_AT = 13, END_AT = 30 };
    uint64_t timeline;
    struct wal_chunk chunk = {0};
    char expected[WAL_KEY_SIZE];
    if (strlen(key) != WAL_KEY_SIZE - 1 || !hex_at(key + TIMELINE_AT, 8, &timeline) ||
        !hex_at(key + START_AT, 16, &chunk.start_lsn) || !hex_at(key + END_AT, 16, &chunk.end_lsn))
        return false;
    chunk.timeline = (uint32_t)timeline;
    if (timeline == 0 || chunk.end_lsn <= chunk.start_lsn ||
        chunk.end_lsn - chunk.start_lsn > WAL_CHUNK_MAX_BYTES ||
        strcmp(wal_chunk_key(&chunk, expected), key) != 0)
        return false;
    *out = chunk;
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Appends one frame; one that does not shrink is stored as it is. */
static bool put_frame(const struct repository_settings *settings, struct codec_context *codec,
                      const uint8_t *wal, size_t len, struct buf *out, struct frame *frame,
                      struct error *err)
{
    *frame = (struct frame){.hash = digest_xxh3(wal, len), .codec = settings->codec};
    size_t stored = 0;
    uint8_t *to = buf_reserve(out, codec_bound(settings->codec, len));
    if (to == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!codec_compress(codec, settings->codec, settings->level, wal, len, to, &stored, err))
        return false;
    if (settings->codec != CODEC_NONE && stored >= len) {
        memcpy(to, wal, len);
        stored = len;
        frame->codec = CODEC_NONE;
    }
    frame->stored_bytes = (uint32_t)stored;
    out->len += stored;
    return true;
}

static bool put_frames(const struct repository *repository, const uint8_t *wal, size_t len,
                       struct buf *out, struct chunk_index *index, struct error *err)
{
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    if (!codec_context_new(&codec, err))
        return false;
    index->count = frame_count(len);
    for (size_t i = 0; i < index->count; i++)
        if (!put_frame(&repository->settings, codec, wal + i * FRAME_WAL_BYTES,
                       frame_wal_bytes(len, i), out, &index->frames[i], err))
            return false;
    return true;
}

static void put_head(const struct repository *repository, const struct wal_source *source,
                     const struct wal_chunk *chunk, const struct chunk_index *index,
                     struct buf *out)
{
    envelope_put(out, OBJECT_WAL, repository);
    buf_put_u64(out, source->system_identifier);
    buf_put_u32(out, source->timeline);
    buf_put_u32(out, source->segment_bytes);
    buf_put_u64(out, chunk->start_lsn);
    buf_put_u64(out, chunk->end_lsn);
    for (size_t i = 0; i < index->count; i++) {
        buf_put_u32(out, index->frames[i].codec);
        buf_put_u32(out, index->frames[i].stored_bytes);
        buf_put_u64(out, index->frames[i].hash);
    }
    if (!out->failed)
        buf_put_u64(out, digest_xxh3(out->data, out->len));
}

/* The whole object in `out`; the head is written last, into the room left for it. */
static bool encode_chunk(const struct repository *repository, const struct wal_source *source,
                         const struct wal_chunk *chunk, const void *wal, struct buf *out,
                         struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    CLEANUP(buf_release) struct buf head;
    CLEANUP(free_pointer) struct chunk_index *index = calloc(1, sizeof *index);
    buf_init(&head, HEAD_MAX_BYTES);
    if (index == NULL || buf_reserve(out, head_bytes(len)) == NULL)
        return error_no_memory(err, "a WAL chunk");
    out->len += head_bytes(len);
    if (!put_frames(repository, wal, len, out, index, err))
        return false;
    put_head(repository, source, chunk, index, &head);
    if (!buf_check(&head, "a WAL chunk", err))
        return false;
    memcpy(out->data, head.data, head.len);
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
    return buf_check(out, "a WAL chunk", err);
}

/* --- reading ---------------------------------------------------------------------------------- */

bool wal_chunk_fetch(const struct repository *repository, const struct wal_chunk *chunk,
                     uint64_t offset, size_t len, uint8_t **out, struct error *err)
{
    size_t got;
    char key[WAL_KEY_SIZE];
    CLEANUP(free_pointer) uint8_t *bytes = malloc(len + 1);
    (void)wal_chunk_key(chunk, key);
    if (bytes == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!store_get(repository->store, key, offset, len, bytes, &got, err))
        return error_wrap(err, "could not read WAL chunk \"%s\"", key);
    if (got != len)
        return error_set(err, ERROR_CORRUPT,
                         "WAL chunk \"%s\" is damaged: it ends at byte %" PRIu64
                         " instead of %" PRIu64,
                         key, offset + got, chunk->size_bytes);
    *out = TAKE(bytes);
    return true;
}

static bool read_source(struct reader *reader, const struct wal_chunk *chunk,
                        const struct wal_source *source, struct error *err)
{
    uint64_t system;
    uint32_t timeline;
    uint32_t segment_bytes;
    uint64_t start;
    uint64_t end;
    if (!reader_u64(reader, &system, err) || !reader_u32(reader, &timeline, err) ||
        !reader_u32(reader, &segment_bytes, err) || !reader_u64(reader, &start, err) ||
        !reader_u64(reader, &end, err))
        return false;
    if (timeline != chunk->timeline || start != chunk->start_lsn || end != chunk->end_lsn)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it is not the one its name says",
                         reader->what);
    if (system != source->system_identifier || segment_bytes != source->segment_bytes)
        return error_set(
            err, ERROR_REFUSED,
            "cannot use %s: it comes from system %" PRIu64 " with WAL segments of %" PRIu32
            " bytes, not from %" PRIu64 " with %" PRIu32,
            reader->what, system, segment_bytes, source->system_identifier, source->segment_bytes);
    return true;
}

/* Frames follow each other without gaps from the head to the SHA-256 at the end. */
static bool read_rows(struct reader *reader, const struct wal_chunk *chunk,
                      struct chunk_index *index, struct error *err)
{
    uint64_t wal_bytes = chunk->end_lsn - chunk->start_lsn;
    uint64_t offset = head_bytes(wal_bytes);
    index->count = frame_count(wal_bytes);
    for (size_t i = 0; i < index->count; i++) {
        struct frame *frame = &index->frames[i];
        if (!reader_u32(reader, &frame->codec, err) ||
            !reader_u32(reader, &frame->stored_bytes, err) ||
            !reader_u64(reader, &frame->hash, err))
            return false;
        if (frame->codec >= CODEC_COUNT || frame->stored_bytes == 0 ||
            frame->stored_bytes > FRAME_WAL_BYTES)
            return error_set(err, ERROR_CORRUPT, "%s is damaged: its index is not sound",
                             reader->what);
        frame->offset = offset;
        offset += frame->stored_bytes;
    }
    return offset + SHA256_BYTES == chunk->size_bytes ||
           error_set(err, ERROR_CORRUPT, "%s is damaged: its frames do not fill it", reader->what);
}

static bool read_head(const struct repository *repository, const struct wal_chunk *chunk,
                      const struct wal_source *source, const uint8_t *head,
                      struct chunk_index *index, struct error *err)
{
    char label[LABEL_SIZE];
    struct reader reader;
    uint64_t hash;
    size_t len = head_bytes(chunk->end_lsn - chunk->start_lsn);
    reader_init(&reader, head, len, chunk_label(chunk, label));
    if (!envelope_check(&reader, OBJECT_WAL, repository, err))
        return false;
    struct reader last;
    reader_init(&last, head + len - 8, 8, label);
    if (!reader_u64(&last, &hash, err))
        return false;
    if (hash != digest_xxh3(head, len - 8))
        return error_set(err, ERROR_CORRUPT, "%s is damaged: its index is not sound", label);
    return read_source(&reader, chunk, source, err) && read_rows(&reader, chunk, index, err);
}

/* Decodes frame `at` into out (FRAME_WAL_BYTES). */
static bool decode_frame(const struct wal_chunk *chunk, const struct chunk_index *index, size_t at,
                         struct codec_context *codec, const uint8_t *stored, uint8_t *out,
                         struct error *err)
{
    char label[LABEL_SIZE];
    const struct frame *frame = &index->frames[at];
    size_t len = frame_wal_bytes(chunk->end_lsn - chunk->start_lsn, at);
    if (!codec_decompress(codec, (enum codec)frame->codec, stored, frame->stored_bytes, out, len,
                          err))
        return error_wrap(err, "%s is damaged at byte %" PRIu64, chunk_label(chunk, label),
                          frame->offset);
    if (digest_xxh3(out, len) != frame->hash)
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged at byte %" PRIu64 ": not the WAL that was stored",
                         chunk_label(chunk, label), frame->offset);
    return true;
}

/* Copies the WAL [from, from + len) of the chunk, counted from its start. `stored` holds the
 * object's bytes from stored_offset on. */
static bool decode_range(const struct wal_chunk *chunk, const struct chunk_index *index,
                         const uint8_t *stored, uint64_t stored_offset, uint64_t from, size_t len,
                         uint8_t *out, struct error *err)
{
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    CLEANUP(free_pointer) uint8_t *wal = malloc(FRAME_WAL_BYTES);
    if (wal == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!codec_context_new(&codec, err))
        return false;
    for (size_t done = 0; done < len;) {
        size_t at = (size_t)((from + done) / FRAME_WAL_BYTES);
        size_t skip = (size_t)((from + done) % FRAME_WAL_BYTES);
        size_t part = frame_wal_bytes(chunk->end_lsn - chunk->start_lsn, at) - skip;
        part = part < len - done ? part : len - done;
        if (!decode_frame(chunk, index, at, codec,
                          stored + (index->frames[at].offset - stored_offset), wal, err))
            return false;
        memcpy(out + done, wal + skip, part);
        done += part;
    }
    return true;
}

static bool read_whole(const struct repository *repository, const struct wal_chunk *chunk,
                       const struct wal_source *source, uint64_t from, size_t len, uint8_t *out,
                       struct error *err)
{
    char label[LABEL_SIZE];
    uint8_t hash[SHA256_BYTES];
    size_t checked = (size_t)chunk->size_bytes - SHA256_BYTES;
    CLEANUP(free_pointer) uint8_t *object = NULL;
    CLEANUP(free_pointer) struct chunk_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!wal_chunk_fetch(repository, chunk, 0, (size_t)chunk->size_bytes, &object, err) ||
        !read_head(repository, chunk, source, object, index, err))
        return false;
    digest_sha256(object, checked, hash);
    if (memcmp(hash, object + checked, sizeof hash) != 0)
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: its bytes do not have the SHA-256 at their end",
                         chunk_label(chunk, label));
    return decode_range(chunk, index, object, 0, from, len, out, err);
}

/* Two requests: the head, and the frames that hold the range. */
static bool read_part(const struct repository *repository, const struct wal_chunk *chunk,
                      const struct wal_source *source, uint64_t from, size_t len, uint8_t *out,
                      struct error *err)
{
    CLEANUP(free_pointer) uint8_t *head = NULL;
    CLEANUP(free_pointer) uint8_t *stored = NULL;
    CLEANUP(free_pointer) struct chunk_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!wal_chunk_fetch(repository, chunk, 0, head_bytes(chunk->end_lsn - chunk->start_lsn), &head,
                         err) ||
        !read_head(repository, chunk, source, head, index, err))
        return false;
    const struct frame *first = &index->frames[from / FRAME_WAL_BYTES];
    const struct frame *last = &index->frames[(from + len - 1) / FRAME_WAL_BYTES];
    return wal_chunk_fetch(repository, chunk, first->offset,
                           (size_t)(last->offset + last->stored_bytes - first->offset), &stored,
                           err) &&
           decode_range(chunk, index, stored, first->offset, from, len, out, err);
}

bool wal_chunk_read(const struct repository *repository, const struct wal_chunk *chunk,
                    const struct wal_source *source, uint64_t lsn, size_t len, void *out,
                    struct error *err)
{
    char label[LABEL_SIZE];
    uint64_t wal_bytes = chunk->end_lsn - chunk->start_lsn;
    if (chunk->end_lsn <= chunk->start_lsn || wal_bytes > WAL_CHUNK_MAX_BYTES ||
        lsn < chunk->start_lsn || lsn > chunk->end_lsn || len > chunk->end_lsn - lsn)
        return error_set(err, ERROR_INVALID, "%s does not hold the WAL that is asked of it",
                         chunk_label(chunk, label));
    if (repository_is_sealed(repository))
        return len == 0 || wal_sealed_read(repository, chunk, source, lsn, len, out, err);
    if (chunk->size_bytes < head_bytes(wal_bytes) + SHA256_BYTES ||
        chunk->size_bytes > OBJECT_MAX_BYTES)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it cannot have %" PRIu64 " bytes",
                         chunk_label(chunk, label), chunk->size_bytes);
    if (len == 0)
        return true;
    uint64_t from = lsn - chunk->start_lsn;
    if (chunk->size_bytes <= WHOLE_READ_BYTES || len == wal_bytes)
        return read_whole(repository, chunk, source, from, len, out, err);
    return read_part(repository, chunk, source, from, len, out, err);
}

bool wal_chunk_source(const struct repository *repository, const struct wal_chunk *chunk,
                      struct wal_source *out, struct error *err)
{
    char label[LABEL_SIZE];
    struct reader reader;
    struct wal_source source = {.timeline = chunk->timeline};
    size_t len = head_bytes(chunk->end_lsn - chunk->start_lsn);
    CLEANUP(free_pointer) uint8_t *head = NULL;
    CLEANUP(free_pointer) struct chunk_index *index = NULL;
    if (repository_is_sealed(repository))
        return wal_sealed_source(repository, chunk, out, err);
    index = calloc(1, sizeof *index);
    if (index == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!wal_chunk_fetch(repository, chunk, 0, len, &head, err))
        return false;
    reader_init(&reader, head + ENVELOPE_BYTES, SOURCE_BYTES, chunk_label(chunk, label));
    uint32_t timeline;
    if (!reader_u64(&reader, &source.system_identifier, err) ||
        !reader_u32(&reader, &timeline, err) || !reader_u32(&reader, &source.segment_bytes, err) ||
        !read_head(repository, chunk, &source, head, index, err))
        return false;
    *out = source;
    return true;
}

static bool is_same(const struct repository *repository, const struct wal_source *source,
                    const struct wal_chunk *chunk, const void *wal, bool *out, struct error *err)
{
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    if (repository_is_sealed(repository))
        return wal_sealed_compare(repository, chunk, source, wal, out, err);
    CLEANUP(free_pointer) uint8_t *stored = malloc(len);
    if (stored == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!wal_chunk_read(repository, chunk, source, chunk->start_lsn, len, stored, err))
        return false;
    *out = memcmp(stored, wal, len) == 0;
    return true;
}

/* The name is taken: by the same WAL (an answer that was lost), or by something else. */
static bool compare_stored(const struct repository *repository, const struct wal_source *source,
                           const struct wal_chunk *wanted, const void *wal, uint64_t *out_size,
                           struct error *err)
{
    char key[WAL_KEY_SIZE];
    struct store_object object;
    struct wal_chunk chunk = *wanted;
    bool same;
    if (!store_stat(repository->store, wal_chunk_key(&chunk, key), &object, err))
        return error_wrap(err, "could not compare WAL chunk \"%s\"", key);
    chunk.size_bytes = object.size_bytes;
    if (!is_same(repository, source, &chunk, wal, &same, err))
        return false;
    if (same) {
        *out_size = object.size_bytes;
        return true;
    }
    (void)error_set(err, ERROR_EXISTS,
                    "could not store WAL chunk \"%s\": the repository holds other WAL there", key);
    return error_hint(err, "Two servers write the same timeline, or the server went back to an "
                           "older state: give the other one a repository of its own.");
}

bool wal_chunk_put(const struct repository *repository, const struct wal_source *source,
                   uint64_t start_lsn, const void *bytes, size_t len, uint64_t *out_size,
                   struct error *err)
{
    char key[WAL_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    CLEANUP(buf_release) struct buf object;
    struct wal_chunk chunk = {
        .timeline = source->timeline, .start_lsn = start_lsn, .end_lsn = start_lsn + len};
    buf_init(&object, (size_t)2 * OBJECT_MAX_BYTES);
    (void)wal_chunk_key(&chunk, key);
    if (len == 0 || len > WAL_CHUNK_MAX_BYTES || chunk.end_lsn < start_lsn || source->timeline == 0)
        return error_set(err, ERROR_INVALID, "cannot store %zu bytes as WAL chunk \"%s\"", len,
                         key);
    if (repository_is_sealed(repository)
            ? !wal_sealed_encode(repository, source, &chunk, bytes, &object, err)
            : !encode_chunk(repository, source, &chunk, bytes, &object, err))
        return false;
    uint64_t size = object.len;
    digest_sha256(object.data, object.len, hash);
    if (!store_put(repository->store, key, object.data, object.len, hash, err)) {
        if (err->kind != ERROR_EXISTS)
            return error_wrap(err, "could not store WAL chunk \"%s\"", key);
        if (!compare_stored(repository, source, &chunk, bytes, &size, err))
            return false;
    }
    if (out_size != NULL)
        *out_size = size;
    return true;
}

/* --- catalog ---------------------------------------------------------------------------------- */

struct collector {
    struct wal_catalog catalog;
    size_t capacity;
    uint64_t from_lsn;
};

static bool collect(void *context, const struct store_object *object, struct error *err)
{
    struct wal_chunk chunk;
    struct collector *collector = context;
    struct wal_catalog *catalog = &collector->catalog;
    if (!wal_chunk_from_key(object->key, &chunk) || chunk.end_lsn <= collector->from_lsn)
        return true;
    chunk.size_bytes = object->size_bytes;
    chunk.modified_us = object->modified_us;
    if (catalog->count == collector->capacity) {
        size_t wanted = collector->capacity == 0 ? 256 : 2 * collector->capacity;
        struct wal_chunk *grown = reallocarray(catalog->chunks, wanted, sizeof *grown);
        if (grown == NULL)
            return error_no_memory(err, "a list of WAL chunks");
        catalog->chunks = grown;
        collector->capacity = wanted;
    }
    catalog->chunks[catalog->count++] = chunk;
    return true;
}

static int compare_u64(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

static int compare_chunks(const void *a, const void *b)
{
    const struct wal_chunk *left = a;
    const struct wal_chunk *right = b;
    int order = compare_u64(left->timeline, right->timeline);
    if (order == 0)
        order = compare_u64(left->start_lsn, right->start_lsn);
    return order != 0 ? order : compare_u64(right->end_lsn, left->end_lsn);
}

bool wal_catalog_load(const struct repository *repository, uint32_t timeline, uint64_t from_lsn,
                      struct wal_catalog *out, struct error *err)
{
    char prefix[sizeof "wal/00000000/"] = "wal/";
    struct collector collector = {.from_lsn = from_lsn};
    if (timeline != 0)
        (void)snprintf(prefix, sizeof prefix, "wal/%08" PRIx32 "/", timeline);
    if (!store_list(repository->store, prefix, collect, &collector, err)) {
        wal_catalog_release(&collector.catalog);
        return error_wrap(err, "could not list the WAL");
    }
    if (collector.catalog.count > 0)
        qsort(collector.catalog.chunks, collector.catalog.count, sizeof *collector.catalog.chunks,
              compare_chunks);
    *out = collector.catalog;
    return true;
}

void wal_catalog_release(struct wal_catalog *catalog)
{
    free(catalog->chunks);
    *catalog = (struct wal_catalog){0};
}

/* The first chunk that begins so late that a full one could still hold lsn. */
static size_t first_candidate(const struct wal_catalog *catalog, uint32_t timeline, uint64_t lsn)
{
    uint64_t start = lsn > WAL_CHUNK_MAX_BYTES ? lsn - WAL_CHUNK_MAX_BYTES : 0;
    size_t low = 0;
    size_t high = catalog->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct wal_chunk *chunk = &catalog->chunks[middle];
        if (chunk->timeline < timeline || (chunk->timeline == timeline && chunk->start_lsn < start))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct wal_chunk *wal_catalog_find(const struct wal_catalog *catalog, uint32_t timeline,
                                         uint64_t lsn)
{
    const struct wal_chunk *best = NULL;
    for (size_t i = first_candidate(catalog, timeline, lsn); i < catalog->count; i++) {
        const struct wal_chunk *chunk = &catalog->chunks[i];
        if (chunk->timeline != timeline || chunk->start_lsn > lsn)
            break;
        if (chunk->end_lsn > lsn && (best == NULL || chunk->end_lsn > best->end_lsn))
            best = chunk;
    }
    return best;
}

uint64_t wal_catalog_reach(const struct wal_catalog *catalog, uint32_t timeline, uint64_t lsn)
{
    uint64_t reach = lsn;
    for (size_t i = first_candidate(catalog, timeline, lsn); i < catalog->count; i++) {
        const struct wal_chunk *chunk = &catalog->chunks[i];
        if (chunk->timeline != timeline || chunk->start_lsn > reach)
            break;
        if (chunk->end_lsn > reach)
            reach = chunk->end_lsn;
    }
    return reach;
}

/* --- histories -------------------------------------------------------------------------------- */

static const char *history_key(uint32_t timeline, char out[HISTORY_KEY_SIZE])
{
    (void)snprintf(out, HISTORY_KEY_SIZE, "history/%08" PRIx32 ".history", timeline);
    return out;
}

static bool seal_history(const struct repository *repository, uint32_t timeline,
                         const struct buf *plain, struct buf *out, struct error *err)
{
    char key[HISTORY_KEY_SIZE];
    struct seal_place place = {.kind = OBJECT_HISTORY, .name = history_key(timeline, key)};
    seal_id_new(repository, &place.id);
    seal_head_put(out, OBJECT_HISTORY, repository, &place.id);
    return metadata_seal(repository, &place, plain->data, plain->len, out, err);
}

static bool encode_history(const struct repository *repository, uint32_t timeline, const void *text,
                           size_t len, struct buf *out, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, HISTORY_TEXT_MAX + 1024);
    buf_put_u32(&plain, timeline);
    buf_put_u32(&plain, (uint32_t)len);
    buf_put(&plain, text, len);
    if (!buf_check(&plain, "a timeline history", err))
        return false;
    if (repository_is_sealed(repository))
        return seal_history(repository, timeline, &plain, out, err);
    envelope_put(out, OBJECT_HISTORY, repository);
    buf_put(out, plain.data, plain.len);
    if (!buf_check(out, "a timeline history", err))
        return false;
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
    return buf_check(out, "a timeline history", err);
}

bool history_put(const struct repository *repository, uint32_t timeline, const void *text,
                 size_t len, struct error *err)
{
    char key[HISTORY_KEY_SIZE];
    CLEANUP(buf_release) struct buf object;
    CLEANUP(buf_release) struct buf stored;
    buf_init(&object, HISTORY_TEXT_MAX + 1024);
    buf_init(&stored, HISTORY_TEXT_MAX);
    (void)history_key(timeline, key);
    if (len > HISTORY_TEXT_MAX)
        return error_set(err, ERROR_INVALID, "cannot store \"%s\": it has %zu bytes", key, len);
    if (!encode_history(repository, timeline, text, len, &object, err))
        return false;
    if (store_put(repository->store, key, object.data, object.len, NULL, err))
        return true;
    if (err->kind != ERROR_EXISTS)
        return error_wrap(err, "could not store \"%s\"", key);
    if (!history_get(repository, timeline, &stored, err))
        return false;
    if (stored.len == len && (len == 0 || memcmp(stored.data, text, len) == 0))
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "cannot store \"%s\": the repository holds another history of this timeline",
                    key);
    return error_hint(err,
                      "Two servers were promoted to timeline %" PRIu32
                      ": give the other one a repository of its own.",
                      timeline);
}

static bool take_history(struct reader *reader, uint32_t timeline, struct buf *out,
                         struct error *err)
{
    uint32_t stated;
    uint32_t text_bytes;
    const uint8_t *text;
    if (!reader_u32(reader, &stated, err) || !reader_u32(reader, &text_bytes, err) ||
        !reader_bytes(reader, text_bytes, &text, err))
        return false;
    if (stated != timeline || reader_left(reader) != 0)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: not the history that was stored",
                         reader->what);
    buf_put(out, text, text_bytes);
    return buf_check(out, reader->what, err);
}

static bool open_history(const struct repository *repository, uint32_t timeline,
                         struct reader *reader, struct buf *out, struct error *err)
{
    char key[HISTORY_KEY_SIZE];
    struct reader plain;
    struct seal_place place = {.kind = OBJECT_HISTORY, .name = history_key(timeline, key)};
    CLEANUP(buf_release) struct buf opened;
    buf_init(&opened, HISTORY_TEXT_MAX + 1024);
    if (!seal_head_read(reader, OBJECT_HISTORY, repository, &place.id, err) ||
        !metadata_open(repository, &place, reader->next, reader_left(reader), reader->what, &opened,
                       err))
        return false;
    reader_init(&plain, opened.data, opened.len, reader->what);
    return take_history(&plain, timeline, out, err);
}

static bool decode_history(const struct repository *repository, uint32_t timeline,
                           const uint8_t *bytes, size_t len, const char *what, struct buf *out,
                           struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct reader reader;
    reader_init(&reader, bytes, len, what);
    if (repository_is_sealed(repository))
        return open_history(repository, timeline, &reader, out, err);
    if (!envelope_check(&reader, OBJECT_HISTORY, repository, err))
        return false;
    if (reader_left(&reader) < SHA256_BYTES)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it ends too early", what);
    /* Before anything is made of it: the length in it may be damaged, too. */
    digest_sha256(bytes, len - SHA256_BYTES, hash);
    if (memcmp(hash, bytes + len - SHA256_BYTES, sizeof hash) != 0)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: not the history that was stored",
                         what);
    reader.end -= SHA256_BYTES;
    return take_history(&reader, timeline, out, err);
}

bool history_get(const struct repository *repository, uint32_t timeline, struct buf *out,
                 struct error *err)
{
    enum { READ_MAX = HISTORY_TEXT_MAX + 1024 };
    size_t got;
    char key[HISTORY_KEY_SIZE];
    char what[HISTORY_KEY_SIZE + 2];
    CLEANUP(free_pointer) uint8_t *bytes = malloc(READ_MAX);
    if (bytes == NULL)
        return error_no_memory(err, "a timeline history");
    (void)snprintf(what, sizeof what, "\"%s\"", history_key(timeline, key));
    if (!store_get(repository->store, key, 0, READ_MAX, bytes, &got, err))
        return error_wrap(err, "could not read \"%s\"", key);
    return decode_history(repository, timeline, bytes, got, what, out, err);
}
