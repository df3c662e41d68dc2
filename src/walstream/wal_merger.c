#include "wal_merger.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "repository/sealing.h"
#include "walstream/wal_merge.h"

#include <inttypes.h>
#include <time.h>

/* A merge holds its WAL twice and the object beside it: with 64 MiB the stream would take more than
 * the 128 MiB that it is allowed. */
enum { MERGES_AT_ONCE = 4 /* then it looks whether it should end */, MERGED_BYTES = 16 << 20 };

/* Waits for the interval; true when the end came first. */
static bool wait_for_end(struct wal_merger *merger)
{
    struct timespec until;
    int64_t end_us = clock_monotonic_us(&clock_system) + merger->interval_us;
    until.tv_sec = (time_t)(end_us / 1000000);
    until.tv_nsec = (long)(end_us % 1000000) * 1000;
    (void)pthread_mutex_lock(&merger->lock);
    for (int waited = 0; !merger->quit && waited == 0;)
        waited = pthread_cond_timedwait(&merger->changed, &merger->lock, &until);
    bool quit = merger->quit;
    (void)pthread_mutex_unlock(&merger->lock);
    return quit;
}

static void *merge_thread(void *argument)
{
    struct error err;
    struct wal_merge_result result;
    struct wal_merge_options options;
    struct wal_merger *merger = argument;
    wal_merge_default_options(&options);
    options.max_merges = MERGES_AT_ONCE;
    options.max_bytes = MERGED_BYTES;
    while (!wait_for_end(merger)) {
        repository_renew_keys(merger->repository);
        bool done = wal_merge_run(merger->repository, &options, &result, &err);
        if (!done && err.kind == ERROR_DENIED) {
            log_event(LOG_INFO, "wal.merge_denied",
                      "these credentials may not remove WAL: small chunks stay until "
                      "`mainstay wal merge` is run with some that may");
            return NULL;
        }
        if (!done && err.kind != ERROR_CANCELLED)
            log_error("wal.merge_failed", &err);
        if (result.merges > 0)
            log_event(LOG_INFO, "wal.merged", "%" PRIu64 " merged %s %" PRIu64 " small ones",
                      result.merges, text_plural(result.merges, "chunk replaces", "chunks replace"),
                      result.chunks_removed);
    }
    return NULL;
}

bool wal_merger_open(struct wal_merger *merger, const struct repository *repository,
                     int64_t interval_us, struct error *err)
{
    pthread_condattr_t attributes;
    *merger = (struct wal_merger){.repository = repository, .interval_us = interval_us};
    if (interval_us == 0)
        return true;
    (void)pthread_mutex_init(&merger->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&merger->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int failed = pthread_create(&merger->thread, NULL, merge_thread, merger);
    merger->running = failed == 0;
    return failed == 0 || error_set_errno(err, failed, "could not start a thread");
}

void wal_merger_close(struct wal_merger *merger)
{
    if (!merger->running)
        return;
    (void)pthread_mutex_lock(&merger->lock);
    merger->quit = true;
    (void)pthread_cond_broadcast(&merger->changed);
    (void)pthread_mutex_unlock(&merger->lock);
    (void)pthread_join(merger->thread, NULL);
    (void)pthread_cond_destroy(&merger->changed);
    (void)pthread_mutex_destroy(&merger->lock);
    merger->running = false;
}
