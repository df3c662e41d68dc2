#include "postgres/wal_commit.h"

#include <stdbool.h>
#include <string.h>

enum {
    PAGE_HEADER = 24,
    LONG_PAGE_HEADER = 40, /* of a segment's first page */
    PAGE_INFO_AT = 2,
    PAGE_REMAINING_AT = 16,
    FIRST_IS_CONTRECORD = 1,
    RECORD_HEADER = 24,
    RECORD_INFO_AT = 16,
    RECORD_MANAGER_AT = 17,
    MANAGER_XACT = 1,
    XACT_KIND = 0x70,
    BLOCK_ID_DATA_SHORT = 255,
    BLOCK_ID_DATA_LONG = 254,
    BLOCK_ID_ORIGIN = 253,
    BLOCK_ID_TOPLEVEL_XID = 252,
    ALIGNMENT = 8,
};

#define UNIX_AT_2000_US INT64_C(946684800000000)

struct walker {
    const struct wal_piece *piece;
    size_t at;
};

static uint64_t lsn_of(const struct walker *walker)
{
    return walker->piece->lsn + walker->at;
}

static size_t header_bytes(const struct walker *walker)
{
    return lsn_of(walker) % walker->piece->segment_bytes == 0 ? LONG_PAGE_HEADER : PAGE_HEADER;
}

/* Copies the next bytes of records over page headers; out NULL: passes over them. False when the
 * piece ends before. */
static bool take(struct walker *walker, void *out, size_t len)
{
    const struct wal_piece *piece = walker->piece;
    uint8_t *to = out;
    while (len > 0) {
        if (lsn_of(walker) % piece->block_bytes == 0)
            walker->at += header_bytes(walker);
        if (walker->at >= piece->len)
            return false;
        size_t left = piece->block_bytes - (size_t)(lsn_of(walker) % piece->block_bytes);
        size_t part = len < left ? len : left;
        if (part > piece->len - walker->at)
            return false;
        if (to != NULL) {
            memcpy(to, (const uint8_t *)piece->bytes + walker->at, part);
            to += part;
        }
        walker->at += part;
        len -= part;
    }
    return true;
}

static uint32_t u32_at(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* To the first record that begins in the piece. */
static bool enter(struct walker *walker)
{
    const uint8_t *page = walker->piece->bytes;
    uint16_t info;
    if (walker->piece->len < LONG_PAGE_HEADER)
        return false;
    memcpy(&info, page + PAGE_INFO_AT, sizeof info);
    return (info & FIRST_IS_CONTRECORD) == 0 ||
           take(walker, NULL, u32_at(page + PAGE_REMAINING_AT));
}

static bool ends_transaction(const uint8_t header[RECORD_HEADER])
{
    /* commit, abort, and both of prepared transactions */
    int kind = header[RECORD_INFO_AT] & XACT_KIND;
    return header[RECORD_MANAGER_AT] == MANAGER_XACT &&
           (kind == 0x00 || kind == 0x20 || kind == 0x30 || kind == 0x40);
}

/* Behind the header of a record without blocks: to its data, whose first field is the time. */
static bool take_time(struct walker *walker, int64_t *out)
{
    for (;;) {
        uint8_t id;
        if (!take(walker, &id, sizeof id))
            return false;
        if (id == BLOCK_ID_DATA_SHORT || id == BLOCK_ID_DATA_LONG)
            return take(walker, NULL, id == BLOCK_ID_DATA_SHORT ? 1 : 4) &&
                   take(walker, out, sizeof *out);
        if ((id != BLOCK_ID_ORIGIN && id != BLOCK_ID_TOPLEVEL_XID) ||
            !take(walker, NULL, id == BLOCK_ID_ORIGIN ? 2 : 4))
            return false;
    }
}

/* The next record: its header, where it begins, and a walker at its data. False where none lies in
 * the piece completely. */
struct record {
    uint64_t start_lsn;
    uint8_t header[RECORD_HEADER];
    struct walker data;
};

static bool next_record(struct walker *walker, struct record *out)
{
    walker->at = (walker->at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    out->start_lsn = lsn_of(walker);
    if (out->start_lsn % walker->piece->block_bytes == 0)
        out->start_lsn += header_bytes(walker);
    if (!take(walker, out->header, RECORD_HEADER) || u32_at(out->header) < RECORD_HEADER)
        return false;
    out->data = *walker;
    return take(walker, NULL, u32_at(out->header) - RECORD_HEADER);
}

int64_t wal_last_commit_us(const struct wal_piece *piece)
{
    int64_t latest_us = 0;
    struct record record;
    struct walker walker = {.piece = piece};
    if (!enter(&walker))
        return 0;
    while (next_record(&walker, &record)) {
        int64_t time = 0;
        if (ends_transaction(record.header) && take_time(&record.data, &time) &&
            time < INT64_MAX - UNIX_AT_2000_US && time + UNIX_AT_2000_US > latest_us)
            latest_us = time + UNIX_AT_2000_US;
    }
    return latest_us;
}

bool wal_last_record(const struct wal_piece *piece, struct wal_record_place *out)
{
    bool found = false;
    struct record record;
    struct walker walker = {.piece = piece};
    if (!enter(&walker))
        return false;
    while (next_record(&walker, &record)) {
        out->start_lsn = record.start_lsn;
        out->end_lsn = piece->lsn + (walker.at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        found = true;
    }
    return found;
}
