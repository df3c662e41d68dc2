#include "restore/wal_walk.h"

#include "base/cleanup.h"
#include "restore/wal_segment.h"
#include "restore_internal.h"

#include <stdlib.h>
#include <string.h>

/* A segment has at least as much as is carried of the one behind it. */
enum { WAL_BLOCK_BYTES = 8192, CARRIED_BYTES = 1 << 20 };

bool wal_walk_back(const struct wal_walk *walk, wal_visit_fn *visit, void *context,
                   struct error *err)
{
    if (!restore_check_segment_size(walk->info, err))
        return false;
    const uint64_t size = walk->info->wal_segment_bytes;
    const struct wal_source source = {.system_identifier = walk->info->system_identifier,
                                      .segment_bytes = (uint32_t)size};
    uint64_t start = (walk->reach - 1) / size * size;
    CLEANUP(free_pointer) uint8_t *bytes = malloc(size + CARRIED_BYTES);
    if (bytes == NULL)
        return error_no_memory(err, "a WAL segment");
    for (int i = 0; i < walk->segments_max && start + size > walk->info->stop_lsn; i++) {
        enum wal_segment_state state;
        const struct wal_segment segment = {.timeline = walk->timeline,
                                            .start_lsn = start,
                                            .end_lsn = start + size,
                                            .pad_gap = true};
        if (!wal_segment_fetch(walk->repository, &source, &segment, bytes, &state, err))
            return false;
        uint64_t left = walk->reach - start;
        const struct wal_piece piece = {.lsn = start,
                                        .bytes = bytes,
                                        .len = left < size + CARRIED_BYTES ? left
                                                                           : size + CARRIED_BYTES,
                                        .segment_bytes = (uint32_t)size,
                                        .block_bytes = WAL_BLOCK_BYTES};
        if (state == WAL_SEGMENT_ABSENT || visit(context, &piece) || start < size)
            return true;
        memcpy(bytes + size, bytes, CARRIED_BYTES);
        start -= size;
    }
    return true;
}
