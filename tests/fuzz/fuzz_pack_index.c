/*
 * Pack indexes: two bytes of page count, then the index. The trailer around them is made right, and
 * the size of the object fits, so that the fuzzer gets to the frames.
 */
#include "codec/digest.h"
#include "repository/pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pack_index *index, uint64_t object_bytes)
{
    uint64_t offset = PACK_HEADER_BYTES;
    uint32_t ordinal = 0;
    for (uint32_t i = 0; i < index->frame_count; i++) {
        const struct pack_frame *frame = &index->frames[i];
        if (frame->offset != offset || frame->first_ordinal != ordinal ||
            frame->stored_bytes > object_bytes || pack_index_find(index, ordinal) != frame)
            abort();
        offset += frame->stored_bytes;
        ordinal += frame->page_count;
    }
    if (ordinal != index->page_count || offset > object_bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct buf tail;
    struct pack_index index;
    if (size < 4)
        return 0;
    uint32_t pages = (uint32_t)(data[0] | data[1] << 8);
    uint64_t frames_bytes = (uint64_t)(data[2] | data[3] << 8);
    data += 4;
    size -= 4;
    uint64_t object_bytes = PACK_HEADER_BYTES + frames_bytes + size + PACK_TRAILER_BYTES;
    buf_init(&tail, 64 << 20);
    buf_put(&tail, data, size);
    buf_put_u64(&tail, object_bytes - PACK_TRAILER_BYTES - size);
    buf_put_u32(&tail, (uint32_t)size);
    buf_put_u32(&tail, pages);
    buf_put_u64(&tail, digest_xxh3(data, size));
    buf_put(&tail, "MSPACKED", 8);
    if (pack_index_parse(tail.data, tail.len, object_bytes, "input", &index, &err)) {
        check(&index, object_bytes);
        pack_index_release(&index);
    }
    buf_release(&tail);
    return 0;
}
