/*
 * Time and waiting as a parameter: code that waits or stamps takes a `const struct clock *`, so
 * that tests set the time and count the sleeps. Microseconds everywhere.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_us)(void *context);                 /* wall clock, since 1970 UTC */
    int64_t (*monotonic_us)(void *context);           /* never goes back; origin unspecified */
    void (*sleep_us)(void *context, int64_t wait_us); /* may return early when asked to stop */
    void *context;
};

/* The machine's clocks; sleeping ends at once after stop_request. */
extern const struct clock clock_system;

int64_t clock_now_us(const struct clock *clock);
int64_t clock_monotonic_us(const struct clock *clock);
void clock_sleep_us(const struct clock *clock, int64_t wait_us);

#endif
