/*
 * Reads the file record by record, checks and converts each value, and sends it into a temporary
 * table; import_apply.c does the rest. All in one transaction.
 */
#include "ticket/import.h"

#include "import_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/json_lines.h"
#include "postgres/copy_in.h"
#include "postgres/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_BYTES = 256 * 1024, VALUES_MAX_BYTES = 64 * 1024 * 1024, IGNORED = -1 };

struct import {
    struct connection *connection;
    const struct import_options *options;
    const struct import_table *table;
    size_t column_count;
    bool present[IMPORT_COLUMNS_MAX];
    struct buf values;                 /* of one record, each with its NUL */
    size_t starts[IMPORT_COLUMNS_MAX]; /* where each begins */
    bool given[IMPORT_COLUMNS_MAX];    /* in this record, and not empty */
    struct buf converted;
    struct buf rows; /* to be sent */
    uint64_t line;
    uint64_t read;
};

static bool read_some(void *context, void *out, size_t size, size_t *out_got, struct error *err)
{
    struct import *import = context;
    ssize_t got;
    do {
        got = read(import->options->fd, out, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, errno, "could not read \"%s\"", import->options->file);
    if (import->options->progress != NULL)
        progress_add(&import->options->progress->bytes_done, (uint64_t)got);
    *out_got = (size_t)got;
    return true;
}

/* --- one record ------------------------------------------------------------------------------ */

static void begin_record(struct import *import, uint64_t line)
{
    buf_clear(&import->values);
    memset(import->given, 0, sizeof import->given);
    import->line = line;
}

/* Ends the value that was appended to values since `start`. */
static void end_value(struct import *import, size_t column, size_t start)
{
    import->starts[column] = start;
    import->given[column] = import->values.len > start;
    buf_put_u8(&import->values, 0);
}

static bool wrong_value(const struct import *import, const struct import_column *column,
                        const char *why, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s:%" PRIu64 ": column \"%s\": %s", import->options->file,
                     import->line, column->name, why);
}

static bool put_column(struct import *import, size_t at, struct error *err)
{
    char why[IMPORT_WHY_SIZE];
    const struct import_column *column = &import->table->columns[at];
    if (!import->given[at]) {
        if (column->required)
            return wrong_value(import, column, "is empty or missing", err);
        copy_put_field(NULL, &import->rows);
        return true;
    }
    const char *text = (const char *)import->values.data + import->starts[at];
    buf_clear(&import->converted);
    if (!import_convert(import->options, column, text, &import->converted, why))
        return wrong_value(import, column, why, err);
    const char *converted = buf_text(&import->converted);
    if (converted == NULL)
        return error_no_memory(err, "a value");
    copy_put_field(converted, &import->rows);
    return true;
}

static bool send_rows(struct import *import, struct error *err)
{
    bool done = buf_check(&import->rows, "the rows of an import", err) &&
                copy_in_put(import->connection, import->rows.data, import->rows.len, err);
    buf_clear(&import->rows);
    return done;
}

static bool end_record(struct import *import, struct error *err)
{
    if (!buf_check(&import->values, "a record", err))
        return false;
    buf_printf(&import->rows, "%" PRIu64, import->line);
    for (size_t i = 0; i < import->column_count; i++) {
        buf_put_u8(&import->rows, '\t');
        if (!put_column(import, i, err))
            return false;
    }
    buf_put_u8(&import->rows, '\n');
    import->read++;
    return import->rows.len < ROWS_BYTES || send_rows(import, err);
}

/* --- CSV ------------------------------------------------------------------------------------- */

static bool match_column(struct import *import, const char *source, int *out, struct error *err)
{
    size_t column = 0;
    enum import_match match = import_match(import->options, source, &column);
    *out = match == MATCH_COLUMN ? (int)column : IGNORED;
    return match != MATCH_UNKNOWN || import_unknown(import->options, import->line, source, err);
}

/* Two columns of a file that are the same for us: nobody knows which one is meant. */
static bool check_twice(const struct import *import, const char *const *names, const int *columns,
                        size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; columns[i] != IGNORED && j < i; j++) {
            if (columns[j] == IGNORED ||
                strcmp(import_target(&import->table->columns[columns[i]]),
                       import_target(&import->table->columns[columns[j]])) != 0)
                continue;
            (void)error_set(
                err, ERROR_INVALID, "%s:1: the columns \"%.60s\" and \"%.60s\" are both %s",
                import->options->file, names[j], names[i], import->table->columns[columns[i]].name);
            return error_hint(err, "--map \"%.60s=\" leaves the second one out.", names[i]);
        }
    }
    return true;
}

static bool read_header(struct import *import, struct csv *csv, int columns[CSV_FIELDS_MAX],
                        size_t *out_count, struct error *err)
{
    const char *const *names;
    if (!csv_next(csv, &names, out_count, err))
        return false;
    if (names == NULL)
        return error_set(err, ERROR_INVALID, "%s is empty: the first line names the columns",
                         import->options->file);
    import->line = csv_line(csv);
    for (size_t i = 0; i < *out_count; i++) {
        if (!match_column(import, names[i], &columns[i], err))
            return false;
        if (columns[i] != IGNORED)
            import->present[columns[i]] = true;
    }
    return check_twice(import, names, columns, *out_count, err);
}

static bool read_csv_records(struct import *import, struct csv *csv, struct error *err)
{
    int columns[CSV_FIELDS_MAX];
    size_t wanted = 0;
    if (!read_header(import, csv, columns, &wanted, err))
        return false;
    for (;;) {
        size_t count = 0;
        const char *const *fields = NULL;
        if (!csv_next(csv, &fields, &count, err))
            return false;
        if (fields == NULL)
            return true;
        begin_record(import, csv_line(csv));
        if (count != wanted)
            return error_set(err, ERROR_INVALID,
                             "%s:%" PRIu64 ": there %s %zu %s, the header has %zu",
                             import->options->file, import->line, text_plural(count, "is", "are"),
                             count, text_plural(count, "field", "fields"), wanted);
        for (size_t i = 0; i < count; i++) {
            size_t start = import->values.len;
            if (columns[i] == IGNORED)
                continue;
            buf_put(&import->values, fields[i], strlen(fields[i]));
            end_value(import, (size_t)columns[i], start);
        }
        if (!end_record(import, err))
            return false;
    }
}

static bool read_csv(struct import *import, struct error *err)
{
    CLEANUP(csv_cleanup) struct csv *csv = NULL;
    return csv_new(read_some, import, import->options->file, &csv, err) &&
           read_csv_records(import, csv, err);
}

/* --- JSON lines ------------------------------------------------------------------------------ */

/* "via": {"channel": "email"} is a member "via.channel"; deeper ones can only be left out. */
struct member {
    struct import *import;
    const char *outer; /* NULL: of the record itself */
};

static bool put_elements(struct import *import, const struct value *array)
{
    buf_put_u8(&import->values, IMPORT_SEPARATOR);
    for (size_t i = 0; i < value_count(array); i++) {
        if (i > 0)
            buf_put_u8(&import->values, IMPORT_SEPARATOR);
        if (!value_put_plain(value_at(array, i), &import->values))
            return false;
    }
    return true;
}

static bool is_list(const struct import_column *column)
{
    return column->type == TYPE_LIST || column->type == TYPE_WORDS;
}

static bool put_member(struct import *import, size_t at, const struct value *value,
                       struct error *err)
{
    size_t start = import->values.len;
    const struct import_column *column = &import->table->columns[at];
    if (import->given[at])
        return wrong_value(import, column, "two members of this record are meant for it", err);
    bool done = value_is_array(value) && is_list(column) ? put_elements(import, value)
                                                         : value_put_plain(value, &import->values);
    if (!done)
        return wrong_value(import, column, "is a list or an object, where a text is wanted", err);
    import->present[at] = true;
    end_value(import, at, start);
    return true;
}

static bool visit_member(void *context, const char *key, const struct value *value,
                         struct error *err)
{
    char path[256];
    int column = IGNORED;
    struct member *member = context;
    struct import *import = member->import;
    (void)snprintf(path, sizeof path, "%s%s%s", member->outer == NULL ? "" : member->outer,
                   member->outer == NULL ? "" : ".", key);
    if (value_is_object(value) && member->outer == NULL) {
        struct member inner = {.import = import, .outer = key};
        size_t unused;
        struct import_options strict = *import->options;
        strict.skip_unknown = false;
        /* left out as a whole */
        return import_match(&strict, key, &unused) == MATCH_IGNORED ||
               value_each(value, visit_member, &inner, err);
    }
    if (!match_column(import, path, &column, err))
        return false;
    return column == IGNORED || put_member(import, (size_t)column, value, err);
}

static bool read_json_lines(struct import *import, struct error *err)
{
    CLEANUP(json_lines_cleanup) struct json_lines *lines = NULL;
    if (!json_lines_new(read_some, import, import->options->file, &lines, err))
        return false;
    for (;;) {
        struct member record = {.import = import};
        CLEANUP(value_cleanup) struct value *object = NULL;
        if (!json_lines_next(lines, &object, err))
            return false;
        if (object == NULL)
            return true;
        begin_record(import, json_lines_line(lines));
        if (!value_each(object, visit_member, &record, err) || !end_record(import, err))
            return false;
    }
}

/* --- the transaction ------------------------------------------------------------------------- */

static bool make_table(struct import *import, struct buf *sql, struct error *err)
{
    buf_printf(sql, "CREATE TEMP TABLE mainstay_import (line bigint");
    for (size_t i = 0; i < import->column_count; i++)
        buf_printf(sql, ", %s %s", import->table->columns[i].name,
                   import_sql_type(import->table->columns[i].type));
    buf_printf(sql, ") ON COMMIT DROP");
    return query_command(import->connection, buf_text(sql), "make a temporary table", err);
}

static bool copy_records(struct import *import, uint64_t *out_rows, struct error *err)
{
    static const char what[] = "send the records";
    if (!copy_in_begin(import->connection, "COPY pg_temp.mainstay_import FROM STDIN", what, err))
        return false;
    bool done = import->options->json_lines ? read_json_lines(import, err) : read_csv(import, err);
    if (done && send_rows(import, err))
        return copy_in_finish(import->connection, what, out_rows, err);
    copy_in_abort(import->connection);
    return false;
}

static bool run_import(struct import *import, struct buf *sql, struct import_counts *out,
                       struct error *err)
{
    uint64_t rows = 0;
    if (!query_command(import->connection, "BEGIN ISOLATION LEVEL READ COMMITTED", "begin", err) ||
        !make_table(import, sql, err) || !copy_records(import, &rows, err))
        return false;
    if (rows != import->read)
        return error_set(err, ERROR_INVALID, "%" PRIu64 " records were sent, %" PRIu64 " arrived",
                         import->read, rows);
    out->read = rows;
    return (rows == 0 ||
            import_apply(import->connection, import->options, import->present, out, err)) &&
           query_command(import->connection, "COMMIT", "commit the import", err);
}

bool import_file(struct connection *connection, const struct import_options *options,
                 struct import_counts *out, struct error *err)
{
    struct buf sql;
    struct import_counts counts = {0};
    struct import import = {
        .connection = connection, .options = options, .table = import_table(options->kind)};
    import.column_count = import_column_count(import.table);
    buf_init(&import.values, VALUES_MAX_BYTES);
    buf_init(&import.converted, VALUES_MAX_BYTES);
    buf_init(&import.rows, VALUES_MAX_BYTES);
    buf_init(&sql, (size_t)64 * 1024);
    bool done = run_import(&import, &sql, &counts, err);
    if (done)
        *out = counts;
    query_rollback(connection);
    buf_release(&import.values);
    buf_release(&import.converted);
    buf_release(&import.rows);
    buf_release(&sql);
    return done;
}
