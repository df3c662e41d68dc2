/* Ids of a plan as text: "1-3,7". Sorted ids compress well this way, and people can read them. */
#include "base/text.h"
#include "runbook/plan.h"

#include <inttypes.h>
#include <string.h>

void id_ranges_init(struct id_ranges *ranges, size_t max_bytes)
{
    *ranges = (struct id_ranges){0};
    buf_init(&ranges->text, max_bytes);
}

void id_ranges_release(struct id_ranges *ranges)
{
    buf_release(&ranges->text);
}

static void close_range(struct id_ranges *ranges)
{
    if (ranges->first == 0)
        return;
    const char *separator = ranges->text.len == 0 ? "" : ",";
    if (ranges->first == ranges->last)
        buf_printf(&ranges->text, "%s%" PRId64, separator, ranges->first);
    else
        buf_printf(&ranges->text, "%s%" PRId64 "-%" PRId64, separator, ranges->first, ranges->last);
    ranges->first = 0;
}

void id_ranges_add(struct id_ranges *ranges, int64_t id)
{
    ranges->count++;
    if (ranges->first != 0 && id == ranges->last + 1) {
        ranges->last = id;
        return;
    }
    close_range(ranges);
    ranges->first = id;
    ranges->last = id;
}

const char *id_ranges_text(struct id_ranges *ranges)
{
    close_range(ranges);
    return buf_text(&ranges->text);
}

enum { DIGITS_MAX = 19 };

/* Digits at *at, then one of the ends; moves *at behind them. */
static bool read_id(const char **at, int64_t *out)
{
    char digits[DIGITS_MAX + 1];
    size_t len = strspn(*at, "0123456789");
    if (len == 0 || len > DIGITS_MAX || **at == '0')
        return false;
    memcpy(digits, *at, len);
    digits[len] = '\0';
    *at += len;
    return text_to_i64(digits, out);
}

static bool read_range(const char **at, int64_t *out_first, int64_t *out_last)
{
    if (!read_id(at, out_first))
        return false;
    *out_last = *out_first;
    if (**at != '-')
        return true;
    (*at)++;
    return read_id(at, out_last) && *out_last > *out_first;
}

bool id_ranges_each(const char *text, id_visit_fn visit, void *context, struct error *err)
{
    int64_t before = 0;
    const char *at = text;
    while (*at != '\0') {
        int64_t first = 0;
        int64_t last = 0;
        bool separated = at == text || *at++ == ',';
        if (!separated || !read_range(&at, &first, &last) || first <= before)
            return error_set(err, ERROR_CORRUPT,
                             "the list of ids is wrong at character %td: not ascending numbers",
                             at - text + 1);
        for (int64_t id = first;; id++) {
            if (!visit(context, id, err))
                return false;
            if (id == last)
                break;
        }
        before = last;
    }
    return true;
}
