#include "base/cleanup.h"
#include "base/macros.h"
#include "base/text.h"
#include "codec/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 8032, section 7.1, TEST 2: the key in PKCS #8, the message 72, the signature. */
static const char rfc_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";
static const char rfc_signature[] =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

/* A public key of another kind (P-256). */
static const char ec_public[] = "-----BEGIN PUBLIC KEY-----\n"
                                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/N+5dAdETLWx00Fjex3oRD70cv0g\n"
                                "3ANIFSZ8UpSFFh4qordW2ndkx1v0YSuivAABW+j7hbkhYB8r3U/MOdE4hA==\n"
                                "-----END PUBLIC KEY-----\n";

static struct signing_key *new_key(struct buf *public_pem)
{
    struct error err;
    struct signing_key *key = NULL;
    CLEANUP(buf_release) struct buf private_pem;
    buf_init(&private_pem, 4096);
    buf_init(public_pem, 4096);
    if (!signing_key_create(&key, &err) || !signing_key_print(key, &private_pem, public_pem, &err))
        fail_msg("%s", err.text);
    return key;
}

static void test_the_signature_is_that_of_the_standard(void **state)
{
    struct error err;
    uint8_t signature[SIGNATURE_BYTES];
    char hex[2 * SIGNATURE_BYTES + 1];
    CLEANUP(signing_key_cleanup) struct signing_key *key = NULL;
    (void)state;
    if (!signing_key_parse(rfc_private, "the RFC", &key, &err))
        fail_msg("%s", err.text);
    assert_true(signature_sign(key, "\x72", 1, signature, &err));
    text_hex(signature, sizeof signature, hex);
    assert_string_equal(hex, rfc_signature);
}

static void test_a_key_survives_its_file(void **state)
{
    struct error err;
    CLEANUP(buf_release) struct buf private_pem;
    CLEANUP(buf_release) struct buf public_pem;
    CLEANUP(signing_key_cleanup) struct signing_key *key = NULL;
    CLEANUP(signing_key_cleanup) struct signing_key *again = NULL;
    (void)state;
    buf_init(&private_pem, 4096);
    buf_init(&public_pem, 4096);
    assert_true(signing_key_create(&key, &err));
    assert_true(signing_key_print(key, &private_pem, &public_pem, &err));
    assert_true(signing_key_parse(buf_text(&private_pem), "k", &again, &err));
    assert_string_equal(signing_key_id(key), signing_key_id(again));
    assert_int_equal(strlen(signing_key_id(key)), SIGNATURE_KEY_ID_SIZE - 1);
    assert_null(strstr(buf_text(&public_pem), "PRIVATE"));
}

static void test_only_what_a_trusted_key_signed_is_good(void **state)
{
    struct error err;
    const char *id;
    uint8_t signature[SIGNATURE_BYTES];
    struct buf first_pem;
    struct buf second_pem;
    CLEANUP(signing_key_cleanup) struct signing_key *first = new_key(&first_pem);
    CLEANUP(signing_key_cleanup) struct signing_key *second = new_key(&second_pem);
    CLEANUP(trusted_keys_cleanup) struct trusted_keys *both = NULL;
    CLEANUP(trusted_keys_cleanup) struct trusted_keys *one = NULL;
    CLEANUP(free_pointer)
    char *pem = text_format("the team\n%s\nthe other team\n%s", buf_text(&first_pem),
                            buf_text(&second_pem));
    (void)state;
    assert_true(trusted_keys_parse(pem, "both", &both, &err));
    assert_true(trusted_keys_parse(buf_text(&first_pem), "one", &one, &err));
    assert_true(signature_sign(second, "abc", 3, signature, &err));
    assert_true(signature_check(both, "abc", 3, signature, &id, &err));
    assert_string_equal(id, signing_key_id(second));
    assert_false(signature_check(one, "abc", 3, signature, &id, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(signature_check(both, "abd", 3, signature, &id, &err));
    assert_false(signature_check(both, "ab", 2, signature, &id, &err));
    signature[0] ^= 1;
    assert_false(signature_check(both, "abc", 3, signature, &id, &err));
    buf_release(&first_pem);
    buf_release(&second_pem);
}

static void test_what_is_no_key_is_refused(void **state)
{
    struct buf public_pem;
    CLEANUP(signing_key_cleanup) struct signing_key *good = new_key(&public_pem);
    CLEANUP(free_pointer) char *mixed = text_format("%s%s", buf_text(&public_pem), ec_public);
    CLEANUP(free_pointer) char *secret = text_format("%s%s", buf_text(&public_pem), rfc_private);
    CLEANUP(free_pointer)
    char *broken = text_format("%s-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                               buf_text(&public_pem));
    const char *const bad_public[] = {"", "nothing", ec_public, rfc_private, mixed, secret, broken};
    const char *const bad_private[] = {
        "", "nothing", buf_text(&public_pem),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_public); i++) {
        struct error err;
        struct trusted_keys *keys = NULL;
        if (trusted_keys_parse(bad_public[i], "f", &keys, &err))
            fail_msg("public %zu was accepted", i);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_private); i++) {
        struct error err;
        struct signing_key *key = NULL;
        if (signing_key_parse(bad_private[i], "f", &key, &err))
            fail_msg("private %zu was accepted", i);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    buf_release(&public_pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_signature_is_that_of_the_standard),
        cmocka_unit_test(test_a_key_survives_its_file),
        cmocka_unit_test(test_only_what_a_trusted_key_signed_is_good),
        cmocka_unit_test(test_what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
