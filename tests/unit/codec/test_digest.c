#include "base/text.h"
#include "codec/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect_hex(const uint8_t hash[SHA256_BYTES], const char *expected)
{
    char hex[SHA256_HEX_SIZE];
    text_hex(hash, SHA256_BYTES, hex);
    assert_string_equal(hex, expected);
}

/* FIPS 180-4 examples */
static void test_sha256_gives_the_published_hashes(void **state)
{
    uint8_t hash[SHA256_BYTES];
    (void)state;
    digest_sha256("abc", 3, hash);
    expect_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256("", 0, hash);
    expect_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_incremental_sha256_equals_one_shot_and_starts_anew(void **state)
{
    struct error err;
    struct sha256 *sha;
    uint8_t hash[SHA256_BYTES];
    (void)state;
    assert_true(sha256_new(&sha, &err));
    for (int round = 0; round < 2; round++) {
        sha256_update(sha, "a", 1);
        sha256_update(sha, "bc", 2);
        sha256_final(sha, hash);
        expect_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    sha256_free(sha);
    sha256_free(NULL);
}

/* RFC 4231, test case 2 */
static void test_hmac_gives_the_published_value(void **state)
{
    uint8_t hash[SHA256_BYTES];
    (void)state;
    digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, hash);
    expect_hex(hash, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_xxh3_tells_inputs_apart(void **state)
{
    (void)state;
    assert_int_equal(digest_xxh3("", 0), UINT64_C(0x2d06800538d394c2));
    assert_true(digest_xxh3("a", 1) != digest_xxh3("b", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_gives_the_published_hashes),
        cmocka_unit_test(test_incremental_sha256_equals_one_shot_and_starts_anew),
        cmocka_unit_test(test_hmac_gives_the_published_value),
        cmocka_unit_test(test_xxh3_tells_inputs_apart),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
