#include "codec/key_wrap.h"

#include <sodium.h>

enum { PASSES_MAX = 16, MEMORY_MIN = 8 << 20, MEMORY_MAX = 1 << 30 };

void key_cost_default(struct key_cost *out)
{
    *out = (struct key_cost){.passes = 3, .memory_bytes = 64 << 20};
}

bool key_cost_is_sane(const struct key_cost *cost)
{
    return cost->passes >= 1 && cost->passes <= PASSES_MAX && cost->memory_bytes >= MEMORY_MIN &&
           cost->memory_bytes <= MEMORY_MAX;
}

bool key_from_passphrase(const char *passphrase, size_t len, const uint8_t salt[KEY_SALT_BYTES],
                         const struct key_cost *cost, uint8_t out[SEAL_KEY_BYTES],
                         struct error *err)
{
    if (!key_cost_is_sane(cost))
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot try a passphrase at the cost of %llu passes over %llu bytes",
                         (unsigned long long)cost->passes, (unsigned long long)cost->memory_bytes);
    if (crypto_pwhash(out, SEAL_KEY_BYTES, passphrase, len, salt, cost->passes,
                      (size_t)cost->memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return error_no_memory(err, "making a key from a passphrase");
    return true;
}

void key_sign_public(const uint8_t seed[SEAL_KEY_BYTES], uint8_t out[SEAL_KEY_BYTES])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(out, secret, seed);
    sodium_memzero(secret, sizeof secret);
}

void key_sign(const uint8_t seed[SEAL_KEY_BYTES], const void *bytes, size_t len,
              uint8_t out[KEY_SIGNATURE_BYTES])
{
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(public_key, secret, seed);
    (void)crypto_sign_detached(out, NULL, bytes, len, secret);
    sodium_memzero(secret, sizeof secret);
}

bool key_verify(const uint8_t public_key[SEAL_KEY_BYTES], const void *bytes, size_t len,
                const uint8_t signature[KEY_SIGNATURE_BYTES])
{
    return crypto_sign_verify_detached(signature, bytes, len, public_key) == 0;
}
