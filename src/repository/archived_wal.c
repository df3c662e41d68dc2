#include "repository/archived_wal.h"

size_t archived_wal_count(const struct snapshot_info *info)
{
    if (info->wal_included)
        return 0;
    return info->wal_range_count == 0 ? 1 : info->wal_range_count;
}

uint64_t archived_wal_segment(const struct snapshot_info *info, uint64_t lsn)
{
    return info->wal_segment_bytes == 0 ? lsn : lsn - lsn % info->wal_segment_bytes;
}

struct snapshot_wal_range archived_wal_range(const struct snapshot_info *info, size_t i)
{
    struct snapshot_wal_range range = {
        .timeline = info->timeline, .start_lsn = info->start_lsn, .end_lsn = info->stop_lsn};
    if (i < info->wal_range_count)
        range = info->wal_ranges[i];
    range.start_lsn = archived_wal_segment(info, range.start_lsn);
    return range;
}

bool archived_wal_missing(const struct snapshot_info *info, const struct wal_catalog *catalog,
                          struct snapshot_wal_range *out)
{
    for (size_t i = 0; i < archived_wal_count(info); i++) {
        struct snapshot_wal_range range = archived_wal_range(info, i);
        range.start_lsn = wal_catalog_reach(catalog, range.timeline, range.start_lsn);
        if (range.start_lsn >= range.end_lsn)
            continue;
        *out = range;
        return true;
    }
    return false;
}
