#include "document/markup.h"

#include "base/macros.h"
#include "document/utf8.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

const char *markup_entity(uint32_t code)
{
    switch (code) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* One character that is no markup; returns its length. */
static size_t put_plain(const char *at, struct buf *out)
{
    char one[5] = {0};
    size_t len = utf8_length(at);
    memcpy(one, at, len == 0 ? 1 : len);
    bool no_character = memcmp(one, "\xef\xbf\xbe", 3) == 0 || memcmp(one, "\xef\xbf\xbf", 3) == 0;
    utf8_put_clean(no_character ? "\x01" : one, REPLACEMENT, out);
    return len == 0 ? 1 : len;
}

void markup_put(const char *text, struct buf *out)
{
    while (*text != '\0') {
        const char *named = markup_entity((unsigned char)*text);
        if (named != NULL)
            buf_printf(out, "%s", named);
        else if (*text == '\n' || *text == '\t')
            buf_put_u8(out, (uint8_t)*text);
        else {
            text += put_plain(text, out);
            continue;
        }
        text++;
    }
}

/* Escaped by a backslash where Markdown allows that; "<" and "&" would be HTML. */
void markup_put_markdown(const char *text, struct buf *out)
{
    static const char special[] = "\\`*_{}[]()#+!|~>";
    while (*text != '\0') {
        if (*text == '<' || *text == '&')
            buf_printf(out, "%s", markup_entity((unsigned char)*text));
        else if (*text == '\n' || *text == '\t' || *text == '\r')
            buf_put_u8(out, ' ');
        else if (strchr(special, *text) != NULL)
            buf_printf(out, "\\%c", *text);
        else {
            text += put_plain(text, out);
            continue;
        }
        text++;
    }
}
