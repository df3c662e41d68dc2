/*
 * A manifest: the complete description of one snapshot. With the packs it names it restores alone.
 * FORMAT.md ("Manifest") has the bytes.
 *
 * Invariants after manifest_load: paths are safe relative paths, unique and sorted by byte order;
 * every page map covers its file exactly and points into packs of the table, within their page
 * counts. After manifest_write the in-memory manifest is the same as a loaded one.
 */
#ifndef REPOSITORY_MANIFEST_H
#define REPOSITORY_MANIFEST_H

#include "repository/pack.h"
#include "repository/page_map.h"
#include "repository/snapshot_info.h"

enum { BLOCK_HASH_BYTES = 16, MANIFEST_KEY_SIZE = 64 };

enum manifest_entry_kind { ENTRY_FILE = 1, ENTRY_DIRECTORY = 2 };

enum {
    ENTRY_RELATION = 1u << 0, /* pages are compared by LSN: the main fork of a relation */
    ENTRY_HASHES = 1u << 1,   /* has block hashes: compared by content */
    ENTRY_CHECKSUM = 1u << 2, /* crc32c of the file as the server sent it (not WAL) */
};

struct manifest_entry {
    enum manifest_entry_kind kind;
    uint32_t flags;
    char *path;    /* "base/5/16384" */
    uint32_t mode; /* permission bits */
    int64_t mtime_s;
    uint64_t size_bytes;
    uint32_t crc32c;
    uint8_t *map; /* encoded page map */
    size_t map_bytes;
    uint8_t *hashes; /* BLOCK_HASH_BYTES for each block: SHA-256, cut off */
};

struct manifest {
    struct snapshot_info info;
    struct pack_ref *packs;
    size_t pack_count;
    size_t pack_capacity;
    struct manifest_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
};

void manifest_init(struct manifest *manifest);
void manifest_release(struct manifest *manifest);

/* Appends a pack; gives its index. Copies. */
MUST_CHECK bool manifest_add_pack(struct manifest *manifest, const struct pack_ref *ref,
                                  uint32_t *out_index, struct error *err);
/* Appends an entry; takes its pointers (on success only). */
MUST_CHECK bool manifest_add_entry(struct manifest *manifest, struct manifest_entry *entry,
                                   struct error *err);
void manifest_entry_release(struct manifest_entry *entry);

/* Sorts the entries and refuses duplicates and unsafe paths. */
MUST_CHECK bool manifest_sort(struct manifest *manifest, struct error *err);
/* Binary search in a sorted manifest; NULL when absent. */
const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path);

/* Walks over the page map of a file: every run with the block that it begins at. */
typedef bool (*run_visit_fn)(void *context, uint64_t block, const struct page_run *run,
                             struct error *err);
MUST_CHECK bool manifest_visit_runs(const struct manifest_entry *entry, run_visit_fn visit,
                                    void *context, struct error *err);

/* "snapshots/20260301T120005.000000Z-<id>.manifest" from info.started_us and info.id. Returns out.
 */
const char *manifest_key(const struct snapshot_info *info, char out[MANIFEST_KEY_SIZE]);

/* Encodes (manifest_sort first) and puts it: the moment from which the snapshot exists. Adds the
 * manifest's own size to info.bytes_stored before encoding is complete, so that field is the total
 * to within the summary's length. */
MUST_CHECK bool manifest_write(const struct repository *repository, struct manifest *manifest,
                               struct error *err);

/* Reads and checks everything that the invariants promise. Gives *out (manifest_release). */
MUST_CHECK bool manifest_load(const struct repository *repository, const char *key,
                              struct manifest *out, struct error *err);
/* Only the summary: one ranged read of the first kilobytes. */
MUST_CHECK bool manifest_load_info(const struct repository *repository, const char *key,
                                   struct snapshot_info *out, struct error *err);

/* Encoding and decoding without a store: for tests and fuzzing. what: for messages. */
MUST_CHECK bool manifest_encode(const struct repository *repository, struct manifest *manifest,
                                struct buf *out, struct error *err);
MUST_CHECK bool manifest_decode(const struct repository *repository, const void *bytes, size_t len,
                                const char *what, struct manifest *out, struct error *err);

#endif
