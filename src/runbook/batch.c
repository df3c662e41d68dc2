/* Transactions of a run: begun with its lease, tried again when the server says so, measured. */
#include "run_internal.h"

#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    ATTEMPTS = 10,
    FIRST_BACKOFF_US = 20000,
    LONGEST_BACKOFF_US = 2000000,
    STANDARD_LOCK_TIMEOUT_US = 250000,
    STANDARD_STATEMENT_TIMEOUT_US = 5000000,
    LOAD_EVERY_US = 250000,
};

static int64_t in_ms(int64_t us, int64_t standard_us)
{
    return (us > 0 ? us : standard_us) / 1000;
}

/* One round trip. A process that stops in the middle of a transaction must not keep its locks. */
static bool begin(struct run *run, struct error *err)
{
    const struct runbook_limits *limits = &run->runbook->limits;
    char script[256];
    (void)snprintf(script, sizeof script,
                   "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
                   "SET LOCAL lock_timeout = %" PRId64 "; SET LOCAL statement_timeout = %" PRId64
                   "; "
                   "SET LOCAL idle_in_transaction_session_timeout = %" PRId64,
                   in_ms(limits->lock_timeout_us, STANDARD_LOCK_TIMEOUT_US),
                   in_ms(limits->statement_timeout_us, STANDARD_STATEMENT_TIMEOUT_US),
                   in_ms(run->settings->lease_us, 0));
    return query_script(run->connection, script, "begin a transaction", err) &&
           run_lease_renew(run, err);
}

/* The last batch's measure goes into the next transaction: its own commit is part of what it took.
 */
static bool keep_measure(struct run *run, struct error *err)
{
    char number[4][RUN_NUMBER_SIZE];
    const struct run_measure *measure = &run->measured;
    if (measure->targets == 0 || run->step.id == NULL)
        return true;
    const struct query query = {
        .sql = "INSERT INTO mainstay.run_batches (run_id, step_id, seq, targets, changed, held, "
               "duration_us) SELECT $1, $2, coalesce(max(seq), 0) + 1, $3, $4, $5, $6 "
               "FROM mainstay.run_batches WHERE run_id = $1 AND step_id = $2",
        .values = (const char *const[]){run->id, run->step.id,
                                        run_number((int64_t)measure->targets, number[0]),
                                        run_number((int64_t)measure->changed, number[1]),
                                        run_number((int64_t)measure->held, number[2]),
                                        run_number(measure->taken_us, number[3])},
        .count = 6,
        .what = "keep what the batch took",
    };
    return query_do(run->connection, &query, NULL, err);
}

static bool try_once(struct run *run, run_try_fn body, void *context, struct error *err)
{
    if (!begin(run, err) || !keep_measure(run, err) || !body(run, context, err) ||
        !query_command(run->connection, "COMMIT", "commit", err))
        return false;
    run->measured.targets = 0;
    return true;
}

static bool is_timeout(const char *sqlstate)
{
    return strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "57014") == 0;
}

static bool is_worth_trying(const char *sqlstate)
{
    return is_timeout(sqlstate) || strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

static void back_off(struct run *run, int attempt)
{
    int64_t most = (int64_t)FIRST_BACKOFF_US << attempt;
    if (most > LONGEST_BACKOFF_US)
        most = LONGEST_BACKOFF_US;
    clock_sleep_us(run->settings->clock,
                   most / 2 + (int64_t)random_below(run->random, (uint64_t)(most / 2)));
}

bool run_transaction(struct run *run, run_try_fn body, void *context, struct error *err)
{
    for (int attempt = 0;; attempt++) {
        char sqlstate[8];
        if (try_once(run, body, context, err))
            return true;
        (void)snprintf(sqlstate, sizeof sqlstate, "%s", query_sqlstate(run->connection));
        query_rollback(run->connection);
        if (!is_worth_trying(sqlstate) || attempt + 1 == ATTEMPTS || stop_requested())
            return false;
        if (is_timeout(sqlstate))
            run_pace_timeout(&run->pace);
        back_off(run, attempt);
    }
}

void run_tell(struct run *run, const char *state, uint64_t held)
{
    if (run->settings->progress == NULL)
        return;
    uint64_t done = run->step.cursor < 0 ? 0 : (uint64_t)run->step.cursor;
    uint64_t total = run->step.total < 0 ? 0 : (uint64_t)run->step.total;
    const struct run_progress progress = {
        .step_id = run->step.id == NULL ? "" : run->step.id,
        .state = state,
        .reason = run->reason,
        .done = done,
        .total = total,
        .held = held,
        .per_second = run_pace_rate(&run->pace),
        .eta_us = run_pace_eta_us(&run->pace, done, total),
    };
    run->settings->progress(run->settings->context, &progress);
}

static bool read_load(struct run *run, struct server_load *out, struct error *err)
{
    const struct query query = {
        .sql = "SELECT active, lock_waits, replica_lag_us, sees_all FROM mainstay.load()",
        .what = "look at the server's load",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t active = 0;
    int64_t waits = 0;
    if (!query_run(run->connection, &query, &rows, err) || !query_i64(rows, 0, 0, &active, err) ||
        !query_i64(rows, 0, 1, &waits, err) || !query_i64(rows, 0, 2, &out->replica_lag_us, err) ||
        !query_bool(rows, 0, 3, &out->sees_all, err))
        return false;
    out->active = (uint64_t)active;
    out->lock_waits = (uint64_t)waits;
    run->load_seen_us = clock_monotonic_us(run->settings->clock);
    return true;
}

static bool write_reason(struct run *run, void *context, struct error *err)
{
    (void)context;
    return run_set_state(run, "running", run->reason[0] == '\0' ? NULL : run->reason, err);
}

bool run_step_check_time(struct run *run, struct error *err)
{
    char text[TEXT_SIZE];
    int64_t allowed_us = run->step.spec == NULL ? 0 : run->step.spec->timeout_us;
    int64_t taken_us = run->step.running_us + clock_monotonic_us(run->settings->clock) -
                       run->step_began_us;
    if (allowed_us == 0 || taken_us < allowed_us)
        return true;
    return error_set(err, ERROR_UNAVAILABLE, "it took longer than its timeout of %s",
                     text_duration_us(allowed_us, text));
}

bool run_throttle(struct run *run, struct error *err)
{
    struct server_load load = {0};
    bool slowed = false;
    if (!run_step_check_time(run, err))
        return false;
    int64_t now_us = clock_monotonic_us(run->settings->clock);
    if (run->load_seen_us != 0 && now_us - run->load_seen_us < LOAD_EVERY_US)
        return true;
    for (;;) {
        if (!stop_check(err) || !run_step_check_time(run, err) || !read_load(run, &load, err))
            return false;
        if (!run_pace_must_wait(&run->pace, &load, run->reason))
            break;
        if (!(slowed ? run_lease_keep(run, err) : run_transaction(run, write_reason, NULL, err)))
            return false;
        slowed = true;
        run_tell(run, "running", 0);
        clock_sleep_us(run->settings->clock, run->settings->poll_us);
    }
    run->last_batch_end_us = slowed ? 0 : run->last_batch_end_us;
    return !slowed || run_transaction(run, write_reason, NULL, err);
}

void run_measured(struct run *run, const struct run_measure *measure)
{
    int64_t now_us = clock_monotonic_us(run->settings->clock);
    int64_t taken_us = now_us - measure->began_us;
    run_pace_done(&run->pace, measure->targets, taken_us,
                  run->last_batch_end_us == 0 ? taken_us : now_us - run->last_batch_end_us);
    run->last_batch_end_us = now_us;
    run->measured = *measure;
    run->measured.taken_us = taken_us;
}
