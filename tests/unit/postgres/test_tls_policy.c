#include "postgres/tls_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_only_verify_full_or_this_machine_is_safe(void **state)
{
    static const struct {
        const char *conninfo;
        const char *host; /* NULL: safe */
    } cases[] = {
        {"", NULL},
        {"host=/run/postgresql", NULL},
        {"host=@abstract", NULL},
        {"host=localhost", NULL},
        {"host=127.0.0.1 port=5432", NULL},
        {"host=127.8.9.10", NULL},
        {"host=::1", NULL},
        {"host=db.example.net", "db.example.net"},
        {"host=db.example.net sslmode=require", "db.example.net"},
        {"host=db.example.net sslmode=verify-ca", "db.example.net"},
        {"host=db.example.net sslmode=verify-full", NULL},
        {"postgresql://user:secret@db.example.net/x", "db.example.net"},
        {"postgresql://db.example.net/x?sslmode=verify-full", NULL},
        {"host=/run/postgresql,b.example.net", "b.example.net"},
        {"host=localhost hostaddr=192.0.2.1", "192.0.2.1"},
        {"host=db.example.net hostaddr=127.0.0.1", NULL},
        {"host=localhost.example.net", "localhost.example.net"},
        {"host=127.0.0.1.example.net", "127.0.0.1.example.net"},
    };
    char host[TLS_HOST_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool safe = tls_is_verified(cases[i].conninfo, host);
        if (safe != (cases[i].host == NULL))
            fail_msg("\"%s\": %s", cases[i].conninfo, safe ? "safe" : host);
        if (!safe)
            assert_string_equal(host, cases[i].host);
    }
}

static void test_the_environment_counts_as_for_libpq(void **state)
{
    char host[TLS_HOST_SIZE];
    (void)state;
    (void)setenv("PGHOST", "db.example.net", 1);
    assert_false(tls_is_verified("", host));
    assert_string_equal(host, "db.example.net");
    (void)setenv("PGSSLMODE", "verify-full", 1);
    assert_true(tls_is_verified("", host));
    assert_false(tls_is_verified("sslmode=disable", host));
    (void)unsetenv("PGHOST");
    (void)unsetenv("PGSSLMODE");
}

static void test_a_finding_names_the_host_and_the_fix(void **state)
{
    static struct check_list list;
    (void)state;
    tls_check("host=db.example.net password=hunter2", "server.tls", &list);
    tls_check("host=localhost", "server.tls", &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.results[0].verdict, CHECK_WARNING);
    assert_non_null(strstr(list.results[0].text, "db.example.net"));
    assert_null(strstr(list.results[0].text, "hunter2"));
    assert_non_null(strstr(list.results[0].fix, "sslmode=verify-full"));
    assert_int_equal(list.results[1].verdict, CHECK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_verify_full_or_this_machine_is_safe),
        cmocka_unit_test(test_the_environment_counts_as_for_libpq),
        cmocka_unit_test(test_a_finding_names_the_host_and_the_fix),
    };
    (void)unsetenv("PGHOST");
    (void)unsetenv("PGHOSTADDR");
    (void)unsetenv("PGSSLMODE");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
