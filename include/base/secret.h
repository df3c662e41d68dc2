/*
 * A secret text: never in argv, logs, plans or core dumps; wiped on release. Print secret_mask(),
 * never the content.
 *
 * It lies in pages of its own that are locked: they are never swapped, and are left out of any
 * dump. RLIMIT_MEMLOCK limits how much a process may lock; above it secrets work all the same, but
 * may be swapped: `mainstay doctor` and the daemon's log say so (secret_can_lock). What libpq and
 * libcurl copy for themselves is not locked; hosts without swap, or with encrypted swap, need none
 * of this.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>

struct secret {
    char *text; /* NULL when unset; NUL-terminated otherwise */
    size_t len;
};

/* Copies; the caller wipes its own source. A former content is wiped. */
MUST_CHECK bool secret_set(struct secret *secret, const char *text, struct error *err);
/* First line of a private file (Kubernetes Secret mount), trailing newline removed. */
MUST_CHECK bool secret_read_file(struct secret *secret, const char *path, struct error *err);
/* The same for a token that the platform issues and replaces: its mode is not ours to choose. */
MUST_CHECK bool secret_read_issued_file(struct secret *secret, const char *path, struct error *err);
void secret_release(struct secret *secret);
bool secret_is_set(const struct secret *secret);
/* "***" or "" */
const char *secret_mask(const struct secret *secret);

/* Appends a whole private file to out, which the caller wipes. ERROR_REFUSED when others than its
 * owner and group may read it, or others than its owner write it; links are followed, and the file
 * decides. The group may read, because that is how Kubernetes hands out a Secret (defaultMode 0440
 * with fsGroup), and Debian a password (root:mainstay 0640). */
MUST_CHECK bool secret_read_private_file(const char *path, struct buf *out, struct error *err);

/* Zeroed memory in locked pages, for keys; NULL when there is none. At least a page each. */
void *secret_alloc(size_t len);
/* Wipes. NULL is allowed; len as it was asked for. */
void secret_free(void *bytes, size_t len);
/* What the secrets of one process take, and more than that. */
enum { SECRET_LOCK_WANTED_BYTES = 32 * 1024 };
/* Whether this process may lock so much more. */
bool secret_can_lock(size_t len);

/* memset that the compiler keeps. */
void secret_wipe(void *bytes, size_t len);
/* From now on what anybody frees in this process is overwritten, libraries too; blocks up to 1 KiB
 * are not. New blocks are filled as well, so they take room at once: large buffers that may stay
 * empty are allocated before. */
void secret_wipe_freed(void);

#endif
