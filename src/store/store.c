#include "store/store.h"

#include "base/text.h"

#include <string.h>

bool store_put(struct store *store, const char *key, const void *bytes, size_t len,
               const uint8_t *sha256, struct error *err)
{
    return store->ops->put(store, key, bytes, len, sha256, err);
}

bool store_get(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
               size_t *out_got, struct error *err)
{
    return store->ops->get(store, key, offset, want, out, out_got, err);
}

bool store_stat(struct store *store, const char *key, struct store_object *out, struct error *err)
{
    return store->ops->stat(store, key, out, err);
}

bool store_list(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                struct error *err)
{
    return store->ops->list(store, prefix, visit, context, err);
}

bool store_remove(struct store *store, const char *key, struct error *err)
{
    return store->ops->remove(store, key, err);
}

bool store_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                struct error *err)
{
    *out_until_us = 0;
    return store->ops->lock == NULL || store->ops->lock(store, key, renew, out_until_us, err);
}

bool store_protection(struct store *store, struct store_protection *out, struct error *err)
{
    *out = (struct store_protection){0};
    return store->ops->protection == NULL || store->ops->protection(store, out, err);
}

bool store_changes(struct store *store, const char *prefix, bool removed_too, store_change_fn visit,
                   void *context, struct error *err)
{
    return store->ops->changes == NULL ||
           store->ops->changes(store, prefix, removed_too, visit, context, err);
}

bool store_time(struct store *store, int64_t *out_unix_us, struct error *err)
{
    return store->ops->time(store, out_unix_us, err);
}

bool store_lock_is_wanted(const struct store_lock *lock)
{
    return lock->keep_us > 0 || lock->hold;
}

const char *store_create_only(struct store *store)
{
    return store->ops->create_only(store);
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->ops->close(store);
}

void store_cleanup(struct store **store)
{
    store_close(*store);
    *store = NULL;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.", c) != NULL);
}

bool store_check_key(const char *key, struct error *err)
{
    size_t len = strlen(key);
    bool good = len > 0 && len < STORE_KEY_MAX;
    for (const char *part = key; good;) {
        size_t part_len = 0;
        while (is_key_char(part[part_len]))
            part_len++;
        good = part_len > 0 && part[0] != '.';
        if (part[part_len] == '\0')
            break;
        good = good && part[part_len] == '/';
        part += part_len + 1;
    }
    if (!good)
        return error_set(err, ERROR_INVALID, "cannot use \"%.200s\" as the key of an object", key);
    return true;
}

bool store_url_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        char digits[3] = {0};
        uint8_t byte = (uint8_t)*from;
        if (*from == '%') {
            digits[0] = from[1];
            digits[1] = digits[0] == '\0' ? '\0' : from[2];
            if (!text_from_hex(digits, &byte, 1) || byte == 0)
                return false;
            from += 2;
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}
