#include "document/csv.h"

#include "document/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, END = -1 };

struct csv {
    csv_read_fn read;
    void *context;
    const char *what;
    uint8_t chunk[CHUNK_BYTES];
    size_t at;
    size_t len;
    bool started; /* a byte order mark was looked for */
    uint64_t line;
    uint64_t record_line;
    struct buf text; /* the fields, each with its NUL */
    size_t starts[CSV_FIELDS_MAX];
    const char *fields[CSV_FIELDS_MAX];
    size_t count;
};

bool csv_new(csv_read_fn read, void *context, const char *what, struct csv **out, struct error *err)
{
    struct csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL)
        return error_no_memory(err, "a CSV reader");
    csv->read = read;
    csv->context = context;
    csv->what = what;
    csv->line = 1;
    buf_init(&csv->text, CSV_RECORD_MAX_BYTES);
    *out = csv;
    return true;
}

void csv_free(struct csv *csv)
{
    if (csv == NULL)
        return;
    buf_release(&csv->text);
    free(csv);
}

void csv_cleanup(struct csv **csv)
{
    csv_free(*csv);
    *csv = NULL;
}

uint64_t csv_line(const struct csv *csv)
{
    return csv->record_line;
}

static bool wrong(const struct csv *csv, const char *why, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s:%llu: %s", csv->what, (unsigned long long)csv->line,
                     why);
}

/* ---- bytes ---- */

static bool fill(struct csv *csv, struct error *err)
{
    csv->at = 0;
    csv->len = 0;
    return csv->read(csv->context, csv->chunk, sizeof csv->chunk, &csv->len, err);
}

/* The next byte, still to be taken; END behind the last one. */
static bool peek(struct csv *csv, int *out, struct error *err)
{
    if (csv->at == csv->len && !fill(csv, err))
        return false;
    *out = csv->len == 0 ? END : csv->chunk[csv->at];
    return true;
}

static void take(struct csv *csv)
{
    if (csv->chunk[csv->at] == '\n')
        csv->line++;
    csv->at++;
}

static bool skip_mark(struct csv *csv, struct error *err)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    int next;
    csv->started = true;
    for (size_t i = 0; i < sizeof mark; i++) {
        if (!peek(csv, &next, err))
            return false;
        if (next != mark[i])
            return i == 0 || wrong(csv, "the text is not UTF-8", err);
        take(csv);
    }
    return true;
}

/* ---- fields ---- */

static bool put(struct csv *csv, int byte, struct error *err)
{
    if (byte == '\0')
        return wrong(csv, "there is a NUL byte", err);
    buf_put_u8(&csv->text, (uint8_t)byte);
    if (csv->text.failed)
        return wrong(csv, "the record is too long", err);
    return true;
}

/* Behind the opening quote, up to the closing one. */
static bool take_quoted(struct csv *csv, struct error *err)
{
    int next;
    uint64_t opened = csv->line;
    for (;;) {
        if (!peek(csv, &next, err))
            return false;
        if (next == END) {
            csv->line = opened;
            return wrong(csv, "the quote that opens here is never closed", err);
        }
        take(csv);
        if (next == '"') {
            if (!peek(csv, &next, err))
                return false;
            if (next != '"')
                return true;
            take(csv);
        }
        if (!put(csv, next, err))
            return false;
    }
}

static bool is_field_end(int byte)
{
    return byte == ',' || byte == '\n' || byte == '\r' || byte == END;
}

static bool take_plain(struct csv *csv, struct error *err)
{
    int next;
    for (;;) {
        if (!peek(csv, &next, err))
            return false;
        if (is_field_end(next))
            return true;
        if (next == '"')
            return wrong(csv, "there is a quote inside a field that is not quoted", err);
        if (!put(csv, next, err))
            return false;
        take(csv);
    }
}

static bool take_field(struct csv *csv, struct error *err)
{
    int next;
    if (csv->count == CSV_FIELDS_MAX)
        return wrong(csv, "the record has too many fields", err);
    csv->starts[csv->count] = csv->text.len;
    if (!peek(csv, &next, err))
        return false;
    if (next == '"') {
        take(csv);
        if (!take_quoted(csv, err) || !peek(csv, &next, err))
            return false;
        if (!is_field_end(next))
            return wrong(csv, "there is text behind a closing quote", err);
    } else if (!take_plain(csv, err)) {
        return false;
    }
    buf_put_u8(&csv->text, 0);
    if (csv->text.failed)
        return wrong(csv, "the record is too long", err);
    csv->count++;
    return true;
}

/* ---- records ---- */

/* LF, CRLF, or the end. */
static bool take_line_end(struct csv *csv, struct error *err)
{
    int next;
    if (!peek(csv, &next, err))
        return false;
    if (next == '\r') {
        take(csv);
        if (!peek(csv, &next, err))
            return false;
        if (next != '\n' && next != END)
            return wrong(csv, "there is a carriage return inside a line", err);
    }
    if (next == '\n')
        take(csv);
    return true;
}

static bool skip_empty_lines(struct csv *csv, int *out_next, struct error *err)
{
    for (;;) {
        if (!peek(csv, out_next, err))
            return false;
        if (*out_next != '\n' && *out_next != '\r')
            return true;
        if (!take_line_end(csv, err))
            return false;
    }
}

/* Pointers only now: the text moves while it grows. */
static bool point_at_fields(struct csv *csv, struct error *err)
{
    for (size_t i = 0; i < csv->count; i++) {
        csv->fields[i] = (const char *)csv->text.data + csv->starts[i];
        if (!utf8_is_valid(csv->fields[i])) {
            csv->line = csv->record_line;
            return wrong(csv, "the text is not UTF-8", err);
        }
    }
    return true;
}

bool csv_next(struct csv *csv, const char *const **out_fields, size_t *out_count, struct error *err)
{
    int next;
    if ((!csv->started && !skip_mark(csv, err)) || !skip_empty_lines(csv, &next, err))
        return false;
    buf_clear(&csv->text);
    csv->count = 0;
    csv->record_line = csv->line;
    if (next == END) {
        *out_fields = NULL;
        *out_count = 0;
        return true;
    }
    for (;;) {
        if (!take_field(csv, err) || !peek(csv, &next, err))
            return false;
        if (next != ',')
            break;
        take(csv);
    }
    if (!take_line_end(csv, err) || !point_at_fields(csv, err))
        return false;
    *out_fields = csv->fields;
    *out_count = csv->count;
    return true;
}

void csv_put_field(const char *text, struct buf *out)
{
    bool formula = *text != '\0' && strchr("=+-@\t\r", *text) != NULL;
    if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
        buf_printf(out, "%s", text);
        return;
    }
    buf_put_u8(out, '"');
    if (formula)
        buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_u8(out, '"');
}
