#include "repository/pack.h"

#include "base/cleanup.h"
#include "codec/digest.h"
#include "repository/pack_reader.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/sealed_repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 3, PAGES = 70, FRAME_STORED = 100 };

/* A pack whose frames hold nonsense: only its index matters here. */
static void make_pack(struct buf *pack)
{
    struct pack_frame frames[FRAMES] = {{.stored_bytes = FRAME_STORED, .page_count = 32},
                                        {.stored_bytes = FRAME_STORED, .page_count = 32},
                                        {.stored_bytes = FRAME_STORED, .page_count = 6}};
    uint64_t hashes[PAGES] = {0};
    struct pack_index index = {
        .frames = frames, .frame_count = FRAMES, .page_hashes = hashes, .page_count = PAGES};
    uint8_t filling[PACK_HEADER_BYTES + FRAMES * FRAME_STORED] = {0};
    buf_init(pack, 1 << 20);
    buf_put(pack, filling, sizeof filling);
    pack_index_put(pack, &index);
}

static size_t tail_bytes(const struct buf *pack)
{
    return pack->len - PACK_HEADER_BYTES - FRAMES * FRAME_STORED;
}

static bool parse(const uint8_t *bytes, size_t len, size_t tail, struct error *err)
{
    struct pack_index index;
    CLEANUP(free_pointer) uint8_t *copy = malloc(tail + 1); /* so that overreads are noticed */
    memcpy(copy, bytes + len - tail, tail);
    if (!pack_index_parse(copy, tail, len, "pack \"x\"", &index, err))
        return false;
    pack_index_release(&index);
    return true;
}

static void test_an_index_comes_back(void **state)
{
    struct error err;
    struct buf pack;
    struct pack_index index;
    (void)state;
    make_pack(&pack);
    size_t tail = tail_bytes(&pack);
    assert_true(pack_index_parse(pack.data + pack.len - tail, tail, pack.len, "x", &index, &err));
    assert_int_equal(index.frame_count, FRAMES);
    assert_int_equal(index.page_count, PAGES);
    assert_int_equal(index.frames[2].offset, PACK_HEADER_BYTES + 2 * FRAME_STORED);
    assert_int_equal(index.frames[2].first_ordinal, 64);
    assert_ptr_equal(pack_index_find(&index, 0), &index.frames[0]);
    assert_ptr_equal(pack_index_find(&index, 31), &index.frames[0]);
    assert_ptr_equal(pack_index_find(&index, 32), &index.frames[1]);
    assert_ptr_equal(pack_index_find(&index, 69), &index.frames[2]);
    pack_index_release(&index);
    buf_release(&pack);
}

static void test_every_flipped_bit_and_every_other_length_is_refused(void **state)
{
    struct error err;
    struct buf pack;
    (void)state;
    make_pack(&pack);
    size_t tail = tail_bytes(&pack);
    for (size_t at = pack.len - tail; at < pack.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            pack.data[at] ^= (uint8_t)(1u << bit);
            if (parse(pack.data, pack.len, tail, &err))
                fail_msg("byte %zu, bit %u: accepted", at, bit);
            assert_int_equal(err.kind, ERROR_CORRUPT);
            pack.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t len = 0; len <= pack.len; len++)
        assert_int_equal(parse(pack.data, pack.len, len, &err), len == tail);
    buf_release(&pack);
}

/* Writes the index again with a right hash, as somebody would who means harm. */
static bool parse_forged(const uint8_t *index, size_t len, uint32_t pages, uint64_t object_bytes)
{
    struct error err;
    struct buf tail;
    struct pack_index out;
    buf_init(&tail, 1 << 20);
    buf_put(&tail, index, len);
    buf_put_u64(&tail, object_bytes - PACK_TRAILER_BYTES - len);
    buf_put_u32(&tail, (uint32_t)len);
    buf_put_u32(&tail, pages);
    buf_put_u64(&tail, digest_xxh3(index, len));
    buf_put(&tail, "MSPACKED", 8);
    bool done = pack_index_parse(tail.data, tail.len, object_bytes, "x", &out, &err);
    if (done)
        pack_index_release(&out);
    buf_release(&tail);
    return done;
}

static void test_forged_indexes_are_refused(void **state)
{
    static const struct {
        const char *what;
        bool good;
        uint32_t pages;
        size_t len;
        uint8_t index[32];
        uint64_t object_bytes;
    } cases[] = {
        {"one frame", true, 1, 12, {1, 0, 1, 100}, 40 + 100 + 12 + 32},
        {"an unknown codec", false, 1, 12, {1, 3, 1, 100}, 40 + 100 + 12 + 32},
        {"a frame without pages", false, 1, 12, {1, 0, 0, 100}, 40 + 100 + 12 + 32},
        {"a frame of 33 pages", false, 1, 12, {1, 0, 33, 100}, 40 + 100 + 12 + 32},
        {"a frame without bytes", false, 1, 12, {1, 0, 1, 0}, 40 + 12 + 32},
        {"a frame beyond the index", false, 1, 12, {1, 0, 1, 101}, 40 + 100 + 12 + 32},
        {"a gap before the index", false, 1, 12, {1, 0, 1, 99}, 40 + 100 + 12 + 32},
        {"more frames than pages", false, 1, 12, {2, 0, 1, 50}, 40 + 100 + 12 + 32},
        {"more pages than frames hold", false, 2, 20, {1, 0, 1, 100}, 40 + 100 + 20 + 32},
        {"a hash is missing", false, 1, 11, {1, 0, 1, 100}, 40 + 100 + 11 + 32},
        {"a byte too many", false, 1, 13, {1, 0, 1, 100}, 40 + 100 + 13 + 32},
        {"too many pages", false, 65537, 12, {1, 0, 1, 100}, 40 + 100 + 12 + 32},
        {"an object too large", false, 1, 12, {1, 0, 1, 100}, PACK_MAX_BYTES + 1},
        {"no frame and no page", true, 0, 1, {0}, 40 + 1 + 32},
        {"an empty index", false, 0, 0, {0}, 40 + 32},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (parse_forged(cases[i].index, cases[i].len, cases[i].pages, cases[i].object_bytes) !=
            cases[i].good)
            fail_msg("%s: %s", cases[i].what, cases[i].good ? "refused" : "accepted");
}

static void test_only_exact_keys_are_keys_of_packs(void **state)
{
    uint8_t id[PACK_ID_BYTES];
    uint8_t back[PACK_ID_BYTES];
    char key[PACK_KEY_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(0xa0 + i);
    assert_true(pack_id_from_key(pack_key(id, key), back));
    assert_memory_equal(id, back, sizeof id);
    for (size_t at = 0; at + 1 < sizeof key; at++) {
        char kept = key[at];
        key[at] = kept == 'A' ? 'B' : 'G';
        assert_false(pack_id_from_key(key, back));
        key[at] = (char)(kept >= 'a' && kept <= 'f' ? kept - 32
                                                    : '\0'); /* upper case, or shorter */
        assert_false(pack_id_from_key(key, back));
        key[at] = kept;
    }
    assert_false(pack_id_from_key("", back));
}

/* Not even one of the same repository that opens: the manifest knows the seal of its own. */
static void test_a_sealed_pack_in_the_place_of_another_is_refused(void **state)
{
    uint8_t page[PAGE_BYTES] = {0};
    struct error err;
    struct pack_index index;
    struct manifest manifests[2];
    CLEANUP(buf_release) struct buf pack;
    (void)state;
    buf_init(&pack, 1 << 20);
    struct repository repository = sealed_repository();
    repository.settings.pack_bytes = 1 << 20;
    for (unsigned i = 0; i < ARRAY_LEN(manifests); i++) {
        char key[MANIFEST_KEY_SIZE];
        struct fixture_snapshot snapshot;
        struct snapshot_info info;
        page[0] = (uint8_t)(i + 1);
        fixture_info(&info, i);
        fixture_snapshot_begin(&snapshot, &repository, i);
        fixture_add_file(&snapshot, "x", page, sizeof page);
        fixture_snapshot_end(&snapshot);
        assert_true(manifest_load(&repository, manifest_key(&info, key), &manifests[i], &err));
        snapshot_info_release(&info);
    }
    struct pack_ref ref = manifests[0].packs[0];
    assert_true(pack_read_whole(&repository, &ref, &pack, &index, &err));
    pack_index_release(&index);
    ref.seal = manifests[1].packs[0].seal;
    assert_false(pack_read_whole(&repository, &ref, &pack, &index, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_false(pack_read_index(&repository, &ref, &index, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    for (size_t i = 0; i < ARRAY_LEN(manifests); i++)
        manifest_release(&manifests[i]);
    store_close(repository.store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_index_comes_back),
        cmocka_unit_test(test_every_flipped_bit_and_every_other_length_is_refused),
        cmocka_unit_test(test_forged_indexes_are_refused),
        cmocka_unit_test(test_only_exact_keys_are_keys_of_packs),
        cmocka_unit_test(test_a_sealed_pack_in_the_place_of_another_is_refused),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
