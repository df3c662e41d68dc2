#include "base/stop.h"
#include "base/text.h"
#include "store/store_memory.h"
#include "store/store_retry.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000000, WAITS_MAX = 64 };

struct fixture {
    int64_t now_us;
    int64_t waits_us[WAITS_MAX];
    int wait_count;
    int stop_at_wait; /* 0: never */
    struct store *faulty;
    struct store *store;
};

static int64_t fake_now(void *context)
{
    return ((struct fixture *)context)->now_us;
}

static void fake_sleep(void *context, int64_t wait_us)
{
    struct fixture *fixture = context;
    if (fixture->wait_count < WAITS_MAX)
        fixture->waits_us[fixture->wait_count] = wait_us;
    fixture->wait_count++;
    fixture->now_us += wait_us;
    if (fixture->wait_count == fixture->stop_at_wait)
        stop_request();
}

/* The largest value below every bound: each wait is then its upper bound, less one. */
static uint64_t largest(void *context)
{
    (void)context;
    return UINT64_MAX;
}

static int open_stores(void **state)
{
    struct error err;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct clock clock = {fake_now, fake_now, fake_sleep, fixture};
    struct random_source random = {largest, NULL};
    struct store_retry_options options = {.total_us = 60 * SECOND,
                                          .first_wait_us = 1 * SECOND,
                                          .max_wait_us = 8 * SECOND,
                                          .clock = &clock,
                                          .random = &random};
    struct store *memory;
    *state = fixture;
    stop_reset();
    if (!store_memory_open(&memory, &err) || !store_fault_open(memory, &fixture->faulty, &err))
        return -1;
    return store_retry_open(fixture->faulty, &options, &fixture->store, &err) ? 0 : -1;
}

static int close_stores(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    free(fixture);
    stop_reset();
    return 0;
}

static void put(struct fixture *fixture, const char *key, const char *text)
{
    struct error err;
    assert_true(store_put(fixture->store, key, text, strlen(text), NULL, &err));
}

static void test_waits_grow_to_their_bound_and_end_with_the_total_time(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct store_object object;
    store_fault_set(fixture->faulty, &(struct fault){.ops = FAULT_STAT,
                                                     .at_call = 1,
                                                     .kind = ERROR_UNAVAILABLE,
                                                     .retryable = true});
    assert_false(store_stat(fixture->store, "k", &object, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_true(err.retryable);
    assert_non_null(strstr(err.text, "gave up after"));
    assert_true(fixture->now_us <= 60 * SECOND);
    for (int i = 1; i < fixture->wait_count; i++)
        assert_true(fixture->waits_us[i] <= 8 * SECOND);
    assert_true(fixture->waits_us[0] <= 1 * SECOND);
    assert_true(fixture->waits_us[fixture->wait_count - 1] > 0);
    assert_int_equal(store_fault_calls(fixture->faulty), fixture->wait_count + 1);
}

static void test_the_pause_that_the_store_asks_for_is_kept(void **state)
{
    struct fixture *fixture = *state;
    store_fault_set(fixture->faulty, &(struct fault){.ops = FAULT_PUT,
                                                     .at_call = 1,
                                                     .times = 2,
                                                     .kind = ERROR_UNAVAILABLE,
                                                     .retryable = true,
                                                     .retry_after_ms = 15000});
    put(fixture, "k", "x");
    assert_int_equal(fixture->wait_count, 2);
    assert_int_equal(fixture->waits_us[0], 15 * SECOND);
    assert_int_equal(fixture->waits_us[1], 15 * SECOND);
}

static void test_a_pause_beyond_the_total_time_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    store_fault_set(fixture->faulty, &(struct fault){.ops = FAULT_REMOVE,
                                                     .at_call = 1,
                                                     .kind = ERROR_UNAVAILABLE,
                                                     .retryable = true,
                                                     .retry_after_ms = 3600000});
    assert_false(store_remove(fixture->store, "k", &err));
    assert_int_equal(fixture->wait_count, 0);
}

static void test_what_is_not_retryable_is_not_repeated(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    char byte;
    size_t got;
    store_fault_set(fixture->faulty,
                    &(struct fault){.ops = FAULT_ANY, .at_call = 1, .kind = ERROR_DENIED});
    assert_false(store_get(fixture->store, "k", 0, 1, &byte, &got, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_null(strstr(err.text, "gave up"));
    assert_int_equal(store_fault_calls(fixture->faulty), 1);
}

static const struct fault lost_answer = {.ops = FAULT_PUT,
                                         .at_call = 1,
                                         .times = 1,
                                         .kind = ERROR_UNAVAILABLE,
                                         .retryable = true,
                                         .done_anyway = true};

static void test_a_put_whose_answer_was_lost_succeeds(void **state)
{
    struct fixture *fixture = *state;
    store_fault_set(fixture->faulty, &lost_answer);
    put(fixture, "k", "content");
    assert_int_equal(store_fault_calls(fixture->faulty), 2);
    store_fault_set(fixture->faulty, &lost_answer);
    put(fixture, "empty", "");
}

static void test_a_lost_answer_does_not_hide_another_writers_object(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    put(fixture, "k", "theirs");
    /* Not carried out, and the key is taken by other bytes: of the same length, and longer. */
    struct fault refused = lost_answer;
    refused.done_anyway = false;
    store_fault_set(fixture->faulty, &refused);
    assert_false(store_put(fixture->store, "k", "mine!!", 6, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    store_fault_set(fixture->faulty, &refused);
    assert_false(store_put(fixture->store, "k", "their", 5, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
}

static void test_a_first_attempt_that_finds_the_key_taken_is_not_compared(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    put(fixture, "k", "same");
    assert_false(store_put(fixture->store, "k", "same", 4, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
}

static bool append_key(void *context, const struct store_object *object, struct error *err)
{
    char *text = context;
    (void)err;
    (void)snprintf(text + strlen(text), 64 - strlen(text), "%s ", object->key);
    return true;
}

static bool refuse(void *context, const struct store_object *object, struct error *err)
{
    (void)object;
    ++*(int *)context;
    (void)error_set(err, ERROR_UNAVAILABLE, "the visitor failed");
    err->retryable = true;
    return false;
}

static void test_a_listing_that_breaks_off_visits_each_object_once(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    char text[64] = "";
    for (const char *key = "abcdef"; *key != '\0'; key++)
        put(fixture, (char[]){*key, '\0'}, "x");
    store_fault_set(fixture->faulty, &(struct fault){.ops = FAULT_LIST,
                                                     .at_call = 1,
                                                     .times = 2,
                                                     .kind = ERROR_UNAVAILABLE,
                                                     .retryable = true});
    assert_true(store_list(fixture->store, "", append_key, text, &err));
    assert_string_equal(text, "a b c d e f ");
}

static void test_a_failing_visitor_is_not_called_again(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    int calls = 0;
    put(fixture, "a", "x");
    assert_false(store_list(fixture->store, "", refuse, &calls, &err));
    assert_int_equal(calls, 1);
    assert_string_equal(err.text, "the visitor failed");
}

static void test_a_stop_request_ends_the_waiting(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    int64_t time_us;
    fixture->stop_at_wait = 2;
    store_fault_set(fixture->faulty, &(struct fault){.ops = FAULT_TIME,
                                                     .at_call = 1,
                                                     .kind = ERROR_UNAVAILABLE,
                                                     .retryable = true});
    assert_false(store_time(fixture->store, &time_us, &err));
    assert_int_equal(err.kind, ERROR_CANCELLED);
    assert_false(err.retryable);
    assert_int_equal(fixture->wait_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_grow_to_their_bound_and_end_with_the_total_time,
                                        open_stores, close_stores),
        cmocka_unit_test_setup_teardown(test_the_pause_that_the_store_asks_for_is_kept, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_a_pause_beyond_the_total_time_is_not_waited_for,
                                        open_stores, close_stores),
        cmocka_unit_test_setup_teardown(test_what_is_not_retryable_is_not_repeated, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_a_put_whose_answer_was_lost_succeeds, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_a_lost_answer_does_not_hide_another_writers_object,
                                        open_stores, close_stores),
        cmocka_unit_test_setup_teardown(
            test_a_first_attempt_that_finds_the_key_taken_is_not_compared, open_stores,
            close_stores),
        cmocka_unit_test_setup_teardown(test_a_listing_that_breaks_off_visits_each_object_once,
                                        open_stores, close_stores),
        cmocka_unit_test_setup_teardown(test_a_failing_visitor_is_not_called_again, open_stores,
                                        close_stores),
        cmocka_unit_test_setup_teardown(test_a_stop_request_ends_the_waiting, open_stores,
                                        close_stores),
    };
    return cmocka_run_group_tests_name("store_retry", tests, NULL, NULL);
}
