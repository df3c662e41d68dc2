#include "repository/run_record.h"

#include "base/text.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static struct repository repository;
static int64_t now = 1772366400 * (int64_t)SECOND;

static int start(void **state)
{
    (void)state;
    repository = fixture_repository(CODEC_NONE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_close(&repository);
    return 0;
}

static void run(enum run_job job, uint32_t part, uint32_t parts, enum run_outcome outcome)
{
    struct error err;
    now += SECOND;
    const struct run_record record = {
        .job = job, .started_us = now, .part = part, .parts = parts, .outcome = outcome};
    if (!run_record_put(&repository, &record, &clock_system, &random_system, &err))
        fail_msg("%s", err.text);
}

static struct run_list load(void)
{
    struct error err;
    struct run_list list;
    if (!run_list_load(&repository, &list, &err))
        fail_msg("%s", err.text);
    return list;
}

static struct run_coverage coverage(uint32_t parts)
{
    struct run_coverage found;
    struct run_list list = load();
    run_list_coverage(&list, parts, &found);
    run_list_release(&list);
    return found;
}

static void test_what_was_stored_is_read_back(void **state)
{
    (void)state;
    run(RUN_VERIFY, 3, 28, RUN_DAMAGED);
    run(RUN_EXPIRE, 1, 1, RUN_GOOD);
    struct run_list list = load();
    assert_int_equal(list.count, 2);
    assert_int_equal(list.records[0].job, RUN_EXPIRE);
    assert_int_equal(list.records[1].job, RUN_VERIFY);
    assert_int_equal(list.records[1].part, 3);
    assert_int_equal(list.records[1].parts, 28);
    assert_int_equal(list.records[1].outcome, RUN_DAMAGED);
    assert_int_equal(list.records[1].started_us, now - SECOND);
    assert_int_equal(run_list_last(&list, RUN_EXPIRE), now);
    run_list_release(&list);
}

static void test_names_of_others_are_no_runs(void **state)
{
    static const char *const junk[] = {"runs/verify/20260301T120005.250000Z-0-28-good-00.json",
                                       "runs/verify/20260301T120005.250000Z-29-28-good-00.json",
                                       "runs/verify/20260301T120005.250000Z-1-1001-good-00.json",
                                       "runs/verify/20260301T120005Z-1-28-good-00.json",
                                       "runs/verify/20261301T120005.250000Z-1-28-good-00.json",
                                       "runs/verify/20260301T120005.250000Z-1-28-fine-00.json",
                                       "runs/verify/20260301T120005.250000Z-1-28-good.json",
                                       "runs/other/20260301T120005.250000Z-1-28-good-00.json",
                                       "runs/verify/20260301T120005.250000Z-1-28-good-00-1.json",
                                       "runs/verify/x.json",
                                       "runs/x.json"};
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(junk); i++)
        assert_true(store_put(repository.store, junk[i], "{}", 2, NULL, &err));
    struct run_list list = load();
    assert_int_equal(list.count, 0);
    run_list_release(&list);
    assert_int_equal(coverage(28).next, 1);
    assert_int_equal(coverage(0).parts, 1);
}

static void test_after_as_many_runs_as_parts_everything_was_read_whoever_ran_them(void **state)
{
    struct fixture_random random = {.state = 7};
    bool read[28] = {false};
    (void)state;
    run(RUN_VERIFY, 5, 7, RUN_GOOD); /* divided otherwise: says nothing */
    for (int i = 0; i < 500; i++) {  /* in the middle of a round */
        uint32_t part = 1 + (uint32_t)fixture_below(&random, 28);
        if (fixture_below(&random, 20) == 0)
            run(RUN_VERIFY, part, 28, RUN_GOOD);
    }
    for (int i = 0; i < 28; i++) {
        struct run_coverage found = coverage(28); /* nothing is remembered from run to run */
        assert_false(read[found.next - 1]);
        read[found.next - 1] = true;
        run(RUN_VERIFY, found.next, 28, RUN_GOOD);
    }
    struct run_coverage found = coverage(0);
    assert_int_equal(found.parts, 28);
    assert_int_equal(found.parts_read, 28);
    assert_int_equal(found.since_us, now - 27 * SECOND);
    assert_int_equal(found.last_us, now);
}

static void test_a_run_that_failed_leaves_its_part_next(void **state)
{
    (void)state;
    run(RUN_VERIFY, 1, 3, RUN_GOOD);
    assert_int_equal(coverage(3).next, 2);
    assert_int_equal(coverage(3).next, 2); /* killed before it could say anything */
    assert_int_equal(coverage(3).since_us, 0);
    run(RUN_VERIFY, 2, 3, RUN_GOOD);
    assert_int_equal(coverage(3).next, 3);
}

static void test_damage_stays_until_the_part_is_read_and_good(void **state)
{
    (void)state;
    run(RUN_VERIFY, 1, 2, RUN_GOOD);
    run(RUN_VERIFY, 2, 2, RUN_DAMAGED);
    assert_int_equal(coverage(2).parts_damaged, 1);
    run(RUN_VERIFY, 1, 2, RUN_GOOD);
    assert_int_equal(coverage(2).parts_damaged, 1);
    run(RUN_VERIFY, 2, 2, RUN_GOOD);
    assert_int_equal(coverage(2).parts_damaged, 0);
}

static void test_a_run_over_everything_counts_for_every_part(void **state)
{
    (void)state;
    run(RUN_VERIFY, 2, 4, RUN_DAMAGED);
    run(RUN_VERIFY, 1, 1, RUN_GOOD);
    struct run_coverage found = coverage(0);
    assert_int_equal(found.parts, 4);
    assert_int_equal(found.parts_damaged, 0);
    assert_int_equal(found.since_us, now);
    run(RUN_VERIFY, 1, 1, RUN_DAMAGED);
    assert_int_equal(coverage(4).parts_damaged, 4); /* it may be anywhere */
    run(RUN_VERIFY, 3, 4, RUN_GOOD);
    assert_int_equal(coverage(4).parts_damaged, 3);
}

static void test_only_so_many_are_kept(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RUN_KEPT + 10; i++)
        run(RUN_EXPIRE, 1, 1, RUN_GOOD);
    struct run_list list = load();
    assert_int_equal(list.count, RUN_KEPT);
    assert_int_equal(list.records[RUN_KEPT - 1].started_us, now);
    assert_int_equal(list.records[0].started_us, now - (RUN_KEPT - 1) * (int64_t)SECOND);
    run_list_release(&list);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(test_what_was_stored_is_read_back),
        CASE(test_names_of_others_are_no_runs),
        CASE(test_after_as_many_runs_as_parts_everything_was_read_whoever_ran_them),
        CASE(test_a_run_that_failed_leaves_its_part_next),
        CASE(test_damage_stays_until_the_part_is_read_and_good),
        CASE(test_a_run_over_everything_counts_for_every_part),
        CASE(test_only_so_many_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
