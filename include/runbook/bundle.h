/*
 * Runbooks on their way from one installation to another: a tar of runbooks and the fixtures of
 * their tests, signed.
 *
 *   manifest.json    {"format": 1, "key": id, "files": [{"path", "size", "sha256"}, ...]}, compact
 *   manifest.sig     the Ed25519 signature over the bytes of manifest.json, 128 hex digits
 *   the files, in the order of the manifest: NAME.yaml, and fixtures as "tests/mixed.sql"
 *
 * Reading believes nothing before the signature is checked, and then only what the manifest says:
 * plain files with the paths, sizes and hashes of the manifest, each once, all of them. A bundle is
 * held in memory; the maxima keep it small.
 */
#ifndef RUNBOOK_BUNDLE_H
#define RUNBOOK_BUNDLE_H

#include "base/buf.h"
#include "base/error.h"
#include "codec/signature.h"

#include <stddef.h>

enum {
    BUNDLE_MAX_FILES = 200,
    BUNDLE_MAX_FILE_BYTES = 4 * 1024 * 1024,
    BUNDLE_MAX_BYTES = 32 * 1024 * 1024,
};

struct bundle_file {
    char *path; /* relative; one of a runbook has no "/" and ends in ".yaml" */
    struct buf text;
};

struct bundle {
    struct bundle_file *files;
    size_t count;
    char key_id[SIGNATURE_KEY_ID_SIZE]; /* bundle_read: whose signature it was */
};

void bundle_release(struct bundle *bundle);

/* Adds a file: copies path and text. ERROR_INVALID for a path or size that no bundle may have. A
 * path that is there already with the same text is success, with another one ERROR_EXISTS. */
MUST_CHECK bool bundle_add(struct bundle *bundle, const char *path, const void *text, size_t len,
                           struct error *err);

/* Writes the archive to the descriptor. */
MUST_CHECK bool bundle_write(const struct bundle *bundle, const struct signing_key *key, int fd,
                             struct error *err);

/* Reads the archive from the descriptor. ERROR_REFUSED for a signature that is not trusted and for
 * anything that is not as the manifest says; ERROR_INVALID for what is no bundle. Gives *out. */
MUST_CHECK bool bundle_read(int fd, const struct trusted_keys *keys, struct bundle *out,
                            struct error *err);

/* -1, 0, 1: versions of three numbers. */
int runbook_version_compare(const char *left, const char *right);

#endif
