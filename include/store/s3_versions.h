/*
 * A bucket with versions as it was at a time: read-only. Where somebody has deleted or overwritten
 * everything, this is what was there before.
 *
 * Of every key the newest version that is not newer than that time counts; if it is a delete marker
 * there was no object. Amazon's times have whole seconds: choose one that is a second or more
 * before what is to be undone. The versions are listed once, when the first call comes. Puts and
 * removals are ERROR_REFUSED, so nothing of what is found is changed. Source: Amazon S3 API
 * reference, ListObjectVersions, GetObject (versionId).
 */
#ifndef STORE_S3_VERSIONS_H
#define STORE_S3_VERSIONS_H

#include "store/s3_client.h"
#include "store/store.h"

/* As the store gave it. */
struct s3_version {
    char *key;
    char *id;
    char *etag; /* of equal bytes equal; NULL where the store does not say, and for a marker */
    uint64_t size_bytes;
    int64_t modified_us;
    bool is_delete_marker;
};

struct s3_version_page {
    struct s3_version *versions;
    size_t count;
    size_t capacity;
    bool truncated;
    char *next_key; /* NULL when there is none */
    char *next_id;
};

MUST_CHECK bool s3_version_page_parse(struct s3_version_page *page, const void *body, size_t len,
                                      struct error *err);
void s3_version_page_release(struct s3_version_page *page);

/* Returns false, with err filled, to end it. May take what the version holds: it is zeroed then.
 * The key is relative to the location's prefix. */
typedef bool (*s3_version_fn)(void *context, struct s3_version *version, struct error *err);

/* Visits all versions of the keys that begin with prefix: in the order of keys, of each key the
 * newest first. */
MUST_CHECK bool s3_versions_list(struct s3_client *client, const char *prefix, s3_version_fn visit,
                                 void *context, struct error *err);
void s3_version_release(struct s3_version *version);

/* Takes what the client holds, also when it fails. location.as_of_us is the time. Gives *out. */
MUST_CHECK bool s3_versions_open(struct s3_client *client, struct store **out, struct error *err);

#endif
