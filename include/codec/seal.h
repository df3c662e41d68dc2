/*
 * Sealing: authenticated encryption for what goes into a store that others can read and write.
 * libsodium underneath (https://doc.libsodium.org); nothing here invents cryptography.
 *
 *   seal_encrypt   XChaCha20-Poly1305-IETF (draft-irtf-cfrg-xchacha-03), a random nonce of 24 bytes
 *                  in front: sealed = nonce (24) | ciphertext | tag (16)
 *   seal_box       to a public key: X25519 and XSalsa20-Poly1305, libsodium's "sealed box"; who has
 *                  only the public key can close one and open none
 *   seal_derive    one key for each purpose from a key (BLAKE2b, crypto_kdf)
 *   seal_digest    keyed BLAKE2b-256: says that bytes are the same without saying which
 *
 * The context (additional data) is not stored: a piece opens only where it was sealed for.
 */
#ifndef CODEC_SEAL_H
#define CODEC_SEAL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_NONCE_BYTES = 24,
    SEAL_TAG_BYTES = 16,
    SEAL_OVERHEAD = SEAL_NONCE_BYTES + SEAL_TAG_BYTES,
    SEAL_BOX_OVERHEAD = 48,
    SEAL_DIGEST_BYTES = 32,
};

struct seal_context {
    const void *bytes;
    size_t len;
};

/* Once before anything else here; again does no harm. */
MUST_CHECK bool seal_start(struct error *err);

void seal_random(void *out, size_t len);

/* out has room for len + SEAL_OVERHEAD bytes and does not overlap plain, or plain is where its
 * ciphertext goes: at out + SEAL_NONCE_BYTES. */
void seal_encrypt(const uint8_t key[SEAL_KEY_BYTES], const struct seal_context *context,
                  const void *plain, size_t len, uint8_t *out);
/* The same with a nonce that is given: for known answers. */
void seal_encrypt_with(const uint8_t key[SEAL_KEY_BYTES], const uint8_t nonce[SEAL_NONCE_BYTES],
                       const struct seal_context *context, const void *plain, size_t len,
                       uint8_t *out);
/* out has room for len - SEAL_OVERHEAD bytes. False: not what was sealed with this key for this
 * context; out then holds nothing of use. */
MUST_CHECK bool seal_decrypt(const uint8_t key[SEAL_KEY_BYTES], const struct seal_context *context,
                             const void *sealed, size_t len, uint8_t *out);

void seal_derive(const uint8_t key[SEAL_KEY_BYTES], uint64_t purpose, uint8_t out[SEAL_KEY_BYTES]);
void seal_digest(const uint8_t key[SEAL_KEY_BYTES], const void *bytes, size_t len,
                 uint8_t out[SEAL_DIGEST_BYTES]);

/* X25519. A secret is 32 random bytes. */
void seal_public_of(const uint8_t secret[SEAL_KEY_BYTES], uint8_t out[SEAL_KEY_BYTES]);
/* out has room for len + SEAL_BOX_OVERHEAD bytes. False: not a public key. */
MUST_CHECK bool seal_box(const uint8_t public_key[SEAL_KEY_BYTES], const void *plain, size_t len,
                         uint8_t *out);
MUST_CHECK bool seal_box_open(const uint8_t secret[SEAL_KEY_BYTES], const void *box, size_t len,
                              uint8_t *out);

/* In time that does not depend on the bytes. */
MUST_CHECK bool seal_equal(const void *a, const void *b, size_t len);

#endif
