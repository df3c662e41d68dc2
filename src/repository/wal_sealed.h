/*
 * WAL chunks of a sealed repository (FORMAT.md, "Sealed WAL chunk"): a head that is sealed with the
 * metadata key, and parts. A part is what one upload brought: it has a content key of its own, and
 * keeps it, its frames and its seal id when chunks are merged, so that merging opens no content.
 * Private to src/repository; wal_archive.h is what others use.
 */
#ifndef REPOSITORY_WAL_SEALED_H
#define REPOSITORY_WAL_SEALED_H

#include "repository/sealing.h"
#include "repository/wal_archive.h"

/* Bytes of a stored chunk, sealed or not. *out: gives. */
MUST_CHECK bool wal_chunk_fetch(const struct repository *repository, const struct wal_chunk *chunk,
                                uint64_t offset, size_t len, uint8_t **out, struct error *err);

MUST_CHECK bool wal_sealed_encode(const struct repository *repository,
                                  const struct wal_source *source, const struct wal_chunk *chunk,
                                  const uint8_t *wal, struct buf *out, struct error *err);
MUST_CHECK bool wal_sealed_read(const struct repository *repository, const struct wal_chunk *chunk,
                                const struct wal_source *source, uint64_t lsn, size_t len,
                                uint8_t *out, struct error *err);
MUST_CHECK bool wal_sealed_source(const struct repository *repository,
                                  const struct wal_chunk *chunk, struct wal_source *out,
                                  struct error *err);
/* Whether the stored chunk holds this WAL, by keyed digests. */
MUST_CHECK bool wal_sealed_compare(const struct repository *repository,
                                   const struct wal_chunk *chunk, const struct wal_source *source,
                                   const uint8_t *wal, bool *out_same, struct error *err);

#endif
