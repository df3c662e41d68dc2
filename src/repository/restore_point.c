#include "repository/restore_point.h"

#include "record.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 128 };

#define PREFIX "restore-points/"
#define SUFFIX ".json"

bool restore_point_check_name(const char *name, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t len = strlen(name);
    if (len > 0 && len <= RESTORE_POINT_NAME_MAX && strspn(name, allowed) == len &&
        isalnum((unsigned char)name[0]) != 0)
        return true;
    (void)error_set(err, ERROR_USAGE, "\"%.80s\" cannot be the name of a restore point", name);
    return error_hint(err,
                      "Use at most %d letters, digits and \"-_.\", beginning with a letter or a "
                      "digit.",
                      RESTORE_POINT_NAME_MAX);
}

static const char *point_key(const char *name, char out[KEY_SIZE])
{
    (void)snprintf(out, KEY_SIZE, PREFIX "%.63s" SUFFIX, name);
    return out;
}

static struct value *point_value(const struct restore_point *point, struct error *err)
{
    char lsn[TEXT_SIZE];
    char time[TEXT_SIZE];
    char system[TEXT_SIZE];
    (void)snprintf(system, sizeof system, "%" PRIu64, point->system_identifier);
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_text(root, "name", point->name, err) ||
        !value_set_text(root, "system_identifier", system, err) ||
        !value_set_u64(root, "timeline", point->timeline, err) ||
        !value_set_text(root, "lsn", text_lsn(point->lsn, lsn), err) ||
        !value_set_text(root, "time", text_time_exact_us(point->time_us, time), err))
        return NULL;
    return TAKE(root);
}

bool restore_point_put(const struct repository *repository, const struct restore_point *point,
                       struct error *err)
{
    char key[KEY_SIZE];
    if (!restore_point_check_name(point->name, err))
        return false;
    CLEANUP(value_cleanup) struct value *record = point_value(point, err);
    if (record == NULL)
        return false;
    if (record_put(repository, point_key(point->name, key), record, err))
        return true;
    return error_wrap(err, "could not store restore point \"%s\"", point->name);
}

static bool read_point(const struct value *root, struct restore_point *out, struct error *err)
{
    const char *name;
    const char *lsn;
    const char *time;
    const char *system;
    struct restore_point point = {0};
    if (!value_get_text(root, "name", &name, err) ||
        !value_get_text(root, "system_identifier", &system, err) ||
        !value_get_u32(root, "timeline", &point.timeline, err) ||
        !value_get_text(root, "lsn", &lsn, err) || !value_get_text(root, "time", &time, err))
        return false;
    if (!text_to_lsn(lsn, &point.lsn) || !text_to_time_us(time, &point.time_us) ||
        !text_to_u64(system, &point.system_identifier) || point.timeline == 0)
        return error_set(err, ERROR_INVALID, "a member has no meaning");
    (void)snprintf(point.name, sizeof point.name, "%.63s", name);
    *out = point;
    return true;
}

/* *record is NULL when it could not be read; err says why then. */
static bool take_point(const char *name, const struct value *record, struct restore_point *out,
                       struct error *err)
{
    struct restore_point point;
    if (record != NULL && !value_is_object(record))
        (void)error_set(err, ERROR_INVALID, "it is not a JSON object");
    else if (record != NULL && read_point(record, &point, err)) {
        if (strcmp(point.name, name) == 0) {
            *out = point;
            return true;
        }
        (void)error_set(err, ERROR_INVALID, "it describes another one");
    }
    if (err->kind == ERROR_INVALID)
        err->kind = ERROR_CORRUPT;
    return error_wrap(err, "could not read restore point \"%s\"", name);
}

bool restore_point_get(const struct repository *repository, const char *name,
                       struct restore_point *out, struct error *err)
{
    char key[KEY_SIZE];
    if (!restore_point_check_name(name, err))
        return false;
    CLEANUP(value_cleanup)
    struct value *record = record_get(repository, point_key(name, key), err);
    if (record != NULL || err->kind != ERROR_NOT_FOUND)
        return take_point(name, record, out, err);
    (void)error_set(err, ERROR_NOT_FOUND, "the repository has no restore point \"%s\"", name);
    return error_hint(err, "`mainstay restore-point list` shows them.");
}

struct point_list {
    struct restore_point *points;
    size_t count;
};

/* Only the names: a store must not be asked for objects while it lists. */
static bool add_name(void *context, const struct store_object *object, struct error *err)
{
    struct point_list *list = context;
    const char *name = object->key + strlen(PREFIX);
    if (!text_ends_with(name, SUFFIX) || strlen(name) - strlen(SUFFIX) > RESTORE_POINT_NAME_MAX)
        return true;
    struct restore_point *grown = reallocarray(list->points, list->count + 1, sizeof *grown);
    if (grown == NULL)
        return error_no_memory(err, "the list of restore points");
    list->points = grown;
    struct restore_point *point = &grown[list->count++];
    *point = (struct restore_point){0};
    (void)snprintf(point->name, sizeof point->name, "%.*s", (int)(strlen(name) - strlen(SUFFIX)),
                   name);
    return true;
}

bool restore_point_list(const struct repository *repository, struct restore_point **out,
                        size_t *out_count, struct error *err)
{
    struct point_list list = {0};
    bool done = store_list(repository->store, PREFIX, add_name, &list, err);
    for (size_t i = 0; done && i < list.count; i++) {
        char name[RESTORE_POINT_NAME_MAX + 1];
        (void)snprintf(name, sizeof name, "%s", list.points[i].name);
        done = restore_point_get(repository, name, &list.points[i], err);
    }
    if (!done) {
        free(list.points);
        return error_wrap(err, "could not list the restore points");
    }
    *out = list.points;
    *out_count = list.count;
    return true;
}
