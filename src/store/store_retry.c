#include "store/store_retry.h"

#include "base/stop.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARE_BYTES = 1024 * 1024 };

struct store_retry {
    struct store store;
    struct store *inner;
    int64_t total_us;
    int64_t first_wait_us;
    int64_t max_wait_us;
    struct clock clock;
    struct random_source random;
};

/* One call and its attempts. */
struct attempts {
    const struct store_retry *retry;
    int64_t started_us;
    int64_t bound_us; /* of the next wait */
    int failed;
};

static struct store_retry *from_store(struct store *store)
{
    return (struct store_retry *)store;
}

static struct attempts attempts_start(struct store *store)
{
    const struct store_retry *retry = from_store(store);
    return (struct attempts){.retry = retry,
                             .started_us = clock_monotonic_us(&retry->clock),
                             .bound_us = retry->first_wait_us};
}

static int64_t next_wait_us(struct attempts *attempts, const struct error *err)
{
    const struct store_retry *retry = attempts->retry;
    int64_t wait_us = (int64_t)random_below(&retry->random, (uint64_t)attempts->bound_us);
    int64_t asked_us = err->retry_after_ms * 1000;
    attempts->bound_us = attempts->bound_us > retry->max_wait_us / 2 ? retry->max_wait_us
                                                                     : attempts->bound_us * 2;
    return wait_us > asked_us ? wait_us : asked_us;
}

/* After a failure: waits and returns true when the call is to be made again. Else err says why. */
static bool attempts_again(struct attempts *attempts, struct error *err)
{
    const struct store_retry *retry = attempts->retry;
    char lasted[TEXT_SIZE];
    attempts->failed++;
    if (!err->retryable)
        return false;
    int64_t wait_us = next_wait_us(attempts, err);
    int64_t elapsed_us = clock_monotonic_us(&retry->clock) - attempts->started_us;
    if (elapsed_us + wait_us > retry->total_us)
        return error_wrap(err, "gave up after %d %s in %s", attempts->failed,
                          text_plural((uint64_t)attempts->failed, "attempt", "attempts"),
                          text_duration_us(elapsed_us, lasted));
    clock_sleep_us(&retry->clock, wait_us);
    if (!stop_requested())
        return true;
    err->kind = ERROR_CANCELLED;
    err->retryable = false;
    return error_wrap(err, "asked to stop while waiting to try again");
}

/* True when the object is there with exactly these bytes. */
static bool is_stored(struct store *store, const char *key, const void *bytes, size_t len)
{
    struct error err;
    struct store_object object;
    if (!store_stat(store, key, &object, &err) || object.size_bytes != len)
        return false;
    char *chunk = malloc(COMPARE_BYTES);
    bool same = chunk != NULL;
    for (size_t at = 0; same && at < len; at += COMPARE_BYTES) {
        size_t want = len - at < COMPARE_BYTES ? len - at : COMPARE_BYTES;
        size_t got = 0;
        same = store_get(store, key, at, want, chunk, &got, &err) && got == want &&
               memcmp(chunk, (const char *)bytes + at, want) == 0;
    }
    free(chunk);
    return same;
}

static bool retry_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    struct store *inner = from_store(store)->inner;
    struct attempts attempts = attempts_start(store);
    do {
        if (store_put(inner, key, bytes, len, sha256, err))
            return true;
        /* An earlier attempt may have stored it without our hearing of it. */
        if (err->kind == ERROR_EXISTS && attempts.failed > 0)
            return is_stored(store, key, bytes, len);
    } while (attempts_again(&attempts, err));
    return false;
}

static bool retry_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_get(from_store(store)->inner, key, offset, want, out, out_got, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

static bool retry_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_stat(from_store(store)->inner, key, out, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

struct listing {
    store_visit_fn visit;
    void *context;
    char last_key[STORE_KEY_MAX];
    bool visitor_failed;
};

static bool visit_once(void *context, const struct store_object *object, struct error *err)
{
    struct listing *listing = context;
    if (strcmp(object->key, listing->last_key) <= 0)
        return true;
    (void)snprintf(listing->last_key, sizeof listing->last_key, "%s", object->key);
    listing->visitor_failed = !listing->visit(listing->context, object, err);
    return !listing->visitor_failed;
}

static bool retry_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    struct listing listing = {.visit = visit, .context = context};
    struct attempts attempts = attempts_start(store);
    do {
        if (store_list(from_store(store)->inner, prefix, visit_once, &listing, err))
            return true;
    } while (!listing.visitor_failed && attempts_again(&attempts, err));
    return false;
}

static bool retry_remove(struct store *store, const char *key, struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_remove(from_store(store)->inner, key, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

static bool retry_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_lock(from_store(store)->inner, key, renew, out_until_us, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

static bool retry_protection(struct store *store, struct store_protection *out, struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_protection(from_store(store)->inner, out, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

struct change_listing {
    store_change_fn visit;
    void *context;
    char last_key[STORE_KEY_MAX];
    bool visitor_failed;
};

static bool visit_change_once(void *context, const struct store_change *change, struct error *err)
{
    struct change_listing *listing = context;
    if (strcmp(change->key, listing->last_key) <= 0)
        return true;
    (void)snprintf(listing->last_key, sizeof listing->last_key, "%s", change->key);
    listing->visitor_failed = !listing->visit(listing->context, change, err);
    return !listing->visitor_failed;
}

static bool retry_changes(struct store *store, const char *prefix, bool removed_too,
                          store_change_fn visit, void *context, struct error *err)
{
    struct change_listing listing = {.visit = visit, .context = context};
    struct attempts attempts = attempts_start(store);
    do {
        if (store_changes(from_store(store)->inner, prefix, removed_too, visit_change_once,
                          &listing, err))
            return true;
    } while (!listing.visitor_failed && attempts_again(&attempts, err));
    return false;
}

static bool retry_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    struct attempts attempts = attempts_start(store);
    do {
        if (store_time(from_store(store)->inner, out_unix_us, err))
            return true;
    } while (attempts_again(&attempts, err));
    return false;
}

static const char *retry_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void retry_close(struct store *store)
{
    store_close(from_store(store)->inner);
    free(store);
}

static const struct store_ops retry_ops = {
    .name = "retry",
    .put = retry_put,
    .get = retry_get,
    .stat = retry_stat,
    .list = retry_list,
    .remove = retry_remove,
    .lock = retry_lock,
    .protection = retry_protection,
    .changes = retry_changes,
    .time = retry_time,
    .create_only = retry_create_only,
    .close = retry_close,
};

static int64_t or_default(int64_t value, int64_t when_zero)
{
    return value > 0 ? value : when_zero;
}

bool store_retry_open(struct store *inner, const struct store_retry_options *options,
                      struct store **out, struct error *err)
{
    struct store_retry *retry = calloc(1, sizeof *retry);
    if (retry == NULL) {
        store_close(inner);
        return error_no_memory(err, "a store");
    }
    *retry = (struct store_retry){
        .store = {.ops = &retry_ops},
        .inner = inner,
        .total_us = or_default(options->total_us, INT64_C(300000000)),
        .first_wait_us = or_default(options->first_wait_us, 200000),
        .max_wait_us = or_default(options->max_wait_us, 20000000),
        .clock = options->clock != NULL ? *options->clock : clock_system,
        .random = options->random != NULL ? *options->random : random_system,
    };
    *out = &retry->store;
    return true;
}
