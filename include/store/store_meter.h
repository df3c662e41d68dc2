/*
 * Counts what is asked of a store: requests, errors by kind, bytes and time by operation. The
 * counters live in memory that a process shares with the children it starts, so that a daemon knows
 * what its jobs do while they do it, and what a killed one has done:
 *
 *   meter_new                in the daemon: the memory, as a descriptor that children inherit
 *   METER_VARIABLE=<fd>      in their environment; store_open puts the wrapper around the driver
 *
 * Looking at locks and settings counts as stat. The wrapper is within the retries: every attempt
 * counts. A child of another version of this program, whose counters lie elsewhere, counts nothing.
 */
#ifndef STORE_STORE_METER_H
#define STORE_STORE_METER_H

#include "base/clock.h"
#include "store/store.h"

#define METER_VARIABLE "MAINSTAY_STORE_METER"

enum meter_operation {
    METER_PUT,
    METER_GET,
    METER_STAT,
    METER_LIST,
    METER_REMOVE,
    METER_TIME,
    METER_OPERATION_COUNT,
};

enum { METER_KIND_COUNT = ERROR_CANCELLED + 1, METER_BOUND_COUNT = 9 };

/* Upper bounds of the histogram of durations, in microseconds; what is longer is in none. */
extern const int64_t meter_bounds_us[METER_BOUND_COUNT];
/* "put", "get": for labels. */
const char *meter_operation_name(enum meter_operation operation);

struct meter_counts {
    uint64_t requests;
    uint64_t errors[METER_KIND_COUNT]; /* by enum error_kind; "not there" and "already there" are
                                          answers, a stop is neither */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t total_us;
    uint64_t within[METER_BOUND_COUNT]; /* requests that took no longer than that bound */
};

struct meter;

/* Zeroed counters. *out_fd is inherited by children and belongs to the meter. Gives *out. */
MUST_CHECK bool meter_new(struct meter **out, int *out_fd, struct error *err);
/* The counters of the process that started this one, by the text of METER_VARIABLE; NULL without,
 * or when they are none that we know. Given to the caller. */
struct meter *meter_inherit(const char *text);
void meter_free(struct meter *meter); /* NULL is allowed */

void meter_read(const struct meter *meter, enum meter_operation operation,
                struct meter_counts *out);

/* Takes inner and meter, also when it fails. Copies clock; NULL: clock_system. Gives *out. */
MUST_CHECK bool store_meter_open(struct store *inner, struct meter *meter,
                                 const struct clock *clock, struct store **out, struct error *err);

#endif
