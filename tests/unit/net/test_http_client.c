/* Against a server of a few lines that answers by path, so that it can misbehave. */
#include "base/stop.h"
#include "base/text.h"
#include "net/http_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LARGE_BYTES = 8 * 1024 * 1024, HEAD_MAX = 8192 };

struct server {
    pthread_t thread;
    int listener;
    int port;
    atomic_int connections;
    atomic_size_t body_bytes; /* received so far */
    atomic_bool end;
};

static const struct {
    const char *path;
    const char *answer;
    bool close;
} answers[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello", false},
    {"/ok-close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", true},
    {"/nothing", "", true},
    {"/moved", "HTTP/1.1 301 Moved\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", false},
    {"/refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", true},
    {"/slow-down", "HTTP/1.1 503 Slow Down\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy",
     false},
    {"/later",
     "HTTP/1.1 503 Later\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
     "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\nContent-Length: 0\r\n\r\n",
     false},
    {"/not-http", "SSH-2.0-nonsense\r\n", true},
};

static bool read_more(struct server *server, int fd, char *to, size_t size, size_t *len)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (atomic_load(&server->end))
            return false;
        if (poll(&wait, 1, 50) <= 0)
            continue;
        ssize_t got = recv(fd, to, size, 0);
        if (got <= 0)
            return false;
        *len = (size_t)got;
        return true;
    }
}

static bool answer_one(struct server *server, int fd)
{
    char head[HEAD_MAX + 1];
    size_t len = 0;
    char *end = NULL;
    while (end == NULL) {
        size_t got;
        if (len == HEAD_MAX || !read_more(server, fd, head + len, HEAD_MAX - len, &got))
            return false;
        len += got;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    size_t body = len - (size_t)(end + 4 - head);
    atomic_fetch_add(&server->body_bytes, body);
    const char *length = strcasestr(head, "Content-Length: ");
    size_t expected = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    const char *path = strchr(head, ' ') + 1;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        size_t path_len = strlen(answers[i].path);
        if (strncmp(path, answers[i].path, path_len) != 0 || path[path_len] != ' ')
            continue;
        if (!answers[i].close && expected > 0 && strcasestr(head, "100-continue") != NULL)
            (void)send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
        while (!answers[i].close && body < expected) {
            char sink[65536];
            size_t got;
            if (!read_more(server, fd, sink, sizeof sink, &got))
                return false;
            body += got;
            atomic_fetch_add(&server->body_bytes, got);
        }
        (void)send(fd, answers[i].answer, strlen(answers[i].answer), MSG_NOSIGNAL);
        return !answers[i].close;
    }
    char byte; /* "/silent": no answer until the client goes */
    return read_more(server, fd, &byte, 1, &len);
}

static void *serve(void *context)
{
    struct server *server = context;
    while (!atomic_load(&server->end)) {
        struct pollfd wait = {.fd = server->listener, .events = POLLIN};
        if (poll(&wait, 1, 50) <= 0)
            continue;
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            continue;
        atomic_fetch_add(&server->connections, 1);
        while (answer_one(server, fd))
            ;
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
    return NULL;
}

struct fixture {
    struct server server;
    struct http_client *client;
    struct http_response response;
    struct error err;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct http_options options = {.connect_timeout_us = 2000000, .stall_timeout_us = 1000000};
    struct server *server = &fixture->server;
    *state = fixture;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server->listener, 8) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0)
        return -1;
    server->port = ntohs(address.sin_port);
    http_response_init(&fixture->response, 1024);
    return http_client_new(&options, &fixture->client, &fixture->err) ? 0 : -1;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(fixture->client);
    http_response_release(&fixture->response);
    atomic_store(&fixture->server.end, true);
    (void)pthread_join(fixture->server.thread, NULL);
    (void)close(fixture->server.listener);
    free(fixture);
    stop_reset();
    return 0;
}

static bool send_to(struct fixture *fixture, const char *path, struct http_request request)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", fixture->server.port, path);
    request.url = url;
    if (request.method == NULL)
        request.method = "GET";
    return http_send(fixture->client, &request, &fixture->response, &fixture->err);
}

static void test_requests_share_one_connection(void **state)
{
    struct fixture *fixture = *state;
    char into[5];
    for (int i = 0; i < 3; i++) {
        memset(into, 0, sizeof into);
        assert_true(
            send_to(fixture, "/ok", (struct http_request){.into = into, .into_size = sizeof into}));
        assert_int_equal(fixture->response.status, 200);
        assert_int_equal(fixture->response.into_len, 5);
        assert_memory_equal(into, "hello", 5);
    }
    assert_string_equal(http_response_header(&fixture->response, "etag"), "\"x\"");
    assert_null(http_response_header(&fixture->response, "Date"));
    assert_int_equal(fixture->server.connections, 1);
}

static void test_a_connection_that_died_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    assert_true(send_to(fixture, "/ok-close", (struct http_request){0}));
    (void)usleep(100000);
    assert_true(send_to(fixture, "/ok", (struct http_request){0}));
    assert_int_equal(fixture->response.body.len, 5);
    assert_int_equal(fixture->server.connections, 2);
}

static void test_answers_longer_than_asked_for_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char into[8] = "#######";
    assert_false(send_to(fixture, "/ok", (struct http_request){.into = into, .into_size = 4}));
    assert_int_equal(fixture->err.kind, ERROR_INVALID);
    assert_int_equal(into[4], '#');
    fixture->response.body.max_bytes = 3;
    assert_false(send_to(fixture, "/ok", (struct http_request){0}));
    assert_int_equal(fixture->err.kind, ERROR_INVALID);
}

static void test_lost_answers_are_unavailable_and_retryable(void **state)
{
    static const char *const paths[] = {"/short", "/nothing", "/silent"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_false(send_to(fixture, paths[i], (struct http_request){0}));
        if (fixture->err.kind != ERROR_UNAVAILABLE || !fixture->err.retryable)
            fail_msg("%s: %s", paths[i], fixture->err.text);
        assert_non_null(strstr(fixture->err.text, paths[i]));
    }
}

static void test_a_request_may_be_limited_as_a_whole(void **state)
{
    struct fixture *fixture = *state;
    const struct http_options options = {.total_timeout_us = 100000};
    http_client_free(fixture->client);
    assert_true(http_client_new(&options, &fixture->client, &fixture->err));
    assert_false(send_to(fixture, "/silent", (struct http_request){0}));
    assert_int_equal(fixture->err.kind, ERROR_UNAVAILABLE);
    assert_true(fixture->err.retryable);
}

static void test_a_direct_client_uses_no_proxy(void **state)
{
    struct fixture *fixture = *state;
    char proxy[64];
    /* The server is asked for the whole URL when it is taken for a proxy, and does not answer. */
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", fixture->server.port);
    (void)setenv("http_proxy", proxy, 1);
    (void)unsetenv("no_proxy");
    assert_false(send_to(fixture, "/ok", (struct http_request){0}));
    const struct http_options options = {.direct = true};
    http_client_free(fixture->client);
    assert_true(http_client_new(&options, &fixture->client, &fixture->err));
    bool done = send_to(fixture, "/ok", (struct http_request){0});
    (void)setenv("no_proxy", "*", 1);
    (void)unsetenv("http_proxy");
    assert_true(done);
}

static void test_a_server_that_does_not_speak_http_is_a_wrong_endpoint(void **state)
{
    struct fixture *fixture = *state;
    assert_false(send_to(fixture, "/not-http", (struct http_request){0}));
    assert_int_equal(fixture->err.kind, ERROR_USAGE);
    assert_non_null(strstr(fixture->err.hint, "port"));
}

static void test_error_bodies_do_not_go_to_the_callers_buffer(void **state)
{
    struct fixture *fixture = *state;
    char into[4] = "####";
    assert_true(send_to(fixture, "/slow-down",
                        (struct http_request){.into = into, .into_size = sizeof into}));
    assert_int_equal(fixture->response.status, 503);
    assert_int_equal(fixture->response.into_len, 0);
    assert_memory_equal(into, "####", 4);
    assert_string_equal(buf_text(&fixture->response.body), "busy");
    assert_int_equal(http_retry_after_ms(&fixture->response), 7000);
    assert_true(send_to(fixture, "/later", (struct http_request){0}));
    assert_int_equal(http_retry_after_ms(&fixture->response), 30000);
    assert_true(send_to(fixture, "/ok", (struct http_request){0}));
    assert_int_equal(http_retry_after_ms(&fixture->response), 0);
}

static void test_redirects_are_not_followed(void **state)
{
    struct fixture *fixture = *state;
    assert_true(send_to(fixture, "/moved", (struct http_request){0}));
    assert_int_equal(fixture->response.status, 301);
    assert_string_equal(http_response_header(&fixture->response, "LOCATION"), "/ok");
}

static void test_a_refused_upload_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    char *body = calloc(1, LARGE_BYTES);
    struct http_request put = {.method = "PUT", .body = body, .body_len = LARGE_BYTES};
    assert_true(send_to(fixture, "/refused", put));
    assert_int_equal(fixture->response.status, 403);
    assert_string_equal(buf_text(&fixture->response.body), "no");
    assert_int_equal(fixture->server.body_bytes, 0);
    assert_true(send_to(fixture, "/ok", put));
    assert_int_equal(fixture->server.body_bytes, LARGE_BYTES);
    free(body);
}

static void test_a_stop_request_ends_a_silent_request(void **state)
{
    struct fixture *fixture = *state;
    stop_request();
    assert_false(send_to(fixture, "/ok", (struct http_request){0}));
    assert_int_equal(fixture->err.kind, ERROR_CANCELLED);
    assert_int_equal(fixture->server.connections, 0);
}

static void test_headers_are_sent_and_kept_out_of_messages(void **state)
{
    struct fixture *fixture = *state;
    const struct http_header headers[] = {{"Authorization", "top-secret"}, {"X-Empty", ""}};
    struct http_request request = {.headers = headers, .header_count = ARRAY_LEN(headers)};
    assert_false(send_to(fixture, "/nothing", request));
    assert_null(strstr(fixture->err.text, "top-secret"));
}

static void test_only_https_and_this_machine_are_private(void **state)
{
    static const struct {
        const char *url;
        bool good;
    } cases[] = {
        {"https://hooks.example.net/services/T0", true},
        {"http://127.0.0.1:9093/alerts", true},
        {"http://localhost/x", true},
        {"http://[::1]:80/x", true},
        {"http://hooks.example.net/s3cret", false},
        {"http://localhost@hooks.example.net/s3cret", false},
        {"http://127.0.0.1.example.net/s3cret", false},
        {"http://localhost.example.net/s3cret", false},
        {"http://2130706433.example.net/s3cret", false},
        {"HTTP://hooks.example.net/s3cret", false},
        {"ftp://localhost/s3cret", false},
        {"file:///etc/s3cret", false},
        {"s3cret", false},
        {"", false},
    };
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (http_url_is_private(cases[i].url, &err) != cases[i].good)
            fail_msg("%s", cases[i].url);
        if (!cases[i].good)
            assert_null(strstr(err.text, "s3cret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_https_and_this_machine_are_private),
        cmocka_unit_test_setup_teardown(test_requests_share_one_connection, start, stop),
        cmocka_unit_test_setup_teardown(test_a_connection_that_died_is_replaced, start, stop),
        cmocka_unit_test_setup_teardown(test_answers_longer_than_asked_for_are_refused, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_lost_answers_are_unavailable_and_retryable, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_a_request_may_be_limited_as_a_whole, start, stop),
        cmocka_unit_test_setup_teardown(test_a_direct_client_uses_no_proxy, start, stop),
        cmocka_unit_test_setup_teardown(test_a_server_that_does_not_speak_http_is_a_wrong_endpoint,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_error_bodies_do_not_go_to_the_callers_buffer, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_redirects_are_not_followed, start, stop),
        cmocka_unit_test_setup_teardown(test_a_refused_upload_is_not_sent, start, stop),
        cmocka_unit_test_setup_teardown(test_a_stop_request_ends_a_silent_request, start, stop),
        cmocka_unit_test_setup_teardown(test_headers_are_sent_and_kept_out_of_messages, start,
                                        stop),
    };
    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
