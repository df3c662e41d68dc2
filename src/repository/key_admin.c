/*
 * Changing keys. Everything is one operation: write the objects (generation × slot) that are
 * missing. It needs no secret of a slot, because a slot has a public key; and it can be repeated,
 * so that an interrupted change is completed by the next one.
 */
#include "keyring_internal.h"

#include "base/secret.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { OBJECT_MAX_BYTES = 8192 };

static bool check_may_change(const struct keyring *keyring, struct error *err)
{
    if (keyring->may_change)
        return true;
    (void)error_set(err, ERROR_REFUSED, "cannot change keys with a key that may only write");
    return error_hint(err, "Use a key with the grant \"all\".");
}

static bool put_object(struct store *store, const struct key_object *object, struct error *err)
{
    char name[KEY_KEY_SIZE];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OBJECT_MAX_BYTES);
    return key_object_print(object, &text, err) &&
           (store_put(store, key_object_key(object, name), text.data, text.len, NULL, err) ||
            err->kind == ERROR_EXISTS || error_wrap(err, "could not store key \"%s\"", name));
}

/* The generation's keys for the holder of this slot, signed and stored. */
static bool give(struct store *store, const struct key_scope *scope, const uint8_t *seed,
                 const struct key_generation *generation, const struct key_object *slot,
                 struct error *err)
{
    struct key_object object = *slot;
    uint8_t payload[KEY_PAYLOAD_ALL];
    size_t len = slot->grant == GRANT_ALL ? KEY_PAYLOAD_ALL : KEY_PAYLOAD_WRITE;
    memcpy(object.generation, generation->id, KEY_ID_BYTES);
    object.number = generation->number;
    memcpy(object.content_public, generation->content_public, SEAL_KEY_BYTES);
    memcpy(payload, generation->metadata, SEAL_KEY_BYTES);
    memcpy(payload + SEAL_KEY_BYTES, generation->content_secret, SEAL_KEY_BYTES);
    memcpy(payload + 2 * SEAL_KEY_BYTES, seed, SEAL_KEY_BYTES);
    bool boxed = seal_box(object.public_key, payload, len, object.wrapped);
    secret_wipe(payload, sizeof payload);
    object.wrapped_len = len + SEAL_BOX_OVERHEAD;
    if (!boxed)
        return error_set(err, ERROR_USAGE, "cannot seal to this recipient: it is no X25519 key");
    return key_object_sign(&object, scope, seed, err) && put_object(store, &object, err);
}

static void new_generation(uint64_t number, struct key_generation *out)
{
    *out = (struct key_generation){.number = number, .can_read = true};
    seal_random(out->id, sizeof out->id);
    seal_random(out->metadata, sizeof out->metadata);
    seal_random(out->content_secret, sizeof out->content_secret);
    seal_public_of(out->content_secret, out->content_public);
    seal_derive(out->metadata, PURPOSE_SEALING, out->seal_key);
    seal_derive(out->metadata, PURPOSE_DIGESTS, out->digest_key);
}

/* Everything of a slot that does not depend on the generation. */
static bool new_slot(const struct key_slot_request *request, const struct key_scope *scope,
                     const uint8_t signer[SEAL_KEY_BYTES], struct key_object *out,
                     struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES] = {0};
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t proof_key[SEAL_KEY_BYTES];
    const struct key_material *material = request->material;
    *out = (struct key_object){
        .kind = request->kind, .grant = request->grant, .created_us = request->created_us};
    (void)snprintf(out->label, sizeof out->label, "%s", request->label);
    seal_random(out->slot, sizeof out->slot);
    memcpy(out->signer, signer, SEAL_KEY_BYTES);
    if (request->kind == KEY_RECIPIENT) {
        memcpy(out->public_key, request->recipient, SEAL_KEY_BYTES);
        return true;
    }
    memcpy(key, material->key, sizeof key);
    if (request->kind == KEY_PASSPHRASE) {
        seal_random(out->salt, sizeof out->salt);
        key_cost_default(&out->cost);
        if (!key_from_passphrase(material->passphrase, strlen(material->passphrase), out->salt,
                                 &out->cost, key, err)) {
            secret_wipe(key, sizeof key);
            return false;
        }
    }
    keyring_slot_secret(key, request->kind, secret, proof_key);
    seal_public_of(secret, out->public_key);
    key_object_prove(out, scope, proof_key, out->proof);
    secret_wipe(key, sizeof key);
    secret_wipe(secret, sizeof secret);
    secret_wipe(proof_key, sizeof proof_key);
    return true;
}

bool keyring_create(struct store *store, const struct key_scope *scope,
                    const struct key_slot_request *request, struct error *err)
{
    struct key_object slot;
    struct key_generation generation;
    uint8_t seed[SEAL_KEY_BYTES];
    uint8_t signer[SEAL_KEY_BYTES];
    if (request->grant != GRANT_ALL)
        return error_set(err, ERROR_USAGE, "the first key must grant all");
    if (!seal_start(err))
        return false;
    seal_random(seed, sizeof seed);
    key_sign_public(seed, signer);
    new_generation(1, &generation);
    bool done = new_slot(request, scope, signer, &slot, err) &&
                give(store, scope, seed, &generation, &slot, err);
    secret_wipe(seed, sizeof seed);
    secret_wipe(&generation, sizeof generation);
    return done;
}

static bool has_object(const struct key_objects *list, const uint8_t generation[KEY_ID_BYTES],
                       const uint8_t slot[KEY_ID_BYTES])
{
    for (size_t i = 0; i < list->count; i++)
        if (memcmp(list->objects[i].generation, generation, KEY_ID_BYTES) == 0 &&
            memcmp(list->objects[i].slot, slot, KEY_ID_BYTES) == 0)
            return true;
    return false;
}

static bool give_all(const struct keyring *keyring, const struct key_objects *list,
                     const struct key_generation *extra, const struct key_object *slot,
                     struct error *err)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (!has_object(list, keyring->generations[i]->id, slot->slot) &&
            !give(keyring->store, &keyring->scope, keyring->signing_seed, keyring->generations[i],
                  slot, err))
            return false;
    return extra == NULL ||
           give(keyring->store, &keyring->scope, keyring->signing_seed, extra, slot, err);
}

/* Every generation for every slot; with `extra` also that one. Slots that nobody vouches for are
 * given nothing. */
static bool complete(const struct keyring *keyring, const struct key_generation *extra,
                     struct error *err)
{
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!key_objects_load(keyring->store, &list, err))
        return false;
    for (enum key_grant grant = GRANT_ALL; grant <= GRANT_WRITE; grant++)
        for (size_t i = 0; i < list.count; i++) {
            const struct key_object *slot = &list.objects[i];
            bool first = true;
            for (size_t j = 0; j < i && first; j++)
                first = memcmp(list.objects[j].slot, slot->slot, KEY_ID_BYTES) != 0;
            if (!first || slot->grant != grant)
                continue;
            if (!keyring_vouches_for(keyring, slot)) {
                char name[KEY_KEY_SIZE];
                return error_set(err, ERROR_REFUSED,
                                 "cannot change keys while there is one that this repository did "
                                 "not make: \"%s\"",
                                 key_object_key(slot, name));
            }
            if (!give_all(keyring, &list, extra, slot, err))
                return false;
        }
    return true;
}

bool keyring_add(struct keyring *keyring, const struct key_slot_request *request,
                 uint8_t out_slot[KEY_ID_BYTES], struct error *err)
{
    struct key_object slot;
    struct key_objects none = {0};
    if (!check_may_change(keyring, err) || !complete(keyring, NULL, err) ||
        !new_slot(request, &keyring->scope, keyring->signer, &slot, err) ||
        !give_all(keyring, &none, NULL, &slot, err))
        return false;
    memcpy(out_slot, slot.slot, KEY_ID_BYTES);
    return true;
}

bool keyring_rotate(struct keyring *keyring, uint8_t out_generation[KEY_ID_BYTES],
                    struct error *err)
{
    struct key_generation generation;
    if (!check_may_change(keyring, err) || !complete(keyring, NULL, err))
        return false;
    new_generation(keyring_current(keyring)->number + 1, &generation);
    bool done = complete(keyring, &generation, err);
    memcpy(out_generation, generation.id, KEY_ID_BYTES);
    secret_wipe(&generation, sizeof generation);
    return done;
}

/* Another slot that opens everything and was made by this repository. */
static bool others_read(const struct keyring *keyring, const struct key_objects *list,
                        const uint8_t slot[KEY_ID_BYTES])
{
    const uint8_t *current = keyring_current(keyring)->id;
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        if (object->grant == GRANT_ALL && memcmp(object->slot, slot, KEY_ID_BYTES) != 0 &&
            memcmp(object->generation, current, KEY_ID_BYTES) == 0 &&
            keyring_vouches_for(keyring, object))
            return true;
    }
    return false;
}

bool keyring_remove(struct keyring *keyring, const uint8_t slot[KEY_ID_BYTES], struct error *err)
{
    char name[KEY_KEY_SIZE];
    char hex[KEY_ID_SIZE];
    size_t removed = 0;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    text_hex(slot, KEY_ID_BYTES, hex);
    if (!check_may_change(keyring, err) || !key_objects_load(keyring->store, &list, err))
        return false;
    if (!others_read(keyring, &list, slot)) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot remove key %s: it is the last one that opens what is stored", hex);
        return error_hint(err, "Add another one first: mainstay repo key add");
    }
    for (size_t i = 0; i < list.count; i++) {
        if (memcmp(list.objects[i].slot, slot, KEY_ID_BYTES) != 0)
            continue;
        if (!store_remove(keyring->store, key_object_key(&list.objects[i], name), err))
            return error_wrap(err, "could not remove key \"%s\"", name);
        removed++;
    }
    if (removed > 0)
        return true;
    (void)error_set(err, ERROR_NOT_FOUND, "there is no key %s", hex);
    return error_hint(err, "List them with: mainstay repo key list");
}
