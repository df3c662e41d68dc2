#include "tests/lib/store_script.h"

#include "base/text.h"
#include "store/store_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct script_view *from_store(struct store *store)
{
    return (struct script_view *)store;
}

/* False when the process is dead. */
static bool step(struct store *store, enum script_op op, const char *key, struct error *err)
{
    struct script_view *view = from_store(store);
    view->calls++;
    view->script->now_us++;
    if (view->dies_at != 0 && view->calls >= view->dies_at)
        return error_set(err, ERROR_IO, "dead on purpose");
    bool hit = view->hook_key != NULL ? text_starts_with(key, view->hook_key) &&
                                            (view->hook_op == SCRIPT_OTHER || view->hook_op == op)
                                      : view->calls == view->hook_at;
    if (hit && view->hook != NULL) {
        void (*hook)(void *) = view->hook;
        view->hook = NULL;
        hook(view->context);
    }
    return true;
}

static struct script_stamp *find_stamp(struct script *script, const char *key)
{
    for (size_t i = 0; i < script->stamp_count; i++)
        if (strcmp(script->stamps[i].key, key) == 0)
            return &script->stamps[i];
    return NULL;
}

static bool script_put(struct store *store, const char *key, const void *bytes, size_t len,
                       const uint8_t *sha256, struct error *err)
{
    if (!step(store, SCRIPT_PUT, key, err))
        return false;
    struct script *script = from_store(store)->script;
    if (!store_put(script->inner, key, bytes, len, sha256, err))
        return false;
    struct script_stamp *stamps = realloc(script->stamps,
                                          (script->stamp_count + 1) * sizeof *stamps);
    char *copy = strdup(key);
    assert(stamps != NULL && copy != NULL);
    script->stamps = stamps;
    stamps[script->stamp_count++] = (struct script_stamp){.key = copy, .stored_us = script->now_us};
    return true;
}

static bool script_get(struct store *store, const char *key, uint64_t offset, size_t want,
                       void *out, size_t *out_got, struct error *err)
{
    return step(store, SCRIPT_OTHER, key, err) &&
           store_get(from_store(store)->script->inner, key, offset, want, out, out_got, err);
}

static void stamp(struct script *script, struct store_object *object)
{
    const struct script_stamp *found = find_stamp(script, object->key);
    object->modified_us = found == NULL ? 0 : found->stored_us;
}

static bool script_stat(struct store *store, const char *key, struct store_object *out,
                        struct error *err)
{
    struct script *script = from_store(store)->script;
    if (!step(store, SCRIPT_OTHER, key, err) || !store_stat(script->inner, key, out, err))
        return false;
    stamp(script, out);
    return true;
}

struct stamped_listing {
    struct script *script;
    store_visit_fn visit;
    void *context;
};

static bool visit_stamped(void *context, const struct store_object *object, struct error *err)
{
    const struct stamped_listing *listing = context;
    struct store_object stamped = *object;
    stamp(listing->script, &stamped);
    return listing->visit(listing->context, &stamped, err);
}

static bool script_list(struct store *store, const char *prefix, store_visit_fn visit,
                        void *context, struct error *err)
{
    struct script *script = from_store(store)->script;
    struct stamped_listing listing = {.script = script, .visit = visit, .context = context};
    return step(store, SCRIPT_OTHER, prefix, err) &&
           store_list(script->inner, prefix, visit_stamped, &listing, err);
}

static bool script_remove(struct store *store, const char *key, struct error *err)
{
    if (!step(store, SCRIPT_REMOVE, key, err))
        return false;
    struct script *script = from_store(store)->script;
    struct script_stamp *found = find_stamp(script, key);
    if (found != NULL) {
        free(found->key);
        *found = script->stamps[--script->stamp_count];
    }
    return store_remove(script->inner, key, err);
}

static bool script_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    if (!step(store, SCRIPT_OTHER, "", err))
        return false;
    *out_unix_us = from_store(store)->script->now_us;
    return true;
}

static const char *script_create_only(struct store *store)
{
    return store_create_only(from_store(store)->script->inner);
}

static void script_close(struct store *store)
{
    (void)store;
}

static const struct store_ops script_ops = {
    .name = "script",
    .put = script_put,
    .get = script_get,
    .stat = script_stat,
    .list = script_list,
    .remove = script_remove,
    .time = script_time,
    .create_only = script_create_only,
    .close = script_close,
};

void script_init(struct script *script, int64_t now_us)
{
    struct error err;
    *script = (struct script){.now_us = now_us};
    bool opened = store_memory_open(&script->inner, &err);
    assert(opened);
    (void)opened;
}

void script_release(struct script *script)
{
    for (size_t i = 0; i < script->stamp_count; i++)
        free(script->stamps[i].key);
    free(script->stamps);
    store_close(script->inner);
    *script = (struct script){0};
}

void script_view_init(struct script_view *view, struct script *script)
{
    *view = (struct script_view){.store = {.ops = &script_ops}, .script = script};
}

static int64_t script_now(void *context)
{
    return ((struct script *)context)->now_us;
}

static void script_sleep(void *context, int64_t wait_us)
{
    ((struct script *)context)->now_us += wait_us;
}

struct clock script_clock(struct script *script)
{
    return (struct clock){.now_us = script_now,
                          .monotonic_us = script_now,
                          .sleep_us = script_sleep,
                          .context = script};
}
