#include "repository/sweep.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* How long a clean-up may go on, and how long the lease of one that died is in the way. */
static const int64_t sweep_age_us = INT64_C(2) * 3600 * 1000000;

static bool refuse_other(const struct lease_entry *other, struct error *err)
{
    char until[TEXT_SIZE];
    (void)error_set(err, ERROR_REFUSED, "cannot clean up: another clean-up is at work (\"%s\")",
                    other->key);
    return error_hint(err, "If it died, it is in the way until %s.",
                      text_time_us(other->modified_us + sweep_age_us, until));
}

/* Ours must be there, any other must be too old to be alive. */
static bool check_alone(struct sweep *sweep, const struct lease_list *leases, struct error *err)
{
    struct store *store = sweep->repository->store;
    for (size_t i = 0; i < leases->count; i++)
        if (strcmp(leases->entries[i].key, sweep->lease.key) == 0)
            sweep->began_us = leases->entries[i].modified_us;
    if (sweep->began_us == 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "cannot clean up: the store does not list \"%s\" with the time at which "
                         "it was stored",
                         sweep->lease.key);
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease_entry *entry = &leases->entries[i];
        if (!entry->readable || entry->kind != LEASE_CLEANUP ||
            strcmp(entry->key, sweep->lease.key) == 0)
            continue;
        if (entry->modified_us == 0 || sweep->began_us - entry->modified_us < sweep_age_us)
            return refuse_other(entry, err);
        if (!store_remove(store, entry->key, err))
            return error_wrap(err, "could not remove the lease of a clean-up that died");
    }
    return true;
}

static bool begin(struct sweep *sweep, struct error *err)
{
    struct lease_list leases = {0};
    struct lease_options options = {
        .kind = LEASE_CLEANUP, .clock = sweep->options.clock, .random = sweep->options.random};
    if (sweep->options.dry_run)
        return store_time(sweep->repository->store, &sweep->began_us, err);
    bool done = lease_take(sweep->repository, &options, &sweep->lease, err) &&
                lease_list_load(sweep->repository, &leases, err) &&
                check_alone(sweep, &leases, err);
    lease_list_release(&leases);
    return done;
}

bool sweep_begin(const struct repository *repository, const struct sweep_options *options,
                 struct sweep *out, struct error *err)
{
    struct sweep sweep = {.repository = repository, .options = *options};
    if (!begin(&sweep, err)) {
        sweep_end(&sweep);
        return false;
    }
    *out = sweep;
    return true;
}

bool sweep_check(const struct sweep *sweep, struct error *err)
{
    int64_t now_us;
    if (sweep->options.dry_run)
        return true;
    if (!lease_check(&sweep->lease, err) || !store_time(sweep->repository->store, &now_us, err))
        return false;
    if (now_us - sweep->began_us < sweep_age_us / 2)
        return true;
    return error_set(err, ERROR_REFUSED,
                     "cannot go on cleaning up: it took more than an hour, and others may begin");
}

void sweep_end(struct sweep *sweep)
{
    lease_release(&sweep->lease);
}
