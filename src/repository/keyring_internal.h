/* What keyring.c (opening) and key_admin.c (changing) share. */
#ifndef REPOSITORY_KEYRING_INTERNAL_H
#define REPOSITORY_KEYRING_INTERNAL_H

#include "repository/keyring.h"

#include <pthread.h>

enum { GENERATIONS_MAX = 256 };

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
    struct key_generation *generations[GENERATIONS_MAX]; /* a locked page each */
};

/* The X25519 secret of a slot and the key of its proof (left alone for a recipient). */
void keyring_slot_secret(const uint8_t key[SEAL_KEY_BYTES], enum key_kind kind,
                         uint8_t out_secret[SEAL_KEY_BYTES], uint8_t out_proof[SEAL_KEY_BYTES]);

#endif
