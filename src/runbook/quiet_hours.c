#include "runbook/quiet_hours.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { DAY_MINUTES = 1440, MINUTE_S = 60, DAY_S = 86400, SECOND_US = 1000000 };

static bool parse_time(const char *text, int *out, struct error *err)
{
    if (strlen(text) == 5 && isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) &&
        text[2] == ':' && isdigit((unsigned char)text[3]) && isdigit((unsigned char)text[4])) {
        int hour = (text[0] - '0') * 10 + text[1] - '0';
        int minute = (text[3] - '0') * 10 + text[4] - '0';
        *out = hour * 60 + minute;
        if (hour < 24 && minute < 60)
            return true;
    }
    return error_set(err, ERROR_INVALID, "\"%.20s\" is not a time of the day like \"20:00\"", text);
}

bool quiet_hours_parse(const char *from, const char *to, struct quiet_hours *out, struct error *err)
{
    *out = (struct quiet_hours){0};
    if (*from == '\0' && *to == '\0')
        return true;
    return parse_time(from, &out->from, err) && parse_time(to, &out->to, err);
}

static int wrap(int minutes)
{
    return ((minutes % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES;
}

static struct quiet_hours spread(const struct quiet_hours *hours)
{
    int length = wrap(hours->to - hours->from);
    if (length + 2 * QUIET_SPREAD_MINUTES >= DAY_MINUTES)
        return *hours;
    return (struct quiet_hours){.from = wrap(hours->from - QUIET_SPREAD_MINUTES),
                                .to = wrap(hours->to + QUIET_SPREAD_MINUTES)};
}

static int64_t floor_divide(int64_t number, int64_t by)
{
    return number / by - (number % by < 0 ? 1 : 0);
}

int64_t quiet_hours_move(const struct quiet_hours *hours, const struct time_zone *zone,
                         int64_t at_us)
{
    struct quiet_hours here = zone == NULL ? spread(hours) : *hours;
    int64_t utc_s = floor_divide(at_us, SECOND_US);
    int64_t local_s = utc_s + (zone == NULL ? 0 : time_zone_offset(zone, utc_s));
    int64_t day = floor_divide(local_s, DAY_S);
    int minute = (int)((local_s - day * DAY_S) / MINUTE_S);
    if (hours->from == hours->to || wrap(minute - here.from) >= wrap(here.to - here.from))
        return at_us;
    int64_t end_s = day * DAY_S + (int64_t)here.to * MINUTE_S + (here.to <= minute ? DAY_S : 0);
    int64_t first = end_s;
    int64_t second = end_s;
    if (zone != NULL) /* where the clock shows the end twice, the second time is surely after it */
        (void)time_zone_instant(zone, end_s, &first, &second);
    return second * SECOND_US;
}
