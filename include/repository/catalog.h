/* Which snapshots a repository holds. A snapshot exists when its manifest does. */
#ifndef REPOSITORY_CATALOG_H
#define REPOSITORY_CATALOG_H

#include "repository/repository.h"
#include "repository/snapshot_info.h"

struct catalog_entry {
    char *key;           /* "snapshots/20260301T120005.000000Z-<id>.manifest" */
    uint64_t size_bytes; /* of the manifest */
    bool readable;       /* false: info is empty and problem says why */
    struct snapshot_info info;
    char problem[256];
};

struct catalog {
    struct catalog_entry *entries; /* oldest first */
    size_t count;
};

/* Lists and reads the summaries. An unreadable manifest is an entry, not an error; one that was
 * removed since it was listed is neither. Gives *out. */
MUST_CHECK bool catalog_load(const struct repository *repository, struct catalog *out,
                             struct error *err);
void catalog_release(struct catalog *catalog);

/* "latest" (ERROR_CORRUPT when that one cannot be read: no other is put in its place), a full id,
 * or a unique prefix of at least 4 digits. ERROR_NOT_FOUND names what there is; ERROR_USAGE for an
 * ambiguous prefix. *out points into the catalog. */
MUST_CHECK bool catalog_find(const struct catalog *catalog, const char *wanted,
                             const struct catalog_entry **out, struct error *err);

#endif
