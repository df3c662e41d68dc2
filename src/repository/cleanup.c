#include "repository/cleanup.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* How long a clean-up may go on, and how long the lease of one that died is in the way. */
static const int64_t cleanup_age_us = INT64_C(2) * 3600 * 1000000;

static bool refuse_other(const struct lease_entry *other, struct error *err)
{
    char until[TEXT_SIZE];
    (void)error_set(err, ERROR_REFUSED, "cannot clean up: another clean-up is at work (\"%s\")",
                    other->key);
    return error_hint(err, "If it died, it is in the way until %s.",
                      text_time_us(other->modified_us + cleanup_age_us, until));
}

/* Ours must be there, any other must be too old to be alive. */
static bool check_alone(struct cleanup *cleanup, const struct lease_list *leases, struct error *err)
{
    struct store *store = cleanup->repository->store;
    for (size_t i = 0; i < leases->count; i++)
        if (strcmp(leases->entries[i].key, cleanup->lease.key) == 0)
            cleanup->began_us = leases->entries[i].modified_us;
    if (cleanup->began_us == 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot clean up: the store does not list \"%s\" with the time at which "
                         "it was stored",
                         cleanup->lease.key);
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease_entry *entry = &leases->entries[i];
        if (!entry->readable || entry->kind != LEASE_CLEANUP ||
            strcmp(entry->key, cleanup->lease.key) == 0)
            continue;
        if (entry->modified_us == 0 || cleanup->began_us - entry->modified_us < cleanup_age_us)
            return refuse_other(entry, err);
        if (!store_remove(store, entry->key, err))
            return error_wrap(err, "could not remove the lease of a clean-up that died");
    }
    return true;
}

static bool begin(struct cleanup *cleanup, struct error *err)
{
    struct lease_list leases = {0};
    struct lease_options options = {
        .kind = LEASE_CLEANUP, .clock = cleanup->options.clock, .random = cleanup->options.random};
    if (cleanup->options.dry_run)
        return store_time(cleanup->repository->store, &cleanup->began_us, err);
    bool done = lease_take(cleanup->repository, &options, &cleanup->lease, err) &&
                lease_list_load(cleanup->repository, &leases, err) &&
                check_alone(cleanup, &leases, err);
    lease_list_release(&leases);
    return done;
}

bool cleanup_begin(const struct repository *repository, const struct cleanup_options *options,
                   struct cleanup *out, struct error *err)
{
    struct cleanup cleanup = {.repository = repository, .options = *options};
    if (!begin(&cleanup, err)) {
        cleanup_end(&cleanup);
        return false;
    }
    *out = cleanup;
    return true;
}

bool cleanup_check(const struct cleanup *cleanup, struct error *err)
{
    int64_t now_us;
    if (cleanup->options.dry_run)
        return true;
    if (!lease_check(&cleanup->lease, err) || !store_time(cleanup->repository->store, &now_us, err))
        return false;
    if (now_us - cleanup->began_us < cleanup_age_us / 2)
        return true;
    return error_set(err, ERROR_REFUSED,
                     "cannot go on cleaning up: it took more than an hour, and others may begin");
}

void cleanup_end(struct cleanup *cleanup)
{
    lease_release(&cleanup->lease);
}
