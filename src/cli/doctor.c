#include "cli/doctor.h"

#include "base/secret.h"
#include "base/text.h"
#include "repository/keyring.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PROBE_BYTES = 64, PROBE_KEY_SIZE = 32 };

static const int64_t second_us = 1000000;

void doctor_add_error(struct check_list *list, const char *name, const struct error *failure)
{
    check_add(list, name, CHECK_FAILED, "%.*s", CHECK_TEXT_SIZE - 1, failure->text);
    check_fix(list, "%s", failure->hint);
}

/* What was written has to come back. */
static bool probe_get(struct store *store, const char *key, const uint8_t *wanted,
                      struct error *err)
{
    uint8_t bytes[PROBE_BYTES];
    size_t got = 0;
    if (!store_get(store, key, 0, sizeof bytes, bytes, &got, err))
        return false;
    if (got != sizeof bytes || memcmp(bytes, wanted, sizeof bytes) != 0)
        return error_set(err, ERROR_CORRUPT, "object \"%s\" came back different", key);
    return true;
}

static void check_create_only(struct check_list *list, struct store *store, const char *key,
                              const uint8_t *bytes)
{
    static const char name[] = "store.create_only";
    struct error err;
    if (store_put(store, key, bytes, PROBE_BYTES, NULL, &err)) {
        check_add(list, name, CHECK_FAILED, "the store replaced an existing object");
        check_fix(list, "Use a store that honours If-None-Match, and one writer at a time.");
    } else if (err.kind == ERROR_EXISTS) {
        check_add(list, name, CHECK_OK, "an existing object is never replaced (%s)",
                  store_create_only(store));
    } else {
        doctor_add_error(list, name, &err);
    }
}

void doctor_check_store(struct check_list *list, struct store *store,
                        const struct random_source *random)
{
    struct error err;
    uint8_t bytes[PROBE_BYTES];
    char key[PROBE_KEY_SIZE];
    random_fill(random, bytes, sizeof bytes);
    (void)snprintf(key, sizeof key, "probe/%016" PRIx64, random_next(random));
    if (!store_put(store, key, bytes, sizeof bytes, NULL, &err)) {
        doctor_add_error(list, "store.write", &err);
        return;
    }
    check_add(list, "store.write", CHECK_OK, "a probe object was written");
    if (probe_get(store, key, bytes, &err))
        check_add(list, "store.read", CHECK_OK, "it came back unchanged");
    else
        doctor_add_error(list, "store.read", &err);
    check_create_only(list, store, key, bytes);
    if (store_remove(store, key, &err))
        check_add(list, "store.remove", CHECK_OK, "it was removed");
    else
        doctor_add_error(list, "store.remove", &err);
}

static void check_lock(struct check_list *list, const struct store_protection *found)
{
    static const char name[] = "store.lock";
    const struct store_lock *lock = &found->lock;
    const char *mode = lock->keep_us == 0 ? "none" : lock->compliance ? "compliance" : "governance";
    const char *hold = lock->hold ? ", and held until somebody lifts it" : "";
    long long days = (long long)(lock->keep_us / (86400 * second_us));
    if (store_lock_is_wanted(lock) && !found->lockable) {
        check_add(list, name, CHECK_FAILED, "store.lock-mode is %s%s, but the bucket cannot lock",
                  mode, lock->hold ? ", store.legal-hold true" : "");
        check_fix(list, "Make a bucket with object lock, or set store.lock-mode to none and "
                        "store.legal-hold to false.");
    } else if (lock->keep_us > 0) {
        check_add(list, name, CHECK_OK, "what is stored is locked for %lld days (%s)%s", days, mode,
                  hold);
    } else if (lock->hold) {
        check_add(list, name, CHECK_OK, "what is stored has a legal hold");
    } else if (found->lockable) {
        check_add(list, name, CHECK_WARNING,
                  "the bucket can lock objects, but nothing asks for it");
        check_fix(list, "Set store.lock-mode and store.lock-days.");
    }
}

/* --- what was changed ------------------------------------------------------------------------- */

enum { CHANGES_NAMED = 3, CHANGES_SIZE = 400 };

static const char changes_name[] = "store.changes";

struct changes {
    size_t count;
    int64_t first_us; /* the earliest change */
    char named[CHANGES_SIZE];
};

static bool note_change(void *context, const struct store_change *change, struct error *err)
{
    struct changes *changes = context;
    size_t used = strlen(changes->named);
    char time[TEXT_SIZE];
    (void)err;
    if (changes->count < CHANGES_NAMED)
        (void)snprintf(changes->named + used, sizeof changes->named - used, "%s%s (%s %s)",
                       used > 0 ? ", " : "", change->key, change->put_over ? "put over" : "removed",
                       text_time_us(change->changed_us, time));
    if (changes->count == 0 || change->changed_us < changes->first_us)
        changes->first_us = change->changed_us;
    changes->count++;
    return true;
}

/* Bytes are put once, and what is locked is not removed: whoever did it was not one of our jobs. */
static void check_changes(struct check_list *list, struct store *store)
{
    struct error err;
    struct changes changes = {0};
    char before[TEXT_SIZE];
    for (const char *const *prefix = repository_lasting_prefixes; *prefix != NULL; prefix++) {
        if (store_changes(store, *prefix, !repository_prunes(*prefix), note_change, &changes, &err))
            continue;
        check_add(list, changes_name, CHECK_WARNING, "could not look for changed objects: %.*s",
                  CHECK_TEXT_SIZE - 64, err.text);
        check_fix(list, "%s", err.hint);
        return;
    }
    if (changes.count == 0) {
        check_add(list, changes_name, CHECK_OK,
                  "nothing was put over, nothing removed under a lock");
        return;
    }
    check_add(list, changes_name, CHECK_FAILED,
              "objects were changed that never change, %zu in all: %s%s", changes.count,
              changes.named, changes.count > CHANGES_NAMED ? ", ..." : "");
    check_fix(list,
              "Take away the keys that may write; then read it as it was: append &as-of=%s to the "
              "repository's URL.",
              text_time_us(changes.first_us - second_us, before));
}

static bool was_changed(const struct check_list *list)
{
    for (size_t i = 0; i < list->count && i < CHECK_MAX; i++)
        if (strcmp(list->results[i].name, changes_name) == 0)
            return list->results[i].verdict == CHECK_FAILED;
    return false;
}

void doctor_check_protection(struct check_list *list, struct store *store)
{
    static const char name[] = "store.versions";
    struct error err;
    struct store_protection found;
    if (!store_protection(store, &found, &err)) {
        check_add(list, name, CHECK_WARNING, "could not see how the bucket is set: %.*s",
                  CHECK_TEXT_SIZE - 64, err.text);
        return;
    }
    if (!found.known)
        return;
    if (!found.versions) {
        check_add(list, name, CHECK_WARNING,
                  "what is deleted or overwritten is gone: whoever may write may destroy all");
        check_fix(list, "Use a bucket with versioning, better with object lock.");
    } else if (found.noncurrent_days == 0) {
        check_add(list, name, CHECK_WARNING,
                  "older versions are kept, and no rule ever removes them: they cost space");
        check_fix(list, "Give the bucket a lifecycle rule with NoncurrentVersionExpiration.");
    } else {
        check_add(list, name, CHECK_OK, "older versions are kept for %" PRIu64 " %s",
                  found.noncurrent_days, text_plural(found.noncurrent_days, "day", "days"));
    }
    check_lock(list, &found);
    if (found.versions)
        check_changes(list, store);
}

void doctor_check_clock(struct check_list *list, struct store *store, const struct clock *clock)
{
    struct error err;
    int64_t theirs;
    char text[TEXT_SIZE];
    int64_t before = clock_now_us(clock);
    if (!store_time(store, &theirs, &err)) {
        doctor_add_error(list, "store.clock", &err);
        return;
    }
    int64_t ours = before + (clock_now_us(clock) - before) / 2;
    int64_t skew = theirs > ours ? theirs - ours : ours - theirs;
    if (skew < 2 * second_us) { /* stores answer in whole seconds */
        check_add(list, "store.clock", CHECK_OK, "this machine and the store agree");
        return;
    }
    enum check_verdict verdict = skew > 600 * second_us  ? CHECK_FAILED
                                 : skew > 60 * second_us ? CHECK_WARNING
                                                         : CHECK_OK;
    check_add(list, "store.clock", verdict, "this machine is %s %s the store",
              text_duration_us(skew, text), theirs > ours ? "behind" : "ahead of");
    if (verdict != CHECK_OK)
        check_fix(list, "timedatectl set-ntp true");
}

void doctor_check_memory(struct check_list *list)
{
    static const char name[] = "process.memory_lock";
    if (secret_can_lock(SECRET_LOCK_WANTED_BYTES)) {
        check_add(list, name, CHECK_OK, "secrets are kept out of swap");
        return;
    }
    check_add(list, name, CHECK_WARNING, "RLIMIT_MEMLOCK is too small: secrets may be swapped");
    check_fix(list, "ulimit -l 8192; systemd: LimitMEMLOCK=8M; or encrypt the swap");
}

void doctor_check_repository(struct check_list *list, struct session *session,
                             const struct config *config, bool *out_open)
{
    struct error err;
    char id[2 * REPOSITORY_ID_BYTES + 1];
    *out_open = session_open_repository(session, config, &err);
    if (!*out_open) {
        doctor_add_error(list, "repository.open", &err);
        if (err.kind == ERROR_NOT_FOUND)
            check_fix(list, was_changed(list) ? "It may have been there: see store.changes."
                                              : "mainstay repo init");
        return;
    }
    text_hex(session->repository.id, sizeof session->repository.id, id);
    check_add(list, "repository.open", CHECK_OK, "repository %s can be opened", id);
}

struct key_census {
    size_t all; /* slots that open what is written now */
    size_t strangers;
    char stranger[KEY_KEY_SIZE]; /* one of them */
};

static void count_keys(const struct keyring *keyring, const struct key_objects *objects,
                       struct key_census *census)
{
    const uint8_t *current = keyring_current(keyring)->id;
    for (size_t i = 0; i < objects->count; i++) {
        const struct key_object *object = &objects->objects[i];
        if (!keyring_vouches_for(keyring, object)) {
            census->strangers++;
            (void)key_object_key(object, census->stranger);
        } else if (object->grant == GRANT_ALL &&
                   memcmp(object->generation, current, KEY_ID_BYTES) == 0) {
            census->all++;
        }
    }
}

static void add_census(struct check_list *list, const struct key_census *census, bool may_read)
{
    static const char name[] = "repository.keys";
    if (census->strangers > 0) {
        check_add(list, name, CHECK_FAILED,
                  "somebody who may write to the store added %zu, \"%s\" among them: nothing is "
                  "written for them",
                  census->strangers, census->stranger);
        check_fix(list, "Remove the object, and find out who can write there.");
    } else if (census->all < 2) {
        check_add(list, name, CHECK_WARNING,
                  "one key opens what is stored: when it is lost, all is");
        check_fix(list, "mainstay repo key export --paper");
    } else {
        check_add(list, name, CHECK_OK, "%zu keys open what is stored; this one %s", census->all,
                  may_read ? "does" : "may only write: restores and drills need another");
    }
}

void doctor_check_keys(struct check_list *list, const struct session *session)
{
    struct error err;
    struct key_census census = {0};
    const struct keyring *keyring = session->repository.keyring;
    CLEANUP(key_objects_release) struct key_objects objects = {0};
    if (keyring == NULL) {
        check_add(list, "repository.keys", CHECK_OK,
                  "the repository is not sealed: who can read the store can read the data");
        return;
    }
    if (!key_objects_load(session->store, &objects, &err)) {
        doctor_add_error(list, "repository.keys", &err);
        return;
    }
    count_keys(keyring, &objects, &census);
    add_census(list, &census, keyring_can_read(keyring));
}
