#include "record.h"

#include <string.h>

bool record_put(const struct repository *repository, const char *key, const struct value *record,
                struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, RECORD_MAX_BYTES);
    return value_print(record, true, &text, err) && buf_check(&text, key, err) &&
           store_put(repository->store, key, text.data, text.len, NULL, err);
}

struct value *record_get(const struct repository *repository, const char *key, struct error *err)
{
    size_t got;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, RECORD_MAX_BYTES);
    uint8_t *to = buf_reserve(&text, RECORD_MAX_BYTES);
    if (to == NULL) {
        (void)error_no_memory(err, "an object");
        return NULL;
    }
    if (!store_get(repository->store, key, 0, RECORD_MAX_BYTES, to, &got, err))
        return NULL;
    struct value *record = value_parse(to, got, RECORD_MAX_BYTES, key, err);
    if (record == NULL && err->kind == ERROR_INVALID)
        err->kind = ERROR_CORRUPT;
    return record;
}

bool record_is_at_fault(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_INVALID || kind == ERROR_UNSUPPORTED;
}
