/*
 * Who may write a run: whoever raised its fence last. Between processes that live, the lease's time
 * decides; an advisory lock, which is gone with its connection, lets a run be taken over at once
 * when its process was killed. The lock only saves time: what protects is the fence.
 */
#include "run_internal.h"

#include "base/clock.h"
#include "postgres/advisory_lock.h"

#include <stdio.h>
#include <string.h>

static int64_t lock_key(const struct run *run)
{
    return advisory_lock_key("runbook run", run->id, strlen(run->id));
}

static void unlock(struct run *run)
{
    char key[RUN_NUMBER_SIZE];
    struct error ignored = {0};
    const struct query query = {.sql = "SELECT pg_catalog.pg_advisory_unlock($1::bigint)",
                                .values = (const char *const[]){run_number(lock_key(run), key)},
                                .count = 1,
                                .what = "let go of the run"};
    query_rollback(run->connection);
    (void)!query_do(run->connection, &query, NULL, &ignored);
}

/* Why the lease could not be had. Always false. */
static bool explain_refusal(struct run *run, struct error *err)
{
    const struct query query = {
        .sql = "SELECT state, coalesce(holder, 'nobody'), greatest(0, ceil(extract(epoch FROM "
               "lease_until - clock_timestamp())))::bigint FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "read the run's lease",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run \"%s\"", run->id);
    const char *state = query_field(rows, 0, 0);
    if (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
        strcmp(state, "cancelled") == 0)
        return error_set(err, ERROR_REFUSED, "cannot go on with run %s: it is %s", run->id, state);
    (void)error_set(err, ERROR_UNAVAILABLE, "run %s is being worked on by %s", run->id,
                    query_field(rows, 0, 1));
    err->retryable = true;
    return error_hint(err, "If that process is gone, its lease ends in %s s.",
                      query_field(rows, 0, 2));
}

bool run_lease_take(struct run *run, struct error *err)
{
    char lease[RUN_NUMBER_SIZE];
    bool alone = false;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!advisory_lock_try(run->connection, lock_key(run), &alone, err))
        return false;
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET fence = fence + 1, holder = $2, "
               "lease_until = clock_timestamp() + $3::bigint * interval '1 microsecond', "
               "state = 'running', reason = NULL, "
               "wanted = CASE WHEN wanted = 'cancel' THEN wanted END "
               "WHERE id = $1 AND state IN ('running', 'waiting', 'paused') AND ($4::boolean OR "
               "lease_until IS NULL OR lease_until < clock_timestamp()) "
               "RETURNING fence, coalesce(wanted, '')",
        .values = (const char *const[]){run->id, run->settings->host,
                                        run_number(run->settings->lease_us, lease),
                                        alone ? "true" : "false"},
        .count = 4,
        .what = "take the run's lease",
    };
    bool done = query_run(run->connection, &query, &rows, err);
    if (done && query_rows(rows) == 0)
        done = explain_refusal(run, err);
    else if (done)
        done = query_i64(rows, 0, 0, &run->fence, err);
    if (!done) {
        if (alone)
            unlock(run);
        return false;
    }
    (void)snprintf(run->wanted, sizeof run->wanted, "%s", query_field(rows, 0, 1));
    run->renewed_us = clock_monotonic_us(run->settings->clock);
    return true;
}

/* Why nothing may be written any more. Always false. */
static bool explain_loss(struct run *run, struct error *err)
{
    const struct query query = {
        .sql = "SELECT fence, coalesce(wanted, ''), coalesce(holder, 'nobody'), state "
               "FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run->id},
        .count = 1,
        .what = "read the run's lease",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    int64_t fence = 0;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0 || !query_i64(rows, 0, 0, &fence, err))
        return error_set(err, ERROR_NOT_FOUND, "run %s is gone", run->id);
    if (fence == run->fence && query_field(rows, 0, 1)[0] != '\0') {
        (void)snprintf(run->wanted, sizeof run->wanted, "%s", query_field(rows, 0, 1));
        return error_set(err, ERROR_CANCELLED, "run %s was asked to %s", run->id, run->wanted);
    }
    (void)error_set(err, ERROR_CANCELLED,
                    "run %s is %s and %s holds it now: nothing more was written here", run->id,
                    query_field(rows, 0, 3), query_field(rows, 0, 2));
    return error_hint(err, "`mainstay runbook status %s` shows where it is.", run->id);
}

bool run_lease_renew(struct run *run, struct error *err)
{
    char fence[RUN_NUMBER_SIZE];
    char lease[RUN_NUMBER_SIZE];
    uint64_t renewed = 0;
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET "
               "lease_until = clock_timestamp() + $3::bigint * interval '1 microsecond' "
               "WHERE id = $1 AND fence = $2 AND ($4::boolean OR wanted IS NULL) "
               "AND state IN ('running', 'waiting')",
        .values = (const char *const[]){run->id, run_number(run->fence, fence),
                                        run_number(run->settings->lease_us, lease),
                                        run->ending ? "true" : "false"},
        .count = 4,
        .what = "renew the run's lease",
    };
    if (!query_do(run->connection, &query, &renewed, err))
        return false;
    if (renewed == 0)
        return explain_loss(run, err);
    run->renewed_us = clock_monotonic_us(run->settings->clock);
    return true;
}

static bool write_reason(struct run *run, void *context, struct error *err)
{
    (void)context;
    char fence[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET reason = $3 WHERE id = $1 AND fence = $2 AND "
               "state = 'running' AND reason IS DISTINCT FROM $3",
        .values = (const char *const[]){run->id, run_number(run->fence, fence),
                                        run->reason[0] == '\0' ? NULL : run->reason},
        .count = 3,
        .what = "say why the run is slow",
    };
    return query_do(run->connection, &query, NULL, err);
}

/* The lease is young: whether it is still ours can be seen without writing. */
static bool look_at_lease(struct run *run, struct error *err)
{
    int64_t ours = 0;
    char fence[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "SELECT count(*) FROM mainstay.runs WHERE id = $1 AND fence = $2 AND wanted IS NULL "
               "AND state IN ('running', 'waiting')",
        .values = (const char *const[]){run->id, run_number(run->fence, fence)},
        .count = 2,
        .what = "look at the run's lease",
    };
    return run_query_number(run, &query, &ours, err) && (ours == 1 || explain_loss(run, err));
}

bool run_lease_keep(struct run *run, struct error *err)
{
    int64_t age_us = clock_monotonic_us(run->settings->clock) - run->renewed_us;
    return age_us < run->settings->lease_us / 3 ? look_at_lease(run, err)
                                                : run_transaction(run, write_reason, NULL, err);
}

bool run_set_state(struct run *run, const char *state, const char *reason, struct error *err)
{
    char fence[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql =
            "UPDATE mainstay.runs SET state = $3, reason = $4, wanted = NULL, finished_at = CASE "
            "WHEN $3 IN ('done', 'failed', 'cancelled') THEN clock_timestamp() END "
            "WHERE id = $1 AND fence = $2",
        .values = (const char *const[]){run->id, run_number(run->fence, fence), state, reason},
        .count = 4,
        .what = "write the run's state",
    };
    return query_do(run->connection, &query, NULL, err);
}

void run_lease_release(struct run *run)
{
    struct error ignored = {0};
    char fence[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = "UPDATE mainstay.runs SET holder = NULL, lease_until = NULL "
               "WHERE id = $1 AND fence = $2",
        .values = (const char *const[]){run->id, run_number(run->fence, fence)},
        .count = 2,
        .what = "let go of the run",
    };
    query_rollback(run->connection);
    (void)!query_do(run->connection, &query, NULL, &ignored);
    unlock(run);
}
