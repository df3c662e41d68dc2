#include "postgres/relation_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void test_relation_files_are_taken_apart(void **state)
{
    static const struct {
        const char *path;
        struct relation_path expected;
    } cases[] = {
        {"base/5/16384", {0, 5, 16384, FORK_MAIN, 0}},
        {"base/5/16384.1", {0, 5, 16384, FORK_MAIN, 1}},
        {"base/5/16384_vm", {0, 5, 16384, FORK_VM, 0}},
        {"base/5/16384_vm.1", {0, 5, 16384, FORK_VM, 1}},
        {"base/5/16384_fsm.12", {0, 5, 16384, FORK_FSM, 12}},
        {"base/5/16384_init", {0, 5, 16384, FORK_INIT, 0}},
        {"base/4294967295/4294967295.4294967295",
         {0, 4294967295U, 4294967295U, FORK_MAIN, 4294967295U}},
        {"global/1260", {1664, 0, 1260, FORK_MAIN, 0}},
        {"global/1260_fsm", {1664, 0, 1260, FORK_FSM, 0}},
        {"pg_tblspc/16500/PG_15_202209061/5/16384", {16500, 5, 16384, FORK_MAIN, 0}},
        {"pg_tblspc/16500/PG_9.6_201608131/5/16384_vm.2", {16500, 5, 16384, FORK_VM, 2}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct relation_path got;
        if (!relation_path_parse(cases[i].path, &got))
            fail_msg("refused %s", cases[i].path);
        assert_int_equal(got.tablespace_oid, cases[i].expected.tablespace_oid);
        assert_int_equal(got.database_oid, cases[i].expected.database_oid);
        assert_int_equal(got.relation_number, cases[i].expected.relation_number);
        assert_int_equal(got.fork, cases[i].expected.fork);
        assert_int_equal(got.segment, cases[i].expected.segment);
    }
}

static void test_everything_else_is_no_relation(void **state)
{
    static const char *const paths[] = {
        "",
        "base",
        "base/",
        "base/5",
        "base/5/",
        "base/5/PG_VERSION",
        "base/5/pg_filenode.map",
        "base/5/t3_16384", /* temporary */
        "base/5/016384",
        "base/5/0",
        "base/5/4294967296",
        "base/5/99999999999999999999",
        "base/5/16384.",
        "base/5/16384.0",
        "base/5/16384.01",
        "base/5/16384_",
        "base/5/16384_xyz",
        "base/5/16384_vm_fsm",
        "base/5/16384.1_vm",
        "base/5/16384/1",
        "base/5/-16384",
        "base/5/ 16384",
        "base/5/INCREMENTAL.16384",
        "base/pgsql_tmp/pgsql_tmp123.0",
        "base//16384",
        "/base/5/16384",
        "./base/5/16384",
        "global/pg_control",
        "global/5/1260",
        "global/pg_filenode.map",
        "pg_tblspc/16500",
        "pg_tblspc/16500/5/16384",
        "pg_tblspc/16500/PG_/5/16384",
        "pg_tblspc/16500/PG_15_202209061/16384",
        "pg_wal/000000010000000000000001",
        "pg_xact/0000",
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct relation_path got = {.relation_number = 77};
        if (relation_path_parse(paths[i], &got))
            fail_msg("accepted %s", paths[i]);
        assert_int_equal(got.relation_number, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relation_files_are_taken_apart),
        cmocka_unit_test(test_everything_else_is_no_relation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
