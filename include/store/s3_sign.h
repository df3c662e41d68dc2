/*
 * AWS Signature Version 4 in the Authorization header.
 * Source: Amazon S3 API reference, "Signature Calculations for the Authorization Header"; proved
 * with the examples there and with AWS's aws-sig-v4-test-suite.
 */
#ifndef STORE_S3_SIGN_H
#define STORE_S3_SIGN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "net/http_client.h"

#include <stddef.h>
#include <stdint.h>

/* The hash of no bytes, as x-amz-content-sha256 of requests without a body. */
#define S3_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* One query parameter, not yet encoded. */
struct s3_param {
    const char *name;
    const char *value;
};

/* Everything is borrowed for the call. */
struct s3_signing {
    const char *method;
    const char *path;                  /* percent-encoded as it is sent, beginning with "/" */
    const char *query;                 /* what s3_put_query made, without "?" */
    const struct http_header *headers; /* all of them are signed; Host must be among them */
    size_t header_count;
    const char *payload_hash; /* hex, or "UNSIGNED-PAYLOAD" */
    const char *region;
    const char *service; /* "s3" */
    int64_t time_us;     /* the same second as the header x-amz-date */
    const char *access_key;
    const struct secret *secret_key;
};

/* Percent-encodes every byte but A-Z a-z 0-9 - . _ ~ (and "/" when keep_slash). */
void s3_put_encoded(struct buf *out, const char *text, bool keep_slash);

/* The canonical query, which is also sent: encoded and sorted by name, then value. */
void s3_put_query(struct buf *out, const struct s3_param *params, size_t count);

/* The canonical request, for tests and for explaining a mismatch; it holds no secret key. */
void s3_put_canonical_request(struct buf *out, const struct s3_signing *signing);

/* Appends the value of the Authorization header. */
MUST_CHECK bool s3_sign(const struct s3_signing *signing, struct buf *out, struct error *err);

#endif
