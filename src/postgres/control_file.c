/*
 * ControlFileData of 13 to 18 is the same up to data_checksum_version; 17 put wal_level of the
 * checkpoint into padding, 18 added one byte before the nonce, which moves the checksum by 4.
 */
#include "postgres/control_file.h"

#include "codec/crc32c.h"

#include <inttypes.h>

enum {
    AT_SYSTEM_IDENTIFIER = 0,
    AT_CONTROL_VERSION = 8,
    AT_CATALOG_VERSION = 12,
    AT_STATE = 16,
    AT_CHECKPOINT = 32,
    AT_REDO = 40,
    AT_TIMELINE = 48,
    AT_WAL_LOG_HINTS = 176,
    AT_BLOCK_SIZE = 216,
    AT_RELATION_SEGMENT_BLOCKS = 220,
    AT_WAL_BLOCK_SIZE = 224,
    AT_WAL_SEGMENT_BYTES = 228,
    AT_DATA_CHECKSUMS = 252,
};

static const struct {
    uint32_t control_version;
    size_t crc_offset;
} layouts[] = {
    {1300, 288}, /* 13, 14, 15, 16 */
    {1700, 288}, /* 17 */
    {1800, 292}, /* 18 */
};

/* The callers have checked the length. */
static uint32_t u32_at(const uint8_t *bytes, size_t offset)
{
    return (uint32_t)bytes[offset] | (uint32_t)bytes[offset + 1] << 8 |
           (uint32_t)bytes[offset + 2] << 16 | (uint32_t)bytes[offset + 3] << 24;
}

static uint64_t u64_at(const uint8_t *bytes, size_t offset)
{
    return (uint64_t)u32_at(bytes, offset) | (uint64_t)u32_at(bytes, offset + 4) << 32;
}

/* The version chooses where the checksum is, so it is read before it can be trusted: a damaged
 * version is "unknown" unless it hits a known one, and then the checksum tells. */
static bool check_crc(const uint8_t *bytes, size_t len, struct error *err)
{
    if (len < AT_CATALOG_VERSION)
        return error_set(err, ERROR_CORRUPT, "cannot read pg_control: only %zu bytes", len);
    uint32_t version = u32_at(bytes, AT_CONTROL_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        if (layouts[i].control_version != version)
            continue;
        size_t at = layouts[i].crc_offset;
        if (len < at + 4)
            return error_set(err, ERROR_CORRUPT, "cannot read pg_control: only %zu bytes", len);
        if (crc32c_extend(0, bytes, at) != u32_at(bytes, at))
            return error_set(err, ERROR_CORRUPT, "cannot read pg_control: its checksum is wrong");
        return true;
    }
    return error_set(err, ERROR_UNSUPPORTED, "cannot read pg_control: unknown version %" PRIu32,
                     version);
}

bool control_file_parse(const void *bytes, size_t len, struct control_file *out, struct error *err)
{
    const uint8_t *from = bytes;
    if (!check_crc(from, len, err))
        return false;
    *out = (struct control_file){
        .system_identifier = u64_at(from, AT_SYSTEM_IDENTIFIER),
        .control_version = u32_at(from, AT_CONTROL_VERSION),
        .catalog_version = u32_at(from, AT_CATALOG_VERSION),
        .state = u32_at(from, AT_STATE),
        .checkpoint = u64_at(from, AT_CHECKPOINT),
        .redo = u64_at(from, AT_REDO),
        .timeline = u32_at(from, AT_TIMELINE),
        .block_size = u32_at(from, AT_BLOCK_SIZE),
        .relation_segment_blocks = u32_at(from, AT_RELATION_SEGMENT_BLOCKS),
        .wal_block_size = u32_at(from, AT_WAL_BLOCK_SIZE),
        .wal_segment_bytes = u32_at(from, AT_WAL_SEGMENT_BYTES),
        .data_checksums = u32_at(from, AT_DATA_CHECKSUMS) != 0,
        .wal_log_hints = from[AT_WAL_LOG_HINTS] != 0,
    };
    return true;
}
