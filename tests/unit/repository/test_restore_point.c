#include "repository/restore_point.h"

#include "base/cleanup.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct restore_point sample = {.name = "before-import",
                                            .system_identifier = UINT64_C(0xfedcba9876543210),
                                            .timeline = 2,
                                            .lsn = 0x3000028,
                                            .time_us = INT64_C(1772366405250001)};

static void test_a_point_comes_back_as_it_was(void **state)
{
    struct error err;
    struct restore_point got;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    assert_true(restore_point_put(&repository, &sample, &err));
    assert_true(restore_point_get(&repository, sample.name, &got, &err));
    assert_string_equal(got.name, sample.name);
    assert_int_equal(got.system_identifier, sample.system_identifier);
    assert_int_equal(got.timeline, sample.timeline);
    assert_int_equal(got.lsn, sample.lsn);
    assert_int_equal(got.time_us, sample.time_us);
    fixture_close(&repository);
}

static void test_a_name_is_used_once(void **state)
{
    struct error err;
    struct restore_point got;
    struct restore_point other = sample;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    other.lsn = 0x4000028;
    assert_true(restore_point_put(&repository, &sample, &err));
    assert_false(restore_point_put(&repository, &other, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    assert_true(restore_point_get(&repository, sample.name, &got, &err));
    assert_int_equal(got.lsn, sample.lsn);
    fixture_close(&repository);
}

static void test_what_is_missing_or_damaged_is_told_apart(void **state)
{
    struct error err;
    struct restore_point got;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"name\": \"bad\"}",
        "{\"name\": \"other\", \"system_identifier\": \"1\", \"timeline\": 1, \"lsn\": \"0/5\", "
        "\"time\": \"2026-03-01T12:00:05Z\"}",
        "{\"name\": \"bad\", \"system_identifier\": \"1\", \"timeline\": 0, \"lsn\": \"0/5\", "
        "\"time\": \"2026-03-01T12:00:05Z\"}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct repository repository = fixture_repository(CODEC_NONE);
        assert_true(store_put(repository.store, "restore-points/bad.json", bad[i], strlen(bad[i]),
                              NULL, &err));
        assert_false(restore_point_get(&repository, "none", &got, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        assert_false(restore_point_get(&repository, "bad", &got, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
        fixture_close(&repository);
    }
}

static void test_names_fit_the_server_and_the_store(void **state)
{
    struct error err;
    static const char *const bad[] = {"", ".hidden", "-flag", "a b", "a/b", "it's", "gr\xc3\xbcn"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(restore_point_check_name(bad[i], &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    assert_true(restore_point_check_name("Before_2026-03-01.import", &err));
}

static void test_the_list_has_all_of_them(void **state)
{
    struct error err;
    size_t count;
    CLEANUP(free_pointer) struct restore_point *points = NULL;
    struct restore_point other = sample;
    struct repository repository = fixture_repository(CODEC_NONE);
    (void)state;
    memcpy(other.name, "after", sizeof "after");
    assert_true(restore_point_put(&repository, &sample, &err));
    assert_true(restore_point_put(&repository, &other, &err));
    assert_true(restore_point_list(&repository, &points, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(points[0].name, "after");
    assert_string_equal(points[1].name, "before-import");
    fixture_close(&repository);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_point_comes_back_as_it_was),
        cmocka_unit_test(test_a_name_is_used_once),
        cmocka_unit_test(test_what_is_missing_or_damaged_is_told_apart),
        cmocka_unit_test(test_names_fit_the_server_and_the_store),
        cmocka_unit_test(test_the_list_has_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
