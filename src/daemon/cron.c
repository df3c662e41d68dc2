#include "daemon/cron.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    TEXT_MAX = 256,
    NAME_MAX_CHARS = 8,
    DAY_S = 86400,
    HOUR_S = 3600,
    SECOND_US = 1000000,
    ALL_HOURS = (1 << 24) - 1,
    DAYS_SEARCHED = 366 * 41, /* 29 February on a given weekday comes within 40 years */
};

struct field {
    const char *name;
    unsigned min;
    unsigned max;
    const char *const *names; /* of min, min + 1, ...; NULL = none */
    const char *allowed;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static const struct field fields[] = {
    {"minute", 0, 59, NULL, "0 to 59"},
    {"hour", 0, 23, NULL, "0 to 23"},
    {"day of month", 1, 31, NULL, "1 to 31"},
    {"month", 1, 12, month_names, "1 to 12 or jan to dec"},
    {"day of week", 0, 7, day_names, "0 to 7 or sun to sat"},
};

static const struct {
    const char *name;
    const char *meaning;
} shortcuts[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

static bool refuse(const struct field *field, const char *text, struct error *err)
{
    return error_set(err, ERROR_USAGE, "%s cannot be \"%s\", allowed is %s, in lists and ranges",
                     field->name, text, field->allowed);
}

static bool parse_number(const struct field *field, const char *text, unsigned *out)
{
    uint64_t number;
    if (text_to_u64(text, &number) && number >= field->min && number <= field->max) {
        *out = (unsigned)number;
        return true;
    }
    for (unsigned i = field->min; field->names != NULL && i <= field->max; i++) {
        if (strcasecmp(field->names[i - field->min], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* "*", "5", "mon-fri", "8-18/2", and "5/10" (from 5 to the end). Changes text. */
static bool parse_part(const struct field *field, char *text, uint64_t *out)
{
    uint64_t step = 1;
    unsigned from = field->min;
    unsigned to = field->max;
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (!text_to_u64(slash + 1, &step) || step == 0 || step > field->max)
            return false;
    }
    if (strcmp(text, "*") != 0) {
        char *dash = strchr(text, '-');
        if (dash != NULL)
            *dash = '\0';
        if (!parse_number(field, text, &from))
            return false;
        if (dash == NULL && slash == NULL)
            to = from;
        if (dash != NULL && (!parse_number(field, dash + 1, &to) || to < from))
            return false;
    }
    for (uint64_t i = from; i <= to; i += step)
        *out |= (uint64_t)1 << i;
    return true;
}

static bool parse_field(const struct field *field, const char *text, uint64_t *out,
                        struct error *err)
{
    char copy[TEXT_MAX];
    char *rest = copy;
    *out = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (!parse_part(field, part, out))
            return refuse(field, text, err);
    }
    return true;
}

static bool parse_fields(char *text, struct cron *out, struct error *err)
{
    uint64_t bits[ARRAY_LEN(fields)];
    const char *words[ARRAY_LEN(fields)];
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (count < ARRAY_LEN(fields))
            words[count] = word;
        count++;
    }
    if (count != ARRAY_LEN(fields))
        return error_set(err, ERROR_USAGE, "%zu fields instead of 5", count);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!parse_field(&fields[i], words[i], &bits[i], err))
            return false;
    }
    *out = (struct cron){
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint32_t)bits[3],
        .weekdays = (uint32_t)(bits[4] | bits[4] >> 7) & 0x7f, /* 7 is Sunday too */
        .any_day = words[2][0] == '*',
        .any_weekday = words[4][0] == '*',
    };
    return true;
}

static bool parse_every(const char *text, struct cron *out, struct error *err)
{
    int64_t every_us;
    if (!text_to_duration_us(text, &every_us) || every_us < SECOND_US)
        return error_set(err, ERROR_USAGE, "@every needs a time of at least 1s, not \"%s\"", text);
    *out = (struct cron){.every_us = every_us};
    return true;
}

static bool parse(const char *text, struct cron *out, struct error *err)
{
    char copy[TEXT_MAX];
    if (text_starts_with(text, "@every "))
        return parse_every(text + strlen("@every "), out, err);
    for (size_t i = 0; i < ARRAY_LEN(shortcuts); i++) {
        if (strcasecmp(text, shortcuts[i].name) == 0)
            text = shortcuts[i].meaning;
    }
    if (strlen(text) >= sizeof copy)
        return error_set(err, ERROR_USAGE, "longer than %d bytes", TEXT_MAX - 1);
    (void)snprintf(copy, sizeof copy, "%s", text);
    return parse_fields(copy, out, err);
}

bool cron_parse(const char *text, struct cron *out, struct error *err)
{
    if (parse(text, out, err))
        return true;
    (void)error_wrap(err, "schedule \"%.*s\"", TEXT_MAX, text);
    return error_hint(err, "An example: \"30 2 * * mon-fri\" (half past two on weekdays), @daily "
                           "or \"@every 15min\".");
}

static bool day_matches(const struct cron *cron, int64_t days)
{
    int64_t year;
    int month;
    int day;
    date_from_days(days, &year, &month, &day);
    int64_t weekday = ((days + 4) % 7 + 7) % 7;
    bool by_day = (cron->days >> day & 1) != 0;
    bool by_weekday = (cron->weekdays >> weekday & 1) != 0;
    if ((cron->months >> month & 1) == 0)
        return false;
    if (cron->any_day || cron->any_weekday)
        return by_day && by_weekday;
    return by_day || by_weekday;
}

/* The earliest instant after `after_s` that this wall clock time stands for. */
static void consider(const struct cron *cron, const struct time_zone *zone, int64_t local_s,
                     int64_t after_s, int64_t *best)
{
    int64_t first;
    int64_t second;
    bool every_hour = cron->hours == ALL_HOURS;
    enum local_time_kind kind = time_zone_instant(zone, local_s, &first, &second);
    if (kind == LOCAL_SKIPPED && every_hour)
        return;
    if (first > after_s && first < *best)
        *best = first;
    if (every_hour && second > after_s && second < *best)
        *best = second;
}

static int64_t next_in_day(const struct cron *cron, const struct time_zone *zone, int64_t days,
                           int64_t after_s)
{
    int64_t best = INT64_MAX;
    for (int hour = 0; hour < 24; hour++) {
        if ((cron->hours >> hour & 1) == 0)
            continue;
        for (int minute = 0; minute < 60; minute++) {
            if ((cron->minutes >> minute & 1) != 0)
                consider(cron, zone, days * DAY_S + hour * HOUR_S + minute * 60, after_s, &best);
        }
    }
    return best;
}

static int64_t floor_divide(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

int64_t cron_next(const struct cron *cron, const struct time_zone *zone, int64_t after_us)
{
    if (cron->every_us > 0)
        return (floor_divide(after_us, cron->every_us) + 1) * cron->every_us;
    int64_t after_s = floor_divide(after_us, SECOND_US);
    int64_t today = floor_divide(after_s + time_zone_offset(zone, after_s), DAY_S);
    int64_t best = INT64_MAX;
    /* The day before too: a clock that is set back over midnight shows it a second time. */
    for (int64_t day = today - 1; day < today + DAYS_SEARCHED; day++) {
        if (best != INT64_MAX && day > today + 1)
            break;
        if (!day_matches(cron, day))
            continue;
        int64_t found = next_in_day(cron, zone, day, after_s);
        best = found < best ? found : best;
        if (best != INT64_MAX && day > today + 1)
            break;
    }
    return best == INT64_MAX ? INT64_MAX : best * SECOND_US;
}
