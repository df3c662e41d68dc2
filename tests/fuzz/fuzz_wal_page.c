/*
 * WAL as a server sends it: page headers, then records. The first byte chooses the place and the
 * size of pages (small ones, so that few bytes hold many of them).
 */
#include "postgres/wal_commit.h"
#include "postgres/wal_page.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT_BYTES = 1 << 20, SYSTEM = 7, TIMELINE = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {.kind = ERROR_NONE};
    if (size == 0)
        return 0;
    uint32_t block_bytes = (data[0] & 1) != 0 ? 256 : 8192;
    uint64_t lsn = SEGMENT_BYTES + (uint64_t)(data[0] >> 1 & 3) * block_bytes;
    const struct wal_page_rules rules = {.system_identifier = SYSTEM,
                                         .timeline = TIMELINE,
                                         .segment_bytes = SEGMENT_BYTES,
                                         .block_bytes = block_bytes,
                                         .server_version = 150000};
    const struct wal_piece piece = {.lsn = lsn,
                                    .bytes = data + 1,
                                    .len = size - 1,
                                    .segment_bytes = SEGMENT_BYTES,
                                    .block_bytes = block_bytes};
    uint64_t cut = (data[0] & 8) != 0 ? 5 : 0; /* a stream may be cut anywhere */
    if (!wal_pages_check(&rules, lsn + cut, data + 1, size - 1, &err) && err.kind != ERROR_CORRUPT)
        abort();
    (void)wal_last_commit_us(&piece);
    return 0;
}
