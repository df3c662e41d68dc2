#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
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

/* A cluster with a tablespace whose directory on the source server was <directory>/source. */
struct scene {
    struct repository repository;
    char *directory;
    char *to;
    char *source;
    char *moved;
};

#define SPACE_FILE "pg_tblspc/16500/PG_15_202209061/5/16384"

static int set_up(void **state)
{
    struct error err;
    struct fixture_snapshot snapshot;
    struct fixture_random random = {.state = 5};
    uint8_t page[PAGE_BYTES];
    struct scene *scene = calloc(1, sizeof *scene);
    scene->repository = fixture_repository(CODEC_ZSTD);
    scene->directory = fixture_directory();
    scene->to = path_join(scene->directory, "data");
    scene->source = path_join(scene->directory, "source");
    scene->moved = path_join(scene->directory, "moved");
    fixture_page(page, PAGE_NOISE, 1, &random);
    fixture_snapshot_begin(&snapshot, &scene->repository, 1);
    fixture_add_cluster(&snapshot);
    fixture_add_directory(&snapshot, "pg_wal", 0750);
    fixture_add_file(&snapshot, "pg_wal/000000010000000000000001", page, sizeof page);
    fixture_add_directory(&snapshot, "pg_tblspc/16500/PG_15_202209061", 0700);
    fixture_add_directory(&snapshot, "pg_tblspc/16500/PG_15_202209061/5", 0700);
    fixture_add_file(&snapshot, SPACE_FILE, page, sizeof page);
    CLEANUP(free_pointer) char *map = text_format("16500 %s\n", scene->source);
    fixture_add_file(&snapshot, "tablespace_map", map, strlen(map));
    assert_true(snapshot_info_add_tablespace(&snapshot.manifest.info, 16500, scene->source, &err));
    fixture_snapshot_end(&snapshot);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    fixture_close(&scene->repository);
    fixture_remove(scene->directory);
    free(scene->to);
    free(scene->source);
    free(scene->moved);
    free(scene);
    return 0;
}

static bool restore(const struct scene *scene, bool delta, const char *tablespace_to,
                    struct error *err)
{
    struct restore_result result;
    struct restore_tablespace_map map = {.from = "16500", .to = tablespace_to};
    struct restore_options options = {.to = scene->to,
                                      .delta = delta,
                                      .no_sync = true,
                                      .threads = 2,
                                      .tablespaces = &map,
                                      .tablespace_count = tablespace_to != NULL ? 1 : 0};
    if (!restore_run(&scene->repository, &options, &result, err))
        return false;
    restore_result_release(&result);
    return true;
}

static void restore_good(const struct scene *scene, bool delta, const char *tablespace_to)
{
    struct error err;
    if (!restore(scene, delta, tablespace_to, &err))
        fail_msg("%s", err.text);
}

/* The path below a directory; kept until the next call. */
static const char *in(const char *directory, const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static bool exists(const char *directory, const char *name)
{
    struct stat info;
    return lstat(in(directory, name), &info) == 0;
}

static unsigned mode_of(const char *directory, const char *name)
{
    struct stat info;
    assert_int_equal(lstat(in(directory, name), &info), 0);
    return info.st_mode & 07777;
}

static void put(const char *directory, const char *name)
{
    struct error err;
    if (!file_write_atomic(in(directory, name), "x", 1, 0600, &err))
        fail_msg("%s", err.text);
}

static void test_modes_are_those_of_the_snapshot(void **state)
{
    struct scene *scene = *state;
    restore_good(scene, false, NULL);
    assert_int_equal(mode_of(scene->to, ""), 0700);
    assert_int_equal(mode_of(scene->to, "pg_wal"), 0750);
    assert_int_equal(mode_of(scene->to, "PG_VERSION"), 0600);
    assert_int_equal(mode_of(scene->to, "backup_manifest"), 0600);
    assert_false(exists(scene->to, "mainstay.restore"));
    assert_false(exists(scene->to, "global/pg_control.mainstay"));
}

static void check_link(const struct scene *scene, const char *target)
{
    char link[1024] = "";
    assert_true(readlink(in(scene->to, "pg_tblspc/16500"), link, sizeof link - 1) > 0);
    assert_string_equal(link, target);
    assert_true(exists(target, "PG_15_202209061/5/16384"));
}

static void check_map(const struct scene *scene, const char *target)
{
    struct error err;
    CLEANUP(buf_release) struct buf text;
    CLEANUP(free_pointer) char *expected = text_format("16500 %s\n", target);
    buf_init(&text, 4096);
    assert_true(file_read_all(in(scene->to, "tablespace_map"), &text, &err));
    assert_string_equal(buf_text(&text), expected);
}

static void test_tablespaces_go_where_they_were_or_are_sent(void **state)
{
    struct scene *scene = *state;
    restore_good(scene, false, NULL);
    check_link(scene, scene->source);
    check_map(scene, scene->source);
    restore_good(scene, true, scene->moved);
    check_link(scene, scene->moved);
    check_map(scene, scene->moved);
}

static void test_delta_removes_what_the_snapshot_does_not_have(void **state)
{
    struct scene *scene = *state;
    restore_good(scene, false, NULL);
    put(scene->to, "extra");
    put(scene->to, "base/extra");
    assert_int_equal(mkdir(in(scene->to, "base/17"), 0700), 0);
    put(scene->to, "base/17/1");
    put(scene->to, "postmaster.opts");
    put(scene->source, "PG_15_202209061/5/999");
    restore_good(scene, true, NULL);
    assert_false(exists(scene->to, "extra"));
    assert_false(exists(scene->to, "base/extra"));
    assert_false(exists(scene->to, "base/17"));
    assert_false(exists(scene->source, "PG_15_202209061/5/999"));
    assert_true(exists(scene->source, "PG_15_202209061/5/16384"));
}

/* A copied data directory links to the tablespaces of its original. */
static void test_a_moved_tablespace_leaves_the_old_place_alone(void **state)
{
    struct scene *scene = *state;
    restore_good(scene, false, NULL);
    put(scene->source, "PG_15_202209061/5/999");
    restore_good(scene, true, scene->moved);
    assert_true(exists(scene->source, "PG_15_202209061/5/999"));
    assert_true(exists(scene->source, "PG_15_202209061/5/16384"));
}

/* After pg_upgrade without --link the old version's directory stays beside the new one. */
static void test_other_versions_share_a_tablespace_directory(void **state)
{
    struct scene *scene = *state;
    restore_good(scene, false, NULL);
    assert_int_equal(mkdir(in(scene->source, "PG_14_202107181"), 0700), 0);
    put(scene->source, "PG_14_202107181/1");
    restore_good(scene, true, NULL);
    assert_true(exists(scene->source, "PG_14_202107181/1"));
}

static void test_delta_survives_a_lost_tablespace(void **state)
{
    struct scene *scene = *state;
    struct error err;
    restore_good(scene, false, NULL);
    assert_true(dir_remove_all(scene->source, &err));
    restore_good(scene, true, NULL);
    check_link(scene, scene->source);
}

static void test_a_linked_pg_wal_stays_linked(void **state)
{
    struct scene *scene = *state;
    struct stat info;
    restore_good(scene, false, NULL);
    assert_int_equal(rename(in(scene->to, "pg_wal"), scene->moved), 0);
    assert_int_equal(symlink(scene->moved, in(scene->to, "pg_wal")), 0);
    restore_good(scene, true, NULL);
    assert_int_equal(lstat(in(scene->to, "pg_wal"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_true(exists(scene->moved, "000000010000000000000001"));
    /* ... and when the other disk is gone, it is made anew. */
    struct error err;
    assert_true(dir_remove_all(scene->moved, &err));
    restore_good(scene, true, NULL);
    assert_true(exists(scene->to, "pg_wal/000000010000000000000001"));
}

/* What stands at a file's path and is not a file is replaced, never written through. */
static void test_links_and_directories_at_the_paths_of_files_are_replaced(void **state)
{
    static const char *const paths[] = {"backup_manifest", "mainstay.restore", SPACE_FILE,
                                        "global/pg_control.mainstay", "tablespace_map"};
    struct scene *scene = *state;
    struct stat info;
    restore_good(scene, false, NULL);
    CLEANUP(free_pointer) char *victim = path_join(scene->directory, "victim");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        put(scene->directory, "victim");
        (void)unlink(in(scene->to, paths[i]));
        assert_int_equal(symlink(victim, in(scene->to, paths[i])), 0);
        restore_good(scene, true, NULL);
        assert_int_equal(stat(victim, &info), 0);
        assert_int_equal(info.st_size, 1);
        assert_false(exists(scene->to, paths[i]) && lstat(in(scene->to, paths[i]), &info) == 0 &&
                     !S_ISREG(info.st_mode));
    }
    (void)unlink(in(scene->to, "tablespace_map"));
    assert_int_equal(mkdir(in(scene->to, "tablespace_map"), 0700), 0);
    restore_good(scene, true, NULL);
    check_map(scene, scene->source);
}

static void test_a_file_at_the_path_of_a_directory_is_replaced(void **state)
{
    struct scene *scene = *state;
    struct error err;
    restore_good(scene, false, NULL);
    assert_true(dir_remove_all(in(scene->to, "pg_wal"), &err));
    put(scene->to, "pg_wal");
    restore_good(scene, true, NULL);
    assert_true(exists(scene->to, "pg_wal/000000010000000000000001"));
}

/* Root restores into a directory of another user, who has linked a part of it to root's files. */
static void test_root_does_not_follow_links_to_directories_of_others(void **state)
{
    struct scene *scene = *state;
    struct error err;
    enum { SOMEBODY = 65534 };
    if (geteuid() != 0)
        skip();
    restore_good(scene, false, NULL);
    assert_int_equal(chown(scene->to, SOMEBODY, SOMEBODY), 0);
    assert_int_equal(mkdir(scene->moved, 0700), 0);
    put(scene->moved, "precious");
    assert_true(dir_remove_all(in(scene->to, "pg_wal"), &err));
    assert_int_equal(symlink(scene->moved, in(scene->to, "pg_wal")), 0);
    assert_false(restore(scene, true, NULL, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_true(exists(scene->moved, "precious"));
    assert_int_equal(chown(scene->moved, SOMEBODY, SOMEBODY), 0);
    restore_good(scene, true, NULL);
    assert_false(exists(scene->moved, "precious"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes_are_those_of_the_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tablespaces_go_where_they_were_or_are_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_delta_removes_what_the_snapshot_does_not_have, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_moved_tablespace_leaves_the_old_place_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_other_versions_share_a_tablespace_directory, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_delta_survives_a_lost_tablespace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_linked_pg_wal_stays_linked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_links_and_directories_at_the_paths_of_files_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_at_the_path_of_a_directory_is_replaced, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_root_does_not_follow_links_to_directories_of_others,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests_name("restore_tree", tests, NULL, NULL);
}
