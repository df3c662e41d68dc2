#include "notice/suppression.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"

#include <stdio.h>
#include <string.h>

static const char *const channels[] = {"email", "sms", "helpdesk"};
static const char *const reasons[] = {"unsubscribed", "hard_bounce",  "complaint",
                                      "legal_hold",   "test_account", "other"};
static const char *const columns[] = {"customer", "channel", "reason", "source", "expires_at"};

/* ---- what is asked for ---- */

static bool put_address(const char *address, const char *at, char out[SUPPRESSION_KEY_SIZE])
{
    int used = snprintf(out, SUPPRESSION_KEY_SIZE, "a:%s", address);
    if (used < 0 || used >= SUPPRESSION_KEY_SIZE)
        return false;
    for (char *c = out + 2 + (at - address); *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return true;
}

bool suppression_key(const char *customer, char out[SUPPRESSION_KEY_SIZE], struct error *err)
{
    uint64_t id;
    bool as_customer = text_starts_with(customer, "c:");
    bool as_address = text_starts_with(customer, "a:");
    const char *rest = as_customer || as_address ? customer + 2 : customer;
    if (!as_address && text_to_u64(rest, &id)) {
        (void)snprintf(out, SUPPRESSION_KEY_SIZE, "c:%llu", (unsigned long long)id);
        return true;
    }
    const char *at = strrchr(rest, '@');
    bool mail = at != NULL && at != rest && at[1] != '\0';
    bool phone = rest[0] == '+' && rest[1] != '\0' && rest[1 + strspn(rest + 1, "0123456789")] == 0;
    if (!as_customer && strpbrk(rest, " \t\r\n") == NULL && (mail || phone) &&
        put_address(rest, mail ? at : rest, out))
        return true;
    (void)error_set(err, ERROR_USAGE, "\"%.80s\" names no customer and no address", customer);
    return error_hint(err, "Give a customer's id (42), an e-mail address or a telephone number "
                           "that begins with \"+\".");
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool check_word(const char *what, const char *word, const char *const *words, size_t count,
                       struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0)
            return true;
    }
    const char *nearest = text_nearest(word, words, count);
    (void)error_set(err, ERROR_USAGE, "\"%.40s\" is no %s", word, what);
    return error_hint(err, "Did you mean \"%s\"?", nearest == NULL ? words[0] : nearest);
}

static bool check(const struct suppression *suppression, bool for_adding, struct error *err)
{
    int64_t when;
    if (is_given(suppression->channel) &&
        !check_word("channel", suppression->channel, channels, ARRAY_LEN(channels), err))
        return false;
    if (!is_given(suppression->reason) && for_adding)
        return error_set(err, ERROR_USAGE, "a suppression needs a reason");
    if (is_given(suppression->reason) &&
        !check_word("reason", suppression->reason, reasons, ARRAY_LEN(reasons), err))
        return false;
    if (is_given(suppression->expires) && !text_to_time_us(suppression->expires, &when)) {
        (void)error_set(err, ERROR_USAGE, "\"%.40s\" is no time", suppression->expires);
        return error_hint(err, "Give a time with its offset: 2027-01-01T00:00:00Z.");
    }
    return true;
}

static const char *or_null(const char *text)
{
    return is_given(text) ? text : NULL;
}

/* ---- one of them ---- */

bool suppression_add(struct connection *connection, const struct suppression *suppression,
                     bool *out_new, struct error *err)
{
    char key[SUPPRESSION_KEY_SIZE];
    if (!check(suppression, true, err) || !suppression_key(suppression->customer, key, err))
        return false;
    const char *values[] = {key, or_null(suppression->channel), suppression->reason,
                            suppression->source == NULL ? "" : suppression->source,
                            or_null(suppression->expires)};
    const struct query query = {
        .sql = "INSERT INTO mainstay.suppressions AS s"
               " (customer_key, channel, reason, source, expires_at)"
               " VALUES ($1, $2, $3, $4, $5::timestamptz)"
               " ON CONFLICT (customer_key, COALESCE(channel, ''), reason)"
               " DO UPDATE SET source = EXCLUDED.source, expires_at = EXCLUDED.expires_at"
               " RETURNING s.xmax = 0",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "add a suppression"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    return query_run(connection, &query, &rows, err) && query_bool(rows, 0, 0, out_new, err);
}

bool suppression_remove(struct connection *connection, const struct suppression *suppression,
                        uint64_t *out_removed, struct error *err)
{
    char key[SUPPRESSION_KEY_SIZE];
    if (!check(suppression, false, err) || !suppression_key(suppression->customer, key, err))
        return false;
    const char *values[] = {key, or_null(suppression->channel), or_null(suppression->reason)};
    const struct query query = {
        .sql = "DELETE FROM mainstay.suppressions WHERE customer_key = $1"
               " AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR reason = $3)",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "remove suppressions"};
    return query_do(connection, &query, out_removed, err);
}

/* ---- all of them ---- */

static bool read_all(struct connection *connection, struct query_result **out, struct error *err)
{
    const struct query query = {
        .sql = "SELECT customer_key, COALESCE(channel, ''), reason, source,"
               " COALESCE(to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
               " '') FROM mainstay.suppressions ORDER BY customer_key, channel, reason",
        .what = "list the suppressions"};
    return query_run(connection, &query, out, err);
}

bool suppression_list(struct connection *connection, struct value *array, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!read_all(connection, &rows, err))
        return false;
    for (size_t row = 0; row < query_rows(rows); row++) {
        struct value *item = value_append_new_object(array, err);
        for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
            if (item == NULL || !value_set_text(item, columns[i], query_field(rows, row, i), err))
                return false;
        }
    }
    return true;
}

static void put_record(const struct query_result *rows, size_t row, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        const char *field = query_field(rows, row, i);
        if (i > 0)
            buf_put_u8(out, ',');
        csv_put_field(field, out);
    }
    buf_printf(out, "\r\n");
}

bool suppression_export(struct connection *connection, struct buf *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!read_all(connection, &rows, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        buf_printf(out, "%s%s", i == 0 ? "" : ",", columns[i]);
    buf_printf(out, "\r\n");
    for (size_t row = 0; row < query_rows(rows); row++)
        put_record(rows, row, out);
    return buf_check(out, "the list of suppressions", err);
}

/* ---- import ---- */

/* Which field of the file each column of ours is in. */
struct header {
    size_t at[ARRAY_LEN(columns)];
    size_t count;
};

enum { NOWHERE = CSV_FIELDS_MAX };

static bool name_column(struct header *header, size_t field, const char *name, const char *what,
                        struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        if (strcmp(columns[i], name) != 0)
            continue;
        if (header->at[i] != NOWHERE)
            return error_set(err, ERROR_INVALID, "%s:1: column \"%s\" is there twice", what, name);
        header->at[i] = field;
        return true;
    }
    const char *nearest = text_nearest(name, columns, ARRAY_LEN(columns));
    (void)error_set(err, ERROR_INVALID, "%s:1: there is no column \"%.40s\"", what, name);
    return error_hint(err,
                      "Did you mean \"%s\"? The columns are customer, channel, reason, source "
                      "and expires_at.",
                      nearest == NULL ? columns[0] : nearest);
}

static bool read_header(struct csv *csv, const char *what, struct header *out, struct error *err)
{
    const char *const *fields;
    if (!csv_next(csv, &fields, &out->count, err))
        return false;
    if (fields == NULL)
        return error_set(err, ERROR_INVALID, "%s is empty", what);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        out->at[i] = NOWHERE;
    for (size_t i = 0; i < out->count; i++) {
        if (!name_column(out, i, fields[i], what, err))
            return false;
    }
    if (out->at[0] == NOWHERE || out->at[2] == NOWHERE)
        return error_set(err, ERROR_INVALID, "%s:1: columns \"customer\" and \"reason\" are needed",
                         what);
    return true;
}

static bool add_record(struct connection *connection, const struct header *header,
                       const char *const *fields, bool *out_new, struct error *err)
{
    const char *values[ARRAY_LEN(columns)];
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        values[i] = header->at[i] == NOWHERE ? "" : fields[header->at[i]];
    /* What csv_put_field put before a telephone number. */
    const char *customer = values[0][0] == '\'' ? values[0] + 1 : values[0];
    const struct suppression suppression = {.customer = customer,
                                            .channel = values[1],
                                            .reason = values[2],
                                            .source = values[3],
                                            .expires = values[4]};
    return suppression_add(connection, &suppression, out_new, err);
}

static bool import_records(struct connection *connection, struct csv *csv, const char *what,
                           uint64_t *out_new, uint64_t *out_known, struct error *err)
{
    struct header header;
    const char *const *fields;
    size_t count;
    bool is_new;
    if (!read_header(csv, what, &header, err))
        return false;
    for (;;) {
        if (!csv_next(csv, &fields, &count, err))
            return false;
        if (fields == NULL)
            return true;
        unsigned long long line = csv_line(csv);
        if (count != header.count)
            return error_set(err, ERROR_INVALID, "%s:%llu: %zu fields, not %zu as in line 1", what,
                             line, count, header.count);
        if (!add_record(connection, &header, fields, &is_new, err)) {
            if (err->kind == ERROR_USAGE)
                err->kind = ERROR_INVALID;
            return error_wrap(err, "%s:%llu", what, line);
        }
        *(is_new ? out_new : out_known) += 1;
    }
}

bool suppression_import(struct connection *connection, struct csv *csv, const char *what,
                        uint64_t *out_new, uint64_t *out_known, struct error *err)
{
    *out_new = 0;
    *out_known = 0;
    if (!query_command(connection, "BEGIN", "begin an import", err))
        return false;
    if (import_records(connection, csv, what, out_new, out_known, err) &&
        query_command(connection, "COMMIT", "finish the import", err))
        return true;
    query_rollback(connection);
    return false;
}
