#include "base/text.h"
#include "store/s3_key_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STS(text)                                                                             \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
    "<AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>system:x"                  \
    "</SubjectFromWebIdentityToken><Credentials>" text "</Credentials>"                       \
    "</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>r</RequestId>"            \
    "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
#define KEYS "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s3cr3t/+</SecretAccessKey>"
#define REST "<SessionToken>t0ken==</SessionToken><Expiration>2026-03-01T12:00:00Z</Expiration>"

static const int64_t noon_us = 1772366400000000; /* 2026-03-01T12:00:00Z */

static void expect_keys(const struct s3_keys *keys, const char *token, int64_t expires_us)
{
    assert_string_equal(keys->access_key.text, "ASIA1");
    assert_string_equal(keys->secret_key.text, "s3cr3t/+");
    if (token == NULL)
        assert_false(secret_is_set(&keys->session_token));
    else
        assert_string_equal(keys->session_token.text, token);
    assert_int_equal(keys->expires_us, expires_us);
}

static void test_the_keys_of_sts_are_read(void **state)
{
    static const char body[] = STS(KEYS REST);
    struct error err;
    struct s3_keys keys = {0};
    (void)state;
    if (!s3_key_answer_sts(&keys, body, strlen(body), &err))
        fail_msg("%s", err.text);
    expect_keys(&keys, "t0ken==", noon_us);
    s3_keys_release(&keys);
}

static void test_a_session_token_may_be_long_but_not_endless(void **state)
{
    struct error err;
    (void)state;
    for (size_t len = 12 * 1024; len <= 20 * 1024; len += 8 * 1024) {
        struct s3_keys keys = {0};
        char *token = malloc(len + 1);
        memset(token, 'x', len);
        token[len] = '\0';
        char *body = text_format(STS(KEYS "<SessionToken>%s</SessionToken>"
                                          "<Expiration>2026-03-01T12:00:00Z</Expiration>"),
                                 token);
        assert_int_equal(s3_key_answer_sts(&keys, body, strlen(body), &err), len < 16 * 1024);
        s3_keys_release(&keys);
        free(body);
        free(token);
    }
    assert_non_null(strstr(err.text, "too long"));
}

static void test_other_answers_of_sts_are_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "no XML",
        STS(KEYS) "<",
        STS(KEYS REST) "<x/>",
        "<!DOCTYPE x [<!ENTITY e \"s3cr3t\">]>" STS(KEYS REST),
        STS(KEYS),
        STS("<AccessKeyId>ASIA1</AccessKeyId>" REST),
        STS(KEYS "<SessionToken/><Expiration>2026-03-01T12:00:00Z</Expiration>"),
        STS(KEYS "<SessionToken>t</SessionToken><Expiration>soon</Expiration>"),
        STS("<AccessKeyId>A\r\nX-Evil: "
            "1</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey>" REST),
        "<Other><Result><Credentials>" KEYS REST "</Credentials></Result></Other>",
        "<a><b><c><d><e><f><g><h><i>s3cr3t</i></h></g></f></e></d></c></b></a>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct error err = {0};
        struct s3_keys keys = {0};
        if (s3_key_answer_sts(&keys, bodies[i], strlen(bodies[i]), &err))
            fail_msg("accepted: %s", bodies[i]);
        assert_int_equal(err.kind, ERROR_INVALID);
        assert_null(strstr(err.text, "s3cr3t"));
        s3_keys_release(&keys);
    }
}

static void test_the_keys_of_an_agent_are_read(void **state)
{
    static const struct {
        const char *body;
        const char *token;
        int64_t expires_us;
    } cases[] = {
        {"{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s3cr3t/+\",\"Token\":\"t\","
         "\"Expiration\":\"2026-03-01T12:00:00Z\",\"AccountId\":\"1\"}",
         "t", noon_us},
        {"{\"Code\":\"Success\",\"LastUpdated\":\"2026-03-01T06:00:00Z\",\"Type\":\"AWS-HMAC\","
         "\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s3cr3t/+\",\"Token\":\"t\","
         "\"Expiration\":\"2026-03-01T12:00:00Z\"}",
         "t", noon_us},
        {"{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s3cr3t/+\",\"Token\":\"\"}", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct s3_keys keys = {0};
        if (!s3_key_answer_json(&keys, cases[i].body, strlen(cases[i].body), &err))
            fail_msg("%s", err.text);
        expect_keys(&keys, cases[i].token, cases[i].expires_us);
        s3_keys_release(&keys);
    }
}

static void test_other_answers_of_an_agent_are_refused(void **state)
{
    static const struct {
        const char *body;
        enum error_kind kind;
    } cases[] = {
        {"", ERROR_INVALID},
        {"<html>s3cr3t</html>", ERROR_INVALID},
        {"[\"s3cr3t\"]", ERROR_INVALID},
        {"{\"AccessKeyId\":\"A\"}", ERROR_INVALID},
        {"{\"AccessKeyId\":1,\"SecretAccessKey\":\"s3cr3t\"}", ERROR_INVALID},
        {"{\"AccessKeyId\":\"A\\nB\",\"SecretAccessKey\":\"s3cr3t\"}", ERROR_INVALID},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s3cr3t\",\"Expiration\":\"s3cr3t\"}",
         ERROR_INVALID},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"s3cr3t\"}", ERROR_DENIED},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        struct s3_keys keys = {0};
        if (s3_key_answer_json(&keys, cases[i].body, strlen(cases[i].body), &err))
            fail_msg("accepted: %s", cases[i].body);
        assert_int_equal(err.kind, cases[i].kind);
        assert_null(strstr(err.text, "s3cr3t"));
        s3_keys_release(&keys);
    }
}

static void test_a_refusal_is_told_in_words_of_the_answer(void **state)
{
    static const struct {
        const char *body;
        const char *text;
    } cases[] = {
        {"<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
         "<Message>Token expired</Message></Error><RequestId>r</RequestId></ErrorResponse>",
         "ExpiredTokenException: Token expired"},
        {"<Error><Code>AccessDenied</Code></Error>", "AccessDenied"},
        {"{\"code\":\"AccessDeniedException\",\"message\":\"no \\u001b[31mway\"}",
         "AccessDeniedException: no ?[31mway"},
        {"{\"Message\":\"busy\"}", "busy"},
        {"<html><body>404</body></html>", ""},
        {"nothing", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[S3_KEY_PROBLEM_MAX];
        s3_key_answer_problem(cases[i].body, strlen(cases[i].body), text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_keys_of_sts_are_read),
        cmocka_unit_test(test_a_session_token_may_be_long_but_not_endless),
        cmocka_unit_test(test_other_answers_of_sts_are_refused),
        cmocka_unit_test(test_the_keys_of_an_agent_are_read),
        cmocka_unit_test(test_other_answers_of_an_agent_are_refused),
        cmocka_unit_test(test_a_refusal_is_told_in_words_of_the_answer),
    };
    return cmocka_run_group_tests_name("s3_key_answer", tests, NULL, NULL);
}
