/*
 * Repeats calls that failed with `retryable` set: full-jitter exponential back-off ("Exponential
 * Backoff And Jitter", AWS Architecture Blog), at least as long as the store asked for
 * (Retry-After), until a stated total time is over. A stop request ends the waiting at once.
 *
 * A put whose answer got lost may have been carried out. So when a repeated put finds the key
 * taken, the object is read back: the same bytes mean success. What is written must therefore be
 * told apart by its bytes from what another writer would write under the key (a lease carries its
 * owner's id).
 *
 * A listing that breaks off goes on behind the last object that was visited.
 */
#ifndef STORE_STORE_RETRY_H
#define STORE_STORE_RETRY_H

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

struct store_retry_options {
    int64_t total_us;                   /* no attempt starts later than this; 0: 5 min */
    int64_t first_wait_us;              /* upper bound of the first wait; 0: 200 ms */
    int64_t max_wait_us;                /* upper bound of every wait; 0: 20 s */
    const struct clock *clock;          /* NULL: clock_system; copied */
    const struct random_source *random; /* NULL: random_system; copied */
};

/* Takes inner, also when it fails. Gives *out. */
MUST_CHECK bool store_retry_open(struct store *inner, const struct store_retry_options *options,
                                 struct store **out, struct error *err);

#endif
