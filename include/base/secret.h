/*
 * A secret text: never in argv, logs, plans or core dumps; wiped on release. Print secret_mask(),
 * never the content.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/error.h"

#include <stddef.h>

struct secret {
    char *text; /* NULL when unset; NUL-terminated otherwise */
    size_t len;
};

/* Copies; the caller wipes its own source. A former content is wiped. */
MUST_CHECK bool secret_set(struct secret *secret, const char *text, struct error *err);
/* First line of a file (Kubernetes Secret mount), trailing newline removed. */
MUST_CHECK bool secret_read_file(struct secret *secret, const char *path, struct error *err);
void secret_release(struct secret *secret);
bool secret_is_set(const struct secret *secret);
/* "***" or "" */
const char *secret_mask(const struct secret *secret);

/* memset that the compiler keeps. */
void secret_wipe(void *bytes, size_t len);

#endif
