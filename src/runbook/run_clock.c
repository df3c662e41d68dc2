/*
 * The clock that people outside look at: when they were promised to hear from us again. A promise
 * that is broken pages somebody; nothing is ever posted in their place.
 */
#include "run_internal.h"

#include "notice/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t day_us = INT64_C(86400000000);

bool run_clock_restart(struct run *run, struct error *err)
{
    const struct runbook_clock *clock = &run->runbook->clock;
    char number[4][RUN_NUMBER_SIZE];
    const struct query query = {
        .sql =
            "UPDATE mainstay.runs SET next_update_at = clock_timestamp() + interval "
            "'1 microsecond' * CASE WHEN $5::bigint > 0 AND $4::bigint > 0 AND clock_timestamp() "
            "> created_at + $5::bigint * interval '1 microsecond' THEN $4::bigint "
            "ELSE nullif($3::bigint, 0) END WHERE id = $1 AND fence = $2",
        .values = (const char *const[]){run->id, run_number(run->fence, number[0]),
                                        run_number(clock->update_every_us, number[1]),
                                        run_number(clock->update_every_long_us, number[2]),
                                        run_number(clock->long_after_us, number[3])},
        .count = 5,
        .what = "set the time of the next update",
    };
    return query_do(run->connection, &query, NULL, err);
}

bool run_post_queue(struct run *run, const struct text_list *webhooks, const struct run_post *post,
                    struct error *err)
{
    const struct notice_batch batch = {
        .run_id = run->id,
        .step_id = run->step.id == NULL ? "" : run->step.id,
        .template_name = post->template_name,
        .purpose = "status",
        .priority = outbox_priority("status"),
    };
    int64_t now_us = clock_now_us(run->settings->clock);
    for (size_t i = 0; i < webhooks->count; i++) {
        char key[256];
        uint64_t queued = 0;
        (void)snprintf(key, sizeof key, "webhook:%.100s/%.120s", webhooks->items[i], post->key);
        const struct notice_draft draft = {
            .customer_key = key,
            .channel = "webhook",
            .address = webhooks->items[i],
            .locale = "en",
            .subject = post->subject,
            .body_text = post->text,
            .not_before_us = now_us,
            .expires_us = now_us + day_us,
        };
        if (!outbox_queue(run->connection, &batch, &draft, 1, &queued, err))
            return false;
    }
    return true;
}

struct breach {
    char promised[40];
    int64_t promised_s;
    bool is_new;
};

static bool read_breach(struct run *run, struct breach *out, struct error *err)
{
    char grace[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql =
            "SELECT to_char(next_update_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
            "extract(epoch FROM next_update_at)::bigint FROM mainstay.runs WHERE id = $1 AND "
            "next_update_at + $2::bigint * interval '1 microsecond' < clock_timestamp() AND "
            "breached_at IS DISTINCT FROM next_update_at",
        .values = (const char *const[]){run->id, run_number(run->runbook->clock.grace_us, grace)},
        .count = 2,
        .what = "look at the update clock",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    out->is_new = query_rows(rows) > 0;
    if (!out->is_new)
        return true;
    (void)snprintf(out->promised, sizeof out->promised, "%s", query_field(rows, 0, 0));
    return query_i64(rows, 0, 1, &out->promised_s, err);
}

static bool write_breach(struct run *run, void *context, struct error *err)
{
    struct breach *breach = context;
    char key[64];
    char text[256];
    char *pager = run->runbook->clock.on_breach;
    const struct text_list pagers = {.items = &pager, .count = pager[0] == '\0' ? 0 : 1};
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET breached_at = next_update_at WHERE id = $1",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "note that an update is late",
    };
    if (!read_breach(run, breach, err))
        return false;
    if (!breach->is_new)
        return true;
    (void)snprintf(key, sizeof key, "breach-%" PRId64, breach->promised_s);
    (void)snprintf(text, sizeof text,
                   "Run %s promised an update by %s and gave none. Nothing was posted.", run->id,
                   breach->promised);
    const struct run_post post = {
        .key = key, .template_name = "clock-breach", .subject = "An update is late", .text = text};
    return query_do(run->connection, &query, NULL, err) &&
           run_event_text(run, "clock_breach", "promised", breach->promised, err) &&
           run_post_queue(run, &pagers, &post, err);
}

bool run_clock_check(struct run *run, struct error *err)
{
    struct breach breach = {0};
    if (!read_breach(run, &breach, err))
        return false;
    return !breach.is_new || run_transaction(run, write_breach, &breach, err);
}
