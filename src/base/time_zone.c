#include "base/time_zone.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"

#include <ctype.h>
#include <string.h>

enum {
    FILE_MAX_BYTES = 256 * 1024,
    TRANSITIONS_MAX = 4096,
    TYPES_MAX = 256,
    HEADER_BYTES = 44,
    TYPE_BYTES = 6,
    DAY_S = 86400,
    OFFSET_MAX_S = 26 * 3600,
};

/* "M3.5.0/2": the fifth (= last) Sunday of March, 02:00 by the clock in force before. */
struct rule {
    int month;
    int week;
    int weekday;
    int64_t time_s;
};

struct time_zone {
    size_t count; /* of transitions, in order of time */
    int64_t at[TRANSITIONS_MAX];
    int32_t after[TRANSITIONS_MAX]; /* offset from then on */
    int32_t first;                  /* offset before the first one */
    bool has_footer;
    bool has_summer;
    int64_t standard_s;
    int64_t summer_s;
    struct rule summer_begins;
    struct rule summer_ends;
};

struct counts {
    uint32_t isut;
    uint32_t isstd;
    uint32_t leap;
    uint32_t time;
    uint32_t type;
    uint32_t chars;
};

void time_zone_free(struct time_zone *zone)
{
    free(zone);
}

void time_zone_cleanup(struct time_zone **zone)
{
    time_zone_free(*zone);
    *zone = NULL;
}

int64_t date_to_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void date_from_days(int64_t days, int64_t *out_year, int *out_month, int *out_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *out_day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *out_month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *out_year = year_of_era + era * 400 + (*out_month <= 2);
}

static int64_t floor_divide(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

/* --- the rule behind the last transition (POSIX TZ)
 * ------------------------------------------------ */

static bool read_number(const char **at, int max, int64_t *out)
{
    int64_t number = 0;
    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); (*at)++) {
        number = number * 10 + (**at - '0');
        if (number > max)
            return false;
    }
    *out = number;
    return true;
}

/* "-3:30", "02:00:00": seconds. */
static bool read_time(const char **at, int64_t *out)
{
    int64_t parts[3] = {0};
    int64_t sign = 1;
    if (**at == '-' || **at == '+')
        sign = *(*at)++ == '-' ? -1 : 1;
    if (!read_number(at, 167, &parts[0]))
        return false;
    for (size_t i = 1; i < ARRAY_LEN(parts) && **at == ':'; i++) {
        (*at)++;
        if (!read_number(at, 59, &parts[i]))
            return false;
    }
    *out = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return true;
}

/* "CET" or "<+0330>" */
static bool skip_name(const char **at)
{
    const char *start = *at;
    if (**at == '<') {
        const char *end = strchr(*at, '>');
        if (end == NULL)
            return false;
        *at = end + 1;
        return true;
    }
    while (isalpha((unsigned char)**at))
        (*at)++;
    return *at - start >= 3;
}

static bool read_rule(const char **at, struct rule *out)
{
    int64_t month;
    int64_t week;
    int64_t weekday;
    if (strncmp(*at, ",M", 2) != 0)
        return false;
    *at += 2;
    if (!read_number(at, 12, &month) || *(*at)++ != '.' || !read_number(at, 5, &week) ||
        *(*at)++ != '.' || !read_number(at, 6, &weekday) || month == 0 || week == 0)
        return false;
    *out = (struct rule){(int)month, (int)week, (int)weekday, 2 * 3600};
    if (**at != '/')
        return true;
    (*at)++;
    return read_time(at, &out->time_s);
}

static bool parse_footer(struct time_zone *zone, const char *text)
{
    const char *at = text;
    int64_t west;
    if (!skip_name(&at) || !read_time(&at, &west))
        return false;
    zone->has_footer = true;
    zone->standard_s = -west;
    if (*at == '\0')
        return true;
    zone->has_summer = true;
    zone->summer_s = zone->standard_s + 3600;
    if (!skip_name(&at))
        return false;
    if (*at != ',') {
        if (!read_time(&at, &west))
            return false;
        zone->summer_s = -west;
    }
    return read_rule(&at, &zone->summer_begins) && read_rule(&at, &zone->summer_ends) &&
           *at == '\0';
}

/* The instant, by a clock with this offset, at which the rule applies in a year. */
static int64_t rule_instant(const struct rule *rule, int64_t year, int64_t offset_s)
{
    int64_t first = date_to_days(year, rule->month, 1);
    int64_t weekday = (first + 4) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + ((rule->weekday - weekday + 7) % 7 + 7) % 7 +
                  7 * (int64_t)(rule->week - 1);
    int64_t end = rule->month == 12 ? date_to_days(year + 1, 1, 1)
                                    : date_to_days(year, rule->month + 1, 1);
    while (day >= end)
        day -= 7;
    return day * DAY_S + rule->time_s - offset_s;
}

static int64_t footer_offset(const struct time_zone *zone, int64_t utc_s)
{
    int64_t year;
    int month;
    int day;
    if (!zone->has_summer)
        return zone->standard_s;
    date_from_days(floor_divide(utc_s + zone->standard_s, DAY_S), &year, &month, &day);
    int64_t begins = rule_instant(&zone->summer_begins, year, zone->standard_s);
    int64_t ends = rule_instant(&zone->summer_ends, year, zone->summer_s);
    bool summer = begins < ends ? utc_s >= begins && utc_s < ends : utc_s >= begins || utc_s < ends;
    return summer ? zone->summer_s : zone->standard_s;
}

/* --- the file
 * -------------------------------------------------------------------------------------- */

static bool read_be32(struct reader *reader, uint32_t *out, struct error *err)
{
    uint32_t number;
    if (!reader_u32(reader, &number, err))
        return false;
    *out = __builtin_bswap32(number);
    return true;
}

static bool read_header(struct reader *reader, struct counts *out, uint8_t *out_version,
                        struct error *err)
{
    const uint8_t *magic;
    const uint8_t *reserved;
    if (!reader_bytes(reader, 4, &magic, err) || !reader_u8(reader, out_version, err) ||
        !reader_bytes(reader, 15, &reserved, err))
        return false;
    if (memcmp(magic, "TZif", 4) != 0)
        return error_set(err, ERROR_INVALID, "time zone \"%s\" is no TZif file", reader->what);
    if (!read_be32(reader, &out->isut, err) || !read_be32(reader, &out->isstd, err) ||
        !read_be32(reader, &out->leap, err) || !read_be32(reader, &out->time, err) ||
        !read_be32(reader, &out->type, err) || !read_be32(reader, &out->chars, err))
        return false;
    if (out->isut > TYPES_MAX || out->isstd > TYPES_MAX || out->leap > TYPES_MAX ||
        out->time > TRANSITIONS_MAX || out->type == 0 || out->type > TYPES_MAX ||
        out->chars > FILE_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "time zone \"%s\" has impossible counts",
                         reader->what);
    return true;
}

/* The block for readers of version 1 comes first, with times of 4 bytes; it is passed over. */
static bool skip_first_block(struct reader *reader, struct error *err)
{
    struct counts counts;
    uint8_t version;
    const uint8_t *skipped;
    if (!read_header(reader, &counts, &version, err))
        return false;
    if (version < '2')
        return error_set(err, ERROR_INVALID, "time zone \"%s\" is of version 1", reader->what);
    size_t len = (size_t)counts.time * 5 + (size_t)counts.type * TYPE_BYTES + counts.chars +
                 (size_t)counts.leap * 8 + counts.isstd + counts.isut;
    return reader_bytes(reader, len, &skipped, err);
}

static int64_t be64(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | at[i];
    return (int64_t)number;
}

static int32_t be32(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
}

static bool read_transitions(struct time_zone *zone, struct reader *reader, struct error *err)
{
    struct counts counts;
    uint8_t version;
    const uint8_t *times;
    const uint8_t *indexes;
    const uint8_t *types;
    const uint8_t *rest;
    if (!read_header(reader, &counts, &version, err) ||
        !reader_bytes(reader, (size_t)counts.time * 8, &times, err) ||
        !reader_bytes(reader, counts.time, &indexes, err) ||
        !reader_bytes(reader, (size_t)counts.type * TYPE_BYTES, &types, err) ||
        !reader_bytes(reader, counts.chars + (size_t)counts.leap * 12 + counts.isstd + counts.isut,
                      &rest, err))
        return false;
    zone->first = be32(types);
    zone->count = counts.time;
    for (size_t i = 0; i < counts.time; i++) {
        zone->at[i] = be64(times + 8 * i);
        bool good = indexes[i] < counts.type && (i == 0 || zone->at[i] > zone->at[i - 1]);
        if (good)
            zone->after[i] = be32(types + (size_t)TYPE_BYTES * indexes[i]);
        if (!good || zone->after[i] > OFFSET_MAX_S || zone->after[i] < -OFFSET_MAX_S)
            return error_set(err, ERROR_INVALID, "time zone \"%s\" has impossible transitions",
                             reader->what);
    }
    return true;
}

static bool read_footer(struct time_zone *zone, struct reader *reader, struct error *err)
{
    char text[128];
    const uint8_t *bytes;
    size_t len = reader_left(reader);
    if (len < 2 || len >= sizeof text)
        return error_set(err, ERROR_INVALID, "time zone \"%s\" has no footer", reader->what);
    if (!reader_bytes(reader, len, &bytes, err))
        return false;
    if (bytes[0] != '\n' || bytes[len - 1] != '\n')
        return error_set(err, ERROR_INVALID, "time zone \"%s\" has no footer", reader->what);
    memcpy(text, bytes + 1, len - 2);
    text[len - 2] = '\0';
    if (text[0] != '\0' && !parse_footer(zone, text))
        return error_set(err, ERROR_INVALID, "time zone \"%s\" has a rule that is not known",
                         reader->what);
    return true;
}

bool time_zone_parse(const void *bytes, size_t len, const char *name, struct time_zone **out,
                     struct error *err)
{
    struct reader reader;
    CLEANUP(time_zone_cleanup) struct time_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL)
        return error_no_memory(err, "a time zone");
    reader_init(&reader, bytes, len, name);
    if (!skip_first_block(&reader, err) || !read_transitions(zone, &reader, err) ||
        !read_footer(zone, &reader, err))
        return false;
    *out = TAKE(zone);
    return true;
}

static bool load_file(const char *name, const char *directory, struct time_zone **out,
                      struct error *err)
{
    struct buf content;
    CLEANUP(free_pointer) char *path = path_join(directory, name);
    if (path == NULL)
        return error_no_memory(err, "a path");
    buf_init(&content, FILE_MAX_BYTES);
    bool done = file_read_all(path, &content, err);
    if (!done && err->kind == ERROR_NOT_FOUND)
        (void)error_set(err, ERROR_USAGE, "there is no time zone \"%s\" in \"%s\"", name,
                        directory);
    done = done && time_zone_parse(content.data, content.len, name, out, err);
    buf_release(&content);
    return done;
}

bool time_zone_load(const char *name, const char *directory, struct time_zone **out,
                    struct error *err)
{
    if (strcmp(name, "UTC") == 0) {
        *out = calloc(1, sizeof **out);
        return *out != NULL || error_no_memory(err, "a time zone");
    }
    if (!path_is_safe_relative(name))
        return error_set(err, ERROR_USAGE, "\"%s\" cannot be the name of a time zone", name);
    if (load_file(name, directory, out, err))
        return true;
    return error_hint(err, "Use an IANA name like \"Europe/Berlin\" or \"UTC\"; the package tzdata "
                           "has the files.");
}

/* --- looking up
 * ------------------------------------------------------------------------------------ */

int64_t time_zone_offset(const struct time_zone *zone, int64_t utc_s)
{
    size_t low = 0; /* transitions at or before utc_s */
    size_t high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_footer)
        return footer_offset(zone, utc_s);
    return low == 0 ? zone->first : zone->after[low - 1];
}

/* The first instant in (low, high] with another offset than at low. */
static int64_t find_change(const struct time_zone *zone, int64_t low, int64_t high)
{
    int64_t offset = time_zone_offset(zone, low);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (time_zone_offset(zone, middle) == offset)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Offsets around a wall clock time are those a day earlier and a day later; the clock is not
 * changed twice in two days. */
enum local_time_kind time_zone_instant(const struct time_zone *zone, int64_t local_s,
                                       int64_t *out_first, int64_t *out_second)
{
    int64_t before = time_zone_offset(zone, local_s - DAY_S);
    int64_t after = time_zone_offset(zone, local_s + DAY_S);
    int64_t early = local_s - before;
    int64_t late = local_s - after;
    bool early_is = time_zone_offset(zone, early) == before;
    bool late_is = time_zone_offset(zone, late) == after;
    *out_first = early_is ? early : late;
    *out_second = late_is ? late : early;
    if (!early_is && !late_is) {
        *out_first = *out_second = find_change(zone, local_s - DAY_S, local_s + DAY_S);
        return LOCAL_SKIPPED;
    }
    return *out_first == *out_second ? LOCAL_ONCE : LOCAL_TWICE;
}
