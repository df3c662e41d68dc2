/* What is said of an option, and what it accepts: functions over the rows of config_table.c. */
#include "config/config_table.h"

#include "base/macros.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SECOND_US = 1000000, MINUTE_US = 60 * SECOND_US };

#define MIB (1024 * 1024)

bool option_is_free(enum option_id id)
{
    enum option_type type = option_row(id)->type;
    return (type == OPTION_TEXT && option_row(id)->max == 0) || type == OPTION_PATH ||
           type == OPTION_SECRET_FILE;
}

bool option_by_name(const char *name, enum option_id *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(option_row((enum option_id)i)->name, name) == 0) {
            *out = (enum option_id)i;
            return true;
        }
    }
    return false;
}

bool option_by_flag(const char *flag, enum option_id *out)
{
    char derived[OPTION_NAME_SIZE];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *alias = option_row((enum option_id)i)->alias;
        if (strcmp(option_flag((enum option_id)i, derived), flag) == 0 ||
            (alias != NULL && strcmp(alias, flag) == 0)) {
            *out = (enum option_id)i;
            return true;
        }
    }
    return false;
}

const char *option_flag(enum option_id id, char out[OPTION_NAME_SIZE])
{
    (void)snprintf(out, OPTION_NAME_SIZE, "%s", option_row(id)->name);
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '.')
            *at = '-';
    }
    return out;
}

const char *option_variable(enum option_id id, char out[OPTION_NAME_SIZE])
{
    (void)snprintf(out, OPTION_NAME_SIZE, "MAINSTAY_%s", option_row(id)->name);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '.' || *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return out;
}

/* "a|b|c", or "a, b or c" with the two separators given. */
static void join_values(const struct option_row *row, const char *separator, const char *last,
                        char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(row->values) && row->values[i] != NULL; i++) {
        bool is_last = i + 1 == ARRAY_LEN(row->values) || row->values[i + 1] == NULL;
        const char *between = i == 0 ? "" : is_last ? last : separator;
        int more = snprintf(out + len, size - len, "%s%s", between, row->values[i]);
        len += more < 0 || (size_t)more >= size - len ? 0 : (size_t)more;
    }
}

const char *option_placeholder(enum option_id id, char out[OPTION_NAME_SIZE])
{
    static const char *const names[] = {
        [OPTION_TEXT] = "TEXT",       [OPTION_PATH] = "FILE", [OPTION_SECRET_FILE] = "FILE",
        [OPTION_BOOL] = "true|false", [OPTION_INT] = "N",     [OPTION_BYTES] = "SIZE",
        [OPTION_DURATION] = "TIME"};
    if (option_row(id)->type == OPTION_ENUM)
        join_values(option_row(id), "|", "|", out, OPTION_NAME_SIZE);
    else
        (void)snprintf(out, OPTION_NAME_SIZE, "%s", names[option_row(id)->type]);
    return out;
}

struct scale {
    const char *unit;
    int64_t factor;
};

/* In the largest unit without a rest, as it may be written: "16MiB", "10min". */
static const char *amount(enum option_type type, int64_t value, char out[TEXT_SIZE])
{
    static const struct scale bytes[] = {
        {"GiB", 1024 * (int64_t)MIB}, {"MiB", MIB}, {"KiB", 1024}, {"", 1}};
    static const struct scale times[] = {{"d", 24 * 60 * (int64_t)MINUTE_US},
                                         {"h", 60 * (int64_t)MINUTE_US},
                                         {"min", MINUTE_US},
                                         {"s", SECOND_US},
                                         {"ms", 1000},
                                         {"us", 1}};
    const struct scale *scale = type == OPTION_BYTES ? bytes : times;
    if (type == OPTION_INT) {
        (void)snprintf(out, TEXT_SIZE, "%" PRId64, value);
        return out;
    }
    while (value % scale->factor != 0)
        scale++;
    (void)snprintf(out, TEXT_SIZE, "%" PRId64 "%s", value / scale->factor, scale->unit);
    return out;
}

const char *option_allowed(enum option_id id, char out[OPTION_ALLOWED_SIZE])
{
    const struct option_row *row = option_row(id);
    char min[TEXT_SIZE];
    char max[TEXT_SIZE];
    switch (row->type) {
    case OPTION_TEXT:
        if (row->max > 0)
            (void)snprintf(out, OPTION_ALLOWED_SIZE, "a text of at most %d bytes", (int)row->max);
        else
            (void)snprintf(out, OPTION_ALLOWED_SIZE, "a text without control characters");
        break;
    case OPTION_PATH:
    case OPTION_SECRET_FILE:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "a path");
        break;
    case OPTION_BOOL:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "true or false");
        break;
    case OPTION_ENUM:
        join_values(row, ", ", " or ", out, OPTION_ALLOWED_SIZE);
        break;
    default:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "%s to %s%s%s%s", amount(row->type, row->min, min),
                       amount(row->type, row->max, max), row->zero == NULL ? "" : ", or 0 (",
                       row->zero == NULL ? "" : row->zero, row->zero == NULL ? "" : ")");
        break;
    }
    return out;
}

static bool is_value(const struct option_row *row, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(row->values) && row->values[i] != NULL; i++) {
        if (strcmp(row->values[i], text) == 0)
            return true;
    }
    return false;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

/* Number, size or duration as one number. */
static bool to_amount(enum option_type type, const char *text, int64_t *out)
{
    uint64_t bytes;
    if (type == OPTION_DURATION)
        return text_to_duration_us(text, out);
    if (type == OPTION_INT)
        return text_to_i64(text, out);
    if (!text_to_bytes(text, &bytes) || bytes > INT64_MAX)
        return false;
    *out = (int64_t)bytes;
    return true;
}

bool option_accepts(enum option_id id, const char *text)
{
    const struct option_row *row = option_row(id);
    int64_t value;
    bool flag;
    switch (row->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_SECRET_FILE:
        return is_plain(text) && (row->max == 0 || strlen(text) <= (size_t)row->max);
    case OPTION_BOOL:
        return text_to_bool(text, &flag);
    case OPTION_ENUM:
        return is_value(row, text);
    default:
        if (!to_amount(row->type, text, &value))
            return false;
        return (value >= row->min && value <= row->max) || (value == 0 && row->zero != NULL);
    }
}

const char *option_type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",       [OPTION_PATH] = "path",  [OPTION_SECRET_FILE] = "secret file",
        [OPTION_BOOL] = "true/false", [OPTION_INT] = "number", [OPTION_BYTES] = "size",
        [OPTION_DURATION] = "time",   [OPTION_ENUM] = "choice"};
    return names[type];
}
