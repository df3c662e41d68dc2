/*
 * A store in an S3 bucket over libs3, which signs with Signature V2 (HMAC-SHA1), for stores that
 * still want it: signature=v2. Amazon's newer regions refuse V2.
 *
 * libs3 2.0 knows no conditional requests, so create-only is HEAD, then PUT, and two writers at the
 * same instant are not told apart. Over https it does not verify certificates (it sets
 * CURLOPT_SSL_VERIFYPEER to 0), so https is refused: put a TLS proxy on this machine in front.
 */
#ifndef STORE_STORE_S3V2_H
#define STORE_STORE_S3V2_H

#include "store/s3_credentials.h"
#include "store/s3_location.h"
#include "store/store.h"

struct store_s3v2_options {
    int64_t connect_timeout_us;
    int64_t stall_timeout_us;
};

/* Takes the location and the credentials, also when it fails. Gives *out. */
MUST_CHECK bool store_s3v2_open(const struct store_s3v2_options *options,
                                struct s3_location *location, struct s3_credentials *credentials,
                                struct store **out, struct error *err);

#endif
