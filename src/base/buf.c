#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max_bytes = buf->max_bytes};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

/* Twice as much, or what is needed if that is more: what is appended in one piece is large. */
static size_t grown(const struct buf *buf, size_t need)
{
    size_t cap = buf->cap > buf->max_bytes / 2 ? buf->max_bytes : 2 * buf->cap;
    cap = cap < 64 ? 64 : cap;
    return cap < need ? need : cap;
}

uint8_t *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed || more > buf->max_bytes || buf->len > buf->max_bytes - more) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + more;
    if (need > buf->cap) {
        size_t cap = grown(buf, need);
        uint8_t *data = realloc(buf->data, cap);
        if (data == NULL) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_put(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    uint8_t *to = buf_reserve(buf, len);
    if (to == NULL)
        return;
    memcpy(to, bytes, len);
    buf->len += len;
}

/* Writes the low `width` bytes of value, least significant first. */
static void put_le(struct buf *buf, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    buf_put(buf, bytes, width);
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    put_le(buf, value, 1);
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
    put_le(buf, value, 2);
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
    put_le(buf, value, 4);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    put_le(buf, value, 8);
}

void buf_put_varint(struct buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buf_put(buf, bytes, len);
}

void buf_put_signed(struct buf *buf, int64_t value)
{
    uint64_t bits = (uint64_t)value << 1;
    buf_put_varint(buf, value < 0 ? ~bits : bits);
}

void buf_put_text(struct buf *buf, const char *text)
{
    size_t len = strlen(text);
    buf_put_varint(buf, len);
    buf_put(buf, text, len);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
        return;
    }
    uint8_t *to = buf_reserve(buf, (size_t)len + 1);
    if (to == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf((char *)to, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

const char *buf_text(struct buf *buf)
{
    uint8_t *end = buf_reserve(buf, 1);
    if (end == NULL)
        return NULL;
    *end = '\0';
    return (const char *)buf->data;
}

bool buf_check(const struct buf *buf, const char *what, struct error *err)
{
    if (!buf->failed)
        return true;
    if (buf->len + 1 >= buf->max_bytes / 2)
        return error_set(err, ERROR_NO_MEMORY, "%s does not fit into its maximum of %zu bytes",
                         what, buf->max_bytes);
    return error_no_memory(err, what);
}

void reader_init(struct reader *reader, const void *bytes, size_t len, const char *what)
{
    const uint8_t *start = bytes;
    *reader = (struct reader){
        .start = start, .next = start, .end = len == 0 ? start : start + len, .what = what};
}

size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

static bool reader_fail(const struct reader *reader, const char *problem, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "%s is damaged: %s at byte %zu", reader->what, problem,
                     (size_t)(reader->next - reader->start));
}

bool reader_bytes(struct reader *reader, size_t len, const uint8_t **out, struct error *err)
{
    if (reader_left(reader) < len)
        return reader_fail(reader, "it ends too early", err);
    *out = reader->next;
    reader->next += len;
    return true;
}

static bool get_le(struct reader *reader, size_t width, uint64_t *out, struct error *err)
{
    const uint8_t *bytes;
    if (!reader_bytes(reader, width, &bytes, err))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    *out = value;
    return true;
}

bool reader_u8(struct reader *reader, uint8_t *out, struct error *err)
{
    uint64_t value;
    if (!get_le(reader, 1, &value, err))
        return false;
    *out = (uint8_t)value;
    return true;
}

bool reader_u16(struct reader *reader, uint16_t *out, struct error *err)
{
    uint64_t value;
    if (!get_le(reader, 2, &value, err))
        return false;
    *out = (uint16_t)value;
    return true;
}

bool reader_u32(struct reader *reader, uint32_t *out, struct error *err)
{
    uint64_t value;
    if (!get_le(reader, 4, &value, err))
        return false;
    *out = (uint32_t)value;
    return true;
}

bool reader_u64(struct reader *reader, uint64_t *out, struct error *err)
{
    return get_le(reader, 8, out, err);
}

bool reader_varint(struct reader *reader, uint64_t *out, struct error *err)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->next == reader->end)
            return reader_fail(reader, "it ends inside a number", err);
        uint8_t byte = *reader->next++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return reader_fail(reader, "a number does not fit 64 bits", err);
}

bool reader_signed(struct reader *reader, int64_t *out, struct error *err)
{
    uint64_t bits;
    if (!reader_varint(reader, &bits, err))
        return false;
    uint64_t magnitude = bits >> 1;
    *out = (bits & 1) != 0 ? (int64_t)~magnitude : (int64_t)magnitude;
    return true;
}

bool reader_count(struct reader *reader, uint64_t max, uint64_t *out, struct error *err)
{
    uint64_t value;
    if (!reader_varint(reader, &value, err))
        return false;
    if (value > max)
        return reader_fail(reader, "a number is out of range", err);
    *out = value;
    return true;
}

bool reader_text(struct reader *reader, size_t max_len, char **out, struct error *err)
{
    uint64_t len;
    const uint8_t *bytes;
    if (!reader_count(reader, max_len, &len, err) ||
        !reader_bytes(reader, (size_t)len, &bytes, err))
        return false;
    if (memchr(bytes, '\0', (size_t)len) != NULL)
        return reader_fail(reader, "a text contains a zero byte", err);
    char *text = malloc((size_t)len + 1);
    if (text == NULL)
        return error_no_memory(err, reader->what);
    memcpy(text, bytes, (size_t)len);
    text[len] = '\0';
    *out = text;
    return true;
}
