/*
 * A store keeps immutable objects under keys: whole objects, written once, never overwritten.
 *
 * Keys are relative paths of ASCII letters, digits and "-_./" without empty parts and parts that
 * begin with a dot; a key is not the directory of another one. Listings leave out what has no such
 * key: somebody else's files.
 * Every function may be called from several threads at once on one store, and is safe to repeat.
 * Errors: ERROR_NOT_FOUND (get, stat), ERROR_EXISTS (put), ERROR_DENIED (credentials, rights),
 * ERROR_UNAVAILABLE with retryable set (no answer, 5xx, slow down), ERROR_NO_SPACE (disk or quota),
 * ERROR_CANCELLED. Messages name the key and the store.
 *
 * Drivers: store_local, store_memory, store_s3 (signature V4), store_s3v2 (libs3). Wrappers with
 * the same table: store_retry, store_trace, store_fault. tests/conformance proves each of them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { STORE_KEY_MAX = 512, STORE_HASH_BYTES = 32 };

/* One object of a listing. key is borrowed for the call and relative to the store's root. */
struct store_object {
    const char *key;
    uint64_t size_bytes;
    int64_t modified_us; /* since 1970; 0 where the store does not say */
};

/* Returns false, with err filled, to end the listing. */
typedef bool (*store_visit_fn)(void *context, const struct store_object *object, struct error *err);

/* Until when an object is kept that has a legal hold. */
#define STORE_HELD_US INT64_MAX

/* Which objects are put with a lock. All borrowed texts are static. */
struct store_lock {
    int64_t keep_us; /* how long at least; 0: for no time */
    bool
        compliance; /* nobody can lift it before; else governance: those with a special right can */
    bool hold;      /* legal hold, beside that time: until somebody with a special right lifts it */
    const char *const *prefixes; /* of the keys to be locked; ends in NULL */
};

/* What the store does for objects that are removed or overwritten. */
struct store_protection {
    bool known;               /* false: it does nothing, and the rest is empty */
    bool versions;            /* older versions are kept */
    bool lockable;            /* and can be locked */
    uint64_t noncurrent_days; /* after which the store removes them by itself; 0: never */
    struct store_lock lock;   /* what puts of this process do */
};

/* An object that is not what was put there first. key is borrowed for the call and relative to the
 * store's root. */
struct store_change {
    const char *key;
    bool put_over;      /* with other bytes */
    bool removed;       /* is not there any more */
    int64_t stored_us;  /* when the oldest version that is left was put */
    int64_t changed_us; /* the first change after that */
};

/* Returns false, with err filled, to end it. */
typedef bool (*store_change_fn)(void *context, const struct store_change *change,
                                struct error *err);

struct store {
    const struct store_ops *ops; /* drivers embed struct store as their first member */
};

struct store_ops {
    const char *name; /* "local", "s3": for messages */

    /* Stores the whole object or nothing, create-only: an existing key is ERROR_EXISTS and its
     * content stays. Durable when it returns true. Borrows bytes. sha256 (of the bytes) may be
     * NULL; when given, a store that can checks the upload against it. */
    bool (*put)(struct store *store, const char *key, const void *bytes, size_t len,
                const uint8_t *sha256, struct error *err);

    /* Reads up to `want` bytes from `offset`. *out_got is shorter only at the end of the object;
     * an offset at or behind the end gives 0 bytes. */
    bool (*get)(struct store *store, const char *key, uint64_t offset, size_t want, void *out,
                size_t *out_got, struct error *err);

    /* out->key is the caller's key. */
    bool (*stat)(struct store *store, const char *key, struct store_object *out, struct error *err);

    /* Visits every object whose key starts with prefix, in ascending byte order. */
    bool (*list)(struct store *store, const char *prefix, store_visit_fn visit, void *context,
                 struct error *err);

    /* An absent key is success. */
    bool (*remove)(struct store *store, const char *key, struct error *err);

    /* *out_until_us: until when the store keeps this object from being deleted for good (since
     * 1970; 0: it does not; STORE_HELD_US: a legal hold). With renew it is locked as long as a put
     * of now would lock it, if puts do. NULL: the store has no locks. */
    bool (*lock)(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                 struct error *err);

    /* NULL: the store protects nothing. */
    bool (*protection)(struct store *store, struct store_protection *out, struct error *err);

    /* Visits, in the order of keys, the objects below prefix that were put over with other bytes,
     * with removed_too also those that were removed before their locks end: neither is ever done by
     * us to what is put with a lock, but for packs/ and wal/ and keys/, whose objects are removed
     * by clean-ups that do not wait for locks. NULL: the store keeps no versions. */
    bool (*changes)(struct store *store, const char *prefix, bool removed_too,
                    store_change_fn visit, void *context, struct error *err);

    /* The store's own clock, for the skew check; local stores give the machine's. */
    bool (*time)(struct store *store, int64_t *out_unix_us, struct error *err);

    /* One phrase on how create-only is kept: "link(2)", "If-None-Match", "HEAD, then PUT". */
    const char *(*create_only)(struct store *store);

    /* Frees the store and what it wraps. */
    void (*close)(struct store *store);
};

MUST_CHECK bool store_put(struct store *store, const char *key, const void *bytes, size_t len,
                          const uint8_t *sha256, struct error *err);
MUST_CHECK bool store_get(struct store *store, const char *key, uint64_t offset, size_t want,
                          void *out, size_t *out_got, struct error *err);
MUST_CHECK bool store_stat(struct store *store, const char *key, struct store_object *out,
                           struct error *err);
MUST_CHECK bool store_list(struct store *store, const char *prefix, store_visit_fn visit,
                           void *context, struct error *err);
MUST_CHECK bool store_remove(struct store *store, const char *key, struct error *err);
MUST_CHECK bool store_lock(struct store *store, const char *key, bool renew, int64_t *out_until_us,
                           struct error *err);
MUST_CHECK bool store_protection(struct store *store, struct store_protection *out,
                                 struct error *err);
MUST_CHECK bool store_changes(struct store *store, const char *prefix, bool removed_too,
                              store_change_fn visit, void *context, struct error *err);
MUST_CHECK bool store_time(struct store *store, int64_t *out_unix_us, struct error *err);
const char *store_create_only(struct store *store);
/* Whether any object is to be locked. */
bool store_lock_is_wanted(const struct store_lock *lock);
/* NULL is allowed. */
void store_close(struct store *store);
/* For CLEANUP(store_cleanup). */
void store_cleanup(struct store **store);

/* False with ERROR_INVALID for a key outside the rules above. Drivers call it first. */
MUST_CHECK bool store_check_key(const char *key, struct error *err);

/* Decodes %XX in place; false for a broken escape or a zero byte. For the URLs of stores. */
MUST_CHECK bool store_url_decode(char *text);

#endif
