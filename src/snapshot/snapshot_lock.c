/*
 * Packs of older snapshots that the new one reuses must stay as long as it does: their locks are
 * renewed before the manifest is written, and so are those of what opens the repository. Stores
 * that lock nothing answer at once.
 */
#include "base/cleanup.h"
#include "base/stop.h"
#include "base/workers.h"
#include "repository/key_object.h"
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

/* What opens the repository: without it nothing else is of use. */
static bool renew_opening(const struct repository *repository, struct error *err)
{
    int64_t until_us;
    CLEANUP(key_objects_release) struct key_objects keys = {0};
    if (!store_lock(repository->store, REPOSITORY_CONFIG_KEY, true, &until_us, err) ||
        (repository->keyring != NULL && !key_objects_load(repository->store, &keys, err)))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        char key[KEY_KEY_SIZE];
        if (!store_lock(repository->store, key_object_key(&keys.objects[i], key), true, &until_us,
                        err))
            return false;
    }
    return true;
}

bool snapshot_lock_renew(struct snapshot_job *job, struct error *err)
{
    struct renewal renewal = {.job = job};
    atomic_init(&renewal.next, (size_t)job->manifest.info.packs_new); /* those are in front */
    return (renew_opening(job->repository, err) &&
            workers_run(LOCK_THREADS, renew_some, &renewal, err)) ||
           error_wrap(err, "could not lock what the snapshot reuses");
}
