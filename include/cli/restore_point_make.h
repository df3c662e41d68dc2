/*
 * A restore point on the server of postgres.connection, with its WAL in the repository: what
 * `restore-point create` and a runbook's step do.
 */
#ifndef CLI_RESTORE_POINT_MAKE_H
#define CLI_RESTORE_POINT_MAKE_H

#include "config/config.h"
#include "repository/restore_point.h"

/* ERROR_REFUSED for a name that was used; ERROR_UNAVAILABLE when it is made, but its WAL did not
 * arrive in time. */
MUST_CHECK bool restore_point_make(const struct config *config, const char *name,
                                   int64_t timeout_us, struct restore_point *out,
                                   struct error *err);

#endif
