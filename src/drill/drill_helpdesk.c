/*
 * What every restored helpdesk must be, wherever a database has schema mainstay of an adapter
 * (runbooks/adapters/README.md): its views answer, no message and no tag has lost its ticket, the
 * ledgers of runbooks verify, and the newest ticket and message are as new as the goal for data
 * loss promises. A helpdesk that is odd on the source itself is no fault of its backup: where the
 * source says the same, the check passes and says so.
 */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct helpdesk {
    const char *database;
    struct connection *restored;
    struct connection *source; /* NULL: there is none to compare with */
};

static const struct helpdesk *subject(const struct drill_job *job)
{
    return job->subject;
}

/* --- the views -----------------------------------------------------------------------------------
 */

static bool ask_view(struct connection *connection, const char *view, struct error *err)
{
    char sql[128];
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM mainstay.%s LIMIT 10", view);
    return drill_ask(connection, sql, "ask the view", &rows, err) ||
           error_wrap(err, "mainstay.%s", view);
}

static bool check_views(struct drill_job *job, struct drill_check *check, struct error *err)
{
    struct connection *connection = subject(job)->restored;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    static const char sql[] =
        "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = "
        "'mainstay'::regnamespace AND relkind = 'v' AND relname IN ('tickets', 'messages', "
        "'customers', 'ticket_tags', 'orders') ORDER BY 1";
    if (!drill_ask(connection, sql, "list the views", &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++)
        if (!ask_view(connection, query_field(rows, i, 0), err))
            return false;
    return drill_check_settle(check, true, "every view answers",
                              text_format("%zu views answer", query_rows(rows)), err);
}

/* --- rows that lost their owner ------------------------------------------------------------------
 */

static bool count_rows(struct connection *connection, const char *sql, int64_t *out,
                       struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    return drill_ask(connection, sql, "count", &rows, err) && query_i64(rows, 0, 0, out, err);
}

static bool check_count(struct drill_job *job, struct drill_check *check, const char *sql,
                        struct error *err)
{
    int64_t found;
    int64_t there = -1;
    struct error ignored;
    const struct helpdesk *helpdesk = subject(job);
    if (!count_rows(helpdesk->restored, sql, &found, err))
        return false;
    if (found > 0 &&
        (helpdesk->source == NULL || !count_rows(helpdesk->source, sql, &there, &ignored)))
        there = -1;
    bool same = found > 0 && found <= there;
    if (same && !drill_proof_set(&check->detail,
                                 text_format("the source has %" PRId64 " itself", there), err))
        return false;
    return drill_check_settle(check, found == 0 || same, "none", text_format("%" PRId64, found),
                              err);
}

static bool check_messages(struct drill_job *job, struct drill_check *check, struct error *err)
{
    return check_count(job, check,
                       "SELECT count(*) FROM mainstay.messages m WHERE NOT EXISTS (SELECT FROM "
                       "mainstay.tickets t WHERE t.id = m.ticket_id)",
                       err);
}

static bool check_tags(struct drill_job *job, struct drill_check *check, struct error *err)
{
    return check_count(job, check,
                       "SELECT count(*) FROM mainstay.ticket_tags g WHERE g.tag IS NULL OR g.tag "
                       "= '' OR NOT EXISTS (SELECT FROM mainstay.tickets t WHERE t.id = "
                       "g.ticket_id)",
                       err);
}

/* --- how new -------------------------------------------------------------------------------------
 */

/* The time of the newest row; *out_us -1: there is none. Keys are timestamps or seconds. */
static bool newest(struct connection *connection, const char *view, int64_t *out_us,
                   struct error *err)
{
    char sql[400];
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    (void)snprintf(sql, sizeof sql,
                   "SELECT coalesce((CASE WHEN k ~ '^[0-9]+$' THEN k::numeric ELSE extract(epoch "
                   "FROM k::timestamptz) END * 1000000)::bigint, -1) FROM (SELECT "
                   "max(created_key)::text AS k FROM mainstay.%s) AS newest",
                   view);
    return drill_ask(connection, sql, "look for the newest", &rows, err) &&
           query_i64(rows, 0, 0, out_us, err);
}

static bool judge_newest(struct drill_job *job, struct drill_check *check, int64_t restored_us,
                         int64_t source_us, struct error *err)
{
    char when[TEXT_SIZE];
    char behind[TEXT_SIZE];
    char goal[TEXT_SIZE];
    int64_t goal_us = job->options->rpo_goal_us;
    int64_t missing_us = source_us > restored_us ? source_us - restored_us : 0;
    if (restored_us < 0 && source_us >= 0)
        missing_us = INT64_MAX;
    CLEANUP(free_pointer)
    char *expected = text_format("at most %s older than on the source",
                                 text_duration_us(goal_us, goal));
    if (expected == NULL)
        return error_no_memory(err, "a proof");
    char *found = restored_us < 0 ? strdup("none")
                                  : text_format("%s, %s older", text_time_us(restored_us, when),
                                                text_duration_us(missing_us, behind));
    return drill_check_settle(check, missing_us <= goal_us, expected, found, err);
}

static bool check_newest(struct drill_job *job, struct drill_check *check, const char *view,
                         struct error *err)
{
    char when[TEXT_SIZE];
    int64_t restored_us;
    int64_t source_us;
    struct error failure;
    const struct helpdesk *helpdesk = subject(job);
    if (!newest(helpdesk->restored, view, &restored_us, err))
        return false;
    const char *why = NULL;
    if (job->options->rpo_goal_us == 0)
        why = "drill.rpo-goal is not set";
    else if (job->plan->target.kind != TARGET_LATEST)
        why = "the drill went to an earlier point";
    else if (helpdesk->source == NULL || !newest(helpdesk->source, view, &source_us, &failure))
        why = "there is no source to compare with, and at night nobody writes";
    if (why == NULL)
        return judge_newest(job, check, restored_us, source_us, err);
    return drill_proof_set(&check->found,
                           strdup(restored_us < 0 ? "none" : text_time_us(restored_us, when)),
                           err) &&
           drill_check_skip(check, strdup(why), err);
}

static bool check_newest_ticket(struct drill_job *job, struct drill_check *check, struct error *err)
{
    return check_newest(job, check, "tickets", err);
}

static bool check_newest_message(struct drill_job *job, struct drill_check *check,
                                 struct error *err)
{
    return check_newest(job, check, "messages", err);
}

/* --- ledgers -------------------------------------------------------------------------------------
 */

static bool check_ledgers(struct drill_job *job, struct drill_check *check, struct error *err)
{
    struct connection *connection = subject(job)->restored;
    struct audit_result result;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!drill_ask(connection,
                   "SELECT id FROM mainstay.runs ORDER BY created_at DESC, id LIMIT 1000",
                   "list the runs", &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        const char *run = query_field(rows, i, 0);
        if (!audit_verify(connection, run, NULL, &result, err))
            return false;
        if (!result.intact)
            return drill_check_settle(check, false, "every chain is intact",
                                      text_format("run %s: %s", run, result.problem), err);
    }
    return drill_check_settle(check, true, "every chain is intact",
                              text_format("%zu %s intact", query_rows(rows),
                                          text_plural(query_rows(rows), "run,", "runs, all")),
                              err);
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    const char *promise;
    drill_check_fn run;
} table[] = {
    {"views", "the helpdesk's views answer", check_views},
    {"orphaned messages", "every message belongs to a ticket", check_messages},
    {"tags", "every tag has a name and a ticket", check_tags},
    {"newest ticket", "the newest ticket is back", check_newest_ticket},
    {"newest message", "the newest message is back", check_newest_message},
    {"ledgers", "what runbooks did is on record, unchanged", check_ledgers},
};

static bool check_helpdesk(struct drill_job *job, const struct helpdesk *helpdesk,
                           struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(free_pointer) char *name = text_format("%s %s", table[i].name, helpdesk->database);
        if (name == NULL)
            return error_no_memory(err, "a proof");
        if (!drill_check_add(job, name, table[i].promise, table[i].run, helpdesk, err))
            return false;
    }
    return true;
}

static bool has_adapter(struct connection *connection, bool *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    return drill_ask(connection,
                     "SELECT count(*) = 2 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace "
                     "n ON n.oid = c.relnamespace WHERE n.nspname = 'mainstay' AND c.relname IN "
                     "('tickets', 'runs')",
                     "look for a helpdesk", &rows, err) &&
           query_bool(rows, 0, 0, out, err);
}

static bool look_into(struct drill_job *job, const char *database, struct error *err)
{
    bool found;
    CLEANUP(connection_cleanup) struct connection *restored = NULL;
    CLEANUP(connection_cleanup) struct connection *source = NULL;
    if (!drill_server_connect_reader(&job->server, database, &restored, err) ||
        !has_adapter(restored, &found, err))
        return error_wrap(err, "database \"%s\"", database);
    if (!found)
        return true;
    if (!drill_source_connect(job, database, &source, err))
        return false;
    const struct helpdesk helpdesk = {.database = database, .restored = restored, .source = source};
    return check_helpdesk(job, &helpdesk, err);
}

bool drill_check_helpdesks(struct drill_job *job, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *databases = NULL;
    if (!drill_databases(job, &databases, err))
        return false;
    for (size_t i = 0; i < query_rows(databases); i++)
        if (!look_into(job, query_field(databases, i, 0), err))
            return false;
    return true;
}
