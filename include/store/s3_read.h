/* Reading from a bucket: what both drivers of Signature V4 share. */
#ifndef STORE_S3_READ_H
#define STORE_S3_READ_H

#include "store/s3_client.h"

/* struct store_ops, get, for want > 0. version: of a bucket with versions; NULL: the current one.
 */
MUST_CHECK bool s3_read(struct s3_client *client, const char *key, const char *version,
                        uint64_t offset, size_t want, void *out, size_t *out_got,
                        struct error *err);

/* The Date of an answer; a refusal has one, too. */
MUST_CHECK bool s3_read_time(struct s3_client *client, int64_t *out_unix_us, struct error *err);

#endif
