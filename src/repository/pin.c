#include "repository/pin.h"

#include "base/text.h"
#include "record.h"
#include "repository/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pin_holds(const struct pin *pin, int64_t now_us)
{
    return !pin->readable || pin->expires_us == 0 || now_us < pin->expires_us;
}

static struct value *pin_value(const struct pin *pin, struct error *err)
{
    char text[TEXT_SIZE];
    struct value *record = value_new_object(err);
    bool done = record != NULL && value_set_text(record, "snapshot", pin->snapshot_id, err) &&
                value_set_text(record, "reason", pin->reason, err) &&
                value_set_text(record, "created", text_time_us(pin->created_us, text), err);
    if (done && pin->expires_us != 0)
        done = value_set_text(record, "expires", text_time_us(pin->expires_us, text), err);
    if (done)
        return record;
    value_free(record);
    return NULL;
}

/* A clean-up that began before the pin was stored may remove the snapshot in spite of it. */
static bool refuse_during_cleanup(const struct repository *repository, struct error *err)
{
    struct lease_list leases;
    if (!lease_list_load(repository, &leases, err))
        return false;
    bool free_to_go = true;
    for (size_t i = 0; i < leases.count; i++)
        free_to_go = free_to_go && leases.entries[i].readable &&
                     leases.entries[i].kind == LEASE_SNAPSHOT;
    lease_list_release(&leases);
    if (free_to_go)
        return true;
    (void)error_set(err, ERROR_UNAVAILABLE,
                    "could not pin: a clean-up is at work, which may have read the pins already");
    return error_hint(err, "Try again when it has ended. If it died, `mainstay repo gc` removes "
                           "its lease two hours after its start.");
}

static bool check_pin(const struct pin *pin, struct error *err)
{
    if (pin->reason[0] == '\0')
        return error_set(err, ERROR_USAGE, "cannot pin without a reason");
    if (pin->expires_us != 0 && pin->expires_us <= pin->created_us)
        return error_set(err, ERROR_USAGE, "cannot pin until a time that has passed");
    return true;
}

bool pin_add(const struct repository *repository, const char *snapshot_id,
             const struct random_source *random, struct pin *pin, struct error *err)
{
    uint8_t bytes[8];
    char hex[2 * sizeof bytes + 1];
    random_fill(random, bytes, sizeof bytes);
    text_hex(bytes, sizeof bytes, hex);
    (void)snprintf(pin->snapshot_id, sizeof pin->snapshot_id, "%s", snapshot_id);
    (void)snprintf(pin->key, sizeof pin->key, "pins/%s-%s.json", pin->snapshot_id, hex);
    pin->readable = true;
    if (!check_pin(pin, err) || !refuse_during_cleanup(repository, err))
        return false;
    CLEANUP(value_cleanup) struct value *record = pin_value(pin, err);
    if (record == NULL || !record_put(repository, pin->key, record, err))
        return false;
    if (refuse_during_cleanup(repository, err))
        return true;
    struct error ignored;
    (void)!store_remove(repository->store, pin->key, &ignored);
    return false;
}

void pin_list_release(struct pin_list *list)
{
    free(list->pins);
    *list = (struct pin_list){0};
}

/* "pins/<16 hex digits>-<...>.json" */
static bool add_pin(void *context, const struct store_object *object, struct error *err)
{
    struct pin_list *list = context;
    const char *name = object->key + sizeof "pins/" - 1;
    if (!text_ends_with(name, ".json") || strlen(object->key) >= PIN_KEY_SIZE ||
        strcspn(name, "-") != SNAPSHOT_ID_SIZE - 1)
        return true;
    struct pin *pins = reallocarray(list->pins, list->count + 1, sizeof *pins);
    if (pins == NULL)
        return error_no_memory(err, "the list of pins");
    list->pins = pins;
    struct pin *pin = &pins[list->count++];
    *pin = (struct pin){0};
    (void)snprintf(pin->key, sizeof pin->key, "%s", object->key);
    (void)snprintf(pin->snapshot_id, sizeof pin->snapshot_id, "%.16s", name);
    return true;
}

static bool read_pin(const struct repository *repository, struct pin *pin, struct error *err)
{
    const char *snapshot;
    const char *reason;
    const char *created;
    const char *expires;
    CLEANUP(value_cleanup) struct value *record = record_get(repository, pin->key, err);
    if (record == NULL || !value_get_text(record, "snapshot", &snapshot, err) ||
        !value_get_text(record, "reason", &reason, err) ||
        !value_get_text(record, "created", &created, err) ||
        !value_get_text_or(record, "expires", "", &expires, err))
        return false;
    if (strcmp(snapshot, pin->snapshot_id) != 0 || !text_to_time_us(created, &pin->created_us) ||
        (expires[0] != '\0' && !text_to_time_us(expires, &pin->expires_us)))
        return error_set(err, ERROR_CORRUPT, "pin \"%s\" is damaged", pin->key);
    (void)snprintf(pin->reason, sizeof pin->reason, "%.*s", PIN_REASON_SIZE - 1, reason);
    pin->readable = true;
    return true;
}

bool pin_list_load(const struct repository *repository, struct pin_list *out, struct error *err)
{
    struct pin_list list = {0};
    bool done = store_list(repository->store, "pins/", add_pin, &list, err);
    size_t kept = 0;
    for (size_t i = 0; done && i < list.count; i++) {
        struct error problem = {0};
        if (!read_pin(repository, &list.pins[i], &problem)) {
            if (problem.kind == ERROR_NOT_FOUND) /* removed meanwhile */
                continue;
            done = record_is_at_fault(problem.kind);
            *err = problem;
            list.pins[i].expires_us = 0;
        }
        list.pins[kept++] = list.pins[i];
    }
    list.count = kept;
    if (!done) {
        pin_list_release(&list);
        return error_wrap(err, "could not list the pins");
    }
    *out = list;
    return true;
}

bool pin_remove_all(const struct repository *repository, const char *snapshot_id, size_t *out_count,
                    struct error *err)
{
    struct pin_list list;
    size_t count = 0;
    bool done = true;
    if (!pin_list_load(repository, &list, err))
        return false;
    for (size_t i = 0; done && i < list.count; i++) {
        if (strcmp(list.pins[i].snapshot_id, snapshot_id) != 0)
            continue;
        done = store_remove(repository->store, list.pins[i].key, err);
        count++;
    }
    pin_list_release(&list);
    if (!done)
        return error_wrap(err, "could not remove the pins of snapshot %s", snapshot_id);
    if (count == 0)
        return error_set(err, ERROR_NOT_FOUND, "snapshot %s has no pin", snapshot_id);
    *out_count = count;
    return true;
}
