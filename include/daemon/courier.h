/*
 * Delivers alerts and heartbeats by HTTP from memory, in order, in a thread of its own: nothing
 * ever waits for it. A delivery that fails is tried again with growing pauses (2 s to 5 min) for a
 * day; at most COURIER_QUEUE_MAX wait, of more the oldest goes. What was not delivered when the
 * process ends is lost.
 */
#ifndef DAEMON_COURIER_H
#define DAEMON_COURIER_H

#include "base/buf.h"
#include "base/error.h"

enum { COURIER_QUEUE_MAX = 64 };

struct courier;

/* Gives *out. */
MUST_CHECK bool courier_start(struct courier **out, struct error *err);
/* Tries for `patience_us` to deliver what waits, then ends the thread. NULL is allowed. */
void courier_stop(struct courier *courier, int64_t patience_us);

/* A POST of JSON. Copies everything; `name` is for the log, which never shows the URL. */
MUST_CHECK bool courier_post(struct courier *courier, const char *name, const char *url,
                             const struct buf *body, struct error *err);
/* A GET whose answer does not matter, and that is not tried again for long. */
MUST_CHECK bool courier_get(struct courier *courier, const char *name, const char *url,
                            struct error *err);

void courier_counts(struct courier *courier, uint64_t *out_sent, uint64_t *out_dropped);

#endif
