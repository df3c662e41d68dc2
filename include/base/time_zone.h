/*
 * Time zones by their IANA names ("Europe/Berlin"), read from the system's TZif files (RFC 9636):
 * which offset from UTC is in force at an instant, and which instant a wall clock means. The C
 * library's functions are not used: they keep the zone of the whole process in the environment.
 *
 * After the last transition of the file its POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3") goes on, with
 * rules of the form Mm.w.d; files with Julian days (no zone in force has them) are refused.
 */
#ifndef BASE_TIME_ZONE_H
#define BASE_TIME_ZONE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct time_zone;

#define TIME_ZONE_DIRECTORY "/usr/share/zoneinfo"

/* "UTC" needs no file. ERROR_USAGE for a name that there is not, ERROR_INVALID for a file that is
 * none of ours. Gives *out. */
MUST_CHECK bool time_zone_load(const char *name, const char *directory, struct time_zone **out,
                               struct error *err);
/* The same from the bytes of a file. */
MUST_CHECK bool time_zone_parse(const void *bytes, size_t len, const char *name,
                                struct time_zone **out, struct error *err);
void time_zone_free(struct time_zone *zone); /* NULL is allowed */
/* For CLEANUP(). */
void time_zone_cleanup(struct time_zone **zone);

/* Seconds east of UTC at this instant (seconds since 1970). */
int64_t time_zone_offset(const struct time_zone *zone, int64_t utc_s);

enum local_time_kind { LOCAL_ONCE, LOCAL_TWICE, LOCAL_SKIPPED };

/* The instant at which the wall clock shows `local_s` (seconds since 1970 as if it was UTC).
 * LOCAL_TWICE: the clock was set back; both instants. LOCAL_SKIPPED: it was set forward over this
 * time; both outs are the instant at which that happened. */
enum local_time_kind time_zone_instant(const struct time_zone *zone, int64_t local_s,
                                       int64_t *out_first, int64_t *out_second);

/* Days since 1970 to a date and back (proleptic Gregorian calendar); month 1 to 12, day 1 to 31.
 * Formula: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t date_to_days(int64_t year, int month, int day);
void date_from_days(int64_t days, int64_t *out_year, int *out_month, int *out_day);

#endif
