#include "base/text.h"
#include "store/store_memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int open_store(void **state)
{
    struct error err;
    return store_memory_open((struct store **)state, &err) ? 0 : -1;
}

static int close_store(void **state)
{
    store_close(*state);
    return 0;
}

static void put(struct store *store, const char *key, const char *text)
{
    struct error err;
    assert_true(store_put(store, key, text, strlen(text), NULL, &err));
}

static void test_put_refuses_an_existing_key_and_keeps_its_content(void **state)
{
    struct error err;
    char bytes[16];
    size_t got;
    put(*state, "a/b", "first");
    assert_false(store_put(*state, "a/b", "second", 6, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    assert_non_null(strstr(err.text, "\"a/b\""));
    assert_true(store_get(*state, "a/b", 0, sizeof bytes, bytes, &got, &err));
    assert_int_equal(got, 5);
    assert_memory_equal(bytes, "first", 5);
}

static void test_get_reads_ranges_and_stops_at_the_end(void **state)
{
    struct error err;
    char bytes[16];
    size_t got;
    put(*state, "k", "0123456789");
    assert_true(store_get(*state, "k", 8, 5, bytes, &got, &err));
    assert_int_equal(got, 2);
    assert_memory_equal(bytes, "89", 2);
    assert_true(store_get(*state, "k", 10, 5, bytes, &got, &err));
    assert_int_equal(got, 0);
    assert_true(store_get(*state, "k", UINT64_MAX, 5, bytes, &got, &err));
    assert_int_equal(got, 0);
    assert_false(store_get(*state, "absent", 0, 5, bytes, &got, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

struct seen {
    struct store *store;
    char text[128];
};

/* The visitor removes what it sees: a listing must survive that. */
static bool note_and_remove(void *context, const struct store_object *object, struct error *err)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s ", object->key);
    return store_remove(seen->store, object->key, err);
}

static void test_list_is_sorted_and_lets_the_visitor_use_the_store(void **state)
{
    struct error err;
    struct seen seen = {.store = *state};
    put(*state, "p/c", "");
    put(*state, "q", "");
    put(*state, "p/a", "");
    put(*state, "p-b", "");
    assert_true(store_list(*state, "p", note_and_remove, &seen, &err));
    assert_string_equal(seen.text, "p-b p/a p/c ");
    struct store_object object;
    assert_false(store_stat(*state, "p/a", &object, &err));
    assert_true(store_stat(*state, "q", &object, &err));
}

static void *put_many(void *context)
{
    struct error err;
    char key[32];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "race/%d", i);
        (void)!store_put(context, key, "x", 1, NULL, &err);
        (void)snprintf(key, sizeof key, "race/%d", i / 2);
        (void)!store_remove(context, key, &err);
    }
    return NULL;
}

static void test_threads_may_use_one_store(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, *state), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_keys_outside_the_rules_are_refused(void **state)
{
    static const char *const bad[] = {"",     "/a",   "a/",    "a//b", ".",
                                      "..",   "a/..", "a/./b", "a b",  "a\\b",
                                      ".tmp", "a/.b", "\x01",  "\xc3", "a?b"};
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(store_check_key(bad[i], &err));
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    assert_true(store_check_key("packs/ab/ab-c_d.pack", &err));
    char longest[STORE_KEY_MAX + 1];
    memset(longest, 'k', sizeof longest);
    longest[STORE_KEY_MAX] = '\0';
    assert_false(store_check_key(longest, &err));
    longest[STORE_KEY_MAX - 1] = '\0';
    assert_true(store_check_key(longest, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_refuses_an_existing_key_and_keeps_its_content,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_get_reads_ranges_and_stops_at_the_end, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_list_is_sorted_and_lets_the_visitor_use_the_store,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_threads_may_use_one_store, open_store, close_store),
        cmocka_unit_test(test_keys_outside_the_rules_are_refused),
    };
    return cmocka_run_group_tests_name("store_memory", tests, NULL, NULL);
}
