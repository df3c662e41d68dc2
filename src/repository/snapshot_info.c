#include "repository/snapshot_info.h"

#include "base/cleanup.h"
#include "document/utf8.h"
#include "document/value.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_MAX_BYTES = 1 << 20 };

enum field_type {
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_U64_TEXT,
    FIELD_LSN,
    FIELD_TIME
};

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    size_t size; /* FIELD_TEXT */
};

#define TEXT_FIELD(name, member)                                  \
    {                                                             \
        name, FIELD_TEXT, offsetof(struct snapshot_info, member), \
            sizeof((struct snapshot_info *)0)->member             \
    }
#define FIELD(name, type, member)                             \
    {                                                         \
        name, type, offsetof(struct snapshot_info, member), 0 \
    }

/* The JSON object, member by member; the order is the order in the file. Identifiers of 64 bits and
 * LSNs are texts, because many JSON readers turn numbers into doubles. */
static const struct field fields[] = {
    TEXT_FIELD("id", id),
    TEXT_FIELD("parent", parent_id),
    FIELD("full", FIELD_BOOL, full),
    TEXT_FIELD("reason", reason),
    FIELD("started", FIELD_TIME, started_us),
    FIELD("finished", FIELD_TIME, finished_us),
    FIELD("system_identifier", FIELD_U64_TEXT, system_identifier),
    TEXT_FIELD("server_version", server_version),
    FIELD("server_version_num", FIELD_U32, server_version_num),
    FIELD("timeline", FIELD_U32, timeline),
    FIELD("start_lsn", FIELD_LSN, start_lsn),
    FIELD("stop_lsn", FIELD_LSN, stop_lsn),
    FIELD("wal_segment_bytes", FIELD_U64, wal_segment_bytes),
    FIELD("data_checksums", FIELD_BOOL, data_checksums),
    FIELD("wal_log_hints", FIELD_BOOL, wal_log_hints),
    FIELD("wal_included", FIELD_BOOL, wal_included),
    TEXT_FIELD("label", label),
    FIELD("files", FIELD_U64, file_count),
    FIELD("data_bytes", FIELD_U64, data_bytes),
    FIELD("pages_total", FIELD_U64, pages_total),
    FIELD("pages_stored", FIELD_U64, pages_stored),
    FIELD("pages_reused", FIELD_U64, pages_reused),
    FIELD("bytes_stored", FIELD_U64, bytes_stored),
    FIELD("packs", FIELD_U64, pack_count),
    FIELD("packs_new", FIELD_U64, packs_new),
    FIELD("damaged_pages", FIELD_BOOL, damaged_pages),
};

void snapshot_info_release(struct snapshot_info *info)
{
    for (size_t i = 0; i < info->tablespace_count; i++)
        free(info->tablespaces[i].path);
    for (size_t i = 0; i < info->warning_count; i++)
        free(info->warnings[i]);
    free(info->tablespaces);
    free(info->warnings);
    free(info->wal_ranges);
    *info = (struct snapshot_info){0};
}

bool snapshot_info_add_warning(struct snapshot_info *info, const char *text, struct error *err)
{
    char **warnings = realloc(info->warnings, (info->warning_count + 1) * sizeof *warnings);
    if (warnings == NULL)
        return error_no_memory(err, "a warning");
    info->warnings = warnings;
    warnings[info->warning_count] = strdup(text);
    if (warnings[info->warning_count] == NULL)
        return error_no_memory(err, "a warning");
    info->warning_count++;
    return true;
}

bool snapshot_info_add_tablespace(struct snapshot_info *info, uint32_t oid, const char *path,
                                  struct error *err)
{
    struct snapshot_tablespace *tablespaces = realloc(
        info->tablespaces, (info->tablespace_count + 1) * sizeof *tablespaces);
    if (tablespaces == NULL)
        return error_no_memory(err, "a tablespace");
    info->tablespaces = tablespaces;
    tablespaces[info->tablespace_count] = (struct snapshot_tablespace){.oid = oid,
                                                                       .path = strdup(path)};
    if (tablespaces[info->tablespace_count].path == NULL)
        return error_no_memory(err, "a tablespace");
    info->tablespace_count++;
    return true;
}

bool snapshot_info_add_wal_range(struct snapshot_info *info, const struct snapshot_wal_range *range,
                                 struct error *err)
{
    struct snapshot_wal_range *ranges = realloc(info->wal_ranges,
                                                (info->wal_range_count + 1) * sizeof *ranges);
    if (ranges == NULL)
        return error_no_memory(err, "a WAL range");
    info->wal_ranges = ranges;
    ranges[info->wal_range_count++] = *range;
    return true;
}

static bool put_field(struct value *object, const struct snapshot_info *info,
                      const struct field *field, struct error *err)
{
    const void *at = (const char *)info + field->offset;
    char text[TEXT_SIZE];
    switch (field->type) {
    case FIELD_TEXT:
        return value_set_text_lossy(object, field->key, at, err);
    case FIELD_BOOL:
        return value_set_bool(object, field->key, *(const bool *)at, err);
    case FIELD_U32:
        return value_set_u64(object, field->key, *(const uint32_t *)at, err);
    case FIELD_U64:
        return value_set_u64(object, field->key, *(const uint64_t *)at, err);
    case FIELD_U64_TEXT:
        (void)snprintf(text, sizeof text, "%" PRIu64, *(const uint64_t *)at);
        return value_set_text(object, field->key, text, err);
    case FIELD_LSN:
        return value_set_text(object, field->key, text_lsn(*(const uint64_t *)at, text), err);
    case FIELD_TIME:
        return value_set_text(object, field->key, text_time_exact_us(*(const int64_t *)at, text),
                              err);
    }
    return true;
}

/* The link is made from the path: bytes that are not UTF-8 come a second time, in hex. */
static bool put_path(struct value *item, const char *path, struct error *err)
{
    if (utf8_is_valid(path))
        return value_set_text(item, "path", path, err);
    CLEANUP(free_pointer) char *hex = malloc(2 * strlen(path) + 1);
    if (hex == NULL)
        return error_no_memory(err, "a tablespace");
    text_hex(path, strlen(path), hex);
    return value_set_text_lossy(item, "path", path, err) &&
           value_set_text(item, "path_hex", hex, err);
}

static bool put_tablespaces(struct value *object, const struct snapshot_info *info,
                            struct error *err)
{
    struct value *array = value_set_new_array(object, "tablespaces", err);
    if (array == NULL)
        return false;
    for (size_t i = 0; i < info->tablespace_count; i++) {
        struct value *item = value_append_new_object(array, err);
        if (item == NULL || !value_set_u64(item, "oid", info->tablespaces[i].oid, err) ||
            !put_path(item, info->tablespaces[i].path, err))
            return false;
    }
    return true;
}

static bool put_wal_ranges(struct value *object, const struct snapshot_info *info,
                           struct error *err)
{
    char lsn[TEXT_SIZE];
    struct value *array = value_set_new_array(object, "wal_ranges", err);
    if (array == NULL)
        return false;
    for (size_t i = 0; i < info->wal_range_count; i++) {
        const struct snapshot_wal_range *range = &info->wal_ranges[i];
        struct value *item = value_append_new_object(array, err);
        if (item == NULL || !value_set_u64(item, "timeline", range->timeline, err) ||
            !value_set_text(item, "start_lsn", text_lsn(range->start_lsn, lsn), err) ||
            !value_set_text(item, "end_lsn", text_lsn(range->end_lsn, lsn), err))
            return false;
    }
    return true;
}

static bool put_warnings(struct value *object, const struct snapshot_info *info, struct error *err)
{
    struct value *array = value_set_new_array(object, "warnings", err);
    if (array == NULL)
        return false;
    for (size_t i = 0; i < info->warning_count; i++)
        if (!value_append_text_lossy(array, info->warnings[i], err))
            return false;
    return true;
}

bool snapshot_info_to_json(const struct snapshot_info *info, struct buf *out, struct error *err)
{
    CLEANUP(value_cleanup) struct value *object = value_new_object(err);
    if (object == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (!put_field(object, info, &fields[i], err))
            return false;
    return put_tablespaces(object, info, err) && put_wal_ranges(object, info, err) &&
           put_warnings(object, info, err) && value_print(object, false, out, err);
}

static bool bad_field(const struct field *field, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "member \"%s\" has a value that cannot be", field->key);
}

static bool get_text(const struct value *object, const struct field *field, char *to,
                     struct error *err)
{
    const char *text;
    if (!value_get_text(object, field->key, &text, err))
        return false;
    if (strlen(text) >= field->size && field->size == SNAPSHOT_ID_SIZE)
        return bad_field(field, err);
    size_t len = 0; /* texts for people are cut behind their last whole character that fits */
    while (text[len] != '\0' && len + utf8_length(text + len) < field->size)
        len += utf8_length(text + len);
    memcpy(to, text, len);
    to[len] = '\0';
    return true;
}

/* Texts that hold a number: identifiers, LSNs, times. */
static bool get_typed_text(const struct value *object, const struct field *field, void *at,
                           struct error *err)
{
    const char *text;
    bool good = false;
    if (!value_get_text(object, field->key, &text, err))
        return false;
    if (field->type == FIELD_U64_TEXT)
        good = text_to_u64(text, at);
    else if (field->type == FIELD_LSN)
        good = text_to_lsn(text, at);
    else if (field->type == FIELD_TIME)
        good = text_to_time_us(text, at);
    return good || bad_field(field, err);
}

static bool get_field(const struct value *object, struct snapshot_info *info,
                      const struct field *field, struct error *err)
{
    void *at = (char *)info + field->offset;
    switch (field->type) {
    case FIELD_TEXT:
        return get_text(object, field, at, err);
    case FIELD_BOOL:
        return value_get_bool(object, field->key, at, err);
    case FIELD_U32:
        return value_get_u32(object, field->key, at, err);
    case FIELD_U64:
        return value_get_u64(object, field->key, at, err);
    case FIELD_U64_TEXT:
    case FIELD_LSN:
    case FIELD_TIME:
        return get_typed_text(object, field, at, err);
    }
    return true;
}

static bool get_lsn(const struct value *object, const char *key, uint64_t *out, struct error *err)
{
    const char *text;
    if (!value_get_text(object, key, &text, err))
        return false;
    return text_to_lsn(text, out) ||
           error_set(err, ERROR_CORRUPT, "member \"%s\" is not an LSN", key);
}

static bool get_wal_ranges(const struct value *object, struct snapshot_info *info,
                           struct error *err)
{
    const struct value *array;
    if (!value_get_array(object, "wal_ranges", &array, err))
        return false;
    for (size_t i = 0; i < value_count(array); i++) {
        const struct value *item;
        struct snapshot_wal_range range;
        if (!value_at_object(array, i, &item, err) ||
            !value_get_u32(item, "timeline", &range.timeline, err) ||
            !get_lsn(item, "start_lsn", &range.start_lsn, err) ||
            !get_lsn(item, "end_lsn", &range.end_lsn, err) ||
            !snapshot_info_add_wal_range(info, &range, err))
            return false;
    }
    return true;
}

static bool get_tablespace(const struct value *item, struct snapshot_info *info, struct error *err)
{
    uint32_t oid;
    const char *path;
    const char *hex;
    if (!value_get_u32(item, "oid", &oid, err) || !value_get_text(item, "path", &path, err) ||
        !value_get_text_or(item, "path_hex", "", &hex, err))
        return false;
    if (*hex == '\0')
        return snapshot_info_add_tablespace(info, oid, path, err);
    size_t len = strlen(hex) / 2;
    CLEANUP(free_pointer) char *bytes = calloc(len + 1, 1);
    if (bytes == NULL)
        return error_no_memory(err, "a tablespace");
    if (!text_from_hex(hex, bytes, len) || strlen(bytes) != len)
        return error_set(err, ERROR_CORRUPT, "member \"path_hex\" is not a path");
    return snapshot_info_add_tablespace(info, oid, bytes, err);
}

static bool get_lists(const struct value *object, struct snapshot_info *info, struct error *err)
{
    const struct value *array;
    if (!value_get_array(object, "tablespaces", &array, err))
        return false;
    for (size_t i = 0; i < value_count(array); i++) {
        const struct value *item;
        if (!value_at_object(array, i, &item, err) || !get_tablespace(item, info, err))
            return false;
    }
    if (!get_wal_ranges(object, info, err) || !value_get_array(object, "warnings", &array, err))
        return false;
    for (size_t i = 0; i < value_count(array); i++) {
        const char *text;
        if (!value_at_text(array, i, &text, err) || !snapshot_info_add_warning(info, text, err))
            return false;
    }
    return true;
}

static bool is_id(const char *text)
{
    uint8_t bytes[(SNAPSHOT_ID_SIZE - 1) / 2];
    return text_from_hex(text, bytes, sizeof bytes);
}

bool snapshot_info_from_json(const void *text, size_t len, const char *what,
                             struct snapshot_info *out, struct error *err)
{
    struct snapshot_info info = {0};
    CLEANUP(value_cleanup)
    struct value *object = value_parse(text, len, SUMMARY_MAX_BYTES, what, err);
    bool done = object != NULL;
    for (size_t i = 0; done && i < ARRAY_LEN(fields); i++)
        done = get_field(object, &info, &fields[i], err);
    done = done && get_lists(object, &info, err);
    if (done && (!is_id(info.id) || (info.parent_id[0] != '\0' && !is_id(info.parent_id))))
        done = error_set(err, ERROR_CORRUPT, "the snapshot has no valid id");
    if (!done) {
        snapshot_info_release(&info);
        err->kind = err->kind == ERROR_INVALID ? ERROR_CORRUPT : err->kind;
        return error_wrap(err, "%s is damaged", what);
    }
    *out = info;
    return true;
}
