#include "base/cleanup.h"
#include "base/macros.h"
#include "runbook/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_paths_stay_below_the_directory(void **state)
{
    static const char *const good[] = {"a.yaml", "carrier-outage.yaml", "a.sql", "tests/a_b.sql",
                                       "tests/deep/a.sql"};
    static const char *const bad[] = {
        "",          "/a.yaml",  "../a.yaml",    "tests/../../a.sql", "tests/a.yaml",
        ".a.yaml",   "a.yaml/",  "a//b.sql",     "a/./b.sql",         "a.sh",
        "a\nb.yaml", "a b.yaml", "tests/.a.sql", "a\\b.sql",          "manifest.json"};
    CLEANUP(bundle_release) struct bundle bundle = {0};
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!bundle_add(&bundle, good[i], "x", 1, &err))
            fail_msg("%s: %s", good[i], err.text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (bundle_add(&bundle, bad[i], "x", 1, &err))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_int_equal(bundle.count, ARRAY_LEN(good));
}

static void test_a_path_has_one_content(void **state)
{
    CLEANUP(bundle_release) struct bundle bundle = {0};
    struct error err;
    (void)state;
    assert_true(bundle_add(&bundle, "tests/a.sql", "one", 3, &err));
    assert_true(bundle_add(&bundle, "tests/a.sql", "one", 3, &err));
    assert_int_equal(bundle.count, 1);
    assert_false(bundle_add(&bundle, "tests/a.sql", "two", 3, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
}

static void test_a_bundle_stays_small(void **state)
{
    static char large[BUNDLE_MAX_FILE_BYTES + 1];
    char path[] = "a0.sql";
    CLEANUP(bundle_release) struct bundle bundle = {0};
    struct error err;
    (void)state;
    assert_false(bundle_add(&bundle, "a.sql", large, sizeof large, &err));
    for (int i = 0; i < BUNDLE_MAX_BYTES / BUNDLE_MAX_FILE_BYTES; i++) {
        path[1] = (char)('0' + i);
        assert_true(bundle_add(&bundle, path, large, BUNDLE_MAX_FILE_BYTES, &err));
    }
    assert_false(bundle_add(&bundle, "b.sql", "x", 1, &err));
}

static void test_versions_are_three_numbers(void **state)
{
    (void)state;
    assert_int_equal(runbook_version_compare("1.2.3", "1.2.3"), 0);
    assert_int_equal(runbook_version_compare("1.10.0", "1.9.9"), 1);
    assert_int_equal(runbook_version_compare("1.2.3", "1.2.10"), -1);
    assert_int_equal(runbook_version_compare("2.0.0", "10.0.0"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_stay_below_the_directory),
        cmocka_unit_test(test_a_path_has_one_content),
        cmocka_unit_test(test_a_bundle_stays_small),
        cmocka_unit_test(test_versions_are_three_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
