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

bool keyring_slot_fits(const struct key_scope *scope, const struct key_object *object,
                       const struct key_material *material, uint8_t out_secret[SEAL_KEY_BYTES],
                       bool *out_fits, struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t proof_key[SEAL_KEY_BYTES] = {0};
    uint8_t proof[SEAL_DIGEST_BYTES];
    uint8_t public_key[SEAL_KEY_BYTES];
    *out_fits = false;
    memcpy(key, material->key, sizeof key);
    if (material->kind == KEY_PASSPHRASE &&
        !key_from_passphrase(material->passphrase, strlen(material->passphrase), object->salt,
                             &object->cost, key, err)) {
        secret_wipe(key, sizeof key);
        return false;
    }
    keyring_slot_secret(key, material->kind, out_secret, proof_key);
    seal_public_of(out_secret, public_key);
    key_object_prove(object, scope, proof_key, proof);
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

bool keyring_same_way(enum key_kind a, enum key_kind b)
{
    return a == b || (a == KEY_FILE && b == KEY_COMMAND) || (a == KEY_COMMAND && b == KEY_FILE);
}

/* Whether an earlier object of the list says the same about the slot: then it fits as that did. */
static bool seen_before(const struct key_objects *list, size_t at)
{
    const struct key_object *object = &list->objects[at];
    for (size_t i = 0; i < at; i++) {
        const struct key_object *other = &list->objects[i];
        if (memcmp(other->slot, object->slot, KEY_ID_BYTES) == 0 && other->kind == object->kind &&
            other->grant == object->grant && other->cost.passes == object->cost.passes &&
            other->cost.memory_bytes == object->cost.memory_bytes &&
            memcmp(other->salt, object->salt, sizeof object->salt) == 0 &&
            memcmp(other->public_key, object->public_key, sizeof object->public_key) == 0 &&
            memcmp(other->proof, object->proof, sizeof object->proof) == 0 &&
            memcmp(other->signer, object->signer, sizeof object->signer) == 0)
            return true;
    }
    return false;
}

static size_t generations_of(const struct key_objects *list, const struct key_object *slot)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += memcmp(list->objects[i].slot, slot->slot, KEY_ID_BYTES) == 0;
    return count;
}

/* One key may have several slots: the one that grants more, then the one with more generations
 * (another one may have been left half made, or half removed). */
static bool is_better(const struct key_objects *list, const struct key_object *object,
                      const struct key_object *than)
{
    if (than == NULL || object->grant != than->grant)
        return than == NULL || object->grant == GRANT_ALL;
    return generations_of(list, object) > generations_of(list, than);
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

/* The same words whatever the store holds: they depend on what was configured alone. */
static bool no_slot_fits(const struct key_material *material, struct error *err)
{
    static const char *const what[] = {
        [KEY_PASSPHRASE] = "this is not the passphrase of any of its slots",
        [KEY_FILE] = "this is not the key file of any of its slots",
        [KEY_COMMAND] = "the command did not print the key of any of its slots",
        [KEY_RECIPIENT] =
            "none of its slots is for a recipient with this identity and this signer"};
    (void)error_set(err, ERROR_DENIED, "cannot open the repository: %s", what[material->kind]);
    if (material->has_signer && material->kind != KEY_RECIPIENT)
        return error_hint(err, "repository.signer must be right, too.");
    return error_hint(err, "The kinds and labels in the objects below keys/ say which keys there "
                           "are; `mainstay repo key list` with one of them shows more.");
}

static bool find_slot(struct keyring *keyring, const struct key_objects *list,
                      const struct key_material *material, struct error *err)
{
    uint8_t secret[SEAL_KEY_BYTES];
    const struct key_object *best = NULL;
    for (size_t i = 0; i < list->count; i++) {
        bool ours;
        const struct key_object *object = &list->objects[i];
        if (!keyring_same_way(object->kind, material->kind) || seen_before(list, i))
            continue;
        if (!keyring_slot_fits(&keyring->scope, object, material, secret, &ours, err))
            return false;
        if (!ours || (material->has_signer &&
                      !seal_equal(material->signer, object->signer, sizeof material->signer)))
            continue; /* somebody else's: anybody can seal to a recipient */
        if (!is_better(list, object, best))
            continue;
        best = object;
        memcpy(keyring->slot, object->slot, KEY_ID_BYTES);
        memcpy(keyring->signer, object->signer, SEAL_KEY_BYTES);
        memcpy(keyring->slot_secret, secret, sizeof secret);
    }
    secret_wipe(secret, sizeof secret);
    return best != NULL ||
           (refuse_changed(list, &keyring->scope, err) && no_slot_fits(material, err));
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
        if (memcmp(keyring->generations[i]->id, id, KEY_ID_BYTES) == 0)
            return keyring->generations[i];
    return NULL;
}

static bool add_generation(struct keyring *keyring, const struct key_object *object,
                           struct error *err)
{
    struct key_generation *generation = secret_alloc(sizeof *generation);
    if (generation == NULL)
        return error_no_memory(err, "the keys");
    if (!open_object(keyring, object, generation, err)) {
        secret_free(generation, sizeof *generation);
        return false;
    }
    keyring->generations[keyring->count++] = generation;
    return true;
}

bool keyring_take_generations(struct keyring *keyring, const struct key_objects *list,
                              struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        if (memcmp(object->slot, keyring->slot, KEY_ID_BYTES) != 0 ||
            find(keyring, object->generation) != NULL)
            continue;
        if (keyring->count == KEYRING_GENERATIONS_MAX)
            return error_set(err, ERROR_UNSUPPORTED, "cannot use more than %d key generations",
                             KEYRING_GENERATIONS_MAX);
        if (!add_generation(keyring, object, err))
            return false;
    }
    return true;
}

bool keyring_open(struct store *store, const struct key_scope *scope,
                  const struct key_material *material, struct keyring **out, struct error *err)
{
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!seal_start(err) || !key_objects_load(store, &list, err))
        return false;
    struct keyring *keyring = secret_alloc(sizeof *keyring);
    if (keyring == NULL)
        return error_no_memory(err, "the keys");
    keyring->store = store;
    keyring->self = keyring;
    keyring->scope = *scope;
    (void)pthread_mutex_init(&keyring->lock, NULL);
    if (!find_slot(keyring, &list, material, err) ||
        !keyring_take_generations(keyring, &list, err)) {
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
    for (size_t i = 0; i < keyring->count; i++)
        secret_free(keyring->generations[i], sizeof *keyring->generations[i]);
    secret_free(keyring, sizeof *keyring);
}

const struct key_generation *keyring_current(const struct keyring *keyring)
{
    struct keyring *shared = keyring->self;
    (void)pthread_mutex_lock(&shared->lock);
    const struct key_generation *best = keyring->generations[0];
    for (size_t i = 1; i < keyring->count; i++) {
        const struct key_generation *other = keyring->generations[i];
        if (other->number > best->number ||
            (other->number == best->number && memcmp(other->id, best->id, KEY_ID_BYTES) > 0))
            best = other;
    }
    (void)pthread_mutex_unlock(&shared->lock);
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
        keyring_take_generations(shared, &list, &ignored))
        found = find(shared, id);
    (void)pthread_mutex_unlock(&shared->lock);
    return found;
}

bool keyring_refresh(struct keyring *keyring, struct error *err)
{
    bool there = false;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!key_objects_load(keyring->store, &list, err))
        return false;
    for (size_t i = 0; i < list.count && !there; i++)
        there = memcmp(list.objects[i].slot, keyring->slot, KEY_ID_BYTES) == 0;
    if (!there)
        return error_set(err, ERROR_NOT_FOUND, "the key in use was removed from the repository");
    (void)pthread_mutex_lock(&keyring->lock);
    bool done = keyring_take_generations(keyring, &list, err);
    (void)pthread_mutex_unlock(&keyring->lock);
    return done;
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
