/* A thread that merges old chunks now and then, beside the stream, and looks whether the repository
 * has new keys. Its failures are only logged. */
#ifndef WALSTREAM_WAL_MERGER_H
#define WALSTREAM_WAL_MERGER_H

#include "repository/wal_archive.h"

#include <pthread.h>

struct wal_merger {
    const struct repository *repository;
    int64_t interval_us;
    bool quit;
    bool running;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* interval_us 0: does nothing. */
MUST_CHECK bool wal_merger_open(struct wal_merger *merger, const struct repository *repository,
                                int64_t interval_us, struct error *err);
/* Waits for a merge at hand: some seconds. */
void wal_merger_close(struct wal_merger *merger);

#endif
