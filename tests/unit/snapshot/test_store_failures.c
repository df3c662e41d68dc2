/*
 * Every operation of the core against a store of which call n fails, for n = 1, 2, ... until there
 * is no call n: once, or from then on for ever; before it was carried out, or after. Whatever
 * happens, the failure is told as what it is, nothing that was there is harmed, and the operation
 * succeeds as soon as the store does. With store_retry in between, a single failure is not seen.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "repository/verify.h"
#include "restore/restore.h"
#include "snapshot/parent.h"
#include "store/store_retry.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Two packs of 1 MiB in each snapshot. */
enum { PAGES = 140, VERSIONS = 2, CALLS_MAX = 60 };

static uint8_t content[VERSIONS][PAGES * PAGE_BYTES];

struct scene {
    struct repository repository; /* its store: retry or nothing, then faulty, then memory */
    struct store *faulty;
    int64_t now_us;
    unsigned snapshots; /* numbers given away: failed snapshots keep theirs */
    char *directory;
    char *to;
};

static int64_t fake_now(void *context)
{
    return ((struct scene *)context)->now_us;
}

static void fake_sleep(void *context, int64_t wait_us)
{
    ((struct scene *)context)->now_us += wait_us;
}

static uint64_t largest(void *context)
{
    (void)context;
    return UINT64_MAX;
}

static void no_faults(struct scene *scene)
{
    store_fault_set(scene->faulty, &(struct fault){0});
}

static bool write_snapshot(struct scene *scene, struct error *err)
{
    struct fixture_snapshot snapshot;
    unsigned number = ++scene->snapshots;
    fixture_snapshot_begin(&snapshot, &scene->repository, number);
    fixture_add_cluster(&snapshot);
    fixture_add_file(&snapshot, "base/1", content[number == 1 ? 0 : 1], sizeof content[0]);
    return fixture_snapshot_finish(&snapshot, err);
}

/* --- what is done to the store ---------------------------------------------------------------- */

static bool restore(struct scene *scene, const char *snapshot, bool delta, struct error *err)
{
    struct restore_result result;
    struct restore_options options = {
        .snapshot = snapshot, .to = scene->to, .delta = delta, .no_sync = true, .threads = 1};
    if (!restore_run(&scene->repository, &options, &result, err))
        return false;
    restore_result_release(&result);
    return true;
}

static void empty_target(struct scene *scene)
{
    struct error err;
    assert_true(dir_remove_all(scene->to, &err) || err.kind == ERROR_NOT_FOUND);
}

static void fill_target(struct scene *scene)
{
    struct error err;
    empty_target(scene);
    if (!restore(scene, "0000000000000001", false, &err))
        fail_msg("%s", err.text);
}

static bool target_holds(const struct scene *scene, size_t version)
{
    struct error err;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *path = path_join(scene->to, "base/1");
    buf_init(&bytes, sizeof content[0] + 1);
    return file_read_all(path, &bytes, &err) && bytes.len == sizeof content[0] &&
           memcmp(bytes.data, content[version], bytes.len) == 0;
}

static bool target_could_start(const struct scene *scene)
{
    CLEANUP(free_pointer) char *path = path_join(scene->to, "global/pg_control");
    return access(path, F_OK) == 0;
}

static bool restore_fresh(struct scene *scene, struct error *err)
{
    return restore(scene, "latest", false, err);
}

static bool restore_delta(struct scene *scene, struct error *err)
{
    return restore(scene, "latest", true, err);
}

static bool open_again(struct scene *scene, struct error *err)
{
    struct repository again;
    return repository_open(scene->repository.store, &again, err);
}

static bool load_catalog(struct scene *scene, struct error *err)
{
    struct catalog catalog;
    if (!catalog_load(&scene->repository, &catalog, err))
        return false;
    assert_true(catalog.count >= VERSIONS);
    for (size_t i = 0; i < catalog.count; i++)
        assert_true(catalog.entries[i].readable);
    catalog_release(&catalog);
    return true;
}

static bool verify(struct scene *scene, struct error *err)
{
    struct verify_report report;
    struct verify_options options = {.threads = 1};
    if (!verify_run(&scene->repository, &options, &report, err))
        return false;
    if (report.problem_count > 0)
        fail_msg("a store that fails was taken for damage: %s", report.problems[0].text);
    verify_report_release(&report);
    return true;
}

static bool choose_parent(struct scene *scene, struct error *err)
{
    struct parent parent;
    struct snapshot_info info;
    struct random_source random = {largest, NULL};
    fixture_info(&info, 0);
    struct parent_server server = {.identity = {.system_identifier = info.system_identifier,
                                                .timeline = 1,
                                                .position = UINT64_MAX}};
    struct lease lease = {0}; /* left to grow old: removing it may fail unseen */
    struct lease_options announce = {
        .snapshot_id = "00000000000000ff", .clock = &clock_system, .random = &random_system};
    if (!parent_choose(&scene->repository, &server, &announce, &lease, &parent, err))
        return false;
    assert_true(parent.found);
    assert_int_equal(parent.missing_packs, 0);
    assert_string_equal(parent.reason, "");
    bool done = parent_sample(&scene->repository, &random, &parent, err);
    assert_int_equal(parent.missing_packs, 0);
    parent_release(&parent);
    return done;
}

struct operation {
    const char *name;
    void (*prepare)(struct scene *scene); /* NULL: nothing to do */
    bool (*run)(struct scene *scene, struct error *err);
    bool (*repeat)(struct scene *scene, struct error *err); /* NULL: run */
    bool restores;
};

static const struct operation operations[] = {
    {"repository_open", NULL, open_again, NULL, false},
    {"catalog_load", NULL, load_catalog, NULL, false},
    {"parent_choose", NULL, choose_parent, NULL, false},
    {"verify_run", NULL, verify, NULL, false},
    {"a snapshot", NULL, write_snapshot, NULL, false},
    {"restore_run", empty_target, restore_fresh, restore_delta, true},
    {"restore_run with delta", fill_target, restore_delta, NULL, true},
};

static const struct fault faults[] = {
    {.ops = FAULT_ANY, .times = 1, .kind = ERROR_UNAVAILABLE, .retryable = true},
    {.ops = FAULT_ANY, .times = 0, .kind = ERROR_UNAVAILABLE, .retryable = true},
    {.ops = FAULT_ANY,
     .times = 1,
     .kind = ERROR_UNAVAILABLE,
     .retryable = true,
     .done_anyway = true},
    {.ops = FAULT_ANY,
     .times = 0,
     .kind = ERROR_UNAVAILABLE,
     .retryable = true,
     .done_anyway = true},
    {.ops = FAULT_ANY, .times = 1, .kind = ERROR_DENIED},
};

/* --- what must hold --------------------------------------------------------------------------- */

/* The reason, unchanged, and what it was about. */
static bool is_well_told(const struct error *err, const struct fault *fault)
{
    static const char *const objects[] = {"packs/", "snapshots/", "snapshot", "repository"};
    if (err->kind != fault->kind || strstr(err->text, "fault on purpose") == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (strstr(err->text, objects[i]) != NULL)
            return true;
    return false;
}

static void check_afterwards(struct scene *scene, const struct operation *operation, bool done)
{
    struct error err;
    no_faults(scene);
    if (operation->restores && done)
        assert_true(target_could_start(scene) && target_holds(scene, 1));
    /* What a failure left is refused by PostgreSQL, or was not touched at all. */
    if (operation->restores && !done)
        assert_true(!target_could_start(scene) || target_holds(scene, 0));
    if (!done && !(operation->repeat != NULL ? operation->repeat : operation->run)(scene, &err))
        fail_msg("%s, repeated without a fault: %s", operation->name, err.text);
    if (operation->restores)
        assert_true(target_could_start(scene) && target_holds(scene, 1));
}

/* After all of them: what each left in the store is still there. */
static void check_repository(struct scene *scene, const struct operation *operation)
{
    struct error err;
    if (!verify(scene, &err))
        fail_msg("%s, then verify: %s", operation->name, err.text);
    fill_target(scene);
    assert_true(target_holds(scene, 0));
}

/* False when there is no such call: the operation is through. */
static bool try_call(struct scene *scene, const struct operation *operation, struct fault fault,
                     int call, bool retries)
{
    struct error err = {0};
    if (operation->prepare != NULL)
        operation->prepare(scene);
    fault.at_call = call;
    store_fault_set(scene->faulty, &fault);
    bool done = operation->run(scene, &err);
    bool hit = store_fault_calls(scene->faulty) >= call;
    /* A restore only writes and removes its lease, and goes on without one. */
    bool lease_only = operation->restores && (store_fault_hits(scene->faulty) &
                                              ~(unsigned)(FAULT_PUT | FAULT_REMOVE)) == 0;
    bool survives = !hit || lease_only || (retries && fault.retryable && fault.times == 1);
    if (done != survives)
        fail_msg("%s, call %d: %s", operation->name, call, done ? "succeeded" : err.text);
    if (!done && !is_well_told(&err, &fault))
        fail_msg("%s, call %d: cannot make sense of: %s (%s)", operation->name, call, err.text,
                 error_kind_name(err.kind));
    check_afterwards(scene, operation, done);
    return hit;
}

/* --- the matrix ------------------------------------------------------------------------------- */

static void scene_begin(struct scene *scene, bool retries)
{
    struct error err;
    struct clock clock = {fake_now, fake_now, fake_sleep, scene};
    struct random_source random = {largest, NULL};
    struct store_retry_options options = {.clock = &clock, .random = &random};
    *scene = (struct scene){.repository = fixture_repository(CODEC_ZSTD)};
    assert_true(store_fault_open(scene->repository.store, &scene->faulty, &err));
    scene->repository.store = scene->faulty;
    if (retries)
        assert_true(store_retry_open(scene->faulty, &options, &scene->repository.store, &err));
    scene->directory = fixture_directory();
    scene->to = path_join(scene->directory, "data");
    for (int i = 0; i < VERSIONS; i++)
        if (!write_snapshot(scene, &err))
            fail_msg("%s", err.text);
}

static void scene_end(struct scene *scene)
{
    free(scene->to);
    fixture_remove(scene->directory);
    fixture_close(&scene->repository);
}

static void run_matrix(bool retries)
{
    struct fixture_random random = {.state = 7};
    for (size_t i = 0; i < (size_t)VERSIONS * PAGES; i++)
        fixture_page(content[i / PAGES] + i % PAGES * PAGE_BYTES, PAGE_NOISE, i, &random);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        for (size_t j = 0; j < ARRAY_LEN(faults); j++) {
            struct scene scene;
            int call = 1;
            scene_begin(&scene, retries);
            while (try_call(&scene, &operations[i], faults[j], call, retries))
                assert_true(++call < CALLS_MAX);
            assert_true(call > 1);
            check_repository(&scene, &operations[i]);
            scene_end(&scene);
        }
    }
}

static void test_a_failing_store_harms_nothing_and_is_told(void **state)
{
    (void)state;
    run_matrix(false);
}

static void test_a_failure_that_passes_is_not_seen_behind_store_retry(void **state)
{
    (void)state;
    run_matrix(true);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failing_store_harms_nothing_and_is_told),
        cmocka_unit_test(test_a_failure_that_passes_is_not_seen_behind_store_retry),
    };
    log_configure(LOG_ERROR, false); /* restores as root warn */
    return cmocka_run_group_tests_name("store failures", tests, NULL, NULL);
}
