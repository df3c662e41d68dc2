#include "base/text.h"

#include "base/macros.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Reads leading digits; *out_end points behind them. False when there are none or too many. */
static bool leading_u64(const char *text, uint64_t *out, const char **out_end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (at == text)
        return false;
    *out = value;
    *out_end = at;
    return true;
}

bool text_to_u64(const char *text, uint64_t *out)
{
    uint64_t value;
    const char *end;
    if (!leading_u64(text, &value, &end) || *end != '\0')
        return false;
    *out = value;
    return true;
}

bool text_to_i64(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    uint64_t value;
    if (!text_to_u64(negative ? text + 1 : text, &value) || value > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool with_unit(const char *text, const struct unit *units, size_t count, uint64_t max,
                      uint64_t *out)
{
    uint64_t value;
    const char *end;
    if (!leading_u64(text, &value, &end))
        return false;
    if (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (value > max / units[i].factor)
            return false;
        *out = value * units[i].factor;
        return true;
    }
    return false;
}

bool text_to_bytes(const char *text, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", 1024},
        {"MiB", 1024 * 1024},
        {"GiB", 1024 * 1024 * 1024},
        {"TiB", UINT64_C(1) << 40},
    };
    return with_unit(text, units, ARRAY_LEN(units), UINT64_MAX, out);
}

bool text_to_duration_us(const char *text, int64_t *out)
{
    static const struct unit units[] = {
        {"us", 1},
        {"ms", 1000},
        {"s", 1000000},
        {"min", 60000000},
        {"h", UINT64_C(3600000000)},
        {"d", UINT64_C(86400000000)},
    };
    uint64_t value = 0;
    if (strcmp(text, "0") != 0 &&
        !with_unit(text, units, ARRAY_LEN(units), (uint64_t)INT64_MAX, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

bool text_to_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        bool is_yes = strcasecmp(text, yes[i]) == 0;
        if (is_yes || strcasecmp(text, no[i]) == 0) {
            *out = is_yes;
            return true;
        }
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_to_lsn(const char *text, uint64_t *out)
{
    uint64_t half[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) {
        size_t digits = 0;
        for (; hex_digit(*text) >= 0; text++, digits++)
            half[i] = half[i] << 4 | (uint64_t)hex_digit(*text);
        if (digits == 0 || digits > 8 || *text != (i == 0 ? '/' : '\0'))
            return false;
        text++;
    }
    *out = half[0] << 32 | half[1];
    return true;
}

const char *text_bytes(uint64_t bytes, char out[TEXT_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *text_duration_us(int64_t us, char out[TEXT_SIZE])
{
    int64_t s = us / 1000000;
    if (us < 1000000)
        (void)snprintf(out, TEXT_SIZE, "%" PRId64 " ms", us / 1000);
    else if (s < 60)
        (void)snprintf(out, TEXT_SIZE, "%.1f s", (double)us / 1e6);
    else if (s < 3600)
        (void)snprintf(out, TEXT_SIZE, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 2 * 86400)
        (void)snprintf(out, TEXT_SIZE, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    else
        (void)snprintf(out, TEXT_SIZE, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
    return out;
}

const char *text_lsn(uint64_t lsn, char out[TEXT_SIZE])
{
    (void)snprintf(out, TEXT_SIZE, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
    return out;
}

static struct tm utc_parts(int64_t unix_us)
{
    struct tm parts = {0};
    int64_t seconds = unix_us >= 0 ? unix_us / 1000000 : -((-unix_us + 999999) / 1000000);
    time_t when = (time_t)seconds;
    (void)gmtime_r(&when, &parts);
    return parts;
}

const char *text_time_us(int64_t unix_us, char out[TEXT_SIZE])
{
    struct tm parts = utc_parts(unix_us);
    (void)strftime(out, TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return out;
}

/* Behind the seconds, up to the zone letter. */
static unsigned fraction_of(int64_t unix_us)
{
    return (unsigned)((unix_us % 1000000 + 1000000) % 1000000);
}

const char *text_time_exact_us(int64_t unix_us, char out[TEXT_SIZE])
{
    char seconds[TEXT_SIZE];
    (void)text_time_us(unix_us, seconds);
    (void)snprintf(out, TEXT_SIZE, "%.19s.%06uZ", seconds, fraction_of(unix_us));
    return out;
}

const char *text_time_key_us(int64_t unix_us, char out[TEXT_SIZE])
{
    char seconds[TEXT_SIZE];
    (void)text_time_compact_us(unix_us, seconds);
    (void)snprintf(out, TEXT_SIZE, "%.15s.%06uZ", seconds, fraction_of(unix_us));
    return out;
}

const char *text_time_compact_us(int64_t unix_us, char out[TEXT_SIZE])
{
    struct tm parts = utc_parts(unix_us);
    (void)strftime(out, TEXT_SIZE, "%Y%m%dT%H%M%SZ", &parts);
    return out;
}

/* Reads exactly `digits` digits within [min, max]. */
static bool fixed_digits(const char **at, int digits, int min, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += digits;
    *out = value;
    return value >= min && value <= max;
}

static bool skip_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* ".25": at least one digit; those beyond microseconds are dropped. */
static bool fraction_us(const char **at, int64_t *out)
{
    int64_t scale = 100000;
    if (!isdigit((unsigned char)**at))
        return false;
    *out = 0;
    for (; isdigit((unsigned char)**at); (*at)++, scale /= 10)
        *out += scale * (**at - '0');
    return true;
}

/* "Z", "+02:00", "+0200", "+02": seconds east of UTC. */
static bool zone_offset(const char **at, int *out_seconds)
{
    if (skip_char(at, 'Z')) {
        *out_seconds = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    int hours;
    int minutes = 0;
    if (!skip_char(at, '+') && !skip_char(at, '-'))
        return false;
    if (!fixed_digits(at, 2, 0, 15, &hours))
        return false;
    if (**at != '\0') {
        (void)skip_char(at, ':');
        if (!fixed_digits(at, 2, 0, 59, &minutes))
            return false;
    }
    *out_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* timegm would make March 2 of February 30. */
static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* 9999-12-31T23:59:59Z: an offset or a leap second may lead beyond what can be printed. */
#define LAST_SECOND INT64_C(253402300799)

bool text_to_time_us(const char *text, int64_t *out)
{
    struct tm parts = {0};
    const char *at = text;
    int year;
    int month;
    if (!fixed_digits(&at, 4, 1970, 9999, &year) || !skip_char(&at, '-') ||
        !fixed_digits(&at, 2, 1, 12, &month) || !skip_char(&at, '-') ||
        !fixed_digits(&at, 2, 1, 31, &parts.tm_mday) ||
        (!skip_char(&at, 'T') && !skip_char(&at, ' ')) ||
        !fixed_digits(&at, 2, 0, 23, &parts.tm_hour) || !skip_char(&at, ':') ||
        !fixed_digits(&at, 2, 0, 59, &parts.tm_min) || !skip_char(&at, ':') ||
        !fixed_digits(&at, 2, 0, 60, &parts.tm_sec))
        return false;
    int64_t us = 0;
    if (skip_char(&at, '.') && !fraction_us(&at, &us))
        return false;
    (void)skip_char(&at, ' ');
    int offset;
    if (!zone_offset(&at, &offset) || *at != '\0' || parts.tm_mday > days_in_month(year, month))
        return false;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    int64_t seconds = (int64_t)timegm(&parts) - offset;
    if (seconds < 0 || seconds > LAST_SECOND)
        return false;
    *out = seconds * 1000000 + us;
    return true;
}

bool text_to_time_key_us(const char *text, int64_t *out)
{
    char iso[TEXT_SIZE];
    if (strlen(text) != sizeof "20260301T120005.250000Z" - 1)
        return false;
    (void)snprintf(iso, sizeof iso, "%.4s-%.2s-%.5s:%.2s:%s", text, text + 4, text + 6, text + 11,
                   text + 13);
    return text_to_time_us(iso, out);
}

void text_hex(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[from[i] >> 4];
        *out++ = digits[from[i] & 15];
    }
    *out = '\0';
}

bool text_from_hex(const char *text, void *out, size_t len)
{
    uint8_t *to = out;
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *text, const char *suffix)
{
    size_t text_len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return text_len >= suffix_len && strcmp(text + text_len - suffix_len, suffix) == 0;
}

const char *text_plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

char *text_format(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len < 0 ? NULL : text;
}

enum { NEAREST_MAX = 64 };

/* Optimal string alignment distance (a swap of neighbours is one edit); words up to NEAREST_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    size_t rows[3][NEAREST_MAX + 1];
    if (a_len > NEAREST_MAX || b_len > NEAREST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *text_nearest(const char *word, const char *const *names, size_t count)
{
    size_t limit = strlen(word) / 3 > 2 ? strlen(word) / 3 : 2;
    size_t best = limit + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, names[i]);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
