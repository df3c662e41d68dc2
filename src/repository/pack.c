#include "repository/pack.h"

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "codec/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the tail among the pieces that are sealed with the metadata key; frames have another key. */
enum { PACK_TAIL_POSITION = 0 };

static const char trailer_magic[8] = {'M', 'S', 'P', 'A', 'C', 'K', 'E', 'D'};

const char *pack_key(const uint8_t id[PACK_ID_BYTES], char out[PACK_KEY_SIZE])
{
    char hex[2 * PACK_ID_BYTES + 1];
    text_hex(id, PACK_ID_BYTES, hex);
    (void)snprintf(out, PACK_KEY_SIZE, "packs/%.2s/%s.pack", hex, hex);
    return out;
}

bool pack_id_from_key(const char *key, uint8_t out[PACK_ID_BYTES])
{
    char hex[2 * PACK_ID_BYTES + 1];
    char expected[PACK_KEY_SIZE];
    if (strlen(key) != PACK_KEY_SIZE - 1)
        return false;
    memcpy(hex, key + 9, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    return text_from_hex(hex, out, PACK_ID_BYTES) && strcmp(pack_key(out, expected), key) == 0;
}

void pack_tail_put(struct buf *pack, uint64_t offset, const struct pack_index *index)
{
    size_t start = pack->len;
    buf_put_varint(pack, index->frame_count);
    for (uint32_t i = 0; i < index->frame_count; i++) {
        buf_put_u8(pack, index->frames[i].codec);
        buf_put_u8(pack, index->frames[i].page_count);
        buf_put_varint(pack, index->frames[i].stored_bytes);
    }
    for (uint32_t i = 0; i < index->page_count; i++)
        buf_put_u64(pack, index->page_hashes[i]);
    if (pack->failed)
        return;
    size_t len = pack->len - start;
    uint64_t hash = digest_xxh3(pack->data + start, len);
    buf_put_u64(pack, offset);
    buf_put_u32(pack, (uint32_t)len);
    buf_put_u32(pack, index->page_count);
    buf_put_u64(pack, hash);
    buf_put(pack, trailer_magic, sizeof trailer_magic);
}

void pack_index_put(struct buf *pack, const struct pack_index *index)
{
    pack_tail_put(pack, pack->len, index);
}

static bool index_damaged(const char *what, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "%s is damaged: its index is not sound", what);
}

/* Checks the trailer and returns where the index lies in `tail` and how many pages it has. */
static bool check_trailer(struct reader *tail, uint64_t header_bytes, uint64_t size_bytes,
                          struct reader *out_index, uint32_t *out_pages, struct error *err)
{
    uint64_t offset;
    uint32_t len;
    uint64_t hash;
    const uint8_t *index;
    const uint8_t *end_magic;
    if (reader_left(tail) < PACK_TRAILER_BYTES || size_bytes > PACK_MAX_BYTES)
        return index_damaged(tail->what, err);
    size_t index_len = reader_left(tail) - PACK_TRAILER_BYTES;
    if (!reader_bytes(tail, index_len, &index, err) || !reader_u64(tail, &offset, err) ||
        !reader_u32(tail, &len, err) || !reader_u32(tail, out_pages, err) ||
        !reader_u64(tail, &hash, err) || !reader_bytes(tail, sizeof trailer_magic, &end_magic, err))
        return false;
    if (memcmp(end_magic, trailer_magic, sizeof trailer_magic) != 0 || len != index_len ||
        size_bytes < header_bytes + PACK_TRAILER_BYTES + len ||
        offset != size_bytes - PACK_TRAILER_BYTES - len || *out_pages > PACK_MAX_PAGES ||
        hash != digest_xxh3(index, index_len))
        return index_damaged(tail->what, err);
    reader_init(out_index, index, index_len, tail->what);
    return true;
}

/* Frames follow each other without gaps from the header to the index. */
static bool parse_frames(struct reader *bytes, struct pack_index *index, uint64_t header_bytes,
                         uint64_t index_offset, struct error *err)
{
    uint64_t offset = header_bytes;
    uint32_t ordinal = 0;
    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct pack_frame *frame = &index->frames[i];
        uint64_t stored;
        if (!reader_u8(bytes, &frame->codec, err) || !reader_u8(bytes, &frame->page_count, err) ||
            !reader_count(bytes, 2 * FRAME_BYTES, &stored, err))
            return false;
        if (frame->codec >= CODEC_COUNT || frame->page_count == 0 ||
            frame->page_count > FRAME_PAGES || stored == 0 || stored > index_offset - offset ||
            frame->page_count > index->page_count - ordinal)
            return index_damaged(bytes->what, err);
        frame->offset = offset;
        frame->stored_bytes = (uint32_t)stored;
        frame->first_ordinal = ordinal;
        offset += stored;
        ordinal += frame->page_count;
    }
    return (offset == index_offset && ordinal == index->page_count) ||
           index_damaged(bytes->what, err);
}

static bool parse_index(struct reader *bytes, struct pack_index *index, uint64_t header_bytes,
                        uint64_t index_offset, struct error *err)
{
    uint64_t frames;
    if (!reader_count(bytes, index->page_count, &frames, err))
        return false;
    index->frame_count = (uint32_t)frames;
    index->frames = calloc(frames + 1, sizeof *index->frames);
    index->page_hashes = calloc((size_t)index->page_count + 1, sizeof *index->page_hashes);
    if (index->frames == NULL || index->page_hashes == NULL)
        return error_no_memory(err, "the index of a pack");
    if (!parse_frames(bytes, index, header_bytes, index_offset, err))
        return false;
    for (uint32_t i = 0; i < index->page_count; i++)
        if (!reader_u64(bytes, &index->page_hashes[i], err))
            return false;
    return reader_left(bytes) == 0 || index_damaged(bytes->what, err);
}

/* header_bytes: where the first frame begins. */
static bool parse_tail(const void *tail, size_t tail_len, uint64_t header_bytes,
                       uint64_t size_bytes, const char *what, struct pack_index *out,
                       struct error *err)
{
    struct reader tail_reader;
    struct reader index_reader;
    struct pack_index index = {0};
    reader_init(&tail_reader, tail, tail_len, what);
    if (!check_trailer(&tail_reader, header_bytes, size_bytes, &index_reader, &index.page_count,
                       err))
        return false;
    uint64_t index_offset = size_bytes - PACK_TRAILER_BYTES - reader_left(&index_reader);
    if (!parse_index(&index_reader, &index, header_bytes, index_offset, err)) {
        pack_index_release(&index);
        return false;
    }
    *out = index;
    return true;
}

bool pack_index_parse(const void *tail, size_t tail_len, uint64_t size_bytes, const char *what,
                      struct pack_index *out, struct error *err)
{
    return parse_tail(tail, tail_len, PACK_HEADER_BYTES, size_bytes, what, out, err);
}

/* --- sealed -------------------------------------------------------------------------------------
 */

size_t pack_tail_bytes(const struct repository *repository, const struct pack_ref *ref)
{
    size_t plain = (size_t)ref->index_bytes + PACK_TRAILER_BYTES;
    return repository_is_sealed(repository) ? plain + CONTENT_WRAPPED_BYTES + SEAL_OVERHEAD : plain;
}

bool pack_sealed_tail_put(const struct repository *repository, struct buf *pack,
                          const struct pack_index *index,
                          const uint8_t wrapped[CONTENT_WRAPPED_BYTES], uint32_t *out_index_bytes,
                          struct error *err)
{
    struct seal_place place = {
        .kind = OBJECT_PACK, .id = index->seal, .name = "", .position = PACK_TAIL_POSITION};
    CLEANUP(buf_release) struct buf tail;
    buf_init(&tail, PACK_MAX_BYTES);
    buf_put(&tail, wrapped, CONTENT_WRAPPED_BYTES);
    pack_tail_put(&tail, pack->len, index);
    if (!buf_check(&tail, "a pack", err) ||
        !metadata_seal(repository, &place, tail.data, tail.len, pack, err))
        return false;
    *out_index_bytes = (uint32_t)(tail.len - CONTENT_WRAPPED_BYTES - PACK_TRAILER_BYTES);
    return true;
}

/* A key that may only write reads the index and opens no frame. */
static bool take_content_key(const struct repository *repository, const uint8_t *wrapped,
                             const char *what, struct pack_index *index, struct error *err)
{
    index->has_key = repository_can_read(repository);
    return !index->has_key ||
           content_key_open(repository, &index->seal, wrapped, what, index->content_key, err);
}

bool pack_sealed_tail_parse(const struct repository *repository, const struct pack_ref *ref,
                            const void *tail, size_t tail_len, const char *what,
                            struct pack_index *out, struct error *err)
{
    struct pack_index index;
    struct seal_place place = {
        .kind = OBJECT_PACK, .id = ref->seal, .name = "", .position = PACK_TAIL_POSITION};
    CLEANUP(buf_release) struct buf opened;
    buf_init(&opened, PACK_MAX_BYTES);
    if (!metadata_open(repository, &place, tail, tail_len, what, &opened, err))
        return false;
    if (opened.len < CONTENT_WRAPPED_BYTES)
        return index_damaged(what, err);
    if (!parse_tail(opened.data + CONTENT_WRAPPED_BYTES, opened.len - CONTENT_WRAPPED_BYTES,
                    SEALED_HEAD_BYTES, ref->size_bytes - CONTENT_WRAPPED_BYTES - SEAL_OVERHEAD,
                    what, &index, err))
        return false;
    index.sealed_by = repository;
    index.seal = ref->seal;
    if (!take_content_key(repository, opened.data, what, &index, err)) {
        pack_index_release(&index);
        return false;
    }
    *out = index;
    return true;
}

void pack_index_release(struct pack_index *index)
{
    secret_wipe(index->content_key, sizeof index->content_key);
    free(index->frames);
    free(index->page_hashes);
    *index = (struct pack_index){0};
}

const struct pack_frame *pack_index_find(const struct pack_index *index, uint32_t ordinal)
{
    uint32_t low = 0;
    uint32_t high = index->frame_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (index->frames[middle].first_ordinal <= ordinal)
            low = middle;
        else
            high = middle;
    }
    return &index->frames[low];
}

static bool check_pages(const struct pack_index *index, const struct pack_frame *frame,
                        const uint8_t *pages, const char *what, struct error *err)
{
    for (uint32_t i = 0; i < frame->page_count; i++) {
        uint64_t hash = digest_xxh3(pages + (size_t)i * PAGE_BYTES, PAGE_BYTES);
        if (hash != index->page_hashes[frame->first_ordinal + i])
            return error_set(err, ERROR_CORRUPT,
                             "%s is damaged: page %u does not have the content that was stored",
                             what, frame->first_ordinal + i);
    }
    return true;
}

/* Gives the frame as it was before it was sealed. */
static bool open_frame(const struct pack_index *index, const struct pack_frame *frame,
                       const void *stored, const char *what, uint8_t **out, struct error *err)
{
    struct seal_place place = {.kind = OBJECT_PACK,
                               .id = index->seal,
                               .name = "",
                               .position = (uint64_t)(frame - index->frames)};
    if (!index->has_key)
        return repository_check_can_read(index->sealed_by, what, err);
    CLEANUP(free_pointer) uint8_t *opened = malloc(frame->stored_bytes);
    if (opened == NULL)
        return error_no_memory(err, "a frame");
    if (!content_open(index->sealed_by, &place, index->content_key, stored, frame->stored_bytes,
                      what, opened, err))
        return false;
    *out = TAKE(opened);
    return true;
}

bool pack_frame_decode(const struct pack_index *index, const struct pack_frame *frame,
                       struct codec_context *codec, const void *stored, uint8_t *out,
                       const char *what, struct error *err)
{
    size_t raw_bytes = (size_t)frame->page_count * PAGE_BYTES;
    size_t stored_bytes = frame->stored_bytes;
    CLEANUP(free_pointer) uint8_t *opened = NULL;
    if (index->sealed_by != NULL) {
        if (!open_frame(index, frame, stored, what, &opened, err))
            return false;
        stored = opened;
        stored_bytes -= SEAL_OVERHEAD;
    }
    if (!codec_decompress(codec, (enum codec)frame->codec, stored, stored_bytes, out, raw_bytes,
                          err))
        return error_wrap(err, "%s is damaged at byte %llu", what,
                          (unsigned long long)frame->offset);
    return check_pages(index, frame, out, what, err);
}
