/*
 * What key slots are made with: keys from passphrases (Argon2id, RFC 9106) and signatures
 * (Ed25519, RFC 8032).
 */
#ifndef CODEC_KEY_WRAP_H
#define CODEC_KEY_WRAP_H

#include "codec/seal.h"

enum { KEY_SALT_BYTES = 16, KEY_SIGNATURE_BYTES = 64 };

/* What a guess at the passphrase costs. */
struct key_cost {
    uint64_t passes;
    uint64_t memory_bytes;
};

void key_cost_default(struct key_cost *out);
/* Within what a reader is ready to spend: 1 to 16 passes, 8 MiB to 1 GiB. */
bool key_cost_is_sane(const struct key_cost *cost);

/* Argon2id version 1.3 with one lane. ERROR_UNSUPPORTED for a cost that is not sane. */
MUST_CHECK bool key_from_passphrase(const char *passphrase, size_t len,
                                    const uint8_t salt[KEY_SALT_BYTES], const struct key_cost *cost,
                                    uint8_t out[SEAL_KEY_BYTES], struct error *err);

/* A seed of 32 random bytes is the private key. */
void key_sign_public(const uint8_t seed[SEAL_KEY_BYTES], uint8_t out[SEAL_KEY_BYTES]);
void key_sign(const uint8_t seed[SEAL_KEY_BYTES], const void *bytes, size_t len,
              uint8_t out[KEY_SIGNATURE_BYTES]);
MUST_CHECK bool key_verify(const uint8_t public_key[SEAL_KEY_BYTES], const void *bytes, size_t len,
                           const uint8_t signature[KEY_SIGNATURE_BYTES]);

#endif
