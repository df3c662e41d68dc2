/* Known answers of the published vectors, and that nothing but the right key and place opens. */
#include "codec/key_wrap.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 512 };

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;
    assert_true(text_from_hex(hex, out, len));
    return len;
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
static void test_aead_gives_the_answer_of_the_draft(void **state)
{
    static const char plain[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        "future, sunscreen would be it.";
    static const char expected_hex[] =
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4e"
        "da7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2"
        "3"
        "83565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t aad[BYTES_MAX];
    uint8_t expected[BYTES_MAX];
    uint8_t sealed[BYTES_MAX];
    uint8_t opened[BYTES_MAX];
    size_t len = sizeof plain - 1;
    (void)state;
    (void)from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key);
    (void)from_hex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce);
    struct seal_context context = {.bytes = aad, .len = from_hex("50515253c0c1c2c3c4c5c6c7", aad)};
    assert_int_equal(from_hex(expected_hex, expected), len + 16);
    seal_encrypt_with(key, nonce, &context, plain, len, sealed);
    assert_memory_equal(sealed, nonce, sizeof nonce);
    assert_memory_equal(sealed + SEAL_NONCE_BYTES, expected, len + 16);
    assert_true(seal_decrypt(key, &context, sealed, len + SEAL_OVERHEAD, opened));
    assert_memory_equal(opened, plain, len);
}

static void test_aead_opens_nothing_that_was_changed(void **state)
{
    uint8_t key[SEAL_KEY_BYTES] = {1};
    uint8_t place[4] = {7, 7, 7, 7};
    uint8_t sealed[16 + SEAL_OVERHEAD];
    uint8_t opened[16];
    struct seal_context context = {.bytes = place, .len = sizeof place};
    (void)state;
    seal_encrypt(key, &context, "sixteen bytes...", 16, sealed);
    assert_true(seal_decrypt(key, &context, sealed, sizeof sealed, opened));
    for (size_t i = 0; i < 8 * sizeof sealed; i++) {
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(seal_decrypt(key, &context, sealed, sizeof sealed, opened));
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t len = 0; len < sizeof sealed; len++)
        assert_false(seal_decrypt(key, &context, sealed, len, opened));
    place[3] ^= 1;
    assert_false(seal_decrypt(key, &context, sealed, sizeof sealed, opened));
    place[3] ^= 1;
    key[31] ^= 1;
    assert_false(seal_decrypt(key, &context, sealed, sizeof sealed, opened));
}

/* As the pack writer does: of each length around the blocks that the cipher works in. */
static void test_aead_seals_where_the_bytes_lie(void **state)
{
    enum { LEN_MAX = 1100 };
    uint8_t key[SEAL_KEY_BYTES] = {1};
    uint8_t plain[LEN_MAX];
    uint8_t sealed[LEN_MAX + SEAL_OVERHEAD];
    uint8_t opened[LEN_MAX];
    struct seal_context context = {.bytes = key, .len = 5};
    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t len = 0; len <= LEN_MAX; len++) {
        memcpy(sealed + SEAL_NONCE_BYTES, plain, len);
        seal_encrypt(key, &context, sealed + SEAL_NONCE_BYTES, len, sealed);
        assert_true(seal_decrypt(key, &context, sealed, len + SEAL_OVERHEAD, opened));
        assert_memory_equal(opened, plain, len);
    }
}

static void test_nonces_differ_every_time(void **state)
{
    uint8_t key[SEAL_KEY_BYTES] = {1};
    uint8_t one[SEAL_OVERHEAD];
    uint8_t two[SEAL_OVERHEAD];
    struct seal_context context = {0};
    (void)state;
    seal_encrypt(key, &context, "", 0, one);
    seal_encrypt(key, &context, "", 0, two);
    assert_memory_not_equal(one, two, SEAL_NONCE_BYTES);
}

/* RFC 7748, 6.1: Bob's keys. */
static void test_public_keys_are_those_of_rfc_7748(void **state)
{
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t expected[SEAL_KEY_BYTES];
    uint8_t got[SEAL_KEY_BYTES];
    (void)state;
    (void)from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret);
    (void)from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", expected);
    seal_public_of(secret, got);
    assert_memory_equal(got, expected, sizeof got);
}

static void test_boxes_open_with_the_secret_key_only(void **state)
{
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t other[SEAL_KEY_BYTES];
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t box[32 + SEAL_BOX_OVERHEAD];
    uint8_t opened[32];
    uint8_t content[32] = "a content key";
    (void)state;
    seal_random(secret, sizeof secret);
    seal_random(other, sizeof other);
    seal_public_of(secret, public_key);
    assert_true(seal_box(public_key, content, sizeof content, box));
    assert_true(seal_box_open(secret, box, sizeof box, opened));
    assert_memory_equal(opened, content, sizeof content);
    assert_false(seal_box_open(other, box, sizeof box, opened));
    assert_false(seal_box_open(public_key, box, sizeof box, opened));
    for (size_t i = 0; i < sizeof box; i++) {
        box[i] ^= 0x10;
        assert_false(seal_box_open(secret, box, sizeof box, opened));
        box[i] ^= 0x10;
    }
    assert_false(seal_box_open(secret, box, SEAL_BOX_OVERHEAD - 1, opened));
}

/* The answers are those of Python's hashlib, which has the code of the BLAKE2 authors. */
static void test_digests_are_keyed_blake2b(void **state)
{
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t expected[SEAL_DIGEST_BYTES];
    uint8_t got[SEAL_DIGEST_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    (void)from_hex("d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f", expected);
    seal_digest(key, "abc", 3, got);
    assert_memory_equal(got, expected, sizeof got);
    (void)from_hex("bc16ec935943f6d105137d97228e7011078f95a3c38db2a5f5405142000aa882", expected);
    seal_derive(key, 1, got);
    assert_memory_equal(got, expected, sizeof got);
}

/* The answer of the reference implementation: echo -n password | argon2 somesaltsomesalt -id -t 2
 * -k 8192 -p 1 -l 32 -r */
static void test_passphrases_give_the_key_of_argon2id(void **state)
{
    struct error err;
    uint8_t got[SEAL_KEY_BYTES];
    uint8_t expected[SEAL_KEY_BYTES];
    struct key_cost cost = {.passes = 2, .memory_bytes = 8 << 20};
    (void)state;
    (void)from_hex("fd7e44552d83db6b9c2bc9dbd6d88fe0facd11df4654ac21fe8013fd7a05ebc3", expected);
    assert_true(
        key_from_passphrase("password", 8, (const uint8_t *)"somesaltsomesalt", &cost, got, &err));
    assert_memory_equal(got, expected, sizeof got);
}

static void test_costs_that_would_take_the_machine_down_are_refused(void **state)
{
    static const struct key_cost bad[] = {{0, 64 << 20},
                                          {17, 64 << 20},
                                          {3, 1 << 20},
                                          {3, UINT64_C(1) << 40},
                                          {UINT64_MAX, UINT64_MAX}};
    struct error err;
    uint8_t got[SEAL_KEY_BYTES];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(key_from_passphrase("x", 1, got, &bad[i], got, &err));
        assert_int_equal(err.kind, ERROR_UNSUPPORTED);
    }
}

/* RFC 8032, 7.1, test 2 */
static void test_signatures_are_those_of_rfc_8032(void **state)
{
    uint8_t seed[SEAL_KEY_BYTES];
    uint8_t expected[KEY_SIGNATURE_BYTES];
    uint8_t got[KEY_SIGNATURE_BYTES];
    uint8_t public_key[SEAL_KEY_BYTES];
    (void)state;
    (void)from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
    (void)from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", expected);
    key_sign_public(seed, public_key);
    assert_memory_equal(public_key, expected, SEAL_KEY_BYTES);
    (void)from_hex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e4"
        "58f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        expected);
    key_sign(seed, "\x72", 1, got);
    assert_memory_equal(got, expected, sizeof got);
    assert_true(key_verify(public_key, "\x72", 1, got));
    assert_false(key_verify(public_key, "\x73", 1, got));
    got[0] ^= 1;
    assert_false(key_verify(public_key, "\x72", 1, got));
}

int main(void)
{
    struct error err;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aead_gives_the_answer_of_the_draft),
        cmocka_unit_test(test_aead_opens_nothing_that_was_changed),
        cmocka_unit_test(test_aead_seals_where_the_bytes_lie),
        cmocka_unit_test(test_nonces_differ_every_time),
        cmocka_unit_test(test_public_keys_are_those_of_rfc_7748),
        cmocka_unit_test(test_boxes_open_with_the_secret_key_only),
        cmocka_unit_test(test_digests_are_keyed_blake2b),
        cmocka_unit_test(test_passphrases_give_the_key_of_argon2id),
        cmocka_unit_test(test_costs_that_would_take_the_machine_down_are_refused),
        cmocka_unit_test(test_signatures_are_those_of_rfc_8032),
    };
    if (!seal_start(&err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
