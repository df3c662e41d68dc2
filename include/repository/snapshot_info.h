/*
 * The summary of a snapshot: what its manifest says about itself in the first few kilobytes, so
 * that listing snapshots does not read their page maps. Plain data.
 */
#ifndef REPOSITORY_SNAPSHOT_INFO_H
#define REPOSITORY_SNAPSHOT_INFO_H

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

enum { SNAPSHOT_ID_SIZE = 17 };

struct snapshot_tablespace {
    uint32_t oid;
    char *path; /* on the source server */
};

/* WAL that a recovery from this snapshot needs, as the server's backup manifest says. */
struct snapshot_wal_range {
    uint32_t timeline;
    uint64_t start_lsn;
    uint64_t end_lsn;
};

struct snapshot_info {
    char id[SNAPSHOT_ID_SIZE];        /* 16 hex digits */
    char parent_id[SNAPSHOT_ID_SIZE]; /* "" = nothing was reused */
    bool full;
    char reason[256]; /* why it is full, or what was healed; "" otherwise */
    int64_t started_us;
    int64_t finished_us;
    uint64_t system_identifier;
    char server_version[64];
    uint32_t server_version_num; /* 150018 */
    uint32_t timeline;
    uint64_t start_lsn; /* START WAL LOCATION: redo point; the next snapshot's threshold */
    uint64_t stop_lsn;
    uint64_t wal_segment_bytes;
    bool data_checksums;
    bool wal_log_hints;
    bool wal_included;
    char label[64];
    uint64_t file_count;
    uint64_t data_bytes; /* sum of file sizes: what a restore writes */
    uint64_t pages_total;
    uint64_t pages_stored; /* taken into new packs by this snapshot */
    uint64_t pages_reused;
    uint64_t bytes_stored; /* new packs and the manifest */
    uint64_t pack_count;   /* packs needed to restore it */
    uint64_t packs_new;
    struct snapshot_tablespace *tablespaces;
    size_t tablespace_count;
    struct snapshot_wal_range *wal_ranges;
    size_t wal_range_count;
    char **warnings; /* damaged pages by name, healed packs, ... */
    size_t warning_count;
    bool damaged_pages; /* the server reported checksum failures */
};

void snapshot_info_release(struct snapshot_info *info);
MUST_CHECK bool snapshot_info_add_warning(struct snapshot_info *info, const char *text,
                                          struct error *err);
MUST_CHECK bool snapshot_info_add_tablespace(struct snapshot_info *info, uint32_t oid,
                                             const char *path, struct error *err);

MUST_CHECK bool snapshot_info_add_wal_range(struct snapshot_info *info,
                                            const struct snapshot_wal_range *range,
                                            struct error *err);

/* The JSON object at the head of a manifest; also what `snapshot show --json` prints. */
MUST_CHECK bool snapshot_info_to_json(const struct snapshot_info *info, struct buf *out,
                                      struct error *err);
MUST_CHECK bool snapshot_info_from_json(const void *text, size_t len, const char *what,
                                        struct snapshot_info *out, struct error *err);

#endif
