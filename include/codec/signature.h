/*
 * Ed25519 signatures (RFC 8032) with keys in PEM (PKCS #8 and SubjectPublicKeyInfo, RFC 8410), as
 * `openssl genpkey -algorithm ed25519` makes them. A key's id is the first 8 bytes of the SHA-256
 * of its raw public key, in hex.
 */
#ifndef CODEC_SIGNATURE_H
#define CODEC_SIGNATURE_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_BYTES = 64, SIGNATURE_KEY_ID_SIZE = 17, SIGNATURE_MAX_KEYS = 64 };

struct signing_key;

/* A new key. Gives *out. */
MUST_CHECK bool signing_key_create(struct signing_key **out, struct error *err);
/* From the PEM of a private key without a passphrase; `what` (the file) is for messages.
 * ERROR_INVALID. Gives *out. */
MUST_CHECK bool signing_key_parse(const char *pem, const char *what, struct signing_key **out,
                                  struct error *err);
/* Appends the PEM texts; the caller wipes the private one. */
MUST_CHECK bool signing_key_print(const struct signing_key *key, struct buf *private_pem,
                                  struct buf *public_pem, struct error *err);
const char *signing_key_id(const struct signing_key *key);
void signing_key_free(struct signing_key *key); /* NULL is allowed */
void signing_key_cleanup(struct signing_key **key);

MUST_CHECK bool signature_sign(const struct signing_key *key, const void *bytes, size_t len,
                               uint8_t out[SIGNATURE_BYTES], struct error *err);

struct trusted_keys;

/* All public keys of a PEM text, at most SIGNATURE_MAX_KEYS; text between them is skipped.
 * ERROR_INVALID for none at all and for keys of another algorithm. Gives *out. */
MUST_CHECK bool trusted_keys_parse(const char *pem, const char *what, struct trusted_keys **out,
                                   struct error *err);
void trusted_keys_free(struct trusted_keys *keys); /* NULL is allowed */
void trusted_keys_cleanup(struct trusted_keys **keys);

/* ERROR_REFUSED unless one of the keys signed exactly these bytes. *out_id is borrowed from keys.
 */
MUST_CHECK bool signature_check(const struct trusted_keys *keys, const void *bytes, size_t len,
                                const uint8_t signature[SIGNATURE_BYTES], const char **out_id,
                                struct error *err);

#endif
