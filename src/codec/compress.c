#include "codec/compress.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct codec_context {
    ZSTD_CCtx *zstd_compress;
    ZSTD_DCtx *zstd_decompress;
};

struct codec_ops {
    const char *name;
    int min_level;
    int max_level;
    int default_level;
    size_t (*bound)(size_t len);
    bool (*compress)(struct codec_context *context, int level, const void *bytes, size_t len,
                     void *out, size_t *out_len, struct error *err);
    bool (*decompress)(struct codec_context *context, const void *bytes, size_t len, void *out,
                       size_t out_len, struct error *err);
};

static size_t none_bound(size_t len)
{
    return len;
}

static bool none_compress(struct codec_context *context, int level, const void *bytes, size_t len,
                          void *out, size_t *out_len, struct error *err)
{
    (void)context;
    (void)level;
    (void)err;
    memcpy(out, bytes, len);
    *out_len = len;
    return true;
}

static bool none_decompress(struct codec_context *context, const void *bytes, size_t len, void *out,
                            size_t out_len, struct error *err)
{
    (void)context;
    if (len != out_len)
        return error_set(err, ERROR_CORRUPT, "stored block has %zu bytes instead of %zu", len,
                         out_len);
    memcpy(out, bytes, len);
    return true;
}

static size_t zlib_bound(size_t len)
{
    return compressBound(len);
}

static bool zlib_compress(struct codec_context *context, int level, const void *bytes, size_t len,
                          void *out, size_t *out_len, struct error *err)
{
    (void)context;
    uLongf room = compressBound(len);
    int result = compress2(out, &room, bytes, len, level);
    if (result != Z_OK)
        return error_set(err, ERROR_NO_MEMORY, "could not compress with zlib: %s", zError(result));
    *out_len = room;
    return true;
}

static bool zlib_decompress(struct codec_context *context, const void *bytes, size_t len, void *out,
                            size_t out_len, struct error *err)
{
    (void)context;
    uLongf got = out_len;
    int result = uncompress(out, &got, bytes, len);
    if (result == Z_MEM_ERROR)
        return error_no_memory(err, "zlib");
    if (result != Z_OK || got != out_len)
        return error_set(err, ERROR_CORRUPT, "could not decompress a zlib block: %s",
                         result == Z_OK ? "it is too short" : zError(result));
    return true;
}

static size_t zstd_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

static bool zstd_compress(struct codec_context *context, int level, const void *bytes, size_t len,
                          void *out, size_t *out_len, struct error *err)
{
    size_t result = ZSTD_compressCCtx(context->zstd_compress, out, ZSTD_compressBound(len), bytes,
                                      len, level);
    if (ZSTD_isError(result))
        return error_set(err, ERROR_NO_MEMORY, "could not compress with zstd: %s",
                         ZSTD_getErrorName(result));
    *out_len = result;
    return true;
}

static bool zstd_decompress(struct codec_context *context, const void *bytes, size_t len, void *out,
                            size_t out_len, struct error *err)
{
    size_t result = ZSTD_decompressDCtx(context->zstd_decompress, out, out_len, bytes, len);
    if (ZSTD_isError(result) || result != out_len)
        return error_set(err, ERROR_CORRUPT, "could not decompress a zstd block: %s",
                         ZSTD_isError(result) ? ZSTD_getErrorName(result) : "it is too short");
    return true;
}

static const struct codec_ops codecs[CODEC_COUNT] = {
    [CODEC_NONE] = {"none", 0, 0, 0, none_bound, none_compress, none_decompress},
    [CODEC_ZLIB] = {"zlib", 1, 9, 6, zlib_bound, zlib_compress, zlib_decompress},
    [CODEC_ZSTD] = {"zstd", 1, 19, 1, zstd_bound, zstd_compress, zstd_decompress},
};

bool codec_context_new(struct codec_context **out, struct error *err)
{
    struct codec_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return error_no_memory(err, "a codec");
    context->zstd_compress = ZSTD_createCCtx();
    context->zstd_decompress = ZSTD_createDCtx();
    if (context->zstd_compress == NULL || context->zstd_decompress == NULL) {
        codec_context_free(context);
        return error_no_memory(err, "a codec");
    }
    *out = context;
    return true;
}

void codec_context_free(struct codec_context *context)
{
    if (context == NULL)
        return;
    (void)ZSTD_freeCCtx(context->zstd_compress);
    (void)ZSTD_freeDCtx(context->zstd_decompress);
    free(context);
}

void codec_context_cleanup(struct codec_context **context)
{
    codec_context_free(*context);
    *context = NULL;
}

const char *codec_name(enum codec codec)
{
    return codecs[codec].name;
}

bool codec_from_name(const char *name, enum codec *out)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        if (strcmp(name, codecs[i].name) == 0) {
            *out = (enum codec)i;
            return true;
        }
    }
    return false;
}

void codec_levels(enum codec codec, int *out_min, int *out_max, int *out_default)
{
    *out_min = codecs[codec].min_level;
    *out_max = codecs[codec].max_level;
    *out_default = codecs[codec].default_level;
}

size_t codec_bound(enum codec codec, size_t len)
{
    return codecs[codec].bound(len);
}

bool codec_compress(struct codec_context *context, enum codec codec, int level, const void *bytes,
                    size_t len, void *out, size_t *out_len, struct error *err)
{
    return codecs[codec].compress(context, level, bytes, len, out, out_len, err);
}

bool codec_decompress(struct codec_context *context, enum codec codec, const void *bytes,
                      size_t len, void *out, size_t out_len, struct error *err)
{
    return codecs[codec].decompress(context, bytes, len, out, out_len, err);
}
