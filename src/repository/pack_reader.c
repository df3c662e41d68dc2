#include "repository/pack_reader.h"

#include "base/cleanup.h"
#include "codec/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_LABEL_SIZE = PACK_KEY_SIZE + 16 };

/* `pack "packs/ab/ab12….pack"`, for messages. */
static const char *pack_label(const struct pack_ref *ref, char out[PACK_LABEL_SIZE])
{
    char key[PACK_KEY_SIZE];
    (void)snprintf(out, PACK_LABEL_SIZE, "pack \"%s\"", pack_key(ref->id, key));
    return out;
}

bool pack_read_range(const struct repository *repository, const struct pack_ref *ref,
                     uint64_t offset, size_t len, void *out, struct error *err)
{
    char key[PACK_KEY_SIZE];
    size_t got;
    if (!store_get(repository->store, pack_key(ref->id, key), offset, len, out, &got, err))
        return err->kind == ERROR_NOT_FOUND
                   ? error_set(err, ERROR_CORRUPT, "pack \"%s\" is missing from the store", key)
                   : error_wrap(err, "could not read pack \"%s\"", key);
    if (got != len)
        return error_set(err, ERROR_CORRUPT,
                         "pack \"%s\" is damaged: it ends at byte %llu instead of %llu", key,
                         (unsigned long long)(offset + got), (unsigned long long)ref->size_bytes);
    return true;
}

static bool check_page_count(const struct pack_ref *ref, struct pack_index *index,
                             struct error *err)
{
    char label[PACK_LABEL_SIZE];
    if (index->page_count == ref->page_count)
        return true;
    pack_index_release(index);
    return error_set(err, ERROR_CORRUPT, "%s is damaged: it does not hold %u pages",
                     pack_label(ref, label), ref->page_count);
}

bool pack_read_index(const struct repository *repository, const struct pack_ref *ref,
                     struct pack_index *out, struct error *err)
{
    char label[PACK_LABEL_SIZE];
    size_t len = (size_t)ref->index_bytes + PACK_TRAILER_BYTES;
    CLEANUP(free_pointer) uint8_t *tail = malloc(len);
    if (tail == NULL)
        return error_no_memory(err, "the index of a pack");
    if (!pack_read_range(repository, ref, ref->size_bytes - len, len, tail, err) ||
        !pack_index_parse(tail, len, ref->size_bytes, pack_label(ref, label), out, err))
        return false;
    return check_page_count(ref, out, err);
}

bool pack_read_whole(const struct repository *repository, const struct pack_ref *ref,
                     struct buf *out, struct pack_index *out_index, struct error *err)
{
    char label[PACK_LABEL_SIZE];
    uint8_t hash[SHA256_BYTES];
    struct reader reader;
    size_t tail_len = (size_t)ref->index_bytes + PACK_TRAILER_BYTES;
    (void)pack_label(ref, label);
    buf_clear(out);
    uint8_t *bytes = buf_reserve(out, ref->size_bytes);
    if (bytes == NULL)
        return error_no_memory(err, label);
    if (!pack_read_range(repository, ref, 0, ref->size_bytes, bytes, err))
        return false;
    out->len = ref->size_bytes;
    digest_sha256(bytes, out->len, hash);
    if (memcmp(hash, ref->id, SHA256_BYTES) != 0)
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: its bytes do not have the SHA-256 in its name", label);
    reader_init(&reader, bytes, out->len, label);
    if (!envelope_check(&reader, OBJECT_PACK, repository, err) ||
        !pack_index_parse(bytes + out->len - tail_len, tail_len, out->len, label, out_index, err))
        return false;
    return check_page_count(ref, out_index, err);
}
