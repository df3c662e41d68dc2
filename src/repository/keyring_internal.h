/* What keyring.c (opening) and key_admin.c (changing) share. */
#ifndef REPOSITORY_KEYRING_INTERNAL_H
#define REPOSITORY_KEYRING_INTERNAL_H

#include "repository/keyring.h"

#include <pthread.h>

/* Numbers of derived keys (FORMAT.md, "Keys"). */
enum {
    PURPOSE_SEALING = 1,     /* of a metadata key */
    PURPOSE_DIGESTS = 2,     /* of a metadata key */
    PURPOSE_SLOT_SECRET = 1, /* of the key of a slot */
    PURPOSE_SLOT_PROOF = 2,  /* of the key of a slot */
};

struct keyring {
    struct keyring *self; /* writable, for the lock and what it guards */
    struct store *store;
    struct key_scope scope;
    uint8_t slot[KEY_ID_BYTES];
    uint8_t slot_secret[SEAL_KEY_BYTES];
    uint8_t signer[SEAL_KEY_BYTES];
    bool may_change;
    uint8_t signing_seed[SEAL_KEY_BYTES]; /* may_change only */
    pthread_mutex_t lock;                 /* generations, count */
    size_t count;
    struct key_generation *generations[KEYRING_GENERATIONS_MAX]; /* a locked page each */
};

/* The X25519 secret of a slot and the key of its proof (left alone for a recipient). */
void keyring_slot_secret(const uint8_t key[SEAL_KEY_BYTES], enum key_kind kind,
                         uint8_t out_secret[SEAL_KEY_BYTES], uint8_t out_proof[SEAL_KEY_BYTES]);

/* Whether two kinds of keys can be the same one: a key from a file may come from a command, too. */
bool keyring_same_way(enum key_kind a, enum key_kind b);

/* Whether the material is what this slot was made with; out_secret is its secret then. Of that kind
 * (keyring_same_way). ERROR_REFUSED: it fits, and the proof is not right. */
MUST_CHECK bool keyring_slot_fits(const struct key_scope *scope, const struct key_object *object,
                                  const struct key_material *material,
                                  uint8_t out_secret[SEAL_KEY_BYTES], bool *out_fits,
                                  struct error *err);

/* Generations of the own slot that are not there yet. They stay where they are: pointers to them
 * were given away. */
MUST_CHECK bool keyring_take_generations(struct keyring *keyring, const struct key_objects *list,
                                         struct error *err);

#endif
