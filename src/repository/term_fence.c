/* A store behind a fence: the jobs of a daemon that has lost its term make nothing visible and
 * remove nothing. */
#include "repository/term.h"

#include "base/text.h"

#include <stdlib.h>

struct term_fence {
    struct store store;
    struct store *inner;
    uint64_t term;
};

static struct term_fence *from_store(struct store *store)
{
    return (struct term_fence *)store;
}

static bool fence_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    const struct term_fence *fence = from_store(store);
    if (text_starts_with(key, "snapshots/") && !term_check(fence->inner, fence->term, err))
        return false;
    return store_put(fence->inner, key, bytes, len, sha256, err);
}

static bool fence_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    return store_get(from_store(store)->inner, key, offset, want, out, out_got, err);
}

static bool fence_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    return store_stat(from_store(store)->inner, key, out, err);
}

static bool fence_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    return store_list(from_store(store)->inner, prefix, visit, context, err);
}

static bool fence_remove(struct store *store, const char *key, struct error *err)
{
    const struct term_fence *fence = from_store(store);
    if (!text_starts_with(key, "leases/") && !term_check(fence->inner, fence->term, err))
        return false;
    return store_remove(fence->inner, key, err);
}

static bool fence_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    return store_lock(from_store(store)->inner, key, renew, out_until_us, err);
}

static bool fence_protection(struct store *store, struct store_protection *out, struct error *err)
{
    return store_protection(from_store(store)->inner, out, err);
}

static bool fence_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    return store_time(from_store(store)->inner, out_unix_us, err);
}

static const char *fence_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void fence_close(struct store *store)
{
    store_close(from_store(store)->inner);
    free(store);
}

static const struct store_ops fence_ops = {
    .name = "fence",
    .put = fence_put,
    .get = fence_get,
    .stat = fence_stat,
    .list = fence_list,
    .remove = fence_remove,
    .lock = fence_lock,
    .protection = fence_protection,
    .time = fence_time,
    .create_only = fence_create_only,
    .close = fence_close,
};

bool term_fence_open(struct store *inner, uint64_t number, struct store **out, struct error *err)
{
    struct term_fence *fence = calloc(1, sizeof *fence);
    if (fence == NULL) {
        store_close(inner);
        return error_no_memory(err, "a store");
    }
    *fence = (struct term_fence){.store = {.ops = &fence_ops}, .inner = inner, .term = number};
    *out = &fence->store;
    return true;
}
