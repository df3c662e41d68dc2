#include "document/utf8.h"

#include <string.h>

size_t utf8_length(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
        return 0;
    size_t len = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xf0 && bytes[1] < 0x90);
    bool surrogate = bytes[0] == 0xed && bytes[1] > 0x9f;
    bool too_large = bytes[0] == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || too_large ? 0 : len;
}

bool utf8_is_valid(const char *text)
{
    while (*text != '\0') {
        size_t len = utf8_length(text);
        if (len == 0)
            return false;
        text += len;
    }
    return true;
}

/* C1 controls (U+0080 to U+009F) and the bidirectional controls, which reorder what is shown. */
static bool drives_terminal(const char *at, size_t len)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (len == 1)
        return byte[0] < 0x20 || byte[0] == 0x7f;
    if (len == 2)
        return byte[0] == 0xc2 && byte[1] < 0xa0;
    if (len != 3 || byte[0] != 0xe2)
        return false;
    bool marks = byte[1] == 0x80 && (byte[2] == 0x8e || byte[2] == 0x8f);
    bool lines = byte[1] == 0x80 && byte[2] >= 0xa8 && byte[2] <= 0xae;
    bool isolates = byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9;
    return marks || lines || isolates;
}

void utf8_put_clean(const char *text, const char *instead, struct buf *out)
{
    while (*text != '\0') {
        size_t len = utf8_length(text);
        if (len == 0 || drives_terminal(text, len))
            buf_put(out, instead, strlen(instead));
        else
            buf_put(out, text, len);
        text += len == 0 ? 1 : len;
    }
}
