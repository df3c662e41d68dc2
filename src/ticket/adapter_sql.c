#include "ticket/adapter_sql.h"

#include <ctype.h>
#include <string.h>

enum { NESTING_MAX = 4 };

struct binding {
    const char *file;
    const char *start; /* of the whole text: for line numbers */
    const struct adapter_value *values;
    size_t count;
    struct buf *out;
};

static bool bad(const struct binding *binding, const char *at, const char *problem,
                struct error *err)
{
    int line = 1;
    for (const char *c = binding->start; c < at; c++)
        line += *c == '\n';
    return error_set(err, ERROR_INVALID, "%s:%d: %s", binding->file, line, problem);
}

void adapter_put_literal(const char *value, struct buf *out)
{
    if (strpbrk(value, "'\\$") == NULL) {
        buf_printf(out, "'%s'", value);
        return;
    }
    buf_printf(out, "E'");
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\' || *value == '$')
            buf_printf(out, "\\x%02x", (unsigned)*value);
        else
            buf_put_u8(out, (uint8_t)*value);
    }
    buf_printf(out, "'");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The end of what begins with a quote; a quote that is doubled, or escaped, is inside. */
static const char *quoted_end(const char *at, const char *end, bool escapes)
{
    char quote = *at++;
    for (; at < end; at++) {
        if (escapes && *at == '\\' && at + 1 < end)
            at++;
        else if (*at == quote && at + 1 < end && at[1] == quote)
            at++;
        else if (*at == quote)
            return at + 1;
    }
    return NULL;
}

static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline == NULL ? end : newline;
}

/* Comments of this kind nest. */
static const char *comment_end(const char *at, const char *end)
{
    int depth = 0;
    for (; at + 1 < end; at++) {
        if (at[0] == '/' && at[1] == '*')
            depth++;
        else if (at[0] == '*' && at[1] == '/')
            depth--;
        else
            continue;
        at++;
        if (depth == 0)
            return at + 1;
    }
    return NULL;
}

/* The length of "$tag$", or 0 when it is none. */
static size_t dollar_tag(const char *at, const char *end)
{
    const char *c = at + 1;
    if (c < end && isdigit((unsigned char)*c))
        return 0;
    while (c < end && is_word(*c))
        c++;
    return c < end && *c == '$' ? (size_t)(c + 1 - at) : 0;
}

static const char *find(const char *at, const char *end, const char *tag, size_t len)
{
    return memmem(at, (size_t)(end - at), tag, len);
}

static bool put_setting(const struct binding *binding, const char *name, size_t len,
                        struct error *err)
{
    for (size_t i = 0; i < binding->count; i++) {
        const struct adapter_value *value = &binding->values[i];
        if (strlen(value->name) == len && memcmp(value->name, name, len) == 0) {
            adapter_put_literal(value->value, binding->out);
            return true;
        }
    }
    (void)bad(binding, name, "the manifest has no such setting", err);
    return error_wrap(err, ":'%.*s'", (int)(len > 60 ? 60 : len), name);
}

static bool bind(const struct binding *binding, const char *at, const char *end, int depth,
                 struct error *err);

/* A body in dollar quotes, from the first dollar on. Moves *at behind it. */
static bool bind_body(const struct binding *binding, const char **at, const char *end, int depth,
                      struct error *err)
{
    size_t len = dollar_tag(*at, end);
    const char *body = *at + len;
    const char *close = find(body, end, *at, len);
    if (close == NULL)
        return bad(binding, *at, "a dollar quote is not closed", err);
    if (depth == NESTING_MAX)
        return bad(binding, *at, "too many dollar quotes in one another", err);
    buf_put(binding->out, *at, len);
    if (!bind(binding, body, close, depth + 1, err))
        return false;
    buf_put(binding->out, close, len);
    *at = close + len;
    return true;
}

/* What has to be copied as it stands from here on; NULL when it is not closed. */
static const char *verbatim_end(const char *start, const char *at, const char *end)
{
    bool escapes = at > start && (at[-1] == 'e' || at[-1] == 'E') &&
                   (at - 1 == start || !is_word(at[-2]));
    if (*at == '\'' || *at == '"')
        return quoted_end(at, end, *at == '\'' && escapes);
    if (at + 1 < end && at[0] == '-' && at[1] == '-')
        return line_end(at, end);
    if (at + 1 < end && at[0] == '/' && at[1] == '*')
        return comment_end(at, end);
    return at + 1;
}

static bool bind(const struct binding *binding, const char *at, const char *end, int depth,
                 struct error *err)
{
    const char *start = at;
    while (at < end) {
        bool in_word = at > start && (is_word(at[-1]) || at[-1] == '$');
        if (*at == '$' && !in_word && dollar_tag(at, end) > 0) {
            if (!bind_body(binding, &at, end, depth, err))
                return false;
            continue;
        }
        bool setting = at + 1 < end && at[0] == ':' && at[1] == '\'' &&
                       (at == start || at[-1] != ':');
        const char *next = verbatim_end(start, setting ? at + 1 : at, end);
        if (next == NULL)
            return bad(binding, at, "a quote or comment is not closed", err);
        if (!setting)
            buf_put(binding->out, at, (size_t)(next - at));
        else if (!put_setting(binding, at + 2, (size_t)(next - at - 3), err))
            return false;
        at = next;
    }
    return true;
}

bool adapter_sql_bind(const char *sql, const char *file, const struct adapter_value *values,
                      size_t count, struct buf *out, struct error *err)
{
    struct binding binding = {
        .file = file, .start = sql, .values = values, .count = count, .out = out};
    return bind(&binding, sql, sql + strlen(sql), 0, err) && buf_check(out, file, err);
}
