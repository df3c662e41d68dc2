#include "store/s3_changes.h"

#include "base/cleanup.h"
#include "store/s3_lock.h"
#include "store/s3_versions.h"

#include <stdio.h>
#include <string.h>

/* The versions of one key as they come, newest first. */
struct one_key {
    char key[STORE_KEY_MAX];
    struct s3_version oldest; /* that came so far and is no delete marker; no key: none */
    int64_t changed_us;       /* of what came next after the oldest */
    int64_t last_us;          /* of the version or marker that came last */
    bool removed;             /* the newest is a delete marker */
    bool put_over;
};

struct changes {
    struct s3_client *client;
    bool removed_too;
    store_change_fn visit;
    void *context;
    struct one_key now;
};

static void changes_release(struct changes *changes)
{
    s3_version_release(&changes->now.oldest);
}

/* Without a hash of both nobody knows that they are equal. */
static bool same_bytes(const struct s3_version *one, const struct s3_version *other)
{
    return one->size_bytes == other->size_bytes && one->etag != NULL && other->etag != NULL &&
           strcmp(one->etag, other->etag) == 0;
}

/* All versions of the key have come. */
static bool judge(const struct changes *changes, struct error *err)
{
    int64_t until_us = 0;
    const struct one_key *now = &changes->now;
    const struct store_change change = {.key = now->key,
                                        .put_over = now->put_over,
                                        .removed = now->removed,
                                        .stored_us = now->oldest.modified_us,
                                        .changed_us = now->changed_us};
    if (now->oldest.key == NULL)
        return true;
    if (now->put_over)
        return changes->visit(changes->context, &change, err);
    if (!now->removed || !changes->removed_too)
        return true;
    return s3_lock_until(changes->client, now->key, now->oldest.id, &until_us, err) &&
           (until_us <= now->changed_us || changes->visit(changes->context, &change, err));
}

static bool take_version(void *context, struct s3_version *version, struct error *err)
{
    struct changes *changes = context;
    struct one_key *now = &changes->now;
    if (strcmp(version->key, now->key) != 0) {
        if (!judge(changes, err))
            return false;
        changes_release(changes);
        *now = (struct one_key){.removed = version->is_delete_marker};
        (void)snprintf(now->key, sizeof now->key, "%s", version->key);
    }
    int64_t next_us = now->last_us;
    now->last_us = version->modified_us;
    if (version->is_delete_marker)
        return true;
    now->changed_us = next_us;
    now->put_over = now->put_over ||
                    (now->oldest.key != NULL && !same_bytes(version, &now->oldest));
    s3_version_release(&now->oldest);
    now->oldest = *version;
    *version = (struct s3_version){0};
    return true;
}

bool s3_changes_visit(struct s3_client *client, const char *prefix, bool removed_too,
                      store_change_fn visit, void *context, struct error *err)
{
    CLEANUP(changes_release)
    struct changes changes = {
        .client = client, .removed_too = removed_too, .visit = visit, .context = context};
    return s3_versions_list(client, prefix, take_version, &changes, err) && judge(&changes, err);
}
