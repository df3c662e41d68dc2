/*
 * The keys that were opened: of every generation what the slot grants. In locked memory.
 *
 * With grant "write" there are the metadata key and the public half of the content key: enough to
 * take snapshots, incremental ones too, and to stream WAL, and not enough to open a page or WAL
 * that was stored. Functions may be called from several threads.
 */
#ifndef REPOSITORY_KEYRING_H
#define REPOSITORY_KEYRING_H

#include "repository/key_source.h"

struct keyring;

struct key_generation {
    uint8_t id[KEY_ID_BYTES];
    uint64_t number;
    uint8_t metadata[SEAL_KEY_BYTES];
    uint8_t seal_key[SEAL_KEY_BYTES];   /* derived from metadata: purpose 1 */
    uint8_t digest_key[SEAL_KEY_BYTES]; /* derived from metadata: purpose 2 */
    uint8_t content_public[SEAL_KEY_BYTES];
    bool can_read;
    uint8_t content_secret[SEAL_KEY_BYTES]; /* can_read only */
};

/* Borrows the store. ERROR_DENIED: the key fits no slot; ERROR_REFUSED: a key object that the
 * repository did not make. Gives *out. */
MUST_CHECK bool keyring_open(struct store *store, const struct key_scope *scope,
                             const struct key_material *material, struct keyring **out,
                             struct error *err);
void keyring_free(struct keyring *keyring); /* NULL is allowed */

/* The one to write with. */
const struct key_generation *keyring_current(const struct keyring *keyring);
/* NULL: there is none. Looks into the store for one that is new. Valid as long as the keyring. */
const struct key_generation *keyring_find(const struct keyring *keyring,
                                          const uint8_t id[KEY_ID_BYTES]);
/* Takes generations that are new, for a process that runs for long. ERROR_NOT_FOUND: the slot that
 * opened it was removed; what the keyring has it keeps. */
MUST_CHECK bool keyring_refresh(struct keyring *keyring, struct error *err);
/* Whether content can be opened. */
bool keyring_can_read(const struct keyring *keyring);

/* --- for those who may change the keys --------------------------------------------------------
 *
 * Every change first completes what an interrupted one left undone: each slot has all generations
 * then. Interrupted itself, it is run again. */

/* ERROR_REFUSED with grant "write", as all that follows. */
MUST_CHECK bool keyring_check_may_change(const struct keyring *keyring, struct error *err);

/* A new slot; the material may be the secret of a recipient, or only its public key. */
struct key_slot_request {
    enum key_kind kind;
    enum key_grant grant;
    const char *label;
    const struct key_material *material; /* NULL for a recipient */
    uint8_t recipient[SEAL_KEY_BYTES];
    int64_t created_us;
};

/* The first generation with one slot, which must grant all. */
MUST_CHECK bool keyring_create(struct store *store, const struct key_scope *scope,
                               const struct key_slot_request *request, struct error *err);
/* out_slot: the id of the new slot, or of the one that this key has already with this grant. */
MUST_CHECK bool keyring_add(struct keyring *keyring, const struct key_slot_request *request,
                            uint8_t out_slot[KEY_ID_BYTES], struct error *err);
/* ERROR_REFUSED for the last slot that grants all, or that alone opens some generation;
 * ERROR_NOT_FOUND. */
MUST_CHECK bool keyring_remove(struct keyring *keyring, const uint8_t slot[KEY_ID_BYTES],
                               struct error *err);
/* A new generation for every slot there is. */
MUST_CHECK bool keyring_rotate(struct keyring *keyring, uint8_t out_generation[KEY_ID_BYTES],
                               struct error *err);

/* A copy of all data keys, to be kept apart from the repository: 8 bytes of the repository's id,
 * the signing seed, and of each generation id, number, metadata key and content secret key. */
enum {
    KEYRING_GENERATIONS_MAX = 256,
    KEYRING_COPY_HEAD = 8 + SEAL_KEY_BYTES,
    KEYRING_COPY_GENERATION = KEY_ID_BYTES + 8 + 2 * SEAL_KEY_BYTES,
    KEYRING_COPY_MAX = KEYRING_COPY_HEAD + KEYRING_GENERATIONS_MAX * KEYRING_COPY_GENERATION,
};
/* The caller wipes *out. */
MUST_CHECK bool keyring_copy(const struct keyring *keyring, struct buf *out, struct error *err);
/* Makes a slot, which must grant all, of such a copy, where what lies below keys/ is lost; what is
 * there stays. ERROR_INVALID: it is not a copy of this repository's keys. */
MUST_CHECK bool keyring_recreate(struct store *store, const struct key_scope *scope,
                                 const void *copy, size_t len,
                                 const struct key_slot_request *request,
                                 uint8_t out_slot[KEY_ID_BYTES], struct error *err);

/* The slot that opened it, and whose signatures count. */
const uint8_t *keyring_slot(const struct keyring *keyring);
const uint8_t *keyring_signer(const struct keyring *keyring);
/* Whether this object was made by who may change the keys. */
bool keyring_vouches_for(const struct keyring *keyring, const struct key_object *object);

#endif
