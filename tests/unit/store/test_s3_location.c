#include "base/text.h"
#include "store/s3_location.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct good {
    const char *url;
    const char *bucket;
    const char *prefix;
    const char *host;
    const char *region;
    bool tls;
    bool path_style;
    bool v2;
};

static void test_urls_are_understood(void **state)
{
    static const struct good cases[] = {
        {"s3://bucket", "bucket", "", "s3.us-east-1.amazonaws.com", "us-east-1", true, false,
         false},
        {"s3://bucket/", "bucket", "", "s3.us-east-1.amazonaws.com", "us-east-1", true, false,
         false},
        {"s3://bucket/a/b/?region=eu-west-1", "bucket", "a/b/", "s3.eu-west-1.amazonaws.com",
         "eu-west-1", true, false, false},
        {"s3://bucket?endpoint=store.example", "bucket", "", "store.example", "us-east-1", true,
         true, false},
        {"s3://bucket/p?endpoint=http%3A%2F%2F127.0.0.1%3A7480", "bucket", "p/", "127.0.0.1:7480",
         "us-east-1", false, true, false},
        {"s3://bucket?endpoint=https://h:443/&style=host", "bucket", "", "h", "us-east-1", true,
         false, false},
        {"s3://bucket?endpoint=http://h:80&signature=v2", "bucket", "", "h", "us-east-1", false,
         true, true},
        {"s3://bu%63ket/a%2Fb", "bucket", "a/b/", "s3.us-east-1.amazonaws.com", "us-east-1", true,
         false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct s3_location location;
        if (!s3_location_parse(&location, cases[i].url, &err))
            fail_msg("%s: %s", cases[i].url, err.text);
        assert_string_equal(location.bucket, cases[i].bucket);
        assert_string_equal(location.prefix, cases[i].prefix);
        assert_string_equal(location.host, cases[i].host);
        assert_string_equal(location.region, cases[i].region);
        assert_int_equal(location.tls, cases[i].tls);
        assert_int_equal(location.path_style, cases[i].path_style);
        assert_int_equal(location.signature_v2, cases[i].v2);
        s3_location_release(&location);
    }
}

static void test_wrong_urls_are_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *url;
        const char *text; /* in the message or the hint */
    } cases[] = {
        {"http://bucket", "URL of an S3 store"},
        {"s3://", "bucket"},
        {"s3://a", "bucket"},
        {"s3://buc ket", "bucket"},
        {"s3://bucket/../x", "prefix"},
        {"s3://bucket/a b", "prefix"},
        {"s3://bucket?regoin=x", "Did you mean \"region\"?"},
        {"s3://bucket?colour=red", "Known parameters"},
        {"s3://bucket?region", "name=value"},
        {"s3://bucket?region=", "region"},
        {"s3://bucket?region=a/b", "region"},
        {"s3://bucket?region=a&region=b", "twice"},
        {"s3://bucket?style=virtual", "path or host"},
        {"s3://bucket?signature=v5", "v2 or v4"},
        {"s3://bucket?as-of=yesterday", "2026-03-01T12:00:00Z"},
        {"s3://bucket?as-of=2026-03-01T12:00:00", "2026-03-01T12:00:00Z"},
        {"s3://bucket?as-of=2026-03-01T12:00:00Z&signature=v2", "signature=v2"},
        {"s3://bucket?endpoint=", "endpoint"},
        {"s3://bucket?endpoint=http://:80", "endpoint"},
        {"s3://bucket?endpoint=http://h/path", "endpoint"},
        {"s3://bucket?endpoint=user:pw@h", "endpoint"},
        {"s3://bucket?endpoint=%zz", "escape"},
        {"s3://bucket?endpoint=%4", "escape"},
        {"s3://bucket?endpoint=%00", "escape"},
        {"s3://bucket?", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct s3_location location;
        bool done = s3_location_parse(&location, cases[i].url, &err);
        if (done != (cases[i].text == NULL))
            fail_msg("%s", cases[i].url);
        if (done) {
            s3_location_release(&location);
            continue;
        }
        assert_int_equal(err.kind, ERROR_USAGE);
        if (strstr(err.text, cases[i].text) == NULL && strstr(err.hint, cases[i].text) == NULL)
            fail_msg("%s: %s (%s)", cases[i].url, err.text, err.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_understood),
        cmocka_unit_test(test_wrong_urls_are_refused_with_what_is_wrong),
    };
    return cmocka_run_group_tests_name("s3_location", tests, NULL, NULL);
}
