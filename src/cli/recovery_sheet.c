#include "cli/recovery_sheet.h"

#include "base/text.h"
#include "codec/digest.h"
#include "repository/keyring.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_BYTES = 2, GROUP_BYTES = 2, NUMBER_DIGITS = 4 };
enum { LINE_DIGITS = 2 * (SHEET_LINE_BYTES + CHECK_BYTES) };
enum { LINES_MAX = SHEET_KEY_LINES + KEYRING_COPY_MAX / SHEET_LINE_BYTES };

static void check_of(unsigned number, const uint8_t *bytes, uint8_t out[CHECK_BYTES])
{
    uint8_t hash[SHA256_BYTES];
    uint8_t text[2 + SHEET_LINE_BYTES] = {(uint8_t)number, (uint8_t)(number >> 8)};
    memcpy(text + 2, bytes, SHEET_LINE_BYTES);
    digest_sha256(text, sizeof text, hash);
    memcpy(out, hash, CHECK_BYTES);
}

void recovery_sheet_put(unsigned first, const void *bytes, size_t len, struct buf *out)
{
    for (size_t at = 0; at + SHEET_LINE_BYTES <= len; at += SHEET_LINE_BYTES) {
        const uint8_t *line = (const uint8_t *)bytes + at;
        unsigned number = first + (unsigned)(at / SHEET_LINE_BYTES);
        uint8_t check[CHECK_BYTES];
        check_of(number, line, check);
        buf_printf(out, "  %3u:", number);
        for (unsigned i = 0; i < SHEET_LINE_BYTES; i += GROUP_BYTES)
            buf_printf(out, " %02x%02x", line[i], line[i + 1]);
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
    uint8_t bytes[SHEET_LINE_BYTES + CHECK_BYTES];
    uint8_t check[CHECK_BYTES];
    bool good = take_digits(line, len, digits) && text_from_hex(digits, bytes, sizeof bytes);
    if (good)
        check_of(number, bytes, check);
    if (!good || memcmp(check, bytes + SHEET_LINE_BYTES, CHECK_BYTES) != 0)
        return error_set(err, ERROR_INVALID,
                         "line %u of the recovery sheet is not as it was printed", number);
    memcpy(out, bytes, SHEET_LINE_BYTES);
    return true;
}

/* "12: ...": the number, and what stands behind it. 0: another line. */
static unsigned take_number(const char *line, size_t len, size_t *out_behind)
{
    unsigned number = 0;
    size_t at = 0;
    while (at < len && at < NUMBER_DIGITS && isdigit((unsigned char)line[at]))
        number = number * 10 + (unsigned)(line[at++] - '0');
    *out_behind = at + 1;
    return at < len && line[at] == ':' && number <= LINES_MAX ? number : 0;
}

/* Up to the last line that is there all are, and no generation is there by half. */
static bool check_whole(const bool *there, size_t last, struct error *err)
{
    size_t generation = KEYRING_COPY_GENERATION / SHEET_LINE_BYTES;
    size_t whole = SHEET_KEY_LINES;
    if (last > whole)
        whole += KEYRING_COPY_HEAD / SHEET_LINE_BYTES + generation;
    while (whole < last)
        whole += generation;
    for (size_t i = 1; i <= whole; i++)
        if (!there[i])
            return error_set(err, ERROR_INVALID, "line %zu of the recovery sheet is missing", i);
    return true;
}

bool recovery_sheet_read(const char *text, struct buf *out, struct error *err)
{
    size_t last = 0;
    bool there[LINES_MAX + 1] = {false};
    uint8_t *bytes = buf_reserve(out, (size_t)LINES_MAX * SHEET_LINE_BYTES);
    if (bytes == NULL)
        return error_no_memory(err, "a recovery sheet");
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t behind;
        const char *end = strchr(line, '\n');
        line += strspn(line, " \t");
        size_t len = end == NULL ? strlen(line) : end > line ? (size_t)(end - line) : 0;
        unsigned number = take_number(line, len, &behind);
        if (number > 0) {
            if (!read_line(number, line + behind, len - behind,
                           bytes + (size_t)(number - 1) * SHEET_LINE_BYTES, err))
                return false;
            there[number] = true;
            last = number > last ? number : last;
        }
        line = end == NULL ? NULL : end + 1;
    }
    if (!check_whole(there, last, err))
        return false;
    out->len += last * SHEET_LINE_BYTES;
    return true;
}
