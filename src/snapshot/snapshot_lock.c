/*
 * Packs of older snapshots that the new one reuses must stay as long as it does: their locks are
 * renewed before the manifest is written. Stores that lock nothing answer at once.
 */
#include "base/stop.h"
#include "base/workers.h"
#include "snapshot_job.h"

#include <stdatomic.h>

enum { LOCK_THREADS = 16 };

struct renewal {
    const struct snapshot_job *job;
    atomic_size_t next;
};

static bool renew_some(struct workers *workers, void *context, struct error *err)
{
    struct renewal *renewal = context;
    const struct manifest *manifest = &renewal->job->manifest;
    while (!workers_failed(workers)) {
        char key[PACK_KEY_SIZE];
        int64_t until_us;
        size_t at = atomic_fetch_add(&renewal->next, 1);
        if (at >= manifest->pack_count)
            return true;
        if (!stop_check(err) ||
            !store_lock(renewal->job->repository->store, pack_key(manifest->packs[at].id, key),
                        true, &until_us, err))
            return false;
    }
    return true;
}

bool snapshot_lock_renew(struct snapshot_job *job, struct error *err)
{
    int64_t until_us;
    struct renewal renewal = {.job = job};
    atomic_init(&renewal.next, (size_t)job->manifest.info.packs_new); /* those are in front */
    return (store_lock(job->repository->store, REPOSITORY_CONFIG_KEY, true, &until_us, err) &&
            workers_run(LOCK_THREADS, renew_some, &renewal, err)) ||
           error_wrap(err, "could not lock what the snapshot reuses");
}
