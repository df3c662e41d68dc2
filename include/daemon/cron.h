/*
 * When a job is due: a cron expression, read by the clock of a time zone.
 *
 *     minute hour day-of-month month day-of-week        30 2 * * mon-fri
 *     lists, ranges, steps, names                       0,30 8-18/2 1 jan,jul *
 *     @hourly @daily @weekly @monthly @yearly
 *     @every 15min                                      whole multiples of it since 1970
 *
 * Day of week is 0 to 7, Sunday twice. When both days are given (neither begins with "*"), either
 * may match, as in crontab(5).
 *
 * Where the clock is changed, an expression that names hours fires once for each time that it
 * names: what is skipped comes at the moment of the change, what comes twice counts the first time.
 * An expression for every hour ("*" as hour) follows the elapsed time: it fires in both of the
 * repeated hours and not for the one that there is not.
 */
#ifndef DAEMON_CRON_H
#define DAEMON_CRON_H

#include "base/error.h"
#include "base/time_zone.h"

#include <stdint.h>

struct cron {
    int64_t every_us; /* > 0: @every, and nothing else counts */
    uint64_t minutes; /* bit 0 = minute 0 */
    uint32_t hours;
    uint32_t days; /* bit 1 = the first */
    uint32_t months;
    uint32_t weekdays; /* bit 0 = Sunday */
    bool any_day;      /* the field begins with "*" */
    bool any_weekday;
};

/* ERROR_USAGE names the field and what it may hold. */
MUST_CHECK bool cron_parse(const char *text, struct cron *out, struct error *err);

/* The first time strictly after `after_us` (microseconds since 1970) at which it fires; INT64_MAX
 * for an expression that never does (30 February). */
int64_t cron_next(const struct cron *cron, const struct time_zone *zone, int64_t after_us);

#endif
