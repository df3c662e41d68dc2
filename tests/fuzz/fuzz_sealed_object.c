/*
 * Objects of a sealed repository as they lie in the store, read by whoever reads that kind. The
 * first byte says which, and with bit 7 that the SHA-256 at the end is made right; the second one
 * how long the index is, for a pack.
 *
 * The seeds were sealed with the keys of sealed_repository.h; what is changed does not open, and
 * that is all that may come of it.
 */
#include "base/macros.h"
#include "codec/digest.h"
#include "repository/catalog.h"
#include "repository/manifest.h"
#include "repository/pack_reader.h"
#include "repository/pin.h"
#include "repository/restore_point.h"
#include "repository/wal_archive.h"
#include "tests/fuzz/outcome.h"
#include "tests/lib/sealed_repository.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HASHED = 1 << 7, LEAD_BYTES = 2, OBJECT_MAX = 1 << 20 };

static const struct wal_source from_here = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = 16 << 20};

static void read_point(const struct repository *repository, const struct buf *object,
                       uint8_t ignored)
{
    struct error err;
    struct restore_point point;
    (void)ignored;
    if (!sealed_store(repository, "restore-points/before.json", object))
        return;
    if (outcome_check(restore_point_get(repository, "before", &point, &err), &err) &&
        strcmp(point.name, "before") != 0)
        abort();
}

/* What cannot be read keeps its protection. */
static void read_pin(const struct repository *repository, const struct buf *object, uint8_t ignored)
{
    struct error err;
    struct pin_list list;
    (void)ignored;
    if (!sealed_store(repository, "pins/0123456789abcdef-0123456789abcdef.json", object) ||
        !outcome_check(pin_list_load(repository, &list, &err), &err))
        return;
    if (list.count != 1 || (!list.pins[0].readable && !pin_holds(&list.pins[0], INT64_MAX)))
        abort();
    pin_list_release(&list);
}

static void read_history(const struct repository *repository, const struct buf *object,
                         uint8_t ignored)
{
    struct error err;
    CLEANUP(buf_release) struct buf text;
    (void)ignored;
    buf_init(&text, OBJECT_MAX);
    if (sealed_store(repository, "history/00000002.history", object))
        (void)outcome_check(history_get(repository, 2, &text, &err), &err);
}

/* A manifest that cannot be read is listed, and does not hide the others. */
static void read_manifest(const struct repository *repository, const struct buf *object,
                          uint8_t ignored)
{
    static const char key[] = "snapshots/20260301T120005.000000Z-0123456789abcdef.manifest";
    struct error err;
    struct catalog catalog;
    struct manifest manifest;
    (void)ignored;
    if (!sealed_store(repository, key, object))
        return;
    if (!outcome_check(catalog_load(repository, &catalog, &err), &err) || catalog.count != 1)
        abort();
    bool listed = catalog.entries[0].readable;
    catalog_release(&catalog);
    if (!outcome_check(manifest_load(repository, key, &manifest, &err), &err)) {
        if (err.kind != ERROR_CORRUPT && err.kind != ERROR_UNSUPPORTED && err.kind != ERROR_REFUSED)
            abort();
        return;
    }
    manifest_release(&manifest);
    if (!listed)
        abort();
}

static void read_pack(const struct repository *repository, const struct buf *object,
                      uint8_t index_bytes)
{
    struct error err;
    char key[PACK_KEY_SIZE];
    struct pack_index index;
    struct pack_ref ref = {.size_bytes = object->len, .index_bytes = index_bytes, .page_count = 1};
    CLEANUP(buf_release) struct buf whole;
    buf_init(&whole, PACK_MAX_BYTES);
    if (object->len < SEALED_HEAD_BYTES)
        return;
    memcpy(ref.seal.generation, object->data + ENVELOPE_BYTES, sizeof ref.seal.generation);
    memcpy(ref.seal.object, object->data + ENVELOPE_BYTES + sizeof ref.seal.generation,
           sizeof ref.seal.object);
    digest_sha256(object->data, object->len, ref.id);
    if (!sealed_store(repository, pack_key(ref.id, key), object))
        return;
    if (outcome_check(pack_read_index(repository, &ref, &index, &err), &err))
        pack_index_release(&index);
    if (outcome_check(pack_read_whole(repository, &ref, &whole, &index, &err), &err))
        pack_index_release(&index);
}

static void read_wal(const struct repository *repository, const struct buf *object, uint8_t ignored)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    uint8_t wal[1000];
    struct wal_source source;
    const struct wal_chunk chunk = {
        .timeline = 1, .start_lsn = 4096, .end_lsn = 4096 + sizeof wal, .size_bytes = object->len};
    (void)ignored;
    if (!sealed_store(repository, wal_chunk_key(&chunk, key), object))
        return;
    bool read = outcome_check(
        wal_chunk_read(repository, &chunk, &from_here, 4096, sizeof wal, wal, &err), &err);
    bool known = outcome_check(wal_chunk_source(repository, &chunk, &source, &err), &err);
    bool sound = outcome_check(wal_chunk_check_sealed(repository, &chunk, &err), &err);
    if (read && (!known || !sound))
        abort();
}

static void (*const readers[])(const struct repository *repository, const struct buf *object,
                               uint8_t index_bytes) = {
    read_point, read_pin, read_history, read_manifest, read_pack, read_wal,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t hash[SHA256_BYTES];
    struct repository repository;
    if (size < LEAD_BYTES || size > OBJECT_MAX / 2)
        return 0;
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, OBJECT_MAX);
    buf_put(&object, data + LEAD_BYTES, size - LEAD_BYTES);
    if ((data[0] & HASHED) != 0) {
        digest_sha256(object.data, object.len, hash);
        buf_put(&object, hash, sizeof hash);
    }
    repository = sealed_repository();
    readers[data[0] % HASHED % ARRAY_LEN(readers)](&repository, &object, data[1]);
    store_close(repository.store);
    return 0;
}
