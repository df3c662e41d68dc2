/*
 * Object lock of S3: versions of objects that nobody can delete until a time. src/store/README.md
 * tells what it protects from.
 *
 * A bucket that can lock keeps versions: a put over an object, and a delete, only hide the older
 * version. A lock keeps that version from being deleted for good. In governance mode whoever has
 * s3:BypassGovernanceRetention still can, in compliance mode nobody. A legal hold has no end:
 * whoever has s3:PutObjectLegalHold lifts it.
 *
 * Objects are locked for the configured time and a quarter of it. So an object that later work
 * needs again (a pack that another snapshot reuses) is renewed only when that quarter is used up:
 * one HEAD for each use, one PUT for each quarter. Source: Amazon S3 user guide, "Locking objects
 * with Object Lock"; API reference, PutObject, PutObjectRetention, PutObjectLegalHold,
 * GetObjectLockConfiguration,
 * GetBucketVersioning, GetBucketLifecycleConfiguration.
 */
#ifndef STORE_S3_LOCK_H
#define STORE_S3_LOCK_H

#include "base/text.h"
#include "store/s3_client.h"
#include "store/store.h"

enum { S3_LOCK_HEADERS = 4, S3_CHECKSUM_SIZE = 45 };

/* The texts of the headers that lock an object while it is put. */
struct s3_lock_texts {
    char until[TEXT_SIZE];
    char checksum[S3_CHECKSUM_SIZE];
};

bool s3_lock_covers(const struct store_lock *lock, const char *key);

/* Fills up to S3_LOCK_HEADERS headers, which borrow from the texts, and returns how many. S3 wants
 * a checksum with them. */
size_t s3_lock_headers(const struct s3_client *client, const struct store_lock *lock,
                       const void *bytes, size_t len, const uint8_t *sha256,
                       struct s3_lock_texts *texts, struct http_header *out);

/* *out_until_us: as in struct store_ops, of a version; NULL: of the newest. */
MUST_CHECK bool s3_lock_until(struct s3_client *client, const char *key, const char *version,
                              int64_t *out_until_us, struct error *err);

/* As s3_client_refused, of a call that asks for a lock: 400 has its reason. Returns false. */
bool s3_lock_refused(const struct s3_client *client, const struct s3_call *call,
                     const struct http_response *response, struct error *err);

/* struct store_ops, lock and protection. */
MUST_CHECK bool s3_lock_object(struct s3_client *client, const struct store_lock *lock,
                               const char *key, bool renew, int64_t *out_until_us,
                               struct error *err);
MUST_CHECK bool s3_lock_protection(struct s3_client *client, const struct store_lock *lock,
                                   struct store_protection *out, struct error *err);

#endif
