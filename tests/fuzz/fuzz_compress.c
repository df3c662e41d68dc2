/* Compressed frames: the first byte chooses the codec, two more the length that is expected. */
#include "base/cleanup.h"
#include "codec/compress.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    CLEANUP(codec_context_cleanup) struct codec_context *context = NULL;
    if (size < 3)
        return 0;
    size_t len = (size_t)(data[1] | data[2] << 8);
    CLEANUP(free_pointer) uint8_t *out = malloc(len + 1);
    if (out == NULL || !codec_context_new(&context, &err))
        abort();
    if (!codec_decompress(context, (enum codec)(data[0] % CODEC_COUNT), data + 3, size - 3, out,
                          len, &err) &&
        err.kind != ERROR_CORRUPT)
        abort();
    return 0;
}
