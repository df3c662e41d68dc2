/*
 * The few fields of global/pg_control that we need, from its bytes. The layout differs between
 * majors; source: src/include/catalog/pg_control.h of each (PG_CONTROL_VERSION 1300 for 13 to 16,
 * 1700 for 17, 1800 for 18). The CRC-32C is checked first.
 */
#ifndef POSTGRES_CONTROL_FILE_H
#define POSTGRES_CONTROL_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct control_file {
    uint64_t system_identifier;
    uint32_t control_version;
    uint32_t catalog_version;
    uint32_t state; /* enum DBState: 1 = shut down, 2 = shut down in recovery, 6 = in production */
    uint64_t checkpoint; /* LSN of the last checkpoint record */
    uint64_t redo;       /* redo point of that checkpoint */
    uint32_t timeline;
    uint32_t block_size;
    uint32_t relation_segment_blocks; /* blocks in one file of a relation: 131072 */
    uint32_t wal_block_size;
    uint32_t wal_segment_bytes;
    bool data_checksums;
    bool wal_log_hints;
};

/* ERROR_CORRUPT when the checksum is wrong, ERROR_UNSUPPORTED for an unknown version. */
MUST_CHECK bool control_file_parse(const void *bytes, size_t len, struct control_file *out,
                                   struct error *err);

#endif
