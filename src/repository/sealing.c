#include "repository/sealing.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"

#include <string.h>

enum { CONTEXT_MAX = SEALED_HEAD_BYTES + 8 + STORE_KEY_MAX };

bool repository_is_sealed(const struct repository *repository)
{
    return repository->keyring != NULL;
}

bool repository_can_read(const struct repository *repository)
{
    return repository->keyring == NULL || keyring_can_read(repository->keyring);
}

bool repository_check_can_read(const struct repository *repository, const char *what,
                               struct error *err)
{
    if (repository_can_read(repository))
        return true;
    (void)error_set(err, ERROR_REFUSED, "cannot open %s: this key may only write", what);
    return error_hint(err, "Use a key with the grant \"all\"; `mainstay repo key list` shows which "
                           "there are.");
}

void repository_renew_keys(const struct repository *repository)
{
    struct error err;
    if (repository->keyring == NULL || keyring_refresh(repository->keyring, &err))
        return;
    if (err.kind == ERROR_NOT_FOUND)
        log_event(LOG_WARNING, "keys.removed",
                  "%s: this process goes on with the data keys that it has, and cannot be started "
                  "again with this key",
                  err.text);
    else
        log_error("keys.renew_failed", &err);
}

size_t repository_head_bytes(const struct repository *repository)
{
    return repository_is_sealed(repository) ? SEALED_HEAD_BYTES : ENVELOPE_BYTES;
}

void seal_id_new(const struct repository *repository, struct seal_id *out)
{
    memcpy(out->generation, keyring_current(repository->keyring)->id, KEY_ID_BYTES);
    seal_random(out->object, sizeof out->object);
}

void seal_head_put(struct buf *out, enum object_kind kind, const struct repository *repository,
                   const struct seal_id *id)
{
    envelope_put(out, kind, repository);
    buf_put(out, id->generation, sizeof id->generation);
    buf_put(out, id->object, sizeof id->object);
}

bool seal_head_read(struct reader *reader, enum object_kind kind,
                    const struct repository *repository, struct seal_id *out, struct error *err)
{
    const uint8_t *bytes;
    if (!envelope_check(reader, kind, repository, err) ||
        !reader_bytes(reader, sizeof *out, &bytes, err))
        return false;
    memcpy(out->generation, bytes, sizeof out->generation);
    memcpy(out->object, bytes + sizeof out->generation, sizeof out->object);
    return true;
}

/* The head, the position, the name: what a piece is bound to. */
static struct seal_context context_of(const struct repository *repository,
                                      const struct seal_place *place, uint8_t room[CONTEXT_MAX])
{
    struct buf text = {.data = room, .cap = CONTEXT_MAX, .max_bytes = CONTEXT_MAX};
    seal_head_put(&text, place->kind, repository, &place->id);
    buf_put_u64(&text, place->position);
    buf_put(&text, place->name, strlen(place->name));
    return (struct seal_context){.bytes = room, .len = text.len};
}

static const struct key_generation *generation_of(const struct repository *repository,
                                                  const uint8_t id[KEY_ID_BYTES], const char *what,
                                                  struct error *err)
{
    char hex[KEY_ID_SIZE];
    const struct key_generation *found = keyring_find(repository->keyring, id);
    if (found != NULL)
        return found;
    text_hex(id, KEY_ID_BYTES, hex);
    (void)error_set(err, ERROR_CORRUPT,
                    "%s is damaged, or the key is missing: it names key generation %s, which the "
                    "key in use does not open",
                    what, hex);
    return NULL;
}

static bool not_as_sealed(const struct seal_place *place, const char *what, struct error *err)
{
    return error_set(err, ERROR_CORRUPT,
                     "%s is damaged: piece %llu is not what was sealed for this place", what,
                     (unsigned long long)place->position);
}

bool metadata_seal(const struct repository *repository, const struct seal_place *place,
                   const void *plain, size_t len, struct buf *out, struct error *err)
{
    uint8_t room[CONTEXT_MAX];
    struct seal_context context = context_of(repository, place, room);
    const struct key_generation *generation = generation_of(repository, place->id.generation,
                                                            "an object", err);
    uint8_t *to = buf_reserve(out, len + SEAL_OVERHEAD);
    if (generation == NULL)
        return false;
    if (to == NULL)
        return error_no_memory(err, "a sealed object");
    seal_encrypt(generation->seal_key, &context, plain, len, to);
    out->len += len + SEAL_OVERHEAD;
    return true;
}

bool metadata_open(const struct repository *repository, const struct seal_place *place,
                   const void *sealed, size_t len, const char *what, struct buf *out,
                   struct error *err)
{
    uint8_t room[CONTEXT_MAX];
    struct seal_context context = context_of(repository, place, room);
    const struct key_generation *generation = generation_of(repository, place->id.generation, what,
                                                            err);
    if (generation == NULL)
        return false;
    if (len < SEAL_OVERHEAD)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it ends too early", what);
    if (len > out->max_bytes - out->len)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: piece %llu cannot have %zu bytes",
                         what, (unsigned long long)place->position, len);
    uint8_t *to = buf_reserve(out, len);
    if (to == NULL)
        return error_no_memory(err, what);
    if (!seal_decrypt(generation->seal_key, &context, sealed, len, to))
        return not_as_sealed(place, what, err);
    out->len += len - SEAL_OVERHEAD;
    return true;
}

bool metadata_digest(const struct repository *repository, const uint8_t generation[KEY_ID_BYTES],
                     const void *bytes, size_t len, const char *what,
                     uint8_t out[SEAL_DIGEST_BYTES], struct error *err)
{
    const struct key_generation *found = generation_of(repository, generation, what, err);
    if (found == NULL)
        return false;
    seal_digest(found->digest_key, bytes, len, out);
    return true;
}

bool content_key_new(const struct repository *repository, const struct seal_id *id,
                     struct content_key *out, struct error *err)
{
    const struct key_generation *generation = generation_of(repository, id->generation, "an object",
                                                            err);
    if (generation == NULL)
        return false;
    seal_random(out->key, sizeof out->key);
    if (seal_box(generation->content_public, out->key, sizeof out->key, out->wrapped))
        return true;
    secret_wipe(out->key, sizeof out->key);
    return error_set(err, ERROR_CORRUPT, "cannot seal with this generation of keys");
}

bool content_key_open(const struct repository *repository, const struct seal_id *id,
                      const uint8_t wrapped[CONTENT_WRAPPED_BYTES], const char *what,
                      uint8_t out[SEAL_KEY_BYTES], struct error *err)
{
    const struct key_generation *generation = generation_of(repository, id->generation, what, err);
    if (generation == NULL || !repository_check_can_read(repository, what, err))
        return false;
    return seal_box_open(generation->content_secret, wrapped, CONTENT_WRAPPED_BYTES, out) ||
           error_set(err, ERROR_CORRUPT, "%s is damaged: its content key does not open", what);
}

void content_seal(const struct repository *repository, const struct seal_place *place,
                  const uint8_t key[SEAL_KEY_BYTES], const void *plain, size_t len, uint8_t *out)
{
    uint8_t room[CONTEXT_MAX];
    struct seal_context context = context_of(repository, place, room);
    seal_encrypt(key, &context, plain, len, out);
}

bool content_open(const struct repository *repository, const struct seal_place *place,
                  const uint8_t key[SEAL_KEY_BYTES], const void *sealed, size_t len,
                  const char *what, uint8_t *out, struct error *err)
{
    uint8_t room[CONTEXT_MAX];
    struct seal_context context = context_of(repository, place, room);
    return seal_decrypt(key, &context, sealed, len, out) || not_as_sealed(place, what, err);
}
