/*
 * Are these bytes WAL of this server and this place? Looks at the header of every page that begins
 * in a piece of WAL. Source: src/include/access/xlog_internal.h (XLogPageHeaderData,
 * XLogLongPageHeaderData), little-endian machines.
 *
 * A recycled segment carries old pages, and a proxy or a failover may bring another server: the
 * address, timeline, system identifier and magic number of the pages tell.
 */
#ifndef POSTGRES_WAL_PAGE_H
#define POSTGRES_WAL_PAGE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct wal_page_rules {
    uint64_t system_identifier;
    uint32_t timeline; /* pages of older ones may stand before a switch point */
    uint32_t segment_bytes;
    uint32_t block_bytes; /* 8192 */
    int server_version;   /* 150018: decides the magic number */
};

/* Checks the len bytes at lsn. A header of which the beginning or the end lies outside is not
 * looked at. Pages of zeros are what a segment switch leaves behind; a segment never begins with
 * one. ERROR_CORRUPT names the place; ERROR_UNSUPPORTED for a server outside 13 to 18. */
MUST_CHECK bool wal_pages_check(const struct wal_page_rules *rules, uint64_t lsn, const void *bytes,
                                size_t len, struct error *err);

/* Where the segment that holds lsn begins. */
uint64_t wal_segment_start(uint64_t lsn, uint32_t segment_bytes);

#endif
