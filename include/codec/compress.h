/*
 * Compression of one block of bytes. Ids are part of the repository format (FORMAT.md) and never
 * change their meaning. A codec_context belongs to one thread.
 */
#ifndef CODEC_COMPRESS_H
#define CODEC_COMPRESS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum codec { CODEC_NONE = 0, CODEC_ZLIB = 1, CODEC_ZSTD = 2 };

enum { CODEC_COUNT = 3 };

struct codec_context;

MUST_CHECK bool codec_context_new(struct codec_context **out, struct error *err);
void codec_context_free(struct codec_context *context);
void codec_context_cleanup(struct codec_context **context);

/* "none", "zlib", "zstd" */
const char *codec_name(enum codec codec);
MUST_CHECK bool codec_from_name(const char *name, enum codec *out);
/* Lowest, highest and default level. */
void codec_levels(enum codec codec, int *out_min, int *out_max, int *out_default);

/* Room that codec_compress may need for len bytes. */
size_t codec_bound(enum codec codec, size_t len);

/* Compresses into out (of codec_bound bytes). */
MUST_CHECK bool codec_compress(struct codec_context *context, enum codec codec, int level,
                               const void *bytes, size_t len, void *out, size_t *out_len,
                               struct error *err);

/* The result must be exactly out_len bytes; anything else is ERROR_CORRUPT. */
MUST_CHECK bool codec_decompress(struct codec_context *context, enum codec codec, const void *bytes,
                                 size_t len, void *out, size_t out_len, struct error *err);

#endif
