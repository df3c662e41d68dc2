/*
 * Objects below keys/. The first byte chooses:
 *
 *   even   the rest is the text of one: what is accepted can be written, and reads back as the same
 *   odd    the same, and it lies in the store beside a good one: who can write to the store must
 *          not get anybody to seal with other keys. Bit 1: it carries the repository's signature;
 *          bit 2: somebody opens who was told the signer; bit 3: of the slot that opens
 */
#include "tests/fuzz/outcome.h"
#include "tests/lib/sealed_repository.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIGNED = 1 << 1, SIGNER_TOLD = 1 << 2, SLOT_OURS = 1 << 3, TEXT_MAX = 1 << 14 };

static const char name[] = "keys/0a0a0a0a0a0a0a0a-0b0b0b0b0b0b0b0b.json";

static void write_again(const struct key_object *object)
{
    struct error err;
    struct key_object again;
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, TEXT_MAX);
    buf_init(&second, TEXT_MAX);
    if (!key_object_print(object, &first, &err) ||
        !key_object_parse(name, first.data, first.len, &again, &err) ||
        !key_object_print(&again, &second, &err) || first.len != second.len ||
        memcmp(first.data, second.data, first.len) != 0)
        abort();
}

/* The keys that are written with are the good ones, or nothing opens. */
static void open_beside(const struct sealed_keys *keys, struct store *store,
                        const struct key_material *material)
{
    struct error err;
    struct keyring *keyring;
    if (!outcome_check(keyring_open(store, &keys->scope, material, &keyring, &err), &err))
        return;
    const struct key_generation *current = keyring_current(keyring);
    if (memcmp(current->metadata, keys->metadata, SEAL_KEY_BYTES) != 0 ||
        memcmp(current->content_public, keys->object.content_public, SEAL_KEY_BYTES) != 0)
        abort();
    keyring_free(keyring);
}

/* Somebody who may change keys tidies up: nothing is given to a slot that nobody made. */
static void change_beside(const struct sealed_keys *keys, struct store *store)
{
    struct error err;
    uint8_t generation[KEY_ID_BYTES];
    struct keyring *keyring;
    if (!keyring_open(store, &keys->scope, &keys->material, &keyring, &err))
        return;
    if (outcome_check(keyring_rotate(keyring, generation, &err), &err))
        outcome_ignore(keyring_find(keyring, generation) != NULL);
    (void)outcome_check(keyring_remove(keyring, generation, &err), &err);
    keyring_free(keyring);
}

static void lie_beside(struct key_object *object, uint8_t mode)
{
    struct error err;
    const struct sealed_keys *keys = sealed_keys();
    struct key_material material = keys->material;
    struct store *store;
    if ((mode & SLOT_OURS) != 0)
        memcpy(object->slot, keys->object.slot, sizeof object->slot);
    if ((mode & SIGNED) != 0 && !key_object_sign(object, &keys->scope, keys->signing_seed, &err))
        abort();
    material.has_signer = (mode & SIGNER_TOLD) != 0;
    memcpy(material.signer, keys->object.signer, SEAL_KEY_BYTES);
    if (!store_memory_open(&store, &err))
        abort();
    sealed_keys_put(store, &keys->object);
    sealed_keys_put(store, object);
    open_beside(keys, store, &material);
    change_beside(keys, store);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct key_object object;
    if (size == 0)
        return 0;
    if (!outcome_check(key_object_parse(name, data + 1, size - 1, &object, &err), &err))
        return 0;
    write_again(&object);
    outcome_ignore(key_object_is_signed(&object, &sealed_keys()->scope));
    if (data[0] % 2 == 1)
        lie_beside(&object, data[0]);
    return 0;
}
