/* Writes one line on stderr for every call: operation, key, bytes, time, result. */
#ifndef STORE_STORE_TRACE_H
#define STORE_STORE_TRACE_H

#include "base/clock.h"
#include "store/store.h"

/* Takes inner, also when it fails. Copies clock; NULL: clock_system. Gives *out. */
MUST_CHECK bool store_trace_open(struct store *inner, const struct clock *clock, struct store **out,
                                 struct error *err);

#endif
