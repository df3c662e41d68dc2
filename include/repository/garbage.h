/*
 * Packs that no manifest names: which of them may go, and taking them away. The last step of a
 * clean-up (repository/sweep.h).
 */
#ifndef REPOSITORY_GARBAGE_H
#define REPOSITORY_GARBAGE_H

#include "repository/manifest.h"
#include "repository/sweep.h"

struct garbage_pack {
    uint8_t id[PACK_ID_BYTES];
    uint64_t size_bytes;
};

/* Keys, sorted. */
struct key_list {
    char **keys;
    size_t count;
};
MUST_CHECK bool key_list_add(struct key_list *list, const char *key, struct error *err);
bool key_list_has(const struct key_list *list, const char *key);
void key_list_release(struct key_list *list);

struct garbage_plan {
    struct garbage_pack *packs; /* to be removed */
    size_t pack_count;
    uint64_t bytes;
    uint64_t young_count; /* named by no manifest, but too young, or of a running snapshot */
    uint64_t young_bytes;
    char blocked[512];         /* why no pack may be removed at all; "" = nothing is in the way */
    struct key_list manifests; /* that were read */
    struct key_list stale_leases;   /* of dead snapshots: removed when all is done */
    uint8_t (*used)[PACK_ID_BYTES]; /* packs that manifests name, sorted */
    size_t used_count;
};

/* without: manifests that are looked at as if they were gone (for a dry run), or NULL. Gives *out.
 */
MUST_CHECK bool garbage_plan(const struct sweep *sweep, const struct key_list *without,
                             struct garbage_plan *out, struct error *err);
/* Carries it out. *out_count, *out_bytes: removed, also when it fails half-way. */
MUST_CHECK bool garbage_run(const struct sweep *sweep, struct garbage_plan *plan,
                            uint64_t *out_count, uint64_t *out_bytes, struct error *err);
void garbage_plan_release(struct garbage_plan *plan);

#endif
