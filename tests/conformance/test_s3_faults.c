/*
 * What becomes of an S3 store's calls when the server is slow, full, silent, killed or not the one
 * it claims to be. Breaks a real Ceph with tests/servers/ceph, so it runs only where
 * STORE_TEST_CEPH names the directory of one (tests/conformance/s3.t does that).
 */
#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"
#include "store/store_open.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WRITERS = 8, SMALL_BYTES = 64 * 1024, LARGE_BYTES = 32 * 1024 * 1024, ACKED_MAX = 4096 };

static uint8_t *bytes; /* LARGE_BYTES of them */
static int64_t run;    /* makes the keys of this run its own */

/* tests/servers/ceph VERB DIR FIRST SECOND; the arguments may be NULL. */
static void ceph(const char *verb, const char *first, const char *second)
{
    static const char script[] = "tests/servers/ceph";
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl(script, script, verb, getenv("STORE_TEST_CEPH"), first, second, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s %s failed", script, verb);
}

static struct store *open_at(const char *endpoint, struct store_options options)
{
    struct error err;
    struct store *store;
    char url[512];
    (void)snprintf(url, sizeof url, "s3://%s/faults-%lld?endpoint=%s", getenv("STORE_TEST_BUCKET"),
                   (long long)run, endpoint);
    options.url = url;
    if (!store_open(&options, &store, &err))
        fail_msg("%s", err.text);
    return store;
}

static struct store *open_with(struct store_options options)
{
    return open_at(getenv("STORE_TEST_ENDPOINT"), options);
}

static void must(bool done, const struct error *err)
{
    if (!done)
        fail_msg("%s (%s; %s)", err->text, error_kind_name(err->kind), err->hint);
}

static void must_fail(bool done, const struct error *err, enum error_kind kind, const char *text)
{
    assert_false(done);
    if (err->kind != kind || (strstr(err->text, text) == NULL && strstr(err->hint, text) == NULL))
        fail_msg("wanted %s and \"%s\", got %s: %s (%s)", error_kind_name(kind), text,
                 error_kind_name(err->kind), err->text, err->hint);
}

static void must_equal(struct store *store, const char *key, size_t len)
{
    struct error err;
    size_t got;
    uint8_t *back = malloc(len + 1);
    must(store_get(store, key, 0, len + 1, back, &got, &err), &err);
    assert_int_equal(got, len);
    assert_true(memcmp(back, bytes, len) == 0);
    free(back);
}

static int64_t now_us(void)
{
    return clock_monotonic_us(&clock_system);
}

static void test_a_full_quota_is_no_space(void **state)
{
    struct error err;
    char key[32];
    struct store *store = open_with((struct store_options){0});
    bool done = true;
    (void)state;
    ceph("quota", "1048576", NULL);
    for (int i = 0; i < 40 && done; i++) {
        (void)snprintf(key, sizeof key, "quota/%d", i);
        done = store_put(store, key, bytes, 1024 * 1024, NULL, &err);
    }
    ceph("quota", "0", NULL);
    must_fail(done, &err, ERROR_NO_SPACE, "QuotaExceeded");
    assert_false(err.retryable);
    store_close(store);
}

struct writer {
    pthread_t thread;
    struct store *store;
    int number;
    bool done;
    struct error err;
};

static void *write_some(void *context)
{
    struct writer *writer = context;
    char key[48];
    writer->done = true;
    for (int i = 0; i < 10 && writer->done; i++) {
        (void)snprintf(key, sizeof key, "slow/%d-%d", writer->number, i);
        writer->done = store_put(writer->store, key, bytes, SMALL_BYTES, NULL, &writer->err);
    }
    return NULL;
}

static void test_a_store_that_asks_to_slow_down_gets_everything_in_the_end(void **state)
{
    struct writer writers[WRITERS];
    struct store *store = open_with((struct store_options){.retry_total_us = 60000000});
    (void)state;
    ceph("config", "rgw_max_concurrent_requests", "1");
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.store = store, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    ceph("config", "rgw_max_concurrent_requests", "1024");
    for (int i = 0; i < WRITERS; i++)
        must(writers[i].done, &writers[i].err);
    must_equal(store, "slow/7-9", SMALL_BYTES);
    store_close(store);
}

static void test_a_silent_store_ends_in_unavailable_and_recovers(void **state)
{
    struct error err;
    struct store *store = open_with(
        (struct store_options){.stall_timeout_us = 2000000, .retry_total_us = 4000000});
    (void)state;
    must(store_put(store, "silent/before", bytes, 10, NULL, &err), &err);
    ceph("signal", "gateway", "STOP");
    int64_t started = now_us();
    bool done = store_put(store, "silent/put", bytes, LARGE_BYTES, NULL, &err);
    int64_t took = now_us() - started;
    ceph("signal", "gateway", "CONT");
    must_fail(done, &err, ERROR_UNAVAILABLE, "gave up after");
    assert_true(err.retryable);
    assert_in_range(took, 2000000, 12000000);
    must(store_put(store, "silent/after", bytes, LARGE_BYTES, NULL, &err), &err);
    must_equal(store, "silent/after", LARGE_BYTES);
    store_close(store);
}

static void *request_stop(void *context)
{
    (void)context;
    clock_sleep_us(&clock_system, 500000);
    stop_request();
    return NULL;
}

static void test_a_stop_request_ends_a_hanging_call_at_once(void **state)
{
    struct error err;
    pthread_t thread;
    char byte;
    size_t got;
    struct store *store = open_with((struct store_options){0});
    (void)state;
    ceph("signal", "gateway", "STOP");
    int64_t started = now_us();
    assert_int_equal(pthread_create(&thread, NULL, request_stop, NULL), 0);
    bool done = store_get(store, "silent/before", 0, 1, &byte, &got, &err);
    int64_t took = now_us() - started;
    assert_int_equal(pthread_join(thread, NULL), 0);
    stop_reset();
    ceph("signal", "gateway", "CONT");
    must_fail(done, &err, ERROR_CANCELLED, "asked to stop");
    assert_in_range(took, 400000, 3000000);
    store_close(store);
}

struct stream {
    pthread_t thread;
    struct store *store;
    atomic_bool end;
    int put;   /* keys tried */
    int acked; /* how many of them */
    bool was_acked[ACKED_MAX];
    struct error err;
};

static size_t stream_size(int number)
{
    return number % 8 == 7 ? LARGE_BYTES / 4 : SMALL_BYTES;
}

static void *put_stream(void *context)
{
    struct stream *stream = context;
    char key[48];
    while (!atomic_load(&stream->end) && stream->put < ACKED_MAX) {
        int number = stream->put++;
        (void)snprintf(key, sizeof key, "killed/%d", number);
        stream->was_acked[number] = store_put(stream->store, key, bytes, stream_size(number), NULL,
                                              &stream->err);
        stream->acked += stream->was_acked[number] ? 1 : 0;
    }
    return NULL;
}

/* Every object that was acknowledged is whole; one that was not is whole or absent. */
static void check_stream(struct store *store, const struct stream *stream)
{
    struct error err;
    struct store_object object;
    char key[48];
    for (int i = 0; i < stream->put; i++) {
        (void)snprintf(key, sizeof key, "killed/%d", i);
        bool there = store_stat(store, key, &object, &err);
        if (!there && (stream->was_acked[i] || err.kind != ERROR_NOT_FOUND))
            fail_msg("%s: %s", key, err.text);
        if (there)
            must_equal(store, key, stream_size(i));
    }
}

static void test_a_killed_gateway_loses_nothing_acknowledged_and_retries_get_through(void **state)
{
    static struct stream stream; /* too large for the stack */
    (void)state;
    stream.store = open_with((struct store_options){.retry_total_us = 30000000});
    assert_int_equal(pthread_create(&stream.thread, NULL, put_stream, &stream), 0);
    for (int i = 0; i < 3; i++) {
        clock_sleep_us(&clock_system, 700000);
        ceph("signal", "gateway", "KILL");
        clock_sleep_us(&clock_system, 300000);
        ceph("gateway", NULL, NULL);
    }
    clock_sleep_us(&clock_system, 300000);
    atomic_store(&stream.end, true);
    assert_int_equal(pthread_join(stream.thread, NULL), 0);
    print_message("# killed: %d puts, %d acknowledged\n", stream.put, stream.acked);
    if (stream.acked != stream.put)
        fail_msg("a put was not retried to success: %s", stream.err.text);
    check_stream(stream.store, &stream);
    store_close(stream.store);
}

static void test_without_retries_an_acknowledged_object_survives_the_kill(void **state)
{
    static struct stream stream;
    (void)state;
    stream.store = open_with((struct store_options){.retry_total_us = 1});
    run++;
    store_close(stream.store);
    stream.store = open_with((struct store_options){.retry_total_us = 1});
    assert_int_equal(pthread_create(&stream.thread, NULL, put_stream, &stream), 0);
    clock_sleep_us(&clock_system, 700000);
    ceph("signal", "gateway", "KILL");
    atomic_store(&stream.end, true);
    assert_int_equal(pthread_join(stream.thread, NULL), 0);
    ceph("gateway", NULL, NULL);
    print_message("# killed: %d puts, %d acknowledged\n", stream.put, stream.acked);
    assert_true(stream.acked > 0);
    check_stream(stream.store, &stream);
    store_close(stream.store);
}

static void test_a_closed_port_is_unavailable(void **state)
{
    struct error err;
    struct store_object object;
    struct store *store = open_at("http://127.0.0.1:1",
                                  (struct store_options){.retry_total_us = 1000000});
    (void)state;
    must_fail(store_stat(store, "x", &object, &err), &err, ERROR_UNAVAILABLE,
              "Check that the server");
    assert_true(err.retryable);
    store_close(store);
}

static void expect_distrust(const char *endpoint, const char *ca_file)
{
    struct error err;
    struct store *store = open_at(endpoint, (struct store_options){.ca_file = ca_file});
    must_fail(store_put(store, "tls", bytes, 10, NULL, &err), &err, ERROR_DENIED, "CA file");
    assert_false(err.retryable);
    store_close(store);
}

static void test_a_certificate_of_an_unknown_ca_or_another_host_is_refused(void **state)
{
    char by_address[256];
    const char *endpoint = getenv("STORE_TEST_TLS_ENDPOINT");
    (void)state;
    expect_distrust(endpoint, NULL);
    (void)snprintf(by_address, sizeof by_address, "https://127.0.0.1%s", strrchr(endpoint, ':'));
    expect_distrust(by_address, getenv("STORE_TEST_CA"));
}

static void write_text(const char *path, const char *text)
{
    struct error err;
    assert_non_null(text);
    must(file_write_atomic(path, text, strlen(text), 0600, &err), &err);
}

static void test_rotated_keys_come_into_use_without_a_restart(void **state)
{
    struct error err;
    char directory[] = "/tmp/s3-keys.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(directory));
    char *key = text_format("%s/key", directory);
    char *secret = text_format("%s/secret", directory);
    write_text(key, getenv("AWS_ACCESS_KEY_ID"));
    write_text(secret, "not-the-secret-yet\n");
    struct store *store = open_with(
        (struct store_options){.access_key_file = key, .secret_key_file = secret});
    must_fail(store_put(store, "rotated/1", bytes, 10, NULL, &err), &err, ERROR_DENIED,
              "SignatureDoesNotMatch");
    write_text(secret, getenv("AWS_SECRET_ACCESS_KEY"));
    must(store_put(store, "rotated/1", bytes, 10, NULL, &err), &err);
    must_equal(store, "rotated/1", 10);
    store_close(store);
    assert_true(dir_remove_all(directory, &err));
    free(key);
    free(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_quota_is_no_space),
        cmocka_unit_test(test_a_store_that_asks_to_slow_down_gets_everything_in_the_end),
        cmocka_unit_test(test_a_silent_store_ends_in_unavailable_and_recovers),
        cmocka_unit_test(test_a_stop_request_ends_a_hanging_call_at_once),
        cmocka_unit_test(test_a_killed_gateway_loses_nothing_acknowledged_and_retries_get_through),
        cmocka_unit_test(test_without_retries_an_acknowledged_object_survives_the_kill),
        cmocka_unit_test(test_a_closed_port_is_unavailable),
        cmocka_unit_test(test_a_certificate_of_an_unknown_ca_or_another_host_is_refused),
        cmocka_unit_test(test_rotated_keys_come_into_use_without_a_restart),
    };
    if (getenv("STORE_TEST_CEPH") == NULL) {
        (void)printf("1..0 # SKIP no Ceph: tests/conformance/s3.t starts one\n");
        return 0;
    }
    run = clock_now_us(&clock_system);
    bytes = malloc(LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    int failed = cmocka_run_group_tests_name("faults", tests, NULL, NULL);
    free(bytes);
    return failed;
}
