/*
 * Pins: a snapshot with a pin is never removed by `snapshot expire`, until the pin is removed or
 * expires. FORMAT.md ("Pin") has the object.
 *
 *   pins/<snapshot id>-<random>.json
 */
#ifndef REPOSITORY_PIN_H
#define REPOSITORY_PIN_H

#include "repository/repository.h"
#include "repository/snapshot_info.h"

enum {
    PIN_KEY_SIZE = sizeof "pins/0123456789abcdef-0123456789abcdef.json",
    PIN_REASON_SIZE = 256,
};

struct pin {
    char key[PIN_KEY_SIZE];
    char snapshot_id[SNAPSHOT_ID_SIZE]; /* from the key */
    bool readable;                      /* false: it holds for ever, the rest is empty */
    char reason[PIN_REASON_SIZE];
    int64_t created_us;
    int64_t expires_us; /* 0 = never */
};

struct pin_list {
    struct pin *pins;
    size_t count;
};

/* pin->reason, created_us and expires_us are given; key and snapshot_id are filled. The snapshot
 * must exist and ERROR_UNAVAILABLE is said while a clean-up is at work, which may have read the
 * pins already. ERROR_USAGE for an empty reason or an end that is not after now. */
MUST_CHECK bool pin_add(const struct repository *repository, const char *snapshot_id,
                        const struct random_source *random, struct pin *pin, struct error *err);
/* Removes all pins of this snapshot. ERROR_NOT_FOUND when there is none. */
MUST_CHECK bool pin_remove_all(const struct repository *repository, const char *snapshot_id,
                               size_t *out_count, struct error *err);

/* Gives *out. */
MUST_CHECK bool pin_list_load(const struct repository *repository, struct pin_list *out,
                              struct error *err);
void pin_list_release(struct pin_list *list);

/* Whether it holds at that time. */
bool pin_holds(const struct pin *pin, int64_t now_us);

#endif
