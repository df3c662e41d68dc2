#include "base/text.h"
#include "store/s3_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct error report(int status, const char *body)
{
    struct error err;
    struct s3_problem problem = {.status = status, .retry_after_ms = 7000};
    s3_problem_parse(&problem, body, strlen(body));
    assert_false(s3_problem_report(&problem, "put object \"k\" in bucket \"b\"", &err));
    return err;
}

static void test_every_error_has_its_kind_and_says_whether_to_try_again(void **state)
{
    static const struct {
        int status;
        const char *code; /* NULL: no body */
        enum error_kind kind;
        bool retryable;
        const char *hint; /* part of it; NULL: none wanted */
    } cases[] = {
        {404, "NoSuchKey", ERROR_NOT_FOUND, false, NULL},
        {404, "NoSuchBucket", ERROR_NOT_FOUND, false, "Create the bucket"},
        {403, "AccessDenied", ERROR_DENIED, false, "mainstay doctor --print-iam writer"},
        {403, "InvalidAccessKeyId", ERROR_DENIED, false, "access key"},
        {403, "SignatureDoesNotMatch", ERROR_DENIED, false, "secret key"},
        {403, "RequestTimeTooSkewed", ERROR_DENIED, false, "clock"},
        {400, "ExpiredToken", ERROR_DENIED, false, "session token"},
        {403, "QuotaExceeded", ERROR_NO_SPACE, false, "quota"},
        {507, "InsufficientStorage", ERROR_NO_SPACE, false, "space"},
        {400, "AuthorizationHeaderMalformed", ERROR_USAGE, false, "region="},
        {301, "PermanentRedirect", ERROR_USAGE, false, "endpoint="},
        {503, "SlowDown", ERROR_UNAVAILABLE, true, NULL},
        {503, NULL, ERROR_UNAVAILABLE, true, NULL},
        {500, "InternalError", ERROR_UNAVAILABLE, true, NULL},
        {429, NULL, ERROR_UNAVAILABLE, true, NULL},
        {599, "Strange", ERROR_UNAVAILABLE, true, NULL},
        {400, "RequestTimeout", ERROR_UNAVAILABLE, true, NULL},
        {409, "ConditionalRequestConflict", ERROR_UNAVAILABLE, true, NULL},
        {412, "PreconditionFailed", ERROR_EXISTS, false, NULL},
        {501, "NotImplemented", ERROR_UNSUPPORTED, false, NULL},
        {403, NULL, ERROR_DENIED, false, "mainstay doctor --print-iam writer"},
        {404, NULL, ERROR_NOT_FOUND, false, NULL},
        {418, "Teapot", ERROR_INVALID, false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char body[256] = "";
        if (cases[i].code != NULL)
            (void)snprintf(body, sizeof body,
                           "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>m</Message>"
                           "<RequestId>tx1</RequestId></Error>",
                           cases[i].code);
        struct error err = report(cases[i].status, body);
        if (err.kind != cases[i].kind || err.retryable != cases[i].retryable)
            fail_msg("%d %s: %s", cases[i].status, body, err.text);
        assert_int_equal(err.retry_after_ms, cases[i].retryable ? 7000 : 0);
        if (cases[i].hint != NULL && strstr(err.hint, cases[i].hint) == NULL)
            fail_msg("%d %s: hint is %s", cases[i].status, body, err.hint);
        assert_non_null(strstr(err.text, "put object \"k\" in bucket \"b\""));
        if (cases[i].code != NULL)
            assert_non_null(strstr(err.text, "request tx1"));
    }
}

static void test_facts_in_the_answer_beat_general_advice(void **state)
{
    (void)state;
    struct error err = report(400, "<Error><Code>AuthorizationHeaderMalformed</Code>"
                                   "<Region>eu-central-1</Region></Error>");
    assert_string_equal(err.hint, "Set region=eu-central-1 in the store's URL.");
    err = report(301, "<Error><Code>PermanentRedirect</Code>"
                      "<Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint></Error>");
    assert_non_null(strstr(err.hint, "endpoint=b.s3.eu-west-3.amazonaws.com"));

    struct s3_problem problem = {
        .status = 403, .code = "RequestTimeTooSkewed", .has_skew = true, .skew_s = -1800};
    (void)s3_problem_report(&problem, "list bucket \"b\"", &err);
    assert_non_null(strstr(err.hint, "differs from the store's by 1800 s"));
}

static void test_bodies_that_are_not_xml_do_no_harm(void **state)
{
    (void)state;
    struct error err = report(502, "<html><body><h1>Bad Gateway</h1>");
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    err = report(403, "<!DOCTYPE Error [<!ENTITY a \"aaaa\">]><Error><Code>&a;</Code></Error>");
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_null(strstr(err.text, "aaaa"));
    err = report(403, "\x01\x02\x03");
    assert_int_equal(err.kind, ERROR_DENIED);
}

static void test_a_listing_is_read_in_order(void **state)
{
    static const char body[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
        "<Prefix>p/</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>tok=/+</NextContinuationToken>"
        "<Contents><Size>7</Size><Key>p/a&amp;b</Key><Owner><ID>x</ID></Owner>"
        "<LastModified>2026-03-01T12:00:05.250Z</LastModified></Contents>"
        "<Contents><Key>p/c</Key><Size>0</Size></Contents></ListBucketResult>";
    struct error err;
    struct s3_page page;
    int64_t modified_us;
    (void)state;
    assert_true(s3_page_parse(&page, body, sizeof body - 1, &err));
    assert_int_equal(page.count, 2);
    assert_string_equal(page.objects[0].key, "p/a&b");
    assert_int_equal(page.objects[0].size_bytes, 7);
    assert_true(text_to_time_us("2026-03-01T12:00:05.25Z", &modified_us));
    assert_int_equal(page.objects[0].modified_us, modified_us);
    assert_string_equal(page.objects[1].key, "p/c");
    assert_true(page.truncated);
    assert_string_equal(page.continuation, "tok=/+");
    s3_page_release(&page);
}

static void test_broken_listings_are_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html/>",
        "<ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<!DOCTYPE x><ListBucketResult/>",
        "<ListBucketResult><a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>"
        "</ListBucketResult>",
    };
    struct error err;
    struct s3_page page;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        if (s3_page_parse(&page, bodies[i], strlen(bodies[i]), &err))
            fail_msg("%s", bodies[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    assert_true(s3_page_parse(&page, "<ListBucketResult/>", 19, &err));
    assert_int_equal(page.count, 0);
    s3_page_release(&page);
}

static void test_only_refusals_of_keys_are_a_reason_to_renew_them(void **state)
{
    static const struct {
        int status;
        const char *code;
        bool without_token;
        bool with_token;
    } cases[] = {
        {400, "ExpiredToken", true, true},
        {403, "InvalidAccessKeyId", true, true},
        {400, "", true, true},
        {403, "", true, true},
        {403, "AccessDenied", false, true},
        {400, "InvalidArgument", false, true},
        {403, "QuotaExceeded", false, false},
        {404, "", false, false},
        {503, "SlowDown", false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_problem problem = {.status = cases[i].status};
        (void)snprintf(problem.code, sizeof problem.code, "%s", cases[i].code);
        assert_int_equal(s3_problem_is_about_keys(&problem, false), cases[i].without_token);
        assert_int_equal(s3_problem_is_about_keys(&problem, true), cases[i].with_token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_refusals_of_keys_are_a_reason_to_renew_them),
        cmocka_unit_test(test_every_error_has_its_kind_and_says_whether_to_try_again),
        cmocka_unit_test(test_facts_in_the_answer_beat_general_advice),
        cmocka_unit_test(test_bodies_that_are_not_xml_do_no_harm),
        cmocka_unit_test(test_a_listing_is_read_in_order),
        cmocka_unit_test(test_broken_listings_are_refused),
    };
    return cmocka_run_group_tests_name("s3_answer", tests, NULL, NULL);
}
