/*
 * A random chain of snapshots against a naive model: files are arrays of pages that change, grow,
 * shrink and go; each snapshot goes through page filter, pack writer and manifest, is restored, and
 * must be the model. Packs vanish now and then: the next snapshot has to heal what they held.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/crc32c.h"
#include "codec/digest.h"
#include "restore/restore.h"
#include "snapshot/parent.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 8, MAX_PAGES = 60, SNAPSHOTS = 12, SEEDS = 9 };

struct model_file {
    bool exists;
    size_t bytes;
    uint8_t content[MAX_PAGES * PAGE_BYTES];
};

static struct model_file model[FILES];

static bool is_relation(size_t file)
{
    return file % 2 == 0;
}

static const char *file_path(size_t file, char out[32])
{
    (void)snprintf(out, 32, "base/%zu", file);
    return out;
}

static void change_page(struct model_file *file, size_t page, uint64_t lsn,
                        struct fixture_random *random)
{
    uint8_t *at = file->content + page * PAGE_BYTES;
    if (fixture_below(random, 6) == 0)
        memset(at, 0, PAGE_BYTES);
    else
        fixture_page(at, (enum page_kind)fixture_below(random, PAGE_KINDS), lsn, random);
}

/* Everything that changes after a snapshot has LSNs from its start on, as in PostgreSQL. */
static void change_model(uint64_t lsn, struct fixture_random *random)
{
    for (size_t i = 0; i < FILES; i++) {
        struct model_file *file = &model[i];
        uint64_t what = fixture_below(random, 10);
        size_t old_pages = file->exists ? file->bytes / PAGE_BYTES : 0;
        if (what == 0) {
            *file = (struct model_file){0};
            continue;
        }
        if (what < 3 || !file->exists) {
            size_t pages = fixture_below(random, MAX_PAGES);
            file->bytes = pages * PAGE_BYTES;
            for (size_t page = old_pages; page < pages; page++)
                change_page(file, page, lsn + page, random);
            if (pages < MAX_PAGES && fixture_below(random, 3) == 0) {
                size_t tail = fixture_below(random, PAGE_BYTES);
                change_page(file, pages, lsn, random);
                file->bytes += tail;
            }
            memset(file->content + file->bytes, 0, sizeof file->content - file->bytes);
            file->exists = true;
            old_pages = old_pages < pages ? old_pages : pages;
        }
        for (uint64_t n = old_pages == 0 ? 0 : fixture_below(random, 6); n > 0; n--)
            change_page(file, fixture_below(random, old_pages), lsn + n, random);
    }
}

/* Where each block of a file went, before the packs of this snapshot are known. */
struct decision {
    enum page_verdict verdict;
    struct page_run address; /* PAGE_REUSE: in the parent; PAGE_TAKE: ordinal is the sequence */
};

static struct decision decisions[FILES][MAX_PAGES + 1];
static uint8_t hashes[FILES][MAX_PAGES + 1][BLOCK_HASH_BYTES];

static void decide_file(size_t i, struct page_filter_parent *parent, struct pack_writer *writer)
{
    struct error err;
    struct page_filter filter;
    char path[32];
    page_filter_init(&filter, parent, file_path(i, path), is_relation(i));
    for (size_t block = 0; block < page_count_of(model[i].bytes); block++) {
        uint8_t hash[SHA256_BYTES];
        const uint8_t *page = model[i].content + block * PAGE_BYTES;
        struct decision *decision = &decisions[i][block];
        bool partial = (block + 1) * PAGE_BYTES > model[i].bytes;
        digest_sha256(page, PAGE_BYTES, hash);
        memcpy(hashes[i][block], hash, BLOCK_HASH_BYTES);
        decision->verdict = page_filter_decide(&filter, block, page, partial, hash,
                                               &decision->address);
        if (decision->verdict == PAGE_TAKE)
            assert_true(pack_writer_add(writer, page, &decision->address.ordinal, &err));
    }
}

static uint32_t use_pack(struct manifest *manifest, const struct pack_ref *ref)
{
    struct error err;
    uint32_t index;
    for (uint32_t i = 0; i < manifest->pack_count; i++)
        if (memcmp(manifest->packs[i].id, ref->id, PACK_ID_BYTES) == 0)
            return i;
    assert_true(manifest_add_pack(manifest, ref, &index, &err));
    return index;
}

static struct page_run resolve(struct manifest *manifest, const struct decision *decision,
                               const struct parent *parent, const struct pack_writer *writer)
{
    size_t count;
    struct page_run run = {.count = 1, .is_data = decision->verdict != PAGE_ZERO};
    const struct written_pack *packs = pack_writer_packs(writer, &count);
    if (decision->verdict == PAGE_REUSE) {
        run.pack = use_pack(manifest, &parent->manifest.packs[decision->address.pack]);
        run.ordinal = decision->address.ordinal;
    }
    if (decision->verdict == PAGE_TAKE) {
        size_t pack = 0;
        while (pack + 1 < count && packs[pack + 1].first_sequence <= decision->address.ordinal)
            pack++;
        run.pack = use_pack(manifest, &packs[pack].ref);
        run.ordinal = decision->address.ordinal - packs[pack].first_sequence;
    }
    return run;
}

static void add_entry(struct manifest *manifest, size_t i, const struct parent *parent,
                      const struct pack_writer *writer)
{
    struct error err;
    struct page_map_builder map;
    char path[32];
    size_t blocks = page_count_of(model[i].bytes);
    struct manifest_entry entry = {.kind = ENTRY_FILE,
                                   .path = strdup(file_path(i, path)),
                                   .mode = 0600,
                                   .flags = ENTRY_CHECKSUM,
                                   .size_bytes = model[i].bytes,
                                   .crc32c = crc32c_extend(0, model[i].content, model[i].bytes)};
    page_map_builder_init(&map);
    for (size_t block = 0; block < blocks; block++) {
        struct page_run run = resolve(manifest, &decisions[i][block], parent, writer);
        page_map_builder_add(&map, &run);
    }
    assert_true(page_map_builder_finish(&map, &err));
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    entry.flags |= is_relation(i) ? ENTRY_RELATION : ENTRY_HASHES;
    if (!is_relation(i)) {
        entry.hashes = malloc(blocks * BLOCK_HASH_BYTES + 1);
        memcpy(entry.hashes, hashes[i], blocks * BLOCK_HASH_BYTES);
    }
    assert_true(manifest_add_entry(manifest, &entry, &err));
}

/* What a delta needs to know the directory again. */
static void add_control_file(struct fixture_snapshot *snapshot, uint32_t *out_sequence)
{
    struct error err;
    uint8_t page[PAGE_BYTES];
    fixture_control_file(page, snapshot->manifest.info.system_identifier);
    fixture_add_directory(snapshot, "base", 0700);
    fixture_add_directory(snapshot, "global", 0700);
    assert_true(pack_writer_add(snapshot->writer, page, out_sequence, &err));
    uint32_t version;
    memset(page, 0, sizeof page);
    memcpy(page, "15\n", 3);
    assert_true(pack_writer_add(snapshot->writer, page, &version, &err));
}

static void add_small_file(struct manifest *manifest, const char *path, size_t bytes,
                           uint32_t sequence, const struct pack_writer *writer)
{
    struct error err;
    struct page_map_builder map;
    struct decision decision = {.verdict = PAGE_TAKE, .address = {.ordinal = sequence}};
    struct page_run run = resolve(manifest, &decision, NULL, writer);
    struct manifest_entry entry = {
        .kind = ENTRY_FILE, .path = strdup(path), .mode = 0600, .size_bytes = bytes};
    page_map_builder_init(&map);
    page_map_builder_add(&map, &run);
    assert_true(page_map_builder_finish(&map, &err));
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    assert_true(manifest_add_entry(manifest, &entry, &err));
}

static void take_snapshot(const struct repository *repository, unsigned number,
                          struct fixture_random *random)
{
    struct error err;
    struct parent parent;
    struct fixture_snapshot snapshot;
    fixture_snapshot_begin(&snapshot, repository, number);
    struct parent_server server = {
        .identity = {.system_identifier = snapshot.manifest.info.system_identifier,
                     .timeline = 1,
                     .position = UINT64_MAX}};
    if (!parent_choose(repository, &server, &parent, &err))
        fail_msg("%s", err.text);
    struct page_filter_parent filter_parent = {.manifest = parent.found ? &parent.manifest : NULL,
                                               .start_lsn = parent.manifest.info.start_lsn,
                                               .pack_states = parent.pack_states,
                                               .sparse_budget_pages = fixture_below(random, 100)};
    for (size_t i = 0; i < FILES; i++)
        if (model[i].exists)
            decide_file(i, &filter_parent, snapshot.writer);
    uint32_t control_sequence = 0;
    add_control_file(&snapshot, &control_sequence);
    assert_true(pack_writer_finish(snapshot.writer, &err));
    for (size_t i = 0; i < FILES; i++)
        if (model[i].exists)
            add_entry(&snapshot.manifest, i, &parent, snapshot.writer);
    add_small_file(&snapshot.manifest, "global/pg_control", PAGE_BYTES, control_sequence,
                   snapshot.writer);
    add_small_file(&snapshot.manifest, "PG_VERSION", 3, control_sequence + 1, snapshot.writer);
    assert_true(manifest_sort(&snapshot.manifest, &err));
    if (!manifest_write(repository, &snapshot.manifest, &err))
        fail_msg("%s", err.text);
    pack_writer_free(snapshot.writer);
    manifest_release(&snapshot.manifest);
    parent_release(&parent);
}

static void check_restored(const char *to)
{
    for (size_t i = 0; i < FILES; i++) {
        struct error err;
        char path[32];
        CLEANUP(buf_release) struct buf content;
        CLEANUP(free_pointer) char *full = path_join(to, file_path(i, path));
        buf_init(&content, sizeof model[i].content + 1);
        if (!file_read_all(full, &content, &err)) {
            assert_int_equal(err.kind, ERROR_NOT_FOUND);
            assert_false(model[i].exists);
            continue;
        }
        assert_true(model[i].exists);
        assert_int_equal(content.len, model[i].bytes);
        if (content.len > 0)
            assert_memory_equal(content.data, model[i].content, content.len);
    }
}

static bool note_key(void *context, const struct store_object *object, struct error *err)
{
    char *key = context;
    (void)err;
    (void)snprintf(key, STORE_KEY_MAX, "%s", object->key);
    return true;
}

static void lose_a_pack(const struct repository *repository)
{
    struct error err;
    char key[STORE_KEY_MAX] = "";
    assert_true(store_list(repository->store, "packs/", note_key, key, &err));
    if (key[0] != '\0')
        assert_true(store_remove(repository->store, key, &err));
}

static void run_chain(uint64_t seed)
{
    struct fixture_random random = {.state = seed};
    struct repository repository = fixture_repository((enum codec)(seed % CODEC_COUNT));
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *to = path_join(directory, "data");
    memset(model, 0, sizeof model);
    for (unsigned number = 1; number <= SNAPSHOTS; number++) {
        struct error err;
        struct restore_result result;
        change_model(UINT64_C(0x1000000) * number + 1, &random);
        if (fixture_below(&random, 4) == 0)
            lose_a_pack(&repository);
        take_snapshot(&repository, number, &random);
        struct restore_options options = {.to = to, .delta = true, .no_sync = true, .threads = 2};
        if (number == 1 || fixture_below(&random, 3) == 0)
            assert_true(dir_remove_all(to, &err));
        if (!restore_run(&repository, &options, &result, &err))
            fail_msg("seed %u, snapshot %u: %s", (unsigned)seed, number, err.text);
        restore_result_release(&result);
        check_restored(to);
    }
    fixture_remove(directory);
    fixture_close(&repository);
}

static void test_every_snapshot_of_a_random_chain_is_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_chain(seed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_snapshot_of_a_random_chain_is_the_model),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
