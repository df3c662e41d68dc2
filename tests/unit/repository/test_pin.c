#include "repository/pin.h"

#include "base/text.h"
#include "repository/sweep.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const id = "00000000000000aa";

static struct pin pin_of(const char *reason, int64_t expires_us)
{
    struct pin pin = {.created_us = INT64_C(1772323200000000), .expires_us = expires_us};
    (void)snprintf(pin.reason, sizeof pin.reason, "%s", reason);
    return pin;
}

static void add(const struct repository *repository, const char *reason, int64_t expires_us)
{
    struct error err;
    struct pin pin = pin_of(reason, expires_us);
    if (!pin_add(repository, id, &random_system, &pin, &err))
        fail_msg("%s", err.text);
}

static size_t count_pins(const struct repository *repository)
{
    struct error err;
    struct pin_list list;
    assert_true(pin_list_load(repository, &list, &err));
    size_t count = list.count;
    pin_list_release(&list);
    return count;
}

static void test_a_pin_comes_back_as_it_was_given(void **state)
{
    struct error err;
    struct pin_list list;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    add(&repository, "before the \"migration\"", INT64_C(1803859200000000));
    assert_true(pin_list_load(&repository, &list, &err));
    assert_int_equal(list.count, 1);
    assert_true(list.pins[0].readable);
    assert_string_equal(list.pins[0].snapshot_id, id);
    assert_string_equal(list.pins[0].reason, "before the \"migration\"");
    assert_int_equal(list.pins[0].created_us, INT64_C(1772323200000000));
    assert_int_equal(list.pins[0].expires_us, INT64_C(1803859200000000));
    pin_list_release(&list);
    fixture_close(&repository);
}

static void test_unpinning_removes_all_pins_of_one_snapshot(void **state)
{
    struct error err;
    size_t count;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    add(&repository, "one", 0);
    add(&repository, "two", 0);
    struct pin other = pin_of("other", 0);
    assert_true(pin_add(&repository, "00000000000000bb", &random_system, &other, &err));
    assert_true(pin_remove_all(&repository, id, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(count_pins(&repository), 1);
    assert_false(pin_remove_all(&repository, id, &count, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    fixture_close(&repository);
}

static void test_pins_hold_until_they_expire(void **state)
{
    struct pin pin = pin_of("x", 100);
    (void)state;
    pin.readable = true;
    assert_true(pin_holds(&pin, 99));
    assert_false(pin_holds(&pin, 100));
    pin.expires_us = 0;
    assert_true(pin_holds(&pin, INT64_MAX));
    pin.expires_us = 100;
    pin.readable = false;
    assert_true(pin_holds(&pin, 100));
}

static void test_senseless_pins_are_refused(void **state)
{
    struct error err;
    struct pin pin = pin_of("", 0);
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    assert_false(pin_add(&repository, id, &random_system, &pin, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    pin = pin_of("past", INT64_C(1772323200000000));
    assert_false(pin_add(&repository, id, &random_system, &pin, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_int_equal(count_pins(&repository), 0);
    fixture_close(&repository);
}

static void test_a_damaged_pin_is_listed_and_holds(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "oops",
        "[]",
        "{\"snapshot\": \"00000000000000bb\", \"reason\": \"\", \"created\": "
        "\"2026-03-01T00:00:00Z\"}",
        "{\"snapshot\": \"00000000000000aa\", \"reason\": \"x\", \"created\": "
        "\"2026-03-01T00:00:00Z\", \"expires\": \"soon\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err;
        struct pin_list list;
        struct repository repository = fixture_repository(CODEC_NONE);
        assert_true(store_put(repository.store, "pins/00000000000000aa-0000000000000001.json",
                              texts[i], strlen(texts[i]), NULL, &err));
        assert_true(store_put(repository.store, "pins/readme.txt", "x", 1, NULL, &err));
        assert_true(pin_list_load(&repository, &list, &err));
        assert_int_equal(list.count, 1);
        assert_false(list.pins[0].readable);
        assert_true(pin_holds(&list.pins[0], INT64_MAX));
        assert_string_equal(list.pins[0].snapshot_id, id);
        pin_list_release(&list);
        fixture_close(&repository);
    }
}

static void test_no_pin_is_added_while_a_clean_up_may_not_see_it(void **state)
{
    struct error err;
    struct sweep sweep;
    struct repository repository = fixture_repository(CODEC_NONE);
    struct sweep_options options = {.clock = &clock_system, .random = &random_system};
    struct pin pin = pin_of("late", 0);
    (void)state;
    assert_true(sweep_begin(&repository, &options, &sweep, &err));
    assert_false(pin_add(&repository, id, &random_system, &pin, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_int_equal(count_pins(&repository), 0);
    sweep_end(&sweep);
    add(&repository, "late", 0);
    fixture_close(&repository);
}

/* The store fails behind the pin: what cannot be promised is not left behind. */
static void test_a_pin_that_may_have_come_too_late_is_taken_back(void **state)
{
    struct error err;
    struct store *faulty;
    struct repository repository = fixture_repository(CODEC_NONE);
    struct pin pin = pin_of("late", 0);
    struct fault fault = {.ops = FAULT_LIST, .at_call = 2, .times = 1, .kind = ERROR_UNAVAILABLE};
    (void)state;
    assert_true(store_fault_open(repository.store, &faulty, &err));
    repository.store = faulty;
    store_fault_set(faulty, &fault);
    assert_false(pin_add(&repository, id, &random_system, &pin, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_int_equal(count_pins(&repository), 0);
    store_close(faulty);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pin_comes_back_as_it_was_given),
        cmocka_unit_test(test_unpinning_removes_all_pins_of_one_snapshot),
        cmocka_unit_test(test_pins_hold_until_they_expire),
        cmocka_unit_test(test_senseless_pins_are_refused),
        cmocka_unit_test(test_a_damaged_pin_is_listed_and_holds),
        cmocka_unit_test(test_no_pin_is_added_while_a_clean_up_may_not_see_it),
        cmocka_unit_test(test_a_pin_that_may_have_come_too_late_is_taken_back),
    };
    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
