#include "cli/doctor.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PROBE_BYTES = 64, PROBE_KEY_SIZE = 32 };

static const int64_t second_us = 1000000;

void doctor_add(struct doctor *doctor, const char *name, enum check_verdict verdict,
                const char *text, const char *fix)
{
    if (doctor->count == DOCTOR_MAX_CHECKS)
        return;
    struct check_result *result = &doctor->results[doctor->count++];
    *result = (struct check_result){.verdict = verdict};
    (void)snprintf(result->name, sizeof result->name, "%.*s", (int)sizeof result->name - 1, name);
    (void)snprintf(result->text, sizeof result->text, "%.*s", (int)sizeof result->text - 1, text);
    (void)snprintf(result->fix, sizeof result->fix, "%.*s", (int)sizeof result->fix - 1, fix);
}

void doctor_add_error(struct doctor *doctor, const char *name, const struct error *failure)
{
    doctor_add(doctor, name, CHECK_FAILED, failure->text, failure->hint);
}

size_t doctor_number_of(const struct doctor *doctor, enum check_verdict verdict)
{
    size_t number = 0;
    for (size_t i = 0; i < doctor->count; i++)
        number += doctor->results[i].verdict == verdict;
    return number;
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

static void check_create_only(struct doctor *doctor, struct store *store, const char *key,
                              const uint8_t *bytes)
{
    struct error err;
    char text[256];
    const char *how = store_create_only(store);
    if (store_put(store, key, bytes, PROBE_BYTES, NULL, &err)) {
        doctor_add(doctor, "store_create_only", CHECK_FAILED,
                   "the store replaced an existing object",
                   "Use a store that honours If-None-Match, and one writer at a time.");
    } else if (err.kind == ERROR_EXISTS) {
        (void)snprintf(text, sizeof text, "an existing object is never replaced (%s)", how);
        doctor_add(doctor, "store_create_only", CHECK_OK, text, "");
    } else {
        doctor_add_error(doctor, "store_create_only", &err);
    }
}

void doctor_check_store(struct doctor *doctor, struct store *store,
                        const struct random_source *random)
{
    struct error err;
    uint8_t bytes[PROBE_BYTES];
    char key[PROBE_KEY_SIZE];
    random_fill(random, bytes, sizeof bytes);
    (void)snprintf(key, sizeof key, "probe/%016" PRIx64, random_next(random));
    if (!store_put(store, key, bytes, sizeof bytes, NULL, &err)) {
        doctor_add_error(doctor, "store_write", &err);
        return;
    }
    doctor_add(doctor, "store_write", CHECK_OK, "a probe object was written", "");
    if (probe_get(store, key, bytes, &err))
        doctor_add(doctor, "store_read", CHECK_OK, "it came back unchanged", "");
    else
        doctor_add_error(doctor, "store_read", &err);
    check_create_only(doctor, store, key, bytes);
    if (store_remove(store, key, &err))
        doctor_add(doctor, "store_remove", CHECK_OK, "it was removed", "");
    else
        doctor_add_error(doctor, "store_remove", &err);
}

void doctor_check_clock(struct doctor *doctor, struct store *store, const struct clock *clock)
{
    struct error err;
    int64_t theirs;
    char skew_text[TEXT_SIZE];
    char text[128];
    int64_t before = clock_now_us(clock);
    if (!store_time(store, &theirs, &err)) {
        doctor_add_error(doctor, "clock", &err);
        return;
    }
    int64_t ours = before + (clock_now_us(clock) - before) / 2;
    int64_t skew = theirs > ours ? theirs - ours : ours - theirs;
    if (skew < 2 * second_us) /* stores answer in whole seconds */
        (void)snprintf(text, sizeof text, "this machine and the store agree");
    else
        (void)snprintf(text, sizeof text, "this machine is %s %s the store",
                       text_duration_us(skew, skew_text), theirs > ours ? "behind" : "ahead of");
    if (skew <= 60 * second_us)
        doctor_add(doctor, "clock", CHECK_OK, text, "");
    else
        doctor_add(doctor, "clock", skew > 600 * second_us ? CHECK_FAILED : CHECK_WARNING, text,
                   "timedatectl set-ntp true");
}

void doctor_check_repository(struct doctor *doctor, struct session *session, bool *out_open)
{
    struct error err;
    char id[2 * REPOSITORY_ID_BYTES + 1];
    char text[128];
    *out_open = repository_open(session->store, &session->repository, &err);
    if (*out_open) {
        text_hex(session->repository.id, sizeof session->repository.id, id);
        (void)snprintf(text, sizeof text, "repository %s can be opened", id);
        doctor_add(doctor, "repository", CHECK_OK, text, "");
    } else if (err.kind == ERROR_NOT_FOUND) {
        doctor_add(doctor, "repository", CHECK_FAILED, err.text, "mainstay repo init");
    } else {
        doctor_add_error(doctor, "repository", &err);
    }
}
