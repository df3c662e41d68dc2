#include "store/store_trace.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct store_trace {
    struct store store;
    struct store *inner;
    struct clock clock;
};

static struct store_trace *from_store(struct store *store)
{
    return (struct store_trace *)store;
}

struct span {
    const struct store_trace *trace;
    const char *event;
    const char *key;
    int64_t started_us;
};

static struct span span_start(struct store *store, const char *event, const char *key)
{
    const struct store_trace *trace = from_store(store);
    return (struct span){.trace = trace,
                         .event = event,
                         .key = key,
                         .started_us = clock_monotonic_us(&trace->clock)};
}

/* Returns done. */
static bool span_end(const struct span *span, uint64_t bytes, bool done, const struct error *err)
{
    int64_t us = clock_monotonic_us(&span->trace->clock) - span->started_us;
    log_event(LOG_INFO, span->event, "%s %s \"%s\" %" PRIu64 " bytes %.1f ms %s%s%s",
              span->trace->inner->ops->name, strchr(span->event, '.') + 1, span->key, bytes,
              (double)us / 1000, done ? "ok" : error_kind_name(err->kind), done ? "" : ": ",
              done ? "" : err->text);
    return done;
}

static bool trace_put(struct store *store, const char *key, const void *bytes, size_t len,
                      const uint8_t *sha256, struct error *err)
{
    struct span span = span_start(store, "store.put", key);
    bool done = store_put(from_store(store)->inner, key, bytes, len, sha256, err);
    return span_end(&span, len, done, err);
}

static bool trace_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                      size_t *out_got, struct error *err)
{
    struct span span = span_start(store, "store.get", key);
    bool done = store_get(from_store(store)->inner, key, offset, want, out, out_got, err);
    return span_end(&span, done ? *out_got : 0, done, err);
}

static bool trace_stat(struct store *store, const char *key, struct store_object *out,
                       struct error *err)
{
    struct span span = span_start(store, "store.stat", key);
    bool done = store_stat(from_store(store)->inner, key, out, err);
    return span_end(&span, 0, done, err);
}

static bool trace_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                       struct error *err)
{
    struct span span = span_start(store, "store.list", prefix);
    bool done = store_list(from_store(store)->inner, prefix, visit, context, err);
    return span_end(&span, 0, done, err);
}

static bool trace_remove(struct store *store, const char *key, struct error *err)
{
    struct span span = span_start(store, "store.remove", key);
    bool done = store_remove(from_store(store)->inner, key, err);
    return span_end(&span, 0, done, err);
}

static bool trace_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                       struct error *err)
{
    struct span span = span_start(store, "store.lock", key);
    bool done = store_lock(from_store(store)->inner, key, renew, out_until_us, err);
    return span_end(&span, 0, done, err);
}

static bool trace_protection(struct store *store, struct store_protection *out, struct error *err)
{
    struct span span = span_start(store, "store.protection", "");
    bool done = store_protection(from_store(store)->inner, out, err);
    return span_end(&span, 0, done, err);
}

static bool trace_changes(struct store *store, const char *prefix, bool removed_too,
                          store_change_fn visit, void *context, struct error *err)
{
    struct span span = span_start(store, "store.changes", prefix);
    bool done = store_changes(from_store(store)->inner, prefix, removed_too, visit, context, err);
    return span_end(&span, 0, done, err);
}

static bool trace_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    struct span span = span_start(store, "store.time", "");
    bool done = store_time(from_store(store)->inner, out_unix_us, err);
    return span_end(&span, 0, done, err);
}

static const char *trace_create_only(struct store *store)
{
    return store_create_only(from_store(store)->inner);
}

static void trace_close(struct store *store)
{
    store_close(from_store(store)->inner);
    free(store);
}

static const struct store_ops trace_ops = {
    .name = "trace",
    .put = trace_put,
    .get = trace_get,
    .stat = trace_stat,
    .list = trace_list,
    .remove = trace_remove,
    .lock = trace_lock,
    .protection = trace_protection,
    .changes = trace_changes,
    .time = trace_time,
    .create_only = trace_create_only,
    .close = trace_close,
};

bool store_trace_open(struct store *inner, const struct clock *clock, struct store **out,
                      struct error *err)
{
    struct store_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        store_close(inner);
        return error_no_memory(err, "a store");
    }
    *trace = (struct store_trace){.store = {.ops = &trace_ops},
                                  .inner = inner,
                                  .clock = clock != NULL ? *clock : clock_system};
    *out = &trace->store;
    return true;
}
