/*
 * The snapshot to build on: the newest one that is of this cluster, lies on the server's own
 * history, and can be read. Everything that makes a parent unusable is a reason to take everything,
 * with the reason said; another cluster's snapshots are a refusal.
 */
#ifndef SNAPSHOT_PARENT_H
#define SNAPSHOT_PARENT_H

#include "postgres/connection.h"
#include "repository/catalog.h"
#include "snapshot/page_filter.h"

struct parent {
    bool found;
    struct manifest manifest;   /* when found */
    uint8_t *pack_states;       /* enum pack_state for each of its packs */
    struct pack_index *samples; /* parent_sample: for each pack; without hashes where not read */
    int64_t newest_started_us;  /* of all snapshots there are, usable or not; 0 = none */
    uint64_t missing_packs;
    uint64_t live_pages; /* data pages that the parent's files use */
    char reason[256];    /* why not the newest, or none; "" when all is well */
};

/* Where the server is, before the backup starts. */
struct parent_server {
    struct server_identity identity;
    const struct timeline_entry *history; /* of identity.timeline, oldest first */
    size_t history_count;
};

/* ERROR_REFUSED: the repository holds snapshots of another system identifier. Fills *out
 * (parent_release). */
MUST_CHECK bool parent_choose(const struct repository *repository,
                              const struct parent_server *server, struct parent *out,
                              struct error *err);
/* Reads the indexes of a few packs, chosen at random (all of them in a small repository): with
 * their page hashes page_filter proves for every page in them that an old LSN means an old content.
 * What LSNs cannot tell is seen that way: a storage rollback, files put back by hand. Only for
 * clusters with page checksums, where no page changes without a new LSN. */
MUST_CHECK bool parent_sample(const struct repository *repository,
                              const struct random_source *random, struct parent *parent,
                              struct error *err);
void parent_release(struct parent *parent);

/* NULL when this snapshot lies on the server's history, so that page LSNs are comparable; else why
 * it does not, in `why`. */
const char *parent_history_problem(const struct snapshot_info *snapshot,
                                   const struct parent_server *server, char why[256]);

#endif
