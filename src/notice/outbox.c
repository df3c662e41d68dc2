#include "notice/outbox.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "postgres/query.h"

#include <stdio.h>
#include <string.h>

enum { ARRAY_MAX_BYTES = 256 * 1024 * 1024, MESSAGE_ID_DIGITS = 24 };

int outbox_priority(const char *purpose)
{
    static const struct {
        const char *purpose;
        int priority;
    } rows[] = {{"safety", 10}, {"security", 20}, {"delay", 50}, {"service", 80}, {"status", 100}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].purpose, purpose) == 0)
            return rows[i].priority;
    }
    return 100;
}

/* ---- what a notice says, as a hash ---- */

static void put_part(struct sha256 *state, const char *text)
{
    /* The NUL goes with it: no two different notices have the same bytes. NULL is not "". */
    static const uint8_t nothing = 1;
    if (text == NULL)
        sha256_update(state, &nothing, sizeof nothing);
    else
        sha256_update(state, text, strlen(text) + 1);
}

bool notice_proof(const struct notice_draft *draft, char out[NOTICE_PROOF_SIZE], struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct sha256 *state;
    if (!sha256_new(&state, err))
        return false;
    const char *const parts[] = {draft->customer_key, draft->channel,   draft->address,
                                 draft->locale,       draft->subject,   draft->body_text,
                                 draft->body_html,    draft->suppressed};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        put_part(state, parts[i]);
    for (size_t i = 0; i < draft->order_count; i++)
        put_part(state, draft->orders[i]);
    sha256_final(state, hash);
    sha256_free(state);
    text_hex(hash, (NOTICE_PROOF_SIZE - 1) / 2, out);
    return true;
}

/* ---- queueing ---- */

/* One parameter of the INSERT for each: arrays as long as there are drafts. */
enum draft_column {
    COLUMN_KEY,
    COLUMN_CUSTOMER,
    COLUMN_TICKET,
    COLUMN_API_REF,
    COLUMN_ORDERS,
    COLUMN_CHANNEL,
    COLUMN_ADDRESS,
    COLUMN_LOCALE,
    COLUMN_SUBJECT,
    COLUMN_TEXT,
    COLUMN_HTML,
    COLUMN_NOT_BEFORE,
    COLUMN_EXPIRES,
    COLUMN_SUPPRESSED,
    COLUMN_MESSAGE_ID,
    COLUMN_COUNT,
};

static void put_id(struct buf *array, int64_t id)
{
    if (id == 0)
        query_array_add(array, NULL);
    else
        query_array_add_i64(array, id);
}

static void put_time(struct buf *array, int64_t unix_us)
{
    char text[TEXT_SIZE];
    query_array_add(array, text_time_exact_us(unix_us, text));
}

static void put_orders(struct buf *array, const struct notice_draft *draft, struct buf *scratch)
{
    buf_clear(scratch);
    query_array_begin(scratch);
    for (size_t i = 0; i < draft->order_count; i++)
        query_array_add(scratch, draft->orders[i]);
    query_array_end(scratch);
    query_array_add(array, buf_text(scratch));
}

/* Stable for run, template and customer: whoever renders the notice again makes the same id. */
static void put_message_id(struct buf *array, const struct notice_batch *batch,
                           const struct notice_draft *draft, struct buf *scratch)
{
    uint8_t hash[SHA256_BYTES];
    char digits[SHA256_HEX_SIZE];
    buf_clear(scratch);
    buf_printf(scratch, "%s\x1f%s\x1f%s", batch->run_id, batch->template_name, draft->customer_key);
    digest_sha256(scratch->data, scratch->len, hash);
    text_hex(hash, MESSAGE_ID_DIGITS / 2, digits);
    buf_clear(scratch);
    buf_printf(scratch, "ms.%s.%s", batch->run_id, digits);
    query_array_add(array, buf_text(scratch));
}

static void put_draft(struct buf arrays[COLUMN_COUNT], const struct notice_batch *batch,
                      const struct notice_draft *draft, struct buf *scratch)
{
    query_array_add(&arrays[COLUMN_KEY], draft->customer_key);
    put_id(&arrays[COLUMN_CUSTOMER], draft->customer_id);
    put_id(&arrays[COLUMN_TICKET], draft->ticket_id);
    query_array_add(&arrays[COLUMN_API_REF], draft->api_ref);
    put_orders(&arrays[COLUMN_ORDERS], draft, scratch);
    query_array_add(&arrays[COLUMN_CHANNEL], draft->channel);
    query_array_add(&arrays[COLUMN_ADDRESS], draft->address);
    query_array_add(&arrays[COLUMN_LOCALE], draft->locale);
    query_array_add(&arrays[COLUMN_SUBJECT], draft->subject);
    query_array_add(&arrays[COLUMN_TEXT], draft->body_text);
    query_array_add(&arrays[COLUMN_HTML], draft->body_html);
    put_time(&arrays[COLUMN_NOT_BEFORE], draft->not_before_us);
    put_time(&arrays[COLUMN_EXPIRES], draft->expires_us);
    query_array_add(&arrays[COLUMN_SUPPRESSED], draft->suppressed);
    put_message_id(&arrays[COLUMN_MESSAGE_ID], batch, draft, scratch);
}

static bool insert_arrays(struct connection *connection, const struct notice_batch *batch,
                          struct buf arrays[COLUMN_COUNT], uint64_t *out_new, struct error *err)
{
    static const char sql[] =
        "INSERT INTO mainstay.notices (run_id, step_id, template, purpose, priority, customer_key,"
        " customer_id, ticket_id, api_ref, orders, channel, address, locale, subject, body_text,"
        " body_html, not_before, expires_at, reason, message_id, state, next_at) "
        "SELECT $16, $17, $18, $19, $20::int, d.customer_key, d.customer_id, d.ticket_id, "
        "d.api_ref,"
        " d.orders::text[], d.channel, d.address, d.locale, d.subject, d.body_text, d.body_html,"
        " d.not_before, d.expires_at, d.reason, d.message_id,"
        " CASE WHEN d.reason IS NULL THEN 'queued' ELSE 'suppressed' END, d.not_before "
        "FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],"
        " $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[],"
        " $13::timestamptz[], $14::text[], $15::text[])"
        " AS d (customer_key, customer_id, ticket_id, api_ref, orders, channel, address, locale,"
        " subject, body_text, body_html, not_before, expires_at, reason, message_id) "
        "ON CONFLICT (run_id, template, customer_key) DO NOTHING";
    const char *values[COLUMN_COUNT + 5];
    char priority[TEXT_SIZE];
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        query_array_end(&arrays[i]);
        values[i] = buf_text(&arrays[i]);
        if (values[i] == NULL)
            return buf_check(&arrays[i], "a batch of notices", err);
    }
    (void)snprintf(priority, sizeof priority, "%d", batch->priority);
    values[COLUMN_COUNT] = batch->run_id;
    values[COLUMN_COUNT + 1] = batch->step_id;
    values[COLUMN_COUNT + 2] = batch->template_name;
    values[COLUMN_COUNT + 3] = batch->purpose;
    values[COLUMN_COUNT + 4] = priority;
    const struct query query = {
        .sql = sql, .values = values, .count = ARRAY_LEN(values), .what = "queue notices"};
    return query_do(connection, &query, out_new, err);
}

bool outbox_queue(struct connection *connection, const struct notice_batch *batch,
                  const struct notice_draft *drafts, size_t count, uint64_t *out_new,
                  struct error *err)
{
    struct buf arrays[COLUMN_COUNT];
    struct buf scratch;
    if (count == 0) {
        *out_new = 0;
        return true;
    }
    buf_init(&scratch, ARRAY_MAX_BYTES);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        buf_init(&arrays[i], ARRAY_MAX_BYTES);
        query_array_begin(&arrays[i]);
    }
    for (size_t i = 0; i < count; i++)
        put_draft(arrays, batch, &drafts[i], &scratch);
    bool done = buf_check(&scratch, "a notice", err) &&
                insert_arrays(connection, batch, arrays, out_new, err);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        buf_release(&arrays[i]);
    buf_release(&scratch);
    return done;
}

/* ---- calling back ---- */

static bool count_left(struct connection *connection, const char *run_id, const char *step_id,
                       uint64_t *out, struct error *err)
{
    const char *values[] = {run_id, step_id};
    const struct query query = {
        .sql =
            "SELECT count(*) FROM mainstay.notices WHERE run_id = $1"
            " AND ($2::text IS NULL OR step_id = $2) AND state IN ('sending', 'sent', 'unknown')",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "count the notices that are out"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t number;
    if (!query_run(connection, &query, &rows, err) || !query_i64(rows, 0, 0, &number, err))
        return false;
    *out = (uint64_t)number;
    return true;
}

bool outbox_cancel(struct connection *connection, const char *run_id, const char *step_id,
                   const char *reason, uint64_t *out_cancelled, uint64_t *out_left,
                   struct error *err)
{
    const char *values[] = {run_id, step_id, reason};
    const struct query query = {
        .sql = "UPDATE mainstay.notices SET state = 'cancelled', reason = $3 WHERE run_id = $1"
               " AND ($2::text IS NULL OR step_id = $2) AND state IN ('queued', 'held', 'retry')",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "cancel notices"};
    return query_do(connection, &query, out_cancelled, err) &&
           count_left(connection, run_id, step_id, out_left, err);
}

bool outbox_count(struct connection *connection, const char *run_id, struct value *counts,
                  struct error *err)
{
    const struct query query = {.sql = "SELECT state, count(*) FROM mainstay.notices"
                                       " WHERE run_id = $1 GROUP BY state ORDER BY state",
                                .values = &run_id,
                                .count = 1,
                                .what = "count the notices"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        int64_t number;
        if (!query_i64(rows, i, 1, &number, err) ||
            !value_set_i64(counts, query_field(rows, i, 0), number, err))
            return false;
    }
    return true;
}
