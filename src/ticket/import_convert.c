/* Values as exports write them, in the form that the server takes. */
#include "import_internal.h"

#include "base/text.h"
#include "postgres/query.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WORD_SIZE = 48, TAG_MAX_BYTES = 200 };

#define SECOND_US INT64_C(1000000)

struct word {
    const char *word; /* lower-case, with "_" for spaces and dashes */
    const char *ours;
};

static const struct word statuses[] = {
    {"new", "new"},         {"open", "open"},
    {"pending", "pending"}, {"waiting", "pending"},
    {"snoozed", "on_hold"}, {"hold", "on_hold"},
    {"on_hold", "on_hold"}, {"solved", "solved"},
    {"resolved", "solved"}, {"closed", "closed"},
    {"deleted", "closed"},  {"spam", "closed"},
    {"merged", "closed"},   {NULL, "new, open, pending, on_hold, solved or closed"}};
static const struct word priorities[] = {{"low", "low"},
                                         {"normal", "normal"},
                                         {"medium", "normal"},
                                         {"high", "high"},
                                         {"urgent", "urgent"},
                                         {"critical", "urgent"},
                                         {NULL, "low, normal, high or urgent"}};
static const struct word directions[] = {{"in", "in"},
                                         {"incoming", "in"},
                                         {"customer", "in"},
                                         {"false", "in"},
                                         {"out", "out"},
                                         {"outgoing", "out"},
                                         {"agent", "out"},
                                         {"true", "out"},
                                         {"internal", "internal"},
                                         {"note", "internal"},
                                         {"private", "internal"},
                                         {"system", "system"},
                                         {NULL, "in, out, internal or system"}};
static const struct word order_states[] = {
    {"paid", "paid"},
    {"unfulfilled", "paid"},
    {"pending", "paid"},
    {"labelled", "labelled"},
    {"labeled", "labelled"},
    {"label_created", "labelled"},
    {"in_transit", "in_transit"},
    {"shipped", "in_transit"},
    {"fulfilled", "in_transit"},
    {"out_for_delivery", "in_transit"},
    {"delivered", "delivered"},
    {"returned", "returned"},
    {"cancelled", "cancelled"},
    {"canceled", "cancelled"},
    {NULL, "paid, labelled, in_transit, delivered, returned or cancelled"}};
static const struct word label_states[] = {{"none", "none"},
                                           {"created", "created"},
                                           {"printed", "created"},
                                           {"purchased", "created"},
                                           {"failed", "failed"},
                                           {"error", "failed"},
                                           {NULL, "none, created or failed"}};

static const struct word *const vocabularies[] = {[TYPE_STATUS] = statuses,
                                                  [TYPE_PRIORITY] = priorities,
                                                  [TYPE_DIRECTION] = directions,
                                                  [TYPE_ORDER_STATE] = order_states,
                                                  [TYPE_LABEL_STATE] = label_states};

static bool no(char why[IMPORT_WHY_SIZE], const char *text, const char *wanted)
{
    (void)snprintf(why, IMPORT_WHY_SIZE, "\"%.40s\" is not %s", text, wanted);
    return false;
}

static bool put_word(const struct word *words, const char *text, struct buf *out,
                     char why[IMPORT_WHY_SIZE])
{
    char word[WORD_SIZE];
    size_t len = 0;
    for (const char *at = text; *at != '\0' && len + 1 < WORD_SIZE; at++)
        word[len++] = *at == ' ' || *at == '-' ? '_' : (char)tolower((unsigned char)*at);
    word[len] = '\0';
    for (; words->word != NULL; words++) {
        if (strcmp(words->word, word) == 0) {
            buf_printf(out, "%s", words->ours);
            return true;
        }
    }
    return no(why, text, words->ours);
}

/* --- times ----------------------------------------------------------------------------------- */

static bool digits(const char **at, int count, int *out)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)**at))
            return false;
        number = number * 10 + (*(*at)++ - '0');
    }
    *out = number;
    return true;
}

static bool separator(const char **at, const char *allowed)
{
    if (**at == '\0' || strchr(allowed, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool is_date(int year, int month, int day)
{
    int64_t same_year;
    int same_month;
    int same_day;
    if (month < 1 || month > 12)
        return false;
    date_from_days(date_to_days(year, month, day), &same_year, &same_month, &same_day);
    return day >= 1 && month == same_month && day == same_day;
}

/* "2026-08-30 10:00[:00]" as seconds since 1970 of that wall clock; *at is behind it. */
static bool read_wall_clock(const char **at, int64_t *out_s)
{
    int year;
    int month;
    int day;
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!digits(at, 4, &year) || !separator(at, "-") || !digits(at, 2, &month) ||
        !separator(at, "-") || !digits(at, 2, &day))
        return false;
    if (separator(at, "T ") &&
        (!digits(at, 2, &hour) || !separator(at, ":") || !digits(at, 2, &minute)))
        return false;
    if (**at == ':' && (!separator(at, ":") || !digits(at, 2, &second)))
        return false;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    *out_s = date_to_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

/* Four digits of year, so that they print as they are read. */
static bool is_printable(int64_t us)
{
    return us >= date_to_days(1000, 1, 1) * 86400 * SECOND_US &&
           us < date_to_days(10000, 1, 1) * 86400 * SECOND_US;
}

/* "UTC", "+0200", "+02:00" behind a wall clock. */
static bool read_offset(const char *at, int64_t *out_s)
{
    int hours;
    int minutes;
    while (*at == ' ')
        at++;
    if (strcmp(at, "UTC") == 0 || strcmp(at, "GMT") == 0 || strcmp(at, "Z") == 0) {
        *out_s = 0;
        return true;
    }
    bool west = *at == '-';
    if (!separator(&at, "+-") || !digits(&at, 2, &hours))
        return false;
    (void)separator(&at, ":");
    if (!digits(&at, 2, &minutes) || *at != '\0' || hours > 15 || minutes > 59)
        return false;
    *out_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool put_time(const struct import_options *options, const char *text, struct buf *out,
                     char why[IMPORT_WHY_SIZE])
{
    int64_t us;
    int64_t local_s;
    int64_t offset_s;
    int64_t later;
    char printed[TEXT_SIZE];
    const char *at = text;
    if (text_to_time_us(text, &us)) {
        buf_printf(out, "%s", text_time_exact_us(us, printed));
        return true;
    }
    if (!read_wall_clock(&at, &local_s))
        return no(why, text, "a time as 2026-08-30T10:00:00Z");
    if (*at != '\0') {
        if (!read_offset(at, &offset_s))
            return no(why, text, "a time as 2026-08-30T10:00:00Z");
        us = (local_s - offset_s) * SECOND_US;
    } else if (options->zone == NULL) {
        return no(why, text, "a time with its zone; --zone says which one is meant");
    } else {
        (void)time_zone_instant(options->zone, local_s, &us, &later);
        us *= SECOND_US;
    }
    if (!is_printable(us))
        return no(why, text, "a time between the years 1000 and 9999");
    buf_printf(out, "%s", text_time_exact_us(us, printed));
    return true;
}

/* --- numbers and lists ----------------------------------------------------------------------- */

static bool put_bool(const char *text, struct buf *out, char why[IMPORT_WHY_SIZE])
{
    bool flag;
    char word[WORD_SIZE];
    size_t len = 0;
    for (; text[len] != '\0' && len + 1 < WORD_SIZE; len++)
        word[len] = (char)tolower((unsigned char)text[len]);
    word[len] = '\0';
    if (strcmp(word, "1") == 0 || strcmp(word, "0") == 0)
        flag = word[0] == '1';
    else if (!text_to_bool(word, &flag))
        return no(why, text, "true or false");
    buf_printf(out, "%c", flag ? 't' : 'f');
    return true;
}

static bool put_count(const char *text, struct buf *out, char why[IMPORT_WHY_SIZE])
{
    int64_t number;
    if (!text_to_i64(text, &number))
        return no(why, text, "a whole number");
    buf_printf(out, "%" PRId64, number);
    return true;
}

/* Nothing is rounded: a third decimal is refused. */
static bool put_money(const char *text, struct buf *out, char why[IMPORT_WHY_SIZE])
{
    int64_t whole;
    int cents = 0;
    char units[WORD_SIZE];
    size_t len = strcspn(text, ".");
    (void)snprintf(units, sizeof units, "%.*s", (int)(len < WORD_SIZE ? len : 0), text);
    const char *fraction = text[len] == '.' ? text + len + 1 : text + len;
    size_t decimals = strlen(fraction);
    if (!text_to_i64(units, &whole) || whole < 0 || whole > INT64_C(1000000000000) ||
        (text[len] == '.' &&
         (decimals < 1 || decimals > 2 || !digits(&fraction, (int)decimals, &cents))))
        return no(why, text, "an amount as 19.99");
    buf_printf(out, "%" PRId64, whole * 100 + (decimals == 1 ? cents * 10 : cents));
    return true;
}

static bool check_tag(const char *tag, char why[IMPORT_WHY_SIZE])
{
    if (*tag == '\0' || strlen(tag) > TAG_MAX_BYTES)
        return no(why, tag, "a tag of 1 to 200 bytes");
    for (const char *at = tag; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            return no(why, tag, "a tag: there are control characters in it");
    return true;
}

/* Elements without the spaces around them; empty ones are none. */
static bool put_list(const char *text, bool words, struct buf *out, char why[IMPORT_WHY_SIZE])
{
    static const char from_json[] = {IMPORT_SEPARATOR, '\0'};
    const char *separators = words ? "|,; " : "|,;";
    if (*text == IMPORT_SEPARATOR)
        separators = from_json;
    query_array_begin(out);
    while (*text != '\0') {
        char element[1024];
        size_t len = strcspn(text, separators);
        const char *start = text + strspn(text, " ");
        const char *end = text + len;
        while (end > start && end[-1] == ' ')
            end--;
        if (end > start) {
            if ((size_t)(end - start) >= sizeof element)
                return no(why, start, "that short: an element of a list has at most 1023 bytes");
            (void)snprintf(element, sizeof element, "%.*s", (int)(end - start), start);
            if (words && !check_tag(element, why))
                return false;
            query_array_add(out, element);
        }
        text += len + (text[len] != '\0');
    }
    query_array_end(out);
    return true;
}

bool import_convert(const struct import_options *options, const struct import_column *column,
                    const char *text, struct buf *out, char why[IMPORT_WHY_SIZE])
{
    switch (column->type) {
    case TYPE_TIME:
        return put_time(options, text, out, why);
    case TYPE_BOOL:
        return put_bool(text, out, why);
    case TYPE_COUNT:
        return put_count(text, out, why);
    case TYPE_MONEY:
        return put_money(text, out, why);
    case TYPE_LIST:
    case TYPE_WORDS:
        return put_list(text, column->type == TYPE_WORDS, out, why);
    case TYPE_TAG:
        if (!check_tag(text, why))
            return false;
        break;
    case TYPE_STATUS:
    case TYPE_PRIORITY:
    case TYPE_DIRECTION:
    case TYPE_ORDER_STATE:
    case TYPE_LABEL_STATE:
        return put_word(vocabularies[column->type], text, out, why);
    case TYPE_TEXT:
        break;
    }
    buf_put(out, text, strlen(text));
    return true;
}

const char *import_sql_type(enum import_type type)
{
    switch (type) {
    case TYPE_TIME:
        return "timestamptz";
    case TYPE_BOOL:
        return "boolean";
    case TYPE_COUNT:
    case TYPE_MONEY:
        return "bigint";
    case TYPE_LIST:
    case TYPE_WORDS:
        return "text[]";
    default:
        return "text";
    }
}
