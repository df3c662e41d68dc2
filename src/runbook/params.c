#include "runbook/params.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/utf8.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX_BYTES = 4000, LIST_MAX_ELEMENTS = 200 };

struct param_values {
    const struct runbook *runbook;
    size_t count;
    struct param_value items[];
};

const char *param_sql_type(enum param_type type)
{
    static const char *const names[] = {
        [PARAM_TEXT] = "text",    [PARAM_ENUM] = "text",         [PARAM_INT] = "bigint",
        [PARAM_BOOL] = "boolean", [PARAM_DURATION] = "interval", [PARAM_TIMESTAMP] = "timestamptz",
        [PARAM_LIST] = "text[]",
    };
    return names[type];
}

static bool refuse(const struct runbook_param *param, const char *text, const char *problem,
                   struct error *err)
{
    return error_set(err, ERROR_USAGE, "parameter \"%s\" cannot be \"%.80s\": %s", param->name,
                     text, problem);
}

/* ---- lists: "a,b, c" ---- */

/* The next element of a list, trimmed; NULL after the last. *at is NULL then. */
static char *next_element(const char **at)
{
    if (*at == NULL)
        return NULL;
    const char *start = *at + strspn(*at, " ");
    const char *end = strchr(start, ',');
    *at = end == NULL ? NULL : end + 1;
    size_t len = end == NULL ? strlen(start) : (size_t)(end - start);
    while (len > 0 && start[len - 1] == ' ')
        len--;
    return strndup(start, len);
}

static size_t element_count(const char *text)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    return count;
}

/* ---- order: int, duration, timestamp, and the length of a list ---- */

/* What min and max are compared with; false when the text is not of the type. */
static bool measure(enum param_type type, const char *text, int64_t *out)
{
    if (type == PARAM_INT)
        return text_to_i64(text, out);
    if (type == PARAM_DURATION)
        return runbook_duration(text, out);
    return type == PARAM_TIMESTAMP && text_to_time_us(text, out);
}

static bool measure_limit(const struct runbook_param *param, const char *text, int64_t *out)
{
    return measure(param->type == PARAM_LIST ? PARAM_INT : param->type, text, out);
}

static bool check_range(const struct runbook_param *param, const char *text, int64_t value,
                        struct error *err)
{
    int64_t limit;
    const char *unit = param->type == PARAM_LIST ? " elements" : "";
    if (param->min != NULL && measure_limit(param, param->min, &limit) && value < limit)
        return error_set(err, ERROR_USAGE,
                         "parameter \"%s\" cannot be \"%.80s\": the least is %s%s", param->name,
                         text, param->min, unit);
    if (param->max != NULL && measure_limit(param, param->max, &limit) && value > limit)
        return error_set(err, ERROR_USAGE,
                         "parameter \"%s\" cannot be \"%.80s\": the greatest is %s%s", param->name,
                         text, param->max, unit);
    return true;
}

static bool compile_pattern(const char *pattern, regex_t *out, struct error *err)
{
    char reason[100];
    CLEANUP(free_pointer) char *whole = text_format("^(%s)$", pattern);
    if (whole == NULL)
        return error_no_memory(err, "a pattern");
    int failed = regcomp(out, whole, REG_EXTENDED | REG_NOSUB);
    if (failed == 0)
        return true;
    (void)regerror(failed, out, reason, sizeof reason);
    return error_set(err, ERROR_USAGE, "\"%.80s\" is not a regular expression: %s", pattern,
                     reason);
}

static bool check_pattern(const struct runbook_param *param, const char *text, struct error *err)
{
    regex_t regex;
    if (param->pattern == NULL)
        return true;
    if (!compile_pattern(param->pattern, &regex, err))
        return false;
    bool fits = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return fits ||
           error_set(err, ERROR_USAGE, "parameter \"%s\" cannot be \"%.80s\": it must match %.200s",
                     param->name, text, param->pattern);
}

/* ---- one value ---- */

static bool check_enum(const struct runbook_param *param, const char *text, struct error *err)
{
    for (size_t i = 0; i < param->values.count; i++)
        if (strcmp(param->values.items[i], text) == 0)
            return true;
    (void)refuse(param, text, "it is not one of its values", err);
    const char *nearest = text_nearest(text, (const char *const *)param->values.items,
                                       param->values.count);
    if (nearest != NULL)
        return error_hint(err, "Did you mean \"%s\"?", nearest);
    char all[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < param->values.count && len < sizeof all; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i == 0 ? "" : ", ",
                                param->values.items[i]);
    return error_hint(err, "It can be: %s.", all);
}

static bool check_list(const struct runbook_param *param, const char *text, struct error *err)
{
    const char *at = text;
    size_t count = element_count(text);
    if (count > LIST_MAX_ELEMENTS)
        return error_set(err, ERROR_USAGE, "parameter \"%s\" can have %d elements, not %zu",
                         param->name, LIST_MAX_ELEMENTS, count);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_pointer) char *element = next_element(&at);
        if (element == NULL)
            return error_no_memory(err, "a parameter");
        if (element[0] == '\0')
            return refuse(param, text, "an element is empty", err);
        if (!check_pattern(param, element, err))
            return false;
    }
    return check_range(param, text, (int64_t)count, err);
}

static bool check_ordered(const struct runbook_param *param, const char *text, struct error *err)
{
    static const char *const wanted[] = {
        [PARAM_INT] = "it must be a whole number",
        [PARAM_DURATION] = "it must be a duration like 90s, 20m, 24h or 14d",
        [PARAM_TIMESTAMP] = "it must be a time with its offset like 2026-03-01T08:00:00+01:00",
    };
    int64_t value;
    if (!measure(param->type, text, &value))
        return refuse(param, text, wanted[param->type], err);
    return check_range(param, text, value, err);
}

static bool check_bytes(const struct runbook_param *param, const char *text, struct error *err)
{
    if (strlen(text) > VALUE_MAX_BYTES)
        return error_set(err, ERROR_USAGE, "parameter \"%s\" can have %d bytes", param->name,
                         VALUE_MAX_BYTES);
    if (!utf8_is_valid(text))
        return error_set(err, ERROR_USAGE, "parameter \"%s\" is not UTF-8", param->name);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
            return error_set(err, ERROR_USAGE,
                             "parameter \"%s\" has a control character or a line break",
                             param->name);
    return true;
}

bool param_check_value(const struct runbook_param *param, const char *text, struct error *err)
{
    if (!check_bytes(param, text, err))
        return false;
    switch (param->type) {
    case PARAM_TEXT:
        return check_pattern(param, text, err);
    case PARAM_ENUM:
        return check_enum(param, text, err);
    case PARAM_BOOL:
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
               refuse(param, text, "it must be true or false", err);
    case PARAM_LIST:
        return check_list(param, text, err);
    case PARAM_INT:
    case PARAM_DURATION:
    case PARAM_TIMESTAMP:
        break;
    }
    return check_ordered(param, text, err);
}

bool param_check_pattern(const char *pattern, struct error *err)
{
    regex_t regex;
    if (!compile_pattern(pattern, &regex, err))
        return false;
    regfree(&regex);
    return true;
}

bool param_check_limit(const struct runbook_param *param, const char *text, struct error *err)
{
    int64_t value;
    if (measure_limit(param, text, &value))
        return true;
    if (param->type == PARAM_TEXT || param->type == PARAM_ENUM || param->type == PARAM_BOOL)
        return error_set(err, ERROR_USAGE, "a parameter of this type has no least or greatest");
    return error_set(err, ERROR_USAGE, "\"%.80s\" is not of the parameter's type", text);
}

/* ---- what is bound, and what templates see ---- */

static char *sql_duration(const char *text)
{
    int64_t us;
    if (!runbook_duration(text, &us))
        return NULL;
    if (us % 1000000 == 0)
        return text_format("%" PRId64 " seconds", us / 1000000);
    return text_format("%" PRId64 ".%06" PRId64 " seconds", us / 1000000, us % 1000000);
}

static char *sql_timestamp(const char *text)
{
    int64_t us;
    char exact[TEXT_SIZE];
    if (!text_to_time_us(text, &us))
        return NULL;
    return strdup(text_time_exact_us(us, exact));
}

/* "a, b" for templates, {"a","b"} for SQL (PostgreSQL's array input). */
static char *join_list(const char *text, bool sql)
{
    struct buf out;
    const char *at = text;
    buf_init(&out, 4 * VALUE_MAX_BYTES);
    buf_printf(&out, "%s", sql ? "{" : "");
    for (size_t i = 0, count = element_count(text); i < count; i++) {
        CLEANUP(free_pointer) char *element = next_element(&at);
        buf_printf(&out, "%s%s", i == 0 ? "" : sql ? "," : ", ", sql ? "\"" : "");
        for (const char *c = element; c != NULL && *c != '\0'; c++) {
            if (sql && (*c == '"' || *c == '\\'))
                buf_put(&out, "\\", 1);
            buf_put(&out, c, 1);
        }
        buf_printf(&out, "%s", sql ? "\"" : "");
        if (element == NULL)
            out.failed = true;
    }
    buf_printf(&out, "%s", sql ? "}" : "");
    char *joined = buf_text(&out) == NULL ? NULL : strdup(buf_text(&out));
    buf_release(&out);
    return joined;
}

/* text has been checked. */
static bool set_value(struct param_value *value, const char *text, struct error *err)
{
    switch (value->param->type) {
    case PARAM_DURATION:
        value->sql = sql_duration(text);
        break;
    case PARAM_TIMESTAMP:
        value->sql = sql_timestamp(text);
        break;
    case PARAM_LIST:
        value->sql = join_list(text, true);
        break;
    case PARAM_TEXT:
    case PARAM_ENUM:
    case PARAM_INT:
    case PARAM_BOOL:
        value->sql = strdup(text);
        break;
    }
    value->text = value->param->type == PARAM_LIST ? join_list(text, false) : strdup(text);
    return (value->sql != NULL && value->text != NULL) || error_no_memory(err, "a parameter");
}

/* ---- all of them ---- */

void param_values_free(struct param_values *values)
{
    for (size_t i = 0; values != NULL && i < values->count; i++) {
        free(values->items[i].sql);
        free(values->items[i].text);
    }
    free(values);
}

void param_values_cleanup(struct param_values **values)
{
    param_values_free(*values);
    *values = NULL;
}

static struct param_values *new_values(const struct runbook *runbook, struct error *err)
{
    struct param_values *values = calloc(1, sizeof *values +
                                                runbook->param_count * sizeof(struct param_value));
    if (values == NULL) {
        (void)error_no_memory(err, "parameters");
        return NULL;
    }
    values->runbook = runbook;
    values->count = runbook->param_count;
    for (size_t i = 0; i < values->count; i++)
        values->items[i].param = &runbook->params[i];
    return values;
}

static bool unknown_name(const struct runbook *runbook, const char *name, struct error *err)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < runbook->param_count && count < ARRAY_LEN(names); i++)
        names[count++] = runbook->params[i].name;
    (void)error_set(err, ERROR_USAGE, "runbook \"%s\" has no parameter \"%.80s\"", runbook->name,
                    name);
    const char *nearest = text_nearest(name, names, count);
    return nearest != NULL
               ? error_hint(err, "Did you mean \"%s\"?", nearest)
               : error_hint(err, "`mainstay runbook show %s` has its parameters.", runbook->name);
}

static bool give(struct param_values *values, const char *name, const char *text, struct error *err)
{
    for (size_t i = 0; i < values->count; i++) {
        struct param_value *value = &values->items[i];
        if (strcmp(value->param->name, name) != 0)
            continue;
        if (value->text != NULL)
            return error_set(err, ERROR_USAGE, "parameter \"%s\" is given twice", name);
        return param_check_value(value->param, text, err) && set_value(value, text, err);
    }
    return unknown_name(values->runbook, name, err);
}

static bool give_pair(struct param_values *values, const char *pair, struct error *err)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        (void)error_set(err, ERROR_USAGE, "\"%.80s\" is not a parameter with its value", pair);
        return error_hint(err, "Write it as name=value.");
    }
    CLEANUP(free_pointer) char *name = strndup(pair, (size_t)(equals - pair));
    if (name == NULL)
        return error_no_memory(err, "a parameter");
    return give(values, name, equals + 1, err);
}

/* Defaults for what was not given; all that is missing is named at once. */
static bool complete(struct param_values *values, struct error *err)
{
    char missing[400] = "";
    size_t len = 0;
    size_t count = 0;
    for (size_t i = 0; i < values->count; i++) {
        struct param_value *value = &values->items[i];
        const char *standard = value->param->standard;
        if (value->text != NULL)
            continue;
        if (standard != NULL && !set_value(value, standard, err))
            return false;
        if (standard == NULL && value->param->required && len < sizeof missing) {
            len += (size_t)snprintf(missing + len, sizeof missing - len, "%s%s",
                                    count == 0 ? "" : ", ", value->param->name);
            count++;
        }
    }
    if (count == 0)
        return true;
    (void)error_set(err, ERROR_USAGE, "runbook \"%s\" needs %s: %s", values->runbook->name,
                    count == 1 ? "a parameter" : "parameters", missing);
    return error_hint(err, "`mainstay runbook show %s` has its parameters.", values->runbook->name);
}

bool param_values_parse(const struct runbook *runbook, const char *const *given, size_t count,
                        struct param_values **out, struct error *err)
{
    CLEANUP(param_values_cleanup) struct param_values *values = new_values(runbook, err);
    if (values == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!give_pair(values, given[i], err))
            return false;
    if (!complete(values, err))
        return false;
    *out = TAKE(values);
    return true;
}

size_t param_values_count(const struct param_values *values)
{
    return values->count;
}

const struct param_value *param_values_at(const struct param_values *values, size_t at)
{
    return &values->items[at];
}

const struct param_value *param_values_find(const struct param_values *values, const char *name)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->items[i].param->name, name) == 0)
            return &values->items[i];
    return NULL;
}

bool param_values_to_value(const struct param_values *values, struct value *object,
                           struct error *err)
{
    for (size_t i = 0; i < values->count; i++) {
        const struct param_value *value = &values->items[i];
        if (value->text != NULL && !value_set_text(object, value->param->name, value->text, err))
            return false;
    }
    return true;
}

bool param_values_from_value(const struct runbook *runbook, const struct value *object,
                             struct param_values **out, struct error *err)
{
    CLEANUP(param_values_cleanup) struct param_values *values = new_values(runbook, err);
    CLEANUP(free_pointer) const char **names = calloc(runbook->param_count + 1, sizeof *names);
    if (values == NULL)
        return false;
    if (names == NULL)
        return error_no_memory(err, "parameters");
    for (size_t i = 0; i < values->count; i++)
        names[i] = values->items[i].param->name;
    if (!value_check_keys(object, names, values->count, err))
        return false;
    for (size_t i = 0; i < values->count; i++) {
        const char *text;
        if (!value_get_text_or(object, names[i], NULL, &text, err) ||
            (text != NULL && !give(values, names[i], text, err)))
            return false;
    }
    if (!complete(values, err))
        return false;
    *out = TAKE(values);
    return true;
}
