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

static bool parse_tail(const struct repository *repository, const struct pack_ref *ref,
                       const void *tail, size_t len, const char *label, struct pack_index *out,
                       struct error *err)
{
    return repository_is_sealed(repository)
               ? pack_sealed_tail_parse(repository, ref, tail, len, label, out, err)
               : pack_index_parse(tail, len, ref->size_bytes, label, out, err);
}

/* The head is the one that the manifest tells of. */
static bool check_head(const struct repository *repository, const struct pack_ref *ref,
                       struct reader *reader, struct error *err)
{
    struct seal_id seal;
    if (!repository_is_sealed(repository))
        return envelope_check(reader, OBJECT_PACK, repository, err);
    if (!seal_head_read(reader, OBJECT_PACK, repository, &seal, err))
        return false;
    return memcmp(&seal, &ref->seal, sizeof seal) == 0 ||
           error_set(err, ERROR_CORRUPT, "%s is damaged: it is not the one that was stored",
                     reader->what);
}

bool pack_read_index(const struct repository *repository, const struct pack_ref *ref,
                     struct pack_index *out, struct error *err)
{
    char label[PACK_LABEL_SIZE];
    size_t len = pack_tail_bytes(repository, ref);
    if (len > ref->size_bytes)
        return error_set(err, ERROR_CORRUPT, "%s cannot have an index of %zu bytes",
                         pack_label(ref, label), len);
    CLEANUP(free_pointer) uint8_t *tail = malloc(len);
    if (tail == NULL)
        return error_no_memory(err, "the index of a pack");
    if (!pack_read_range(repository, ref, ref->size_bytes - len, len, tail, err) ||
        !parse_tail(repository, ref, tail, len, pack_label(ref, label), out, err))
        return false;
    return check_page_count(ref, out, err);
}

bool pack_read_whole(const struct repository *repository, const struct pack_ref *ref,
                     struct buf *out, struct pack_index *out_index, struct error *err)
{
    char label[PACK_LABEL_SIZE];
    uint8_t hash[SHA256_BYTES];
    struct reader reader;
    size_t tail_len = pack_tail_bytes(repository, ref);
    (void)pack_label(ref, label);
    if (tail_len > ref->size_bytes)
        return error_set(err, ERROR_CORRUPT, "%s cannot have an index of %zu bytes", label,
                         tail_len);
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
    if (!check_head(repository, ref, &reader, err) ||
        !parse_tail(repository, ref, bytes + out->len - tail_len, tail_len, label, out_index, err))
        return false;
    return check_page_count(ref, out_index, err);
}
