/*
 * Packs of a sealed repository whose seals are right: two bytes of page count, one that chooses,
 * one of how many frames follow; then for each frame two bytes of length and what was sealed; then
 * the index. Trailer, key and hashes around them are made right, so that the fuzzer gets to what
 * the seals hold. Bit 0 of the byte that chooses: the rest is what the tail holds behind the
 * content key, trailer included.
 */
#include "codec/digest.h"
#include "repository/pack_reader.h"
#include "tests/fuzz/outcome.h"
#include "tests/lib/sealed_repository.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OWN_TRAILER = 1 << 0, LEAD_BYTES = 4 };

struct input {
    const uint8_t *next;
    size_t left;
};

static size_t take_u16(struct input *input)
{
    if (input->left < 2)
        return 0;
    size_t value = (size_t)(input->next[0] | input->next[1] << 8);
    input->next += 2;
    input->left -= 2;
    return value;
}

static void seal_frames(const struct repository *repository, struct seal_place place,
                        const uint8_t key[SEAL_KEY_BYTES], size_t count, struct input *input,
                        struct buf *out)
{
    for (; place.position < count; place.position++) {
        size_t len = take_u16(input);
        len = len < input->left ? len : input->left;
        uint8_t *to = buf_reserve(out, len + SEAL_OVERHEAD);
        if (to == NULL)
            abort();
        content_seal(repository, &place, key, input->next, len, to);
        out->len += len + SEAL_OVERHEAD;
        input->next += len;
        input->left -= len;
    }
}

/* The tail as it is before it is sealed; gives the length of the index. */
static uint32_t put_tail(const struct content_key *key, uint64_t offset, const uint8_t *lead,
                         const struct input *input, struct buf *out)
{
    buf_put(out, key->wrapped, sizeof key->wrapped);
    buf_put(out, input->next, input->left);
    if ((lead[2] & OWN_TRAILER) != 0)
        return input->left < PACK_TRAILER_BYTES ? 0 : (uint32_t)(input->left - PACK_TRAILER_BYTES);
    buf_put_u64(out, offset);
    buf_put_u32(out, (uint32_t)input->left);
    buf_put_u32(out, (uint32_t)(lead[0] | lead[1] << 8));
    buf_put_u64(out, digest_xxh3(input->next, input->left));
    buf_put(out, "MSPACKED", 8);
    return (uint32_t)input->left;
}

static void make_pack(const struct repository *repository, const uint8_t *data, size_t size,
                      struct pack_ref *ref, struct buf *out)
{
    struct error err;
    struct content_key key;
    struct input input = {data + LEAD_BYTES, size - LEAD_BYTES};
    struct seal_place place = {.kind = OBJECT_PACK, .name = ""};
    CLEANUP(buf_release) struct buf tail;
    buf_init(&tail, 1 << 20);
    seal_id_new(repository, &place.id);
    if (!content_key_new(repository, &place.id, &key, &err))
        abort();
    seal_head_put(out, OBJECT_PACK, repository, &place.id);
    seal_frames(repository, place, key.key, data[3], &input, out);
    ref->index_bytes = put_tail(&key, out->len, data, &input, &tail);
    ref->page_count = (uint32_t)(data[0] | data[1] << 8);
    ref->seal = place.id;
    if (!metadata_seal(repository, &place, tail.data, tail.len, out, &err))
        abort();
    ref->size_bytes = out->len;
    digest_sha256(out->data, out->len, ref->id);
}

static void read_frames(const struct pack_index *index, const uint8_t *object, size_t len)
{
    struct error err;
    uint8_t pages[FRAME_BYTES];
    struct codec_context *codec;
    if (!codec_context_new(&codec, &err))
        abort();
    for (uint32_t i = 0; i < index->frame_count; i++) {
        const struct pack_frame *frame = &index->frames[i];
        if (frame->offset < SEALED_HEAD_BYTES || frame->stored_bytes > len - frame->offset)
            abort();
        (void)outcome_check(
            pack_frame_decode(index, frame, codec, object + frame->offset, pages, "input", &err),
            &err);
    }
    codec_context_free(codec);
}

static void read_it(const struct repository *repository, const struct pack_ref *ref)
{
    struct error err;
    struct pack_index alone;
    struct pack_index index;
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, PACK_MAX_BYTES);
    bool known = outcome_check(pack_read_index(repository, ref, &alone, &err), &err);
    bool whole = outcome_check(pack_read_whole(repository, ref, &object, &index, &err), &err);
    if (known != whole)
        abort();
    if (!whole)
        return;
    if (index.frame_count != alone.frame_count || index.page_count != ref->page_count)
        abort();
    read_frames(&index, object.data, object.len);
    pack_index_release(&index);
    pack_index_release(&alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char key[PACK_KEY_SIZE];
    struct pack_ref ref = {{0}};
    struct repository repository;
    if (size < LEAD_BYTES || size > 1 << 18)
        return 0;
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, 4 << 20);
    repository = sealed_repository();
    make_pack(&repository, data, size, &ref, &object);
    if (sealed_store(&repository, pack_key(ref.id, key), &object))
        read_it(&repository, &ref);
    store_close(repository.store);
    return 0;
}
