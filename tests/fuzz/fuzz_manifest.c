/*
 * Manifests. The first byte chooses: even = the rest is a whole manifest, odd = the rest is the
 * body of one whose head and checksums are right, so that the fuzzer gets past them.
 */
#include "codec/digest.h"
#include "repository/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct repository repository = {.id = {1}};

static void wrap_body(const uint8_t *body, size_t len, struct buf *out)
{
    struct error err;
    uint8_t hash[SHA256_BYTES];
    struct buf summary;
    struct snapshot_info info = {.id = "0123456789abcdef"};
    buf_init(&summary, 1 << 16);
    if (!snapshot_info_to_json(&info, &summary, &err))
        abort();
    envelope_put(out, OBJECT_MANIFEST, &repository);
    buf_put_u32(out, (uint32_t)summary.len);
    buf_put(out, summary.data, summary.len);
    buf_put_u64(out, digest_xxh3(summary.data, summary.len));
    buf_put_u8(out, CODEC_NONE);
    buf_put_u64(out, len);
    buf_put_u64(out, len);
    buf_put(out, body, len);
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
    buf_release(&summary);
}

/* What was accepted can be written again, to something that is accepted. */
static void write_again(struct manifest *manifest)
{
    struct error err;
    struct buf bytes;
    struct manifest again;
    buf_init(&bytes, 64 << 20);
    if (!manifest_encode(&repository, manifest, &bytes, &err) ||
        !manifest_decode(&repository, bytes.data, bytes.len, "again", &again, &err) ||
        again.entry_count != manifest->entry_count || again.pack_count != manifest->pack_count)
        abort();
    manifest_release(&again);
    buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct manifest manifest;
    struct buf bytes;
    if (size == 0)
        return 0;
    buf_init(&bytes, 64 << 20);
    if (data[0] % 2 == 0)
        buf_put(&bytes, data + 1, size - 1);
    else
        wrap_body(data + 1, size - 1, &bytes);
    if (manifest_decode(&repository, bytes.data, bytes.len, "input", &manifest, &err)) {
        write_again(&manifest);
        manifest_release(&manifest);
    }
    buf_release(&bytes);
    return 0;
}
