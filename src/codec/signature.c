#include "codec/signature.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { RAW_KEY_BYTES = 32, KEY_ID_BYTES = (SIGNATURE_KEY_ID_SIZE - 1) / 2 };

struct signing_key {
    EVP_PKEY *key;
    char id[SIGNATURE_KEY_ID_SIZE];
};

struct trusted_keys {
    size_t count;
    EVP_PKEY *keys[SIGNATURE_MAX_KEYS];
    char ids[SIGNATURE_MAX_KEYS][SIGNATURE_KEY_ID_SIZE];
};

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

static void free_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

/* Without it libcrypto would ask for a passphrase on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* False when the key is none of Ed25519. */
static bool key_id(EVP_PKEY *key, char out[SIGNATURE_KEY_ID_SIZE])
{
    uint8_t raw[RAW_KEY_BYTES];
    uint8_t digest[SHA256_BYTES];
    size_t len = sizeof raw;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, raw, &len) != 1 || len != sizeof raw)
        return false;
    digest_sha256(raw, sizeof raw, digest);
    text_hex(digest, KEY_ID_BYTES, out);
    return true;
}

/* ---- signing ---- */

void signing_key_free(struct signing_key *key)
{
    if (key != NULL)
        EVP_PKEY_free(key->key);
    free(key);
}

void signing_key_cleanup(struct signing_key **key)
{
    signing_key_free(*key);
    *key = NULL;
}

const char *signing_key_id(const struct signing_key *key)
{
    return key->id;
}

/* Takes pkey, also on failure. */
static bool new_key(EVP_PKEY *pkey, const char *what, struct signing_key **out, struct error *err)
{
    CLEANUP(signing_key_cleanup) struct signing_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return error_no_memory(err, "a key");
    }
    key->key = pkey;
    if (!key_id(pkey, key->id))
        return error_set(err, ERROR_INVALID, "the key in %s is not one of Ed25519", what);
    *out = TAKE(key);
    return true;
}

bool signing_key_create(struct signing_key **out, struct error *err)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pkey == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "libcrypto cannot make a key of Ed25519");
    return new_key(pkey, "libcrypto", out, err);
}

bool signing_key_parse(const char *pem, const char *what, struct signing_key **out,
                       struct error *err)
{
    CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (pkey != NULL)
        return new_key(pkey, what, out, err);
    (void)error_set(err, ERROR_INVALID, "%s has no private key in PEM without a passphrase", what);
    return error_hint(err, "`mainstay runbook key create FILE` makes one.");
}

static bool put_bio(BIO *bio, struct buf *out, struct error *err)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)len);
    return buf_check(out, "a key", err);
}

bool signing_key_print(const struct signing_key *key, struct buf *private_pem,
                       struct buf *public_pem, struct error *err)
{
    CLEANUP(free_bio) BIO *private_bio = BIO_new(BIO_s_secmem());
    CLEANUP(free_bio) BIO *public_bio = BIO_new(BIO_s_mem());
    if (private_bio == NULL || public_bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(private_bio, key->key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_PUBKEY(public_bio, key->key) != 1)
        return error_no_memory(err, "a key");
    return put_bio(private_bio, private_pem, err) && put_bio(public_bio, public_pem, err);
}

bool signature_sign(const struct signing_key *key, const void *bytes, size_t len,
                    uint8_t out[SIGNATURE_BYTES], struct error *err)
{
    size_t out_len = SIGNATURE_BYTES;
    CLEANUP(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key->key) != 1 ||
        EVP_DigestSign(context, out, &out_len, bytes, len) != 1 || out_len != SIGNATURE_BYTES)
        return error_set(err, ERROR_UNSUPPORTED, "libcrypto could not sign with key %s", key->id);
    return true;
}

/* ---- checking ---- */

void trusted_keys_free(struct trusted_keys *keys)
{
    for (size_t i = 0; keys != NULL && i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i]);
    free(keys);
}

void trusted_keys_cleanup(struct trusted_keys **keys)
{
    trusted_keys_free(*keys);
    *keys = NULL;
}

static bool add_trusted(struct trusted_keys *keys, EVP_PKEY *pkey, const char *what,
                        struct error *err)
{
    CLEANUP(free_pkey) EVP_PKEY *key = pkey;
    if (keys->count == SIGNATURE_MAX_KEYS)
        return error_set(err, ERROR_INVALID, "%s has more than %d keys", what, SIGNATURE_MAX_KEYS);
    if (!key_id(key, keys->ids[keys->count]))
        return error_set(err, ERROR_INVALID, "key %zu in %s is not one of Ed25519", keys->count + 1,
                         what);
    keys->keys[keys->count++] = TAKE(key);
    return true;
}

bool trusted_keys_parse(const char *pem, const char *what, struct trusted_keys **out,
                        struct error *err)
{
    CLEANUP(trusted_keys_cleanup) struct trusted_keys *keys = calloc(1, sizeof *keys);
    CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    if (keys == NULL || bio == NULL)
        return error_no_memory(err, "trusted keys");
    for (;;) {
        EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
        if (pkey == NULL)
            break;
        if (!add_trusted(keys, pkey, what, err))
            return false;
    }
    /* One that cannot be read must not silently end the list. */
    size_t written = 0;
    for (const char *at = strstr(pem, "-----BEGIN"); at != NULL; at = strstr(at + 1, "-----BEGIN"))
        written++;
    if (keys->count == 0 || written != keys->count)
        return error_set(err, ERROR_INVALID,
                         "%s must have public keys of Ed25519 in PEM and "
                         "nothing else between BEGIN and END",
                         what);
    *out = TAKE(keys);
    return true;
}

static bool is_signed_by(EVP_PKEY *key, const void *bytes, size_t len,
                         const uint8_t signature[SIGNATURE_BYTES])
{
    CLEANUP(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    return context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(context, signature, SIGNATURE_BYTES, bytes, len) == 1;
}

bool signature_check(const struct trusted_keys *keys, const void *bytes, size_t len,
                     const uint8_t signature[SIGNATURE_BYTES], const char **out_id,
                     struct error *err)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (is_signed_by(keys->keys[i], bytes, len, signature)) {
            *out_id = keys->ids[i];
            return true;
        }
    }
    return error_set(err, ERROR_REFUSED, "the signature is not one of a trusted key");
}
