#include "base/cleanup.h"
#include "base/file.h"
#include "restore/restore.h"
#include "tests/lib/core_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct scene {
    struct repository repository;
    char *directory;
    char *to; /* below directory; not there yet */
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->repository = fixture_repository(CODEC_ZSTD);
    scene->directory = fixture_directory();
    scene->to = path_join(scene->directory, "data");
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    fixture_close(&scene->repository);
    fixture_remove(scene->directory);
    free(scene->to);
    free(scene);
    return 0;
}

static void restore(const struct scene *scene, bool delta, struct restore_result *out)
{
    struct error err;
    struct restore_options options = {
        .to = scene->to, .delta = delta, .no_sync = true, .threads = 2};
    if (!restore_run(&scene->repository, &options, out, &err))
        fail_msg("%s", err.text);
}

static void restore_and_forget(const struct scene *scene, bool delta)
{
    struct restore_result result;
    restore(scene, delta, &result);
    restore_result_release(&result);
}

static void check_file(const struct scene *scene, const char *path, const void *bytes, size_t len)
{
    struct error err;
    CLEANUP(buf_release) struct buf content;
    CLEANUP(free_pointer) char *full = path_join(scene->to, path);
    buf_init(&content, 64 << 20);
    if (!file_read_all(full, &content, &err))
        fail_msg("%s", err.text);
    assert_int_equal(content.len, len);
    if (len > 0)
        assert_memory_equal(content.data, bytes, len);
}

static void put_file(const struct scene *scene, const char *path, const void *bytes, size_t len)
{
    struct error err;
    CLEANUP(free_pointer) char *full = path_join(scene->to, path);
    assert_true(file_write_atomic(full, bytes, len, 0600, &err));
}

enum { BIG_PAGES = 300, BIG_BYTES = BIG_PAGES * PAGE_BYTES + 1234 };

/* Noise with a stretch of zeros in it, and a partial block at the end. */
static uint8_t *make_big(uint64_t seed)
{
    struct fixture_random random = {.state = seed};
    uint8_t *bytes = calloc(1, BIG_BYTES + PAGE_BYTES);
    for (size_t i = 0; i <= BIG_PAGES; i++)
        if (i < 100 || i >= 150)
            fixture_page(bytes + i * PAGE_BYTES, i % 2 == 0 ? PAGE_NOISE : PAGE_TEXT, i, &random);
    return bytes;
}

static void store_big(const struct scene *scene, unsigned number, const uint8_t *big)
{
    struct fixture_snapshot snapshot;
    fixture_snapshot_begin(&snapshot, &scene->repository, number);
    fixture_add_cluster(&snapshot);
    fixture_add_file(&snapshot, "base/big", big, BIG_BYTES);
    fixture_add_file(&snapshot, "empty", "", 0);
    fixture_snapshot_end(&snapshot);
}

static void test_a_fresh_restore_gives_every_byte_and_leaves_holes(void **state)
{
    struct scene *scene = *state;
    struct restore_result result;
    struct stat info;
    CLEANUP(free_pointer) uint8_t *big = make_big(1);
    store_big(scene, 1, big);
    restore(scene, false, &result);
    check_file(scene, "base/big", big, BIG_BYTES);
    check_file(scene, "empty", "", 0);
    check_file(scene, "PG_VERSION", "15\n", 3);
    CLEANUP(free_pointer) char *path = path_join(scene->to, "base/big");
    assert_int_equal(stat(path, &info), 0);
    assert_true((uint64_t)info.st_blocks * 512 <= BIG_BYTES - 40 * PAGE_BYTES);
    assert_int_equal(result.files, 4);
    assert_int_equal(result.bytes_total, BIG_BYTES + 3 + PAGE_BYTES);
    assert_string_equal(result.info.id, "0000000000000001");
    restore_result_release(&result);
}

static void test_delta_fetches_only_what_differs(void **state)
{
    struct scene *scene = *state;
    struct restore_result result;
    CLEANUP(free_pointer) uint8_t *big = make_big(1);
    store_big(scene, 1, big);
    restore_and_forget(scene, false);
    CLEANUP(free_pointer) char *path = path_join(scene->to, "base/big");
    CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "changed", 7, 7 * PAGE_BYTES + 5), 7);
    assert_int_equal(pwrite(fd, "stale", 5, 120 * PAGE_BYTES), 5); /* zeros in the snapshot */
    restore(scene, true, &result);
    check_file(scene, "base/big", big, BIG_BYTES);
    /* The page, the partial blocks of two files and the control file. */
    assert_true(result.bytes_written < 4 * PAGE_BYTES);
    restore_result_release(&result);
}

/* What is on disk before a delta may have any length; nothing of it may survive. */
static void test_delta_replaces_files_of_any_old_length(void **state)
{
    static const size_t lengths[] = {
        0, 1, 100, 5000, 8191, 8192, 8193, 9000, 2 * PAGE_BYTES, 5 * PAGE_BYTES, BIG_BYTES};
    struct scene *scene = *state;
    struct fixture_snapshot snapshot;
    static uint8_t zeros[3 * PAGE_BYTES];
    CLEANUP(free_pointer) uint8_t *old = make_big(9);
    CLEANUP(free_pointer) uint8_t *mixed = make_big(3);
    memset(mixed, 0, PAGE_BYTES);
    fixture_snapshot_begin(&snapshot, &scene->repository, 1);
    fixture_add_cluster(&snapshot);
    fixture_add_file(&snapshot, "base/zeros", zeros, sizeof zeros);
    fixture_add_file(&snapshot, "base/short_zeros", zeros, 5000);
    fixture_add_file(&snapshot, "base/mixed", mixed, 3 * PAGE_BYTES + 77);
    fixture_add_file(&snapshot, "base/empty", "", 0);
    fixture_snapshot_end(&snapshot);
    restore_and_forget(scene, false);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        put_file(scene, "base/zeros", old, lengths[i]);
        put_file(scene, "base/short_zeros", old, lengths[i]);
        put_file(scene, "base/mixed", old, lengths[i]);
        put_file(scene, "base/empty", old, lengths[i]);
        restore_and_forget(scene, true);
        check_file(scene, "base/zeros", zeros, sizeof zeros);
        check_file(scene, "base/short_zeros", zeros, 5000);
        check_file(scene, "base/mixed", mixed, 3 * PAGE_BYTES + 77);
        check_file(scene, "base/empty", "", 0);
    }
}

static void test_a_missing_pack_is_named(void **state)
{
    struct scene *scene = *state;
    struct error err;
    struct restore_result result;
    struct catalog catalog;
    struct manifest manifest;
    char key[PACK_KEY_SIZE];
    CLEANUP(free_pointer) uint8_t *big = make_big(1);
    store_big(scene, 1, big);
    assert_true(catalog_load(&scene->repository, &catalog, &err));
    assert_true(manifest_load(&scene->repository, catalog.entries[0].key, &manifest, &err));
    assert_true(manifest.pack_count > 0);
    (void)pack_key(manifest.packs[0].id, key);
    assert_true(store_remove(scene->repository.store, key, &err));
    manifest_release(&manifest);
    catalog_release(&catalog);
    struct restore_options options = {.to = scene->to, .no_sync = true, .threads = 4};
    assert_false(restore_run(&scene->repository, &options, &result, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, key));
    CLEANUP(free_pointer) char *control = path_join(scene->to, "global/pg_control");
    assert_int_not_equal(access(control, F_OK), 0); /* nobody can start it */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_fresh_restore_gives_every_byte_and_leaves_holes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delta_fetches_only_what_differs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delta_replaces_files_of_any_old_length, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_pack_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("restore_pages", tests, NULL, NULL);
}
