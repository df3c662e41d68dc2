#include "record.h"

#include "repository/sealing.h"

#include <stdio.h>
#include <string.h>

enum { SEALED_MAX_BYTES = RECORD_MAX_BYTES + SEALED_HEAD_BYTES + SEAL_OVERHEAD };

static bool seal_record(const struct repository *repository, const char *key,
                        const struct buf *text, struct buf *out, struct error *err)
{
    struct seal_place place = {.kind = OBJECT_RECORD, .name = key};
    seal_id_new(repository, &place.id);
    seal_head_put(out, OBJECT_RECORD, repository, &place.id);
    return metadata_seal(repository, &place, text->data, text->len, out, err);
}

bool record_put(const struct repository *repository, const char *key, const struct value *record,
                struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf sealed;
    buf_init(&text, RECORD_MAX_BYTES);
    buf_init(&sealed, SEALED_MAX_BYTES);
    if (!value_print(record, true, &text, err) || !buf_check(&text, key, err))
        return false;
    if (!repository_is_sealed(repository))
        return store_put(repository->store, key, text.data, text.len, NULL, err);
    return seal_record(repository, key, &text, &sealed, err) &&
           store_put(repository->store, key, sealed.data, sealed.len, NULL, err);
}

static bool open_record(const struct repository *repository, const char *key,
                        const struct buf *stored, struct buf *out, struct error *err)
{
    char what[STORE_KEY_MAX + 2];
    struct reader reader;
    struct seal_place place = {.kind = OBJECT_RECORD, .name = key};
    (void)snprintf(what, sizeof what, "\"%s\"", key);
    reader_init(&reader, stored->data, stored->len, what);
    return seal_head_read(&reader, OBJECT_RECORD, repository, &place.id, err) &&
           metadata_open(repository, &place, reader.next, reader_left(&reader), what, out, err);
}

struct value *record_get(const struct repository *repository, const char *key, struct error *err)
{
    size_t got;
    CLEANUP(buf_release) struct buf stored;
    CLEANUP(buf_release) struct buf opened;
    buf_init(&stored, SEALED_MAX_BYTES);
    buf_init(&opened, SEALED_MAX_BYTES);
    bool sealed = repository_is_sealed(repository);
    size_t most = sealed ? SEALED_MAX_BYTES : RECORD_MAX_BYTES;
    uint8_t *to = buf_reserve(&stored, most);
    if (to == NULL) {
        (void)error_no_memory(err, "an object");
        return NULL;
    }
    if (!store_get(repository->store, key, 0, most, to, &got, err))
        return NULL;
    stored.len = got;
    if (sealed && !open_record(repository, key, &stored, &opened, err))
        return NULL;
    const struct buf *text = sealed ? &opened : &stored;
    struct value *record = value_parse(text->data, text->len, RECORD_MAX_BYTES, key, err);
    if (record == NULL && err->kind == ERROR_INVALID)
        err->kind = ERROR_CORRUPT;
    return record;
}

bool record_is_at_fault(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_INVALID || kind == ERROR_UNSUPPORTED ||
           kind == ERROR_REFUSED;
}
