/*
 * Old small chunks of WAL become large ones: fewer objects to list and to fetch. The large chunk is
 * stored, read back and compared before the first of the small ones is removed, and a reader that
 * finds a small one gone lists the chunks again: it is never hurt.
 */
#ifndef WALSTREAM_WAL_MERGE_H
#define WALSTREAM_WAL_MERGE_H

#include "repository/wal_archive.h"

struct wal_merge_options {
    int64_t min_age_us;        /* younger chunks stay: default one hour */
    uint64_t max_bytes;        /* of a merged chunk; at most WAL_CHUNK_MAX_BYTES, the default */
    uint64_t max_object_bytes; /* of the objects that it is made of: no limit by default, and never
                                * more than WAL_JOIN_MAX_BYTES in a sealed repository */
    size_t min_chunks;         /* fewer than this are not worth it: default 8 */
    uint64_t max_merges;       /* of one run; 0: no limit */
};

void wal_merge_default_options(struct wal_merge_options *out);

/* A run of chunks that follow each other (or overlap) and become one. Indexes into the catalog. */
struct wal_merge_group {
    size_t first;
    size_t count;
    uint64_t start_lsn;
    uint64_t end_lsn;
};

/* The next group at or behind index `from`: chunks of one timeline without a gap, all stored before
 * older_than_us, together within both maxima. A large chunk in front stays as it is until what
 * follows is as large: no byte is written again and again. False when there is none. */
bool wal_merge_next(const struct wal_catalog *catalog, const struct wal_merge_options *options,
                    int64_t older_than_us, size_t from, struct wal_merge_group *out);

struct wal_merge_result {
    uint64_t merges;
    uint64_t chunks_removed;
    uint64_t wal_bytes;
};

/* Looks at a stop request between two merges. What was merged is in *out, also after a failure. */
MUST_CHECK bool wal_merge_run(const struct repository *repository,
                              const struct wal_merge_options *wanted, struct wal_merge_result *out,
                              struct error *err);

#endif
