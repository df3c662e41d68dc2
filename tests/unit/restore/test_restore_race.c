/*
 * A clean-up that removes the snapshot, before every single call that a restore or a verification
 * makes to the store: what is restored is whole, and a verification finds nothing wrong.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "repository/expire.h"
#include "repository/garbage.h"
#include "repository/verify.h"
#include "restore/restore.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS_MAX = 200, PAGES = 4 };

static const int64_t hour_us = INT64_C(3600) * 1000000;

struct world {
    struct script script;
    struct script_view view;
    struct repository repository; /* of a view that nothing disturbs */
    struct fixture_random random;
    char *directory;
    uint8_t content[PAGES * PAGE_BYTES];
    size_t removed; /* snapshots, by clean-ups */
};

static void add_snapshot(struct world *world, unsigned number)
{
    struct fixture_snapshot snapshot;
    for (size_t i = 0; i < PAGES; i++)
        fixture_page(world->content + i * PAGE_BYTES, PAGE_NOISE, number, &world->random);
    fixture_snapshot_begin(&snapshot, &world->repository, number);
    fixture_add_cluster(&snapshot);
    fixture_add_file(&snapshot, "base/1", world->content, sizeof world->content);
    fixture_snapshot_end(&snapshot);
}

/* Two snapshots that share nothing; the content is that of the second. */
static void world_init(struct world *world)
{
    struct error err;
    struct repository_settings settings;
    *world = (struct world){.random = {.state = 5}, .directory = fixture_directory()};
    struct random_source random = fixture_random_source(&world->random);
    script_init(&world->script, INT64_C(1772323200000000));
    script_view_init(&world->view, &world->script);
    struct clock clock = script_clock(&world->script);
    repository_default_settings(&settings);
    assert_true(repository_create(&world->view.store, &settings, &clock, &random,
                                  &world->repository, &err));
    add_snapshot(world, 1);
    add_snapshot(world, 2);
    world->script.now_us += 50 * hour_us; /* nothing is young */
}

static void world_release(struct world *world)
{
    fixture_remove(world->directory);
    script_release(&world->script);
}

static bool sweep_everything(struct world *world, const struct sweep *sweep, struct error *err)
{
    uint64_t count;
    uint64_t bytes;
    struct expire_plan plan;
    struct expire_result result;
    struct garbage_plan garbage;
    const struct retention_policy policy = {.keep_last = 1};
    if (!expire_plan(sweep, &policy, &plan, err))
        return false;
    bool done = expire_run(sweep, &plan, &result, err);
    expire_plan_release(&plan);
    if (!done || !garbage_plan(sweep, NULL, &garbage, err))
        return false;
    world->removed += result.snapshots_removed;
    done = garbage_run(sweep, &garbage, &count, &bytes, err);
    garbage_plan_release(&garbage);
    return done;
}

/* A snapshot came in meanwhile; all others go, with their packs. */
static void clean_up(void *context)
{
    struct error err;
    struct sweep sweep;
    struct world *world = context;
    struct clock clock = script_clock(&world->script);
    struct random_source random = fixture_random_source(&world->random);
    struct sweep_options options = {
        .grace_us = 0, .lease_age_us = 24 * hour_us, .clock = &clock, .random = &random};
    world->script.now_us += hour_us;
    assert_true(sweep_begin(&world->repository, &options, &sweep, &err));
    if (!sweep_everything(world, &sweep, &err))
        fail_msg("%s", err.text);
    sweep_end(&sweep);
}

/* The world of another process, with a clean-up before one of its calls. */
static struct repository disturbed(struct world *world, struct script_view *view, int at)
{
    struct repository repository = world->repository;
    script_view_init(view, &world->script);
    view->hook_at = at;
    view->hook = clean_up;
    view->context = world;
    repository.store = &view->store;
    return repository;
}

static void check_restored(const struct world *world, const char *to)
{
    struct error err;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *path = path_join(to, "base/1");
    buf_init(&bytes, sizeof world->content + 1);
    if (!file_read_all(path, &bytes, &err))
        fail_msg("%s", err.text);
    assert_int_equal(bytes.len, sizeof world->content);
    assert_memory_equal(bytes.data, world->content, bytes.len);
}

static size_t count_leases(struct world *world)
{
    struct error err;
    struct lease_list leases;
    assert_true(lease_list_load(&world->repository, &leases, &err));
    size_t count = leases.count;
    lease_list_release(&leases);
    return count;
}

/* The snapshot that is named is the one that the clean-up wants to remove. */
static void test_a_clean_up_at_any_step_does_not_hurt_a_restore(void **state)
{
    size_t refused = 0;
    size_t restored = 0;
    (void)state;
    for (int at = 1; at < CALLS_MAX; at++) {
        struct error err;
        struct world world;
        struct script_view view;
        struct restore_result result;
        world_init(&world);
        struct repository repository = disturbed(&world, &view, at);
        CLEANUP(free_pointer) char *to = path_join(world.directory, "data");
        struct restore_options options = {
            .snapshot = "0000000000000002", .to = to, .no_sync = true, .threads = 1};
        uint8_t wanted[sizeof world.content];
        memcpy(wanted, world.content, sizeof wanted);
        add_snapshot(&world, 3);
        memcpy(world.content, wanted, sizeof wanted);
        bool done = restore_run(&repository, &options, &result, &err);
        bool over = view.hook != NULL;
        if (done) {
            restored++;
            check_restored(&world, to);
            restore_result_release(&result);
        } else { /* removed before anybody could know that it is wanted */
            refused++;
            if (err.kind != ERROR_NOT_FOUND)
                fail_msg("call %d: %s", at, err.text);
            assert_true(world.removed > 0);
        }
        assert_int_equal(count_leases(&world), 0);
        world_release(&world);
        if (!over)
            continue;
        print_message("# %zu restored, %zu refused\n", restored, refused);
        assert_true(restored > 5 && refused > 0 && refused < 6);
        return;
    }
    fail_msg("a restore takes more calls than that");
}

static void test_a_clean_up_at_any_step_is_no_damage_to_a_verification(void **state)
{
    (void)state;
    for (int at = 1; at < CALLS_MAX; at++) {
        struct error err;
        struct world world;
        struct script_view view;
        struct verify_report report;
        struct verify_options options = {.threads = 1};
        world_init(&world);
        struct repository repository = disturbed(&world, &view, at);
        if (!verify_run(&repository, &options, &report, &err))
            fail_msg("call %d: %s", at, err.text);
        if (report.problem_count > 0)
            fail_msg("call %d: %s", at, report.problems[0].text);
        verify_report_release(&report);
        bool over = view.hook != NULL;
        assert_true(over || world.removed == 1);
        world_release(&world);
        if (over)
            return;
    }
    fail_msg("a verification takes more calls than that");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_up_at_any_step_does_not_hurt_a_restore),
        cmocka_unit_test(test_a_clean_up_at_any_step_is_no_damage_to_a_verification),
    };
    log_configure(LOG_ERROR, false); /* restores as root warn */
    return cmocka_run_group_tests_name("restore race", tests, NULL, NULL);
}
