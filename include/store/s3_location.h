/*
 * Where an S3 store is, from its URL:
 *   s3://bucket/prefix?endpoint=HOST[:PORT]|URL&region=R&style=path|host&signature=v4|v2&as-of=TIME
 * Without endpoint it is Amazon's for the region, in host style; with one the default is path
 * style. as-of (2026-03-01T12:00:00Z) is the bucket as it was then. Without region it is us-east-1.
 * An endpoint without a scheme means https.
 */
#ifndef STORE_S3_LOCATION_H
#define STORE_S3_LOCATION_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct s3_location {
    char *bucket;
    char *prefix; /* "" or ending in "/": goes in front of every key */
    char *host;   /* of the endpoint, with the port when it is not the scheme's own */
    char *region;
    bool tls;
    bool path_style;
    bool signature_v2;
    int64_t as_of_us; /* 0: now */
};

/* ERROR_USAGE for anything that is not as above; an unknown parameter gets the nearest known one.
 */
MUST_CHECK bool s3_location_parse(struct s3_location *out, const char *url, struct error *err);
void s3_location_release(struct s3_location *location);

#endif
