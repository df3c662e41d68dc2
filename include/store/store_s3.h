/*
 * A store in an S3 bucket, signed with Signature V4 over our own HTTP client.
 *
 * Create-only is kept with "If-None-Match: *". Some stores do not know it (501) and some ignore it.
 * So the first small put is sent twice: a store that honours the condition refuses the second
 * (412). Until that is known every put looks with HEAD first; where it turns out to be unknown or
 * ignored this remains so, and two writers at the same instant are not told apart. Every upload
 * carries the SHA-256 of its bytes, which the store checks.
 */
#ifndef STORE_STORE_S3_H
#define STORE_STORE_S3_H

#include "base/clock.h"
#include "store/s3_credentials.h"
#include "store/s3_location.h"
#include "store/store.h"

struct store_s3_options {
    const char *ca_file; /* NULL: the system's */
    int64_t connect_timeout_us;
    int64_t stall_timeout_us;
    const struct clock *clock; /* for signatures; copied */
    struct store_lock lock;    /* copied; zeroed: nothing is locked */
};

/* With location.as_of_us the bucket as it was at that time (s3_versions.h).
 * Takes the location and the credentials, also when it fails. Gives *out. */
MUST_CHECK bool store_s3_open(const struct store_s3_options *options, struct s3_location *location,
                              struct s3_credentials *credentials, struct store **out,
                              struct error *err);

#endif
