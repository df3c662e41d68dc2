/* What is counted, and that a child's counts arrive whatever becomes of it. */
#include "store/store_meter.h"

#include "store/store_memory.h"
#include "store/store_open.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct meter *meter;
static char variable[24];

static char *give_variable(const char *name)
{
    (void)name;
    return variable;
}

static int start(void **state)
{
    int fd;
    struct error err;
    (void)state;
    if (!meter_new(&meter, &fd, &err))
        return -1;
    (void)snprintf(variable, sizeof variable, "%d", fd);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    meter_free(meter);
    return 0;
}

static struct store *open_store(void)
{
    struct error err;
    struct store *store = NULL;
    const struct store_options options = {.url = "memory:", .getenv = give_variable};
    if (!store_open(&options, &store, &err))
        fail_msg("%s", err.text);
    return store;
}

static struct meter_counts counts(enum meter_operation operation)
{
    struct meter_counts read;
    meter_read(meter, operation, &read);
    return read;
}

static bool ignore(void *context, const struct store_object *object, struct error *err)
{
    (void)context;
    (void)object;
    (void)err;
    return true;
}

static void test_each_operation_is_counted_with_its_bytes(void **state)
{
    char bytes[8];
    size_t got;
    int64_t now_us;
    struct error err;
    struct store_object object;
    struct store *store = open_store();
    (void)state;
    assert_true(store_put(store, "a", "12345", 5, NULL, &err));
    assert_true(store_put(store, "b", "678", 3, NULL, &err));
    assert_true(store_get(store, "a", 1, sizeof bytes, bytes, &got, &err));
    assert_true(store_stat(store, "a", &object, &err));
    assert_true(store_list(store, "", ignore, NULL, &err));
    assert_true(store_time(store, &now_us, &err));
    assert_true(store_remove(store, "a", &err));
    store_close(store);
    assert_int_equal(counts(METER_PUT).requests, 2);
    assert_int_equal(counts(METER_PUT).sent_bytes, 8);
    assert_int_equal(counts(METER_GET).requests, 1);
    assert_int_equal(counts(METER_GET).received_bytes, 4);
    for (int i = METER_STAT; i < METER_OPERATION_COUNT; i++)
        assert_int_equal(counts((enum meter_operation)i).requests, 1);
    assert_int_equal(counts(METER_PUT).within[METER_BOUND_COUNT - 1], 2);
}

static void test_not_there_and_already_there_are_answers(void **state)
{
    struct error err;
    struct store_object object;
    struct store *store = open_store();
    (void)state;
    assert_false(store_stat(store, "a", &object, &err));
    assert_true(store_put(store, "a", "1", 1, NULL, &err));
    assert_false(store_put(store, "a", "1", 1, NULL, &err));
    assert_false(store_put(store, "../a", "1", 1, NULL, &err));
    store_close(store);
    struct meter_counts put = counts(METER_PUT);
    assert_int_equal(put.requests, 3);
    assert_int_equal(put.errors[ERROR_EXISTS], 0);
    assert_int_equal(put.errors[ERROR_INVALID], 1);
    assert_int_equal(counts(METER_STAT).errors[ERROR_NOT_FOUND], 0);
}

/* Time that passes in the store, in steps that a test chooses. */
static int64_t now_us;
static int64_t step_us;

static int64_t stepping_clock(void *context)
{
    (void)context;
    now_us += step_us;
    return now_us;
}

static void test_durations_fall_into_cumulative_buckets(void **state)
{
    static const struct clock clock = {.now_us = stepping_clock, .monotonic_us = stepping_clock};
    struct error err;
    struct store_object object;
    struct store *store = NULL;
    (void)state;
    assert_true(store_memory_open(&store, &err));
    assert_true(store_meter_open(store, meter_inherit(variable), &clock, &store, &err));
    step_us = 5000;
    assert_false(store_stat(store, "a", &object, &err));
    step_us = 5001;
    assert_false(store_stat(store, "a", &object, &err));
    step_us = 61000000;
    assert_false(store_stat(store, "a", &object, &err));
    store_close(store);
    struct meter_counts stat = counts(METER_STAT);
    assert_int_equal(stat.within[0], 1);
    assert_int_equal(stat.within[1], 2);
    assert_int_equal(stat.within[METER_BOUND_COUNT - 1], 2);
    assert_int_equal(stat.requests, 3);
    assert_int_equal(stat.total_us, 5000 + 5001 + 61000000);
}

static void test_what_a_killed_child_has_done_is_known(void **state)
{
    int status;
    struct error err;
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *store = open_store();
        for (int i = 0; i < 100; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "k%d", i);
            if (!store_put(store, key, "1", 1, NULL, &err))
                _exit(1);
        }
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(counts(METER_PUT).requests, 100);
}

static void test_only_counters_of_this_layout_are_taken(void **state)
{
    char text[24];
    FILE *file = tmpfile();
    static const char *const wrong[] = {"", "x", "-1", "99999", "99999999999999999999", "1000"};
    (void)state;
    assert_null(meter_inherit(NULL));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_null(meter_inherit(wrong[i]));
    assert_int_equal(ftruncate(fileno(file), 4096), 0);
    (void)snprintf(text, sizeof text, "%d", fileno(file));
    assert_null(meter_inherit(text));
    (void)fclose(file);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(test_each_operation_is_counted_with_its_bytes),
        CASE(test_not_there_and_already_there_are_answers),
        CASE(test_durations_fall_into_cumulative_buckets),
        CASE(test_what_a_killed_child_has_done_is_known),
        CASE(test_only_counters_of_this_layout_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
