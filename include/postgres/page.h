/*
 * One page of a relation file, 8 KiB as PostgreSQL stores it on little-endian machines. Only the
 * header is looked at. Source: src/include/storage/bufpage.h (PageHeaderData), checksum_impl.h
 * (pg_checksum_page). None of these allocate or fail; `page` always has PAGE_BYTES bytes.
 */
#ifndef POSTGRES_PAGE_H
#define POSTGRES_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_BYTES = 8192 };

/* pd_lsn: the end of the last WAL record that changed the page. 0: never WAL-logged. */
uint64_t page_lsn(const void *page);

/* PageIsNew: no space was ever given out (pd_upper is 0). Such a page has no checksum. */
bool page_is_new(const void *page);

/* The header is plausible: offsets in order, aligned special space, page size and layout version.
 */
bool page_header_is_sane(const void *page);

/* pd_checksum as stored. */
uint16_t page_stored_checksum(const void *page);

/* pg_checksum_page: block is the number in the relation fork, counted over its segments. */
uint16_t page_checksum(const void *page, uint32_t block);

/* What the server checks in a base backup: new pages and pages changed since start_lsn (their
 * replay comes with a full-page image) pass; all others must have the right checksum. Use
 * UINT64_MAX for a cluster that was shut down. Only where data checksums are on. */
bool page_verifies(const void *page, uint32_t block, uint64_t start_lsn);

/* Nothing but zero bytes; for any length. */
bool bytes_are_zero(const void *bytes, size_t len);

#endif
