/*
 * How far a long job is. The job adds to the counters from any thread; whoever shows them (the
 * command line on a terminal, the daemon's metrics) reads them from its own.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

struct progress {
    _Atomic(const char *) phase;     /* static text: "copying", "syncing" */
    _Atomic uint64_t bytes_done;     /* of bytes_total: pages read or written */
    _Atomic uint64_t bytes_total;    /* 0 = unknown */
    _Atomic uint64_t bytes_stored;   /* sent to or fetched from the store */
    _Atomic uint64_t objects_stored; /* packs put or fetched */
};

static inline void progress_add(_Atomic uint64_t *counter, uint64_t amount)
{
    (void)atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

#endif
