/*
 * Opens a store from a URL and puts the wrappers around it (retry, trace when asked, and the meter
 * of the process that started this one).
 *
 *   /srv/backup   file:///srv/backup                       a local directory
 *   memory:                                                a store that ends with the process
 * (tests) s3://bucket/prefix?endpoint=HOST[:PORT]|URL&region=R&style=path|host&signature=v4|v2
 *
 * Credentials, in this order: files (Kubernetes Secret mounts), the environment
 * (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), web identity (IRSA), the shared
 * credentials file with its profile, container credentials (EKS pod identity, ECS), EC2 instance
 * metadata: store/s3_credentials.h tells all about them. They are read again when the store refuses
 * the key, and renewed before they expire.
 */
#ifndef STORE_STORE_OPEN_H
#define STORE_STORE_OPEN_H

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

struct store_options {
    const char *url;             /* all texts are borrowed until store_open returns */
    const char *ca_file;         /* NULL: the system's */
    const char *access_key_file; /* NULL: see above */
    const char *secret_key_file;
    const char *session_token_file;
    const char *credentials_file;       /* NULL: $AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials */
    const char *profile;                /* NULL: $AWS_PROFILE, "default" */
    int64_t connect_timeout_us;         /* 0: 10 s */
    int64_t stall_timeout_us;           /* no byte moves for this long: 0: 60 s */
    int64_t retry_total_us;             /* give up after this long in all: 0: 5 min */
    bool trace;                         /* one line on stderr for every call */
    const struct clock *clock;          /* NULL: clock_system */
    const struct random_source *random; /* NULL: random_system */
    char *(*getenv)(const char *name);  /* NULL: the process's environment */
};

/* Gives *out, to be closed by the caller. Does not talk to the store yet. */
MUST_CHECK bool store_open(const struct store_options *options, struct store **out,
                           struct error *err);

#endif
