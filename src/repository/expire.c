#include "repository/expire.h"

#include "base/stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void expire_plan_release(struct expire_plan *plan)
{
    retention_plan_release(&plan->retention);
    key_list_release(&plan->manifests);
    wal_catalog_release(&plan->wal);
    pin_list_release(&plan->pins);
    catalog_release(&plan->catalog);
}

/* What running snapshots build on and find in the archive, and what restores read. */
struct held {
    char (*ids)[SNAPSHOT_ID_SIZE];
    size_t count;
    struct snapshot_wal_range *wal;
    size_t wal_count;
    bool all;
};

static void held_release(struct held *held)
{
    free(held->ids);
    free(held->wal);
}

static void hold(struct held *held, const struct lease_entry *lease)
{
    held->all = held->all || !lease->readable;
    if (!lease->readable || lease->kind == LEASE_CLEANUP)
        return;
    if (lease->parent_id[0] != '\0')
        memcpy(held->ids[held->count++], lease->parent_id, SNAPSHOT_ID_SIZE);
    if (lease->wal_timeline != 0)
        held->wal[held->wal_count++] = (struct snapshot_wal_range){
            .timeline = lease->wal_timeline,
            .start_lsn = lease->wal_from_lsn,
            .end_lsn = UINT64_MAX,
        };
}

static bool load_held(const struct repository *repository, struct held *out, struct error *err)
{
    struct lease_list leases;
    struct held held = {0};
    if (!lease_list_load(repository, &leases, err))
        return false;
    held.ids = calloc(leases.count + 1, sizeof *held.ids);
    held.wal = calloc(leases.count + 1, sizeof *held.wal);
    if (held.ids == NULL || held.wal == NULL) {
        lease_list_release(&leases);
        held_release(&held);
        return error_no_memory(err, "the list of leases");
    }
    for (size_t i = 0; i < leases.count; i++)
        hold(&held, &leases.entries[i]);
    lease_list_release(&leases);
    *out = held;
    return true;
}

static bool is_held(const struct held *held, const char *id)
{
    for (size_t i = 0; i < held->count; i++)
        if (strcmp(held->ids[i], id) == 0)
            return true;
    return held->all;
}

static bool decide(const struct sweep *sweep, const struct retention_policy *policy,
                   struct expire_plan *plan, struct error *err)
{
    struct held held;
    if (!load_held(sweep->repository, &held, err))
        return false;
    struct retention_input input = {.catalog = &plan->catalog,
                                    .pins = &plan->pins,
                                    .wal = &plan->wal,
                                    .held_ids = (const char(*)[SNAPSHOT_ID_SIZE])held.ids,
                                    .held_count = held.count,
                                    .held_wal = held.wal,
                                    .held_wal_count = held.wal_count,
                                    .hold_all = held.all,
                                    .now_us = sweep->began_us};
    bool done = retention_plan(policy, &input, &plan->retention, err);
    held_release(&held);
    return done;
}

/* WAL that came in a moment ago may belong to a snapshot that is being taken. */
static void spare_young_wal(const struct sweep *sweep, struct expire_plan *plan)
{
    int64_t before_us = sweep->began_us - sweep->options.grace_us;
    struct retention_plan *retention = &plan->retention;
    for (size_t i = 0; i < retention->wal_count; i++) {
        const struct wal_chunk *chunk = &plan->wal.chunks[i];
        if (retention->wal_kept[i])
            continue;
        if (chunk->modified_us == 0 || chunk->modified_us >= before_us) {
            retention->wal_kept[i] = true;
            retention->wal_remove_count--;
            continue;
        }
        plan->wal_bytes += chunk->size_bytes;
    }
}

static bool collect_manifests(struct expire_plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->catalog.count; i++)
        if (!plan->retention.snapshots[i].keep &&
            !key_list_add(&plan->manifests, plan->catalog.entries[i].key, err))
            return false;
    if (plan->manifests.count > 0 && plan->manifests.count == plan->catalog.count)
        return error_set(err, ERROR_REFUSED, "cannot remove all snapshots");
    return true;
}

/* A snapshot that the store has locked is kept like one with a pin: its manifest would only be
 * hidden, and its bytes stay in any case. */
static bool add_lock(struct expire_plan *plan, const char *snapshot_id, int64_t until_us,
                     struct error *err)
{
    bool held = until_us == STORE_HELD_US;
    struct pin *pins = reallocarray(plan->pins.pins, plan->pins.count + 1, sizeof *pins);
    if (pins == NULL)
        return error_no_memory(err, "the list of pins");
    plan->pins.pins = pins;
    struct pin *pin = &pins[plan->pins.count++];
    *pin = (struct pin){.readable = true, .expires_us = held ? 0 : until_us};
    (void)snprintf(pin->snapshot_id, sizeof pin->snapshot_id, "%s", snapshot_id);
    (void)snprintf(pin->reason, sizeof pin->reason, "%s",
                   held ? "legal hold in the store" : "object lock of the store");
    return true;
}

static bool add_locks(const struct sweep *sweep, struct expire_plan *plan, size_t *out_added,
                      struct error *err)
{
    size_t before = plan->pins.count;
    for (size_t i = 0; i < plan->catalog.count; i++) {
        int64_t until_us;
        const struct catalog_entry *entry = &plan->catalog.entries[i];
        if (plan->retention.snapshots[i].keep)
            continue;
        if (!stop_check(err) ||
            !store_lock(sweep->repository->store, entry->key, false, &until_us, err) ||
            (until_us > sweep->began_us && !add_lock(plan, entry->info.id, until_us, err)))
            return false;
    }
    *out_added = plan->pins.count - before;
    return true;
}

static bool decide_with_locks(const struct sweep *sweep, const struct retention_policy *policy,
                              struct expire_plan *plan, struct error *err)
{
    size_t added;
    if (!decide(sweep, policy, plan, err) || !add_locks(sweep, plan, &added, err))
        return false;
    if (added == 0)
        return true;
    retention_plan_release(&plan->retention);
    plan->retention = (struct retention_plan){0};
    return decide(sweep, policy, plan, err);
}

bool expire_plan(const struct sweep *sweep, const struct retention_policy *policy,
                 struct expire_plan *out, struct error *err)
{
    struct expire_plan plan = {0};
    const struct repository *repository = sweep->repository;
    if (!catalog_load(repository, &plan.catalog, err) ||
        !pin_list_load(repository, &plan.pins, err) ||
        !wal_catalog_load(repository, 0, 0, &plan.wal, err) ||
        !decide_with_locks(sweep, policy, &plan, err) || !collect_manifests(&plan, err)) {
        expire_plan_release(&plan);
        return error_wrap(err, "could not decide what to remove");
    }
    spare_young_wal(sweep, &plan);
    *out = plan;
    return true;
}

/* Pins that held a removed snapshot once; they hold nothing any more. */
static bool remove_pins(const struct sweep *sweep, const struct expire_plan *plan,
                        const char *snapshot_id, struct error *err)
{
    for (size_t i = 0; i < plan->pins.count; i++)
        if (strcmp(plan->pins.pins[i].snapshot_id, snapshot_id) == 0 &&
            !store_remove(sweep->repository->store, plan->pins.pins[i].key, err))
            return false;
    return true;
}

static bool remove_snapshots(const struct sweep *sweep, const struct expire_plan *plan,
                             const struct held *held, struct expire_result *result,
                             struct error *err)
{
    for (size_t i = 0; i < plan->catalog.count; i++) {
        const struct catalog_entry *entry = &plan->catalog.entries[i];
        if (plan->retention.snapshots[i].keep)
            continue;
        if (is_held(held, entry->info.id)) {
            result->snapshots_spared++;
            continue;
        }
        if (!stop_check(err) || !store_remove(sweep->repository->store, entry->key, err) ||
            !remove_pins(sweep, plan, entry->info.id, err))
            return false;
        result->snapshots_removed++;
        result->bytes_freed += entry->size_bytes;
    }
    return true;
}

/* Whether a snapshot that began after the plan finds it in the archive. */
static bool is_held_wal(const struct held *held, const struct wal_chunk *chunk)
{
    for (size_t i = 0; i < held->wal_count; i++)
        if (held->wal[i].timeline == chunk->timeline && chunk->end_lsn > held->wal[i].start_lsn)
            return true;
    return held->all;
}

static bool remove_wal(const struct sweep *sweep, const struct expire_plan *plan,
                       const struct held *held, struct expire_result *result, struct error *err)
{
    for (size_t i = 0; i < plan->wal.count; i++) {
        char key[WAL_KEY_SIZE];
        const struct wal_chunk *chunk = &plan->wal.chunks[i];
        if (plan->retention.wal_kept[i] || is_held_wal(held, chunk))
            continue;
        if (!stop_check(err) ||
            !store_remove(sweep->repository->store, wal_chunk_key(chunk, key), err))
            return false;
        result->wal_removed++;
        result->bytes_freed += chunk->size_bytes;
    }
    return true;
}

bool expire_run(const struct sweep *sweep, const struct expire_plan *plan,
                struct expire_result *out, struct error *err)
{
    struct held held = {0};
    *out = (struct expire_result){0};
    /* Manifests first: what they name is needed until they are gone. A spared one needs its WAL. */
    bool done = load_held(sweep->repository, &held, err) && sweep_check(sweep, err) &&
                remove_snapshots(sweep, plan, &held, out, err) &&
                (out->snapshots_spared > 0 || remove_wal(sweep, plan, &held, out, err));
    held_release(&held);
    return done || error_wrap(err, "could not remove what is not kept");
}
