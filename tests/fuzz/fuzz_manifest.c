/*
 * Manifests. The first byte chooses:
 *
 *   bit 0 clear   the rest is a whole manifest, but for the SHA-256 at its end when bit 2 is set
 *   bit 0 set     the rest is the body of one whose head and checksums are right, so that the
 *                 fuzzer gets past them
 *   bit 1 set     of a sealed repository
 */
#include "codec/digest.h"
#include "repository/manifest.h"
#include "tests/fuzz/outcome.h"
#include "tests/lib/sealed_repository.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WRAPPED = 1 << 0, SEALED = 1 << 1, HASHED = 1 << 2 };

static void put_summary(const struct repository *repository, struct seal_place *place,
                        struct buf *out)
{
    struct error err;
    CLEANUP(buf_release) struct buf summary;
    struct snapshot_info info = {.id = "0123456789abcdef"};
    buf_init(&summary, 1 << 16);
    if (!snapshot_info_to_json(&info, &summary, &err))
        abort();
    if (!repository_is_sealed(repository)) {
        envelope_put(out, OBJECT_MANIFEST, repository);
        buf_put_u32(out, (uint32_t)summary.len);
        buf_put(out, summary.data, summary.len);
        buf_put_u64(out, digest_xxh3(summary.data, summary.len));
        return;
    }
    seal_id_new(repository, &place->id);
    seal_head_put(out, OBJECT_MANIFEST, repository, &place->id);
    buf_put_u32(out, (uint32_t)summary.len + SEAL_OVERHEAD);
    if (!metadata_seal(repository, place, summary.data, summary.len, out, &err))
        abort();
}

static void wrap_body(const struct repository *repository, const uint8_t *body, size_t len,
                      struct buf *out)
{
    struct error err;
    struct seal_place place = {.kind = OBJECT_MANIFEST, .name = ""};
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, 64 << 20);
    put_summary(repository, &place, out);
    buf_put_u8(&plain, CODEC_NONE);
    buf_put_u64(&plain, len);
    buf_put_u64(&plain, len);
    buf_put(&plain, body, len);
    place.position = 1;
    if (!repository_is_sealed(repository))
        buf_put(out, plain.data, plain.len);
    else if (!metadata_seal(repository, &place, plain.data, plain.len, out, &err))
        abort();
}

static void put_hash(struct buf *out)
{
    uint8_t hash[SHA256_BYTES];
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
}

/* What was accepted can be written again, to something that is accepted. */
static void write_again(const struct repository *repository, struct manifest *manifest)
{
    struct error err;
    struct buf bytes;
    struct manifest again;
    buf_init(&bytes, 64 << 20);
    if (!manifest_encode(repository, manifest, &bytes, &err) ||
        !manifest_decode(repository, bytes.data, bytes.len, "again", &again, &err) ||
        again.entry_count != manifest->entry_count || again.pack_count != manifest->pack_count)
        abort();
    manifest_release(&again);
    buf_release(&bytes);
}

/* What a catalog reads of it: the beginning alone. */
static void read_info(struct repository *repository, const struct buf *bytes)
{
    struct error err;
    struct snapshot_info info;
    static const char key[] = "snapshots/x.manifest";
    if (!store_memory_open(&repository->store, &err))
        abort();
    if (sealed_store(repository, key, bytes) &&
        outcome_check(manifest_load_info(repository, key, &info, &err), &err))
        snapshot_info_release(&info);
    store_close(repository->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct manifest manifest;
    struct buf bytes;
    struct repository repository = {.id = {1}};
    if (size == 0)
        return 0;
    if ((data[0] & SEALED) != 0)
        repository.keyring = sealed_keys()->keyring;
    buf_init(&bytes, 64 << 20);
    if ((data[0] & WRAPPED) == 0)
        buf_put(&bytes, data + 1, size - 1);
    else
        wrap_body(&repository, data + 1, size - 1, &bytes);
    if ((data[0] & (WRAPPED | HASHED)) != 0)
        put_hash(&bytes);
    read_info(&repository, &bytes);
    if (outcome_check(manifest_decode(&repository, bytes.data, bytes.len, "input", &manifest, &err),
                      &err)) {
        write_again(&repository, &manifest);
        manifest_release(&manifest);
    }
    buf_release(&bytes);
    return 0;
}
