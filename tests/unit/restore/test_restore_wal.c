/* A snapshot that relies on the archive: its WAL comes into pg_wal, or nothing is written at all.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "repository/wal_archive.h"
#include "restore/restore.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENT = 1 << 20 };

struct scene {
    struct repository repository;
    char *directory;
    char *to;
    uint64_t system;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct snapshot_info info;
    fixture_info(&info, 1);
    scene->system = info.system_identifier;
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

/* Needs 1.5 to 2.25 segments of timeline 1. */
static void add_snapshot(const struct scene *scene, uint64_t segment_bytes)
{
    struct fixture_snapshot snapshot;
    fixture_snapshot_begin(&snapshot, &scene->repository, 1);
    struct snapshot_info *info = &snapshot.manifest.info;
    info->wal_included = false;
    info->wal_segment_bytes = segment_bytes;
    info->timeline = 1;
    info->start_lsn = SEGMENT + SEGMENT / 2;
    info->stop_lsn = 2 * SEGMENT + SEGMENT / 4;
    fixture_add_cluster(&snapshot);
    fixture_add_directory(&snapshot, "pg_wal", 0700);
    fixture_snapshot_end(&snapshot);
}

static uint8_t byte_at(uint64_t lsn)
{
    return (uint8_t)(lsn >> 9 | 1);
}

static void add_wal(const struct scene *scene, uint64_t system, uint64_t from, uint64_t to)
{
    struct error err;
    struct wal_source source = {
        .system_identifier = system, .timeline = 1, .segment_bytes = SEGMENT};
    CLEANUP(free_pointer) uint8_t *wal = malloc((size_t)(to - from));
    for (uint64_t lsn = from; lsn < to; lsn++)
        wal[lsn - from] = byte_at(lsn);
    if (!wal_chunk_put(&scene->repository, &source, from, wal, (size_t)(to - from), NULL, &err))
        fail_msg("%s", err.text);
}

static bool restore(const struct scene *scene, struct error *err)
{
    struct restore_result result;
    struct restore_options options = {.to = scene->to, .no_sync = true, .threads = 1};
    if (!restore_run(&scene->repository, &options, &result, err))
        return false;
    restore_result_release(&result);
    return true;
}

static void check_segment(const struct scene *scene, const char *name, uint64_t start, uint64_t end)
{
    struct error err;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *directory = path_join(scene->to, "pg_wal");
    CLEANUP(free_pointer) char *path = path_join(directory, name);
    buf_init(&bytes, SEGMENT + 1);
    if (!file_read_all(path, &bytes, &err))
        fail_msg("%s", err.text);
    assert_int_equal(bytes.len, SEGMENT);
    for (uint64_t i = 0; i < SEGMENT; i++)
        if (bytes.data[i] != (start + i < end ? byte_at(start + i) : 0))
            fail_msg("%s: byte %d is %d", name, (int)i, bytes.data[i]);
}

static void refused(const struct scene *scene, enum error_kind kind, const char *text)
{
    struct error err;
    assert_false(restore(scene, &err));
    if (err.kind != kind || strstr(err.text, text) == NULL)
        fail_msg("%s: %s", error_kind_name(err.kind), err.text);
}

static void test_the_wal_is_written_up_to_the_stop(void **state)
{
    struct error err;
    const struct scene *scene = *state;
    add_snapshot(scene, SEGMENT);
    add_wal(scene, scene->system, SEGMENT, SEGMENT + 5000);
    add_wal(scene, scene->system, SEGMENT + 5000, 2 * SEGMENT + SEGMENT / 2);
    if (!restore(scene, &err))
        fail_msg("%s", err.text);
    check_segment(scene, "000000010000000000000001", SEGMENT, UINT64_MAX);
    /* what came after the snapshot is not part of it */
    check_segment(scene, "000000010000000000000002", 2 * SEGMENT, 2 * SEGMENT + SEGMENT / 4);
}

static void test_missing_wal_is_refused_before_anything_is_written(void **state)
{
    const struct scene *scene = *state;
    add_snapshot(scene, SEGMENT);
    refused(scene, ERROR_REFUSED, "from 0/100000 to 0/240000");
    add_wal(scene, scene->system, SEGMENT, 2 * SEGMENT);
    add_wal(scene, scene->system, 2 * SEGMENT + 8192, 3 * SEGMENT);
    refused(scene, ERROR_REFUSED, "from 0/200000 to 0/240000");
    assert_int_not_equal(access(scene->to, F_OK), 0);
}

static void test_wal_of_another_system_is_refused(void **state)
{
    const struct scene *scene = *state;
    CLEANUP(free_pointer) char *control = path_join(scene->to, "global/pg_control");
    add_snapshot(scene, SEGMENT);
    add_wal(scene, scene->system + 1, SEGMENT, 3 * SEGMENT);
    refused(scene, ERROR_REFUSED, "comes from system");
    assert_int_not_equal(access(control, F_OK), 0); /* nothing that could be started */
}

static void test_segment_sizes_that_cannot_be_are_refused(void **state)
{
    const struct scene *scene = *state;
    add_wal(scene, scene->system, SEGMENT, 3 * SEGMENT);
    add_snapshot(scene, UINT64_C(1) << 62);
    refused(scene, ERROR_CORRUPT, "cannot have");
    assert_int_not_equal(access(scene->to, F_OK), 0);
}

static void test_a_segment_size_of_zero_is_refused(void **state)
{
    const struct scene *scene = *state;
    add_wal(scene, scene->system, SEGMENT, 3 * SEGMENT);
    add_snapshot(scene, 0);
    refused(scene, ERROR_CORRUPT, "cannot have");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_wal_is_written_up_to_the_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_wal_is_refused_before_anything_is_written,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wal_of_another_system_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_segment_sizes_that_cannot_be_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_segment_size_of_zero_is_refused, set_up, tear_down),
    };
    log_configure(LOG_ERROR, false); /* restores as root warn */
    return cmocka_run_group_tests_name("restore_wal", tests, NULL, NULL);
}
