/* The server's backup_manifest; the first byte says into which pieces it is cut. */
#include "snapshot/server_manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool feed(struct server_manifest *reader, const uint8_t *data, size_t size, size_t piece)
{
    struct error err;
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        if (!server_manifest_feed(reader, data + at, len, &err))
            return false;
    }
    return server_manifest_finish(reader, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct manifest manifest;
    struct server_manifest *reader;
    struct manifest_entry entry = {.kind = ENTRY_FILE, .size_bytes = 3, .crc32c = 1};
    if (size == 0)
        return 0;
    manifest_init(&manifest);
    entry.path = strdup("PG_VERSION");
    if (entry.path == NULL || !manifest_add_entry(&manifest, &entry, &err) ||
        !server_manifest_new(&manifest, &reader, &err))
        abort();
    (void)feed(reader, data + 1, size - 1, (size_t)data[0] + 1);
    server_manifest_free(reader);
    manifest_release(&manifest);
    return 0;
}
