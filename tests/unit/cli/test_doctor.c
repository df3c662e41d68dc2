#include "base/macros.h"
#include "cli/doctor.h"
#include "store/store_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct store *open_memory(void)
{
    struct error err;
    struct store *store = NULL;
    assert_true(store_memory_open(&store, &err));
    return store;
}

static bool count_object(void *context, const struct store_object *object, struct error *err)
{
    size_t *count = context;
    (void)object;
    (void)err;
    (*count)++;
    return true;
}

static void test_probe_leaves_nothing_behind(void **state)
{
    struct error err;
    size_t objects = 0;
    static struct check_list list;
    CLEANUP(store_cleanup) struct store *store = open_memory();
    (void)state;
    list.count = 0;
    doctor_check_store(&list, store, &random_system);
    assert_int_equal(list.count, 4);
    assert_int_equal(check_worst(&list), CHECK_OK);
    assert_true(store_list(store, "", count_object, &objects, &err));
    assert_int_equal(objects, 0);
}

/* A clock that is wrong by context's microseconds. */
static int64_t shifted_now(void *context)
{
    const int64_t *shift = context;
    return clock_now_us(&clock_system) + *shift;
}

static enum check_verdict verdict_at(struct store *store, int64_t shift_s)
{
    static struct check_list list;
    int64_t shift_us = shift_s * 1000000;
    const struct clock clock = {.now_us = shifted_now, .context = &shift_us};
    list.count = 0;
    doctor_check_clock(&list, store, &clock);
    assert_int_equal(list.count, 1);
    assert_true((list.results[0].fix[0] == '\0') == (list.results[0].verdict == CHECK_OK));
    return list.results[0].verdict;
}

static void test_skew_warns_after_a_minute_and_fails_after_ten(void **state)
{
    CLEANUP(store_cleanup) struct store *store = open_memory();
    (void)state;
    assert_int_equal(verdict_at(store, 0), CHECK_OK);
    assert_int_equal(verdict_at(store, 30), CHECK_OK);
    assert_int_equal(verdict_at(store, 90), CHECK_WARNING);
    assert_int_equal(verdict_at(store, -90), CHECK_WARNING);
    assert_int_equal(verdict_at(store, 700), CHECK_FAILED);
    assert_int_equal(verdict_at(store, -700), CHECK_FAILED);
}

static void test_missing_repository_says_how_to_make_one(void **state)
{
    static const struct config config;
    static struct check_list list;
    bool open = true;
    struct session session = {.store = open_memory()};
    (void)state;
    list.count = 0;
    doctor_check_repository(&list, &session, &config, &open);
    assert_false(open);
    assert_int_equal(list.results[0].verdict, CHECK_FAILED);
    assert_string_equal(list.results[0].fix, "mainstay repo init");
    session_close(&session);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_leaves_nothing_behind),
        cmocka_unit_test(test_skew_warns_after_a_minute_and_fails_after_ten),
        cmocka_unit_test(test_missing_repository_says_how_to_make_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
