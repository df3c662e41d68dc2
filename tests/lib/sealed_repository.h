/*
 * A sealed repository whose keys are always the same, so that a seed that was sealed once opens for
 * ever. The store beneath is in memory and holds the one key object.
 */
#ifndef TESTS_LIB_SEALED_REPOSITORY_H
#define TESTS_LIB_SEALED_REPOSITORY_H

#include "base/cleanup.h"
#include "repository/sealing.h"
#include "store/store_memory.h"

#include <stdlib.h>
#include <string.h>

struct sealed_keys {
    struct store *store; /* holds keys/... */
    struct keyring *keyring;
    struct key_scope scope;
    struct key_material material; /* opens it */
    struct key_object object;     /* what the material opens */
    uint8_t signing_seed[SEAL_KEY_BYTES];
    uint8_t metadata[SEAL_KEY_BYTES];
};

/* All of its secrets are bytes that repeat. */
static inline void sealed_keys_make_object(struct sealed_keys *keys)
{
    struct error err;
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t proof_key[SEAL_KEY_BYTES];
    uint8_t payload[KEY_PAYLOAD_ALL];
    struct key_object *object = &keys->object;
    *object = (struct key_object){.number = 1, .kind = KEY_FILE, .grant = GRANT_ALL};
    memset(object->generation, 1, sizeof object->generation);
    memset(object->slot, 2, sizeof object->slot);
    memset(payload, 3, SEAL_KEY_BYTES);
    memset(payload + SEAL_KEY_BYTES, 4, SEAL_KEY_BYTES);
    memset(payload + (size_t)2 * SEAL_KEY_BYTES, 5, SEAL_KEY_BYTES);
    memcpy(keys->metadata, payload, SEAL_KEY_BYTES);
    memcpy(keys->signing_seed, payload + (size_t)2 * SEAL_KEY_BYTES, SEAL_KEY_BYTES);
    seal_derive(keys->material.key, 1, secret);
    seal_derive(keys->material.key, 2, proof_key);
    seal_public_of(secret, object->public_key);
    seal_public_of(payload + SEAL_KEY_BYTES, object->content_public);
    key_sign_public(keys->signing_seed, object->signer);
    key_object_prove(object, &keys->scope, proof_key, object->proof);
    object->wrapped_len = sizeof payload + SEAL_BOX_OVERHEAD;
    if (!seal_box(object->public_key, payload, sizeof payload, object->wrapped) ||
        !key_object_sign(object, &keys->scope, keys->signing_seed, &err))
        abort();
}

static inline void sealed_keys_put(struct store *store, const struct key_object *object)
{
    struct error err;
    char key[KEY_KEY_SIZE];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 14);
    if (!key_object_print(object, &text, &err) ||
        !store_put(store, key_object_key(object, key), text.data, text.len, NULL, &err))
        abort();
}

/* Made once, and there as long as the program. */
static inline const struct sealed_keys *sealed_keys(void)
{
    static struct sealed_keys keys;
    struct error err;
    if (keys.keyring != NULL)
        return &keys;
    keys.material.kind = KEY_FILE;
    memset(keys.material.key, 6, SEAL_KEY_BYTES);
    keys.scope.repository[0] = 1;
    if (!seal_start(&err) || !store_memory_open(&keys.store, &err))
        abort();
    sealed_keys_make_object(&keys);
    sealed_keys_put(keys.store, &keys.object);
    if (!keyring_open(keys.store, &keys.scope, &keys.material, &keys.keyring, &err))
        abort();
    return &keys;
}

/* With an empty store of its own: store_close. */
static inline struct repository sealed_repository(void)
{
    struct error err;
    struct repository repository = {.id = {1}, .keyring = sealed_keys()->keyring};
    repository.settings.codec = CODEC_NONE;
    if (!store_memory_open(&repository.store, &err))
        abort();
    return repository;
}

/* As an object is found in the store; false when it is too large for one. */
static inline bool sealed_store(const struct repository *repository, const char *key,
                                const struct buf *object)
{
    struct error err;
    return store_put(repository->store, key, object->data, object->len, NULL, &err);
}

#endif
