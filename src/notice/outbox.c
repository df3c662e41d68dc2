#include "notice/outbox.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "postgres/copy_in.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ARRAY_MAX_BYTES = 256 * 1024 * 1024, MESSAGE_ID_DIGITS = 24, COPY_PIECE_BYTES = 64 * 1024 };

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

/* Which drafts have their notice already, by number from 1, ascending. One lookup by key for each:
 * a plan that hashes all notices of the run would cost more with every batch. */
static bool find_known(struct connection *connection, const struct notice_batch *batch,
                       const struct notice_draft *drafts, size_t count, struct query_result **out,
                       struct error *err)
{
    struct buf keys;
    buf_init(&keys, ARRAY_MAX_BYTES);
    query_array_begin(&keys);
    for (size_t i = 0; i < count; i++)
        query_array_add(&keys, drafts[i].customer_key);
    query_array_end(&keys);
    const char *values[] = {buf_text(&keys), batch->run_id, batch->template_name};
    const struct query query = {
        .sql = "SELECT k.at FROM unnest($1::text[]) WITH ORDINALITY AS k (customer_key, at)"
               " WHERE (SELECT true FROM mainstay.notices n WHERE n.run_id = $2 AND n.template = $3"
               " AND n.customer_key = k.customer_key LIMIT 1) ORDER BY k.at",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "look for notices that are there"};
    bool done = buf_check(&keys, "a batch of notices", err) &&
                query_run(connection, &query, out, err);
    buf_release(&keys);
    return done;
}

static void put_field(const char *text, struct buf *row)
{
    if (row->len > 0 && row->data[row->len - 1] != '\n')
        buf_put_u8(row, '\t');
    copy_put_field(text, row);
}

static void put_id(int64_t id, struct buf *row)
{
    char text[TEXT_SIZE];
    (void)snprintf(text, sizeof text, "%" PRId64, id);
    put_field(id == 0 ? NULL : text, row);
}

static void put_time(int64_t unix_us, struct buf *row)
{
    char text[TEXT_SIZE];
    put_field(text_time_exact_us(unix_us, text), row);
}

static void put_orders(const struct notice_draft *draft, struct buf *scratch, struct buf *row)
{
    buf_clear(scratch);
    query_array_begin(scratch);
    for (size_t i = 0; i < draft->order_count; i++)
        query_array_add(scratch, draft->orders[i]);
    query_array_end(scratch);
    put_field(buf_text(scratch), row);
}

/* Stable for run, template and customer: whoever renders the notice again makes the same id. */
static void put_message_id(const struct notice_batch *batch, const struct notice_draft *draft,
                           struct buf *scratch, struct buf *row)
{
    uint8_t hash[SHA256_BYTES];
    char digits[SHA256_HEX_SIZE];
    buf_clear(scratch);
    buf_printf(scratch, "%s\x1f%s\x1f%s", batch->run_id, batch->template_name, draft->customer_key);
    digest_sha256(scratch->data, scratch->len, hash);
    text_hex(hash, MESSAGE_ID_DIGITS / 2, digits);
    buf_clear(scratch);
    buf_printf(scratch, "ms.%s.%s", batch->run_id, digits);
    put_field(buf_text(scratch), row);
}

static const char copy_sql[] =
    "COPY mainstay.notices (run_id, step_id, template, purpose, priority, customer_key,"
    " customer_id, ticket_id, api_ref, orders, channel, address, locale, subject, body_text,"
    " body_html, not_before, expires_at, reason, state, next_at, message_id) FROM STDIN";

/* The columns as copy_sql has them. */
static void put_row(const struct notice_batch *batch, const struct notice_draft *draft,
                    struct buf *scratch, struct buf *row)
{
    char priority[TEXT_SIZE];
    (void)snprintf(priority, sizeof priority, "%d", batch->priority);
    const char *const before[] = {batch->run_id,  batch->step_id, batch->template_name,
                                  batch->purpose, priority,       draft->customer_key};
    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        put_field(before[i], row);
    put_id(draft->customer_id, row);
    put_id(draft->ticket_id, row);
    put_field(draft->api_ref, row);
    put_orders(draft, scratch, row);
    const char *const texts[] = {draft->channel, draft->address,   draft->locale,
                                 draft->subject, draft->body_text, draft->body_html};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        put_field(texts[i], row);
    put_time(draft->not_before_us, row);
    put_time(draft->expires_us, row);
    put_field(draft->suppressed, row);
    put_field(draft->suppressed == NULL ? "queued" : "suppressed", row);
    put_time(draft->not_before_us, row);
    put_message_id(batch, draft, scratch, row);
    buf_put_u8(row, '\n');
}

/* Sends the rows in pieces; `known` are left out. */
static bool copy_rows(struct connection *connection, const struct notice_batch *batch,
                      const struct notice_draft *drafts, size_t count,
                      const struct query_result *known, struct error *err)
{
    struct buf rows;
    struct buf scratch;
    size_t next = 0;
    bool done = true;
    buf_init(&rows, ARRAY_MAX_BYTES);
    buf_init(&scratch, ARRAY_MAX_BYTES);
    for (size_t i = 0; done && i < count; i++) {
        int64_t at = 0;
        if (next < query_rows(known) && !query_i64(known, next, 0, &at, err)) {
            done = false;
        } else if (at == (int64_t)i + 1) {
            next++;
        } else {
            put_row(batch, &drafts[i], &scratch, &rows);
            done = buf_check(&scratch, "a notice", err) && buf_check(&rows, "a notice", err);
        }
        if (done && rows.len >= COPY_PIECE_BYTES) {
            done = copy_in_put(connection, rows.data, rows.len, err);
            buf_clear(&rows);
        }
    }
    done = done && (rows.len == 0 || copy_in_put(connection, rows.data, rows.len, err));
    buf_release(&rows);
    buf_release(&scratch);
    return done;
}

bool outbox_queue(struct connection *connection, const struct notice_batch *batch,
                  const struct notice_draft *drafts, size_t count, uint64_t *out_new,
                  struct error *err)
{
    static const char what[] = "queue notices";
    CLEANUP(query_result_cleanup) struct query_result *known = NULL;
    if (count == 0) {
        *out_new = 0;
        return true;
    }
    if (!find_known(connection, batch, drafts, count, &known, err) ||
        !copy_in_begin(connection, copy_sql, what, err))
        return false;
    if (!copy_rows(connection, batch, drafts, count, known, err)) {
        copy_in_abort(connection);
        return false;
    }
    return copy_in_finish(connection, what, out_new, err);
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
