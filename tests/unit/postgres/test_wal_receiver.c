#include "postgres/wal_receiver.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Messages as PostgreSQL 13 to 18 write them; a translated server still has its SQLSTATEs. */
static void test_failures_with_a_next_step_are_known(void **state)
{
    static const struct {
        const char *sqlstate;
        const char *message;
        enum wal_problem problem;
    } cases[] = {
        {"58P01", "requested WAL segment 000000010000000000000003 has already been removed",
         WAL_PROBLEM_REMOVED},
        {"58P01", "das angeforderte WAL-Segment 000000010000000000000003 wurde schon entfernt",
         WAL_PROBLEM_REMOVED},
        {"XX000", "requested timeline 3 is not in this server's history",
         WAL_PROBLEM_NOT_IN_HISTORY},
        {"XX000",
         "requested starting point 0/5000000 on timeline 1 is not in this server's history",
         WAL_PROBLEM_NOT_IN_HISTORY},
        {"XX000",
         "requested starting point 0/9000000 is ahead of the WAL flush position of this server "
         "0/3000000",
         WAL_PROBLEM_AHEAD},
        {"55006", "replication slot \"mainstay\" is active for PID 4711", WAL_PROBLEM_SLOT_BUSY},
        {"42704", "replication slot \"mainstay\" does not exist", WAL_PROBLEM_SLOT_MISSING},
        {"55000", "cannot use a logical replication slot for physical replication",
         WAL_PROBLEM_SLOT_FOREIGN},
        {"55000", "can no longer access replication slot \"mainstay\"", WAL_PROBLEM_SLOT_LOST},
        {"57P01", "terminating connection due to administrator command", WAL_PROBLEM_NONE},
        {"", "server closed the connection unexpectedly", WAL_PROBLEM_NONE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (wal_problem_of(cases[i].sqlstate, cases[i].message) != cases[i].problem)
            fail_msg("%s", cases[i].message);
}

static void test_names_of_slots(void **state)
{
    struct error err;
    char name[65];
    (void)state;
    memset(name, 'a', sizeof name);
    name[64] = '\0';
    assert_true(wal_slot_check_name("mainstay_2", &err));
    assert_true(wal_slot_check_name(name + 1, &err));
    assert_false(wal_slot_check_name(name, &err));
    assert_false(wal_slot_check_name("", &err));
    assert_false(wal_slot_check_name("Main", &err));
    assert_false(wal_slot_check_name("a\" LOGICAL x", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_with_a_next_step_are_known),
        cmocka_unit_test(test_names_of_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
