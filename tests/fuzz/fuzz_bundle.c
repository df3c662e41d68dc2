/*
 * Bundles. The first byte chooses: even = the rest is a whole archive; odd = a length byte, so many
 * bytes of a manifest, which gets its place and a good signature, then the rest of the archive:
 * what somebody with a trusted key could send. The keys are made for the process.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/bundle.h"
#include "tests/fuzz/memory_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TAR_BLOCK = 512, NAME_SIZE = 100, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156 };

struct keys {
    struct signing_key *own;
    struct trusted_keys *trusted;
};

static struct keys make_keys(void)
{
    struct error err;
    struct keys keys;
    CLEANUP(buf_release) struct buf private_pem;
    CLEANUP(buf_release) struct buf public_pem;
    buf_init(&private_pem, 4096);
    buf_init(&public_pem, 4096);
    if (!signing_key_create(&keys.own, &err) ||
        !signing_key_print(keys.own, &private_pem, &public_pem, &err) ||
        !trusted_keys_parse(buf_text(&public_pem), "keys", &keys.trusted, &err))
        abort();
    return keys;
}

/* A ustar header (POSIX.1-1988) and the bytes, padded. */
static void put_member(const char *name, const void *bytes, size_t len, struct buf *out)
{
    char header[TAR_BLOCK] = {0};
    unsigned sum = 0;
    (void)snprintf(header, NAME_SIZE, "%s", name);
    (void)snprintf(header + NAME_SIZE, SIZE_AT - NAME_SIZE, "0000644");
    (void)snprintf(header + SIZE_AT, 12, "%011zo", len);
    header[TYPE_AT] = '0';
    memcpy(header + TYPE_AT + 101,
           "ustar\0"
           "00",
           8);
    memset(header + SUM_AT, ' ', 8);
    for (size_t i = 0; i < sizeof header; i++)
        sum += (unsigned char)header[i];
    (void)snprintf(header + SUM_AT, 8, "%06o", sum);
    buf_put(out, header, sizeof header);
    buf_put(out, bytes, len);
    while (out->len % TAR_BLOCK != 0)
        buf_put_u8(out, 0);
}

static void wrap(const struct signing_key *key, const uint8_t *data, size_t size, struct buf *out)
{
    struct error err;
    uint8_t signature[SIGNATURE_BYTES];
    char hex[2 * SIGNATURE_BYTES + 1];
    size_t len = size == 0 ? 0 : (size_t)data[0] * 4;
    size_t rest = size == 0 ? 0 : size - 1;
    len = len < rest ? len : rest;
    if (!signature_sign(key, data + 1, len, signature, &err))
        abort();
    text_hex(signature, sizeof signature, hex);
    put_member("manifest.json", data + 1, len, out);
    put_member("manifest.sig", hex, sizeof hex - 1, out);
    buf_put(out, data + 1 + len, rest - len);
}

static void check(const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (strstr(bundle->files[i].path, "..") != NULL || bundle->files[i].path[0] == '/' ||
            bundle->files[i].text.len > BUNDLE_MAX_FILE_BYTES)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keys keys;
    struct error err;
    struct bundle bundle = {0};
    CLEANUP(buf_release) struct buf archive;
    buf_init(&archive, 1 << 20);
    if (size < 2)
        return 0;
    if (keys.own == NULL)
        keys = make_keys();
    if (data[0] % 2 == 0)
        buf_put(&archive, data + 1, size - 1);
    else
        wrap(keys.own, data + 1, size - 1, &archive);
    struct memory_file file = memory_file_open(archive.data, archive.len);
    if (bundle_read(file.fd, keys.trusted, &bundle, &err)) {
        if (data[0] % 2 == 0)
            abort(); /* nobody signed this */
        check(&bundle);
    }
    memory_file_close(&file);
    bundle_release(&bundle);
    return 0;
}
