#include "wal_sealed.h"

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "codec/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_WAL_BYTES = 256 << 10,
    PAGE_OF_WAL = 8192,
    ROW_BYTES = 8,
    PART_BYTES = 8 + 16 + 8 + 8 + CONTENT_WRAPPED_BYTES + 3 * 32,
    HEAD_MAX_BYTES = WAL_JOIN_MAX_BYTES, /* 70,000 parts: the heads are in the objects */
    FIRST_READ_BYTES = 64 << 10,
    WHOLE_READ_BYTES = 1 << 20,
    OBJECT_MAX_BYTES = 2 * WAL_CHUNK_MAX_BYTES + HEAD_MAX_BYTES,
    FIXED_BYTES = SEALED_HEAD_BYTES + 4, /* in front of the sealed head */
    LABEL_SIZE = WAL_KEY_SIZE + 16,
};

struct row {
    uint32_t codec;
    uint32_t stored_bytes;
};

struct part {
    struct seal_id id;
    uint64_t start_lsn;
    uint64_t end_lsn;
    uint8_t wrapped[CONTENT_WRAPPED_BYTES];
    uint8_t digest[SEAL_DIGEST_BYTES];     /* of its WAL, keyed */
    uint8_t end_digest[SEAL_DIGEST_BYTES]; /* of what it has of the page in which it ends, keyed */
    uint8_t hash[SHA256_BYTES];            /* of its frames as they are stored */
    struct row *rows;
    size_t row_count;
    uint64_t offset; /* of its first frame in the object */
    uint64_t stored_bytes;
};

struct index {
    struct wal_source source;
    struct part *parts;
    size_t count;
};

static void index_release(struct index *index)
{
    for (size_t i = 0; i < index->count; i++)
        free(index->parts[i].rows);
    free(index->parts);
    *index = (struct index){0};
}

static size_t frames_of(const struct part *part)
{
    return (size_t)((part->end_lsn - part->start_lsn + FRAME_WAL_BYTES - 1) / FRAME_WAL_BYTES);
}

static size_t frame_wal_bytes(const struct part *part, size_t at)
{
    uint64_t left = part->end_lsn - part->start_lsn - (uint64_t)at * FRAME_WAL_BYTES;
    return left < FRAME_WAL_BYTES ? (size_t)left : FRAME_WAL_BYTES;
}

/* What a part has of the page in which it ends. */
static size_t end_bytes(const struct part *part)
{
    size_t in_page = (size_t)(part->end_lsn % PAGE_OF_WAL);
    uint64_t in_part = part->end_lsn - part->start_lsn;
    return in_part < in_page ? (size_t)in_part : in_page;
}

static const char *label_of(const struct wal_chunk *chunk, char out[LABEL_SIZE])
{
    char key[WAL_KEY_SIZE];
    (void)snprintf(out, LABEL_SIZE, "WAL chunk \"%s\"", wal_chunk_key(chunk, key));
    return out;
}

/* Frames belong to the chunk that first brought them, wherever they lie now. */
static struct seal_place place_of(const struct part *part, uint32_t timeline,
                                  char name[WAL_KEY_SIZE])
{
    struct wal_chunk chunk = {
        .timeline = timeline, .start_lsn = part->start_lsn, .end_lsn = part->end_lsn};
    return (struct seal_place){
        .kind = OBJECT_WAL, .id = part->id, .name = wal_chunk_key(&chunk, name)};
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* Where frames go, and by what. */
struct frame_sink {
    struct codec_context *codec;
    struct seal_place place;
    const uint8_t *key;
    struct buf *out;
};

/* packed: room for the frame as it is compressed. */
static bool seal_frame(const struct repository *repository, const struct frame_sink *sink,
                       const uint8_t *wal, size_t len, uint8_t *packed, struct row *row,
                       struct error *err)
{
    size_t stored = 0;
    const struct repository_settings *settings = &repository->settings;
    row->codec = settings->codec;
    if (!codec_compress(sink->codec, settings->codec, settings->level, wal, len, packed, &stored,
                        err))
        return false;
    const uint8_t *from = packed;
    if (settings->codec != CODEC_NONE && stored >= len) {
        from = wal;
        stored = len;
        row->codec = CODEC_NONE;
    }
    uint8_t *to = buf_reserve(sink->out, stored + SEAL_OVERHEAD);
    if (to == NULL)
        return error_no_memory(err, "a WAL chunk");
    content_seal(repository, &sink->place, sink->key, from, stored, to);
    row->stored_bytes = (uint32_t)(stored + SEAL_OVERHEAD);
    sink->out->len += row->stored_bytes;
    return true;
}

static bool put_frame(const struct repository *repository, const struct frame_sink *sink,
                      const uint8_t *wal, size_t len, struct row *row, struct error *err)
{
    size_t room = codec_bound(repository->settings.codec, len);
    uint8_t *packed = malloc(room);
    if (packed == NULL)
        return error_no_memory(err, "a WAL chunk");
    bool done = seal_frame(repository, sink, wal, len, packed, row, err);
    secret_wipe(packed, room);
    free(packed);
    return done;
}

static bool put_frames(const struct repository *repository, uint32_t timeline, struct part *part,
                       const uint8_t key[SEAL_KEY_BYTES], const uint8_t *wal, struct buf *out,
                       struct error *err)
{
    char name[WAL_KEY_SIZE];
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    if (!codec_context_new(&codec, err))
        return false;
    struct frame_sink sink = {
        .codec = codec, .place = place_of(part, timeline, name), .key = key, .out = out};
    for (uint64_t *at = &sink.place.position; *at < part->row_count; (*at)++)
        if (!put_frame(repository, &sink, wal + *at * FRAME_WAL_BYTES, frame_wal_bytes(part, *at),
                       &part->rows[*at], err))
            return false;
    digest_sha256(out->data, out->len, part->hash);
    return true;
}

/* One part with all of the WAL; its frames go to `out`. */
static bool make_part(const struct repository *repository, const struct wal_chunk *chunk,
                      const uint8_t *wal, struct part *part, struct buf *out, struct error *err)
{
    struct content_key key;
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    *part = (struct part){.start_lsn = chunk->start_lsn, .end_lsn = chunk->end_lsn};
    seal_id_new(repository, &part->id);
    part->row_count = frames_of(part);
    part->rows = calloc(part->row_count, sizeof *part->rows);
    if (part->rows == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!content_key_new(repository, &part->id, &key, err))
        return false;
    memcpy(part->wrapped, key.wrapped, sizeof part->wrapped);
    bool done = put_frames(repository, chunk->timeline, part, key.key, wal, out, err) &&
                metadata_digest(repository, part->id.generation, wal, len, "a WAL chunk",
                                part->digest, err) &&
                metadata_digest(repository, part->id.generation, wal + len - end_bytes(part),
                                end_bytes(part), "a WAL chunk", part->end_digest, err);
    secret_wipe(&key, sizeof key);
    return done;
}

static void put_part(struct buf *out, const struct part *part)
{
    buf_put(out, part->id.generation, sizeof part->id.generation);
    buf_put(out, part->id.object, sizeof part->id.object);
    buf_put_u64(out, part->start_lsn);
    buf_put_u64(out, part->end_lsn);
    buf_put(out, part->wrapped, sizeof part->wrapped);
    buf_put(out, part->digest, sizeof part->digest);
    buf_put(out, part->end_digest, sizeof part->end_digest);
    buf_put(out, part->hash, sizeof part->hash);
    for (size_t i = 0; i < part->row_count; i++) {
        buf_put_u32(out, part->rows[i].codec);
        buf_put_u32(out, part->rows[i].stored_bytes);
    }
}

static bool put_head(const struct repository *repository, const struct wal_chunk *chunk,
                     const struct index *index, struct buf *out, struct error *err)
{
    char key[WAL_KEY_SIZE];
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(chunk, key)};
    CLEANUP(buf_release) struct buf head;
    buf_init(&head, HEAD_MAX_BYTES);
    buf_put_u64(&head, index->source.system_identifier);
    buf_put_u32(&head, index->source.segment_bytes);
    buf_put_u32(&head, (uint32_t)index->count);
    for (size_t i = 0; i < index->count; i++)
        put_part(&head, &index->parts[i]);
    if (!buf_check(&head, "a WAL chunk", err))
        return false;
    seal_id_new(repository, &place.id);
    seal_head_put(out, OBJECT_WAL, repository, &place.id);
    buf_put_u32(out, (uint32_t)(head.len + SEAL_OVERHEAD));
    return metadata_seal(repository, &place, head.data, head.len, out, err);
}

static bool put_object(const struct repository *repository, const struct wal_chunk *chunk,
                       const struct index *index, const struct buf *frames, struct buf *out,
                       struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    if (!put_head(repository, chunk, index, out, err))
        return false;
    buf_put(out, frames->data, frames->len);
    if (!buf_check(out, "a WAL chunk", err))
        return false;
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
    return buf_check(out, "a WAL chunk", err);
}

bool wal_sealed_encode(const struct repository *repository, const struct wal_source *source,
                       const struct wal_chunk *chunk, const uint8_t *wal, struct buf *out,
                       struct error *err)
{
    struct part part = {0};
    struct index index = {.source = *source, .parts = &part, .count = 1};
    CLEANUP(buf_release) struct buf frames;
    buf_init(&frames, OBJECT_MAX_BYTES);
    bool done = make_part(repository, chunk, wal, &part, &frames, err) &&
                put_object(repository, chunk, &index, &frames, out, err);
    free(part.rows);
    return done;
}

/* --- reading the head ---------------------------------------------------------------------------
 */

static bool unsound(const char *what, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "%s is damaged: its index is not sound", what);
}

static bool copy(struct reader *reader, void *out, size_t len, struct error *err)
{
    const uint8_t *bytes;
    if (!reader_bytes(reader, len, &bytes, err))
        return false;
    memcpy(out, bytes, len);
    return true;
}

static bool read_rows(struct reader *reader, struct part *part, struct error *err)
{
    part->row_count = frames_of(part);
    if (part->row_count > reader_left(reader) / ROW_BYTES)
        return unsound(reader->what, err);
    part->rows = calloc(part->row_count, sizeof *part->rows);
    if (part->rows == NULL)
        return error_no_memory(err, "a WAL chunk");
    for (size_t i = 0; i < part->row_count; i++) {
        struct row *row = &part->rows[i];
        if (!reader_u32(reader, &row->codec, err) || !reader_u32(reader, &row->stored_bytes, err))
            return false;
        if (row->codec >= CODEC_COUNT || row->stored_bytes <= SEAL_OVERHEAD ||
            row->stored_bytes > FRAME_WAL_BYTES + SEAL_OVERHEAD)
            return unsound(reader->what, err);
        part->stored_bytes += row->stored_bytes;
    }
    return true;
}

static bool read_part(struct reader *reader, const struct wal_chunk *chunk, struct part *part,
                      struct error *err)
{
    if (!copy(reader, part->id.generation, sizeof part->id.generation, err) ||
        !copy(reader, part->id.object, sizeof part->id.object, err) ||
        !reader_u64(reader, &part->start_lsn, err) || !reader_u64(reader, &part->end_lsn, err) ||
        !copy(reader, part->wrapped, sizeof part->wrapped, err) ||
        !copy(reader, part->digest, sizeof part->digest, err) ||
        !copy(reader, part->end_digest, sizeof part->end_digest, err) ||
        !copy(reader, part->hash, sizeof part->hash, err))
        return false;
    if (part->start_lsn < chunk->start_lsn || part->end_lsn > chunk->end_lsn ||
        part->end_lsn <= part->start_lsn)
        return unsound(reader->what, err);
    return read_rows(reader, part, err);
}

/* Parts come in order and leave no gap, and their frames fill the object. */
static bool check_parts(const struct wal_chunk *chunk, struct index *index, size_t head_bytes,
                        const char *what, struct error *err)
{
    uint64_t reach = chunk->start_lsn;
    uint64_t offset = head_bytes;
    for (size_t i = 0; i < index->count; i++) {
        struct part *part = &index->parts[i];
        if (part->start_lsn > reach || part->end_lsn <= reach)
            return unsound(what, err);
        reach = part->end_lsn;
        part->offset = offset;
        offset += part->stored_bytes;
    }
    return (reach == chunk->end_lsn && offset + SHA256_BYTES == chunk->size_bytes) ||
           unsound(what, err);
}

static bool read_parts(struct reader *reader, const struct wal_chunk *chunk, struct index *index,
                       struct error *err)
{
    uint32_t count;
    if (!reader_u64(reader, &index->source.system_identifier, err) ||
        !reader_u32(reader, &index->source.segment_bytes, err) || !reader_u32(reader, &count, err))
        return false;
    index->source.timeline = chunk->timeline;
    if (count == 0 || count > reader_left(reader) / PART_BYTES)
        return unsound(reader->what, err);
    index->parts = calloc(count, sizeof *index->parts);
    if (index->parts == NULL)
        return error_no_memory(err, "a WAL chunk");
    for (; index->count < count; index->count++)
        if (!read_part(reader, chunk, &index->parts[index->count], err)) {
            index->count++;
            return false;
        }
    return reader_left(reader) == 0 || unsound(reader->what, err);
}

/* bytes: the object's first len bytes, which hold the head. */
static bool open_head(const struct repository *repository, const struct wal_chunk *chunk,
                      const uint8_t *bytes, size_t len, struct index *out, struct error *err)
{
    char key[WAL_KEY_SIZE];
    char label[LABEL_SIZE];
    uint32_t sealed_bytes;
    const uint8_t *sealed;
    struct reader reader;
    struct index index = {0};
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(chunk, key)};
    CLEANUP(buf_release) struct buf head;
    buf_init(&head, HEAD_MAX_BYTES + SEAL_OVERHEAD);
    reader_init(&reader, bytes, len, label_of(chunk, label));
    if (!seal_head_read(&reader, OBJECT_WAL, repository, &place.id, err) ||
        !reader_u32(&reader, &sealed_bytes, err) ||
        !reader_bytes(&reader, sealed_bytes, &sealed, err) ||
        !metadata_open(repository, &place, sealed, sealed_bytes, label, &head, err))
        return false;
    reader_init(&reader, head.data, head.len, label);
    if (!read_parts(&reader, chunk, &index, err) ||
        !check_parts(chunk, &index, FIXED_BYTES + (size_t)sealed_bytes, label, err)) {
        index_release(&index);
        return false;
    }
    *out = index;
    return true;
}

/* The length of the head, 0 when it cannot be one. */
static size_t head_length(const struct wal_chunk *chunk, const uint8_t *bytes)
{
    uint32_t len;
    struct reader reader;
    struct error ignored;
    reader_init(&reader, bytes + SEALED_HEAD_BYTES, 4, "");
    if (!reader_u32(&reader, &len, &ignored) || len > HEAD_MAX_BYTES + SEAL_OVERHEAD ||
        len > chunk->size_bytes - FIXED_BYTES)
        return 0;
    return FIXED_BYTES + (size_t)len;
}

static bool check_size(const struct wal_chunk *chunk, struct error *err)
{
    char label[LABEL_SIZE];
    return (chunk->size_bytes > FIXED_BYTES + SEAL_OVERHEAD + SHA256_BYTES &&
            chunk->size_bytes <= OBJECT_MAX_BYTES) ||
           error_set(err, ERROR_CORRUPT, "%s is damaged: it cannot have %" PRIu64 " bytes",
                     label_of(chunk, label), chunk->size_bytes);
}

/* One request, or two when there are many parts. */
static bool load_index(const struct repository *repository, const struct wal_chunk *chunk,
                       struct index *out, struct error *err)
{
    char label[LABEL_SIZE];
    CLEANUP(free_pointer) uint8_t *bytes = NULL;
    if (!check_size(chunk, err))
        return false;
    size_t len = chunk->size_bytes < FIRST_READ_BYTES ? (size_t)chunk->size_bytes
                                                      : FIRST_READ_BYTES;
    if (!wal_chunk_fetch(repository, chunk, 0, len, &bytes, err))
        return false;
    size_t head = head_length(chunk, bytes);
    if (head == 0)
        return unsound(label_of(chunk, label), err);
    if (head > len) {
        free_pointer(&bytes);
        len = head;
        if (!wal_chunk_fetch(repository, chunk, 0, len, &bytes, err))
            return false;
    }
    return open_head(repository, chunk, bytes, len, out, err);
}

/* The whole object, its SHA-256 and its head checked. */
static bool load_whole(const struct repository *repository, const struct wal_chunk *chunk,
                       uint8_t **out_bytes, struct index *out, struct error *err)
{
    char label[LABEL_SIZE];
    uint8_t hash[SHA256_BYTES];
    CLEANUP(free_pointer) uint8_t *bytes = NULL;
    if (!check_size(chunk, err) ||
        !wal_chunk_fetch(repository, chunk, 0, (size_t)chunk->size_bytes, &bytes, err) ||
        !open_head(repository, chunk, bytes, (size_t)chunk->size_bytes, out, err))
        return false;
    size_t checked = (size_t)chunk->size_bytes - SHA256_BYTES;
    digest_sha256(bytes, checked, hash);
    if (memcmp(hash, bytes + checked, sizeof hash) != 0) {
        index_release(out);
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: its bytes do not have the SHA-256 at their end",
                         label_of(chunk, label));
    }
    *out_bytes = TAKE(bytes);
    return true;
}

/* --- reading the WAL ----------------------------------------------------------------------------
 */

static bool check_source(const struct wal_chunk *chunk, const struct index *index,
                         const struct wal_source *source, struct error *err)
{
    char label[LABEL_SIZE];
    if (index->source.system_identifier == source->system_identifier &&
        index->source.segment_bytes == source->segment_bytes)
        return true;
    return error_set(err, ERROR_REFUSED,
                     "cannot use %s: it comes from system %" PRIu64 " with WAL segments of %" PRIu32
                     " bytes, not from %" PRIu64 " with %" PRIu32,
                     label_of(chunk, label), index->source.system_identifier,
                     index->source.segment_bytes, source->system_identifier, source->segment_bytes);
}

struct decoder {
    const struct repository *repository;
    const struct wal_chunk *chunk;
    struct codec_context *codec;
    uint8_t *opened; /* FRAME_WAL_BYTES + SEAL_OVERHEAD */
    uint8_t *wal;    /* FRAME_WAL_BYTES */
};

static bool decode_frame(const struct decoder *decoder, const struct part *part, size_t at,
                         const uint8_t key[SEAL_KEY_BYTES], const uint8_t *stored,
                         struct error *err)
{
    char name[WAL_KEY_SIZE];
    char label[LABEL_SIZE];
    const struct row *row = &part->rows[at];
    struct seal_place place = place_of(part, decoder->chunk->timeline, name);
    place.position = at;
    if (!content_open(decoder->repository, &place, key, stored, row->stored_bytes,
                      label_of(decoder->chunk, label), decoder->opened, err))
        return false;
    return codec_decompress(decoder->codec, (enum codec)row->codec, decoder->opened,
                            row->stored_bytes - SEAL_OVERHEAD, decoder->wal,
                            frame_wal_bytes(part, at), err) ||
           error_wrap(err, "%s is damaged", label);
}

static uint64_t frame_offset(const struct part *part, size_t at)
{
    uint64_t offset = part->offset;
    for (size_t i = 0; i < at; i++)
        offset += part->rows[i].stored_bytes;
    return offset;
}

/* The WAL [from, from + len) of one part, counted from its start. object: all of it, or NULL. */
static bool read_from_part(const struct decoder *decoder, const struct part *part,
                           const uint8_t *object, uint64_t from, size_t len, uint8_t *out,
                           struct error *err)
{
    char label[LABEL_SIZE];
    uint8_t key[SEAL_KEY_BYTES];
    CLEANUP(free_pointer) uint8_t *fetched = NULL;
    size_t first = (size_t)(from / FRAME_WAL_BYTES);
    size_t last = (size_t)((from + len - 1) / FRAME_WAL_BYTES);
    uint64_t offset = frame_offset(part, first);
    if (!content_key_open(decoder->repository, &part->id, part->wrapped,
                          label_of(decoder->chunk, label), key, err))
        return false;
    if (object == NULL && !wal_chunk_fetch(decoder->repository, decoder->chunk, offset,
                                           (size_t)(frame_offset(part, last) +
                                                    part->rows[last].stored_bytes - offset),
                                           &fetched, err))
        return false;
    const uint8_t *stored = object == NULL ? fetched : object + offset;
    size_t done = 0;
    bool good = true;
    for (size_t at = first; good && at <= last; at++) {
        size_t skip = at == first ? (size_t)(from % FRAME_WAL_BYTES) : 0;
        good = decode_frame(decoder, part, at, key, stored, err);
        size_t take = frame_wal_bytes(part, at) - skip;
        take = take < len - done ? take : len - done;
        if (good)
            memcpy(out + done, decoder->wal + skip, take);
        done += take;
        stored += part->rows[at].stored_bytes;
    }
    secret_wipe(key, sizeof key);
    return good;
}

static bool read_from_parts(const struct decoder *decoder, const struct index *index,
                            const uint8_t *object, uint64_t lsn, size_t len, uint8_t *out,
                            struct error *err)
{
    size_t done = 0;
    for (size_t i = 0; i < index->count && done < len; i++) {
        const struct part *part = &index->parts[i];
        uint64_t at = lsn + done;
        if (part->end_lsn <= at)
            continue;
        uint64_t there = part->end_lsn - at;
        size_t take = there < len - done ? (size_t)there : len - done;
        if (!read_from_part(decoder, part, object, at - part->start_lsn, take, out + done, err))
            return false;
        done += take;
    }
    return true;
}

bool wal_sealed_read(const struct repository *repository, const struct wal_chunk *chunk,
                     const struct wal_source *source, uint64_t lsn, size_t len, uint8_t *out,
                     struct error *err)
{
    char label[LABEL_SIZE];
    CLEANUP(index_release) struct index index = {0};
    CLEANUP(free_pointer) uint8_t *object = NULL;
    CLEANUP(free_pointer) uint8_t *opened = malloc(FRAME_WAL_BYTES + SEAL_OVERHEAD);
    CLEANUP(free_pointer) uint8_t *wal = malloc(FRAME_WAL_BYTES);
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    bool whole = chunk->size_bytes <= WHOLE_READ_BYTES || len == chunk->end_lsn - chunk->start_lsn;
    if (opened == NULL || wal == NULL)
        return error_no_memory(err, "a WAL chunk");
    if (!repository_check_can_read(repository, label_of(chunk, label), err) ||
        !codec_context_new(&codec, err))
        return false;
    if (whole ? !load_whole(repository, chunk, &object, &index, err)
              : !load_index(repository, chunk, &index, err))
        return false;
    const struct decoder decoder = {
        .repository = repository, .chunk = chunk, .codec = codec, .opened = opened, .wal = wal};
    return check_source(chunk, &index, source, err) &&
           read_from_parts(&decoder, &index, object, lsn, len, out, err);
}

bool wal_sealed_source(const struct repository *repository, const struct wal_chunk *chunk,
                       struct wal_source *out, struct error *err)
{
    CLEANUP(index_release) struct index index = {0};
    if (!load_index(repository, chunk, &index, err))
        return false;
    *out = index.source;
    return true;
}

/* --- without the content key --------------------------------------------------------------------
 */

bool wal_sealed_compare(const struct repository *repository, const struct wal_chunk *chunk,
                        const struct wal_source *source, const uint8_t *wal, bool *out_same,
                        struct error *err)
{
    char label[LABEL_SIZE];
    CLEANUP(index_release) struct index index = {0};
    *out_same = true;
    if (!load_index(repository, chunk, &index, err) || !check_source(chunk, &index, source, err))
        return false;
    for (size_t i = 0; i < index.count && *out_same; i++) {
        uint8_t digest[SEAL_DIGEST_BYTES];
        const struct part *part = &index.parts[i];
        if (!metadata_digest(
                repository, part->id.generation, wal + (part->start_lsn - chunk->start_lsn),
                (size_t)(part->end_lsn - part->start_lsn), label_of(chunk, label), digest, err))
            return false;
        *out_same = seal_equal(digest, part->digest, sizeof digest);
    }
    return true;
}

bool wal_chunk_end(const struct repository *repository, const struct wal_chunk *chunk,
                   struct wal_chunk_end *out, struct error *err)
{
    CLEANUP(index_release) struct index index = {0};
    if (!load_index(repository, chunk, &index, err))
        return false;
    const struct part *last = &index.parts[index.count - 1];
    out->len = end_bytes(last);
    memcpy(out->generation, last->id.generation, sizeof out->generation);
    memcpy(out->digest, last->end_digest, sizeof out->digest);
    return true;
}

bool wal_chunk_end_is(const struct repository *repository, const struct wal_chunk_end *end,
                      const void *bytes, bool *out_same, struct error *err)
{
    uint8_t digest[SEAL_DIGEST_BYTES];
    if (!metadata_digest(repository, end->generation, bytes, end->len, "the last WAL chunk", digest,
                         err))
        return false;
    *out_same = seal_equal(digest, end->digest, sizeof digest);
    return true;
}

static bool check_hashes(const struct wal_chunk *chunk, const struct index *index,
                         const uint8_t *object, struct error *err)
{
    char label[LABEL_SIZE];
    for (size_t i = 0; i < index->count; i++) {
        uint8_t hash[SHA256_BYTES];
        const struct part *part = &index->parts[i];
        digest_sha256(object + part->offset, (size_t)part->stored_bytes, hash);
        if (memcmp(hash, part->hash, sizeof hash) != 0)
            return error_set(err, ERROR_CORRUPT,
                             "%s is damaged at byte %" PRIu64 ": not the WAL that was stored",
                             label_of(chunk, label), part->offset);
    }
    return true;
}

bool wal_chunk_check_sealed(const struct repository *repository, const struct wal_chunk *chunk,
                            struct error *err)
{
    CLEANUP(index_release) struct index index = {0};
    CLEANUP(free_pointer) uint8_t *object = NULL;
    return load_whole(repository, chunk, &object, &index, err) &&
           check_hashes(chunk, &index, object, err);
}

/* Adds the parts of a chunk that reach beyond what is there. */
static bool join_chunk(const struct repository *repository, const struct wal_chunk *chunk,
                       uint64_t *reach, struct index *index, struct buf *frames, struct error *err)
{
    CLEANUP(index_release) struct index from = {0};
    CLEANUP(free_pointer) uint8_t *object = NULL;
    if (!load_whole(repository, chunk, &object, &from, err) ||
        !check_hashes(chunk, &from, object, err))
        return false;
    if (index->count == 0)
        index->source = from.source;
    else if (!check_source(chunk, &from, &index->source, err))
        return false;
    struct part *parts = reallocarray(index->parts, index->count + from.count, sizeof *parts);
    if (parts == NULL)
        return error_no_memory(err, "a WAL chunk");
    index->parts = parts;
    for (size_t i = 0; i < from.count; i++) {
        struct part *part = &from.parts[i];
        if (part->end_lsn <= *reach)
            continue;
        *reach = part->end_lsn;
        buf_put(frames, object + part->offset, (size_t)part->stored_bytes);
        parts[index->count] = *part;
        index->count++;
        part->rows = NULL; /* taken */
    }
    return buf_check(frames, "a WAL chunk", err);
}

bool wal_chunk_join(const struct repository *repository, const struct wal_chunk *chunks,
                    size_t count, const struct wal_chunk *merged, struct error *err)
{
    char key[WAL_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    uint64_t reach = merged->start_lsn;
    struct store_object object;
    struct wal_chunk stored = *merged;
    CLEANUP(index_release) struct index index = {0};
    CLEANUP(buf_release) struct buf frames;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&frames, OBJECT_MAX_BYTES);
    buf_init(&bytes, OBJECT_MAX_BYTES);
    for (size_t i = 0; i < count && chunks[i].start_lsn <= reach; i++)
        if (chunks[i].end_lsn > reach &&
            !join_chunk(repository, &chunks[i], &reach, &index, &frames, err))
            return false;
    if (reach != merged->end_lsn)
        return error_set(err, ERROR_CORRUPT, "the WAL to merge has a gap");
    if (!put_object(repository, merged, &index, &frames, &bytes, err))
        return false;
    digest_sha256(bytes.data, bytes.len, hash);
    if (!store_put(repository->store, wal_chunk_key(merged, key), bytes.data, bytes.len, hash,
                   err) &&
        err->kind != ERROR_EXISTS)
        return error_wrap(err, "could not store WAL chunk \"%s\"", key);
    /* What is in the store now, not what we sent. */
    if (!store_stat(repository->store, key, &object, err))
        return error_wrap(err, "could not check WAL chunk \"%s\"", key);
    stored.size_bytes = object.size_bytes;
    return wal_chunk_check_sealed(repository, &stored, err);
}
