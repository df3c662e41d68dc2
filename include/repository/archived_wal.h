/*
 * WAL that a snapshot without its own (wal_included false) finds in the archive: without it the
 * snapshot does not become consistent. FORMAT.md, "Snapshots that rely on the archive".
 */
#ifndef REPOSITORY_ARCHIVED_WAL_H
#define REPOSITORY_ARCHIVED_WAL_H

#include "repository/snapshot_info.h"
#include "repository/wal_archive.h"

/* Pieces that must be there; 0 for a snapshot that includes its WAL. */
size_t archived_wal_count(const struct snapshot_info *info);
/* The i-th. It begins with the segment of the range, not with the range: PostgreSQL looks at the
 * first page of every segment that it reads. */
struct snapshot_wal_range archived_wal_range(const struct snapshot_info *info, size_t i);

/* The first WAL that is missing of what the snapshot needs; false when all of it is there. catalog:
 * of all timelines. */
bool archived_wal_missing(const struct snapshot_info *info, const struct wal_catalog *catalog,
                          struct snapshot_wal_range *out);

/* Where the segment of this LSN begins, by the snapshot's segment size. */
uint64_t archived_wal_segment(const struct snapshot_info *info, uint64_t lsn);

#endif
