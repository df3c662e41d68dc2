#include "store/store_memory.h"

#include "base/clock.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct object {
    char *key;
    uint8_t *bytes; /* never changed once stored, but freed by remove: copy under the lock */
    size_t len;
    int64_t modified_us;
};

struct store_memory {
    struct store store;
    pthread_mutex_t lock;
    struct object *objects; /* sorted by key */
    size_t count;
    size_t capacity;
};

static struct store_memory *from_store(struct store *store)
{
    return (struct store_memory *)store;
}

static bool not_found(const char *key, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "could not find object \"%s\" in memory", key);
}

/* Where the key is, or where it belongs: the first object that is not smaller. */
static size_t position_of(const struct store_memory *memory, const char *key)
{
    size_t low = 0;
    size_t high = memory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(memory->objects[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct object *find(const struct store_memory *memory, const char *key)
{
    size_t at = position_of(memory, key);
    if (at == memory->count || strcmp(memory->objects[at].key, key) != 0)
        return NULL;
    return &memory->objects[at];
}

static bool make_room(struct store_memory *memory)
{
    if (memory->count < memory->capacity)
        return true;
    size_t capacity = memory->capacity == 0 ? 64 : memory->capacity * 2;
    struct object *objects = reallocarray(memory->objects, capacity, sizeof *objects);
    if (objects == NULL)
        return false;
    memory->objects = objects;
    memory->capacity = capacity;
    return true;
}

static void free_object(struct object *object)
{
    free(object->key);
    free(object->bytes);
}

/* Takes the object on success. The caller holds the lock. */
static bool insert(struct store_memory *memory, const struct object *object, struct error *err)
{
    if (find(memory, object->key) != NULL)
        return error_set(err, ERROR_EXISTS, "could not store object \"%s\": it exists already",
                         object->key);
    if (!make_room(memory))
        return error_no_memory(err, "an object");
    size_t at = position_of(memory, object->key);
    memmove(&memory->objects[at + 1], &memory->objects[at],
            (memory->count - at) * sizeof *memory->objects);
    memory->objects[at] = *object;
    memory->count++;
    return true;
}

static bool memory_put(struct store *store, const char *key, const void *bytes, size_t len,
                       const uint8_t *sha256, struct error *err)
{
    struct store_memory *memory = from_store(store);
    (void)sha256;
    if (!store_check_key(key, err))
        return false;
    struct object object = {.key = strdup(key),
                            .bytes = malloc(len == 0 ? 1 : len),
                            .len = len,
                            .modified_us = clock_now_us(&clock_system)};
    bool done = object.key != NULL && object.bytes != NULL;
    if (!done) {
        free_object(&object);
        return error_no_memory(err, "an object");
    }
    if (len > 0)
        memcpy(object.bytes, bytes, len);
    pthread_mutex_lock(&memory->lock);
    done = insert(memory, &object, err);
    pthread_mutex_unlock(&memory->lock);
    if (!done)
        free_object(&object);
    return done;
}

static bool memory_get(struct store *store, const char *key, uint64_t offset, size_t want,
                       void *out, size_t *out_got, struct error *err)
{
    struct store_memory *memory = from_store(store);
    if (!store_check_key(key, err))
        return false;
    pthread_mutex_lock(&memory->lock);
    const struct object *object = find(memory, key);
    if (object != NULL) {
        size_t left = offset < object->len ? object->len - (size_t)offset : 0;
        size_t got = want < left ? want : left;
        if (got > 0)
            memcpy(out, object->bytes + offset, got);
        *out_got = got;
    }
    pthread_mutex_unlock(&memory->lock);
    return object != NULL || not_found(key, err);
}

static bool memory_stat(struct store *store, const char *key, struct store_object *out,
                        struct error *err)
{
    struct store_memory *memory = from_store(store);
    if (!store_check_key(key, err))
        return false;
    pthread_mutex_lock(&memory->lock);
    const struct object *object = find(memory, key);
    if (object != NULL)
        *out = (struct store_object){
            .key = key, .size_bytes = object->len, .modified_us = object->modified_us};
    pthread_mutex_unlock(&memory->lock);
    return object != NULL || not_found(key, err);
}

/* Copies the first object at or behind `from` (behind it when `after`); false at the end. */
static bool next_object(struct store_memory *memory, const char *from, bool after,
                        char out_key[STORE_KEY_MAX], struct store_object *out)
{
    pthread_mutex_lock(&memory->lock);
    size_t at = position_of(memory, from);
    if (after && at < memory->count && strcmp(memory->objects[at].key, from) == 0)
        at++;
    bool found = at < memory->count;
    if (found) {
        const struct object *object = &memory->objects[at];
        memcpy(out_key, object->key, strlen(object->key) + 1);
        *out = (struct store_object){
            .key = out_key, .size_bytes = object->len, .modified_us = object->modified_us};
    }
    pthread_mutex_unlock(&memory->lock);
    return found;
}

/* Visits without the lock, so that the visitor may use the store. */
static bool memory_list(struct store *store, const char *prefix, store_visit_fn visit,
                        void *context, struct error *err)
{
    struct store_memory *memory = from_store(store);
    char keys[2][STORE_KEY_MAX];
    struct store_object object;
    const char *from = prefix;
    for (size_t i = 0; next_object(memory, from, i > 0, keys[i % 2], &object); i++) {
        if (!text_starts_with(object.key, prefix))
            break;
        if (!visit(context, &object, err))
            return false;
        from = keys[i % 2];
    }
    return true;
}

static bool memory_remove(struct store *store, const char *key, struct error *err)
{
    struct store_memory *memory = from_store(store);
    if (!store_check_key(key, err))
        return false;
    pthread_mutex_lock(&memory->lock);
    struct object *object = find(memory, key);
    if (object != NULL) {
        size_t at = (size_t)(object - memory->objects);
        free_object(object);
        memory->count--;
        memmove(object, object + 1, (memory->count - at) * sizeof *object);
    }
    pthread_mutex_unlock(&memory->lock);
    return true;
}

static bool memory_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    (void)store;
    (void)err;
    *out_unix_us = clock_now_us(&clock_system);
    return true;
}

static const char *memory_create_only(struct store *store)
{
    (void)store;
    return "a lock in this process";
}

static void memory_close(struct store *store)
{
    struct store_memory *memory = from_store(store);
    for (size_t i = 0; i < memory->count; i++)
        free_object(&memory->objects[i]);
    free(memory->objects);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .put = memory_put,
    .get = memory_get,
    .stat = memory_stat,
    .list = memory_list,
    .remove = memory_remove,
    .time = memory_time,
    .create_only = memory_create_only,
    .close = memory_close,
};

bool store_memory_open(struct store **out, struct error *err)
{
    struct store_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return error_no_memory(err, "a store in memory");
    memory->store.ops = &memory_ops;
    (void)pthread_mutex_init(&memory->lock, NULL); /* cannot fail with default attributes */
    *out = &memory->store;
    return true;
}
