/*
 * Snapshots and clean-ups side by side, step by step: whatever happens between two calls to the
 * store, and whoever dies, every pack that a manifest names is there.
 *
 * The snapshots here are synthetic: the real choice of the parent with its lease, packs that are
 * only names, the real manifest; in the order in which src/snapshot/snapshot.c does it.
 */
#include "repository/expire.h"
#include "snapshot/parent.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEPTH = 3, PACK_BYTES = 128, FLIGHTS = 3 };

static const int64_t hour_us = INT64_C(3600) * 1000000;

/* One process: its own view of the store. */
struct process {
    struct script_view view;
    struct repository repository;
};

/* A snapshot that is being taken: between the choice of the parent and the manifest. */
struct flight {
    bool under_way;
    bool busy;
    struct process process;
    struct parent parent;
    struct lease lease;
    struct manifest manifest;
};

struct world {
    struct script script;
    struct fixture_random random;
    struct repository repository; /* of a view that never dies */
    struct script_view view;
    unsigned snapshots;
    int64_t grace_us;
    struct retention_policy policy;
    struct flight flights[FLIGHTS];
    size_t made; /* statistics */
    size_t removed;
    size_t packs_removed;
    size_t blocked;
};

static void world_init(struct world *world, uint64_t seed)
{
    struct error err;
    struct repository_settings settings;
    *world = (struct world){.random = {.state = seed}, .policy = {.keep_last = 2}};
    struct random_source source = fixture_random_source(&world->random);
    script_init(&world->script, INT64_C(1772323200000000));
    script_view_init(&world->view, &world->script);
    struct clock clock = script_clock(&world->script);
    repository_default_settings(&settings);
    assert_true(repository_create(&world->view.store, &settings, &clock, &source,
                                  &world->repository, &err));
}

static void process_init(struct process *process, struct world *world)
{
    script_view_init(&process->view, &world->script);
    process->repository = world->repository;
    process->repository.store = &process->view.store;
}

static bool put_pack(struct world *world, const struct repository *repository,
                     struct manifest *manifest, struct error *err)
{
    uint32_t index;
    char key[PACK_KEY_SIZE];
    static const uint8_t bytes[PACK_BYTES];
    struct pack_ref ref = {.size_bytes = PACK_BYTES, .index_bytes = 1, .page_count = 1};
    struct random_source source = fixture_random_source(&world->random);
    random_fill(&source, ref.id, sizeof ref.id);
    return store_put(repository->store, pack_key(ref.id, key), bytes, sizeof bytes, NULL, err) &&
           manifest_add_pack(manifest, &ref, &index, err);
}

static bool reuse_packs(struct world *world, const struct parent *parent, struct manifest *manifest,
                        struct error *err)
{
    uint32_t index;
    for (size_t i = 0; parent->found && i < parent->manifest.pack_count; i++) {
        /* nothing that the parent names is ever missing */
        assert_int_not_equal(parent->pack_states[i], PACK_MISSING);
        if (fixture_below(&world->random, 4) != 0 &&
            !manifest_add_pack(manifest, &parent->manifest.packs[i], &index, err))
            return false;
    }
    return true;
}

static bool begin_flight(struct world *world, struct flight *flight, uint32_t timeline,
                         struct error *err)
{
    struct clock clock = script_clock(&world->script);
    struct random_source random = fixture_random_source(&world->random);
    struct snapshot_info *info = &flight->manifest.info;
    manifest_init(&flight->manifest);
    fixture_info(info, ++world->snapshots);
    info->started_us = world->script.now_us;
    info->finished_us = world->script.now_us;
    info->timeline = timeline;
    struct lease_options announce = {.snapshot_id = info->id, .clock = &clock, .random = &random};
    struct parent_server server = {.identity = {.system_identifier = info->system_identifier,
                                                .timeline = timeline,
                                                .position = UINT64_MAX}};
    flight->under_way = true;
    return parent_choose(&flight->process.repository, &server, &announce, &flight->lease,
                         &flight->parent, err);
}

static void end_flight(struct flight *flight)
{
    if (!flight->under_way)
        return;
    lease_release(&flight->lease);
    parent_release(&flight->parent);
    manifest_release(&flight->manifest);
    flight->under_way = false;
}

static bool land(struct world *world, struct flight *flight, struct error *err)
{
    size_t packs = (size_t)fixture_below(&world->random, 4);
    const struct repository *repository = &flight->process.repository;
    if (!reuse_packs(world, &flight->parent, &flight->manifest, err))
        return false;
    for (size_t i = 0; i < packs; i++)
        if (!put_pack(world, repository, &flight->manifest, err))
            return false;
    if (!lease_check(&flight->lease, err) || !manifest_write(repository, &flight->manifest, err))
        return false;
    world->made++;
    return true;
}

static bool take_snapshot(struct world *world, struct process *process, struct error *err)
{
    struct flight flight = {.process = *process};
    flight.process.repository.store = &flight.process.view.store;
    bool done = begin_flight(world, &flight, 1, err) && land(world, &flight, err);
    end_flight(&flight);
    *process = flight.process;
    return done;
}

static bool clean_inside(struct world *world, const struct sweep *sweep, struct error *err)
{
    uint64_t count;
    uint64_t bytes;
    struct expire_plan plan;
    struct expire_result result;
    struct garbage_plan garbage;
    if (!expire_plan(sweep, &world->policy, &plan, err))
        return false;
    bool done = expire_run(sweep, &plan, &result, err);
    expire_plan_release(&plan);
    world->removed += result.snapshots_removed;
    if (!done || !garbage_plan(sweep, NULL, &garbage, err))
        return false;
    world->blocked += garbage.blocked[0] != '\0' ? 1 : 0;
    done = garbage_run(sweep, &garbage, &count, &bytes, err);
    garbage_plan_release(&garbage);
    world->packs_removed += count;
    return done;
}

static bool clean_up(struct world *world, struct process *process, struct error *err)
{
    struct sweep sweep;
    struct clock clock = script_clock(&world->script);
    struct random_source random = fixture_random_source(&world->random);
    struct sweep_options options = {.grace_us = world->grace_us,
                                    .lease_age_us = 24 * hour_us,
                                    .clock = &clock,
                                    .random = &random};
    if (!sweep_begin(&process->repository, &options, &sweep, err))
        return false;
    bool done = clean_inside(world, &sweep, err);
    sweep_end(&sweep);
    return done;
}

/* Every pack that a manifest names is there; gives how many different ones there are. */
static size_t check_whole(struct world *world)
{
    struct error err;
    struct sweep look = {.repository = &world->repository, .options = {.dry_run = true}};
    struct garbage_plan plan;
    if (!garbage_plan(&look, NULL, &plan, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < plan.used_count; i++) {
        char key[PACK_KEY_SIZE];
        struct store_object object;
        if (!store_stat(world->script.inner, pack_key(plan.used[i], key), &object, &err))
            fail_msg("lost: %s", err.text);
    }
    assert_null(strstr(plan.blocked, "cannot be read"));
    size_t count = plan.used_count;
    garbage_plan_release(&plan);
    return count;
}

static bool count_object(void *context, const struct store_object *object, struct error *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)context;
    return true;
}

static size_t count_objects(const struct world *world, const char *prefix)
{
    struct error err;
    size_t count = 0;
    assert_true(store_list(world->script.inner, prefix, count_object, &count, &err));
    return count;
}

static void snapshot_now(struct world *world)
{
    struct error err;
    struct process process;
    process_init(&process, world);
    if (!take_snapshot(world, &process, &err))
        fail_msg("%s", err.text);
}

static void clean_now(void *context)
{
    struct error err;
    struct process process;
    process_init(&process, context);
    if (!clean_up(context, &process, &err))
        fail_msg("%s", err.text);
}

/* --- single races ----------------------------------------------------------------------------- */

/* A clean-up at every single point of a snapshot whose parent is on the way out. */
static void test_a_clean_up_at_any_step_of_a_snapshot_loses_nothing(void **state)
{
    (void)state;
    for (int at = 1; at < 60; at++) {
        struct error err;
        struct world world;
        struct process process;
        world_init(&world, 7);
        world.policy.keep_last = 1;
        snapshot_now(&world);
        snapshot_now(&world);
        process_init(&process, &world);
        process.view.hook_at = at;
        process.view.hook = clean_now;
        process.view.context = &world;
        assert_true(take_snapshot(&world, &process, &err));
        (void)check_whole(&world);
        clean_now(&world);
        size_t used = check_whole(&world);
        assert_int_equal(count_objects(&world, "packs/"), used);
        assert_int_equal(count_objects(&world, "snapshots/"), 1);
        assert_int_equal(count_objects(&world, "leases/"), 0);
        bool over = process.view.hook != NULL;
        script_release(&world.script);
        if (over)
            return;
    }
    fail_msg("a snapshot takes more calls than that");
}

static void finish_snapshot(void *context)
{
    snapshot_now(context);
}

/* And the other way round: a whole snapshot at every single point of a clean-up. */
static void test_a_snapshot_at_any_step_of_a_clean_up_loses_nothing(void **state)
{
    (void)state;
    for (int at = 1; at < 60; at++) {
        struct error err;
        struct world world;
        struct process process;
        world_init(&world, 11);
        world.policy.keep_last = 1;
        for (int i = 0; i < 3; i++)
            snapshot_now(&world);
        process_init(&process, &world);
        process.view.hook_at = at;
        process.view.hook = finish_snapshot;
        process.view.context = &world;
        assert_true(clean_up(&world, &process, &err));
        (void)check_whole(&world);
        bool over = process.view.hook != NULL;
        script_release(&world.script);
        if (over)
            return;
    }
    fail_msg("a clean-up takes more calls than that");
}

/* The parent's manifest goes between the moment when it is chosen and the lease that names it. */
static void remove_all_but_newest(void *context)
{
    struct world *world = context;
    snapshot_now(world);
    clean_now(world);
}

static void test_a_parent_that_expires_before_the_lease_is_not_used(void **state)
{
    struct error err;
    struct world world;
    struct process process;
    (void)state;
    world_init(&world, 5);
    world.policy.keep_last = 1;
    snapshot_now(&world);
    process_init(&process, &world);
    process.view.hook_key = "leases/";
    process.view.hook = remove_all_but_newest;
    process.view.context = &world;
    assert_true(take_snapshot(&world, &process, &err));
    assert_null(process.view.hook);
    (void)check_whole(&world);
    script_release(&world.script);
}

/* The parent's manifest goes right behind the lease that names it, which the clean-up did not see
 * yet: then its packs are known to nobody but the running snapshot. */
static void begin_on_timeline_1(void *context)
{
    struct error err;
    struct world *world = context;
    process_init(&world->flights[0].process, world);
    if (!begin_flight(world, &world->flights[0], 1, &err))
        fail_msg("%s", err.text);
}

static void take_on_timeline_2(struct world *world)
{
    struct error err;
    struct flight flight = {.under_way = false};
    process_init(&flight.process, world);
    assert_true(begin_flight(world, &flight, 2, &err) && land(world, &flight, &err));
    end_flight(&flight);
}

static void test_packs_of_a_parent_that_expired_meanwhile_stay(void **state)
{
    struct error err;
    struct world world;
    struct process process;
    (void)state;
    world_init(&world, 15);
    world.policy.keep_last = 1;
    for (int i = 0; i < 3; i++)
        snapshot_now(&world);
    take_on_timeline_2(&world); /* the newest, but no parent for timeline 1 */
    process_init(&process, &world);
    process.view.hook_key = "snapshots/";
    process.view.hook_op = SCRIPT_REMOVE;
    process.view.hook = begin_on_timeline_1;
    process.view.context = &world;
    size_t packs = count_objects(&world, "packs/");
    assert_true(clean_up(&world, &process, &err));
    assert_true(world.flights[0].parent.found);
    assert_int_equal(count_objects(&world, "snapshots/"), 1);
    assert_int_equal(world.blocked, 1);
    assert_int_equal(count_objects(&world, "packs/"), packs);
    assert_true(land(&world, &world.flights[0], &err));
    end_flight(&world.flights[0]);
    (void)check_whole(&world);
    clean_now(&world);
    assert_int_equal(count_objects(&world, "packs/"), check_whole(&world));
    script_release(&world.script);
}

static void dead_for_a_day(void *context)
{
    struct world *world = context;
    world->script.now_us += 25 * hour_us;
    clean_now(world); /* takes the lease for a dead one's, for the last time */
    world->script.now_us += hour_us;
    clean_now(world);
}

static void test_a_snapshot_that_was_taken_for_dead_does_not_come_into_being(void **state)
{
    struct error err;
    struct world world;
    struct process process;
    (void)state;
    world_init(&world, 9);
    snapshot_now(&world);
    process_init(&process, &world);
    process.view.hook_key = "packs/";
    process.view.hook = dead_for_a_day;
    process.view.context = &world;
    for (int i = 0; i < 8 && process.view.hook != NULL; i++)
        (void)!take_snapshot(&world, &process, &err);
    assert_null(process.view.hook);
    process_init(&process, &world);
    process.view.hook_key = "leases/";
    assert_int_equal(count_objects(&world, "leases/"), 0);
    (void)check_whole(&world);
    script_release(&world.script);
}

/* WAL that only a snapshot under way asks for: the newest one is of another timeline. */
static void test_wal_that_a_snapshot_under_way_asks_for_stays(void **state)
{
    struct error err;
    struct world world;
    struct lease lease = {0};
    static const uint8_t wal[64];
    (void)state;
    world_init(&world, 13);
    world.policy.keep_last = 1;
    snapshot_now(&world); /* timeline 1, from 0 on or later */
    struct flight flight = {.under_way = false};
    process_init(&flight.process, &world);
    assert_true(begin_flight(&world, &flight, 2, &err) && land(&world, &flight, &err));
    end_flight(&flight);
    const struct wal_source source = {
        .system_identifier = 1, .timeline = 1, .segment_bytes = 16 << 20};
    uint64_t at = UINT64_C(1) << 40;
    assert_true(wal_chunk_put(&world.repository, &source, at, wal, sizeof wal, NULL, &err));
    struct clock clock = script_clock(&world.script);
    struct random_source random = fixture_random_source(&world.random);
    struct lease_options options = {.kind = LEASE_SNAPSHOT,
                                    .snapshot_id = "00000000000000aa",
                                    .wal_timeline = 1,
                                    .wal_from_lsn = at,
                                    .clock = &clock,
                                    .random = &random};
    assert_true(lease_take(&world.repository, &options, &lease, &err));
    world.script.now_us += hour_us;
    clean_now(&world);
    assert_int_equal(count_objects(&world, "wal/"), 1);
    lease_release(&lease);
    clean_now(&world);
    assert_int_equal(count_objects(&world, "wal/"), 0);
    script_release(&world.script);
}

/* --- refusals --------------------------------------------------------------------------------- */

static struct sweep_options options_of(struct world *world, const struct clock *clock,
                                       const struct random_source *random)
{
    return (struct sweep_options){.grace_us = world->grace_us,
                                  .lease_age_us = 24 * hour_us,
                                  .clock = clock,
                                  .random = random};
}

static void test_clean_ups_exclude_each_other(void **state)
{
    struct error err;
    struct world world;
    struct sweep first;
    struct sweep second;
    (void)state;
    world_init(&world, 3);
    struct clock clock = script_clock(&world.script);
    struct random_source random = fixture_random_source(&world.random);
    struct sweep_options options = options_of(&world, &clock, &random);
    assert_true(sweep_begin(&world.repository, &options, &first, &err));
    assert_false(sweep_begin(&world.repository, &options, &second, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_int_equal(count_objects(&world, "leases/"), 1);
    assert_true(sweep_check(&first, &err));
    /* the first one dies; after two hours it is not in the way any more, and may not go on */
    world.script.now_us += 2 * hour_us + 1;
    assert_true(sweep_begin(&world.repository, &options, &second, &err));
    assert_false(sweep_check(&first, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_true(sweep_check(&second, &err));
    sweep_end(&second);
    sweep_end(&first);
    assert_int_equal(count_objects(&world, "leases/"), 0);
    script_release(&world.script);
}

static void test_an_unreadable_manifest_keeps_every_pack(void **state)
{
    struct error err;
    struct world world;
    (void)state;
    world_init(&world, 4);
    world.policy.keep_last = 1;
    assert_true(store_put(&world.view.store,
                          "snapshots/20260101T000000.000000Z-0000000000000000.manifest", "x", 1,
                          NULL, &err));
    for (int i = 0; i < 4; i++)
        snapshot_now(&world);
    size_t packs = count_objects(&world, "packs/");
    clean_now(&world);
    assert_int_equal(count_objects(&world, "snapshots/"), 2);
    assert_int_equal(count_objects(&world, "packs/"), packs);
    assert_int_equal(world.blocked, 1);
    script_release(&world.script);
}

static void test_young_packs_stay(void **state)
{
    struct error err;
    struct world world;
    struct manifest manifest;
    (void)state;
    world_init(&world, 6);
    world.grace_us = 24 * hour_us;
    manifest_init(&manifest);
    assert_true(put_pack(&world, &world.repository, &manifest, &err)); /* nobody's */
    manifest_release(&manifest);
    world.script.now_us += 23 * hour_us;
    clean_now(&world);
    assert_int_equal(count_objects(&world, "packs/"), 1);
    world.script.now_us += 2 * hour_us;
    clean_now(&world);
    assert_int_equal(count_objects(&world, "packs/"), 0);
    script_release(&world.script);
}

static void test_a_dry_run_changes_nothing(void **state)
{
    struct error err;
    struct world world;
    struct sweep sweep;
    struct expire_plan plan;
    struct garbage_plan garbage;
    (void)state;
    world_init(&world, 8);
    world.policy.keep_last = 1;
    for (int i = 0; i < 6; i++)
        snapshot_now(&world);
    size_t before = count_objects(&world, "");
    struct clock clock = script_clock(&world.script);
    struct random_source random = fixture_random_source(&world.random);
    struct sweep_options options = options_of(&world, &clock, &random);
    options.dry_run = true;
    assert_true(sweep_begin(&world.repository, &options, &sweep, &err));
    assert_true(expire_plan(&sweep, &world.policy, &plan, &err));
    assert_int_equal(plan.manifests.count, 5);
    assert_true(garbage_plan(&sweep, &plan.manifests, &garbage, &err));
    size_t would_go = garbage.pack_count;
    garbage_plan_release(&garbage);
    expire_plan_release(&plan);
    sweep_end(&sweep);
    assert_int_equal(count_objects(&world, ""), before);
    clean_now(&world); /* does what the dry run said */
    assert_int_equal(world.packs_removed, would_go);
    assert_true(would_go > 0);
    script_release(&world.script);
}

/* --- everything at once ----------------------------------------------------------------------- */

/* A process at work; before one of its calls the next one runs. */
struct actor {
    struct world *world;
    int depth;
};

/* Begins a snapshot that stays under way, or ends one: well, badly, or by dying. */
static void fly(struct world *world, const struct process *process)
{
    struct error err;
    struct flight *flight = &world->flights[fixture_below(&world->random, FLIGHTS)];
    if (flight->busy) /* at work further up */
        return;
    flight->busy = true;
    bool begins = !flight->under_way;
    flight->process.view = process->view;
    flight->process.repository = process->repository;
    flight->process.repository.store = &flight->process.view.store;
    bool done = begins ? begin_flight(world, flight, 1 + (uint32_t)fixture_below(&world->random, 2),
                                      &err)
                       : land(world, flight, &err);
    if (!begins || !done)
        end_flight(flight);
    flight->process.view.hook = NULL; /* its context ends here */
    flight->busy = false;
}

static void act(void *context)
{
    struct error err;
    struct actor *actor = context;
    struct world *world = actor->world;
    struct actor inner = {.world = world, .depth = actor->depth + 1};
    struct fixture_random *random = &world->random;
    struct process process;
    process_init(&process, world);
    if (fixture_below(random, 4) == 0)
        process.view.dies_at = 1 + (int)fixture_below(random, 40);
    if (actor->depth < DEPTH && fixture_below(random, 4) != 0) {
        process.view.hook_at = 1 + (int)fixture_below(random, 30);
        process.view.hook = act;
        process.view.context = &inner;
    }
    /* Sometimes so late that leases of the others look dead. */
    static const int64_t hours[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 25};
    world->script.now_us += hours[fixture_below(random, ARRAY_LEN(hours))] * hour_us;
    if (fixture_below(random, 5) < 3)
        fly(world, &process);
    else
        (void)!clean_up(world, &process, &err);
    (void)check_whole(world);
}

static void end_flights(struct world *world)
{
    for (size_t i = 0; i < FLIGHTS; i++)
        end_flight(&world->flights[i]);
}

static void test_nothing_is_lost_in_2000_rounds_of_everything(void **state)
{
    struct world world;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world_init(&world, seed);
        for (int round = 0; round < 100; round++) {
            struct actor actor = {.world = &world};
            world.policy.keep_last = 1 + (uint32_t)fixture_below(&world.random, 3);
            world.grace_us = fixture_below(&world.random, 4) == 0 ? hour_us : 0;
            act(&actor);
        }
        end_flights(&world);
        /* When all is quiet, what nothing needs is gone, and nothing else. */
        world.grace_us = 0;
        for (int i = 0; i < 3; i++) {
            world.script.now_us += 26 * hour_us;
            clean_now(&world);
        }
        size_t used = check_whole(&world);
        assert_int_equal(count_objects(&world, "packs/"), used);
        assert_int_equal(count_objects(&world, "leases/"), 0);
        print_message("# seed %d: %zu made, %zu removed, %zu packs removed, %zu times blocked\n",
                      (int)seed, world.made, world.removed, world.packs_removed, world.blocked);
        assert_true(world.made > 20 && world.removed > 10 && world.packs_removed > 10);
        script_release(&world.script);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_up_at_any_step_of_a_snapshot_loses_nothing),
        cmocka_unit_test(test_a_snapshot_at_any_step_of_a_clean_up_loses_nothing),
        cmocka_unit_test(test_a_parent_that_expires_before_the_lease_is_not_used),
        cmocka_unit_test(test_packs_of_a_parent_that_expired_meanwhile_stay),
        cmocka_unit_test(test_a_snapshot_that_was_taken_for_dead_does_not_come_into_being),
        cmocka_unit_test(test_wal_that_a_snapshot_under_way_asks_for_stays),
        cmocka_unit_test(test_clean_ups_exclude_each_other),
        cmocka_unit_test(test_an_unreadable_manifest_keeps_every_pack),
        cmocka_unit_test(test_young_packs_stay),
        cmocka_unit_test(test_a_dry_run_changes_nothing),
        cmocka_unit_test(test_nothing_is_lost_in_2000_rounds_of_everything),
    };
    return cmocka_run_group_tests_name("lease_race", tests, NULL, NULL);
}
