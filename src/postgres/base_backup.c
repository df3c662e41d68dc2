#include "postgres/base_backup.h"

#include "base_backup_internal.h"
#include "connection_error.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_MAX = 1023, /* MAXPGPATH - 1 */
    RATE_MIN_KIB = 32,
    RATE_MAX_KIB = 1048576,
    STATEMENT_MAX = 8192,
    WARNING_SIZE = 600,
    TABLESPACES_MAX = 100000,
    OPTION_LIST_VERSION = 150000,
    STALL_TIMEOUT_S = 900, /* in mid-copy; the checkpoint at the start may take longer */
};

static bool check_options(const struct base_backup_options *options, struct error *err)
{
    size_t len = strlen(options->label);
    if (len == 0 || len > LABEL_MAX)
        return error_set(err, ERROR_USAGE, "cannot use a backup label of %zu bytes", len);
    for (const char *at = options->label; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127) /* it becomes a line of backup_label */
            return error_set(err, ERROR_USAGE, "cannot use a backup label with control characters");
    if (options->max_rate_kib != 0 &&
        (options->max_rate_kib < RATE_MIN_KIB || options->max_rate_kib > RATE_MAX_KIB))
        return error_set(err, ERROR_USAGE,
                         "cannot limit the base backup to %" PRIu32
                         " KiB/s: the server takes %d to %d",
                         options->max_rate_kib, RATE_MIN_KIB, RATE_MAX_KIB);
    return true;
}

/* The replication grammar doubles quotes and knows no backslash escapes. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_put_u8(out, '\'');
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_u8(out, '\'');
}

static void put_keywords(struct buf *out, const struct base_backup_options *options)
{
    buf_printf(out, "BASE_BACKUP LABEL ");
    put_quoted(out, options->label);
    buf_printf(out, " PROGRESS%s%s NOWAIT TABLESPACE_MAP", options->fast_checkpoint ? " FAST" : "",
               options->include_wal ? " WAL" : "");
    if (options->max_rate_kib != 0)
        buf_printf(out, " MAX_RATE %" PRIu32, options->max_rate_kib);
    if (!options->verify_checksums)
        buf_printf(out, " NOVERIFY_CHECKSUMS");
    buf_printf(out, " MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'");
}

/* WAIT false: a server whose archive_command fails, or which has none, must not hold us up. */
static void put_option_list(struct buf *out, const struct base_backup_options *options)
{
    buf_printf(out, "BASE_BACKUP (LABEL ");
    put_quoted(out, options->label);
    buf_printf(out, ", PROGRESS, CHECKPOINT '%s', WAL %s, WAIT false, TABLESPACE_MAP",
               options->fast_checkpoint ? "fast" : "spread",
               options->include_wal ? "true" : "false");
    if (options->max_rate_kib != 0)
        buf_printf(out, ", MAX_RATE %" PRIu32, options->max_rate_kib);
    buf_printf(out, ", VERIFY_CHECKSUMS %s, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C')",
               options->verify_checksums ? "true" : "false");
}

static bool send_command(struct base_backup *backup, const struct base_backup_options *options,
                         struct error *err)
{
    struct buf statement;
    buf_init(&statement, STATEMENT_MAX);
    if (connection_server_version(backup->connection) < OPTION_LIST_VERSION)
        put_keywords(&statement, options);
    else
        put_option_list(&statement, options);
    const char *text = buf_text(&statement);
    bool done = text != NULL ? connection_send(backup->connection, text, err)
                             : error_no_memory(err, "a BASE_BACKUP command");
    buf_release(&statement);
    return done;
}

static void receive_warning(void *context, const PGresult *notice)
{
    struct base_backup *backup = context;
    char line[WARNING_SIZE];
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (backup->on_warning == NULL || text == NULL || severity == NULL ||
        strcmp(severity, "WARNING") != 0)
        return;
    connection_message_line(text, line, sizeof line);
    backup->on_warning(backup->warning_context, line);
}

bool base_backup_next_result(struct base_backup *backup, struct error *err)
{
    PQclear(backup->result);
    backup->result = NULL;
    if (!connection_next_result(backup->connection, 0, &backup->result, err))
        return false;
    ExecStatusType status = PQresultStatus(backup->result);
    if (backup->result == NULL || status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        return connection_error(backup->connection, backup->result, "run BASE_BACKUP", err);
    return true;
}

static bool expect_rows(struct base_backup *backup, struct error *err)
{
    if (!base_backup_next_result(backup, err))
        return false;
    if (PQresultStatus(backup->result) != PGRES_TUPLES_OK)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: unexpected answer %s",
                         PQresStatus(PQresultStatus(backup->result)));
    return true;
}

/* Row "0/2000028", 1: start and stop have the same shape. */
static bool parse_position(const PGresult *result, uint64_t *out_lsn, uint32_t *out_timeline,
                           struct error *err)
{
    const char *lsn = NULL;
    const char *timeline = NULL;
    uint64_t number = 0;
    if (!connection_field(result, 0, 0, "BASE_BACKUP", &lsn, err) ||
        !connection_field(result, 0, 1, "BASE_BACKUP", &timeline, err))
        return false;
    if (!text_to_lsn(lsn, out_lsn) || !text_to_u64(timeline, &number) || number > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: malformed position");
    *out_timeline = (uint32_t)number;
    return true;
}

/* Row: oid and directory (both NULL for the data directory), size in kB. */
static bool parse_tablespace(struct base_backup *backup, int row, struct error *err)
{
    const PGresult *result = backup->result;
    struct base_backup_tablespace parsed = {0};
    uint64_t kib = 0;
    uint64_t oid = 0;
    if (!PQgetisnull(result, row, 2) &&
        (!text_to_u64(PQgetvalue(result, row, 2), &kib) || kib > UINT64_MAX / 1024))
        return error_set(err, ERROR_INVALID, "cannot read the base backup: malformed size");
    parsed.size_bytes = kib * 1024;
    backup->info.size_bytes += parsed.size_bytes;
    if (PQgetisnull(result, row, 0))
        return true;
    if (!text_to_u64(PQgetvalue(result, row, 0), &oid) || oid > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: malformed tablespace");
    parsed.oid = (uint32_t)oid;
    parsed.path = strdup(PQgetvalue(result, row, 1));
    if (parsed.path == NULL)
        return error_no_memory(err, "a tablespace");
    backup->tablespaces[backup->info.tablespace_count++] = parsed;
    return true;
}

static bool parse_tablespaces(struct base_backup *backup, struct error *err)
{
    int rows = PQntuples(backup->result);
    if (rows < 1 || rows > TABLESPACES_MAX || PQnfields(backup->result) < 3)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: malformed tablespaces");
    backup->tablespaces = calloc((size_t)rows, sizeof *backup->tablespaces);
    if (backup->tablespaces == NULL)
        return error_no_memory(err, "a list of tablespaces");
    backup->info.tablespaces = backup->tablespaces;
    for (int row = 0; row < rows; row++)
        if (!parse_tablespace(backup, row, err))
            return false;
    return true;
}

static bool read_start(struct base_backup *backup, struct error *err)
{
    if (!expect_rows(backup, err) ||
        !parse_position(backup->result, &backup->info.start_lsn, &backup->info.timeline, err) ||
        !expect_rows(backup, err) || !parse_tablespaces(backup, err) ||
        !base_backup_next_result(backup, err))
        return false;
    if (PQresultStatus(backup->result) != PGRES_COPY_OUT)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: no archive follows");
    return true;
}

static void backup_cleanup(struct base_backup **backup)
{
    base_backup_close(*backup);
    *backup = NULL;
}

bool base_backup_start(struct connection *connection, const struct base_backup_options *options,
                       base_backup_warning_fn on_warning, void *context, struct base_backup **out,
                       struct error *err)
{
    if (!check_options(options, err))
        return false;
    CLEANUP(backup_cleanup) struct base_backup *backup = calloc(1, sizeof *backup);
    if (backup == NULL)
        return error_no_memory(err, "a base backup");
    *backup = (struct base_backup){
        .connection = connection,
        .layout = connection_server_version(connection) < OPTION_LIST_VERSION ? &copy_layout_plain
                                                                              : &copy_layout_typed,
        .on_warning = on_warning,
        .warning_context = context,
    };
    connection->on_notice = receive_warning;
    connection->notice_context = backup;
    if (!send_command(backup, options, err) || !read_start(backup, err))
        return error_wrap(err, "could not start a base backup");
    *out = TAKE(backup);
    return true;
}

const struct base_backup_start_info *base_backup_info(const struct base_backup *backup)
{
    return &backup->info;
}

const struct base_backup_tablespace *base_backup_tablespace_by_oid(const struct base_backup *backup,
                                                                   uint32_t oid)
{
    for (size_t i = 0; i < backup->info.tablespace_count; i++)
        if (backup->tablespaces[i].oid == oid)
            return &backup->tablespaces[i];
    return NULL;
}

bool base_backup_next_message(struct base_backup *backup, size_t *out_len, struct error *err)
{
    PGconn *pg = backup->connection->pg;
    *out_len = 0;
    int64_t deadline_us = 0;
    PQfreemem(backup->message);
    backup->message = NULL;
    for (;;) {
        int len = PQgetCopyData(pg, &backup->message, 1);
        if (len > 0) {
            *out_len = (size_t)len;
            return true;
        }
        if (len == -1) { /* the end, or an error of the server: the next result says which */
            backup->in_copy = false;
            return base_backup_next_result(backup, err);
        }
        if (len < 0)
            return connection_error(backup->connection, NULL, "read the base backup", err);
        if (deadline_us == 0)
            deadline_us = connection_deadline_us((int64_t)STALL_TIMEOUT_S * 1000000);
        if (!connection_wait(backup->connection, POLLIN, deadline_us, err))
            return error_wrap(err, "could not read the base backup");
        if (PQconsumeInput(pg) != 1)
            return connection_error(backup->connection, NULL, "read the base backup", err);
    }
}

bool base_backup_read(struct base_backup *backup, const void **out, size_t *out_len,
                      struct error *err)
{
    *out_len = 0;
    if (!backup->in_archive || !stop_check(err))
        return !backup->in_archive;
    if (!backup->layout->read(backup, out, out_len, err))
        return false;
    backup->in_archive = *out_len > 0;
    return true;
}

bool base_backup_next_archive(struct base_backup *backup, struct base_backup_archive *out,
                              bool *out_found, struct error *err)
{
    while (backup->in_archive) {
        const void *bytes = NULL;
        size_t len = 0;
        if (!base_backup_read(backup, &bytes, &len, err))
            return false;
    }
    if (!backup->layout->next(backup, out, out_found, err))
        return false;
    backup->in_archive = *out_found;
    return true;
}

/* The last word of the server: success, or SQLSTATE XX001 when it found bad pages. */
static bool read_verdict(struct base_backup *backup, bool *out_checksum_failure, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *verdict = NULL;
    if (!connection_next_result(backup->connection, 0, &verdict, err))
        return false;
    *out_checksum_failure = false;
    if (PQresultStatus(verdict) == PGRES_COMMAND_OK)
        return true;
    const char *sqlstate = PQresultErrorField(verdict, PG_DIAG_SQLSTATE);
    *out_checksum_failure = sqlstate != NULL && strcmp(sqlstate, "XX001") == 0;
    return *out_checksum_failure ||
           connection_error(backup->connection, verdict, "finish the base backup", err);
}

static bool read_to_idle(struct base_backup *backup, struct error *err)
{
    for (;;) {
        CLEANUP(connection_result_cleanup) PGresult *more = NULL;
        if (!connection_next_result(backup->connection, 0, &more, err))
            return false;
        if (more == NULL)
            return true;
    }
}

bool base_backup_finish(struct base_backup *backup, struct base_backup_finish_info *out,
                        struct error *err)
{
    struct base_backup_finish_info info = {0};
    struct base_backup_archive skipped;
    for (bool found = true; found;)
        if (!base_backup_next_archive(backup, &skipped, &found, err))
            return false;
    if (PQresultStatus(backup->result) != PGRES_TUPLES_OK)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: no stop position");
    if (!parse_position(backup->result, &info.stop_lsn, &info.timeline, err) ||
        !read_verdict(backup, &info.checksum_failure, err) || !read_to_idle(backup, err))
        return false;
    *out = info;
    return true;
}

void base_backup_close(struct base_backup *backup)
{
    if (backup == NULL)
        return;
    backup->connection->on_notice = NULL;
    PQfreemem(backup->message);
    PQclear(backup->result);
    for (size_t i = 0; i < backup->info.tablespace_count; i++)
        free(backup->tablespaces[i].path);
    free(backup->tablespaces);
    free(backup);
}
