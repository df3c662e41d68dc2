#include "base/macros.h"
#include "config/config_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = option_row((enum option_id)i);
        assert_non_null(row->name);
        assert_non_null(strchr(row->name, '.'));
        assert_non_null(row->help);
        assert_non_null(row->example);
        assert_true(row->standard[0] != '\0' || row->unset != NULL);
        assert_true(row->group != 0);
        assert_true((row->type == OPTION_ENUM) == (row->values[0] != NULL));
        assert_true(option_accepts((enum option_id)i, row->example));
        if (row->standard[0] != '\0')
            assert_true(option_accepts((enum option_id)i, row->standard));
    }
}

static void test_names_flags_and_aliases_are_unique_and_lead_back(void **state)
{
    char flag[OPTION_NAME_SIZE];
    enum option_id found;
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        assert_true(option_by_name(option_row(id)->name, &found));
        assert_int_equal(found, id);
        assert_true(option_by_flag(option_flag(id, flag), &found));
        assert_int_equal(found, id);
        if (option_row(id)->alias == NULL)
            continue;
        assert_true(option_by_flag(option_row(id)->alias, &found));
        assert_int_equal(found, id);
    }
    assert_false(option_by_name("repository", &found));
    assert_false(option_by_flag("repository.url", &found));
}

static void test_flag_and_variable_follow_from_the_name(void **state)
{
    char out[OPTION_NAME_SIZE];
    (void)state;
    assert_string_equal(option_flag(OPTION_POSTGRES_PASSWORD_FILE, out), "postgres-password-file");
    assert_string_equal(option_variable(OPTION_POSTGRES_PASSWORD_FILE, out),
                        "MAINSTAY_POSTGRES_PASSWORD_FILE");
    assert_string_equal(option_placeholder(OPTION_SNAPSHOT_CHECKPOINT, out), "fast|spread");
    assert_string_equal(option_placeholder(OPTION_STORE_CA_FILE, out), "FILE");
}

static void test_allowed_values_are_written_as_they_are_accepted(void **state)
{
    char out[OPTION_ALLOWED_SIZE];
    (void)state;
    assert_string_equal(option_allowed(OPTION_REPOSITORY_PACK_SIZE, out), "16MiB to 64MiB");
    assert_string_equal(option_allowed(OPTION_STORE_RETRY_TOTAL, out), "1s to 1d");
    assert_string_equal(option_allowed(OPTION_REPOSITORY_CODEC, out), "zstd, zlib or none");
    assert_string_equal(option_allowed(OPTION_LOG_FORMAT, out), "text or json");
    assert_string_equal(option_allowed(OPTION_SNAPSHOT_MAX_RATE, out),
                        "32KiB to 1GiB, or 0 (no limit)");
}

static void test_values_out_of_range_or_type_are_refused(void **state)
{
    static const struct {
        enum option_id id;
        const char *good;
        const char *bad;
    } cases[] = {
        {OPTION_REPOSITORY_PACK_SIZE, "16MiB", "16777215"},
        {OPTION_REPOSITORY_PACK_SIZE, "64MiB", "65MiB"},
        {OPTION_REPOSITORY_LEVEL, "-7", "-8"},
        {OPTION_SNAPSHOT_UPLOADS, "1", "0"},
        {OPTION_SNAPSHOT_COMPRESS_THREADS, "0", "65"},
        {OPTION_SNAPSHOT_MAX_RATE, "0", "31KiB"},
        {OPTION_STORE_CONNECT_TIMEOUT, "1s", "999ms"},
        {OPTION_STORE_TRACE, "on", "maybe"},
        {OPTION_STORE_LOCK_MODE, "compliance", "legal"},
        {OPTION_STORE_LOCK_DAYS, "30", "0"},
        {OPTION_LOG_LEVEL, "debug", "DEBUG"},
        {OPTION_REPOSITORY_URL, "/srv/b", "/srv/\n"},
    };
    char label[65];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(option_accepts(cases[i].id, cases[i].good));
        assert_false(option_accepts(cases[i].id, cases[i].bad));
    }
    memset(label, 'x', sizeof label);
    label[64] = '\0';
    assert_false(option_accepts(OPTION_SNAPSHOT_LABEL, label));
    label[63] = '\0';
    assert_true(option_accepts(OPTION_SNAPSHOT_LABEL, label));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_names_flags_and_aliases_are_unique_and_lead_back),
        cmocka_unit_test(test_flag_and_variable_follow_from_the_name),
        cmocka_unit_test(test_allowed_values_are_written_as_they_are_accepted),
        cmocka_unit_test(test_values_out_of_range_or_type_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
