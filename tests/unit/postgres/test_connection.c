/* What needs no server: connection strings, nobody listening, nobody answering, a stop request.
 * The rest is in tests/integration. */
#include "postgres/connection.h"

#include "base/clock.h"
#include "base/stop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct error err;

static bool opens(const char *conninfo)
{
    struct connection *connection = NULL;
    struct connection_options options = {.conninfo = conninfo, .replication = true};
    memset(&err, 0, sizeof err);
    bool opened = connection_open(&options, &connection, &err);
    connection_close(connection);
    return opened;
}

static void test_a_malformed_string_is_a_usage_error_and_shows_no_password(void **state)
{
    static const char *const strings[] = {"host=h password=hunter2 x",
                                          "postgresql://u:hunter2@h:x:y", "nonsense", "host='open",
                                          "sslmode=sometimes"};
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        assert_false(opens(strings[i]));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_null(strstr(err.text, "hunter2"));
        assert_false(err.retryable);
    }
}

/* A port that is bound but does not listen: nobody else can take it meanwhile. */
static int bound_socket(bool listening, char *conninfo, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    if (listening)
        assert_int_equal(listen(fd, 5), 0);
    (void)snprintf(conninfo, size, "host=127.0.0.1 port=%d user=u connect_timeout=1",
                   ntohs(address.sin_port));
    return fd;
}

static void test_nobody_listening_may_be_tried_again(void **state)
{
    char conninfo[128];
    int fd = bound_socket(false, conninfo, sizeof conninfo);
    (void)state;
    assert_false(opens(conninfo));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_true(err.retryable);
    (void)close(fd);
}

static void test_nobody_answering_ends_at_the_timeout(void **state)
{
    char conninfo[128];
    int fd = bound_socket(true, conninfo, sizeof conninfo);
    int64_t start = clock_monotonic_us(&clock_system);
    (void)state;
    assert_false(opens(conninfo));
    int64_t took = clock_monotonic_us(&clock_system) - start;
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_true(err.retryable);
    assert_in_range(took, 900000, 5000000);
    (void)close(fd);
}

static void test_a_stop_request_ends_connecting(void **state)
{
    char conninfo[128];
    int fd = bound_socket(true, conninfo, sizeof conninfo);
    (void)state;
    stop_request();
    assert_false(opens(conninfo));
    stop_reset();
    assert_int_equal(err.kind, ERROR_CANCELLED);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_malformed_string_is_a_usage_error_and_shows_no_password),
        cmocka_unit_test(test_nobody_listening_may_be_tried_again),
        cmocka_unit_test(test_nobody_answering_ends_at_the_timeout),
        cmocka_unit_test(test_a_stop_request_ends_connecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
