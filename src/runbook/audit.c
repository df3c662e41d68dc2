#include "runbook/audit.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_AT_ONCE = 500, NUMBER_SIZE = 24 };

struct chain {
    struct audit_result *result;
    int64_t seq;
    uint8_t head[AUDIT_HASH_BYTES];
    size_t head_len;
    const char *known_head;
    bool known_found;
};

static bool broken(struct chain *chain, const char *format, ...) FORMAT(2, 3);

/* Keeps the first problem. Always false: nothing behind it means anything. */
static bool broken(struct chain *chain, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    chain->result->intact = false;
    (void)vsnprintf(chain->result->problem, sizeof chain->result->problem, format, args);
    va_end(args);
    return false;
}

static void put_text(struct sha256 *state, const char *text)
{
    sha256_update(state, "\x1f", 1);
    sha256_update(state, text, strlen(text));
}

bool audit_hash(const uint8_t *previous, size_t previous_len, const struct audit_event *event,
                uint8_t out[AUDIT_HASH_BYTES], struct error *err)
{
    struct sha256 *state;
    char seq[NUMBER_SIZE];
    if (!sha256_new(&state, err))
        return false;
    (void)snprintf(seq, sizeof seq, "%" PRId64, event->seq);
    if (previous_len > 0)
        sha256_update(state, previous, previous_len);
    sha256_update(state, event->run_id, strlen(event->run_id));
    const char *const rest[] = {seq,         event->at,   event->actor,
                                event->host, event->kind, event->detail};
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        put_text(state, rest[i]);
    sha256_final(state, out);
    sha256_free(state);
    return true;
}

/* False without err where the chain is broken. */
static bool check_event(struct chain *chain, const struct query_result *rows, size_t row,
                        const char *run_id, bool *out_intact, struct error *err)
{
    const struct audit_event event = {
        .run_id = run_id,
        .seq = chain->seq + 1,
        .at = query_field(rows, row, 1),
        .actor = query_field(rows, row, 2),
        .host = query_field(rows, row, 3),
        .kind = query_field(rows, row, 4),
        .detail = query_field(rows, row, 5),
    };
    int64_t seq = 0;
    char hex[AUDIT_HEX_SIZE];
    *out_intact = true;
    if (!query_i64(rows, row, 0, &seq, err) ||
        !audit_hash(chain->head, chain->head_len, &event, chain->head, err))
        return false;
    chain->head_len = sizeof chain->head;
    text_hex(chain->head, sizeof chain->head, hex);
    if (seq != event.seq)
        *out_intact = broken(chain, "event %" PRId64 " is missing", event.seq);
    else if (strcmp(hex, query_field(rows, row, 6)) != 0)
        *out_intact = broken(chain, "event %" PRId64 " (%.40s) was changed", seq, event.kind);
    chain->seq = seq;
    chain->result->events++;
    if (chain->known_head != NULL && strcmp(hex, chain->known_head) == 0)
        chain->known_found = true;
    (void)snprintf(chain->result->head, sizeof chain->result->head, "%s", hex);
    return true;
}

static bool check_events(struct connection *connection, const char *run_id, struct chain *chain,
                         struct error *err)
{
    size_t count = EVENTS_AT_ONCE;
    bool intact = true;
    while (intact && count == EVENTS_AT_ONCE) {
        char behind[NUMBER_SIZE];
        CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
        (void)snprintf(behind, sizeof behind, "%" PRId64, chain->seq);
        const struct query query = {
            .sql = "SELECT seq, to_char(at AT TIME ZONE 'UTC', "
                   "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), actor, host, kind, detail, "
                   "encode(hash, 'hex') FROM mainstay.events WHERE run_id = $1 AND seq > $2 "
                   "ORDER BY seq LIMIT 500",
            .values = (const char *const[]){run_id, behind},
            .count = 2,
            .what = "read the run's events",
        };
        if (!query_run(connection, &query, &rows, err))
            return false;
        count = query_rows(rows);
        for (size_t i = 0; intact && i < count; i++)
            if (!check_event(chain, rows, i, run_id, &intact, err))
                return false;
    }
    return true;
}

static void check_tail(struct chain *chain, int64_t count, const char *head)
{
    struct audit_result *result = chain->result;
    if (!result->intact)
        return;
    if (chain->seq != count)
        (void)broken(chain, "the run had %" PRId64 " %s, %" PRId64 " %s there", count,
                     text_plural((uint64_t)count, "event", "events"), chain->seq,
                     text_plural((uint64_t)chain->seq, "is", "are"));
    else if (strcmp(result->head, head) != 0)
        (void)broken(chain, "the last event is not the one that the run ended with");
    else if (chain->known_head != NULL && !chain->known_found)
        (void)broken(chain, "no event has the hash %.16s...: the chain was written anew",
                     chain->known_head);
}

static bool verify(struct connection *connection, const char *run_id, struct chain *chain,
                   struct error *err)
{
    const struct query query = {
        .sql = "SELECT event_count, encode(event_head, 'hex') FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "read the run",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t count = 0;
    if (!query_run(connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run \"%.80s\"", run_id);
    if (!query_i64(rows, 0, 0, &count, err) || !check_events(connection, run_id, chain, err))
        return false;
    check_tail(chain, count, query_field(rows, 0, 1));
    return true;
}

bool audit_verify(struct connection *connection, const char *run_id, const char *known_head,
                  struct audit_result *out, struct error *err)
{
    uint8_t bytes[AUDIT_HASH_BYTES];
    struct chain chain = {.result = out, .known_head = known_head};
    *out = (struct audit_result){.intact = true};
    if (known_head != NULL && !text_from_hex(known_head, bytes, sizeof bytes))
        return error_set(err, ERROR_USAGE, "\"%.80s\" is not a head: 64 hex digits", known_head);
    bool done = query_command(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                              "begin", err) &&
                verify(connection, run_id, &chain, err);
    query_rollback(connection);
    return done;
}
