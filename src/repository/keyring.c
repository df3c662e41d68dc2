#include "repository/keyring.h"

#include "keyring_internal.h"

#include "base/secret.h"
#include "base/text.h"

#include <string.h>

/* --- which slot is ours -------------------------------------------------------------------------
 */

void keyring_slot_secret(const uint8_t key[SEAL_KEY_BYTES], enum key_kind kind,
                         uint8_t out_secret[SEAL_KEY_BYTES], uint8_t out_proof[SEAL_KEY_BYTES])
{
    if (kind == KEY_RECIPIENT) {
        memcpy(out_secret, key, SEAL_KEY_BYTES);
        return;
    }
    seal_derive(key, PURPOSE_SLOT_SECRET, out_secret);
    seal_derive(key, PURPOSE_SLOT_PROOF, out_proof);
}

/* Whether the material is what this slot was made with; its secret is in the keyring then. */
static bool fits(struct keyring *keyring, const struct key_object *object,
                 const struct key_material *material, bool *out_fits, struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t proof_key[SEAL_KEY_BYTES] = {0};
    uint8_t proof[SEAL_DIGEST_BYTES];
    uint8_t public_key[SEAL_KEY_BYTES];
    *out_fits = false;
    memcpy(key, material->key, sizeof key);
    if (material->kind == KEY_PASSPHRASE &&
        !key_from_passphrase(material->passphrase, strlen(material->passphrase), object->salt,
                             &object->cost, key, err))
        return false;
    keyring_slot_secret(key, material->kind, keyring->slot_secret, proof_key);
    seal_public_of(keyring->slot_secret, public_key);
    key_object_prove(object, &keyring->scope, proof_key, proof);
    bool same = seal_equal(public_key, object->public_key, sizeof public_key);
    bool proven = material->kind == KEY_RECIPIENT || seal_equal(proof, object->proof, sizeof proof);
    secret_wipe(key, sizeof key);
    secret_wipe(proof_key, sizeof proof_key);
    if (same && !proven) {
        char name[KEY_KEY_SIZE];
        return error_set(
            err, ERROR_REFUSED,
            "cannot trust key \"%s\": it names a signer that your key does not prove, or "
            "mainstay.json was changed",
            key_object_key(object, name));
    }
    *out_fits = same;
    return true;
}

/* Whether an earlier object of the list is of the same slot. */
static bool seen_before(const struct key_objects *list, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (memcmp(list->objects[i].slot, list->objects[at].slot, KEY_ID_BYTES) == 0)
            return true;
    return false;
}

/* A key object that does not carry the signature it claims was changed: perhaps it was ours. */
static bool refuse_changed(const struct key_objects *list, const struct key_scope *scope,
                           struct error *err)
{
    char name[KEY_KEY_SIZE];
    for (size_t i = 0; i < list->count; i++)
        if (!key_object_is_signed(&list->objects[i], scope))
            return error_set(err, ERROR_REFUSED,
                             "cannot open the repository: key \"%s\" was changed, and no other "
                             "one fits",
                             key_object_key(&list->objects[i], name));
    return true;
}

static bool no_slot_fits(const struct key_material *material, size_t tried, struct error *err)
{
    static const char *const what[] = {[KEY_PASSPHRASE] = "this is not the passphrase",
                                       [KEY_FILE] = "this is not the key file",
                                       [KEY_COMMAND] = "the command did not print the key",
                                       [KEY_RECIPIENT] = "this is not the key of a recipient"};
    (void)error_set(err, ERROR_DENIED,
                    "cannot open the repository: %s of any of its slots (%zu of that kind)",
                    what[material->kind], tried);
    return error_hint(err, "The names in keys/ and the kinds in those objects say which keys there "
                           "are; `mainstay repo key list` with one of them shows more.");
}

static bool find_slot(struct keyring *keyring, const struct key_objects *list,
                      const struct key_material *material, struct error *err)
{
    size_t tried = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool ours;
        const struct key_object *object = &list->objects[i];
        /* A key from a file may come from a command, too: the bytes decide. */
        bool same_kind = object->kind == material->kind ||
                         (object->kind == KEY_FILE && material->kind == KEY_COMMAND) ||
                         (object->kind == KEY_COMMAND && material->kind == KEY_FILE);
        if (!same_kind || (material->kind != KEY_PASSPHRASE && seen_before(list, i)))
            continue;
        tried++;
        if (!fits(keyring, object, material, &ours, err))
            return false;
        if (!ours)
            continue;
        if (material->has_signer &&
            !seal_equal(material->signer, object->signer, sizeof material->signer))
            continue; /* somebody else's: anybody can seal to a recipient */
        memcpy(keyring->slot, object->slot, KEY_ID_BYTES);
        memcpy(keyring->signer, object->signer, SEAL_KEY_BYTES);
        return true;
    }
    return refuse_changed(list, &keyring->scope, err) && no_slot_fits(material, tried, err);
}

/* --- its generations ----------------------------------------------------------------------------
 */

bool keyring_vouches_for(const struct keyring *keyring, const struct key_object *object)
{
    return seal_equal(object->signer, keyring->signer, SEAL_KEY_BYTES) &&
           key_object_is_signed(object, &keyring->scope);
}

static bool damaged(const struct key_object *object, struct error *err)
{
    char name[KEY_KEY_SIZE];
    return error_set(err, ERROR_REFUSED,
                     "cannot trust key \"%s\": it is not signed by who may change the keys of this "
                     "repository",
                     key_object_key(object, name));
}

static void derive(struct key_generation *generation)
{
    seal_derive(generation->metadata, PURPOSE_SEALING, generation->seal_key);
    seal_derive(generation->metadata, PURPOSE_DIGESTS, generation->digest_key);
}

static bool open_object(struct keyring *keyring, const struct key_object *object,
                        struct key_generation *out, struct error *err)
{
    uint8_t payload[KEY_PAYLOAD_ALL];
    uint8_t public_key[SEAL_KEY_BYTES];
    if (!keyring_vouches_for(keyring, object) ||
        !seal_box_open(keyring->slot_secret, object->wrapped, object->wrapped_len, payload))
        return damaged(object, err);
    *out = (struct key_generation){.number = object->number,
                                   .can_read = object->grant == GRANT_ALL};
    memcpy(out->id, object->generation, KEY_ID_BYTES);
    memcpy(out->content_public, object->content_public, SEAL_KEY_BYTES);
    memcpy(out->metadata, payload, SEAL_KEY_BYTES);
    derive(out);
    if (out->can_read) {
        memcpy(out->content_secret, payload + SEAL_KEY_BYTES, SEAL_KEY_BYTES);
        memcpy(keyring->signing_seed, payload + 2 * SEAL_KEY_BYTES, SEAL_KEY_BYTES);
        keyring->may_change = true;
        seal_public_of(out->content_secret, public_key);
    }
    secret_wipe(payload, sizeof payload);
    return !out->can_read || seal_equal(public_key, out->content_public, SEAL_KEY_BYTES) ||
           damaged(object, err);
}

static const struct key_generation *find(const struct keyring *keyring,
                                         const uint8_t id[KEY_ID_BYTES])
{
    for (size_t i = 0; i < keyring->count; i++)
        if (memcmp(keyring->generations[i].id, id, KEY_ID_BYTES) == 0)
            return &keyring->generations[i];
    return NULL;
}

/* Generations of our slot that are not there yet. They stay where they are: pointers to them were
 * given away. */
static bool take_generations(struct keyring *keyring, const struct key_objects *list,
                             struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        if (memcmp(object->slot, keyring->slot, KEY_ID_BYTES) != 0 ||
            find(keyring, object->generation) != NULL)
            continue;
        if (keyring->count == GENERATIONS_MAX)
            return error_set(err, ERROR_UNSUPPORTED, "cannot use more than %d key generations",
                             GENERATIONS_MAX);
        if (!open_object(keyring, object, &keyring->generations[keyring->count], err))
            return false;
        keyring->count++;
    }
    return true;
}

bool keyring_open(struct store *store, const struct key_scope *scope,
                  const struct key_material *material, struct keyring **out, struct error *err)
{
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!seal_start(err) || !key_objects_load(store, &list, err))
        return false;
    struct keyring *keyring = seal_memory_new(sizeof *keyring);
    if (keyring == NULL)
        return error_no_memory(err, "the keys");
    keyring->store = store;
    keyring->self = keyring;
    keyring->scope = *scope;
    (void)pthread_mutex_init(&keyring->lock, NULL);
    if (!find_slot(keyring, &list, material, err) || !take_generations(keyring, &list, err)) {
        keyring_free(keyring);
        return false;
    }
    *out = keyring;
    return true;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    (void)pthread_mutex_destroy(&keyring->lock);
    seal_memory_free(keyring);
}

const struct key_generation *keyring_current(const struct keyring *keyring)
{
    const struct key_generation *best = &keyring->generations[0];
    for (size_t i = 1; i < keyring->count; i++) {
        const struct key_generation *other = &keyring->generations[i];
        if (other->number > best->number ||
            (other->number == best->number && memcmp(other->id, best->id, KEY_ID_BYTES) > 0))
            best = other;
    }
    return best;
}

/* The lock is the one thing that changes in a keyring that is only asked. */
const struct key_generation *keyring_find(const struct keyring *keyring,
                                          const uint8_t id[KEY_ID_BYTES])
{
    struct error ignored;
    struct keyring *shared = keyring->self;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    (void)pthread_mutex_lock(&shared->lock);
    const struct key_generation *found = find(shared, id);
    if (found == NULL && key_objects_load(shared->store, &list, &ignored) &&
        take_generations(shared, &list, &ignored))
        found = find(shared, id);
    (void)pthread_mutex_unlock(&shared->lock);
    return found;
}

bool keyring_can_read(const struct keyring *keyring)
{
    return keyring->may_change;
}

const uint8_t *keyring_slot(const struct keyring *keyring)
{
    return keyring->slot;
}

const uint8_t *keyring_signer(const struct keyring *keyring)
{
    return keyring->signer;
}
