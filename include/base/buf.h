/*
 * Bytes going out (struct buf) and bytes coming in (struct reader). All integers are little-endian.
 *
 * A buf grows up to a stated maximum. Its put functions return nothing: the first failure (memory
 * or maximum) sticks, later puts do nothing, and buf_check says so once, before the bytes are used.
 *
 * A reader walks over borrowed bytes. Every get checks the bounds; after a failure err names what
 * was being read and the offset.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max_bytes;
    bool failed; /* memory or maximum; sticky until buf_clear */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_release(struct buf *buf);

/* Forgets content and failure, keeps the memory. */
void buf_clear(struct buf *buf);

/* Makes room for `more` bytes and returns where to write them (then add to len), or NULL. */
uint8_t *buf_reserve(struct buf *buf, size_t more);

void buf_put(struct buf *buf, const void *bytes, size_t len);
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
/* LEB128: 7 bits a byte, low bits first, at most 10 bytes. */
void buf_put_varint(struct buf *buf, uint64_t value);
/* Zigzag, then varint: small magnitudes of either sign stay short. */
void buf_put_signed(struct buf *buf, int64_t value);
/* varint length, then the bytes, no terminator. */
void buf_put_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) FORMAT(2, 3);

/* NUL-terminated view of the content (the terminator is not counted), or NULL after a failure. */
const char *buf_text(struct buf *buf);

/* False when a put failed; `what` names the thing in the message. */
MUST_CHECK bool buf_check(const struct buf *buf, const char *what, struct error *err);

struct reader {
    const uint8_t *start;
    const uint8_t *next;
    const uint8_t *end;
    const char *what; /* borrowed: "manifest \"x\"", for messages */
};

void reader_init(struct reader *reader, const void *bytes, size_t len, const char *what);
size_t reader_left(const struct reader *reader);

/* All of these fail with ERROR_CORRUPT when the bytes end too early or the encoding is wrong. */
MUST_CHECK bool reader_u8(struct reader *reader, uint8_t *out, struct error *err);
MUST_CHECK bool reader_u16(struct reader *reader, uint16_t *out, struct error *err);
MUST_CHECK bool reader_u32(struct reader *reader, uint32_t *out, struct error *err);
MUST_CHECK bool reader_u64(struct reader *reader, uint64_t *out, struct error *err);
MUST_CHECK bool reader_varint(struct reader *reader, uint64_t *out, struct error *err);
MUST_CHECK bool reader_signed(struct reader *reader, int64_t *out, struct error *err);
/* A varint that must not exceed max. */
MUST_CHECK bool reader_count(struct reader *reader, uint64_t max, uint64_t *out, struct error *err);
/* Borrows len bytes from the input. */
MUST_CHECK bool reader_bytes(struct reader *reader, size_t len, const uint8_t **out,
                             struct error *err);
/* Gives a NUL-terminated copy that the caller frees; refuses lengths above max_len and NULs. */
MUST_CHECK bool reader_text(struct reader *reader, size_t max_len, char **out, struct error *err);

#endif
