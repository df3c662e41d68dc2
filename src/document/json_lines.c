#include "document/json_lines.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, PLACE_SIZE = 300 };

struct json_lines {
    csv_read_fn read;
    void *context;
    const char *name;
    uint8_t chunk[CHUNK_BYTES];
    size_t at;
    size_t len;
    uint64_t line;
    struct buf text;
};

bool json_lines_new(csv_read_fn read, void *context, const char *name, struct json_lines **out,
                    struct error *err)
{
    struct json_lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL)
        return error_no_memory(err, "a reader of JSON lines");
    lines->read = read;
    lines->context = context;
    lines->name = name;
    buf_init(&lines->text, JSON_LINE_MAX_BYTES);
    *out = lines;
    return true;
}

void json_lines_free(struct json_lines *lines)
{
    if (lines == NULL)
        return;
    buf_release(&lines->text);
    free(lines);
}

void json_lines_cleanup(struct json_lines **lines)
{
    json_lines_free(*lines);
    *lines = NULL;
}

uint64_t json_lines_line(const struct json_lines *lines)
{
    return lines->line;
}

/* One line without its end into text; *out_end when there is none left. */
static bool read_line(struct json_lines *lines, bool *out_end, struct error *err)
{
    buf_clear(&lines->text);
    lines->line++;
    for (;;) {
        if (lines->at == lines->len) {
            lines->at = 0;
            if (!lines->read(lines->context, lines->chunk, sizeof lines->chunk, &lines->len, err))
                return false;
            if (lines->len == 0) {
                *out_end = lines->text.len == 0;
                return true;
            }
        }
        const uint8_t *start = lines->chunk + lines->at;
        const uint8_t *newline = memchr(start, '\n', lines->len - lines->at);
        size_t part = newline == NULL ? lines->len - lines->at : (size_t)(newline - start);
        buf_put(&lines->text, start, part);
        if (lines->text.failed)
            return error_set(err, ERROR_INVALID, "%s:%" PRIu64 ": the line is too long",
                             lines->name, lines->line);
        lines->at += part + (newline != NULL);
        if (newline != NULL)
            return true;
    }
}

static bool is_blank(const struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (memchr(" \t\r", text->data[i], 3) == NULL)
            return false;
    return true;
}

bool json_lines_next(struct json_lines *lines, struct value **out, struct error *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    char place[PLACE_SIZE];
    bool end = false;
    do {
        if (!read_line(lines, &end, err))
            return false;
    } while (!end && is_blank(&lines->text));
    *out = NULL;
    if (end)
        return true;
    const uint8_t *text = lines->text.data;
    size_t len = lines->text.len;
    if (lines->line == 1 && len >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0) {
        text += strlen(mark);
        len -= strlen(mark);
    }
    (void)snprintf(place, sizeof place, "%s:%" PRIu64, lines->name, lines->line);
    CLEANUP(value_cleanup)
    struct value *object = value_parse(text, len, JSON_LINE_MAX_BYTES, place, err);
    if (object == NULL)
        return false;
    if (!value_is_object(object))
        return error_set(err, ERROR_INVALID, "%s is not an object", place);
    *out = TAKE(object);
    return true;
}
