/* A sealed repository in memory: what is written reads back with each kind of key, and nothing that
 * was changed, cut, swapped, renamed or brought from elsewhere is taken for data. */
#include "tests/lib/core_fixture.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "repository/manifest.h"
#include "repository/pack_reader.h"
#include "repository/restore_point.h"
#include "repository/run_record.h"
#include "repository/sealing.h"
#include "repository/verify.h"
#include "repository/wal_archive.h"
#include "store/store_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILE_PAGES = 100, WAL_BYTES = 600 * 1000, OBJECTS_MAX = 64, OBJECT_MAX = 4 << 20 };

/* Of another system than the snapshots, so that verify does not expect pages of WAL in it. */
static const struct wal_source source = {
    .system_identifier = UINT64_C(42), .timeline = 2, .segment_bytes = 16 << 20};

struct scene {
    struct store *store;
    char *directory;
    char *key_file;
    struct repository repository;
};

static struct key_options options_of(const char *key_file)
{
    return (struct key_options){.wish = ENCRYPTION_SEALED, .key_file = key_file};
}

static bool open_with(struct store *store, const char *key_file, struct repository *out,
                      struct error *err)
{
    struct key_options options = options_of(key_file);
    return repository_open_with(store, &options, out, err);
}

/* seed: of the repository's id; the key file is made. */
static void scene_open(struct scene *scene, unsigned seed)
{
    struct error err;
    uint8_t key[SEAL_KEY_BYTES];
    struct repository made;
    struct repository_settings settings;
    struct key_material *material;
    struct fixture_random random = {.state = seed};
    struct random_source numbers = fixture_random_source(&random);
    repository_default_settings(&settings);
    settings.pack_bytes = 1 << 20;
    scene->directory = fixture_directory();
    scene->key_file = path_join(scene->directory, "key");
    assert_true(seal_start(&err));
    seal_random(key, sizeof key);
    assert_true(key_file_make(scene->key_file, key, &err));
    struct key_options options = options_of(scene->key_file);
    assert_true(key_material_load(&options, &material, &err));
    struct key_slot_request slot = {
        .kind = KEY_FILE, .grant = GRANT_ALL, .label = "first", .material = material};
    assert_true(store_memory_open(&scene->store, &err));
    assert_true(repository_create_sealed(scene->store, &settings, &clock_system, &numbers, &slot,
                                         &made, &err));
    key_material_free(material);
    if (!open_with(scene->store, scene->key_file, &scene->repository, &err))
        fail_msg("%s", err.text);
}

static void scene_close(struct scene *scene)
{
    repository_close(&scene->repository);
    store_close(scene->store);
    free(scene->key_file);
    fixture_remove(scene->directory);
}

static void put_wal(const struct repository *repository, uint64_t lsn, size_t len, uint8_t fill)
{
    struct error err;
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    assert_non_null(wal);
    for (size_t i = 0; i < len; i++)
        wal[i] = (uint8_t)(fill + (lsn + i) / 1000 + (lsn + i) % 7);
    if (!wal_chunk_put(repository, &source, lsn, wal, len, NULL, &err))
        fail_msg("%s", err.text);
}

static void put_snapshot(const struct repository *repository, unsigned number)
{
    uint8_t pages[FILE_PAGES][PAGE_BYTES];
    struct fixture_snapshot snapshot;
    struct fixture_random random = {.state = number};
    for (size_t i = 0; i < FILE_PAGES; i++)
        fixture_page(pages[i], i % 2 == 0 ? PAGE_TEXT : PAGE_NOISE, 1, &random);
    fixture_snapshot_begin(&snapshot, repository, number);
    fixture_add_cluster(&snapshot);
    fixture_add_file(&snapshot, "base/1", pages, sizeof pages);
    fixture_snapshot_end(&snapshot);
}

static void put_point(const struct repository *repository, const char *name, uint64_t lsn)
{
    struct error err;
    struct restore_point point = {
        .system_identifier = source.system_identifier, .timeline = 2, .lsn = lsn, .time_us = 1};
    (void)snprintf(point.name, sizeof point.name, "%s", name);
    assert_true(restore_point_put(repository, &point, &err));
}

/* Two objects of every kind. */
static void fill(const struct repository *repository)
{
    struct error err;
    put_snapshot(repository, 1);
    put_snapshot(repository, 2);
    assert_true(history_put(repository, 2, "1\t0/1\tx\n", 8, &err));
    assert_true(history_put(repository, 3, "1\t0/1\tx\n", 8, &err));
    put_wal(repository, 1000, WAL_BYTES, 0);
    put_wal(repository, 1000 + WAL_BYTES, WAL_BYTES, 0);
    put_point(repository, "one", 17);
    put_point(repository, "two", 18);
}

/* --- does anybody notice ------------------------------------------------------------------------
 */

/* Reads everything that there is; false with the finding, which must name the object. */
static bool read_all(const struct repository *repository, struct error *err)
{
    struct verify_report report;
    struct verify_options options = {.threads = 1};
    struct restore_point *points = NULL;
    size_t count;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 20);
    if (!verify_run(repository, &options, &report, err))
        return false;
    bool good = report.problem_count == 0;
    if (!good)
        (void)error_set(err, ERROR_CORRUPT, "%s: %s", report.problems[0].object,
                        report.problems[0].text);
    verify_report_release(&report);
    good = good && restore_point_list(repository, &points, &count, err) &&
           history_get(repository, 2, &text, err) && history_get(repository, 3, &text, err);
    free(points);
    return good;
}

struct names {
    char keys[OBJECTS_MAX][STORE_KEY_MAX];
    size_t count;
};

static bool add_name(void *context, const struct store_object *object, struct error *err)
{
    struct names *names = context;
    (void)err;
    assert_true(names->count < OBJECTS_MAX);
    (void)snprintf(names->keys[names->count++], STORE_KEY_MAX, "%s", object->key);
    return true;
}

static void get(struct store *store, const char *key, struct buf *out)
{
    size_t got;
    struct error err;
    buf_clear(out);
    assert_true(store_get(store, key, 0, OBJECT_MAX, buf_reserve(out, OBJECT_MAX), &got, &err));
    out->len = got;
}

static void replace(struct store *store, const char *key, const void *bytes, size_t len)
{
    struct error err;
    assert_true(store_remove(store, key, &err));
    assert_true(store_put(store, key, bytes, len, NULL, &err));
}

/* What stands behind the last slash without its extension: that is what a message must hold. */
static void name_in_message(const char *key, char out[STORE_KEY_MAX])
{
    const char *slash = strrchr(key, '/');
    (void)snprintf(out, STORE_KEY_MAX, "%s", slash == NULL ? key : slash + 1);
    out[strcspn(out, ".")] = '\0';
}

/* The object as it is now is found to be wrong, by its name; then it is put back. */
static void expect_found(const struct scene *scene, const char *key, const struct buf *good,
                         const char *what)
{
    struct error err = {0};
    char name[STORE_KEY_MAX];
    struct repository again;
    name_in_message(key, name);
    bool opened = open_with(scene->store, scene->key_file, &again, &err);
    bool taken = opened && read_all(&again, &err);
    if (opened)
        repository_close(&again);
    if (taken)
        fail_msg("%s of \"%s\" was not noticed", what, key);
    if (strstr(err.text, name) == NULL && strncmp(key, "mainstay", 8) != 0)
        fail_msg("%s of \"%s\" is not named: %s", what, key, err.text);
    replace(scene->store, key, good->data, good->len);
}

static void flip_bytes(const struct scene *scene, const char *key, const struct buf *good)
{
    enum { FLIPS = 40 };
    CLEANUP(buf_release) struct buf bad;
    buf_init(&bad, OBJECT_MAX);
    for (size_t i = 0; i < FLIPS + 100; i++) {
        /* the whole head, then evenly over the rest */
        size_t at = i < 100 ? i : good->len * (i - 100) / FLIPS;
        if (at >= good->len)
            continue;
        buf_clear(&bad);
        buf_put(&bad, good->data, good->len);
        bad.data[at] ^= 1;
        replace(scene->store, key, bad.data, bad.len);
        expect_found(scene, key, good, "a flipped bit");
    }
}

static void cut(const struct scene *scene, const char *key, const struct buf *good)
{
    const size_t lengths[] = {0, 1, 31, 56, 90, good->len / 2, good->len - 33, good->len - 1};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        /* The line end behind a key's JSON says nothing. */
        if (lengths[i] < good->len - (strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) == 0 ? 1 : 0)) {
            replace(scene->store, key, good->data, lengths[i]);
            expect_found(scene, key, good, "cutting");
        }
}

/* Another object's bytes under this name: of this repository, and the same one of another. */
static void exchange(const struct scene *scene, const struct scene *other,
                     const struct names *names, size_t at, const struct buf *good)
{
    CLEANUP(buf_release) struct buf bad;
    buf_init(&bad, 2 * OBJECT_MAX);
    for (size_t i = 0; i < names->count; i++) {
        if (i == at)
            continue;
        get(scene->store, names->keys[i], &bad);
        replace(scene->store, names->keys[at], bad.data, bad.len);
        expect_found(scene, names->keys[at], good, "another object in the place");
    }
    struct names others = {0};
    struct error err;
    assert_true(store_list(other->store, "", add_name, &others, &err));
    assert_int_equal(others.count, names->count);
    get(other->store, others.keys[at], &bad);
    replace(scene->store, names->keys[at], bad.data, bad.len);
    expect_found(scene, names->keys[at], good, "the object of another repository in the place");
}

static void test_tampering_is_found_and_named(void **state)
{
    struct error err;
    struct scene scene;
    struct scene other;
    struct names names = {0};
    CLEANUP(buf_release) struct buf good;
    (void)state;
    buf_init(&good, 2 * OBJECT_MAX);
    scene_open(&scene, 1);
    scene_open(&other, 2);
    fill(&scene.repository);
    fill(&other.repository);
    if (!read_all(&scene.repository, &err))
        fail_msg("%s", err.text);
    assert_true(store_list(scene.store, "", add_name, &names, &err));
    assert_int_equal(names.count, 12);
    for (size_t i = 0; i < names.count; i++) {
        get(scene.store, names.keys[i], &good);
        flip_bytes(&scene, names.keys[i], &good);
        cut(&scene, names.keys[i], &good);
        exchange(&scene, &other, &names, i, &good);
    }
    if (!read_all(&scene.repository, &err))
        fail_msg("%s", err.text);
    scene_close(&scene);
    scene_close(&other);
}

static void test_an_object_under_another_name_is_found(void **state)
{
    static const char *const moves[][2] = {
        {"restore-points/one.json", "restore-points/three.json"},
        {"history/00000002.history", "history/00000005.history"},
        {"wal/00000002/00000000000003e8-0000000000092ba8.wal",
         "wal/00000005/00000000000003e8-0000000000092ba8.wal"},
    };
    struct error err;
    struct scene scene;
    struct restore_point point;
    struct wal_source found;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(buf_release) struct buf text;
    (void)state;
    buf_init(&bytes, 2 * OBJECT_MAX);
    buf_init(&text, 1 << 20);
    scene_open(&scene, 1);
    fill(&scene.repository);
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        get(scene.store, moves[i][0], &bytes);
        assert_true(store_put(scene.store, moves[i][1], bytes.data, bytes.len, NULL, &err));
    }
    assert_false(restore_point_get(&scene.repository, "three", &point, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_false(history_get(&scene.repository, 5, &text, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    struct wal_chunk chunk = {
        .timeline = 5, .start_lsn = 1000, .end_lsn = 1000 + WAL_BYTES, .size_bytes = bytes.len};
    assert_false(wal_chunk_source(&scene.repository, &chunk, &found, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    scene_close(&scene);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

/* Makes a key file and a slot for it. */
static char *add_key(const struct scene *scene, const char *name, enum key_grant grant)
{
    struct error err;
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t slot[KEY_ID_BYTES];
    struct key_material *material;
    char *path = path_join(scene->directory, name);
    seal_random(key, sizeof key);
    assert_true(key_file_make(path, key, &err));
    struct key_options options = options_of(path);
    assert_true(key_material_load(&options, &material, &err));
    struct key_slot_request request = {
        .kind = KEY_FILE, .grant = grant, .label = name, .material = material};
    if (!keyring_add(scene->repository.keyring, &request, slot, &err))
        fail_msg("%s", err.text);
    key_material_free(material);
    return path;
}

/* Every pack of the snapshots, its index and its first frame. */
static void read_pages(const struct repository *repository, bool can_read)
{
    struct error err;
    struct names names = {0};
    CLEANUP(buf_release) struct buf pack;
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    buf_init(&pack, OBJECT_MAX);
    assert_true(codec_context_new(&codec, &err));
    assert_true(store_list(repository->store, "snapshots/", add_name, &names, &err));
    for (size_t i = 0; i < names.count; i++) {
        struct manifest manifest;
        assert_true(manifest_load(repository, names.keys[i], &manifest, &err));
        assert_true(manifest.pack_count > 0);
        for (size_t j = 0; j < manifest.pack_count; j++) {
            uint8_t pages[FRAME_BYTES];
            struct pack_index index;
            assert_true(pack_read_whole(repository, &manifest.packs[j], &pack, &index, &err));
            bool opened = pack_frame_decode(&index, &index.frames[0], codec,
                                            pack.data + index.frames[0].offset, pages, "a pack",
                                            &err);
            assert_int_equal(opened, can_read);
            if (!can_read)
                assert_int_equal(err.kind, ERROR_REFUSED);
            pack_index_release(&index);
        }
        manifest_release(&manifest);
    }
}

static void test_a_write_key_writes_and_opens_no_content(void **state)
{
    uint8_t byte;
    struct error err;
    struct scene scene;
    struct repository writer;
    struct verify_report report;
    struct verify_options options = {.threads = 1};
    struct wal_catalog catalog;
    (void)state;
    scene_open(&scene, 1);
    fill(&scene.repository);
    CLEANUP(free_pointer) char *path = add_key(&scene, "writer", GRANT_WRITE);
    assert_true(open_with(scene.store, path, &writer, &err));
    assert_false(repository_can_read(&writer));
    put_snapshot(&writer, 3);
    put_wal(&writer, 1000 + 2 * WAL_BYTES, WAL_BYTES, 0);
    put_point(&writer, "three", 19);
    assert_true(wal_catalog_load(&writer, 2, 0, &catalog, &err));
    assert_int_equal(catalog.count, 3);
    for (size_t i = 0; i < catalog.count; i++) {
        assert_false(wal_chunk_read(&writer, &catalog.chunks[i], &source,
                                    catalog.chunks[i].start_lsn, 1, &byte, &err));
        assert_int_equal(err.kind, ERROR_REFUSED);
        assert_true(wal_chunk_read(&scene.repository, &catalog.chunks[i], &source,
                                   catalog.chunks[i].start_lsn, 1, &byte, &err));
    }
    wal_catalog_release(&catalog);
    read_pages(&writer, false);
    read_pages(&scene.repository, true);
    assert_true(verify_run(&writer, &options, &report, &err));
    assert_int_equal(report.problem_count, 0);
    verify_report_release(&report);
    assert_true(read_all(&scene.repository, &err));
    uint8_t id[KEY_ID_BYTES];
    assert_false(keyring_rotate(writer.keyring, id, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    repository_close(&writer);
    scene_close(&scene);
}

static void test_a_new_generation_reads_old_objects_and_running_readers_find_it(void **state)
{
    struct error err;
    struct scene scene;
    struct repository running;
    uint8_t id[KEY_ID_BYTES];
    (void)state;
    scene_open(&scene, 1);
    fill(&scene.repository);
    assert_true(open_with(scene.store, scene.key_file, &running, &err));
    assert_true(keyring_rotate(scene.repository.keyring, id, &err));
    repository_close(&scene.repository);
    assert_true(open_with(scene.store, scene.key_file, &scene.repository, &err));
    assert_memory_equal(keyring_current(scene.repository.keyring)->id, id, sizeof id);
    put_snapshot(&scene.repository, 4);
    if (!read_all(&scene.repository, &err) || !read_all(&running, &err))
        fail_msg("%s", err.text);
    repository_close(&running);
    scene_close(&scene);
}

static void test_a_running_writer_takes_new_keys_and_outlives_its_own(void **state)
{
    struct error err;
    struct scene scene;
    struct repository running;
    struct repository again;
    uint8_t id[KEY_ID_BYTES];
    uint8_t byte;
    struct wal_catalog catalog;
    (void)state;
    scene_open(&scene, 1);
    CLEANUP(free_pointer) char *path = add_key(&scene, "writer", GRANT_WRITE);
    assert_true(open_with(scene.store, path, &running, &err));
    assert_true(keyring_rotate(scene.repository.keyring, id, &err));
    assert_memory_not_equal(keyring_current(running.keyring)->id, id, sizeof id);
    repository_renew_keys(&running);
    assert_memory_equal(keyring_current(running.keyring)->id, id, sizeof id);

    assert_true(keyring_remove(scene.repository.keyring, keyring_slot(running.keyring), &err));
    assert_false(keyring_refresh(running.keyring, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    repository_renew_keys(&running);
    put_wal(&running, 1000, WAL_BYTES, 0);
    assert_false(open_with(scene.store, path, &again, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_true(wal_catalog_load(&scene.repository, 2, 0, &catalog, &err));
    assert_true(
        wal_chunk_read(&scene.repository, &catalog.chunks[0], &source, 1000, 1, &byte, &err));
    wal_catalog_release(&catalog);
    repository_close(&running);
    scene_close(&scene);
}

static void test_the_last_key_that_opens_stays(void **state)
{
    struct error err;
    struct scene scene;
    struct repository again;
    uint8_t slot[KEY_ID_BYTES];
    (void)state;
    scene_open(&scene, 1);
    CLEANUP(free_pointer) char *writer = add_key(&scene, "writer", GRANT_WRITE);
    memcpy(slot, keyring_slot(scene.repository.keyring), sizeof slot);
    assert_false(keyring_remove(scene.repository.keyring, slot, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    CLEANUP(free_pointer) char *second = add_key(&scene, "second", GRANT_ALL);
    assert_true(keyring_remove(scene.repository.keyring, slot, &err));
    assert_false(open_with(scene.store, scene.key_file, &again, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_true(open_with(scene.store, second, &again, &err));
    repository_close(&again);
    scene_close(&scene);
}

/* Anybody can seal to a public key: a generation that an attacker made must not be written with. */
static void test_a_forged_generation_is_refused(void **state)
{
    struct error err;
    struct scene scene;
    struct scene attacker;
    struct repository again;
    char name[KEY_KEY_SIZE];
    CLEANUP(key_objects_release) struct key_objects list = {0};
    CLEANUP(key_objects_release) struct key_objects theirs = {0};
    CLEANUP(buf_release) struct buf text;
    (void)state;
    buf_init(&text, OBJECT_MAX);
    scene_open(&scene, 1);
    scene_open(&attacker, 2);
    assert_true(key_objects_load(scene.store, &list, &err));
    assert_true(key_objects_load(attacker.store, &theirs, &err));
    struct key_object forged = list.objects[0];
    uint8_t payload[KEY_PAYLOAD_ALL] = {0};
    struct key_scope scope = {0};
    memcpy(scope.repository, scene.repository.id, sizeof scope.repository);
    forged.number = 99;
    seal_random(forged.generation, sizeof forged.generation);
    memcpy(forged.content_public, theirs.objects[0].content_public, SEAL_KEY_BYTES);
    assert_true(seal_box(forged.public_key, payload, sizeof payload, forged.wrapped));
    for (int with_own_signer = 0; with_own_signer < 2; with_own_signer++) {
        uint8_t seed[SEAL_KEY_BYTES] = {9};
        struct key_object object = forged;
        if (with_own_signer)
            assert_true(key_object_sign(&object, &scope, seed, &err));
        buf_clear(&text);
        assert_true(key_object_print(&object, &text, &err));
        assert_true(
            store_put(scene.store, key_object_key(&object, name), text.data, text.len, NULL, &err));
        assert_false(open_with(scene.store, scene.key_file, &again, &err));
        assert_int_equal(err.kind, ERROR_REFUSED);
        assert_non_null(strstr(err.text, name));
        assert_true(store_remove(scene.store, name, &err));
    }
    scene_close(&scene);
    scene_close(&attacker);
}

static void test_recipients_need_to_be_told_whose_signature_counts(void **state)
{
    struct error err;
    struct scene scene;
    struct repository opened;
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t slot[KEY_ID_BYTES];
    char signer[2 * SEAL_KEY_BYTES + 1];
    struct key_slot_request request = {.kind = KEY_RECIPIENT, .grant = GRANT_ALL, .label = "safe"};
    (void)state;
    scene_open(&scene, 1);
    fill(&scene.repository);
    seal_random(secret, sizeof secret);
    seal_public_of(secret, request.recipient);
    assert_true(keyring_add(scene.repository.keyring, &request, slot, &err));
    CLEANUP(free_pointer) char *path = path_join(scene.directory, "identity");
    assert_true(key_file_make(path, secret, &err));
    struct key_options options = {.identity_file = path};
    assert_false(repository_open_with(scene.store, &options, &opened, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    text_hex(secret, sizeof secret, signer); /* any other key */
    options.signer = signer;
    assert_false(repository_open_with(scene.store, &options, &opened, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    text_hex(keyring_signer(scene.repository.keyring), SEAL_KEY_BYTES, signer);
    assert_true(repository_open_with(scene.store, &options, &opened, &err));
    assert_true(read_all(&opened, &err));
    repository_close(&opened);
    scene_close(&scene);
}

/* --- nothing in plain ---------------------------------------------------------------------------
 */

static int64_t last_run_us(const struct repository *repository)
{
    struct error err;
    struct run_list list;
    if (!run_list_load(repository, &list, &err))
        fail_msg("%s", err.text);
    int64_t last_us = run_list_last(&list, RUN_VERIFY);
    run_list_release(&list);
    return last_us;
}

static void put_run(const struct repository *repository, uint32_t part, int64_t started_us)
{
    struct error err;
    const struct run_record run = {
        .job = RUN_VERIFY, .started_us = started_us, .part = part, .parts = 2};
    if (!run_record_put(repository, &run, &clock_system, &random_system, &err))
        fail_msg("%s", err.text);
}

/* Names say what was verified when, and anybody who can write to the store gives names. */
static void test_a_run_counts_only_when_it_opens_under_its_name(void **state)
{
    enum { SECOND = 1000000 };
    static const char later[] =
        "runs/verify/20360301T120005.250000Z-1-2-good-0123456789abcdef.json";
    struct error err;
    struct scene scene;
    struct names names = {0};
    CLEANUP(buf_release) struct buf bytes;
    (void)state;
    buf_init(&bytes, OBJECT_MAX);
    scene_open(&scene, 1);
    put_run(&scene.repository, 1, 1000 * (int64_t)SECOND);
    put_run(&scene.repository, 2, 2000 * (int64_t)SECOND);
    put_run(&scene.repository, 1, 3000 * (int64_t)SECOND);
    assert_int_equal(last_run_us(&scene.repository), 3000 * (int64_t)SECOND);
    assert_true(store_list(scene.store, "runs/", add_name, &names, &err));
    assert_int_equal(names.count, 3);
    get(scene.store, names.keys[2], &bytes);
    assert_true(store_put(scene.store, later, bytes.data, bytes.len, NULL, &err));
    assert_int_equal(last_run_us(&scene.repository), 3000 * (int64_t)SECOND);
    replace(scene.store, later, "{}", 2);
    assert_int_equal(last_run_us(&scene.repository), 3000 * (int64_t)SECOND);
    bytes.data[bytes.len - 1] ^= 1;
    replace(scene.store, names.keys[2], bytes.data, bytes.len);
    assert_int_equal(last_run_us(&scene.repository), 2000 * (int64_t)SECOND);
    scene_close(&scene);
}

static void test_nothing_is_stored_in_plain_by_whatever_path(void **state)
{
    struct error err;
    struct scene scene;
    struct repository plain;
    struct buf envelope;
    (void)state;
    scene_open(&scene, 1);
    struct store *guarded = scene.repository.store;
    assert_false(store_put(guarded, "pins/x.json", "{}", 2, NULL, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    uint8_t zeros[200] = {0};
    assert_false(store_put(guarded, "packs/ab/x.pack", zeros, sizeof zeros, NULL, &err));
    buf_init(&envelope, 1000);
    plain = scene.repository;
    plain.keyring = NULL;
    envelope_put(&envelope, OBJECT_PACK, &plain);
    buf_put(&envelope, zeros, sizeof zeros);
    assert_false(store_put(guarded, "packs/ab/x.pack", envelope.data, envelope.len, NULL, &err));
    struct seal_id unknown = {{0}, {0}};
    buf_clear(&envelope);
    seal_head_put(&envelope, OBJECT_PACK, &scene.repository, &unknown);
    buf_put(&envelope, zeros, sizeof zeros);
    assert_false(store_put(guarded, "packs/ab/x.pack", envelope.data, envelope.len, NULL, &err));
    buf_release(&envelope);
    scene_close(&scene);
}

static void test_encryption_that_cannot_be_applied_is_refused(void **state)
{
    struct error err;
    struct scene scene;
    struct repository out;
    struct key_options none = {.wish = ENCRYPTION_NONE};
    struct key_options promise = {.wish = ENCRYPTION_SEALED};
    struct repository plain = fixture_repository(CODEC_ZSTD);
    (void)state;
    scene_open(&scene, 1);
    struct key_options key = {.key_file = scene.key_file};
    assert_false(repository_open_with(plain.store, &promise, &out, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(repository_open_with(plain.store, &key, &out, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(repository_open_with(scene.store, &none, &out, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(repository_open(scene.store, &out, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    fixture_close(&plain);
    scene_close(&scene);
}

static void test_merging_opens_nothing_and_reads_back(void **state)
{
    struct error err;
    struct scene scene;
    struct wal_catalog catalog;
    uint8_t slot[KEY_ID_BYTES];
    (void)state;
    scene_open(&scene, 1);
    put_wal(&scene.repository, 1000, 300000, 0);
    assert_true(keyring_rotate(scene.repository.keyring, slot, &err));
    repository_close(&scene.repository);
    CLEANUP(free_pointer) char *writer = NULL;
    assert_true(open_with(scene.store, scene.key_file, &scene.repository, &err));
    put_wal(&scene.repository, 251000, 400000, 0); /* overlaps */
    put_wal(&scene.repository, 651000, 5000, 0);
    writer = add_key(&scene, "writer", GRANT_WRITE);
    struct repository writing;
    assert_true(open_with(scene.store, writer, &writing, &err));
    assert_true(wal_catalog_load(&writing, 2, 0, &catalog, &err));
    struct wal_chunk merged = {.timeline = 2, .start_lsn = 1000, .end_lsn = 656000};
    if (!wal_chunk_join(&writing, catalog.chunks, catalog.count, &merged, &err) ||
        !wal_chunk_join(&writing, catalog.chunks, catalog.count, &merged, &err)) /* again */
        fail_msg("%s", err.text);
    wal_catalog_release(&catalog);
    assert_true(wal_catalog_load(&scene.repository, 2, 0, &catalog, &err));
    const struct wal_chunk *chunk = wal_catalog_find(&catalog, 2, 1000);
    assert_int_equal(chunk->end_lsn, 656000);
    static uint8_t wal[655000];
    for (size_t from = 0; from < sizeof wal; from += 123457) {
        size_t len = sizeof wal - from;
        if (!wal_chunk_read(&scene.repository, chunk, &source, 1000 + from, len, wal, &err))
            fail_msg("%s", err.text);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(wal[i], (uint8_t)((1000 + from + i) / 1000 + (1000 + from + i) % 7));
    }
    /* The same WAL again under that name is the same; other WAL is not. */
    put_wal(&writing, 1000, 655000, 0);
    memset(wal, 1, sizeof wal);
    assert_false(wal_chunk_put(&writing, &source, 1000, wal, sizeof wal, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    wal_catalog_release(&catalog);
    repository_close(&writing);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tampering_is_found_and_named),
        cmocka_unit_test(test_an_object_under_another_name_is_found),
        cmocka_unit_test(test_a_write_key_writes_and_opens_no_content),
        cmocka_unit_test(test_a_new_generation_reads_old_objects_and_running_readers_find_it),
        cmocka_unit_test(test_a_running_writer_takes_new_keys_and_outlives_its_own),
        cmocka_unit_test(test_the_last_key_that_opens_stays),
        cmocka_unit_test(test_a_forged_generation_is_refused),
        cmocka_unit_test(test_recipients_need_to_be_told_whose_signature_counts),
        cmocka_unit_test(test_a_run_counts_only_when_it_opens_under_its_name),
        cmocka_unit_test(test_nothing_is_stored_in_plain_by_whatever_path),
        cmocka_unit_test(test_encryption_that_cannot_be_applied_is_refused),
        cmocka_unit_test(test_merging_opens_nothing_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
