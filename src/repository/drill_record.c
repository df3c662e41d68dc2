#include "repository/drill_record.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "drills/"

enum { KEY_SIZE = 96, WORDS = 3, PREFIX_MIN = 4 };

static const char *put_key(const struct drill_record *record, char out[KEY_SIZE])
{
    char when[TEXT_SIZE];
    (void)snprintf(out, KEY_SIZE, PREFIX "%s-%s-%s.json",
                   text_time_key_us(record->started_us, when), record->passed ? "passed" : "failed",
                   record->id);
    return out;
}

/* False for what nobody of us has stored. */
static bool parse_key(const char *key, struct drill_record *out)
{
    char copy[KEY_SIZE];
    char again[KEY_SIZE];
    char *words[WORDS + 1];
    size_t count = 0;
    struct drill_record record = {0};
    if (strlen(key) >= sizeof copy || !text_starts_with(key, PREFIX) ||
        !text_ends_with(key, ".json"))
        return false;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)(strlen(key) - strlen(".json")), key);
    char *rest = copy + strlen(PREFIX);
    for (char *word = strsep(&rest, "-"); word != NULL && count <= WORDS; word = strsep(&rest, "-"))
        words[count++] = word;
    if (count != WORDS || !text_to_time_key_us(words[0], &record.started_us) ||
        strlen(words[2]) != DRILL_ID_SIZE - 1)
        return false;
    record.passed = strcmp(words[1], "passed") == 0;
    (void)snprintf(record.id, sizeof record.id, "%s", words[2]);
    *out = record;
    return strcmp(put_key(&record, again), key) == 0;
}

static bool add_record(void *context, const struct store_object *object, struct error *err)
{
    struct drill_list *list = context;
    struct drill_record record;
    if (!parse_key(object->key, &record))
        return true;
    struct drill_record *records = reallocarray(list->records, list->count + 1, sizeof *records);
    if (records == NULL)
        return error_no_memory(err, "the list of drills");
    list->records = records;
    records[list->count++] = record;
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct drill_record *left = a;
    const struct drill_record *right = b;
    if (left->started_us != right->started_us)
        return left->started_us < right->started_us ? -1 : 1;
    return strcmp(left->id, right->id);
}

bool drill_list_load(const struct repository *repository, struct drill_list *out, struct error *err)
{
    struct drill_list list = {0};
    if (!store_list(repository->store, PREFIX, add_record, &list, err)) {
        drill_list_release(&list);
        return error_wrap(err, "could not list the drills");
    }
    if (list.count > 1)
        qsort(list.records, list.count, sizeof *list.records, compare);
    *out = list;
    return true;
}

void drill_list_release(struct drill_list *list)
{
    free(list->records);
    *list = (struct drill_list){0};
}

bool drill_list_find(const struct drill_list *list, const char *wanted,
                     const struct drill_record **out, struct error *err)
{
    const struct drill_record *found = NULL;
    size_t matches = 0;
    if (strcmp(wanted, "latest") == 0 && list->count > 0) {
        *out = &list->records[list->count - 1];
        return true;
    }
    for (size_t i = 0; i < list->count && strlen(wanted) >= PREFIX_MIN; i++) {
        if (text_starts_with(list->records[i].id, wanted)) {
            found = &list->records[i];
            matches++;
        }
    }
    if (matches > 1)
        return error_set(err, ERROR_USAGE, "drill \"%.40s\" is ambiguous: %zu begin like this",
                         wanted, matches);
    if (matches == 0) {
        (void)error_set(err, ERROR_NOT_FOUND, "there is no drill \"%.40s\"", wanted);
        return error_hint(err, list->count == 0 ? "No drill was ever made: `mainstay drill run`."
                                                : "`mainstay drill list` shows those there are.");
    }
    *out = found;
    return true;
}

/* Old ones are in nobody's way: what cannot be removed stays. */
static void remove_old(const struct repository *repository)
{
    char key[KEY_SIZE];
    struct error ignored;
    CLEANUP(drill_list_release) struct drill_list list = {0};
    if (!drill_list_load(repository, &list, &ignored))
        return;
    for (size_t i = 0; i + DRILLS_KEPT < list.count; i++)
        (void)!store_remove(repository->store, put_key(&list.records[i], key), &ignored);
}

bool drill_record_put(const struct repository *repository, const struct drill_record *record,
                      const struct value *proof, struct error *err)
{
    char key[KEY_SIZE];
    if (!record_put(repository, put_key(record, key), proof, err))
        return error_wrap(err, "could not store the proof of the drill");
    remove_old(repository);
    return true;
}

struct value *drill_record_get(const struct repository *repository,
                               const struct drill_record *record, struct error *err)
{
    char key[KEY_SIZE];
    return record_get(repository, put_key(record, key), err);
}

static bool read_good(const struct repository *repository, const struct drill_record *record,
                      struct drill_summary *summary, struct error *err)
{
    int64_t finished_us;
    CLEANUP(value_cleanup) struct value *proof = drill_record_get(repository, record, err);
    if (proof == NULL)
        return err->kind == ERROR_NOT_FOUND; /* removed since it was listed */
    if (!value_get_i64(proof, "finished_us", &finished_us, err) ||
        !value_get_i64(proof, "rto_us", &summary->rto_us, err) ||
        !value_get_i64(proof, "rpo_us", &summary->rpo_us, err))
        return error_wrap(err, "could not read the proof of drill %s", record->id);
    summary->duration_us = finished_us - record->started_us;
    return true;
}

bool drill_summary_load(const struct repository *repository, struct drill_summary *out,
                        struct error *err)
{
    struct drill_summary summary = {.rto_us = -1, .rpo_us = -1};
    const struct drill_record *good = NULL;
    CLEANUP(drill_list_release) struct drill_list list = {0};
    if (!drill_list_load(repository, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        good = list.records[i].passed ? &list.records[i] : good;
        summary.failures_in_row = list.records[i].passed ? 0 : summary.failures_in_row + 1;
    }
    summary.count = list.count;
    summary.last_us = list.count == 0 ? 0 : list.records[list.count - 1].started_us;
    summary.good_us = good == NULL ? 0 : good->started_us;
    if (good != NULL && !read_good(repository, good, &summary, err))
        return false;
    *out = summary;
    return true;
}
