#include "repository/run_record.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "record.h"
#include "repository/sealing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "runs/"

enum { KEY_SIZE = 128, ID_BYTES = 8 };

static const char *const job_names[RUN_JOB_COUNT] = {
    [RUN_VERIFY] = "verify", [RUN_EXPIRE] = "expire"};
static const char *const outcome_names[] = {[RUN_GOOD] = "good", [RUN_DAMAGED] = "damaged"};

/* --- names
 * ---------------------------------------------------------------------------------------- */

static bool find_name(const char *const *names, size_t count, const char *word, size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], word) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse_part(const char *part, const char *parts, struct run_record *out)
{
    uint64_t at;
    uint64_t of;
    if (!text_to_u64(part, &at) || !text_to_u64(parts, &of) || at == 0 || at > of ||
        of > RUN_PARTS_MAX)
        return false;
    out->part = (uint32_t)at;
    out->parts = (uint32_t)of;
    return true;
}

/* False for what nobody of us has stored. */
static bool parse_key(const char *key, struct run_record *out)
{
    enum { WORDS = 5 };
    char copy[KEY_SIZE];
    char *words[WORDS + 1];
    size_t count = 0;
    size_t job;
    size_t outcome;
    struct run_record record = {0};
    if (strlen(key) >= sizeof copy || !text_ends_with(key, ".json"))
        return false;
    (void)snprintf(copy, sizeof copy, "%s", key + strlen(PREFIX));
    char *rest = strchr(copy, '/');
    if (rest == NULL)
        return false;
    *rest++ = '\0';
    for (char *word = strsep(&rest, "-"); word != NULL && count <= WORDS; word = strsep(&rest, "-"))
        words[count++] = word;
    if (count != WORDS || !find_name(job_names, ARRAY_LEN(job_names), copy, &job) ||
        !text_to_time_key_us(words[0], &record.started_us) ||
        !parse_part(words[1], words[2], &record) ||
        !find_name(outcome_names, ARRAY_LEN(outcome_names), words[3], &outcome))
        return false;
    record.job = (enum run_job)job;
    record.outcome = (enum run_outcome)outcome;
    *out = record;
    return true;
}

static void put_key(const struct run_record *record, const struct random_source *random,
                    char out[KEY_SIZE])
{
    char when[TEXT_SIZE];
    uint8_t id[ID_BYTES];
    char hex[2 * ID_BYTES + 1];
    random_fill(random, id, sizeof id);
    text_hex(id, sizeof id, hex);
    (void)snprintf(out, KEY_SIZE, PREFIX "%s/%s-%" PRIu32 "-%" PRIu32 "-%s-%s.json",
                   job_names[record->job], text_time_key_us(record->started_us, when), record->part,
                   record->parts, outcome_names[record->outcome], hex);
}

/* --- storing
 * -------------------------------------------------------------------------------------- */

struct keys {
    char (*keys)[KEY_SIZE]; /* the newest, as a ring */
    size_t seen;
    struct store *store;
};

static bool take_key(void *context, const struct store_object *object, struct error *err)
{
    struct keys *keys = context;
    struct run_record record;
    if (!parse_key(object->key, &record))
        return true;
    char *slot = keys->keys[keys->seen++ % RUN_KEPT];
    if (keys->seen > RUN_KEPT && !store_remove(keys->store, slot, err))
        return false;
    (void)snprintf(slot, KEY_SIZE, "%s", object->key);
    return true;
}

/* Old ones are in nobody's way: what cannot be removed stays. */
static void remove_old(const struct repository *repository, enum run_job job)
{
    char prefix[KEY_SIZE];
    struct error ignored;
    struct keys keys = {.keys = calloc(RUN_KEPT, sizeof *keys.keys), .store = repository->store};
    (void)snprintf(prefix, sizeof prefix, PREFIX "%s/", job_names[job]);
    if (keys.keys != NULL)
        (void)!store_list(repository->store, prefix, take_key, &keys, &ignored);
    free(keys.keys);
}

bool run_record_put(const struct repository *repository, const struct run_record *record,
                    const struct clock *clock, const struct random_source *random,
                    struct error *err)
{
    char key[KEY_SIZE];
    char started[TEXT_SIZE];
    char finished[TEXT_SIZE];
    CLEANUP(value_cleanup) struct value *value = value_new_object(err);
    put_key(record, random, key);
    if (value == NULL || !value_set_text(value, "job", job_names[record->job], err) ||
        !value_set_text(value, "outcome", outcome_names[record->outcome], err) ||
        !value_set_text(value, "started", text_time_exact_us(record->started_us, started), err) ||
        !value_set_text(value, "finished", text_time_exact_us(clock_now_us(clock), finished),
                        err) ||
        !record_put(repository, key, value, err))
        return error_wrap(err, "could not store that the job was done");
    remove_old(repository, record->job);
    return true;
}

/* --- reading
 * -------------------------------------------------------------------------------------- */

struct listing {
    struct run_list list;
    char (*keys)[KEY_SIZE]; /* of its records */
};

static bool add_record(void *context, const struct store_object *object, struct error *err)
{
    struct listing *listing = context;
    struct run_list *list = &listing->list;
    struct run_record record;
    if (!parse_key(object->key, &record))
        return true;
    struct run_record *records = reallocarray(list->records, list->count + 1, sizeof *records);
    if (records == NULL)
        return error_no_memory(err, "the list of runs");
    list->records = records;
    char(*keys)[KEY_SIZE] = reallocarray(listing->keys, list->count + 1, sizeof *keys);
    if (keys == NULL)
        return error_no_memory(err, "the list of runs");
    listing->keys = keys;
    (void)snprintf(keys[list->count], KEY_SIZE, "%s", object->key);
    records[list->count++] = record;
    return true;
}

/* Whether one of the records from `first` on is a newer run of the same part. */
static bool is_outdated(const struct run_list *list, size_t first, const struct run_record *record)
{
    for (size_t i = first; i < list->count; i++) {
        const struct run_record *newer = &list->records[i];
        if (newer->job == record->job && newer->part == record->part &&
            newer->parts == record->parts)
            return true;
    }
    return false;
}

/* *out: whether it is an object that was sealed under this name. */
static bool opens(const struct repository *repository, const char *key, struct run_list *list,
                  bool *out, struct error *err)
{
    struct error problem;
    CLEANUP(value_cleanup) struct value *record = record_get(repository, key, &problem);
    *out = record != NULL;
    if (record != NULL || problem.kind == ERROR_NOT_FOUND) /* removed since it was listed */
        return true;
    if (!record_is_at_fault(problem.kind)) {
        *err = problem;
        return false;
    }
    if (list->unreadable_count++ == 0)
        (void)snprintf(list->problem, sizeof list->problem, "%.*s", (int)sizeof list->problem - 1,
                       problem.text);
    return true;
}

/* Anybody who can write to the store gives names: in a sealed repository a record must open. Of
 * each part the newest one decides, others are not asked for. */
static bool keep_opened(const struct repository *repository, struct listing *listing,
                        struct error *err)
{
    struct run_list *list = &listing->list;
    size_t first = list->count; /* those that stay are gathered at the end */
    for (size_t i = list->count; i-- > 0;) {
        bool stays;
        if (is_outdated(list, first, &list->records[i]))
            continue;
        if (!opens(repository, listing->keys[i], list, &stays, err))
            return false;
        if (stays)
            list->records[--first] = list->records[i];
    }
    list->count -= first;
    if (list->count > 0)
        memmove(list->records, list->records + first, list->count * sizeof *list->records);
    return true;
}

bool run_list_load(const struct repository *repository, struct run_list *out, struct error *err)
{
    struct listing listing = {0};
    bool done = store_list(repository->store, PREFIX, add_record, &listing, err) &&
                (!repository_is_sealed(repository) || keep_opened(repository, &listing, err));
    free(listing.keys);
    if (!done) {
        run_list_release(&listing.list);
        return error_wrap(err, "could not see which jobs ran");
    }
    *out = listing.list;
    return true;
}

void run_list_release(struct run_list *list)
{
    free(list->records);
    *list = (struct run_list){0};
}

int64_t run_list_last(const struct run_list *list, enum run_job job)
{
    int64_t last_us = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->records[i].job == job && list->records[i].started_us > last_us)
            last_us = list->records[i].started_us;
    }
    return last_us;
}

struct part_state {
    int64_t read_us; /* 0 = never */
    bool damaged;
};

static void read_part(struct part_state *state, const struct run_record *record)
{
    if (record->started_us < state->read_us)
        return;
    state->read_us = record->started_us;
    state->damaged = record->outcome == RUN_DAMAGED;
}

/* Damage may be in any of the parts then: each is to be read again. */
static void read_everything(struct part_state *states, uint32_t parts,
                            const struct run_record *record)
{
    for (uint32_t i = 0; i < parts; i++)
        read_part(&states[i], record);
}

static uint32_t newest_division(const struct run_list *list)
{
    int64_t last_us = 0;
    uint32_t parts = 1;
    for (size_t i = 0; i < list->count; i++) {
        const struct run_record *record = &list->records[i];
        if (record->job == RUN_VERIFY && record->parts > 1 && record->started_us >= last_us) {
            last_us = record->started_us;
            parts = record->parts;
        }
    }
    return parts;
}

void run_list_coverage(const struct run_list *list, uint32_t parts, struct run_coverage *out)
{
    struct part_state states[RUN_PARTS_MAX] = {0};
    struct run_coverage coverage = {.parts = parts > 0 ? parts : newest_division(list)};
    for (size_t i = 0; i < list->count; i++) {
        const struct run_record *record = &list->records[i];
        if (record->job != RUN_VERIFY)
            continue;
        if (record->parts == 1)
            read_everything(states, coverage.parts, record);
        else if (record->parts == coverage.parts)
            read_part(&states[record->part - 1], record);
    }
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < coverage.parts; i++) {
        coverage.parts_read += states[i].read_us > 0;
        coverage.parts_damaged += states[i].damaged;
        oldest = states[i].read_us < states[oldest].read_us ? i : oldest;
    }
    coverage.since_us = states[oldest].read_us;
    coverage.next = oldest + 1;
    coverage.last_us = run_list_last(list, RUN_VERIFY);
    *out = coverage;
}
