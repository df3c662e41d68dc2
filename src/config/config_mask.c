#include "config/config_mask.h"

#include "base/macros.h"
#include "base/secret.h"

#include <string.h>
#include <strings.h>

#define MASK "***"

static bool is_secret_key(const char *key, size_t len)
{
    static const char *const endings[] = {"password", "secret", "token"};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t ending = strlen(endings[i]);
        if (len >= ending && strncasecmp(key + len - ending, endings[i], ending) == 0)
            return true;
    }
    return false;
}

/* Copies or masks the value and says whether it was masked. */
static bool put_value(const char *value, size_t len, bool secret, struct buf *out)
{
    bool masked = secret && len > 0;
    if (masked)
        buf_put(out, MASK, strlen(MASK));
    else
        buf_put(out, value, len);
    return masked;
}

/* name=value&name=value up to the end. */
static bool put_query(const char *at, struct buf *out)
{
    bool masked = false;
    while (*at != '\0') {
        size_t key = strcspn(at, "=&#");
        buf_put(out, at, key);
        bool secret = is_secret_key(at, key);
        at += key;
        if (*at == '=') {
            buf_put_u8(out, '=');
            size_t len = strcspn(++at, "&#");
            masked |= put_value(at, len, secret, out);
            at += len;
        }
        if (*at != '\0')
            buf_put_u8(out, (uint8_t)*at++);
    }
    return masked;
}

/* Where the user part ends. People put unescaped "@", "/" and "?" into passwords: when in doubt
 * more is masked. NULL: there is none. */
static const char *user_end(const char *authority, bool *out_unclear)
{
    size_t query = strcspn(authority, "?");
    const char *at_sign = memrchr(authority, '@', query);
    *out_unclear = at_sign == NULL && strcspn(authority, "/") > query;
    return at_sign != NULL || !*out_unclear ? at_sign : strrchr(authority, '@');
}

static bool put_uri(const char *text, const char *authority, struct buf *out)
{
    bool masked = false;
    bool unclear;
    const char *rest = authority;
    const char *at_sign = user_end(authority, &unclear);
    const char *colon = at_sign == NULL ? NULL
                                        : memchr(authority, ':', (size_t)(at_sign - authority));
    buf_put(out, text, (size_t)(authority - text));
    if (colon != NULL) {
        buf_put(out, authority, (size_t)(colon + 1 - authority));
        masked = put_value(colon + 1, (size_t)(at_sign - colon - 1), true, out);
        rest = unclear ? "" : at_sign;
    }
    size_t path = strcspn(rest, "?");
    buf_put(out, rest, path);
    if (rest[path] == '?') {
        buf_put_u8(out, '?');
        masked |= put_query(rest + path + 1, out);
    }
    return masked;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static size_t put_spaces(const char *at, struct buf *out)
{
    size_t len = 0;
    while (is_space(at[len]))
        len++;
    buf_put(out, at, len);
    return len;
}

/* Length of a value: quoted with ' or up to white space, a backslash takes the next character. */
static size_t value_length(const char *at)
{
    bool quoted = *at == '\'';
    size_t len = quoted ? 1 : 0;
    while (at[len] != '\0') {
        if (quoted && at[len] == '\'')
            return len + 1;
        if (!quoted && is_space(at[len]))
            return len;
        len += at[len] == '\\' && at[len + 1] != '\0' ? 2 : 1;
    }
    return len;
}

/* libpq: keyword = value pairs, white space allowed around "=". */
static bool put_keywords(const char *at, struct buf *out)
{
    bool masked = false;
    while (*at != '\0') {
        at += put_spaces(at, out);
        size_t key = strcspn(at, "= \t\n\r\f\v");
        bool secret = is_secret_key(at, key);
        buf_put(out, at, key);
        at += key;
        at += put_spaces(at, out);
        if (*at != '=')
            continue;
        buf_put_u8(out, '=');
        at++;
        at += put_spaces(at, out);
        size_t len = value_length(at);
        masked |= put_value(at, len, secret, out);
        at += len;
    }
    return masked;
}

static bool put_masked(const char *text, struct buf *out)
{
    const char *scheme = strstr(text, "://");
    bool is_uri = scheme != NULL && memchr(text, '=', (size_t)(scheme - text)) == NULL;
    return is_uri ? put_uri(text, scheme + 3, out) : put_keywords(text, out);
}

void config_mask(const char *text, struct buf *out)
{
    (void)put_masked(text, out);
}

bool config_has_password(const char *text)
{
    struct buf scratch;
    buf_init(&scratch, 4 * strlen(text) + 64);
    bool masked = put_masked(text, &scratch);
    secret_wipe(scratch.data, scratch.cap);
    buf_release(&scratch);
    return masked;
}
