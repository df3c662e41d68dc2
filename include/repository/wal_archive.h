/*
 * WAL in the repository: contiguous chunks of one timeline, and the histories of timelines.
 * FORMAT.md ("WAL chunk", "History") has the bytes.
 *
 *   wal/<timeline, 8 hex>/<start LSN, 16 hex>-<end LSN, 16 hex>.wal    bytes [start, end) of the
 * WAL history/<timeline, 8 hex>.history                                  what TIMELINE_HISTORY gave
 *
 * A chunk holds the WAL as the server sent it, page headers included, cut anywhere. Chunks of a
 * timeline may overlap (a merged one beside those it was made of, a stream that was resumed): where
 * they do, their bytes are the same, and a reader takes the one that reaches farthest.
 */
#ifndef REPOSITORY_WAL_ARCHIVE_H
#define REPOSITORY_WAL_ARCHIVE_H

#include "base/buf.h"
#include "repository/repository.h"

enum {
    WAL_CHUNK_MAX_BYTES = 64 << 20, /* of WAL, before compression; a merged chunk */
    WAL_JOIN_MAX_BYTES = 16 << 20,  /* of the objects that wal_chunk_join takes */
    WAL_KEY_SIZE = sizeof "wal/00000000/0000000000000000-0000000000000000.wal",
    HISTORY_KEY_SIZE = sizeof "history/00000000.history",
};

/* What every chunk says about where it comes from; a reader refuses another system. */
struct wal_source {
    uint64_t system_identifier;
    uint32_t timeline;
    uint32_t segment_bytes; /* 16 MiB by default */
};

struct wal_chunk {
    uint32_t timeline;
    uint64_t start_lsn;
    uint64_t end_lsn;    /* exclusive */
    uint64_t size_bytes; /* of the object */
    int64_t modified_us; /* when it was stored, by the store's clock; 0 where it does not say */
};

/* Stores len bytes (1 to WAL_CHUNK_MAX_BYTES) that begin at start_lsn, durably: afterwards the
 * server may forget them. The same chunk stored twice (an answer was lost) is success: what is
 * stored is read and compared. ERROR_EXISTS: other WAL has that name; ERROR_CORRUPT: what has that
 * name is damaged. *out_size (NULL allowed): bytes of the object. */
MUST_CHECK bool wal_chunk_put(const struct repository *repository, const struct wal_source *source,
                              uint64_t start_lsn, const void *bytes, size_t len, uint64_t *out_size,
                              struct error *err);

/* Reads len bytes at lsn, which must lie in the chunk (from a catalog: its size is used); fetches
 * only the frames that hold them and checks them: one request for a small object (up to 1 MiB) or
 * all of the WAL in it, whose SHA-256 is checked too; otherwise one for the head and one for the
 * frames. ERROR_CORRUPT names the object; ERROR_REFUSED: another system identifier or segment size;
 * ERROR_NOT_FOUND: merged into a larger chunk meanwhile, load the catalog again. */
MUST_CHECK bool wal_chunk_read(const struct repository *repository, const struct wal_chunk *chunk,
                               const struct wal_source *source, uint64_t lsn, size_t len, void *out,
                               struct error *err);

/* Without a key that opens content (a sealed repository only; FORMAT.md, "Sealed WAL chunk"). */

/* Reads the whole object and checks that its bytes are those that were stored. */
MUST_CHECK bool wal_chunk_check_sealed(const struct repository *repository,
                                       const struct wal_chunk *chunk, struct error *err);
/* Makes one chunk of several that follow each other or overlap, in the order of a catalog, and
 * checks what is then in the store. Nothing is opened; the old ones stay. It keeps all their parts,
 * which are sure to fit when the objects have at most WAL_JOIN_MAX_BYTES together. */
MUST_CHECK bool wal_chunk_join(const struct repository *repository, const struct wal_chunk *chunks,
                               size_t count, const struct wal_chunk *merged, struct error *err);
/* What a chunk holds of the page (8 KiB) in which it ends, as a keyed digest. */
struct wal_chunk_end {
    size_t len; /* below 8192 */
    uint8_t generation[8];
    uint8_t digest[32];
};
MUST_CHECK bool wal_chunk_end(const struct repository *repository, const struct wal_chunk *chunk,
                              struct wal_chunk_end *out, struct error *err);
/* bytes: end->len of them. */
MUST_CHECK bool wal_chunk_end_is(const struct repository *repository,
                                 const struct wal_chunk_end *end, const void *bytes, bool *out_same,
                                 struct error *err);

/* Where a chunk comes from, as its head says: for who has no server to ask. */
MUST_CHECK bool wal_chunk_source(const struct repository *repository, const struct wal_chunk *chunk,
                                 struct wal_source *out, struct error *err);

/* All chunks there are, sorted by timeline, then start, then end (longest first). */
struct wal_catalog {
    struct wal_chunk *chunks;
    size_t count;
};
/* One listing. timeline 0: all of them. from_lsn: chunks that end at or before it are left out. */
MUST_CHECK bool wal_catalog_load(const struct repository *repository, uint32_t timeline,
                                 uint64_t from_lsn, struct wal_catalog *out, struct error *err);
void wal_catalog_release(struct wal_catalog *catalog);

/* The chunk of this timeline that holds lsn and reaches farthest; NULL when there is none. */
const struct wal_chunk *wal_catalog_find(const struct wal_catalog *catalog, uint32_t timeline,
                                         uint64_t lsn);
/* How far the WAL goes on without a gap from lsn on: lsn itself when not even its byte is there. */
uint64_t wal_catalog_reach(const struct wal_catalog *catalog, uint32_t timeline, uint64_t lsn);

/* Names. Returns out. */
const char *wal_chunk_key(const struct wal_chunk *chunk, char out[WAL_KEY_SIZE]);
MUST_CHECK bool wal_chunk_from_key(const char *key, struct wal_chunk *out);

/* The text of <timeline>.history. Storing the same text again is success, another one ERROR_REFUSED
 * (two clusters, or a promotion that happened twice). ERROR_NOT_FOUND on reading. Appends to out.
 */
MUST_CHECK bool history_put(const struct repository *repository, uint32_t timeline,
                            const void *text, size_t len, struct error *err);
MUST_CHECK bool history_get(const struct repository *repository, uint32_t timeline, struct buf *out,
                            struct error *err);

#endif
