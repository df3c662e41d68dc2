#include "base/macros.h"
#include "daemon/service_notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void test_states_arrive_as_datagrams_on_an_abstract_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    char got[64] = "";
    struct error err;
    (void)state;
    (void)snprintf(name, sizeof name, "@mainstay-test-%d", (int)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_true(service_notify(name, "READY=1", &err));
    assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    (void)close(fd);
    assert_true(service_notify(name, "READY=1", &err)); /* nobody listens: no failure of ours */
}

static void test_without_a_service_manager_nothing_happens_and_nonsense_is_refused(void **state)
{
    struct error err;
    (void)state;
    assert_true(service_notify(NULL, "READY=1", &err));
    assert_false(service_notify("relative", "READY=1", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void test_the_watchdog_is_fed_twice_as_often_and_only_by_its_process(void **state)
{
    (void)state;
    assert_int_equal(service_watchdog_us("30000000", "42", 42), 15000000);
    assert_int_equal(service_watchdog_us("30000000", NULL, 42), 15000000);
    assert_int_equal(service_watchdog_us("30000000", "41", 42), 0);
    assert_int_equal(service_watchdog_us(NULL, NULL, 42), 0);
    assert_int_equal(service_watchdog_us("soon", NULL, 42), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_arrive_as_datagrams_on_an_abstract_socket),
        cmocka_unit_test(test_without_a_service_manager_nothing_happens_and_nonsense_is_refused),
        cmocka_unit_test(test_the_watchdog_is_fed_twice_as_often_and_only_by_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
