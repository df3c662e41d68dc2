/*
 * Hashes: SHA-256 (object names, signatures), CRC-32C (PostgreSQL's files and WAL), XXH3-64 (page
 * hashes), HMAC-SHA-256 (Signature V4).
 */
#ifndef CODEC_DIGEST_H
#define CODEC_DIGEST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_SIZE = 65 };

void digest_sha256(const void *bytes, size_t len, uint8_t out[SHA256_BYTES]);
void digest_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                        uint8_t out[SHA256_BYTES]);

/* Incremental SHA-256. */
struct sha256;
MUST_CHECK bool sha256_new(struct sha256 **out, struct error *err);
void sha256_update(struct sha256 *state, const void *bytes, size_t len);
/* Gives the hash and starts anew. */
void sha256_final(struct sha256 *state, uint8_t out[SHA256_BYTES]);
void sha256_free(struct sha256 *state);

uint64_t digest_xxh3(const void *bytes, size_t len);

#endif
