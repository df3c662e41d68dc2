/*
 * The same function on several threads, until all are done or one fails. The first error is kept;
 * the others look at workers_failed between two pieces of work and stop.
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include "base/error.h"

struct workers;

/* One thread's share. False with err filled ends the run for all. */
typedef bool (*worker_fn)(struct workers *workers, void *context, struct error *err);

/* `wanted`, or for 0 one for each processor, at most `max`. */
int workers_count(int wanted, int max);

/* Runs `run` on up to `count` threads (on fewer when no more can be started, at worst on the
 * caller's) and waits for them. */
MUST_CHECK bool workers_run(int count, worker_fn run, void *context, struct error *err);

/* True once a thread has failed. */
bool workers_failed(struct workers *workers);

#endif
