/*
 * What every store must do, asked of real ones through the wrappers that store_open puts around
 * them. Without STORE_TEST_URL: memory and a local directory. With it: the S3 store there (keys
 * from the environment, STORE_TEST_CA its CA file), and also how it refuses.
 */
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"
#include "store/store_open.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG_BYTES = 32 * 1024 * 1024, THREADS = 8, MANY = 1203 };

static char store_url[1024]; /* of the store under test */
static struct store *store;

static bool open_url(const char *url, struct store_options options, struct store **out,
                     struct error *err)
{
    options.url = url;
    options.ca_file = getenv("STORE_TEST_CA");
    options.trace = true;
    if (options.retry_total_us == 0)
        options.retry_total_us = 30000000;
    return store_open(&options, out, err);
}

static int open_store(void **state)
{
    struct error err;
    (void)state;
    bool done = open_url(store_url, (struct store_options){0}, &store, &err);
    if (!done)
        print_error("%s\n", err.text);
    return done ? 0 : -1;
}

static int close_store(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    return 0;
}

/* Fails the test with the message when a call that must succeed did not. */
static void must(bool done, const struct error *err)
{
    if (!done)
        fail_msg("%s (%s; %s)", err->text, error_kind_name(err->kind), err->hint);
}

static void must_fail(bool done, const struct error *err, enum error_kind kind)
{
    assert_false(done);
    if (err->kind != kind)
        fail_msg("wanted %s, got %s: %s", error_kind_name(kind), error_kind_name(err->kind),
                 err->text);
}

static uint8_t *random_bytes(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    /* A linear congruential generator (Knuth's MMIX): the kernel's is slow for megabytes. */
    uint64_t value = random_next(&random_system);
    for (size_t i = 0; i < len; i++) {
        value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(value >> 56);
    }
    return bytes;
}

static void put(const char *key, const void *bytes, size_t len)
{
    struct error err;
    must(store_put(store, key, bytes, len, NULL, &err), &err);
}

static void round_trip(const char *key, size_t len, bool with_hash)
{
    struct error err;
    size_t got = SIZE_MAX;
    struct store_object object;
    uint8_t hash[SHA256_BYTES];
    uint8_t *bytes = random_bytes(len);
    uint8_t *back = random_bytes(len);
    digest_sha256(bytes, len, hash);
    must(store_put(store, key, bytes, len, with_hash ? hash : NULL, &err), &err);
    must(store_get(store, key, 0, len + 1, back, &got, &err), &err);
    assert_int_equal(got, len);
    assert_true(memcmp(bytes, back, len) == 0);
    must(store_stat(store, key, &object, &err), &err);
    assert_int_equal(object.size_bytes, len);
    assert_string_equal(object.key, key);
    free(bytes);
    free(back);
}

static void test_objects_come_back_as_they_were_put(void **state)
{
    (void)state;
    round_trip("sizes/empty", 0, false);
    round_trip("sizes/empty-hashed", 0, true);
    round_trip("sizes/one", 1, true);
    round_trip("sizes/odd", 1000003, false);
    round_trip("sizes/big", BIG_BYTES, true);
}

static void test_keys_of_all_allowed_forms_work(void **state)
{
    static const char *const keys[] = {
        "k", "K", "0", "-", "_x", "a.b", "a-b_c.D9/e/f.pack", "deep/1/2/3/4/5/6/7/8/9/end"};
    char longest[STORE_KEY_MAX];
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        round_trip(keys[i], 10, false);
    for (size_t i = 0; i + 1 < sizeof longest; i++)
        longest[i] = i % 60 == 59 ? '/' : 'k';
    longest[STORE_KEY_MAX - 1] = '\0';
    round_trip(longest, 10, false);
    must_fail(store_put(store, "../up", "", 0, NULL, &err), &err, ERROR_INVALID);
    must_fail(store_put(store, "a b", "", 0, NULL, &err), &err, ERROR_INVALID);
}

static void check_range(const uint8_t *bytes, size_t len, uint64_t offset, size_t want)
{
    struct error err;
    uint8_t back[300];
    size_t got = SIZE_MAX;
    size_t left = offset < len ? len - (size_t)offset : 0;
    size_t expected = want < left ? want : left;
    memset(back, 0xee, sizeof back);
    must(store_get(store, "ranges", offset, want, back, &got, &err), &err);
    assert_int_equal(got, expected);
    assert_true(expected == 0 || memcmp(back, bytes + offset, expected) == 0);
    assert_int_equal(back[want], 0xee); /* nothing behind what was asked for */
}

static void test_ranges_are_cut_at_the_end_and_empty_behind_it(void **state)
{
    uint8_t *bytes = random_bytes(256);
    (void)state;
    put("ranges", bytes, 256);
    check_range(bytes, 256, 0, 256);
    check_range(bytes, 256, 0, 1);
    check_range(bytes, 256, 255, 1);
    check_range(bytes, 256, 100, 100);
    check_range(bytes, 256, 200, 100);
    check_range(bytes, 256, 256, 10);
    check_range(bytes, 256, 257, 10);
    check_range(bytes, 256, UINT64_C(1) << 40, 10);
    check_range(bytes, 256, 10, 0);
    check_range(bytes, 256, 300, 0);
    free(bytes);
}

static void test_missing_objects_are_not_found(void **state)
{
    struct error err;
    struct store_object object;
    char byte;
    size_t got;
    (void)state;
    must_fail(store_get(store, "missing/a", 0, 1, &byte, &got, &err), &err, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing/a"));
    must_fail(store_get(store, "missing/a", 0, 0, &byte, &got, &err), &err, ERROR_NOT_FOUND);
    must_fail(store_get(store, "missing/a", 9, 1, &byte, &got, &err), &err, ERROR_NOT_FOUND);
    must_fail(store_stat(store, "missing/a", &object, &err), &err, ERROR_NOT_FOUND);
    must(store_remove(store, "missing/a", &err), &err);
}

static void test_removed_objects_are_gone_and_may_come_again(void **state)
{
    struct error err;
    struct store_object object;
    (void)state;
    put("removed", "1", 1);
    must(store_remove(store, "removed", &err), &err);
    must_fail(store_stat(store, "removed", &object, &err), &err, ERROR_NOT_FOUND);
    must(store_remove(store, "removed", &err), &err);
    round_trip("removed", 2, false);
}

static void test_an_existing_key_is_refused_and_keeps_its_content(void **state)
{
    struct error err;
    char back[8];
    size_t got;
    (void)state;
    put("taken", "first", 5);
    must_fail(store_put(store, "taken", "second", 6, NULL, &err), &err, ERROR_EXISTS);
    assert_false(err.retryable);
    assert_non_null(strstr(err.text, "taken"));
    /* Also when the bytes are the same: only a repeated attempt of one call may compare. */
    must_fail(store_put(store, "taken", "first", 5, NULL, &err), &err, ERROR_EXISTS);
    must(store_get(store, "taken", 0, 8, back, &got, &err), &err);
    assert_int_equal(got, 5);
    assert_memory_equal(back, "first", 5);
    assert_true(strlen(store_create_only(store)) > 0);
}

struct racer {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *key;
    int number;
    bool won;
    struct error err;
};

static void *race(void *context)
{
    struct racer *racer = context;
    char text[32];
    (void)snprintf(text, sizeof text, "writer %d", racer->number);
    pthread_barrier_wait(racer->start);
    racer->won = store_put(store, racer->key, text, strlen(text), NULL, &racer->err);
    return NULL;
}

/* The number of winners. */
static int run_race(const char *key)
{
    struct racer racers[THREADS];
    pthread_barrier_t start;
    int winners = 0;
    int winner = 0;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.start = &start, .key = key, .number = i};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        if (!racers[i].won)
            must_fail(false, &racers[i].err, ERROR_EXISTS);
        winners += racers[i].won ? 1 : 0;
        winner = racers[i].won ? i : winner;
    }
    pthread_barrier_destroy(&start);
    if (winners == 1) {
        struct error err;
        char text[32];
        char back[32] = "";
        size_t got;
        (void)snprintf(text, sizeof text, "writer %d", winner);
        must(store_get(store, key, 0, sizeof back - 1, back, &got, &err), &err);
        assert_string_equal(back, text);
    }
    return winners;
}

static void test_of_eight_writers_at_once_one_wins(void **state)
{
    char key[32];
    bool atomic = strstr(store_create_only(store), "HEAD, then PUT") == NULL;
    (void)state;
    if (!atomic) { /* the first put may prove the condition */
        put("race/proof", "x", 1);
        atomic = strcmp(store_create_only(store), "HEAD, then PUT") != 0;
    }
    for (int round = 0; round < 10; round++) {
        (void)snprintf(key, sizeof key, "race/%d", round);
        int winners = run_race(key);
        assert_true(winners >= 1);
        if (atomic)
            assert_int_equal(winners, 1);
    }
}

struct worker {
    pthread_t thread;
    int number;
    int count;
    struct error err;
    bool done;
};

static bool work(struct worker *worker)
{
    char key[64];
    char back[64];
    size_t got;
    for (int i = worker->number; i < MANY; i += THREADS) {
        (void)snprintf(key, sizeof key, "many/%c/%04d", 'a' + i % 3, i);
        if (!store_put(store, key, key, strlen(key), NULL, &worker->err) ||
            !store_get(store, key, 0, sizeof back, back, &got, &worker->err))
            return false;
        if (got != strlen(key) || memcmp(back, key, got) != 0)
            return error_set(&worker->err, ERROR_CORRUPT, "\"%s\" came back wrong", key);
    }
    return true;
}

static void *work_thread(void *context)
{
    struct worker *worker = context;
    worker->done = work(worker);
    return NULL;
}

struct seen {
    char last[STORE_KEY_MAX];
    int count;
    bool in_order;
    int stop_at;
};

static bool note(void *context, const struct store_object *object, struct error *err)
{
    struct seen *seen = context;
    seen->in_order = seen->in_order && strcmp(seen->last, object->key) < 0;
    (void)snprintf(seen->last, sizeof seen->last, "%s", object->key);
    seen->count++;
    if (seen->stop_at > 0 && seen->count == seen->stop_at)
        return error_set(err, ERROR_REFUSED, "enough");
    assert_int_equal(object->size_bytes, strlen(object->key));
    return true;
}

static int listed(const char *prefix)
{
    struct error err;
    struct seen seen = {.in_order = true};
    must(store_list(store, prefix, note, &seen, &err), &err);
    assert_true(seen.in_order);
    return seen.count;
}

static void test_eight_threads_write_and_the_listing_has_all_in_order(void **state)
{
    struct worker workers[THREADS];
    struct error err;
    struct seen seen = {.in_order = true, .stop_at = 2};
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work_thread, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        must(workers[i].done, &workers[i].err);
    }
    assert_int_equal(listed("many/"), MANY);
    assert_int_equal(listed("many/b/"), MANY / 3);
    assert_int_equal(listed("many/b/000"), 3);
    assert_int_equal(listed("many/none"), 0);
    must_fail(store_list(store, "many/", note, &seen, &err), &err, ERROR_REFUSED);
    assert_int_equal(seen.count, 2);
}

static void test_the_store_tells_its_time(void **state)
{
    struct error err;
    int64_t time_us = 0;
    (void)state;
    must(store_time(store, &time_us, &err), &err);
    assert_in_range(time_us, clock_now_us(&clock_system) - 60000000,
                    clock_now_us(&clock_system) + 60000000);
}

/* How S3 refuses. */

static char fake_key[32]; /* "": the real one */
static char fake_secret[32];

static char *fake_environment(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0 && fake_key[0] != '\0')
        return fake_key;
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 && fake_secret[0] != '\0')
        return fake_secret;
    return getenv(name);
}

/* A put to that store must fail like this and must not show the secret. */
static void expect_refusal(const char *url, struct store_options options, enum error_kind kind,
                           const char *text)
{
    struct error err;
    struct store *other;
    struct store_object object;
    options.getenv = fake_environment;
    options.retry_total_us = 2000000;
    must(open_url(url, options, &other, &err), &err);
    must_fail(store_put(other, "refused", "x", 1, NULL, &err), &err, kind);
    if (text != NULL && strstr(err.text, text) == NULL && strstr(err.hint, text) == NULL)
        fail_msg("no \"%s\" in: %s (%s)", text, err.text, err.hint);
    assert_non_null(strstr(err.text, "refused"));
    assert_null(strstr(err.text, "0123456789"));
    assert_false(err.retryable);
    must_fail(store_stat(other, "refused", &object, &err), &err, kind);
    store_close(other);
}

static int forget_fakes(void **state)
{
    (void)state;
    fake_key[0] = '\0';
    fake_secret[0] = '\0';
    return 0;
}

static bool is_v2(void)
{
    return strstr(store_url, "signature=v2") != NULL;
}

static void test_a_wrong_secret_is_denied(void **state)
{
    (void)state;
    (void)snprintf(fake_secret, sizeof fake_secret, "wrong-secret");
    expect_refusal(store_url, (struct store_options){0}, ERROR_DENIED, "SignatureDoesNotMatch");
}

static void test_an_unknown_key_is_denied(void **state)
{
    (void)state;
    (void)snprintf(fake_key, sizeof fake_key, "nobody:nobody");
    expect_refusal(store_url, (struct store_options){0}, ERROR_DENIED,
                   getenv("STORE_TEST_SWIFT") != NULL ? NULL : "InvalidAccessKeyId");
}

static void test_a_missing_bucket_is_named(void **state)
{
    char url[1024];
    const char *rest = strchr(store_url + strlen("s3://"), '/');
    (void)state;
    (void)snprintf(url, sizeof url, "s3://no-such-bucket%s", rest);
    expect_refusal(url, (struct store_options){0}, ERROR_NOT_FOUND, "NoSuchBucket");
}

static int64_t an_hour_late(void *context)
{
    (void)context;
    return clock_now_us(&clock_system) - INT64_C(3600000000);
}

static void test_a_wrong_clock_is_named_with_the_difference(void **state)
{
    struct clock late = clock_system;
    (void)state;
    if (is_v2())
        skip(); /* libs3 takes the machine's clock */
    late.now_us = an_hour_late;
    expect_refusal(store_url, (struct store_options){.clock = &late}, ERROR_DENIED, "differs from");
}

/* "s3://bucket?x" becomes "s3://bucket/run-...?x": every run has its own objects. */
static void own_prefix(const char *url)
{
    const char *query = strchrnul(url, '?');
    (void)snprintf(store_url, sizeof store_url, "%.*s/run-%ld-%lld%s", (int)(query - url), url,
                   (long)getpid(), (long long)clock_now_us(&clock_system), query);
}

static const struct CMUnitTest every_store[] = {
    cmocka_unit_test(test_objects_come_back_as_they_were_put),
    cmocka_unit_test(test_keys_of_all_allowed_forms_work),
    cmocka_unit_test(test_ranges_are_cut_at_the_end_and_empty_behind_it),
    cmocka_unit_test(test_missing_objects_are_not_found),
    cmocka_unit_test(test_removed_objects_are_gone_and_may_come_again),
    cmocka_unit_test(test_an_existing_key_is_refused_and_keeps_its_content),
    cmocka_unit_test(test_of_eight_writers_at_once_one_wins),
    cmocka_unit_test(test_eight_threads_write_and_the_listing_has_all_in_order),
    cmocka_unit_test(test_the_store_tells_its_time),
};

static const struct CMUnitTest s3_refusals[] = {
    cmocka_unit_test_teardown(test_a_wrong_secret_is_denied, forget_fakes),
    cmocka_unit_test_teardown(test_an_unknown_key_is_denied, forget_fakes),
    cmocka_unit_test_teardown(test_a_missing_bucket_is_named, forget_fakes),
    cmocka_unit_test_teardown(test_a_wrong_clock_is_named_with_the_difference, forget_fakes),
};

static int run_local(void)
{
    struct error err;
    char directory[] = "/tmp/store-conformance.XXXXXX";
    (void)snprintf(store_url, sizeof store_url, "memory:");
    int failed = cmocka_run_group_tests_name("memory", every_store, open_store, close_store);
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(store_url, sizeof store_url, "file://%s/store", directory);
    failed += cmocka_run_group_tests_name("local", every_store, open_store, close_store);
    return failed + (dir_remove_all(directory, &err) ? 0 : 1);
}

int main(void)
{
    const char *url = getenv("STORE_TEST_URL");
    if (url == NULL)
        return run_local();
    own_prefix(url);
    int failed = cmocka_run_group_tests_name("store", every_store, open_store, close_store);
    failed += cmocka_run_group_tests_name("refusals", s3_refusals, NULL, NULL);
    return failed;
}
