/* Spoken to over plain sockets, so that requests can be as wrong as they like. */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_SIZE = 8192 };

static struct http_server *server;

static bool handle(void *context, const char *path, struct http_answer *answer)
{
    (void)context;
    if (strcmp(path, "/hello") == 0) {
        buf_printf(&answer->body, "hello\n");
        return true;
    }
    if (strcmp(path, "/ill") == 0) {
        answer->status = 503;
        buf_printf(&answer->body, "not ready\n");
        return true;
    }
    if (strcmp(path, "/long") == 0) {
        for (int i = 0; i < 300000; i++)
            buf_printf(&answer->body, "0123456789");
        return true;
    }
    return false;
}

static int start(void **state)
{
    struct http_server_options options = {.host = "127.0.0.1", .handler = handle};
    struct error err;
    (void)state;
    return http_server_open(&options, &server, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    http_server_close(server);
    return 0;
}

/* Sends the request, runs the server until it closes the connection, gives the whole answer. */
static void talk(const char *request, size_t len, char answer[ANSWER_SIZE])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(http_server_port(server))};
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
    for (;;) {
        struct pollfd waits[] = {{.fd = fd, .events = POLLIN},
                                 {.fd = http_server_fd(server), .events = POLLIN}};
        assert_true(poll(waits, 2, 100) >= 0);
        http_server_run(server);
        ssize_t more = recv(fd, answer + got, ANSWER_SIZE - 1 - got, MSG_DONTWAIT);
        if (more == 0 || (more < 0 && waits[0].revents != 0))
            break;
        got += more > 0 ? (size_t)more : 0;
    }
    answer[got] = '\0';
    (void)close(fd);
}

static void ask(const char *request, char answer[ANSWER_SIZE])
{
    talk(request, strlen(request), answer);
}

static void expect(const char *request, const char *status, const char *body)
{
    char answer[ANSWER_SIZE];
    ask(request, answer);
    if (strstr(answer, status) == NULL || strstr(answer, body) == NULL)
        fail_msg("%s gave %s", request, answer);
}
#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void test_paths_are_answered_or_not_found(void **state)
{
    (void)state;
    expect("GET /hello HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200", "\r\n\r\nhello\n");
    expect("GET /ill HTTP/1.1\r\n" CLOSE, "HTTP/1.1 503", "not ready");
    expect("GET /other HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404", "no such path");
    expect("GET /../hello HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404", "no such path");
}

static void test_a_head_request_gets_no_body(void **state)
{
    char answer[ANSWER_SIZE];
    (void)state;
    ask("HEAD /hello HTTP/1.1\r\n" CLOSE, answer);
    assert_non_null(strstr(answer, "200"));
    assert_null(strstr(answer, "hello"));
}

static void test_other_methods_are_refused(void **state)
{
    (void)state;
    expect("DELETE /hello HTTP/1.1\r\n" CLOSE, "HTTP/1.1 405", "Allow: GET, HEAD");
    expect("POST /hello HTTP/1.1\r\nContent-Length: 4\r\n" CLOSE "abcd", "HTTP/1.1 405", "only");
}

static void test_an_answer_above_its_maximum_is_an_error_and_not_cut(void **state)
{
    (void)state;
    expect("GET /long HTTP/1.1\r\n" CLOSE, "HTTP/1.1 500", "too long");
}

static void test_heads_above_their_maximum_are_refused(void **state)
{
    static char request[64 * 1024];
    char answer[ANSWER_SIZE];
    (void)state;
    memset(request, 'a', sizeof request);
    memcpy(request, "GET /", 5);
    talk(request, sizeof request, answer);
    assert_null(strstr(answer, "200"));
    expect("GET /hello HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200", "hello");
}

static void test_an_address_that_is_none_or_taken_is_refused(void **state)
{
    struct http_server *second = NULL;
    struct http_server_options options = {.host = "localhost", .handler = handle};
    struct error err;
    (void)state;
    assert_false(http_server_open(&options, &second, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    options.host = "127.0.0.1";
    options.port = http_server_port(server);
    assert_false(http_server_open(&options, &second, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths_are_answered_or_not_found, start, stop),
        cmocka_unit_test_setup_teardown(test_a_head_request_gets_no_body, start, stop),
        cmocka_unit_test_setup_teardown(test_other_methods_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_an_answer_above_its_maximum_is_an_error_and_not_cut,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_heads_above_their_maximum_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_an_address_that_is_none_or_taken_is_refused, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
