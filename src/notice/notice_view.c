#include "notice/notice_view.h"

#include "base/cleanup.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_SIZE = 24 };

/* Each column becomes a member of its name, as text. */
static bool set_row(const struct query_result *rows, size_t row, struct value *object,
                    struct error *err)
{
    for (size_t i = 0; i < query_columns(rows); i++) {
        const char *name = query_column_name(rows, i);
        bool done = query_is_null(rows, row, i)
                        ? value_set_null(object, name, err)
                        : value_set_text_lossy(object, name, query_field(rows, row, i), err);
        if (!done)
            return false;
    }
    return true;
}

bool notice_list(struct connection *connection, const struct notice_filter *filter,
                 struct value *array, struct error *err)
{
    char limit[NUMBER_SIZE];
    (void)snprintf(limit, sizeof limit, "%" PRIu64,
                   filter->limit == 0 ? (uint64_t)NOTICE_LIST_LIMIT : filter->limit);
    const char *values[] = {filter->run_id, filter->step_id, filter->state, filter->channel, limit};
    const struct query query = {
        .sql = "SELECT id, run_id AS run, template, customer_key AS customer, channel, address,"
               " locale, state, reason, subject, attempts, to_json(created_at)#>>'{}' AS queued,"
               " to_json(not_before)#>>'{}' AS not_before, to_json(expires_at)#>>'{}' AS expires"
               " FROM mainstay.notices"
               " WHERE ($1::text IS NULL OR run_id = $1) AND ($2::text IS NULL OR step_id = $2)"
               " AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR channel = $4)"
               " ORDER BY id DESC LIMIT $5::bigint",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "list notices"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    for (size_t row = 0; row < query_rows(rows); row++) {
        struct value *object = value_append_new_object(array, err);
        if (object == NULL || !set_row(rows, row, object, err))
            return false;
    }
    return true;
}

static bool no_such_notice(uint64_t id, struct error *err)
{
    (void)error_set(err, ERROR_NOT_FOUND, "there is no notice %" PRIu64, id);
    return error_hint(err, "`mainstay notice list` shows them.");
}

bool notice_show(struct connection *connection, uint64_t id, struct value *object,
                 struct error *err)
{
    char number[NUMBER_SIZE];
    const char *values[] = {number};
    const struct query query = {
        .sql = "SELECT id, run_id AS run, step_id AS step, template, customer_key AS customer,"
               " ticket_id AS ticket, array_to_string(orders, ', ') AS orders, channel, address,"
               " locale, purpose, state, reason, attempts, last_code, last_error, message_id,"
               " to_json(created_at)#>>'{}' AS queued, to_json(not_before)#>>'{}' AS not_before,"
               " to_json(next_at)#>>'{}' AS next_attempt, to_json(expires_at)#>>'{}' AS expires,"
               " to_json(sent_at)#>>'{}' AS sent, subject, body_text AS text, body_html AS html"
               " FROM mainstay.notices WHERE id = $1::bigint",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "show a notice"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    (void)snprintf(number, sizeof number, "%" PRIu64, id);
    if (!query_run(connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return no_such_notice(id, err);
    return set_row(rows, 0, object, err);
}

/* Why it could not be cancelled. */
static bool refuse_cancel(struct connection *connection, const char *number, uint64_t id,
                          struct error *err)
{
    const struct query query = {.sql = "SELECT state FROM mainstay.notices WHERE id = $1::bigint",
                                .values = &number,
                                .count = 1,
                                .what = "look at a notice"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return no_such_notice(id, err);
    return error_set(err, ERROR_REFUSED, "cannot cancel notice %" PRIu64 ": it is %s", id,
                     query_field(rows, 0, 0));
}

bool notice_cancel(struct connection *connection, uint64_t id, const char *reason,
                   struct error *err)
{
    char number[NUMBER_SIZE];
    uint64_t changed;
    const char *values[] = {number, reason};
    const struct query query = {
        .sql = "UPDATE mainstay.notices SET state = 'cancelled', reason = $2"
               " WHERE id = $1::bigint AND state IN ('queued', 'held', 'retry')",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "cancel a notice"};
    (void)snprintf(number, sizeof number, "%" PRIu64, id);
    if (!query_do(connection, &query, &changed, err))
        return false;
    return changed == 1 || refuse_cancel(connection, number, id, err);
}

bool notice_redrive(struct connection *connection, const struct notice_filter *filter, uint64_t id,
                    uint64_t *out_redriven, uint64_t *out_expired, struct error *err)
{
    char number[NUMBER_SIZE];
    const char *values[] = {filter->run_id, filter->state == NULL ? "dead" : filter->state, number};
    static const char *const which =
        " state = $2 AND state IN ('dead', 'unknown') AND ($1::text IS NULL OR run_id = $1)"
        " AND ($3::bigint = 0 OR id = $3::bigint)";
    char update[512];
    char expired[512];
    (void)snprintf(update, sizeof update,
                   "UPDATE mainstay.notices SET state = 'queued', attempts = 0, next_at = now(),"
                   " reason = NULL, fence = fence + 1 WHERE expires_at > now() AND%s",
                   which);
    (void)snprintf(expired, sizeof expired,
                   "SELECT count(*) FROM mainstay.notices WHERE expires_at <= now() AND%s", which);
    (void)snprintf(number, sizeof number, "%" PRIu64, id);
    struct query query = {
        .sql = update, .values = values, .count = ARRAY_LEN(values), .what = "redrive notices"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t count;
    if (!query_do(connection, &query, out_redriven, err))
        return false;
    query.sql = expired;
    if (!query_run(connection, &query, &rows, err) || !query_i64(rows, 0, 0, &count, err))
        return false;
    *out_expired = (uint64_t)count;
    return true;
}
