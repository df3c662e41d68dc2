#include "base/text.h"
#include "store/store_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char *keys_only(const char *name)
{
    static char key[] = "key";
    return text_starts_with(name, "AWS_ACCESS_KEY") || text_starts_with(name, "AWS_SECRET") ? key
                                                                                            : NULL;
}

static char *keys_and_token(const char *name)
{
    static char token[] = "token";
    return strcmp(name, "AWS_SESSION_TOKEN") == 0 ? token : keys_only(name);
}

/* Instance metadata is there unless it is switched off. */
static char *nothing(const char *name)
{
    static char yes[] = "true";
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? yes : NULL;
}

static void test_every_kind_of_url_opens_its_store(void **state)
{
    static const struct {
        const char *url;
        const char *create_only;
    } cases[] = {
        {"/tmp/backup", "link(2)"},
        {"file:///tmp/backup", "link(2)"},
        {"file:///tmp/back%20up", "link(2)"},
        {"memory:", "a lock in this process"},
        {"s3://bucket/p?endpoint=h", "HEAD, then PUT with If-None-Match (not proven yet)"},
        {"s3://bucket/p?endpoint=http://h&signature=v2", "HEAD, then PUT"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct store *store;
        for (int trace = 0; trace < 2; trace++) {
            struct store_options options = {
                .url = cases[i].url, .getenv = keys_only, .trace = trace == 1};
            if (!store_open(&options, &store, &err))
                fail_msg("%s: %s", cases[i].url, err.text);
            assert_string_equal(store_create_only(store), cases[i].create_only);
            store_close(store);
        }
    }
}

static void test_what_cannot_work_is_refused_before_anything_is_sent(void **state)
{
    static const struct {
        const char *url;
        char *(*getenv)(const char *);
        enum error_kind kind;
        const char *text;
    } cases[] = {
        {"backup", keys_only, ERROR_USAGE, "absolute path"},
        {"file://host/path", keys_only, ERROR_USAGE, "absolute path"},
        {"file:///a%2", keys_only, ERROR_USAGE, "escape"},
        {"s3://bucket?endpont=h", keys_only, ERROR_USAGE, "Did you mean \"endpoint\"?"},
        {"s3://bucket?endpoint=h", nothing, ERROR_USAGE, "AWS_ACCESS_KEY_ID"},
        {"s3://bucket?endpoint=h&signature=v2", keys_only, ERROR_UNSUPPORTED, "certificates"},
        {"s3://bucket?endpoint=http://h&signature=v2", keys_and_token, ERROR_UNSUPPORTED,
         "session token"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct store *store;
        struct store_options options = {.url = cases[i].url, .getenv = cases[i].getenv};
        assert_false(store_open(&options, &store, &err));
        if (err.kind != cases[i].kind ||
            (strstr(err.text, cases[i].text) == NULL && strstr(err.hint, cases[i].text) == NULL))
            fail_msg("%s: %s (%s)", cases[i].url, err.text, err.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_url_opens_its_store),
        cmocka_unit_test(test_what_cannot_work_is_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
