/* What a server says about itself: IDENTIFY_SYSTEM, SHOW, TIMELINE_HISTORY. */
#include "connection_internal.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENT_SIZE = 128, VALUE_SIZE = 64 };

/* "16MB" as SHOW prints it: units are powers of 1024 whatever their spelling. */
static bool parse_size(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}, {"B", 0}};
    char digits[VALUE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!text_ends_with(text, units[i].unit))
            continue;
        size_t len = strlen(text) - strlen(units[i].unit);
        uint64_t number = 0;
        if (len >= sizeof digits)
            return false;
        memcpy(digits, text, len);
        digits[len] = '\0';
        if (!text_to_u64(digits, &number) || number > UINT64_MAX >> units[i].shift)
            return false;
        *out = number << units[i].shift;
        return true;
    }
    return text_to_u64(text, out);
}

static bool show(struct connection *connection, const char *setting, char out[VALUE_SIZE],
                 struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    char statement[STATEMENT_SIZE];
    char what[STATEMENT_SIZE];
    const char *value = NULL;
    (void)snprintf(statement, sizeof statement, "SHOW %s", setting);
    (void)snprintf(what, sizeof what, "read setting %s", setting);
    if (!connection_execute(connection, statement, PGRES_TUPLES_OK, what, &result, err) ||
        !connection_field(result, 0, 0, statement, &value, err))
        return false;
    (void)snprintf(out, VALUE_SIZE, "%s", value);
    return true;
}

static bool show_bool(struct connection *connection, const char *setting, bool *out,
                      struct error *err)
{
    char value[VALUE_SIZE];
    if (!show(connection, setting, value, err))
        return false;
    *out = strcmp(value, "on") == 0;
    return true;
}

static bool show_size(struct connection *connection, const char *setting, uint64_t *out,
                      struct error *err)
{
    char value[VALUE_SIZE];
    if (!show(connection, setting, value, err))
        return false;
    if (!parse_size(value, out))
        return error_set(err, ERROR_INVALID, "cannot use setting %s: \"%s\" is not a size", setting,
                         value);
    return true;
}

static bool show_block_size(struct connection *connection, const char *setting, uint32_t *out,
                            struct error *err)
{
    uint64_t size = 0;
    if (!show_size(connection, setting, &size, err))
        return false;
    if (size < 1024 || size > 65536)
        return error_set(err, ERROR_UNSUPPORTED, "cannot work with %s %" PRIu64, setting, size);
    *out = (uint32_t)size;
    return true;
}

/* 13 has no in_hot_standby; there a transaction is read-only in recovery whatever its default. */
static bool show_recovery(struct connection *connection, bool *out, struct error *err)
{
    bool read_only = false;
    bool read_only_anyway = false;
    if (connection_server_version(connection) >= 140000)
        return show_bool(connection, "in_hot_standby", out, err);
    if (!show_bool(connection, "transaction_read_only", &read_only, err) ||
        !show_bool(connection, "default_transaction_read_only", &read_only_anyway, err))
        return false;
    *out = read_only && !read_only_anyway;
    return true;
}

bool connection_read_settings(struct connection *connection, struct server_settings *out,
                              struct error *err)
{
    struct server_settings read = {0};
    char level[VALUE_SIZE];
    if (!show_bool(connection, "data_checksums", &read.data_checksums, err) ||
        !show_bool(connection, "full_page_writes", &read.full_page_writes, err) ||
        !show_bool(connection, "wal_log_hints", &read.wal_log_hints, err) ||
        !show_recovery(connection, &read.in_recovery, err) ||
        !show_block_size(connection, "block_size", &read.block_size, err) ||
        !show_block_size(connection, "wal_block_size", &read.wal_block_size, err) ||
        !show_size(connection, "wal_segment_size", &read.wal_segment_bytes, err) ||
        !show(connection, "wal_level", level, err) ||
        !show(connection, "server_version", read.server_version, err))
        return false;
    (void)snprintf(read.wal_level, sizeof read.wal_level, "%.15s", level);
    *out = read;
    return true;
}

bool connection_identify_system(struct connection *connection, struct server_identity *out,
                                struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    const char *fields[3] = {NULL};
    struct server_identity read = {0};
    uint64_t timeline = 0;
    if (!connection_execute(connection, "IDENTIFY_SYSTEM", PGRES_TUPLES_OK, "identify the server",
                            &result, err))
        return false;
    for (int i = 0; i < (int)ARRAY_LEN(fields); i++)
        if (!connection_field(result, 0, i, "IDENTIFY_SYSTEM", &fields[i], err))
            return false;
    if (!text_to_u64(fields[0], &read.system_identifier) || !text_to_u64(fields[1], &timeline) ||
        timeline > UINT32_MAX || !text_to_lsn(fields[2], &read.position))
        return error_set(err, ERROR_INVALID, "cannot use the server's answer to IDENTIFY_SYSTEM");
    read.timeline = (uint32_t)timeline;
    *out = read;
    return true;
}

bool connection_timeline_history(struct connection *connection, uint32_t timeline,
                                 struct timeline_entry **out, size_t *out_count, struct error *err)
{
    char *text = NULL;
    size_t len = 0;
    if (!connection_timeline_history_text(connection, timeline, &text, &len, err))
        return false;
    bool done = timeline_history_parse(text, len, timeline, out, out_count, err);
    free(text);
    return done;
}

bool connection_timeline_history_text(struct connection *connection, uint32_t timeline, char **out,
                                      size_t *out_len, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    char statement[STATEMENT_SIZE];
    const char *content = "";
    size_t len = 0;
    if (timeline > 1) { /* the first timeline has no file */
        (void)snprintf(statement, sizeof statement, "TIMELINE_HISTORY %" PRIu32, timeline);
        if (!connection_execute(connection, statement, PGRES_TUPLES_OK,
                                "read the history of the timeline", &result, err) ||
            !connection_field(result, 0, 1, statement, &content, err))
            return false;
        len = (size_t)PQgetlength(result, 0, 1);
    }
    if (len > TIMELINE_HISTORY_MAX_BYTES)
        return error_set(err, ERROR_INVALID,
                         "cannot use the history of timeline %" PRIu32 ": %zu bytes", timeline,
                         len);
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return error_no_memory(err, "a timeline history");
    memcpy(copy, content, len);
    copy[len] = '\0';
    *out = copy;
    *out_len = len;
    return true;
}
