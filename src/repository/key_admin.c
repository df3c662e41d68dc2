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

bool keyring_check_may_change(const struct keyring *keyring, struct error *err)
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

/* Every generation that is known, for this slot. */
static bool give_all(const struct keyring *keyring, const struct key_objects *list,
                     const struct key_object *slot, struct error *err)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (!has_object(list, keyring->generations[i]->id, slot->slot) &&
            !give(keyring->store, &keyring->scope, keyring->signing_seed, keyring->generations[i],
                  slot, err))
            return false;
    return true;
}

static bool is_of(const struct key_object *object, const uint8_t slot[KEY_ID_BYTES])
{
    return memcmp(object->slot, slot, KEY_ID_BYTES) == 0;
}

/* Whether no earlier object of the list is of the same slot. */
static bool is_first(const struct key_objects *list, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_of(&list->objects[i], list->objects[at].slot))
            return false;
    return true;
}

static bool check_made_here(const struct keyring *keyring, const struct key_objects *list,
                            struct error *err)
{
    char name[KEY_KEY_SIZE];
    for (size_t i = 0; i < list->count; i++)
        if (!keyring_vouches_for(keyring, &list->objects[i]))
            return error_set(err, ERROR_REFUSED,
                             "cannot change keys while there is one that this repository did not "
                             "make: \"%s\"",
                             key_object_key(&list->objects[i], name));
    return true;
}

/* Every generation for every slot. Slots that nobody vouches for are given nothing. */
static bool complete(struct keyring *keyring, struct error *err)
{
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!key_objects_load(keyring->store, &list, err) || !check_made_here(keyring, &list, err) ||
        !keyring_take_generations(keyring, &list, err))
        return false;
    for (enum key_grant grant = GRANT_ALL; grant <= GRANT_WRITE; grant++)
        for (size_t i = 0; i < list.count; i++) {
            const struct key_object *slot = &list.objects[i];
            if (slot->grant == grant && is_first(&list, i) && !give_all(keyring, &list, slot, err))
                return false;
        }
    return true;
}

/* The slot that this key has already, with the same grant; NULL: none. */
static bool find_same(const struct key_scope *scope, const struct key_objects *list,
                      const struct key_slot_request *request, const struct key_object **out,
                      struct error *err)
{
    uint8_t secret[SEAL_KEY_BYTES];
    *out = NULL;
    for (size_t i = 0; i < list->count && *out == NULL; i++) {
        const struct key_object *slot = &list->objects[i];
        bool same = is_first(list, i) && slot->grant == request->grant &&
                    keyring_same_way(slot->kind, request->kind);
        if (same && request->kind == KEY_RECIPIENT)
            same = memcmp(slot->public_key, request->recipient, SEAL_KEY_BYTES) == 0;
        else if (same && !keyring_slot_fits(scope, slot, request->material, secret, &same, err))
            return false;
        if (same)
            *out = slot;
    }
    secret_wipe(secret, sizeof secret);
    return true;
}

/* It ends with another look, for what somebody else changed meanwhile. */
bool keyring_add(struct keyring *keyring, const struct key_slot_request *request,
                 uint8_t out_slot[KEY_ID_BYTES], struct error *err)
{
    struct key_object slot;
    const struct key_object *same;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!keyring_check_may_change(keyring, err) || !complete(keyring, err) ||
        !key_objects_load(keyring->store, &list, err) ||
        !find_same(&keyring->scope, &list, request, &same, err))
        return false;
    if (same == NULL && (!new_slot(request, &keyring->scope, keyring->signer, &slot, err) ||
                         !give_all(keyring, &list, &slot, err) || !complete(keyring, err)))
        return false;
    memcpy(out_slot, same == NULL ? slot.slot : same->slot, KEY_ID_BYTES);
    return true;
}

/* Of the newest generation that anybody has, and the object that gives one to the own slot. */
static uint64_t newest(const struct key_objects *list, const uint8_t own_slot[KEY_ID_BYTES],
                       const struct key_object **out_own)
{
    uint64_t number = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->objects[i].number > number)
            number = list->objects[i].number;
        if (is_of(&list->objects[i], own_slot))
            *out_own = &list->objects[i];
    }
    return number;
}

/* First for the slot in use: whoever can make the next change can complete this one. */
bool keyring_rotate(struct keyring *keyring, uint8_t out_generation[KEY_ID_BYTES],
                    struct error *err)
{
    struct key_generation generation;
    const struct key_object *own = NULL;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!keyring_check_may_change(keyring, err) || !complete(keyring, err) ||
        !key_objects_load(keyring->store, &list, err) || !check_made_here(keyring, &list, err))
        return false;
    uint64_t number = newest(&list, keyring->slot, &own) + 1;
    if (own == NULL)
        return error_set(err, ERROR_REFUSED, "cannot change keys: the key in use was removed");
    new_generation(number, &generation);
    bool done = give(keyring->store, &keyring->scope, keyring->signing_seed, &generation, own,
                     err) &&
                complete(keyring, err);
    memcpy(out_generation, generation.id, KEY_ID_BYTES);
    secret_wipe(&generation, sizeof generation);
    return done;
}

/* Another slot that opens this generation, or any (NULL), and was made by this repository. */
static bool others_open(const struct keyring *keyring, const struct key_objects *list,
                        const uint8_t slot[KEY_ID_BYTES], const uint8_t *generation)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        if (object->grant == GRANT_ALL && !is_of(object, slot) &&
            (generation == NULL || memcmp(object->generation, generation, KEY_ID_BYTES) == 0) &&
            keyring_vouches_for(keyring, object))
            return true;
    }
    return false;
}

/* Nothing that is stored may be lost with a slot, also when a change was interrupted. */
static bool check_dispensable(const struct keyring *keyring, const struct key_objects *list,
                              const uint8_t slot[KEY_ID_BYTES], struct error *err)
{
    char hex[KEY_ID_SIZE];
    char generation[KEY_ID_SIZE];
    text_hex(slot, KEY_ID_BYTES, hex);
    if (!others_open(keyring, list, slot, NULL)) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot remove key %s: it is the last one that opens what is stored", hex);
        return error_hint(err, "Add another one first: mainstay repo key add");
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        if (!is_of(object, slot) || object->grant != GRANT_ALL ||
            !keyring_vouches_for(keyring, object) ||
            others_open(keyring, list, slot, object->generation))
            continue;
        text_hex(object->generation, KEY_ID_BYTES, generation);
        (void)error_set(err, ERROR_REFUSED,
                        "cannot remove key %s: it alone opens key generation %s, because a change "
                        "of keys was interrupted",
                        hex, generation);
        return error_hint(err, "Complete that with this key first: mainstay repo key rotate");
    }
    return true;
}

bool keyring_remove(struct keyring *keyring, const uint8_t slot[KEY_ID_BYTES], struct error *err)
{
    char name[KEY_KEY_SIZE];
    char hex[KEY_ID_SIZE];
    size_t removed = 0;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!keyring_check_may_change(keyring, err) || !key_objects_load(keyring->store, &list, err) ||
        !check_dispensable(keyring, &list, slot, err))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        if (!is_of(&list.objects[i], slot))
            continue;
        if (!store_remove(keyring->store, key_object_key(&list.objects[i], name), err)) {
            (void)error_wrap(err, "could not remove key \"%s\"", name);
            return error_hint(err, "Run it again: until then the key opens what it opened.");
        }
        removed++;
    }
    if (removed > 0)
        return true;
    text_hex(slot, KEY_ID_BYTES, hex);
    (void)error_set(err, ERROR_NOT_FOUND, "there is no key %s", hex);
    return error_hint(err, "List them with: mainstay repo key list");
}

/* --- a copy, and back ---------------------------------------------------------------------------
 */

enum { COPY_ID_BYTES = 8 };

bool keyring_copy(const struct keyring *keyring, struct buf *out, struct error *err)
{
    if (!keyring_check_may_change(keyring, err))
        return false;
    buf_put(out, keyring->scope.repository, COPY_ID_BYTES);
    buf_put(out, keyring->signing_seed, SEAL_KEY_BYTES);
    for (size_t i = 0; i < keyring->count; i++) {
        const struct key_generation *generation = keyring->generations[i];
        buf_put(out, generation->id, KEY_ID_BYTES);
        buf_put_u64(out, generation->number);
        buf_put(out, generation->metadata, SEAL_KEY_BYTES);
        buf_put(out, generation->content_secret, SEAL_KEY_BYTES);
    }
    return buf_check(out, "the copy of the keys", err);
}

static bool read_part(struct reader *reader, uint8_t *out, size_t len, struct error *err)
{
    const uint8_t *bytes;
    if (!reader_bytes(reader, len, &bytes, err))
        return false;
    memcpy(out, bytes, len);
    return true;
}

/* Its next generation for the slot, unless it is there. */
static bool give_from(struct reader *reader, struct store *store, const struct key_scope *scope,
                      const uint8_t seed[SEAL_KEY_BYTES], const struct key_objects *list,
                      const struct key_object *slot, struct error *err)
{
    struct key_generation generation = {.can_read = true};
    bool done = read_part(reader, generation.id, sizeof generation.id, err) &&
                reader_u64(reader, &generation.number, err) &&
                read_part(reader, generation.metadata, sizeof generation.metadata, err) &&
                read_part(reader, generation.content_secret, sizeof generation.content_secret, err);
    seal_public_of(generation.content_secret, generation.content_public);
    done = done && (has_object(list, generation.id, slot->slot) ||
                    give(store, scope, seed, &generation, slot, err));
    secret_wipe(&generation, sizeof generation);
    return done;
}

static bool read_head(struct reader *reader, const struct key_scope *scope,
                      uint8_t out_seed[SEAL_KEY_BYTES], struct error *err)
{
    uint8_t id[COPY_ID_BYTES];
    if (!read_part(reader, id, sizeof id, err) || !read_part(reader, out_seed, SEAL_KEY_BYTES, err))
        return false;
    return memcmp(id, scope->repository, sizeof id) == 0 ||
           error_set(err, ERROR_INVALID, "these are the keys of another repository");
}

bool keyring_recreate(struct store *store, const struct key_scope *scope, const void *copy,
                      size_t len, const struct key_slot_request *request,
                      uint8_t out_slot[KEY_ID_BYTES], struct error *err)
{
    struct key_object slot;
    struct reader reader;
    uint8_t seed[SEAL_KEY_BYTES] = {0};
    uint8_t signer[SEAL_KEY_BYTES];
    const struct key_object *same = NULL;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (len <= KEYRING_COPY_HEAD || (len - KEYRING_COPY_HEAD) % KEYRING_COPY_GENERATION != 0)
        return error_set(err, ERROR_INVALID, "a copy of the keys does not have %zu bytes", len);
    reader_init(&reader, copy, len, "the copy of the keys");
    bool done = seal_start(err) && read_head(&reader, scope, seed, err) &&
                key_objects_load(store, &list, err) && find_same(scope, &list, request, &same, err);
    if (done && same == NULL) {
        key_sign_public(seed, signer);
        done = new_slot(request, scope, signer, &slot, err);
    } else if (done) {
        slot = *same;
    }
    while (done && reader_left(&reader) > 0)
        done = give_from(&reader, store, scope, seed, &list, &slot, err);
    secret_wipe(seed, sizeof seed);
    if (!done)
        return false;
    memcpy(out_slot, slot.slot, KEY_ID_BYTES);
    return true;
}
