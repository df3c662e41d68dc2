/*
 * WAL chunks of a sealed repository whose seals are right. The first byte chooses, two bytes say
 * how much WAL the chunk's name promises:
 *
 *   even   two bytes of how much lies behind the sealed head; the rest is what that holds
 *   odd    a byte of how many parts follow, one that is ignored; for each part one byte of how far
 *          it reaches back and two of its length; for each of its frames one of the codec, two of
 *          the length, and what was sealed. Keys, hashes and lengths are made right
 */
#include "codec/digest.h"
#include "repository/wal_archive.h"
#include "tests/fuzz/outcome.h"
#include "tests/lib/sealed_repository.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LEAD_BYTES = 5,
    PART_LEAD_BYTES = 3,
    FRAME_LEAD_BYTES = 3,
    PARTS_MAX = 8,
    FRAME_WAL_BYTES = 256 << 10,
    LSN_UNIT = 8, /* of the lengths in the input: up to two frames and a bit */
    BYTES_MAX = 1 << 20,
    FIRST_LSN = 4096,
};

struct input {
    const uint8_t *next;
    size_t left;
};

static const struct wal_source from_here = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = 16 << 20};

static uint8_t take_u8(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->next++;
}

static size_t take_u16(struct input *input)
{
    size_t low = take_u8(input);
    return low | (size_t)take_u8(input) << 8;
}

static void put_frame(const struct repository *repository, const struct seal_place *place,
                      const struct content_key *key, struct input *input, struct buf *rows,
                      struct buf *frames)
{
    uint32_t codec = take_u8(input);
    size_t len = take_u16(input);
    len = len < input->left ? len : input->left;
    uint8_t *to = buf_reserve(frames, len + SEAL_OVERHEAD);
    if (to == NULL)
        abort();
    content_seal(repository, place, key->key, input->next, len, to);
    frames->len += len + SEAL_OVERHEAD;
    buf_put_u32(rows, codec);
    buf_put_u32(rows, (uint32_t)(len + SEAL_OVERHEAD));
    input->next += len;
    input->left -= len;
}

static void put_part(const struct repository *repository, struct input *input,
                     struct wal_chunk *part, struct buf *head, struct buf *frames)
{
    struct error err;
    char name[WAL_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    struct content_key key;
    struct seal_place place = {.kind = OBJECT_WAL};
    size_t first = frames->len;
    CLEANUP(buf_release) struct buf rows;
    buf_init(&rows, BYTES_MAX);
    part->start_lsn = part->end_lsn - take_u8(input);
    part->end_lsn = part->start_lsn + take_u16(input) * LSN_UNIT;
    place.name = wal_chunk_key(part, name);
    seal_id_new(repository, &place.id);
    if (!content_key_new(repository, &place.id, &key, &err))
        abort();
    for (uint64_t at = part->start_lsn; at < part->end_lsn; at += FRAME_WAL_BYTES) {
        put_frame(repository, &place, &key, input, &rows, frames);
        place.position++;
    }
    digest_sha256(frames->len == 0 ? hash : frames->data + first, frames->len - first, hash);
    buf_put(head, place.id.generation, sizeof place.id.generation);
    buf_put(head, place.id.object, sizeof place.id.object);
    buf_put_u64(head, part->start_lsn);
    buf_put_u64(head, part->end_lsn);
    buf_put(head, key.wrapped, sizeof key.wrapped);
    buf_put(head, hash, sizeof hash); /* the two digests are not looked at */
    buf_put(head, hash, sizeof hash);
    buf_put(head, hash, sizeof hash);
    buf_put(head, rows.data, rows.len);
}

static void put_parts(const struct repository *repository, uint32_t count, struct input *input,
                      struct buf *head, struct buf *frames)
{
    struct wal_chunk part = {.timeline = 1, .end_lsn = FIRST_LSN};
    buf_put_u64(head, from_here.system_identifier);
    buf_put_u32(head, from_here.segment_bytes);
    buf_put_u32(head, count);
    for (uint32_t i = 0; i < count; i++)
        put_part(repository, input, &part, head, frames);
}

static void make_chunk(const struct repository *repository, const struct wal_chunk *chunk,
                       const uint8_t *data, size_t size, struct buf *out)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(chunk, key)};
    CLEANUP(buf_release) struct buf head;
    CLEANUP(buf_release) struct buf frames;
    struct input input = {data + LEAD_BYTES, size - LEAD_BYTES};
    buf_init(&head, BYTES_MAX);
    buf_init(&frames, BYTES_MAX);
    if (data[0] % 2 == 1) {
        put_parts(repository, data[3] % PARTS_MAX, &input, &head, &frames);
    } else {
        buf_put(&head, input.next, input.left);
        for (int i = data[3] | data[4] << 8; i > 0; i--)
            buf_put_u8(&frames, 0);
    }
    seal_id_new(repository, &place.id);
    seal_head_put(out, OBJECT_WAL, repository, &place.id);
    buf_put_u32(out, (uint32_t)(head.len + SEAL_OVERHEAD));
    if (!metadata_seal(repository, &place, head.data, head.len, out, &err))
        abort();
    buf_put(out, frames.data, frames.len);
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
}

static void read_wal(const struct repository *repository, const struct wal_chunk *chunk)
{
    struct error err;
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    uint8_t last = 0;
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    if (wal == NULL)
        abort();
    bool whole = outcome_check(
        wal_chunk_read(repository, chunk, &from_here, chunk->start_lsn, len, wal, &err), &err);
    bool part = outcome_check(
        wal_chunk_read(repository, chunk, &from_here, chunk->end_lsn - 1, 1, &last, &err), &err);
    if (whole && (!part || last != wal[len - 1]))
        abort();
}

/* What merging does with it: a chunk of the same WAL under another name is as good. */
static void merge(const struct repository *repository, const struct wal_chunk *chunk)
{
    struct error err;
    struct wal_chunk_end end;
    struct wal_source source;
    struct wal_chunk both[2] = {*chunk, *chunk};
    struct wal_chunk merged = *chunk;
    bool sound = outcome_check(wal_chunk_check_sealed(repository, chunk, &err), &err);
    bool known = outcome_check(wal_chunk_source(repository, chunk, &source, &err), &err);
    bool ends = outcome_check(wal_chunk_end(repository, chunk, &end, &err), &err);
    if ((sound && !known) || known != ends || (ends && end.len >= 8192))
        abort();
    bool joined = outcome_check(wal_chunk_join(repository, both, 2, &merged, &err), &err);
    if (joined != sound)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char key[WAL_KEY_SIZE];
    struct repository repository;
    struct wal_chunk chunk = {.timeline = 1, .start_lsn = FIRST_LSN};
    if (size < LEAD_BYTES || size > BYTES_MAX / 4 || (data[1] | data[2]) == 0)
        return 0;
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, 4 << 20);
    repository = sealed_repository();
    chunk.end_lsn = chunk.start_lsn + (uint64_t)(data[1] | data[2] << 8) * LSN_UNIT;
    make_chunk(&repository, &chunk, data, size, &object);
    chunk.size_bytes = object.len;
    if (sealed_store(&repository, wal_chunk_key(&chunk, key), &object)) {
        read_wal(&repository, &chunk);
        merge(&repository, &chunk);
    }
    store_close(repository.store);
    return 0;
}
