/* One works, the others wait: with clocks that agree on nothing but how fast time goes. */
#include "repository/term.h"

#include "base/text.h"
#include "store/store_memory.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_script.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000000, DAEMONS = 3, STEPS = 4000 };

static int64_t true_us; /* the time that nobody sees */

struct machine {
    int64_t wall_off_us; /* of its clocks against the true time */
    int64_t boot_us;
};

static int64_t machine_now(void *context)
{
    return true_us + ((struct machine *)context)->wall_off_us;
}
static int64_t machine_monotonic(void *context)
{
    return true_us - ((struct machine *)context)->boot_us;
}
static void machine_sleep(void *context, int64_t wait_us)
{
    (void)context;
    true_us += wait_us;
}
static struct clock clock_of(struct machine *machine)
{
    return (struct clock){.now_us = machine_now,
                          .monotonic_us = machine_monotonic,
                          .sleep_us = machine_sleep,
                          .context = machine};
}

static struct machine first_machine = {.wall_off_us = 86400 * (int64_t)SECOND};
static struct machine second_machine = {.wall_off_us = -86400 * (int64_t)SECOND, .boot_us = 999};
static struct clock first_clock;
static struct clock second_clock;
static struct repository repository;
static const struct term_claim no_lock = {.host = "here"};

static int start(void **state)
{
    (void)state;
    true_us = 1772366400 * (int64_t)SECOND;
    first_clock = clock_of(&first_machine);
    second_clock = clock_of(&second_machine);
    repository = fixture_repository(CODEC_NONE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_close(&repository);
    return 0;
}

static struct term begin(const struct clock *clock)
{
    struct error err;
    struct term term;
    struct term_view view;
    assert_true(term_look(&repository, &view, &err));
    if (!term_begin(&repository, &view, &no_lock, clock, &random_system, &term, &err))
        fail_msg("%s", err.text);
    return term;
}

static bool silent_at(struct term_watch *watch, const struct clock *clock)
{
    struct error err;
    bool silent;
    assert_true(term_watch_look(watch, &repository, clock, &silent, &err));
    return silent;
}

static bool count_key(void *context, const struct store_object *object, struct error *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)context;
    return true;
}

static size_t objects(const char *prefix)
{
    struct error err;
    size_t count = 0;
    assert_true(store_list(repository.store, prefix, count_key, &count, &err));
    return count;
}

static void test_a_holder_that_gives_signs_is_never_silent(void **state)
{
    struct error err;
    struct term_watch watch = {0};
    struct term term = begin(&first_clock);
    (void)state;
    for (int i = 0; i < 100; i++) {
        true_us += TERM_SIGN_US;
        assert_true(term_renew(&term, &first_clock, &err));
        assert_false(silent_at(&watch, &second_clock));
    }
    assert_int_equal(watch.seen.term, 1);
    assert_int_equal(watch.seen.sign, 100);
    assert_true(objects("terms/") <= 4); /* the claim and the last signs */
}

static void test_silence_counts_from_what_was_seen_whatever_the_clocks_say(void **state)
{
    struct error err;
    struct term_watch watch = {0};
    struct term dead = begin(&first_clock);
    (void)state;
    true_us += 3600 * (int64_t)SECOND; /* a claim from long ago says nothing */
    assert_false(silent_at(&watch, &second_clock));
    true_us += TERM_SILENCE_US - 1;
    assert_false(silent_at(&watch, &second_clock));
    true_us += 1;
    assert_true(silent_at(&watch, &second_clock));
    struct term next = begin(&second_clock);
    assert_int_equal(next.number, 2);
    assert_false(silent_at(&watch, &second_clock));
    assert_false(term_renew(&dead, &first_clock, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_true(term_renew(&next, &second_clock, &err));
}

static void test_only_one_begins_a_term(void **state)
{
    struct error err;
    struct term one;
    struct term other;
    struct term_view view;
    (void)state;
    assert_true(term_look(&repository, &view, &err));
    assert_int_equal(view.term, 0);
    assert_true(term_begin(&repository, &view, &no_lock, &first_clock, &random_system, &one, &err));
    assert_false(
        term_begin(&repository, &view, &no_lock, &second_clock, &random_system, &other, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    assert_true(term_renew(&one, &first_clock, &err));
}

static void test_a_claim_says_who_holds_it(void **state)
{
    struct error err;
    struct term term;
    struct term_view view = {0};
    struct term_claim read;
    const struct term_claim claim = {.host = "db-7", .lock = "7300/5/1772366400.25"};
    (void)state;
    assert_true(term_begin(&repository, &view, &claim, &first_clock, &random_system, &term, &err));
    assert_true(term_read_claim(&repository, 1, &read, &err));
    assert_string_equal(read.host, "db-7");
    assert_string_equal(read.lock, "7300/5/1772366400.25");
    assert_string_equal(read.holder, term.holder);
    assert_false(term_read_claim(&repository, 2, &read, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void test_a_term_that_ended_need_not_be_waited_for(void **state)
{
    struct error err;
    struct term_view view;
    struct term term = begin(&first_clock);
    (void)state;
    assert_true(term_renew(&term, &first_clock, &err));
    assert_true(term_end(&term, &first_clock, &err));
    assert_true(term_look(&repository, &view, &err));
    assert_true(view.ended);
    term = begin(&second_clock);
    assert_int_equal(term.number, 2);
    assert_true(term_look(&repository, &view, &err));
    assert_false(view.ended);
}

/* Two requests with a gap instead of one: both daemons believe that they made the object. */
static void test_where_create_only_has_a_gap_the_loser_finds_out(void **state)
{
    struct error err;
    struct term loser = begin(&first_clock);
    char key[] = "terms/0000000000000001/0000000000000000.json";
    static const char other[] =
        "{\"holder\":\"00000000000000ff\",\"host\":\"there\",\"lock\":\"\",\"created\":\"\"}";
    (void)state;
    assert_true(store_remove(repository.store, key, &err));
    assert_true(store_put(repository.store, key, other, strlen(other), NULL, &err));
    assert_false(term_renew(&loser, &first_clock, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
}

static void test_names_of_others_are_no_terms(void **state)
{
    static const char *const junk[] = {
        "terms/ffffffffffffffff/0000000000000000.json",  "terms/zz/0.json",
        "terms/0000000000000000/0000000000000000.json",  "terms/0000000000000009/other.json",
        "terms/0000000000000009/0000000000000000.jsonx", "terms/x.json"};
    struct error err;
    struct term_view view;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(junk); i++)
        assert_true(store_put(repository.store, junk[i], "{}", 2, NULL, &err));
    assert_true(term_look(&repository, &view, &err));
    assert_int_equal(view.term, 0);
    assert_int_equal(begin(&first_clock).number, 1);
    assert_int_equal(objects("terms/"), ARRAY_LEN(junk) + 1);
}

static void test_old_terms_are_removed_and_their_numbers_stay_used(void **state)
{
    struct error err;
    (void)state;
    for (uint64_t i = 1; i <= TERM_KEPT + 20; i++) {
        struct term term = begin(&first_clock);
        assert_int_equal(term.number, i);
        assert_true(term_renew(&term, &first_clock, &err));
    }
    assert_int_equal(objects("terms/"), TERM_KEPT + 2); /* and the last one's sign */
}

static void test_a_fence_lets_nothing_be_made_visible_or_removed_in_a_later_term(void **state)
{
    struct error err;
    struct store *fenced;
    struct store *inner = NULL;
    struct repository own = {0};
    struct term_view view = {0};
    struct term term;
    (void)state;
    assert_true(store_memory_open(&inner, &err));
    own.store = inner;
    assert_true(term_begin(&own, &view, &no_lock, &first_clock, &random_system, &term, &err));
    assert_true(term_fence_open(inner, term.number, &fenced, &err));
    assert_true(store_put(fenced, "snapshots/a.manifest", "a", 1, NULL, &err));
    assert_true(store_put(fenced, "packs/00/b.pack", "b", 1, NULL, &err));
    assert_true(store_put(fenced, "leases/c.json", "c", 1, NULL, &err));
    view.term = term.number;
    assert_true(term_begin(&own, &view, &no_lock, &second_clock, &random_system, &term, &err));
    assert_false(store_put(fenced, "snapshots/d.manifest", "d", 1, NULL, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(store_remove(fenced, "packs/00/b.pack", &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_true(store_remove(fenced, "leases/c.json", &err));
    assert_true(store_put(fenced, "packs/00/e.pack", "e", 1, NULL, &err));
    struct store_object object;
    assert_false(store_stat(fenced, "snapshots/d.manifest", &object, &err));
    assert_true(store_stat(fenced, "packs/00/b.pack", &object, &err));
    store_close(fenced);
}

/* --- many daemons, at random: asleep, dead, cut off
 * ------------------------------------------------ */

struct daemon {
    struct machine machine;
    struct clock clock;
    struct script_view view;
    struct repository repository;
    struct term_watch watch;
    bool holds; /* it believes so */
    struct term term;
    int64_t next_us;
    int64_t signed_us; /* true time of its last sign, as long as it holds */
};

struct world {
    struct script script;
    struct fixture_random random;
    struct random_source source;
    struct daemon daemons[DAEMONS];
    uint64_t terms;
    int64_t idle_us; /* since then nobody that is awake holds a term */
};

static void daemon_restart(struct world *world, struct daemon *daemon)
{
    daemon->machine.wall_off_us = (int64_t)fixture_below(&world->random, 1000000) * SECOND;
    daemon->machine.boot_us = true_us - (int64_t)fixture_below(&world->random, 1000000);
    daemon->clock = clock_of(&daemon->machine);
    script_view_init(&daemon->view, &world->script);
    daemon->repository.store = &daemon->view.store;
    daemon->watch = (struct term_watch){0};
    daemon->holds = false;
    daemon->next_us = true_us;
}

static void daemon_wait(struct world *world, struct daemon *daemon)
{
    struct error err;
    bool silent = false;
    daemon->next_us = true_us + 3 * SECOND;
    if (!term_watch_look(&daemon->watch, &daemon->repository, &daemon->clock, &silent, &err) ||
        !(silent || daemon->watch.seen.term == 0 || daemon->watch.seen.ended) ||
        !term_begin(&daemon->repository, &daemon->watch.seen, &no_lock, &daemon->clock,
                    &world->source, &daemon->term, &err))
        return;
    /* Nobody who gave a sign in time has been robbed. */
    for (size_t i = 0; i < DAEMONS; i++) {
        const struct daemon *other = &world->daemons[i];
        if (other != daemon && other->holds)
            assert_true(true_us - other->signed_us >= TERM_SILENCE_US - SECOND);
    }
    assert_true(daemon->term.number > world->terms);
    world->terms = daemon->term.number;
    daemon->holds = true;
    daemon->signed_us = true_us;
    daemon->next_us = true_us + TERM_SIGN_US;
}

static void daemon_work(struct world *world, struct daemon *daemon)
{
    struct error err;
    uint64_t sign = daemon->term.sign;
    bool latest = daemon->term.number == world->terms;
    bool renewed = term_renew(&daemon->term, &daemon->clock, &err);
    if (renewed) {
        assert_true(latest); /* who was replaced learns it from its first sign */
        assert_true(daemon->term.sign > sign);
        daemon->signed_us = true_us;
    }
    if (!renewed && err.kind == ERROR_REFUSED)
        daemon->holds = false;
    daemon->next_us = true_us + (daemon->holds ? TERM_SIGN_US : 3 * SECOND);
}

/* Killed, killed in the middle of a request, put to sleep, or told to end. */
static void disturb(struct world *world, struct daemon *daemon)
{
    struct error ignored;
    switch (fixture_below(&world->random, 4)) {
    case 0:
        daemon_restart(world, daemon);
        break;
    case 1:
        daemon->view.dies_at = daemon->view.calls + 1 + (int)fixture_below(&world->random, 4);
        break;
    case 2:
        daemon->next_us = true_us + (int64_t)fixture_below(&world->random, 120) * SECOND;
        break;
    default:
        if (daemon->holds && daemon->term.number == world->terms)
            (void)!term_end(&daemon->term, &daemon->clock, &ignored);
        daemon_restart(world, daemon);
        break;
    }
}

static bool somebody_works(const struct world *world)
{
    for (size_t i = 0; i < DAEMONS; i++) {
        const struct daemon *daemon = &world->daemons[i];
        if (daemon->holds && daemon->view.dies_at == 0 && daemon->term.number == world->terms &&
            daemon->next_us - true_us <= TERM_SIGN_US)
            return true;
    }
    return false;
}

static void step(struct world *world, bool calm)
{
    true_us += SECOND;
    for (size_t i = 0; i < DAEMONS; i++) {
        struct daemon *daemon = &world->daemons[i];
        if (daemon->view.dies_at != 0 && daemon->view.calls >= daemon->view.dies_at)
            daemon_restart(world, daemon);
        if (!calm && fixture_below(&world->random, 60) == 0)
            disturb(world, daemon);
        if (true_us < daemon->next_us)
            continue;
        if (daemon->holds)
            daemon_work(world, daemon);
        else
            daemon_wait(world, daemon);
    }
    if (somebody_works(world))
        world->idle_us = true_us;
}

static void test_whatever_happens_at_most_one_holds_the_latest_term(void **state)
{
    struct world world = {.random = {.state = 1}};
    const char *seed = getenv("SEED");
    uint64_t number;
    (void)state;
    if (seed != NULL && text_to_u64(seed, &number))
        world.random.state = number;
    script_init(&world.script, true_us);
    world.source = fixture_random_source(&world.random);
    for (size_t i = 0; i < DAEMONS; i++)
        daemon_restart(&world, &world.daemons[i]);
    for (int i = 0; i < STEPS; i++)
        step(&world, false);
    assert_true(world.terms > 20);
    for (int i = 0; i < 150; i++)
        step(&world, true);
    /* Left alone, somebody works within 30 s and goes on. */
    assert_true(true_us - world.idle_us < SECOND);
    script_release(&world.script);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(test_a_holder_that_gives_signs_is_never_silent),
        CASE(test_silence_counts_from_what_was_seen_whatever_the_clocks_say),
        CASE(test_only_one_begins_a_term),
        CASE(test_a_claim_says_who_holds_it),
        CASE(test_a_term_that_ended_need_not_be_waited_for),
        CASE(test_where_create_only_has_a_gap_the_loser_finds_out),
        CASE(test_names_of_others_are_no_terms),
        CASE(test_old_terms_are_removed_and_their_numbers_stay_used),
        CASE(test_a_fence_lets_nothing_be_made_visible_or_removed_in_a_later_term),
        CASE(test_whatever_happens_at_most_one_holds_the_latest_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
