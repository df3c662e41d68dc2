/*
 * The keys for an S3 store, from the first of these sources that is there (the order of the AWS
 * SDKs). What configures it is in brackets; an empty variable counts as unset.
 *   1. files, Kubernetes Secret mounts (store.access-key-file and store.secret-key-file,
 *      store.session-token-file)
 *   2. the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)
 *   3. web identity, IRSA on EKS (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN,
 *      AWS_ROLE_SESSION_NAME): STS AssumeRoleWithWebIdentity. Left out when store.credentials-file
 *      or store.profile is given.
 *   4. the shared credentials file (store.credentials-file, AWS_SHARED_CREDENTIALS_FILE,
 *      ~/.aws/credentials; store.profile, AWS_PROFILE): aws_access_key_id, aws_secret_access_key
 * and aws_session_token of one profile. Role chains (role_arn, source_profile) are not followed.
 *   5. container credentials, EKS pod identity and ECS (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or
 *      _FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN)
 *   6. EC2 instance metadata, version 2 (unless AWS_EC2_METADATA_DISABLED is "true")
 * The source is chosen when opened and stays: one that fails later is an error that names it, and
 * no reason to go on with another one's rights.
 *
 * Sources 1, 2 and 4 are read when opened and again by s3_credentials_reload, after the store
 * refused their keys: keys that were rotated on disk come into use without a restart.
 *
 * Sources 3, 5 and 6 are asked over the network, first when keys are needed. Their keys expire.
 * They are renewed when between three and two tenths of their life are left, at most 15 minutes
 * (the moment is drawn, so that many clients do not come at once): by one thread, while the others
 * go on with keys that are still valid. If that fails it is tried again until they expire; only
 * then it is an error. They are also renewed when the store refuses them. Token files are read
 * again every time, because Kubernetes replaces them.
 *
 * May be used from several threads.
 */
#ifndef STORE_S3_CREDENTIALS_H
#define STORE_S3_CREDENTIALS_H

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"

#include <stdint.h>

struct s3_credentials;

/* Texts are borrowed until s3_credentials_open returns; everything may be NULL. */
struct s3_credentials_options {
    const char *access_key_file;
    const char *secret_key_file;
    const char *session_token_file;
    const char *credentials_file; /* NULL: $AWS_SHARED_CREDENTIALS_FILE, $HOME/.aws/credentials */
    const char *profile;          /* NULL: $AWS_PROFILE, "default" */
    const char *ca_file;          /* for STS and https container credentials; NULL: the system's */
    const char *region;           /* whose STS is asked when AWS_REGION and AWS_DEFAULT_REGION are
                                     unset; NULL: us-east-1 */
    int64_t timeout_us;           /* of a question to STS or an agent, as a whole; 0: 10 s */
    const struct clock *clock;    /* NULL: clock_system */
    const struct random_source *random; /* NULL: random_system */
    char *(*getenv)(const char *name);  /* NULL: the process's environment */
};

struct s3_keys {
    struct secret access_key;
    struct secret secret_key;
    struct secret session_token; /* unset for long-lived keys */
    int64_t expires_us;          /* since 1970; 0: never, or unknown */
    uint64_t generation;         /* changes with every reload that brought other keys */
};

/* Gives *out. ERROR_USAGE when there are no keys anywhere: the text says why no source has any, the
 * hint where they may be. */
MUST_CHECK bool s3_credentials_open(const struct s3_credentials_options *options,
                                    struct s3_credentials **out, struct error *err);
/* Gives copies, to be wiped with s3_keys_release. Errors are those of the source; what may work
 * later (no answer, 5xx, throttling) is ERROR_UNAVAILABLE and retryable. */
MUST_CHECK bool s3_credentials_get(struct s3_credentials *credentials, struct s3_keys *out,
                                   struct error *err);
/* After the store refused the keys of `used_generation`: asks the source again. *out_changed tells
 * whether there are other keys now. False when a source of keys that expire fails; a file that
 * cannot be read counts as unchanged, because the refusal is the better message. Keys that are less
 * than a second old are not asked for again. */
MUST_CHECK bool s3_credentials_reload(struct s3_credentials *credentials, uint64_t used_generation,
                                      bool *out_changed, struct error *err);
/* NULL is allowed. */
void s3_credentials_close(struct s3_credentials *credentials);

void s3_keys_release(struct s3_keys *keys);

#endif
