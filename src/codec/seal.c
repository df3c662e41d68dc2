#include "codec/seal.h"

#include <sodium.h>

static const char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "mainstay";

bool seal_start(struct error *err)
{
    return sodium_init() >= 0 ||
           error_set(err, ERROR_UNSUPPORTED, "could not set up the cryptography library");
}

void seal_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void seal_encrypt_with(const uint8_t key[SEAL_KEY_BYTES], const uint8_t nonce[SEAL_NONCE_BYTES],
                       const struct seal_context *context, const void *plain, size_t len,
                       uint8_t *out)
{
    for (size_t i = 0; i < SEAL_NONCE_BYTES; i++)
        out[i] = nonce[i];
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_NONCE_BYTES, NULL, plain, len,
                                                     context->bytes, context->len, NULL, out, key);
}

void seal_encrypt(const uint8_t key[SEAL_KEY_BYTES], const struct seal_context *context,
                  const void *plain, size_t len, uint8_t *out)
{
    uint8_t nonce[SEAL_NONCE_BYTES];
    randombytes_buf(nonce, sizeof nonce);
    seal_encrypt_with(key, nonce, context, plain, len, out);
}

bool seal_decrypt(const uint8_t key[SEAL_KEY_BYTES], const struct seal_context *context,
                  const void *sealed, size_t len, uint8_t *out)
{
    const uint8_t *nonce = sealed;
    return len >= SEAL_OVERHEAD &&
           crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, nonce + SEAL_NONCE_BYTES,
                                                      len - SEAL_NONCE_BYTES, context->bytes,
                                                      context->len, nonce, key) == 0;
}

void seal_derive(const uint8_t key[SEAL_KEY_BYTES], uint64_t purpose, uint8_t out[SEAL_KEY_BYTES])
{
    (void)crypto_kdf_derive_from_key(out, SEAL_KEY_BYTES, purpose, kdf_context, key);
}

void seal_digest(const uint8_t key[SEAL_KEY_BYTES], const void *bytes, size_t len,
                 uint8_t out[SEAL_DIGEST_BYTES])
{
    (void)crypto_generichash(out, SEAL_DIGEST_BYTES, bytes, len, key, SEAL_KEY_BYTES);
}

void seal_public_of(const uint8_t secret[SEAL_KEY_BYTES], uint8_t out[SEAL_KEY_BYTES])
{
    (void)crypto_scalarmult_base(out, secret);
}

bool seal_box(const uint8_t public_key[SEAL_KEY_BYTES], const void *plain, size_t len, uint8_t *out)
{
    return crypto_box_seal(out, plain, len, public_key) == 0;
}

bool seal_box_open(const uint8_t secret[SEAL_KEY_BYTES], const void *box, size_t len, uint8_t *out)
{
    uint8_t public_key[SEAL_KEY_BYTES];
    seal_public_of(secret, public_key);
    return len >= SEAL_BOX_OVERHEAD && crypto_box_seal_open(out, box, len, public_key, secret) == 0;
}

bool seal_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}
