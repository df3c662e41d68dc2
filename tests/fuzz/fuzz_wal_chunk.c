/*
 * WAL chunks. The first byte chooses: even = the rest is a whole object; odd = two bytes of how
 * much WAL it says that it holds, then index and frames, with envelope, place and checksums made
 * right.
 */
#include "base/cleanup.h"
#include "codec/digest.h"
#include "repository/envelope.h"
#include "repository/wal_archive.h"
#include "store/store_memory.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACE_BYTES = 32, HASH_BYTES = 8, FRAME_BYTES = 256 << 10, ROW_BYTES = 16 };

static const struct wal_source from_here = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = 16 << 20};

static void wrap(const struct repository *repository, const struct wal_chunk *chunk,
                 const uint8_t *data, size_t size, struct buf *out)
{
    uint8_t hash[SHA256_BYTES];
    size_t frames = (size_t)(chunk->end_lsn - chunk->start_lsn + FRAME_BYTES - 1) / FRAME_BYTES;
    size_t head = ENVELOPE_BYTES + PLACE_BYTES + frames * ROW_BYTES + HASH_BYTES;
    envelope_put(out, OBJECT_WAL, repository);
    buf_put_u64(out, from_here.system_identifier);
    buf_put_u32(out, from_here.timeline);
    buf_put_u32(out, from_here.segment_bytes);
    buf_put_u64(out, chunk->start_lsn);
    buf_put_u64(out, chunk->end_lsn);
    buf_put(out, data, size);
    if (out->len >= head) {
        uint64_t sum = digest_xxh3(out->data, head - HASH_BYTES);
        memcpy(out->data + head - HASH_BYTES, &sum, sizeof sum);
    }
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
}

static void feed_name(const uint8_t *data, size_t size)
{
    char key[WAL_KEY_SIZE];
    struct wal_chunk chunk;
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text != NULL && wal_chunk_from_key(text, &chunk) &&
        strcmp(wal_chunk_key(&chunk, key), text) != 0)
        abort();
}

static void read_it(const struct repository *repository, const struct wal_chunk *chunk)
{
    struct error err;
    struct wal_source source;
    size_t len = (size_t)(chunk->end_lsn - chunk->start_lsn);
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    if (wal == NULL)
        abort();
    bool whole = wal_chunk_read(repository, chunk, &from_here, chunk->start_lsn, len, wal, &err);
    bool part = wal_chunk_read(repository, chunk, &from_here, chunk->end_lsn - 1, 1, wal, &err);
    bool known = wal_chunk_source(repository, chunk, &source, &err);
    if (whole && (!part || !known || source.system_identifier != from_here.system_identifier))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    struct repository repository = {.id = {1}};
    struct wal_chunk chunk = {.timeline = 1, .start_lsn = 4096};
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, 1 << 20);
    if (size < 3)
        return 0;
    feed_name(data, size);
    chunk.end_lsn = chunk.start_lsn + 1 + (uint64_t)(data[1] | data[2] << 8) * 8;
    if (data[0] % 2 == 0)
        buf_put(&object, data + 3, size - 3);
    else
        wrap(&repository, &chunk, data + 3, size - 3, &object);
    chunk.size_bytes = object.len;
    if (!store_memory_open(&repository.store, &err))
        abort();
    if (store_put(repository.store, wal_chunk_key(&chunk, key), object.data, object.len, NULL,
                  &err))
        read_it(&repository, &chunk);
    store_close(repository.store);
    return 0;
}
