#include "document/template.h"

#include "document/markup.h"
#include "document/utf8.h"

#include <stdint.h>
#include <string.h>

/* One piece of a template: literal text, or a name. */
struct piece {
    const char *text;
    size_t len;
    bool is_name;
    char name[TEMPLATE_NAME_SIZE];
};

struct cursor {
    const char *start;
    const char *at;
};

static bool refuse(const struct cursor *cursor, const char *at, const char *problem,
                   struct error *err)
{
    int line = 1;
    const char *line_start = cursor->start;
    for (const char *next = cursor->start; next < at; next++) {
        if (*next == '\n') {
            line++;
            line_start = next + 1;
        }
    }
    return error_set(err, ERROR_INVALID, "%s (line %d, character %td of the text)", problem, line,
                     at - line_start + 1);
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

static bool starts_name(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_name_character(char c)
{
    return starts_name(c) || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* cursor->at is at "{{". */
static bool read_name(struct cursor *cursor, struct piece *out, struct error *err)
{
    if (cursor->at[2] == '{')
        return refuse(cursor, cursor->at, "\"{{{\" is not allowed", err);
    const char *name = skip_blanks(cursor->at + 2);
    const char *end = name;
    while (starts_name(*name) && is_name_character(*end))
        end++;
    const char *close = skip_blanks(end);
    if (close[0] != '}' || close[1] != '}') {
        (void)refuse(cursor, cursor->at,
                     strstr(cursor->at, "}}") == NULL
                         ? "\"{{\" is not closed"
                         : "there is no name between \"{{\" and \"}}\"",
                     err);
        return error_hint(err, "A name is like {{ customer.name }}; \\{{ writes two braces.");
    }
    size_t len = (size_t)(end - name);
    if (len == 0 || len >= sizeof out->name || end[-1] == '.')
        return refuse(cursor, cursor->at, "this is not a name", err);
    out->is_name = true;
    memcpy(out->name, name, len);
    out->name[len] = '\0';
    cursor->at = close + 2;
    return true;
}

/* *out_found is false at the end of the text. */
static bool next_piece(struct cursor *cursor, struct piece *out, bool *out_found, struct error *err)
{
    const char *at = cursor->at;
    *out_found = *at != '\0';
    out->is_name = false;
    out->text = at;
    if (strncmp(at, "{{", 2) == 0)
        return read_name(cursor, out, err);
    if (strncmp(at, "\\{{", 3) == 0) {
        out->text = at + 1;
        out->len = 2;
        cursor->at = at + 3;
        return true;
    }
    while (*at != '\0' && strncmp(at, "{{", 2) != 0 && strncmp(at, "\\{{", 3) != 0)
        at++;
    out->len = (size_t)(at - out->text);
    cursor->at = at;
    return true;
}

/* The code point of a valid character. */
static uint32_t code_point(const char *at, size_t len)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const unsigned char *bytes = (const unsigned char *)at;
    uint32_t code = bytes[0] & lead_mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (bytes[i] & 0x3fU);
    return code;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

static bool turns_direction(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void put_character(const char *at, size_t len, enum template_escape escape, struct buf *out)
{
    uint32_t code = code_point(at, len);
    const char *instead = escape == TEMPLATE_HTML ? markup_entity(code) : NULL;
    bool dropped = (is_control(code) && code != '\n' && code != '\t') || turns_direction(code);
    if (instead != NULL)
        buf_put(out, instead, strlen(instead));
    else if (!dropped)
        buf_put(out, at, len);
}

static bool put_value(const char *name, const char *value, enum template_escape escape,
                      struct buf *out, struct error *err)
{
    for (const char *at = value; *at != '\0';) {
        size_t len = utf8_length(at);
        if (len == 0) {
            buf_put(out, "\xef\xbf\xbd", 3);
            at++;
            continue;
        }
        if (escape == TEMPLATE_HEADER && is_control(code_point(at, len)))
            return error_set(err, ERROR_INVALID,
                             "the value of {{ %s }} has a control character or a line break, which "
                             "cannot stand in one line",
                             name);
        put_character(at, len, escape, out);
        at += len;
    }
    return true;
}

static bool put_literal(const struct cursor *cursor, const struct piece *piece,
                        enum template_escape escape, struct buf *out, struct error *err)
{
    for (size_t i = 0; escape == TEMPLATE_HEADER && i < piece->len; i++)
        if ((unsigned char)piece->text[i] < 0x20 || piece->text[i] == 0x7f)
            return refuse(cursor, piece->text + i,
                          "a line break or control character is not "
                          "allowed in a text of one line",
                          err);
    buf_put(out, piece->text, piece->len);
    return true;
}

static bool put_named(const char *name, enum template_escape escape, template_lookup_fn lookup,
                      void *context, struct buf *out, struct error *err)
{
    const char *value = lookup(context, name);
    if (value == NULL)
        return error_set(err, ERROR_INVALID, "there is no value for {{ %s }}", name);
    return put_value(name, value, escape, out, err);
}

bool template_render(const char *text, enum template_escape escape, template_lookup_fn lookup,
                     void *context, struct buf *out, struct error *err)
{
    struct cursor cursor = {.start = text, .at = text};
    struct piece piece;
    bool found;
    for (;;) {
        if (!next_piece(&cursor, &piece, &found, err))
            return false;
        if (!found)
            return buf_check(out, "a rendered text", err);
        if (piece.is_name ? !put_named(piece.name, escape, lookup, context, out, err)
                          : !put_literal(&cursor, &piece, escape, out, err))
            return false;
    }
}

bool template_visit(const char *text, template_visit_fn visit, void *context, struct error *err)
{
    struct cursor cursor = {.start = text, .at = text};
    struct piece piece;
    bool found;
    do {
        if (!next_piece(&cursor, &piece, &found, err))
            return false;
        if (found && piece.is_name && !visit(context, piece.name, err))
            return false;
    } while (found);
    return true;
}
