/* Packs back from the store: the index alone, a stretch of frames, or the whole object. */
#ifndef REPOSITORY_PACK_READER_H
#define REPOSITORY_PACK_READER_H

#include "repository/pack.h"

/* One ranged read of the end of the object. Gives *out (pack_index_release). */
MUST_CHECK bool pack_read_index(const struct repository *repository, const struct pack_ref *ref,
                                struct pack_index *out, struct error *err);

/* Reads len bytes at offset into out; fewer is ERROR_CORRUPT. */
MUST_CHECK bool pack_read_range(const struct repository *repository, const struct pack_ref *ref,
                                uint64_t offset, size_t len, void *out, struct error *err);

/* Reads the whole object into out (which it clears), checks SHA-256, envelope and index. Gives
 * *out_index. */
MUST_CHECK bool pack_read_whole(const struct repository *repository, const struct pack_ref *ref,
                                struct buf *out, struct pack_index *out_index, struct error *err);

#endif
