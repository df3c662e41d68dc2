#include "tests/lib/store_fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

struct store_fault {
    struct store store;
    struct store *inner;
    struct fault fault;
    atomic_int calls;
    atomic_uint hits;
};

static struct store_fault *from_store(struct store *store)
{
    return (struct store_fault *)store;
}

/* NULL when this call is to go through; else what to do to it. */
static const struct fault *next_call(struct store *store, enum fault_op op)
{
    struct store_fault *faulty = from_store(store);
    const struct fault *fault = &faulty->fault;
    if ((fault->ops & op) == 0)
        return NULL;
    int call = atomic_fetch_add(&faulty->calls, 1) + 1;
    bool hit = call >= fault->at_call &&
               (fault->times == 0 || call < fault->at_call + fault->times);
    if (hit)
        (void)atomic_fetch_or(&faulty->hits, (unsigned)op);
    if (hit && fault->kill && !fault->done_anyway)
        (void)raise(SIGKILL);
    return hit ? fault : NULL;
}

static bool skips(const struct fault *fault)
{
    return fault != NULL && fault->kind != ERROR_NONE && !fault->done_anyway;
}

/* The result of a call that was carried out (done) or skipped. */
static bool finish(const struct fault *fault, bool done, struct error *err)
{
    if (fault == NULL)
        return done;
    if (fault->kill)
        (void)raise(SIGKILL);
    if (fault->kind == ERROR_NONE)
        return done;
    (void)error_set(err, fault->kind, "fault on purpose");
    err->retryable = fault->retryable;
    err->retry_after_ms = fault->retry_after_ms;
    return false;
}

static bool fault_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_PUT);
    bool done = skips(fault) || store_put(from_store(store)->inner, key, bytes, len, sha256, err);
    return finish(fault, done, err);
}

static bool fault_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_GET);
    bool done = skips(fault) ||
                store_get(from_store(store)->inner, key, offset, want, out, out_got, err);
    if (done && !skips(fault) && fault != NULL && fault->damage && *out_got > 0)
        *(uint8_t *)out ^= 0x55;
    return finish(fault, done, err);
}

static bool fault_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_STAT);
    bool done = skips(fault) || store_stat(from_store(store)->inner, key, out, err);
    return finish(fault, done, err);
}

struct listing {
    store_visit_fn visit;
    void *context;
    int left; /* objects still to be visited; negative: all */
};

static bool count_object(void *context, const struct store_object *object, struct error *err)
{
    (void)object;
    (void)err;
    ++*(int *)context;
    return true;
}

static bool visit_some(void *context, const struct store_object *object, struct error *err)
{
    struct listing *listing = context;
    if (listing->left == 0)
        return error_set(err, ERROR_UNAVAILABLE, "fault on purpose");
    listing->left--;
    return listing->visit(listing->context, object, err);
}

static bool fault_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_LIST);
    struct listing listing = {.visit = visit, .context = context, .left = -1};
    struct store *inner = from_store(store)->inner;
    int count = 0;
    if (skips(fault)) {
        if (!store_list(inner, prefix, count_object, &count, err))
            return false;
        listing.left = count / 2;
    }
    bool done = store_list(inner, prefix, visit_some, &listing, err);
    return finish(fault, done, err);
}

static bool fault_remove(struct store *store, const char *key, struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_REMOVE);
    bool done = skips(fault) || store_remove(from_store(store)->inner, key, err);
    return finish(fault, done, err);
}

static bool fault_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    return store_lock(from_store(store)->inner, key, renew, out_until_us, err);
}

static bool fault_protection(struct store *store, struct store_protection *out, struct error *err)
{
    return store_protection(from_store(store)->inner, out, err);
}

static bool fault_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    const struct fault *fault = next_call(store, FAULT_TIME);
    bool done = skips(fault) || store_time(from_store(store)->inner, out_unix_us, err);
    return finish(fault, done, err);
}

static const char *fault_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void fault_close(struct store *store)
{
    store_close(from_store(store)->inner);
    free(store);
}

static const struct store_ops fault_ops = {
    .name = "fault",
    .put = fault_put,
    .get = fault_get,
    .stat = fault_stat,
    .list = fault_list,
    .remove = fault_remove,
    .lock = fault_lock,
    .protection = fault_protection,
    .time = fault_time,
    .create_only = fault_create_only,
    .close = fault_close,
};

bool store_fault_open(struct store *inner, struct store **out, struct error *err)
{
    struct store_fault *faulty = calloc(1, sizeof *faulty);
    if (faulty == NULL) {
        store_close(inner);
        return error_no_memory(err, "a store");
    }
    faulty->store.ops = &fault_ops;
    faulty->inner = inner;
    *out = &faulty->store;
    return true;
}

void store_fault_set(struct store *store, const struct fault *fault)
{
    from_store(store)->fault = *fault;
    atomic_store(&from_store(store)->calls, 0);
    atomic_store(&from_store(store)->hits, 0);
}

unsigned store_fault_hits(const struct store *store)
{
    return atomic_load(&((const struct store_fault *)store)->hits);
}

int store_fault_calls(const struct store *store)
{
    return atomic_load(&((const struct store_fault *)store)->calls);
}
