/*
 * Keys in the answers of remote sources: bytes from outside. Texts of keys are printable ASCII
 * without blanks, as HTTP headers need them; everything else is ERROR_INVALID, and no message holds
 * any of it.
 */
#ifndef STORE_S3_KEY_ANSWER_H
#define STORE_S3_KEY_ANSWER_H

#include "store/s3_credentials.h"

#include <stddef.h>

/* AssumeRoleWithWebIdentityResponse. Source: AWS Security Token Service API reference. The session
 * token and the expiration must be there. */
MUST_CHECK bool s3_key_answer_sts(struct s3_keys *out, const void *body, size_t len,
                                  struct error *err);

/* The JSON of container credentials and instance metadata: AccessKeyId, SecretAccessKey, Token,
 * Expiration; a Code other than "Success" is ERROR_DENIED. Token and expiration may be missing.
 * Source: AWS SDKs and Tools reference, "Container credential provider"; EC2 user guide, "Retrieve
 * security credentials from instance metadata". */
MUST_CHECK bool s3_key_answer_json(struct s3_keys *out, const void *body, size_t len,
                                   struct error *err);

enum { S3_KEY_PROBLEM_MAX = 256 };

/* "ExpiredTokenException: the token is expired", for people, from an answer that is a refusal (XML
 * of STS, JSON of the others); "" when it is neither. Printable ASCII only. */
void s3_key_answer_problem(const void *body, size_t len, char out[S3_KEY_PROBLEM_MAX]);

#endif
