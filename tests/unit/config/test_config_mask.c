#include "base/cleanup.h"
#include "config/config_mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_masked(const char *text, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    config_mask(text, &out);
    assert_string_equal(buf_text(&out), wanted);
    assert_int_equal(config_has_password(text), strcmp(text, wanted) != 0);
    buf_release(&out);
}

static void test_passwords_in_keywords_are_masked(void **state)
{
    (void)state;
    assert_masked("host=db password=x user=u", "host=db password=*** user=u");
    assert_masked("password=x", "password=***");
    assert_masked("password = x user=u", "password = *** user=u");
    assert_masked("password='a b\\' c' user=u", "password=*** user=u");
    assert_masked("password=a\\ b user=u", "password=*** user=u");
    assert_masked("password='never closed user=u", "password=***");
    assert_masked("sslpassword=x PASSWORD=y", "sslpassword=*** PASSWORD=***");
    assert_masked("host=db\tpassword=x\nuser=u", "host=db\tpassword=***\nuser=u");
}

static void test_passwords_in_uris_are_masked(void **state)
{
    (void)state;
    assert_masked("postgresql://u:p@h/db", "postgresql://u:***@h/db");
    assert_masked("postgresql://u:p@h:5432,h2:5433/db", "postgresql://u:***@h:5432,h2:5433/db");
    assert_masked("postgresql://h/db?user=u&password=p", "postgresql://h/db?user=u&password=***");
    assert_masked("postgresql://u:p@h?password=p&x=1#f", "postgresql://u:***@h?password=***&x=1#f");
    assert_masked("s3://KEY:SECRET@bucket/p?secret=z", "s3://KEY:***@bucket/p?secret=***");
}

static void test_unescaped_passwords_leak_nothing(void **state)
{
    (void)state;
    assert_masked("postgresql://u:p@ss@h/db", "postgresql://u:***@h/db");
    assert_masked("postgresql://u:p/w@h/db", "postgresql://u:***@h/db");
    assert_masked("postgresql://u:p?w@h/db", "postgresql://u:***");
    assert_masked("postgresql://u:p@s:w/r@h/db?password=x", "postgresql://u:***@h/db?password=***");
}

static void test_text_without_password_stays(void **state)
{
    static const char *const texts[] = {"",
                                        "host=db user=u",
                                        "password=",
                                        "password",
                                        "= =",
                                        "/srv/backup",
                                        "memory:",
                                        "postgresql://h:5432/db?user=a@b",
                                        "postgresql://u@h/db",
                                        "postgresql:///db?host=/run",
                                        "s3://b/p?endpoint=https://h:9000&region=r"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_masked(texts[i], texts[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_in_keywords_are_masked),
        cmocka_unit_test(test_passwords_in_uris_are_masked),
        cmocka_unit_test(test_unescaped_passwords_leak_nothing),
        cmocka_unit_test(test_text_without_password_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
