/* Deliveries against a receiver that answers as it is told, or not at all. */
#include "daemon/courier.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/stop.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUESTS_MAX = 8, LINE_SIZE = 512, SECOND_US = 1000000 };

/* Takes one request for each connection; what it answered with 2xx is kept. */
struct receiver {
    pthread_t thread;
    int fd;
    char url[64];
    int refusals; /* the first so many are answered with 503 */
    int expected; /* it ends after as many good ones */
    int count;
    char taken[REQUESTS_MAX][LINE_SIZE];
};

static void read_request(int fd, char *out)
{
    size_t len = 0;
    size_t want = 0;
    out[0] = '\0';
    while (len + 1 < LINE_SIZE) {
        const char *end = strstr(out, "\r\n\r\n");
        const char *length = strcasestr(out, "Content-Length:");
        if (end != NULL) {
            want = (size_t)(end + 4 - out) + (length == NULL ? 0 : strtoul(length + 15, NULL, 10));
            if (len >= want)
                return;
        }
        ssize_t got = read(fd, out + len, LINE_SIZE - 1 - len);
        if (got <= 0)
            return;
        len += (size_t)got;
        out[len] = '\0';
    }
}

static void *receive(void *context)
{
    struct receiver *receiver = context;
    while (receiver->count < receiver->expected) {
        char request[LINE_SIZE];
        CLEANUP(close_fd) int fd = accept(receiver->fd, NULL, NULL);
        read_request(fd, request);
        bool refused = receiver->refusals > 0;
        const char *answer =
            refused ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        if (write(fd, answer, strlen(answer)) < 0)
            return NULL;
        if (refused)
            receiver->refusals--;
        else
            (void)snprintf(receiver->taken[receiver->count++], LINE_SIZE, "%s", request);
    }
    return NULL;
}

static void receiver_listen(struct receiver *receiver)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    receiver->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(receiver->fd >= 0);
    assert_int_equal(bind(receiver->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(receiver->fd, 16), 0);
    assert_int_equal(getsockname(receiver->fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(receiver->url, sizeof receiver->url, "http://127.0.0.1:%d/hook",
                   ntohs(address.sin_port));
}

static void receiver_start(struct receiver *receiver)
{
    receiver_listen(receiver);
    assert_int_equal(pthread_create(&receiver->thread, NULL, receive, receiver), 0);
}

static void receiver_end(struct receiver *receiver)
{
    (void)pthread_join(receiver->thread, NULL);
    (void)close(receiver->fd);
}

static struct courier *start(void)
{
    struct error err;
    struct courier *courier = NULL;
    if (!courier_start(&courier, &err))
        fail_msg("%s", err.text);
    return courier;
}

static void end(struct courier *courier, int64_t patience_us)
{
    courier_stop(courier, patience_us);
    stop_reset();
}

static void post(struct courier *courier, const char *url, const char *body)
{
    struct buf text;
    struct error err;
    buf_init(&text, LINE_SIZE);
    buf_printf(&text, "%s", body);
    assert_true(courier_post(courier, "test", url, &text, &err));
    buf_release(&text);
}

static void test_posts_and_gets_arrive_in_order(void **state)
{
    struct error err;
    struct receiver receiver = {.expected = 3};
    struct courier *courier = start();
    (void)state;
    receiver_start(&receiver);
    post(courier, receiver.url, "{\"n\":1}");
    assert_true(courier_get(courier, "heartbeat", receiver.url, &err));
    post(courier, receiver.url, "{\"n\":2}");
    receiver_end(&receiver);
    end(courier, 10 * SECOND_US);
    assert_non_null(strstr(receiver.taken[0], "POST /hook"));
    assert_non_null(strstr(receiver.taken[0], "{\"n\":1}"));
    assert_non_null(strstr(receiver.taken[0], "application/json"));
    assert_non_null(strstr(receiver.taken[1], "GET /hook"));
    assert_non_null(strstr(receiver.taken[2], "{\"n\":2}"));
}

static void test_what_is_refused_is_tried_again_and_nothing_overtakes_it(void **state)
{
    uint64_t sent;
    uint64_t dropped;
    struct receiver receiver = {.expected = 2, .refusals = 1};
    struct courier *courier = start();
    (void)state;
    receiver_start(&receiver);
    post(courier, receiver.url, "first");
    post(courier, receiver.url, "second");
    receiver_end(&receiver);
    for (int i = 0; i < 1000; i++) { /* the answer may still be on its way */
        courier_counts(courier, &sent, &dropped);
        if (sent == 2)
            break;
        clock_sleep_us(&clock_system, SECOND_US / 100);
    }
    end(courier, SECOND_US);
    assert_int_equal(sent, 2);
    assert_int_equal(dropped, 0);
    assert_non_null(strstr(receiver.taken[0], "first"));
    assert_non_null(strstr(receiver.taken[1], "second"));
}

static void test_a_receiver_that_never_answers_holds_nobody_up(void **state)
{
    uint64_t sent;
    uint64_t dropped;
    struct receiver silent = {.expected = 0}; /* connects, and is never read */
    struct courier *courier = start();
    (void)state;
    receiver_listen(&silent);
    int64_t began_us = clock_monotonic_us(&clock_system);
    for (int i = 0; i < COURIER_QUEUE_MAX + 10; i++)
        post(courier, silent.url, "{}");
    assert_true(clock_monotonic_us(&clock_system) - began_us < 5 * SECOND_US);
    courier_counts(courier, &sent, &dropped);
    assert_int_equal(sent, 0);
    assert_true(dropped == 10 || dropped == 9); /* one may be on its way: the oldest are dropped */
    end(courier, 0);                            /* ends the request that hangs */
    assert_true(clock_monotonic_us(&clock_system) - began_us < 20 * SECOND_US);
    (void)close(silent.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_and_gets_arrive_in_order),
        cmocka_unit_test(test_what_is_refused_is_tried_again_and_nothing_overtakes_it),
        cmocka_unit_test(test_a_receiver_that_never_answers_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
