/*
 * Named restore points: what pg_create_restore_point made, kept so that a name leads to its place
 * in the WAL. A name is used once; the server itself would stop at the first of several. FORMAT.md
 * ("Restore point") has the members.
 */
#ifndef REPOSITORY_RESTORE_POINT_H
#define REPOSITORY_RESTORE_POINT_H

#include "repository/repository.h"

/* MAXFNAMELEN - 1: longer names are cut off by the server. */
enum { RESTORE_POINT_NAME_MAX = 63 };

struct restore_point {
    char name[RESTORE_POINT_NAME_MAX + 1];
    uint64_t system_identifier;
    uint32_t timeline;
    uint64_t lsn; /* the end of its record: WAL up to here holds it */
    int64_t time_us;
};

/* False with ERROR_USAGE for names that the server would cut off or a store cannot keep. */
MUST_CHECK bool restore_point_check_name(const char *name, struct error *err);

/* ERROR_EXISTS when the name was used before. */
MUST_CHECK bool restore_point_put(const struct repository *repository,
                                  const struct restore_point *point, struct error *err);
/* ERROR_NOT_FOUND when there is none; ERROR_CORRUPT when it cannot be read. */
MUST_CHECK bool restore_point_get(const struct repository *repository, const char *name,
                                  struct restore_point *out, struct error *err);

/* All of them, by name. Gives *out (free). */
MUST_CHECK bool restore_point_list(const struct repository *repository, struct restore_point **out,
                                   size_t *out_count, struct error *err);

#endif
