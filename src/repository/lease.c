#include "repository/lease.h"

#include "base/text.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [LEASE_SNAPSHOT] = "snapshot", [LEASE_CLEANUP] = "cleanup", [LEASE_READ] = "read"};

static bool put_wal(struct value *record, const struct lease_options *options, struct error *err)
{
    char lsn[TEXT_SIZE];
    return options->wal_timeline == 0 ||
           (value_set_u64(record, "wal_timeline", options->wal_timeline, err) &&
            value_set_text(record, "wal_from", text_lsn(options->wal_from_lsn, lsn), err));
}

static struct value *lease_value(const struct lease_options *options, struct error *err)
{
    char created[TEXT_SIZE];
    const char *snapshot = options->snapshot_id == NULL ? "" : options->snapshot_id;
    const char *parent = options->parent_id == NULL ? "" : options->parent_id;
    struct value *record = value_new_object(err);
    if (record != NULL && value_set_text(record, "kind", kind_names[options->kind], err) &&
        value_set_text(record, "snapshot", snapshot, err) &&
        value_set_text(record, "parent", parent, err) && put_wal(record, options, err) &&
        value_set_text(record, "created", text_time_exact_us(clock_now_us(options->clock), created),
                       err))
        return record;
    value_free(record);
    return NULL;
}

bool lease_take(const struct repository *repository, const struct lease_options *options,
                struct lease *lease, struct error *err)
{
    uint8_t id[8];
    char hex[2 * sizeof id + 1];
    struct lease taken = {.store = repository->store};
    random_fill(options->random, id, sizeof id);
    text_hex(id, sizeof id, hex);
    (void)snprintf(taken.key, sizeof taken.key, "leases/%s.json", hex);
    CLEANUP(value_cleanup) struct value *record = lease_value(options, err);
    if (record == NULL)
        return false;
    if (!record_put(repository, taken.key, record, err))
        return error_wrap(err, "could not announce the work to others");
    lease_release(lease);
    *lease = taken;
    return true;
}

bool lease_check(const struct lease *lease, struct error *err)
{
    struct store_object object;
    if (store_stat(lease->store, lease->key, &object, err))
        return true;
    if (err->kind != ERROR_NOT_FOUND)
        return error_wrap(err, "could not see whether the work is still announced");
    (void)error_set(err, ERROR_REFUSED,
                    "cannot finish: \"%s\" was removed by a clean-up that took this process for "
                    "dead, and may have removed its objects",
                    lease->key);
    return error_hint(err, "Set retention.gc-grace longer than the longest snapshot takes.");
}

void lease_release(struct lease *lease)
{
    struct error ignored;
    if (lease->store != NULL)
        (void)!store_remove(lease->store, lease->key, &ignored);
    *lease = (struct lease){0};
}

void lease_list_release(struct lease_list *list)
{
    free(list->entries);
    *list = (struct lease_list){0};
}

static bool add_lease(void *context, const struct store_object *object, struct error *err)
{
    struct lease_list *list = context;
    if (!text_ends_with(object->key, ".json") || strlen(object->key) >= LEASE_KEY_SIZE)
        return true;
    struct lease_entry *entries = reallocarray(list->entries, list->count + 1, sizeof *entries);
    if (entries == NULL)
        return error_no_memory(err, "the list of leases");
    list->entries = entries;
    struct lease_entry *entry = &entries[list->count++];
    *entry = (struct lease_entry){.modified_us = object->modified_us};
    (void)snprintf(entry->key, sizeof entry->key, "%s", object->key);
    return true;
}

static bool get_id(const struct value *record, const char *key, char out[SNAPSHOT_ID_SIZE],
                   struct error *err)
{
    const char *text;
    if (!value_get_text(record, key, &text, err))
        return false;
    if (strlen(text) >= SNAPSHOT_ID_SIZE)
        return error_set(err, ERROR_CORRUPT, "%s is no snapshot id", key);
    (void)snprintf(out, SNAPSHOT_ID_SIZE, "%s", text);
    return true;
}

static bool get_kind(const char *name, enum lease_kind *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
        if (strcmp(name, kind_names[i]) != 0)
            continue;
        *out = (enum lease_kind)i;
        return true;
    }
    return error_set(err, ERROR_UNSUPPORTED, "unknown kind of lease \"%.40s\"", name);
}

/* Both members, or neither. */
static bool get_wal(const struct value *record, struct lease_entry *entry, struct error *err)
{
    const char *from;
    if (!value_has(record, "wal_timeline"))
        return true;
    return value_get_u32(record, "wal_timeline", &entry->wal_timeline, err) &&
           value_get_text(record, "wal_from", &from, err) &&
           (text_to_lsn(from, &entry->wal_from_lsn) ||
            error_set(err, ERROR_CORRUPT, "wal_from is no LSN"));
}

static bool read_lease(const struct repository *repository, struct lease_entry *entry,
                       struct error *err)
{
    const char *kind;
    CLEANUP(value_cleanup) struct value *record = record_get(repository, entry->key, err);
    if (record == NULL || !value_get_text(record, "kind", &kind, err) ||
        !get_id(record, "snapshot", entry->snapshot_id, err) ||
        !get_id(record, "parent", entry->parent_id, err) || !get_wal(record, entry, err) ||
        !get_kind(kind, &entry->kind, err))
        return false;
    entry->readable = true;
    return true;
}

bool lease_list_load(const struct repository *repository, struct lease_list *out, struct error *err)
{
    struct lease_list list = {0};
    bool done = store_list(repository->store, "leases/", add_lease, &list, err);
    size_t kept = 0;
    for (size_t i = 0; done && i < list.count; i++) {
        struct error problem = {0};
        if (!read_lease(repository, &list.entries[i], &problem)) {
            if (problem.kind == ERROR_NOT_FOUND) /* its work ended */
                continue;
            done = record_is_at_fault(problem.kind);
            *err = problem;
            list.entries[i].snapshot_id[0] = '\0';
            list.entries[i].parent_id[0] = '\0';
        }
        list.entries[kept++] = list.entries[i];
    }
    list.count = kept;
    if (!done) {
        lease_list_release(&list);
        return error_wrap(err, "could not list the leases");
    }
    *out = list;
    return true;
}
