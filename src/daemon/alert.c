#include "daemon/alert.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

enum { STORE_FAILURES = 3 };

struct look {
    const struct facts *facts;
    const struct alert_limits *limits;
    int64_t now_us;
};

/* Whether the condition holds; text is filled when it does. */
typedef bool (*condition_fn)(const struct look *look, char text[ALERT_TEXT_SIZE]);

static bool snapshot_stale(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    char age[TEXT_SIZE];
    char limit[TEXT_SIZE];
    const struct facts *facts = look->facts;
    if (look->limits->snapshot_age_us == 0 || !facts->has_status)
        return false;
    if (!facts->has_snapshot) {
        (void)snprintf(text, ALERT_TEXT_SIZE, "there is no good snapshot");
        return look->limits->takes_snapshots &&
               look->now_us - facts->started_us > look->limits->snapshot_age_us;
    }
    int64_t age_us = look->now_us - facts->snapshot_finished_us;
    (void)snprintf(text, ALERT_TEXT_SIZE, "the last good snapshot is %s old, allowed are %s",
                   text_duration_us(age_us, age),
                   text_duration_us(look->limits->snapshot_age_us, limit));
    return age_us > look->limits->snapshot_age_us;
}

static bool wal_lag(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    char lag[TEXT_SIZE];
    char bytes[TEXT_SIZE];
    int64_t lag_us = facts_wal_lag_us(look->facts, look->now_us);
    (void)snprintf(text, ALERT_TEXT_SIZE, "no WAL was stored for %s; the server is %s ahead",
                   text_duration_us(lag_us, lag), text_bytes(look->facts->lag_bytes, bytes));
    return look->limits->wal_lag_us > 0 && lag_us > look->limits->wal_lag_us;
}

static bool wal_gap(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    (void)snprintf(text, ALERT_TEXT_SIZE,
                   "the stored WAL has a hole: times behind it can be recovered only from a newer "
                   "snapshot");
    return look->facts->has_wal && look->facts->wal_gap;
}

/* Less than a fifth of what max_slot_wal_keep_size allows is left, or it is too late. */
static bool slot_danger(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    char safe[TEXT_SIZE];
    const struct facts *facts = look->facts;
    bool scarce = facts->slot_limited &&
                  facts->slot_safe_bytes <
                      (facts->slot_safe_bytes + facts->slot_retained_bytes) / 5;
    if (facts->slot_lost)
        (void)snprintf(
            text, ALERT_TEXT_SIZE,
            "the server has removed WAL that the replication slot needs: there will be a "
            "hole, take a snapshot");
    else
        (void)snprintf(text, ALERT_TEXT_SIZE,
                       "%s of WAL more and the server removes what the replication slot needs",
                       text_bytes(facts->slot_unreserved ? 0 : facts->slot_safe_bytes, safe));
    return facts->server_reachable && facts->has_slot &&
           (facts->slot_lost || facts->slot_unreserved || scarce);
}

static bool verify_failed(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    (void)snprintf(text, ALERT_TEXT_SIZE,
                   "verification found damaged or missing objects in %" PRIu64 " of %" PRIu64
                   " parts; `mainstay snapshot verify --record` names them",
                   look->facts->verify_parts_damaged, look->facts->verify_parts);
    return look->facts->verify_parts_damaged > 0;
}

/* Where nobody holds drills, there is nothing to be missed. */
static bool drill_stale(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    char age[TEXT_SIZE];
    char limit[TEXT_SIZE];
    const struct facts *facts = look->facts;
    bool ever = facts->drill_good_us > 0;
    bool held = look->limits->holds_drills || facts->drill_last_us > 0;
    int64_t since_us = ever ? facts->drill_good_us : facts->started_us;
    int64_t age_us = look->now_us - since_us;
    (void)text_duration_us(look->limits->drill_age_us, limit);
    if (ever)
        (void)snprintf(text, ALERT_TEXT_SIZE,
                       "the last good restore drill is %s old, allowed are %s",
                       text_duration_us(age_us, age), limit);
    else
        (void)snprintf(text, ALERT_TEXT_SIZE, "no restore drill went well for %s", limit);
    return look->limits->drill_age_us > 0 && facts->has_status && held &&
           age_us > look->limits->drill_age_us;
}

static bool drill_failed(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    (void)snprintf(text, ALERT_TEXT_SIZE,
                   "the last restore drill failed, %" PRIu64
                   " in a row; `mainstay drill show latest` names the first broken promise",
                   look->facts->drill_failures);
    return look->facts->drill_failures > 0;
}

static bool unreadable(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    (void)snprintf(text, ALERT_TEXT_SIZE, "%" PRIu64 " %s cannot be read",
                   look->facts->unreadable_count,
                   text_plural(look->facts->unreadable_count, "snapshot", "snapshots"));
    return look->facts->has_status && look->facts->unreadable_count > 0;
}

static bool store_down(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    const struct job *status = &look->facts->jobs[ROLE_STATUS];
    (void)snprintf(text, ALERT_TEXT_SIZE, "the repository could not be read %" PRIu64 " times",
                   status->failures_in_row);
    return status->failures_in_row >= STORE_FAILURES;
}

static bool server_down(const struct look *look, char text[ALERT_TEXT_SIZE])
{
    (void)snprintf(text, ALERT_TEXT_SIZE, "the PostgreSQL server cannot be reached");
    return look->facts->has_status && look->facts->server_configured &&
           !look->facts->server_reachable;
}

static const struct {
    const char *name;
    condition_fn holds;
} table[ALERT_JOB_FIRST] = {
    [ALERT_SNAPSHOT_STALE] = {"snapshot-stale", snapshot_stale},
    [ALERT_WAL_LAG] = {"wal-lag", wal_lag},
    [ALERT_WAL_GAP] = {"wal-gap", wal_gap},
    [ALERT_SLOT_DANGER] = {"slot-danger", slot_danger},
    [ALERT_VERIFY_FAILED] = {"verify-failed", verify_failed},
    [ALERT_DRILL_STALE] = {"drill-stale", drill_stale},
    [ALERT_DRILL_FAILED] = {"drill-failed", drill_failed},
    [ALERT_UNREADABLE] = {"snapshot-unreadable", unreadable},
    [ALERT_STORE_DOWN] = {"store-down", store_down},
    [ALERT_SERVER_DOWN] = {"server-down", server_down},
};

/* While a job runs, nothing new is known about it. */
static bool job_failed(const struct look *look, enum role_id role, char text[ALERT_TEXT_SIZE],
                       bool before)
{
    const struct job *job = &look->facts->jobs[role];
    bool counted = role != ROLE_STATUS && role != ROLE_COUNT_OBJECTS; /* store-down says it */
    (void)snprintf(text, ALERT_TEXT_SIZE, "%s failed %" PRIu64 " %s in a row (exit code %d)",
                   job->role->name, job->failures_in_row,
                   text_plural(job->failures_in_row, "time", "times"), job->last_exit_code);
    if (job->failures_in_row > 0 && before)
        return counted && job->enabled;
    return counted && job->enabled && job->failures_in_row >= look->limits->failures;
}

static void put_name(size_t at, char out[ALERT_NAME_SIZE])
{
    if (at < ALERT_JOB_FIRST)
        (void)snprintf(out, ALERT_NAME_SIZE, "%s", table[at].name);
    else
        (void)snprintf(out, ALERT_NAME_SIZE, "job-failed-%s",
                       role_row((enum role_id)(at - ALERT_JOB_FIRST))->name);
}

static bool holds(const struct look *look, size_t at, bool before, char text[ALERT_TEXT_SIZE])
{
    bool everybody = at == ALERT_STORE_DOWN || at == ALERT_SERVER_DOWN ||
                     at == ALERT_JOB_FIRST + ROLE_LEADER;
    if (!look->facts->leader && !everybody)
        return before; /* the daemon that leads now says it */
    if (at < ALERT_JOB_FIRST)
        return table[at].holds(look, text);
    return job_failed(look, (enum role_id)(at - ALERT_JOB_FIRST), text, before);
}

size_t alert_update(struct alert_state *state, const struct facts *facts,
                    const struct alert_limits *limits, int64_t now_us,
                    struct alert out[ALERT_COUNT])
{
    const struct look look = {.facts = facts, .limits = limits, .now_us = now_us};
    size_t count = 0;
    for (size_t i = 0; i < ALERT_COUNT; i++) {
        struct alert alert = {.now_us = now_us};
        bool raised = holds(&look, i, state->raised[i], alert.text);
        if (raised == state->raised[i])
            continue;
        state->raised[i] = raised;
        if (raised)
            state->since_us[i] = now_us;
        alert.raised = raised;
        alert.since_us = state->since_us[i];
        put_name(i, alert.name);
        out[count++] = alert;
    }
    return count;
}
