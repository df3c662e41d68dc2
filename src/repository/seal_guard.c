/* A store behind a guard: whatever a sealed repository writes, by whatever path, begins as a sealed
 * object of this repository and of a key generation that is known; all else is refused. */
#include "repository/sealing.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct seal_guard {
    struct store store;
    struct store *inner;
    const struct keyring *keyring;
    struct repository expected; /* only its id and keyring */
};

static struct seal_guard *from_store(struct store *store)
{
    return (struct seal_guard *)store;
}

/* What stays readable (FORMAT.md, "Sealing"). */
static bool is_plain_name(const char *key)
{
    return strcmp(key, REPOSITORY_CONFIG_KEY) == 0 || text_starts_with(key, KEY_PREFIX) ||
           text_starts_with(key, "probe/");
}

static bool is_sealed(const struct seal_guard *guard, const void *bytes, size_t len)
{
    enum { KIND_AT = 9 };
    struct seal_id id;
    struct reader reader;
    struct error ignored;
    if (len < SEALED_HEAD_BYTES + SEAL_OVERHEAD)
        return false;
    reader_init(&reader, bytes, len, "an object");
    enum object_kind kind = (enum object_kind)((const uint8_t *)bytes)[KIND_AT];
    return seal_head_read(&reader, kind, &guard->expected, &id, &ignored) &&
           keyring_find(guard->keyring, id.generation) != NULL;
}

static bool guard_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    const struct seal_guard *guard = from_store(store);
    if (!is_plain_name(key) && !is_sealed(guard, bytes, len))
        return error_set(err, ERROR_REFUSED,
                         "cannot store \"%s\" in plain: the repository is sealed (this is a fault "
                         "of the program)",
                         key);
    return store_put(guard->inner, key, bytes, len, sha256, err);
}

static bool guard_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    return store_get(from_store(store)->inner, key, offset, want, out, out_got, err);
}

static bool guard_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    return store_stat(from_store(store)->inner, key, out, err);
}

static bool guard_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    return store_list(from_store(store)->inner, prefix, visit, context, err);
}

static bool guard_remove(struct store *store, const char *key, struct error *err)
{
    return store_remove(from_store(store)->inner, key, err);
}

static bool guard_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    return store_lock(from_store(store)->inner, key, renew, out_until_us, err);
}

static bool guard_protection(struct store *store, struct store_protection *out, struct error *err)
{
    return store_protection(from_store(store)->inner, out, err);
}

static bool guard_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    return store_time(from_store(store)->inner, out_unix_us, err);
}

static const char *guard_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void guard_close(struct store *store)
{
    free(store);
}

static const struct store_ops guard_ops = {
    .name = "guard",
    .put = guard_put,
    .get = guard_get,
    .stat = guard_stat,
    .list = guard_list,
    .remove = guard_remove,
    .lock = guard_lock,
    .protection = guard_protection,
    .time = guard_time,
    .create_only = guard_create_only,
    .close = guard_close,
};

bool seal_guard_open(struct store *inner, struct keyring *keyring,
                     const uint8_t id[REPOSITORY_ID_BYTES], struct store **out, struct error *err)
{
    struct seal_guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL)
        return error_no_memory(err, "a store");
    *guard = (struct seal_guard){.store = {.ops = &guard_ops}, .inner = inner, .keyring = keyring};
    memcpy(guard->expected.id, id, REPOSITORY_ID_BYTES);
    guard->expected.keyring = keyring;
    *out = &guard->store;
    return true;
}
