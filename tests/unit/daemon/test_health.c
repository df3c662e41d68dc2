/* The health check against a server that is well, ill, or not there. */
#include "daemon/health.h"

#include "net/http_server.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct daemon {
    struct http_server *server;
    pthread_t thread;
    atomic_bool ended;
    int status;
};

static bool answer(void *context, const char *path, struct http_answer *out)
{
    const struct daemon *daemon = context;
    out->status = daemon->status;
    return strcmp(path, "/healthz") == 0;
}

static void *serve(void *context)
{
    struct daemon *daemon = context;
    while (!atomic_load(&daemon->ended)) {
        struct pollfd ready = {.fd = http_server_fd(daemon->server), .events = POLLIN};
        (void)poll(&ready, 1, 20);
        http_server_run(daemon->server);
    }
    return NULL;
}

static void daemon_start(struct daemon *daemon, int status, struct settings *out)
{
    struct error err;
    const struct http_server_options options = {
        .host = "127.0.0.1", .handler = answer, .context = daemon};
    *daemon = (struct daemon){.status = status};
    assert_true(http_server_open(&options, &daemon->server, &err));
    *out = (struct settings){
        .listening = true, .host = "0.0.0.0", .port = http_server_port(daemon->server)};
    assert_int_equal(pthread_create(&daemon->thread, NULL, serve, daemon), 0);
}

static void daemon_end(struct daemon *daemon)
{
    atomic_store(&daemon->ended, true);
    assert_int_equal(pthread_join(daemon->thread, NULL), 0);
    http_server_close(daemon->server);
}

static void test_a_daemon_that_listens_everywhere_is_asked_at_loopback(void **state)
{
    char url[HEALTH_URL_SIZE];
    struct daemon daemon;
    struct settings settings;
    struct error err;
    (void)state;
    daemon_start(&daemon, 200, &settings);
    assert_true(health_url(&settings, url, &err));
    assert_memory_equal(url, "http://127.0.0.1:", 17);
    assert_true(health_ask(url, &err));
    daemon_end(&daemon);
    assert_false(health_ask(url, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "the daemon is not alive"));
}

static void test_another_answer_is_not_alive(void **state)
{
    char url[HEALTH_URL_SIZE];
    struct daemon daemon;
    struct settings settings;
    struct error err;
    (void)state;
    daemon_start(&daemon, 503, &settings);
    assert_true(health_url(&settings, url, &err));
    assert_false(health_ask(url, &err));
    daemon_end(&daemon);
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/healthz answered 503"));
}

static void test_a_port_that_nobody_can_know_is_refused(void **state)
{
    char url[HEALTH_URL_SIZE];
    struct error err;
    const struct settings off = {.listening = false};
    const struct settings any = {.listening = true, .host = "127.0.0.1", .port = 0};
    (void)state;
    assert_false(health_url(&off, url, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_false(health_url(&any, url, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_daemon_that_listens_everywhere_is_asked_at_loopback),
        cmocka_unit_test(test_another_answer_is_not_alive),
        cmocka_unit_test(test_a_port_that_nobody_can_know_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
