/* When people are not to be disturbed: "20:00" to "09:00" by their own clock. */
#ifndef RUNBOOK_QUIET_HOURS_H
#define RUNBOOK_QUIET_HOURS_H

#include "base/time_zone.h"

struct quiet_hours {
    int from; /* minutes of the day; the same as `to`: there are none */
    int to;
};

/* "" and "" are no quiet hours. ERROR_INVALID for what is no time of the day. */
MUST_CHECK bool quiet_hours_parse(const char *from, const char *to, struct quiet_hours *out,
                                  struct error *err);

enum { QUIET_SPREAD_MINUTES = 180 };

/* The instant itself, or the end of the quiet hours that it lies in. Zone NULL: not known; then
 * UTC's, QUIET_SPREAD_MINUTES longer on both sides where that leaves some of the day. */
int64_t quiet_hours_move(const struct quiet_hours *hours, const struct time_zone *zone,
                         int64_t at_us);

#endif
