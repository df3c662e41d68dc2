/* Expected signatures: the examples of the Amazon S3 API reference, "Signature Calculations for the
 * Authorization Header", and AWS's aws-sig-v4-test-suite (names as there). */
#include "base/text.h"
#include "codec/digest.h"
#include "store/s3_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PARAMS_MAX = 3, HEADERS_MAX = 6 };

struct vector {
    const char *name;
    const char *method;
    const char *path; /* not encoded */
    struct s3_param params[PARAMS_MAX];
    struct http_header headers[HEADERS_MAX];
    const char *payload;
    const char *signed_headers;
    const char *signature;
};

static const struct vector s3_vectors[] = {
    {.name = "GET Object",
     .method = "GET",
     .path = "/test.txt",
     .headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                 {"Range", "bytes=0-9"},
                 {"x-amz-content-sha256", S3_EMPTY_SHA256},
                 {"x-amz-date", "20130524T000000Z"}},
     .payload = "",
     .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
     .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {.name = "PUT Object",
     .method = "PUT",
     .path = "/test$file.text",
     .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"Host", "examplebucket.s3.amazonaws.com"},
                 {"x-amz-date", "20130524T000000Z"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                 {"x-amz-content-sha256",
                  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
     .payload = "Welcome to Amazon S3.",
     .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {.name = "GET Bucket Lifecycle",
     .method = "GET",
     .path = "/",
     .params = {{"lifecycle", ""}},
     .headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                 {"x-amz-content-sha256", S3_EMPTY_SHA256},
                 {"x-amz-date", "20130524T000000Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {.name = "GET Bucket (List Objects)",
     .method = "GET",
     .path = "/",
     .params = {{"prefix", "J"}, {"max-keys", "2"}},
     .headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                 {"x-amz-content-sha256", S3_EMPTY_SHA256},
                 {"x-amz-date", "20130524T000000Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static const struct vector suite_vectors[] = {
    {.name = "get-vanilla",
     .method = "GET",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {.name = "post-vanilla",
     .method = "POST",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-date",
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {.name = "get-vanilla-query-order-key-case",
     .method = "GET",
     .path = "/",
     .params = {{"Param2", "value2"}, {"Param1", "value1"}},
     .headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-date",
     .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {.name = "get-unreserved",
     .method = "GET",
     .path = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     .headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;x-amz-date",
     .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {.name = "post-header-value-case",
     .method = "POST",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"},
                 {"My-Header1", "VALUE1"},
                 {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {.name = "get-header-value-trim",
     .method = "GET",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"},
                 {"My-Header1", " value1"},
                 {"My-Header2", " \"a   b   c\""},
                 {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;my-header1;my-header2;x-amz-date",
     .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {.name = "get-header-key-duplicate",
     .method = "GET",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"},
                 {"My-Header1", "value2"},
                 {"My-Header1", "value2"},
                 {"My-Header1", "value1"},
                 {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "",
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {.name = "post-x-www-form-urlencoded",
     .method = "POST",
     .path = "/",
     .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                 {"Host", "example.amazonaws.com"},
                 {"X-Amz-Date", "20150830T123600Z"}},
     .payload = "Param1=value1",
     .signed_headers = "content-type;host;x-amz-date",
     .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {.name = "post-sts-header-before",
     .method = "POST",
     .path = "/",
     .headers = {{"Host", "example.amazonaws.com"},
                 {"X-Amz-Date", "20150830T123600Z"},
                 {"X-Amz-Security-Token",
                  "AQoDYXdzEPT//////////"
                  "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxf"
                  "pSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
                  "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8"
                  "Tx6q6fE8Y"
                  "QcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
                  "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4"
                  "rvx3iSIlTJabIQwj2ICCR/oLxBA=="}},
     .payload = "",
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

struct signer {
    char access_key[32];
    char secret_key[64];
    const char *service;
    const char *scope;
    int64_t time_us;
};

static void sign_vector(struct signer *signer, const struct vector *vector, char *out,
                        size_t out_size)
{
    struct error err;
    struct buf path;
    struct buf query;
    struct buf authorization;
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    size_t params = 0;
    size_t headers = 0;
    struct secret secret = {.text = signer->secret_key, .len = strlen(signer->secret_key)};
    while (params < PARAMS_MAX && vector->params[params].name != NULL)
        params++;
    while (headers < HEADERS_MAX && vector->headers[headers].name != NULL)
        headers++;
    buf_init(&path, 4096);
    buf_init(&query, 4096);
    buf_init(&authorization, 4096);
    s3_put_encoded(&path, vector->path, true);
    s3_put_query(&query, vector->params, params);
    digest_sha256(vector->payload, strlen(vector->payload), hash);
    text_hex(hash, sizeof hash, hex);
    struct s3_signing signing = {.method = vector->method,
                                 .path = buf_text(&path),
                                 .query = buf_text(&query),
                                 .headers = vector->headers,
                                 .header_count = headers,
                                 .payload_hash = hex,
                                 .region = "us-east-1",
                                 .service = signer->service,
                                 .time_us = signer->time_us,
                                 .access_key = signer->access_key,
                                 .secret_key = &secret};
    assert_true(s3_sign(&signing, &authorization, &err));
    (void)snprintf(out, out_size, "%s", buf_text(&authorization));
    buf_release(&path);
    buf_release(&query);
    buf_release(&authorization);
}

static void check_vectors(struct signer *signer, const struct vector *vectors, size_t count)
{
    char expected[1024];
    char got[1024];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(expected, sizeof expected,
                       "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                       signer->access_key, signer->scope, vectors[i].signed_headers,
                       vectors[i].signature);
        sign_vector(signer, &vectors[i], got, sizeof got);
        if (strcmp(got, expected) != 0)
            print_error("%s\n", vectors[i].name);
        assert_string_equal(got, expected);
    }
}

static void test_signs_the_examples_of_the_s3_reference(void **state)
{
    struct signer signer = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                            .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                            .service = "s3",
                            .scope = "20130524/us-east-1/s3/aws4_request"};
    (void)state;
    assert_true(text_to_time_us("2013-05-24T00:00:00Z", &signer.time_us));
    check_vectors(&signer, s3_vectors, ARRAY_LEN(s3_vectors));
}

static void test_signs_the_vectors_of_the_test_suite(void **state)
{
    struct signer signer = {.access_key = "AKIDEXAMPLE",
                            .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                            .service = "service",
                            .scope = "20150830/us-east-1/service/aws4_request"};
    (void)state;
    assert_true(text_to_time_us("2015-08-30T12:36:00Z", &signer.time_us));
    check_vectors(&signer, suite_vectors, ARRAY_LEN(suite_vectors));
}

static void test_encodes_every_byte_but_the_unreserved(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 256);
    s3_put_encoded(&out, "a/b c+\xc3\xa9~", true);
    assert_string_equal(buf_text(&out), "a/b%20c%2B%C3%A9~");
    buf_clear(&out);
    s3_put_encoded(&out, "a/=", false);
    assert_string_equal(buf_text(&out), "a%2F%3D");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs_the_examples_of_the_s3_reference),
        cmocka_unit_test(test_signs_the_vectors_of_the_test_suite),
        cmocka_unit_test(test_encodes_every_byte_but_the_unreserved),
    };
    return cmocka_run_group_tests_name("s3_sign", tests, NULL, NULL);
}
