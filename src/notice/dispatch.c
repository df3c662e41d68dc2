#include "notice/dispatch.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "net/http_client.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    ANSWER_MAX_BYTES = 64 * 1024,
    BODY_MAX_BYTES = 512 * 1024,
    CONNECT_TIMEOUT_US = 5 * 1000000,
    STALL_TIMEOUT_US = 10 * 1000000,
    PAUSE_FIRST_US = 2 * 1000000,
    PAUSE_MAX_US = 600 * 1000000,
    NUMBER_SIZE = 24,
    REASON_SIZE = 160,
};

struct dispatcher {
    struct dispatch_options options;
    struct http_client *client;
};

/* ---- one notice ---- */

enum outcome { OUTCOME_SENT, OUTCOME_RETRY, OUTCOME_DEAD };

/* What became of an attempt; reason is for people and never has the URL. */
struct attempt {
    enum outcome outcome;
    int code; /* HTTP status; 0: there was no answer */
    int64_t pause_us;
    char reason[REASON_SIZE];
};

/* Columns of the claim. */
enum claim_column {
    CLAIM_ID,
    CLAIM_FENCE,
    CLAIM_ATTEMPTS,
    CLAIM_ADDRESS,
    CLAIM_MESSAGE_ID,
    CLAIM_RUN,
    CLAIM_TEMPLATE,
    CLAIM_PURPOSE,
    CLAIM_SUBJECT,
    CLAIM_TEXT,
    CLAIM_QUEUED,
};

/* Doubling, half of it by chance, so that many notices do not come back together. */
static int64_t pause_after(const struct dispatcher *dispatcher, int64_t attempts)
{
    int64_t pause_us = PAUSE_FIRST_US;
    for (int64_t i = 1; i < attempts && pause_us < PAUSE_MAX_US; i++)
        pause_us *= 2;
    if (pause_us > PAUSE_MAX_US)
        pause_us = PAUSE_MAX_US;
    return pause_us / 2 + (int64_t)random_below(dispatcher->options.random, (uint64_t)pause_us / 2);
}

static void set_outcome(struct attempt *attempt, enum outcome outcome, const char *reason)
{
    attempt->outcome = outcome;
    (void)snprintf(attempt->reason, sizeof attempt->reason, "%.*s", REASON_SIZE - 1, reason);
}

/* 408, 425, 429 and 5xx may pass; every other refusal would be the same next time. */
static void judge_status(const struct http_response *response, struct attempt *attempt)
{
    char reason[REASON_SIZE];
    int status = response->status;
    attempt->code = status;
    (void)snprintf(reason, sizeof reason, "HTTP status %d", status);
    if (status / 100 == 2) {
        set_outcome(attempt, OUTCOME_SENT, "");
        return;
    }
    bool may_pass = status == 408 || status == 425 || status == 429 || status / 100 == 5;
    set_outcome(attempt, may_pass ? OUTCOME_RETRY : OUTCOME_DEAD, reason);
    int64_t asked_us = http_retry_after_ms(response) * 1000;
    if (asked_us > attempt->pause_us)
        attempt->pause_us = asked_us;
}

static bool post(struct dispatcher *dispatcher, const struct webhook *webhook,
                 const char *message_id, const struct buf *body, struct attempt *attempt,
                 struct error *err)
{
    const struct http_header headers[] = {{"Content-Type", "application/json"},
                                          {"Idempotency-Key", message_id}};
    const struct http_request request = {.method = "POST",
                                         .url = webhook->url.text,
                                         .headers = headers,
                                         .header_count = ARRAY_LEN(headers),
                                         .body = body->data,
                                         .body_len = body->len};
    struct http_response response;
    struct error failure; /* its text may name the URL, which is a secret */
    http_response_init(&response, ANSWER_MAX_BYTES);
    bool done = true;
    if (http_send(dispatcher->client, &request, &response, &failure)) {
        judge_status(&response, attempt);
    } else if (failure.kind == ERROR_CANCELLED) {
        done = error_set(err, ERROR_CANCELLED, "asked to stop");
    } else {
        char reason[REASON_SIZE];
        (void)snprintf(reason, sizeof reason, "no answer (%s)", error_kind_name(failure.kind));
        set_outcome(attempt, failure.retryable ? OUTCOME_RETRY : OUTCOME_DEAD, reason);
    }
    http_response_release(&response);
    return done;
}

/* A webhook that is not configured (yet) is tried again: the notice is not at fault. */
static bool try_notice(struct dispatcher *dispatcher, const struct query_result *rows, size_t row,
                       struct attempt *attempt, struct error *err)
{
    struct error failure;
    struct webhook webhook = {0};
    const struct webhook_message message = {
        .id = query_field(rows, row, CLAIM_MESSAGE_ID),
        .run_id = query_field(rows, row, CLAIM_RUN),
        .template_name = query_field(rows, row, CLAIM_TEMPLATE),
        .purpose = query_field(rows, row, CLAIM_PURPOSE),
        .subject = query_field(rows, row, CLAIM_SUBJECT),
        .text = query_field(rows, row, CLAIM_TEXT),
        .queued = query_field(rows, row, CLAIM_QUEUED),
    };
    if (!webhook_load(dispatcher->options.webhook_directory, query_field(rows, row, CLAIM_ADDRESS),
                      &webhook, &failure) ||
        (!dispatcher->options.plain_http && !http_url_is_private(webhook.url.text, &failure))) {
        webhook_release(&webhook);
        set_outcome(attempt, OUTCOME_RETRY, failure.text);
        return true;
    }
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    bool done = webhook_put_json(&webhook, &message, &body, &failure);
    if (!done)
        set_outcome(attempt, OUTCOME_DEAD, failure.text);
    done = !done || post(dispatcher, &webhook, message.id, &body, attempt, err);
    buf_release(&body);
    webhook_release(&webhook);
    return done;
}

/* ---- what is written about it ---- */

static bool write_outcome(struct connection *connection, const struct query_result *rows,
                          size_t row, const struct attempt *attempt, uint64_t *out_changed,
                          struct error *err)
{
    static const char *const states[] = {"sent", "retry", "dead"};
    char code[NUMBER_SIZE];
    char pause[NUMBER_SIZE];
    (void)snprintf(code, sizeof code, "%d", attempt->code);
    (void)snprintf(pause, sizeof pause, "%" PRId64, attempt->pause_us);
    const char *values[] = {query_field(rows, row, CLAIM_ID),
                            query_field(rows, row, CLAIM_FENCE),
                            states[attempt->outcome],
                            code,
                            attempt->reason,
                            pause};
    const struct query query = {
        .sql = "UPDATE mainstay.notices SET state = $3, lease_owner = NULL, lease_until = NULL,"
               " last_code = NULLIF($4::int, 0), last_error = NULLIF($5, ''),"
               " reason = CASE $3 WHEN 'dead' THEN $5 ELSE reason END,"
               " sent_at = CASE $3 WHEN 'sent' THEN now() END,"
               " next_at = CASE $3 WHEN 'retry' THEN now() + $6::bigint * interval '1 microsecond'"
               " ELSE next_at END "
               "WHERE id = $1::bigint AND fence = $2::bigint AND state = 'sending'",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "write what became of a notice"};
    return query_do(connection, &query, out_changed, err);
}

static bool settle(struct connection *connection, const struct query_result *rows, size_t row,
                   struct attempt *attempt, struct dispatch_counts *counts, struct error *err)
{
    int64_t attempts;
    uint64_t changed;
    if (!query_i64(rows, row, CLAIM_ATTEMPTS, &attempts, err))
        return false;
    if (attempt->outcome == OUTCOME_RETRY && attempts >= DISPATCH_ATTEMPTS)
        attempt->outcome = OUTCOME_DEAD;
    if (!write_outcome(connection, rows, row, attempt, &changed, err))
        return false;
    uint64_t *const tallies[] = {&counts->sent, &counts->retried, &counts->dead};
    *(changed == 0 ? &counts->overtaken : tallies[attempt->outcome]) += 1;
    if (attempt->outcome != OUTCOME_SENT)
        log_event(LOG_WARNING, "notice.undelivered", "notice %s to webhook %s: %s%s",
                  query_field(rows, row, CLAIM_ID), query_field(rows, row, CLAIM_ADDRESS),
                  attempt->reason, attempt->outcome == OUTCOME_DEAD ? "; given up" : "");
    return true;
}

/* A stop while a request is under way leaves its notice in `sending`: nobody knows whether it
 * arrived. */
static bool send_one(struct dispatcher *dispatcher, struct connection *connection,
                     const struct query_result *rows, size_t row, struct dispatch_counts *counts,
                     struct error *err)
{
    int64_t attempts;
    struct attempt attempt = {0};
    if (!query_i64(rows, row, CLAIM_ATTEMPTS, &attempts, err))
        return false;
    attempt.pause_us = pause_after(dispatcher, attempts);
    return try_notice(dispatcher, rows, row, &attempt, err) &&
           settle(connection, rows, row, &attempt, counts, err);
}

/* ---- rounds ---- */

static bool expire(struct connection *connection, struct dispatch_counts *counts, struct error *err)
{
    const struct query query = {
        .sql =
            "UPDATE mainstay.notices SET state = 'expired', reason = 'expired before it was sent'"
            " WHERE state IN ('queued', 'retry', 'held') AND expires_at <= now()",
        .what = "expire notices"};
    uint64_t expired;
    if (!query_do(connection, &query, &expired, err))
        return false;
    counts->expired += expired;
    return true;
}

/* Notices of a dispatcher that died while it was sending. */
static bool settle_abandoned(struct connection *connection, struct dispatch_counts *counts,
                             struct error *err)
{
    const struct query query = {
        .sql = "UPDATE mainstay.notices SET fence = fence + 1, lease_owner = NULL,"
               " lease_until = NULL, next_at = now(),"
               " state = CASE purpose WHEN 'safety' THEN 'retry' ELSE 'unknown' END,"
               " reason = 'its dispatcher ended while it was being sent' "
               "WHERE state = 'sending' AND lease_until <= now()",
        .what = "settle abandoned notices"};
    uint64_t abandoned;
    if (!query_do(connection, &query, &abandoned, err))
        return false;
    counts->unknown += abandoned;
    return true;
}

/* The oldest unfinished notice of each run and webhook: the next one waits for it. */
static bool claim(const struct dispatcher *dispatcher, struct connection *connection,
                  struct query_result **out, struct error *err)
{
    char lease[NUMBER_SIZE];
    char limit[NUMBER_SIZE];
    int64_t lease_us = dispatcher->options.lease_us;
    (void)snprintf(lease, sizeof lease, "%" PRId64, lease_us == 0 ? DISPATCH_LEASE_US : lease_us);
    (void)snprintf(limit, sizeof limit, "%d", DISPATCH_CLAIM);
    const char *values[] = {dispatcher->options.owner, lease, limit};
    const struct query query = {
        .sql =
            "WITH due AS (SELECT n.id FROM mainstay.notices n WHERE n.channel = 'webhook'"
            "  AND n.state IN ('queued', 'retry') AND n.next_at <= now() AND n.expires_at > now()"
            "  AND NOT EXISTS (SELECT FROM mainstay.notices e WHERE e.channel = 'webhook'"
            "   AND e.address = n.address AND e.run_id = n.run_id AND e.id < n.id"
            "   AND e.state IN ('queued', 'retry', 'sending'))"
            "  ORDER BY n.priority, n.next_at, n.id LIMIT $3::int FOR UPDATE OF n SKIP LOCKED) "
            "UPDATE mainstay.notices n SET state = 'sending', fence = n.fence + 1,"
            " attempts = n.attempts + 1, lease_owner = $1,"
            " lease_until = now() + $2::bigint * interval '1 microsecond' "
            "FROM due WHERE n.id = due.id "
            "RETURNING n.id, n.fence, n.attempts, n.address, n.message_id, n.run_id, n.template,"
            " n.purpose, n.subject, n.body_text,"
            " to_char(n.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "claim notices"};
    return query_run(connection, &query, out, err);
}

bool dispatcher_round(struct dispatcher *dispatcher, struct connection *connection,
                      struct dispatch_counts *counts, bool *out_more, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!stop_check(err) || !expire(connection, counts, err) ||
        !settle_abandoned(connection, counts, err) || !claim(dispatcher, connection, &rows, err))
        return false;
    for (size_t row = 0; row < query_rows(rows); row++) {
        if (!send_one(dispatcher, connection, rows, row, counts, err))
            return false;
    }
    *out_more = query_rows(rows) > 0;
    return true;
}

bool dispatcher_next_due(struct connection *connection, int64_t *out_us, struct error *err)
{
    const struct query query = {
        .sql = "SELECT (extract(epoch FROM min(CASE state WHEN 'sending' THEN lease_until"
               " ELSE LEAST(next_at, expires_at) END) - now()) * 1000000)::bigint"
               " FROM mainstay.notices WHERE channel = 'webhook'"
               " AND state IN ('queued', 'retry', 'sending')",
        .what = "look when the next notice is due"};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, &query, &rows, err))
        return false;
    if (query_is_null(rows, 0, 0)) {
        *out_us = INT64_MAX;
        return true;
    }
    return query_i64(rows, 0, 0, out_us, err);
}

bool dispatcher_new(const struct dispatch_options *options, struct dispatcher **out,
                    struct error *err)
{
    const struct http_options http = {.connect_timeout_us = CONNECT_TIMEOUT_US,
                                      .stall_timeout_us = STALL_TIMEOUT_US};
    struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (dispatcher == NULL)
        return error_no_memory(err, "a dispatcher");
    dispatcher->options = *options;
    if (!http_client_new(&http, &dispatcher->client, err)) {
        dispatcher_free(dispatcher);
        return false;
    }
    *out = dispatcher;
    return true;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
    if (dispatcher == NULL)
        return;
    http_client_free(dispatcher->client);
    free(dispatcher);
}

void dispatcher_cleanup(struct dispatcher **dispatcher)
{
    dispatcher_free(*dispatcher);
    *dispatcher = NULL;
}
