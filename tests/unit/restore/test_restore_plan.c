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

struct scene {
    struct repository repository;
    char *directory;
    char *to; /* below directory; not there yet */
    char *source;
};

static int set_up(void **state)
{
    struct error err;
    struct fixture_snapshot snapshot;
    struct scene *scene = calloc(1, sizeof *scene);
    scene->repository = fixture_repository(CODEC_ZSTD);
    scene->directory = fixture_directory();
    scene->to = path_join(scene->directory, "data");
    scene->source = path_join(scene->directory, "source");
    fixture_snapshot_begin(&snapshot, &scene->repository, 1);
    fixture_add_cluster(&snapshot);
    assert_true(snapshot_info_add_tablespace(&snapshot.manifest.info, 16500, scene->source, &err));
    CLEANUP(free_pointer) char *second = path_join(scene->directory, "second");
    assert_true(snapshot_info_add_tablespace(&snapshot.manifest.info, 16501, second, &err));
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
    free(scene);
    return 0;
}

static bool run(const struct scene *scene, const struct restore_options *options, struct error *err)
{
    struct restore_result result;
    struct restore_options complete = *options;
    complete.to = scene->to;
    complete.no_sync = true;
    if (!restore_run(&scene->repository, &complete, &result, err))
        return false;
    restore_result_release(&result);
    return true;
}

static void must_restore(const struct scene *scene, const struct restore_options *options)
{
    struct error err;
    if (!run(scene, options, &err))
        fail_msg("%s", err.text);
}

static void must_refuse(const struct scene *scene, const struct restore_options *options,
                        enum error_kind kind, const char *text)
{
    struct error err;
    assert_false(run(scene, options, &err));
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    assert_int_equal(err.kind, kind);
}

static const char *in(const char *directory, const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void put(const char *path, const void *bytes, size_t len)
{
    struct error err;
    if (!file_write_atomic(path, bytes, len, 0600, &err))
        fail_msg("%s", err.text);
}

static const struct restore_options plain = {0};
static const struct restore_options delta = {.delta = true};

static void test_what_is_not_empty_needs_delta(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(mkdir(scene->to, 0700), 0);
    put(in(scene->to, "something"), "x", 1);
    must_refuse(scene, &plain, ERROR_REFUSED, "it is not empty");
    must_refuse(scene, &delta, ERROR_REFUSED, "not a data directory");
    assert_int_equal(access(in(scene->to, "something"), F_OK), 0);
}

static void test_delta_refuses_another_cluster(void **state)
{
    struct scene *scene = *state;
    uint8_t control[PAGE_BYTES];
    must_restore(scene, &plain);
    fixture_control_file(control, 42);
    put(in(scene->to, "global/pg_control"), control, sizeof control);
    must_refuse(scene, &delta, ERROR_REFUSED, "it is of system 42");
    control[20] ^= 1;
    put(in(scene->to, "global/pg_control"), control, sizeof control);
    must_refuse(scene, &delta, ERROR_REFUSED, "cannot restore into");
    put(in(scene->to, "global/pg_control"), control, 3);
    must_refuse(scene, &delta, ERROR_REFUSED, "cannot restore into");
    assert_int_equal(access(in(scene->to, "global/pg_control"), F_OK), 0);
}

static void test_an_interrupted_restore_can_go_on(void **state)
{
    struct scene *scene = *state;
    must_restore(scene, &plain);
    assert_int_equal(unlink(in(scene->to, "global/pg_control")), 0);
    must_refuse(scene, &delta, ERROR_REFUSED, "not a data directory");
    put(in(scene->to, "mainstay.restore"), "x", 1);
    must_refuse(scene, &plain, ERROR_REFUSED, "it is not empty");
    must_restore(scene, &delta);
    assert_int_equal(access(in(scene->to, "global/pg_control"), F_OK), 0);
}

static void test_a_running_server_is_refused(void **state)
{
    struct scene *scene = *state;
    char pid[32];
    must_restore(scene, &plain);
    (void)snprintf(pid, sizeof pid, "%d\n/data\n", (int)getpid());
    put(in(scene->to, "postmaster.pid"), pid, strlen(pid));
    must_refuse(scene, &delta, ERROR_REFUSED, "PostgreSQL runs in it");
    put(in(scene->to, "postmaster.pid"), "nonsense\n", 9);
    must_refuse(scene, &delta, ERROR_REFUSED, "PostgreSQL runs in it");
    put(in(scene->to, "postmaster.pid"), "999999999\n", 10); /* left behind by a crash */
    must_restore(scene, &delta);
}

static void test_tablespace_options_are_checked(void **state)
{
    struct scene *scene = *state;
    CLEANUP(free_pointer) char *full = path_join(scene->directory, "full");
    CLEANUP(free_pointer) char *other = path_join(scene->directory, "other");
    assert_int_equal(mkdir(full, 0700), 0);
    put(in(full, "x"), "x", 1);
    const struct {
        const char *from;
        const char *to;
        enum error_kind kind;
        const char *text;
    } cases[] = {
        {"99", "/x", ERROR_USAGE, "has no tablespace \"99\""},
        {"16500", "relative", ERROR_USAGE, "the path must be absolute"},
        {"16500", "/new\nline", ERROR_USAGE, "the path must be absolute"},
        {"16500", "", ERROR_USAGE, "the path must be absolute"},
        {scene->source, full, ERROR_REFUSED, "it is not empty"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct restore_tablespace_map map = {.from = cases[i].from, .to = cases[i].to};
        struct restore_options options = {.tablespaces = &map, .tablespace_count = 1};
        must_refuse(scene, &options, cases[i].kind, cases[i].text);
        assert_int_not_equal(access(scene->to, F_OK), 0); /* nothing was made */
    }
    struct restore_tablespace_map both[] = {{"16500", other}, {"16501", other}};
    struct restore_options options = {.tablespaces = both, .tablespace_count = 2};
    must_refuse(scene, &options, ERROR_USAGE, "the same directory");
    struct restore_tablespace_map inside[] = {{"16500", scene->to}};
    options = (struct restore_options){.tablespaces = inside, .tablespace_count = 1};
    must_refuse(scene, &options, ERROR_USAGE, "the same directory");
}

static void test_snapshots_are_found_by_id(void **state)
{
    struct scene *scene = *state;
    struct restore_options options = {.snapshot = "beef"};
    must_refuse(scene, &options, ERROR_NOT_FOUND, "no snapshot \"beef\"");
    options.snapshot = "000000000000";
    must_restore(scene, &options);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_not_empty_needs_delta, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delta_refuses_another_cluster, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupted_restore_can_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_running_server_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tablespace_options_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshots_are_found_by_id, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("restore_plan", tests, NULL, NULL);
}
