/* Small JSON objects of the repository: pins, leases, proofs of drills. Private to src/repository.
 */
#ifndef REPOSITORY_RECORD_H
#define REPOSITORY_RECORD_H

#include "document/value.h"
#include "repository/repository.h"

enum { RECORD_MAX_BYTES = 1 << 20 };

/* Prints the object and puts it under the key, create-only. */
MUST_CHECK bool record_put(const struct repository *repository, const char *key,
                           const struct value *record, struct error *err);
/* Reads and parses it. ERROR_NOT_FOUND; ERROR_CORRUPT when it is no JSON object. Gives the root. */
MUST_CHECK struct value *record_get(const struct repository *repository, const char *key,
                                    struct error *err);
/* What says something about this one object, not about the store or this machine. */
bool record_is_at_fault(enum error_kind kind);

#endif
