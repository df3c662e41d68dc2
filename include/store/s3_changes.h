/*
 * What somebody changed in a bucket with versions: objects are put once, never over, and those with
 * a lock are not removed before it ends (struct store_ops, changes). A put over an object with
 * other bytes, and a delete, leave the version of before: that is seen here, from one listing of
 * versions and, for what was deleted, one HEAD for each. Source: Amazon S3 user guide, "How S3
 * Versioning works"; API reference, ListObjectVersions.
 */
#ifndef STORE_S3_CHANGES_H
#define STORE_S3_CHANGES_H

#include "store/s3_client.h"
#include "store/store.h"

MUST_CHECK bool s3_changes_visit(struct s3_client *client, const char *prefix, bool removed_too,
                                 store_change_fn visit, void *context, struct error *err);

#endif
