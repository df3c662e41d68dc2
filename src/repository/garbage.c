#include "repository/garbage.h"

#include "base/stop.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How far the clocks of a store's machines may differ; with a shorter grace, as far as that. */
static const int64_t skew_us = INT64_C(5) * 60 * 1000000;

/* Index of the key, or where it belongs; *out_found says which. */
static size_t find_key(const struct key_list *list, const char *key, bool *out_found)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->keys[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found = low < list->count && strcmp(list->keys[low], key) == 0;
    return low;
}

bool key_list_add(struct key_list *list, const char *key, struct error *err)
{
    bool found;
    size_t at = find_key(list, key, &found);
    if (found)
        return true;
    char **keys = reallocarray(list->keys, list->count + 1, sizeof *keys);
    if (keys == NULL)
        return error_no_memory(err, "a list of objects");
    list->keys = keys;
    char *copy = strdup(key);
    if (copy == NULL)
        return error_no_memory(err, "a list of objects");
    memmove(&keys[at + 1], &keys[at], (list->count - at) * sizeof *keys);
    keys[at] = copy;
    list->count++;
    return true;
}

bool key_list_has(const struct key_list *list, const char *key)
{
    bool found;
    (void)find_key(list, key, &found);
    return found;
}

void key_list_release(struct key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->keys[i]);
    free(list->keys);
    *list = (struct key_list){0};
}

void garbage_plan_release(struct garbage_plan *plan)
{
    key_list_release(&plan->manifests);
    key_list_release(&plan->stale_leases);
    free(plan->packs);
    free(plan->used);
    *plan = (struct garbage_plan){0};
}

static void block(struct garbage_plan *plan, const char *format, ...) FORMAT(2, 3);

/* The first reason is enough. */
static void block(struct garbage_plan *plan, const char *format, ...)
{
    va_list args;
    if (plan->blocked[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(plan->blocked, sizeof plan->blocked, format, args);
    va_end(args);
}

static bool add_manifest_key(void *context, const struct store_object *object, struct error *err)
{
    return !text_ends_with(object->key, ".manifest") || key_list_add(context, object->key, err);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, PACK_ID_BYTES);
}

static bool add_used(struct garbage_plan *plan, const struct manifest *manifest, struct error *err)
{
    if (manifest->pack_count == 0)
        return true;
    void *used = reallocarray(plan->used, plan->used_count + manifest->pack_count, PACK_ID_BYTES);
    if (used == NULL)
        return error_no_memory(err, "the list of packs");
    plan->used = used;
    for (size_t i = 0; i < manifest->pack_count; i++)
        memcpy(plan->used[plan->used_count++], manifest->packs[i].id, PACK_ID_BYTES);
    return true;
}

/* Sorts and drops doubles. */
static void tidy_used(struct garbage_plan *plan)
{
    size_t kept = 0;
    if (plan->used_count == 0)
        return;
    qsort(plan->used, plan->used_count, PACK_ID_BYTES, compare_ids);
    for (size_t i = 0; i < plan->used_count; i++)
        if (kept == 0 || memcmp(plan->used[kept - 1], plan->used[i], PACK_ID_BYTES) != 0)
            memmove(plan->used[kept++], plan->used[i], PACK_ID_BYTES);
    plan->used_count = kept;
}

static bool is_used(const struct garbage_plan *plan, const uint8_t id[PACK_ID_BYTES])
{
    return plan->used_count > 0 &&
           bsearch(id, plan->used, plan->used_count, PACK_ID_BYTES, compare_ids) != NULL;
}

/* Marks what one manifest names. One that cannot be read may name anything. */
static bool mark(const struct sweep *sweep, const char *key, struct garbage_plan *plan,
                 struct error *err)
{
    struct manifest manifest;
    if (!stop_check(err))
        return false;
    if (!manifest_load(sweep->repository, key, &manifest, err)) {
        if (err->kind != ERROR_CORRUPT && err->kind != ERROR_UNSUPPORTED &&
            err->kind != ERROR_REFUSED && err->kind != ERROR_NOT_FOUND)
            return false;
        block(plan, "a manifest cannot be read, so nobody knows which packs it needs: %.300s",
              err->text);
        return true;
    }
    bool done = add_used(plan, &manifest, err);
    manifest_release(&manifest);
    return done;
}

static bool mark_all(const struct sweep *sweep, const struct key_list *without,
                     struct garbage_plan *plan, struct error *err)
{
    struct key_list found = {0};
    bool done = store_list(sweep->repository->store, "snapshots/", add_manifest_key, &found, err);
    for (size_t i = 0; done && i < found.count; i++) {
        if (without != NULL && key_list_has(without, found.keys[i]))
            continue;
        done = key_list_add(&plan->manifests, found.keys[i], err) &&
               mark(sweep, found.keys[i], plan, err);
    }
    key_list_release(&found);
    tidy_used(plan);
    return done;
}

static bool has_snapshot(const struct garbage_plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->manifests.count; i++) {
        const char *dash = strrchr(plan->manifests.keys[i], '-');
        if (dash != NULL && strncmp(dash + 1, id, SNAPSHOT_ID_SIZE - 1) == 0)
            return true;
    }
    return false;
}

/* What running snapshots ask for: their parents, and that their own new packs stay. Packs that were
 * stored at or behind *out_before_us are left alone. A stale lease counts for the last time. */
static bool respect_leases(const struct sweep *sweep, const struct lease_list *leases,
                           struct garbage_plan *plan, int64_t *out_before_us, struct error *err)
{
    int64_t grace_us = sweep->options.grace_us;
    int64_t margin_us = grace_us < skew_us ? grace_us : skew_us;
    int64_t before_us = sweep->began_us - grace_us;
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease_entry *lease = &leases->entries[i];
        int64_t age_us = sweep->began_us - lease->modified_us;
        if (lease->readable && lease->kind == LEASE_CLEANUP)
            continue;
        if (lease->modified_us != 0 && age_us > sweep->options.lease_age_us &&
            !key_list_add(&plan->stale_leases, lease->key, err))
            return false;
        if (!lease->readable)
            block(plan, "the lease of a running snapshot cannot be read (\"%s\")", lease->key);
        else if (lease->kind == LEASE_READ && !has_snapshot(plan, lease->parent_id))
            block(plan,
                  "snapshot %s, which is being restored, was removed meanwhile: its packs stay "
                  "until that is done",
                  lease->parent_id);
        else if (lease->parent_id[0] != '\0' && !has_snapshot(plan, lease->parent_id))
            block(plan,
                  "snapshot %s, which is being taken, builds on snapshot %s, which was removed "
                  "meanwhile: its packs stay until that one is done",
                  lease->snapshot_id, lease->parent_id);
        if (lease->modified_us - margin_us < before_us)
            before_us = lease->modified_us - margin_us;
    }
    *out_before_us = before_us;
    return true;
}

struct judging {
    struct garbage_plan *plan;
    int64_t before_us;
    size_t capacity;
};

static bool judge_pack(void *context, const struct store_object *object, struct error *err)
{
    struct judging *judging = context;
    struct garbage_plan *plan = judging->plan;
    struct garbage_pack pack = {.size_bytes = object->size_bytes};
    if (!pack_id_from_key(object->key, pack.id) || is_used(plan, pack.id))
        return true;
    if (object->modified_us == 0 || object->modified_us >= judging->before_us) {
        plan->young_count++;
        plan->young_bytes += object->size_bytes;
        return true;
    }
    if (plan->pack_count == judging->capacity) {
        size_t capacity = judging->capacity == 0 ? 64 : 2 * judging->capacity;
        struct garbage_pack *packs = reallocarray(plan->packs, capacity, sizeof *packs);
        if (packs == NULL)
            return error_no_memory(err, "the list of packs");
        plan->packs = packs;
        judging->capacity = capacity;
    }
    plan->packs[plan->pack_count++] = pack;
    plan->bytes += pack.size_bytes;
    return true;
}

static bool make_plan(const struct sweep *sweep, const struct key_list *without,
                      struct garbage_plan *plan, struct error *err)
{
    struct judging judging = {.plan = plan};
    struct lease_list leases = {0};
    /* Leases before manifests: a snapshot that ended in between has its manifest by then. */
    bool done = lease_list_load(sweep->repository, &leases, err) &&
                mark_all(sweep, without, plan, err) &&
                respect_leases(sweep, &leases, plan, &judging.before_us, err) &&
                store_list(sweep->repository->store, "packs/", judge_pack, &judging, err);
    lease_list_release(&leases);
    return done;
}

bool garbage_plan(const struct sweep *sweep, const struct key_list *without,
                  struct garbage_plan *out, struct error *err)
{
    struct garbage_plan plan = {0};
    if (!make_plan(sweep, without, &plan, err)) {
        garbage_plan_release(&plan);
        return error_wrap(err, "could not find out which packs are needed");
    }
    *out = plan;
    return true;
}

/* Snapshots that were finished meanwhile are marked too. One that went away means that this is not
 * the only clean-up after all. */
static bool mark_again(const struct sweep *sweep, struct garbage_plan *plan, struct error *err)
{
    struct key_list now = {0};
    bool done = store_list(sweep->repository->store, "snapshots/", add_manifest_key, &now, err);
    for (size_t i = 0; done && i < plan->manifests.count; i++)
        if (!key_list_has(&now, plan->manifests.keys[i]))
            done = error_set(err, ERROR_REFUSED,
                             "cannot remove packs: \"%s\" went away meanwhile, another clean-up is "
                             "at work",
                             plan->manifests.keys[i]);
    for (size_t i = 0; done && i < now.count; i++)
        if (!key_list_has(&plan->manifests, now.keys[i]))
            done = mark(sweep, now.keys[i], plan, err);
    key_list_release(&now);
    tidy_used(plan);
    return done;
}

static bool sweep_packs(const struct sweep *sweep, const struct garbage_plan *plan, uint64_t *count,
                        uint64_t *bytes, struct error *err)
{
    for (size_t i = 0; plan->blocked[0] == '\0' && i < plan->pack_count; i++) {
        char key[PACK_KEY_SIZE];
        if (is_used(plan, plan->packs[i].id))
            continue;
        if (!stop_check(err) ||
            !store_remove(sweep->repository->store, pack_key(plan->packs[i].id, key), err))
            return false;
        ++*count;
        *bytes += plan->packs[i].size_bytes;
    }
    return true;
}

bool garbage_run(const struct sweep *sweep, struct garbage_plan *plan, uint64_t *out_count,
                 uint64_t *out_bytes, struct error *err)
{
    *out_count = 0;
    *out_bytes = 0;
    bool done = mark_again(sweep, plan, err) && sweep_check(sweep, err) &&
                sweep_packs(sweep, plan, out_count, out_bytes, err);
    for (size_t i = 0; done && i < plan->stale_leases.count; i++)
        done = store_remove(sweep->repository->store, plan->stale_leases.keys[i], err);
    return done || error_wrap(err, "could not remove the packs that nothing needs");
}
