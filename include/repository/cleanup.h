/*
 * Taking away what is not needed any more, while snapshots are being taken. FORMAT.md ("Leases and
 * cleaning up") proves why nothing that is needed is lost; the order of the steps is that proof:
 *
 *   cleanup_begin    announces itself, so that clean-ups exclude each other
 *   expire_plan, expire_run (repository/expire.h)      manifests and WAL, when asked for
 *   garbage_plan     leases, then manifests, then packs are listed
 *   garbage_run      manifests are listed again, then packs are removed
 *   cleanup_end
 *
 * A dry run announces nothing and changes nothing.
 */
#ifndef REPOSITORY_CLEANUP_H
#define REPOSITORY_CLEANUP_H

#include "repository/lease.h"
#include "repository/manifest.h"

struct cleanup_options {
    int64_t grace_us;     /* packs and WAL stored less than this ago stay */
    int64_t lease_age_us; /* a snapshot's lease older than this is one of a dead process */
    bool dry_run;
    const struct clock *clock;
    const struct random_source *random;
};

struct cleanup {
    const struct repository *repository; /* borrowed */
    struct cleanup_options options;
    struct lease lease;
    int64_t began_us; /* by the store's clock: when our lease was stored */
};

/* ERROR_REFUSED while another clean-up is at work; one that died is in the way for two hours. Gives
 * *out (cleanup_end). */
MUST_CHECK bool cleanup_begin(const struct repository *repository,
                              const struct cleanup_options *options, struct cleanup *out,
                              struct error *err);
/* ERROR_REFUSED when it went on for so long that others may take it for dead. Before every step
 * that relies on being alone. */
MUST_CHECK bool cleanup_check(const struct cleanup *cleanup, struct error *err);
/* For CLEANUP(cleanup_end) too; a zeroed one is fine. */
void cleanup_end(struct cleanup *cleanup);

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
MUST_CHECK bool garbage_plan(const struct cleanup *cleanup, const struct key_list *without,
                             struct garbage_plan *out, struct error *err);
/* Carries it out. *out_count, *out_bytes: removed, also when it fails half-way. */
MUST_CHECK bool garbage_run(const struct cleanup *cleanup, struct garbage_plan *plan,
                            uint64_t *out_count, uint64_t *out_bytes, struct error *err);
void garbage_plan_release(struct garbage_plan *plan);

#endif
