/*
 * keys/<generation>-<slot>.json (FORMAT.md, "Keys"): the keys of one generation, wrapped for the
 * holder of one slot. A slot is a way to open the repository (a passphrase, a key file, the output
 * of a command, a recipient's X25519 key); a generation is a set of data keys.
 *
 * Every object is signed with the repository's signing key, which only slots that may read hold. A
 * slot of a secret proves whose signature counts (`proof`, keyed with the secret); the holder of a
 * recipient's key has to be told.
 */
#ifndef REPOSITORY_KEY_OBJECT_H
#define REPOSITORY_KEY_OBJECT_H

#include "base/buf.h"
#include "codec/key_wrap.h"
#include "store/store.h"

enum key_kind { KEY_PASSPHRASE = 1, KEY_FILE = 2, KEY_COMMAND = 3, KEY_RECIPIENT = 4 };
enum key_grant { GRANT_ALL = 1, GRANT_WRITE = 2 };

enum {
    KEY_ID_BYTES = 8,
    KEY_ID_SIZE = 2 * KEY_ID_BYTES + 1,
    KEY_LABEL_SIZE = 64,
    KEY_KEY_SIZE = sizeof "keys/0000000000000000-0000000000000000.json",
    KEY_PAYLOAD_ALL = 3 * SEAL_KEY_BYTES, /* metadata key, content secret, signing seed */
    KEY_PAYLOAD_WRITE = SEAL_KEY_BYTES,   /* metadata key */
    KEY_WRAPPED_MAX = KEY_PAYLOAD_ALL + SEAL_BOX_OVERHEAD,
};

#define KEY_PREFIX "keys/"

/* What all keys of a repository are bound to. */
struct key_scope {
    uint8_t repository[16];
    uint8_t config[32]; /* SHA-256 of mainstay.json */
};

struct key_object {
    uint8_t generation[KEY_ID_BYTES];
    uint64_t number; /* of the generation: 1, 2, ...; the highest is written with */
    uint8_t slot[KEY_ID_BYTES];
    enum key_kind kind;
    enum key_grant grant;
    char label[KEY_LABEL_SIZE];
    int64_t created_us;
    uint8_t salt[KEY_SALT_BYTES]; /* passphrase */
    struct key_cost cost;         /* passphrase */
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t proof[SEAL_DIGEST_BYTES]; /* zeros for a recipient */
    uint8_t signer[SEAL_KEY_BYTES];
    uint8_t content_public[SEAL_KEY_BYTES];
    uint8_t wrapped[KEY_WRAPPED_MAX];
    size_t wrapped_len;
    uint8_t signature[KEY_SIGNATURE_BYTES];
};

const char *key_kind_name(enum key_kind kind);
const char *key_grant_name(enum key_grant grant);

/* Returns out. */
const char *key_object_key(const struct key_object *object, char out[KEY_KEY_SIZE]);

MUST_CHECK bool key_object_print(const struct key_object *object, struct buf *out,
                                 struct error *err);
/* ERROR_CORRUPT for anything that is not exactly such an object, or not that of the key. */
MUST_CHECK bool key_object_parse(const char *key, const void *text, size_t len,
                                 struct key_object *out, struct error *err);

/* What the proof of a slot of a secret must be. */
void key_object_prove(const struct key_object *object, const struct key_scope *scope,
                      const uint8_t proof_key[SEAL_KEY_BYTES], uint8_t out[SEAL_DIGEST_BYTES]);
MUST_CHECK bool key_object_sign(struct key_object *object, const struct key_scope *scope,
                                const uint8_t seed[SEAL_KEY_BYTES], struct error *err);
/* Whether the signature is that of object->signer. */
MUST_CHECK bool key_object_is_signed(const struct key_object *object,
                                     const struct key_scope *scope);

struct key_objects {
    struct key_object *objects; /* in the order of their names */
    size_t count;
};

/* Everything below keys/ that has such a name. */
MUST_CHECK bool key_objects_load(struct store *store, struct key_objects *out, struct error *err);
void key_objects_release(struct key_objects *list);

#endif
