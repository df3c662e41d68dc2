#include "repository/lease.h"

#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lease_options on_parent = {.kind = LEASE_SNAPSHOT,
                                               .snapshot_id = "00000000000000aa",
                                               .parent_id = "00000000000000bb",
                                               .clock = &clock_system,
                                               .random = &random_system};

static struct lease_list load(const struct repository *repository)
{
    struct error err;
    struct lease_list list;
    if (!lease_list_load(repository, &list, &err))
        fail_msg("%s", err.text);
    return list;
}

static void test_a_lease_says_what_is_built_on(void **state)
{
    struct error err;
    struct lease lease = {0};
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    assert_true(lease_take(&repository, &on_parent, &lease, &err));
    struct lease_list list = load(&repository);
    assert_int_equal(list.count, 1);
    assert_true(list.entries[0].readable);
    assert_int_equal(list.entries[0].kind, LEASE_SNAPSHOT);
    assert_string_equal(list.entries[0].snapshot_id, "00000000000000aa");
    assert_string_equal(list.entries[0].parent_id, "00000000000000bb");
    assert_true(list.entries[0].modified_us > 0);
    lease_list_release(&list);
    lease_release(&lease);
    lease_release(&lease); /* nothing is held any more */
    list = load(&repository);
    assert_int_equal(list.count, 0);
    lease_list_release(&list);
    fixture_close(&repository);
}

static void test_a_lease_says_which_wal_it_needs(void **state)
{
    struct error err;
    struct lease lease = {0};
    struct lease_options options = on_parent;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    options.wal_timeline = 3;
    options.wal_from_lsn = UINT64_C(0x1600000028);
    assert_true(lease_take(&repository, &options, &lease, &err));
    struct lease_list list = load(&repository);
    assert_int_equal(list.entries[0].wal_timeline, 3);
    assert_int_equal(list.entries[0].wal_from_lsn, UINT64_C(0x1600000028));
    lease_list_release(&list);
    options.kind = LEASE_READ;
    options.wal_timeline = 0;
    assert_true(lease_take(&repository, &options, &lease, &err));
    list = load(&repository);
    assert_int_equal(list.entries[0].kind, LEASE_READ);
    assert_int_equal(list.entries[0].wal_timeline, 0);
    lease_list_release(&list);
    lease_release(&lease);
    fixture_close(&repository);
}

static void test_another_parent_is_another_lease(void **state)
{
    struct error err;
    struct lease lease = {0};
    struct lease_options other = on_parent;
    char first[LEASE_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    other.parent_id = NULL;
    assert_true(lease_take(&repository, &on_parent, &lease, &err));
    memcpy(first, lease.key, sizeof first);
    assert_true(lease_take(&repository, &other, &lease, &err));
    assert_string_not_equal(first, lease.key);
    struct lease_list list = load(&repository);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.entries[0].parent_id, "");
    lease_list_release(&list);
    lease_release(&lease);
    fixture_close(&repository);
}

static void test_a_lease_that_was_taken_away_is_noticed(void **state)
{
    struct error err;
    struct lease lease = {0};
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    assert_true(lease_take(&repository, &on_parent, &lease, &err));
    assert_true(lease_check(&lease, &err));
    assert_true(store_remove(repository.store, lease.key, &err));
    assert_false(lease_check(&lease, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    lease_release(&lease);
    fixture_close(&repository);
}

static void test_a_damaged_lease_is_listed(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "oops",
        "{\"kind\": \"magic\", \"snapshot\": \"\", \"parent\": \"\"}",
        "{\"kind\": \"snapshot\", \"snapshot\": \"\", \"parent\": \"00000000000000001\"}",
        "{\"kind\": \"read\", \"snapshot\": \"\", \"parent\": \"\", \"wal_timeline\": 1}",
        "{\"kind\": \"read\", \"snapshot\": \"\", \"parent\": \"\", \"wal_timeline\": 1, "
        "\"wal_from\": \"far\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err;
        struct repository repository = fixture_repository(CODEC_NONE);
        assert_true(store_put(repository.store, "leases/0000000000000001.json", texts[i],
                              strlen(texts[i]), NULL, &err));
        struct lease_list list = load(&repository);
        assert_int_equal(list.count, 1);
        assert_false(list.entries[0].readable);
        lease_list_release(&list);
        fixture_close(&repository);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_says_what_is_built_on),
        cmocka_unit_test(test_a_lease_says_which_wal_it_needs),
        cmocka_unit_test(test_another_parent_is_another_lease),
        cmocka_unit_test(test_a_lease_that_was_taken_away_is_noticed),
        cmocka_unit_test(test_a_damaged_lease_is_listed),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
