#include "repository/manifest.h"

#include "base/cleanup.h"
#include "codec/digest.h"
#include "repository/catalog.h"
#include "repository/verify.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/sealed_repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_file(struct manifest *manifest, const char *path, uint64_t blocks, uint32_t flags)
{
    struct error err;
    struct page_map_builder map;
    struct page_run zeros = {.count = 1};
    struct page_run data = {.count = (uint32_t)blocks - 1, .is_data = true, .ordinal = 3};
    struct manifest_entry entry = {.kind = ENTRY_FILE,
                                   .path = strdup(path),
                                   .mode = 0640,
                                   .mtime_s = -5,
                                   .flags = flags,
                                   .crc32c = 0xdeadbeef,
                                   .size_bytes = blocks * PAGE_BYTES - 1};
    page_map_builder_init(&map);
    page_map_builder_add(&map, &zeros);
    page_map_builder_add(&map, &data);
    assert_true(page_map_builder_finish(&map, &err));
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    if ((flags & ENTRY_HASHES) != 0) {
        entry.hashes = malloc(blocks * BLOCK_HASH_BYTES);
        memset(entry.hashes, 0x5a, blocks * BLOCK_HASH_BYTES);
    }
    assert_true(manifest_add_entry(manifest, &entry, &err));
}

static void make(struct manifest *manifest)
{
    struct error err;
    uint32_t index;
    struct pack_ref ref = {
        .id = {1, 2, 3}, .size_bytes = 5000, .index_bytes = 100, .page_count = 50};
    struct manifest_entry directory = {
        .kind = ENTRY_DIRECTORY, .path = strdup("base"), .mode = 0700, .mtime_s = 1772323200};
    manifest_init(manifest);
    fixture_info(&manifest->info, 1);
    assert_true(manifest_add_pack(manifest, &ref, &index, &err));
    assert_int_equal(index, 0);
    add_file(manifest, "base/5/16384", 20, ENTRY_RELATION | ENTRY_CHECKSUM);
    add_file(manifest, "base/5/16384_vm", 2, ENTRY_HASHES | ENTRY_CHECKSUM);
    add_file(manifest, "base-5", 3, 0); /* sorts before "base/..." */
    assert_true(manifest_add_entry(manifest, &directory, &err));
    assert_true(manifest_sort(manifest, &err));
}

static void encode(const struct repository *repository, struct buf *out)
{
    struct error err;
    struct manifest manifest;
    make(&manifest);
    buf_init(out, 1 << 20);
    if (!manifest_encode(repository, &manifest, out, &err))
        fail_msg("%s", err.text);
    manifest_release(&manifest);
}

/* From a copy of exactly this length, so that a sanitizer sees every byte read too far. */
static bool decode(const struct repository *repository, const uint8_t *bytes, size_t len,
                   struct manifest *out, struct error *err)
{
    CLEANUP(free_pointer) uint8_t *copy = malloc(len + (len == 0));
    if (len > 0)
        memcpy(copy, bytes, len);
    return manifest_decode(repository, copy, len, "manifest \"x\"", out, err);
}

static void test_a_manifest_comes_back(void **state)
{
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct error err;
        struct buf bytes;
        struct manifest manifest;
        struct repository repository = fixture_repository((enum codec)codec);
        encode(&repository, &bytes);
        if (!decode(&repository, bytes.data, bytes.len, &manifest, &err))
            fail_msg("%s", err.text);
        assert_int_equal(manifest.entry_count, 4);
        assert_string_equal(manifest.entries[0].path, "base");
        assert_string_equal(manifest.entries[1].path, "base-5");
        assert_int_equal(manifest.pack_count, 1);
        assert_int_equal(manifest.packs[0].page_count, 50);
        const struct manifest_entry *vm = manifest_find(&manifest, "base/5/16384_vm");
        assert_non_null(vm);
        assert_int_equal(vm->size_bytes, 2 * PAGE_BYTES - 1);
        assert_int_equal(vm->mode, 0640);
        assert_int_equal(vm->mtime_s, -5);
        assert_int_equal(vm->crc32c, 0xdeadbeef);
        assert_int_equal(vm->hashes[31], 0x5a);
        assert_null(manifest_find(&manifest, "base/5/1638"));
        assert_null(manifest_find(&manifest, ""));
        assert_string_equal(manifest.info.id, "0000000000000001");
        manifest_release(&manifest);
        buf_release(&bytes);
        fixture_close(&repository);
    }
}

static void test_every_truncation_and_every_flipped_bit_is_refused(void **state)
{
    struct error err;
    struct buf bytes;
    struct manifest manifest;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    encode(&repository, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(decode(&repository, bytes.data, len, &manifest, &err));
    for (size_t at = 0; at < bytes.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[at] ^= (uint8_t)(1u << bit);
            if (decode(&repository, bytes.data, bytes.len, &manifest, &err))
                fail_msg("byte %zu, bit %u: accepted", at, bit);
            bytes.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    buf_release(&bytes);
    fixture_close(&repository);
}

/* The body of an uncompressed manifest begins behind its head; sign makes a forgery consistent. */
static size_t body_at(const struct buf *bytes)
{
    const uint8_t *at = bytes->data + ENVELOPE_BYTES;
    return ENVELOPE_BYTES + 4 + (at[0] | (size_t)at[1] << 8) + 8 + 17;
}

static void sign(struct buf *bytes)
{
    digest_sha256(bytes->data, bytes->len - SHA256_BYTES, bytes->data + bytes->len - SHA256_BYTES);
}

/* Whatever the body says under a right checksum: an error or a manifest, never a crash; and what
 * is accepted keeps the invariants. */
static void test_forged_bodies_never_break_the_invariants(void **state)
{
    struct error err;
    struct buf bytes;
    struct fixture_random random = {.state = 11};
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    encode(&repository, &bytes);
    size_t first = body_at(&bytes);
    for (size_t at = first; at < bytes.len - SHA256_BYTES; at++) {
        for (unsigned round = 0; round < 24; round++) {
            struct manifest manifest;
            uint8_t kept = bytes.data[at];
            bytes.data[at] = (uint8_t)(round < 8 ? kept ^ 1u << round : fixture_next(&random));
            sign(&bytes);
            if (decode(&repository, bytes.data, bytes.len, &manifest, &err)) {
                assert_true(manifest_sort(&manifest, &err));
                for (size_t i = 0; i < manifest.entry_count; i++)
                    assert_true(manifest.entries[i].flags < 8);
                manifest_release(&manifest);
            }
            bytes.data[at] = kept;
        }
    }
    buf_release(&bytes);
    fixture_close(&repository);
}

static void test_unsafe_and_repeated_paths_are_refused(void **state)
{
    static const char *const unsafe[] = {"",     "/etc/passwd", "a/../b", "..",     "./a",
                                         "a//b", "a/",          "a\nb",   "a\\b",   "a/./b",
                                         ".",    "\x7f",        "\x01",   "base/.."};
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unsafe); i++) {
        struct manifest manifest;
        make(&manifest);
        struct manifest_entry entry = {.kind = ENTRY_DIRECTORY, .path = strdup(unsafe[i])};
        assert_true(manifest_add_entry(&manifest, &entry, &err));
        if (manifest_sort(&manifest, &err))
            fail_msg("\"%s\" was accepted", unsafe[i]);
        manifest_release(&manifest);
    }
    struct manifest manifest;
    make(&manifest);
    struct manifest_entry again = {.kind = ENTRY_DIRECTORY, .path = strdup("base-5")};
    assert_true(manifest_add_entry(&manifest, &again, &err));
    assert_false(manifest_sort(&manifest, &err));
    assert_non_null(strstr(err.text, "\"base-5\""));
    manifest_release(&manifest);
}

static void test_writing_makes_the_snapshot_exist(void **state)
{
    struct error err;
    struct manifest manifest;
    struct manifest loaded;
    struct snapshot_info info;
    char key[MANIFEST_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    make(&manifest);
    assert_string_equal(manifest_key(&manifest.info, key),
                        "snapshots/20260301T000001.000000Z-0000000000000001.manifest");
    assert_true(manifest_write(&repository, &manifest, &err));
    assert_false(manifest_write(&repository, &manifest, &err)); /* never twice */
    assert_int_equal(err.kind, ERROR_EXISTS);
    assert_true(manifest_load(&repository, key, &loaded, &err));
    assert_true(manifest_load_info(&repository, key, &info, &err));
    assert_string_equal(info.id, loaded.info.id);
    assert_false(manifest_load(&repository, "snapshots/x.manifest", &loaded, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    snapshot_info_release(&info);
    manifest_release(&loaded);
    manifest_release(&manifest);
    fixture_close(&repository);
}

/* More than the first read of a summary brings. */
static void test_a_long_summary_is_read_whole(void **state)
{
    struct error err;
    struct manifest manifest;
    struct snapshot_info info;
    char key[MANIFEST_KEY_SIZE];
    char text[200];
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    make(&manifest);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(text, sizeof text, "damaged page %d in \"base/5/16384\", %080d", i, i);
        assert_true(snapshot_info_add_warning(&manifest.info, text, &err));
    }
    assert_true(manifest_write(&repository, &manifest, &err));
    if (!manifest_load_info(&repository, manifest_key(&manifest.info, key), &info, &err))
        fail_msg("%s", err.text);
    assert_int_equal(info.warning_count, 2000);
    snapshot_info_release(&info);
    manifest_release(&manifest);
    fixture_close(&repository);
}

/* --- sealed -------------------------------------------------------------------------------------
 */

static void put_sealed(const struct repository *repository, char key[MANIFEST_KEY_SIZE],
                       struct buf *out)
{
    enum { OBJECT_MAX = 1 << 16 };
    size_t got;
    struct error err;
    struct manifest manifest;
    make(&manifest);
    assert_true(manifest_write(repository, &manifest, &err));
    (void)manifest_key(&manifest.info, key);
    assert_true(
        store_get(repository->store, key, 0, OBJECT_MAX, buf_reserve(out, OBJECT_MAX), &got, &err));
    out->len = got;
    manifest_release(&manifest);
}

/* The name is no part of the seal, the summary is: an older one must not pass for the newest. */
static void test_a_sealed_manifest_under_another_name_is_refused(void **state)
{
    static const char newest[] = "snapshots/20260301T130000.000000Z-00000000000000ff.manifest";
    struct error err;
    struct manifest manifest;
    struct catalog catalog;
    char key[MANIFEST_KEY_SIZE];
    CLEANUP(buf_release) struct buf bytes;
    (void)state;
    buf_init(&bytes, 1 << 20);
    struct repository repository = sealed_repository();
    put_sealed(&repository, key, &bytes);
    assert_true(store_put(repository.store, newest, bytes.data, bytes.len, NULL, &err));
    assert_true(manifest_load(&repository, key, &manifest, &err));
    manifest_release(&manifest);
    assert_false(manifest_load(&repository, newest, &manifest, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_true(catalog_load(&repository, &catalog, &err));
    assert_int_equal(catalog.count, 2);
    assert_true(catalog.entries[0].readable);
    assert_false(catalog.entries[1].readable);
    catalog_release(&catalog);
    store_close(repository.store);
}

/* Lengths were changed, and the SHA-256 with them: its own fault, not a lack of memory, which would
 * end a verification. */
static void test_a_sealed_summary_that_cannot_be_so_long_is_damage(void **state)
{
    enum { LENGTH_AT = SEALED_HEAD_BYTES, LENGTH = 3 << 20 };
    struct error err;
    struct manifest manifest;
    struct verify_report report;
    struct verify_options options = {.threads = 1};
    char key[MANIFEST_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    CLEANUP(buf_release) struct buf bytes;
    (void)state;
    buf_init(&bytes, 2 * LENGTH);
    struct repository repository = sealed_repository();
    put_sealed(&repository, key, &bytes);
    bytes.len = LENGTH_AT;
    buf_put_u32(&bytes, LENGTH);
    memset(buf_reserve(&bytes, LENGTH), 0, LENGTH);
    bytes.len += LENGTH;
    digest_sha256(bytes.data, bytes.len, hash);
    buf_put(&bytes, hash, sizeof hash);
    assert_true(store_remove(repository.store, key, &err));
    assert_true(store_put(repository.store, key, bytes.data, bytes.len, NULL, &err));
    assert_false(manifest_load(&repository, key, &manifest, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, key));
    assert_true(verify_run(&repository, &options, &report, &err));
    assert_int_equal(report.problem_count, 1);
    verify_report_release(&report);
    store_close(repository.store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_manifest_comes_back),
        cmocka_unit_test(test_every_truncation_and_every_flipped_bit_is_refused),
        cmocka_unit_test(test_forged_bodies_never_break_the_invariants),
        cmocka_unit_test(test_unsafe_and_repeated_paths_are_refused),
        cmocka_unit_test(test_writing_makes_the_snapshot_exist),
        cmocka_unit_test(test_a_long_summary_is_read_whole),
        cmocka_unit_test(test_a_sealed_manifest_under_another_name_is_refused),
        cmocka_unit_test(test_a_sealed_summary_that_cannot_be_so_long_is_damage),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
