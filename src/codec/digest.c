#include "codec/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <xxhash.h>

/* SHA-256 and HMAC fail only when libcrypto cannot allocate its context or has no SHA-256 at all:
 * nothing here can go on without them, so that is an assertion and not an error. */
static void must(int result)
{
    assert(result == 1);
    if (result != 1)
        abort();
}

void digest_sha256(const void *bytes, size_t len, uint8_t out[SHA256_BYTES])
{
    must(EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL));
}

void digest_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                        uint8_t out[SHA256_BYTES])
{
    unsigned int out_len = SHA256_BYTES;
    must(HMAC(EVP_sha256(), key, (int)key_len, bytes, len, out, &out_len) != NULL);
}

struct sha256 {
    EVP_MD_CTX *context;
};

bool sha256_new(struct sha256 **out, struct error *err)
{
    struct sha256 *state = calloc(1, sizeof *state);
    if (state != NULL)
        state->context = EVP_MD_CTX_new();
    if (state == NULL || state->context == NULL ||
        EVP_DigestInit_ex(state->context, EVP_sha256(), NULL) != 1) {
        sha256_free(state);
        return error_no_memory(err, "a SHA-256 state");
    }
    *out = state;
    return true;
}

void sha256_update(struct sha256 *state, const void *bytes, size_t len)
{
    must(EVP_DigestUpdate(state->context, bytes, len));
}

void sha256_final(struct sha256 *state, uint8_t out[SHA256_BYTES])
{
    must(EVP_DigestFinal_ex(state->context, out, NULL));
    must(EVP_DigestInit_ex(state->context, EVP_sha256(), NULL));
}

void sha256_free(struct sha256 *state)
{
    if (state == NULL)
        return;
    EVP_MD_CTX_free(state->context);
    free(state);
}

uint64_t digest_xxh3(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}
