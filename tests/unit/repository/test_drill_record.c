#include "repository/drill_record.h"

#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN INT64_C(1772366400000000)

static struct repository repository;
static unsigned made;

static int start(void **state)
{
    (void)state;
    repository = fixture_repository(CODEC_NONE);
    made = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_close(&repository);
    return 0;
}

/* A drill an hour after the one before it, of five minutes, with these numbers. */
static void drill(bool passed, int64_t rto_us)
{
    struct error err;
    struct drill_record record = {.started_us = BEGIN + made * INT64_C(3600000000),
                                  .passed = passed};
    struct value *proof = value_new_object(&err);
    (void)snprintf(record.id, sizeof record.id, "%08xabcdabcd", made++);
    bool done = proof != NULL &&
                value_set_i64(proof, "finished_us", record.started_us + 300000000, &err) &&
                value_set_i64(proof, "rto_us", rto_us, &err) &&
                value_set_i64(proof, "rpo_us", 5, &err) &&
                drill_record_put(&repository, &record, proof, &err);
    value_free(proof);
    if (!done)
        fail_msg("%s", err.text);
}

static struct drill_summary summary(void)
{
    struct error err;
    struct drill_summary out;
    if (!drill_summary_load(&repository, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static void test_the_names_tell_how_the_drills_went(void **state)
{
    (void)state;
    assert_int_equal(summary().count, 0);
    assert_int_equal(summary().good_us, 0);
    assert_int_equal(summary().rto_us, -1);
    drill(false, 1);
    assert_int_equal(summary().failures_in_row, 1);
    assert_int_equal(summary().good_us, 0);
    drill(true, 77);
    drill(false, 2);
    drill(false, 3);
    struct drill_summary now = summary();
    assert_int_equal(now.count, 4);
    assert_int_equal(now.failures_in_row, 2);
    assert_int_equal(now.last_us, BEGIN + 3 * INT64_C(3600000000));
    assert_int_equal(now.good_us, BEGIN + INT64_C(3600000000));
    assert_int_equal(now.rto_us, 77); /* of the good one */
    assert_int_equal(now.duration_us, 300000000);
    drill(true, 88);
    assert_int_equal(summary().failures_in_row, 0);
    assert_int_equal(summary().rto_us, 88);
}

static void test_one_is_found_by_the_beginning_of_its_id(void **state)
{
    struct error err;
    struct drill_list list;
    const struct drill_record *found;
    (void)state;
    for (int i = 0; i < 3; i++)
        drill(i == 1, i);
    assert_true(drill_list_load(&repository, &list, &err));
    assert_int_equal(list.count, 3);
    assert_true(drill_list_find(&list, "latest", &found, &err));
    assert_string_equal(found->id, "00000002abcdabcd");
    assert_true(drill_list_find(&list, "00000001", &found, &err));
    assert_true(found->passed);
    assert_false(drill_list_find(&list, "0000", &found, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(drill_list_find(&list, "ffff", &found, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_false(drill_list_find(&list, "000", &found, &err)); /* too short */
    struct value *proof = drill_record_get(&repository, &list.records[1], &err);
    int64_t rto_us = 0;
    assert_non_null(proof);
    assert_true(value_get_i64(proof, "rto_us", &rto_us, &err) && rto_us == 1);
    value_free(proof);
    drill_list_release(&list);
}

static void test_other_names_are_left_alone(void **state)
{
    static const char *const others[] = {
        "drills/20260301T120005.250000Z-passed-0123456789abcdef.json.tmp",
        "drills/20260301T120005.250000Z-gone-0123456789abcdef.json",
        "drills/20260301T120005.250000Z-passed-0123.json",
        "drills/yesterday-passed-0123456789abcdef.json",
        "drills/20260301T120005.250000Z-passed-0123456789abcdef-x.json",
    };
    struct error err;
    struct drill_list list;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_true(store_put(repository.store, others[i], "{}", 2, NULL, &err));
    drill(true, 1);
    assert_true(drill_list_load(&repository, &list, &err));
    assert_int_equal(list.count, 1);
    drill_list_release(&list);
}

static void test_the_newest_thousand_stay(void **state)
{
    struct error err;
    struct drill_list list;
    (void)state;
    for (int i = 0; i < DRILLS_KEPT + 3; i++)
        drill(true, i);
    assert_true(drill_list_load(&repository, &list, &err));
    assert_int_equal(list.count, DRILLS_KEPT);
    assert_string_equal(list.records[0].id, "00000003abcdabcd");
    drill_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_names_tell_how_the_drills_went, start, stop),
        cmocka_unit_test_setup_teardown(test_one_is_found_by_the_beginning_of_its_id, start, stop),
        cmocka_unit_test_setup_teardown(test_other_names_are_left_alone, start, stop),
        cmocka_unit_test_setup_teardown(test_the_newest_thousand_stay, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
