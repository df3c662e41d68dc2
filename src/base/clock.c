#include "base/clock.h"

#include "base/stop.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_now_us(void *context)
{
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(void *context)
{
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

/* Short slices, so that a stop request is noticed within 50 ms by every waiting thread. */
static void system_sleep_us(void *context, int64_t wait_us)
{
    (void)context;
    int64_t until = read_clock(CLOCK_MONOTONIC) + wait_us;
    for (int64_t left = wait_us; left > 0 && !stop_requested();
         left = until - read_clock(CLOCK_MONOTONIC)) {
        int64_t slice = left < 50000 ? left : 50000;
        struct timespec pause = {.tv_nsec = (long)(slice * 1000)};
        (void)nanosleep(&pause, NULL);
    }
}

const struct clock clock_system = {
    .now_us = system_now_us,
    .monotonic_us = system_monotonic_us,
    .sleep_us = system_sleep_us,
};

int64_t clock_now_us(const struct clock *clock)
{
    return clock->now_us(clock->context);
}

int64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us(clock->context);
}

void clock_sleep_us(const struct clock *clock, int64_t wait_us)
{
    clock->sleep_us(clock->context, wait_us);
}
