#include "cli/recovery_sheet.h"

#include "base/text.h"
#include "codec/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 4, LINE_BYTES = SEAL_KEY_BYTES / LINES, CHECK_BYTES = 2, GROUP_BYTES = 2 };
enum { LINE_DIGITS = 2 * (LINE_BYTES + CHECK_BYTES) };

static void check_of(unsigned number, const uint8_t *bytes, uint8_t out[CHECK_BYTES])
{
    uint8_t hash[SHA256_BYTES];
    uint8_t text[1 + LINE_BYTES] = {(uint8_t)number};
    memcpy(text + 1, bytes, LINE_BYTES);
    digest_sha256(text, sizeof text, hash);
    memcpy(out, hash, CHECK_BYTES);
}

void recovery_sheet_put(const uint8_t key[SEAL_KEY_BYTES], struct buf *out)
{
    for (unsigned line = 0; line < LINES; line++) {
        const uint8_t *bytes = key + (size_t)line * LINE_BYTES;
        uint8_t check[CHECK_BYTES];
        check_of(line + 1, bytes, check);
        buf_printf(out, "    %u:", line + 1);
        for (unsigned i = 0; i < LINE_BYTES; i += GROUP_BYTES)
            buf_printf(out, " %02x%02x", bytes[i], bytes[i + 1]);
        buf_printf(out, " - %02x%02x\n", check[0], check[1]);
    }
}

/* The digits of a line, without what stands between them. */
static bool take_digits(const char *line, size_t len, char out[LINE_DIGITS + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (isxdigit((unsigned char)line[i]) && count < LINE_DIGITS)
            out[count++] = line[i];
        else if (line[i] != ' ' && line[i] != '-' && line[i] != '\t' && line[i] != '\r')
            return false;
    }
    out[count] = '\0';
    return count == LINE_DIGITS;
}

static bool read_line(unsigned number, const char *line, size_t len, uint8_t *out,
                      struct error *err)
{
    char digits[LINE_DIGITS + 1];
    uint8_t bytes[LINE_BYTES + CHECK_BYTES];
    uint8_t check[CHECK_BYTES];
    bool good = take_digits(line, len, digits) && text_from_hex(digits, bytes, sizeof bytes);
    if (good)
        check_of(number, bytes, check);
    if (!good || memcmp(check, bytes + LINE_BYTES, CHECK_BYTES) != 0)
        return error_set(err, ERROR_INVALID,
                         "line %u of the recovery sheet is not as it was printed", number);
    memcpy(out, bytes, LINE_BYTES);
    return true;
}

bool recovery_sheet_read(const char *text, uint8_t out[SEAL_KEY_BYTES], struct error *err)
{
    bool there[LINES] = {false};
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        line += strspn(line, " \t");
        size_t len = end == NULL ? strlen(line) : end > line ? (size_t)(end - line) : 0;
        if (len > 2 && line[0] >= '1' && line[0] <= '0' + LINES && line[1] == ':') {
            unsigned number = (unsigned)(line[0] - '0');
            if (!read_line(number, line + 2, len - 2, out + (size_t)(number - 1) * LINE_BYTES, err))
                return false;
            there[number - 1] = true;
        }
        line = end == NULL ? NULL : end + 1;
    }
    for (unsigned i = 0; i < LINES; i++)
        if (!there[i])
            return error_set(err, ERROR_INVALID, "line %u of the recovery sheet is missing", i + 1);
    return true;
}
