#include "postgres/wal_page.h"

#include "base/buf.h"
#include "base/text.h"
#include "postgres/page.h"

#include <inttypes.h>

enum {
    SHORT_HEADER_BYTES = 24,
    LONG_HEADER_BYTES = 40,
    FLAG_LONG_HEADER = 2,
    FLAGS_KNOWN = 15,
};

static const struct {
    int major;
    uint16_t magic;
} magics[] = {{13, 0xD106}, {14, 0xD10D}, {15, 0xD110}, {16, 0xD113}, {17, 0xD116}, {18, 0xD118}};

static bool find_magic(int server_version, uint16_t *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
        if (magics[i].major == server_version / 10000) {
            *out = magics[i].magic;
            return true;
        }
    }
    return error_set(err, ERROR_UNSUPPORTED, "cannot check the WAL of PostgreSQL %d",
                     server_version / 10000);
}

static bool wrong_page(uint64_t lsn, const char *why, struct error *err)
{
    char place[TEXT_SIZE];
    return error_set(err, ERROR_CORRUPT, "the WAL page at %s is not what belongs there: %s",
                     text_lsn(lsn, place), why);
}

static bool check_long_header(const struct wal_page_rules *rules, struct reader *reader,
                              uint64_t lsn, struct error *err)
{
    uint64_t system;
    uint32_t segment_bytes;
    uint32_t block_bytes;
    if (!reader_u64(reader, &system, err) || !reader_u32(reader, &segment_bytes, err) ||
        !reader_u32(reader, &block_bytes, err))
        return false;
    if (system != rules->system_identifier)
        return wrong_page(lsn, "it comes from another system", err);
    if (segment_bytes != rules->segment_bytes || block_bytes != rules->block_bytes)
        return wrong_page(lsn, "its segment or block size is another one", err);
    return true;
}

static bool check_header(const struct wal_page_rules *rules, uint16_t expected_magic, uint64_t lsn,
                         const uint8_t *header, size_t len, struct error *err)
{
    struct reader reader;
    uint16_t magic;
    uint16_t flags;
    uint32_t timeline;
    uint64_t address;
    uint64_t rest; /* length of what is left of a record, and padding */
    bool starts_segment = lsn % rules->segment_bytes == 0;
    reader_init(&reader, header, len, "a WAL page");
    if (!reader_u16(&reader, &magic, err) || !reader_u16(&reader, &flags, err) ||
        !reader_u32(&reader, &timeline, err) || !reader_u64(&reader, &address, err) ||
        !reader_u64(&reader, &rest, err))
        return false;
    if (magic != expected_magic)
        return wrong_page(lsn, "its magic number is another one", err);
    if (address != lsn)
        return wrong_page(lsn, "it has the address of another page", err);
    if (timeline == 0 || timeline > rules->timeline)
        return wrong_page(lsn, "it is of another timeline", err);
    if ((flags & ~FLAGS_KNOWN) != 0 || ((flags & FLAG_LONG_HEADER) != 0) != starts_segment)
        return wrong_page(lsn, "its flags are not right", err);
    return !starts_segment || len < LONG_HEADER_BYTES ||
           check_long_header(rules, &reader, lsn, err);
}

bool wal_pages_check(const struct wal_page_rules *rules, uint64_t lsn, const void *bytes,
                     size_t len, struct error *err)
{
    uint16_t magic;
    const uint8_t *wal = bytes;
    if (!find_magic(rules->server_version, &magic, err))
        return false;
    size_t first = (size_t)((rules->block_bytes - lsn % rules->block_bytes) % rules->block_bytes);
    for (size_t at = first; at < len && len - at >= SHORT_HEADER_BYTES; at += rules->block_bytes) {
        size_t page_len = len - at < rules->block_bytes ? len - at : rules->block_bytes;
        bool starts_segment = (lsn + at) % rules->segment_bytes == 0;
        if (!starts_segment && bytes_are_zero(wal + at, page_len))
            continue;
        if (!check_header(rules, magic, lsn + at, wal + at, page_len, err))
            return false;
    }
    return true;
}

uint64_t wal_segment_start(uint64_t lsn, uint32_t segment_bytes)
{
    return lsn - lsn % segment_bytes;
}
