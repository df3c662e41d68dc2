/*
 * The keys for an S3 store, from the first of these that has them:
 *   1. files (Kubernetes Secret mounts): access_key_file and secret_key_file, session_token_file
 *   2. the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   3. the shared credentials file (INI): the profile's aws_access_key_id, aws_secret_access_key,
 *      aws_session_token
 * They are read when opened and again by s3_credentials_reload, after the store refused them: keys
 * that were rotated on disk come into use without a restart. May be used from several threads.
 */
#ifndef STORE_S3_CREDENTIALS_H
#define STORE_S3_CREDENTIALS_H

#include "base/error.h"
#include "base/secret.h"

#include <stdint.h>

struct s3_credentials;

/* Texts are borrowed until s3_credentials_open returns; all of them may be NULL. */
struct s3_credentials_options {
    const char *access_key_file;
    const char *secret_key_file;
    const char *session_token_file;
    const char *credentials_file; /* NULL: $AWS_SHARED_CREDENTIALS_FILE, $HOME/.aws/credentials */
    const char *profile;          /* NULL: $AWS_PROFILE, "default" */
    char *(*getenv)(const char *name); /* NULL: the process's environment */
};

struct s3_keys {
    struct secret access_key;
    struct secret secret_key;
    struct secret session_token; /* unset for long-lived keys */
    uint64_t generation;         /* changes with every reload that brought other keys */
};

/* Gives *out. ERROR_USAGE when there are no keys anywhere; the hint says where they may be. */
MUST_CHECK bool s3_credentials_open(const struct s3_credentials_options *options,
                                    struct s3_credentials **out, struct error *err);
/* Gives copies, to be wiped with s3_keys_release. */
MUST_CHECK bool s3_credentials_get(struct s3_credentials *credentials, struct s3_keys *out,
                                   struct error *err);
/* Reads the sources again. True when there are keys other than those of `used_generation`; a
 * source that cannot be read counts as unchanged: the refusal is the better message. */
bool s3_credentials_reload(struct s3_credentials *credentials, uint64_t used_generation);
/* NULL is allowed. */
void s3_credentials_close(struct s3_credentials *credentials);

void s3_keys_release(struct s3_keys *keys);

#endif
