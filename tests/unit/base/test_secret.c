#include "base/secret.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_the_first_line_of_a_file_is_the_secret(void **state)
{
    static const struct {
        const char *content;
        const char *secret; /* NULL: refused */
    } cases[] = {{"s3cret", "s3cret"},
                 {"s3cret\n", "s3cret"},
                 {"s3cret\r\n", "s3cret"},
                 {"a b \nsecond", "a b "},
                 {"", NULL},
                 {"\n", NULL},
                 {"\nsecond", NULL}};
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct secret secret = {0};
        assert_true(
            file_write_atomic(path, cases[i].content, strlen(cases[i].content), 0600, &err));
        assert_int_equal(secret_read_file(&secret, path, &err), cases[i].secret != NULL);
        if (cases[i].secret != NULL)
            assert_string_equal(secret.text, cases[i].secret);
        secret_release(&secret);
        assert_false(secret_is_set(&secret));
    }
    fixture_remove(directory);
}

static void test_messages_never_hold_the_secret(void **state)
{
    struct error err;
    struct secret secret = {0};
    (void)state;
    assert_string_equal(secret_mask(&secret), "");
    assert_true(secret_set(&secret, "s3cret", &err));
    assert_true(secret_set(&secret, "other", &err)); /* the former one is wiped */
    assert_string_equal(secret.text, "other");
    assert_string_equal(secret_mask(&secret), "***");
    assert_false(secret_read_file(&secret, "/nonexistent/file", &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_string_equal(secret.text, "other"); /* untouched by a failure */
    secret_release(&secret);
    secret_release(&secret);
}

static void test_wiping_leaves_zeros(void **state)
{
    char bytes[8] = "secret";
    static const char zeros[8];
    (void)state;
    secret_wipe(bytes, sizeof bytes);
    assert_memory_equal(bytes, zeros, sizeof bytes);
    secret_wipe(NULL, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_line_of_a_file_is_the_secret),
        cmocka_unit_test(test_messages_never_hold_the_secret),
        cmocka_unit_test(test_wiping_leaves_zeros),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
