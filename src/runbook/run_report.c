#include "runbook/run_report.h"

#include "base/cleanup.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REPORT_MAX_BYTES = 32 * 1024 * 1024 };

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

/* Each gives one row with one JSON text; $1 is the run. */
static const struct section {
    const char *name;
    bool of_timeline;
    const char *sql;
} sections[] = {
    {"run", false,
     "SELECT json_build_object('id', id, 'kind', kind, 'undoes', undoes, 'runbook', runbook, "
     "'version', version, 'state', state, 'reason', reason, 'requester', requester, "
     "'holder', CASE WHEN lease_until > clock_timestamp() THEN holder END, "
     "'wanted', wanted, 'concurrency_group', concurrency_group, 'plan_digest', plan_digest, "
     "'runbook_digest', runbook_digest, 'created', " UTC("created_at") ", 'finished', " UTC(
         "finished_at") ", 'next_update', " UTC("next_update_at") ", 'update_is_late', "
                                                                  "coalesce(breached_at = "
                                                                  "next_update_at, false)) "
                                                                  "FROM mainstay.runs WHERE id = "
                                                                  "$1"},
    {"steps", false,
     "SELECT coalesce(json_agg(json_build_object('section', section, 'id', step_id, 'uses', uses, "
     "'state', state, 'done', cursor, 'total', "
     "coalesce((result->>'total')::bigint, 0), 'result', result, "
     "'started', " UTC("started_at") ", 'finished', " UTC("finished_at") ", 'due', " UTC(
         "due_at") ") ORDER BY CASE section WHEN 'recover' THEN 1 ELSE 0 END, at), '[]') "
                   "FROM mainstay.run_steps s WHERE run_id = $1"},
    {"changes", false,
     "SELECT coalesce(json_agg(json_build_object('step', step_id, 'kind', kind, 'tag', value, "
     "'count', n, 'undone', undone) ORDER BY first, kind, value), '[]') FROM (SELECT step_id, "
     "kind, "
     "value, count(*) AS n, count(undone_by) AS undone, min(at) AS first FROM mainstay.changes "
     "WHERE run_id = $1 GROUP BY 1, 2, 3) c"},
    {"exceptions", false,
     "SELECT coalesce(json_agg(json_build_object('step', step_id, 'what', what, 'of', of, 'count', "
     "n, 'detail', detail, 'first', first) ORDER BY step_id, what), '[]') FROM (SELECT step_id, "
     "what, of, min(detail) AS detail, count(*) AS n, to_json((array_agg(id ORDER BY id))[1:20]) "
     "AS "
     "first FROM mainstay.run_exceptions WHERE run_id = $1 GROUP BY 1, 2, 3) e"},
    {"approvals", false,
     "SELECT coalesce(json_agg(json_build_object('step', step_id, 'by', approver, 'verdict', "
     "verdict, 'comment', comment, 'plan_digest', plan_digest, 'at', " UTC(
         "at") ") ORDER BY at), "
               "'[]') FROM mainstay.approvals WHERE run_id = $1"},
    {"signals", false,
     "SELECT coalesce(json_agg(json_build_object('name', name, 'value', value, 'by', actor, "
     "'at', " UTC("at") ") ORDER BY id), '[]') FROM mainstay.signals WHERE run_id = $1"},
    {"batches", false,
     "SELECT coalesce(json_agg(json_build_object('step', step_id, 'batches', n, 'targets', "
     "targets, "
     "'ms_total', total, 'ms_median', median, 'ms_slowest', slowest) ORDER BY step_id), '[]') FROM "
     "(SELECT step_id, count(*) AS n, sum(targets) AS targets, (sum(duration_us) / 1000)::bigint "
     "AS "
     "total, (percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) / 1000)::bigint AS median, "
     "(max(duration_us) / 1000)::bigint AS slowest FROM mainstay.run_batches WHERE run_id = $1 "
     "GROUP BY 1) b"},
    {"notices", false,
     "SELECT coalesce(json_agg(json_build_object('step', step_id, 'channel', channel, 'state', "
     "state, 'reason', reason, 'count', n) ORDER BY step_id, channel, state, reason), '[]') FROM "
     "(SELECT step_id, channel, state, coalesce(reason, '') AS reason, count(*) AS n FROM "
     "mainstay.notices WHERE run_id = $1 GROUP BY 1, 2, 3, 4) n"},
    {"exits", false,
     "SELECT coalesce((SELECT detail::json->'criteria' FROM mainstay.events WHERE run_id = $1 AND "
     "kind = 'exit_criteria' ORDER BY seq DESC LIMIT 1), '[]')"},
    {"undone_by", false,
     "SELECT coalesce(json_agg(json_build_object('id', id, 'state', state, 'by', requester, "
     "'at', " UTC(
         "created_at") ") ORDER BY created_at), '[]') FROM mainstay.runs WHERE undoes = $1"},
    {"timeline", true,
     "SELECT coalesce(json_agg(json_build_object('seq', seq, 'at', " UTC(
         "at") ", 'by', actor, "
               "'host', host, 'kind', kind, 'detail', detail::json) ORDER BY seq), '[]') "
               "FROM mainstay.events WHERE run_id = $1"},
    {"audit", false,
     "SELECT json_build_object('events', event_count, 'head', encode(event_head, 'hex')) "
     "FROM mainstay.runs WHERE id = $1"},
};

static bool add_json(struct connection *connection, const struct query *query, const char *name,
                     struct value *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run \"%.80s\"", query->values[0]);
    const char *text = query_field(rows, 0, 0);
    struct value *part = value_parse(text, strlen(text), REPORT_MAX_BYTES, name, err);
    return part != NULL && value_set(out, name, part, err);
}

static bool add_sections(struct connection *connection, const char *run_id, bool with_timeline,
                         struct value *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (sections[i].of_timeline && !with_timeline)
            continue;
        const struct query query = {
            .sql = sections[i].sql,
            .values = (const char *const[]){run_id},
            .count = 1,
            .what = "read the run",
        };
        if (!add_json(connection, &query, sections[i].name, out, err))
            return false;
    }
    return true;
}

/* $1 is the run. Keys are of the helpdesk's own type of time; their differences are intervals. */
static const char impact_sql[] =
    "WITH r AS (SELECT created_at AS began, least(clock_timestamp(), created_at + interval '96 "
    "hours', coalesce(finished_at, clock_timestamp()) + interval '24 hours') AS until FROM "
    "mainstay.runs WHERE id = $1), "
    "t AS MATERIALIZED (SELECT t.created_key >= mainstay.key((SELECT began FROM r)) AS since, "
    "floor(extract(epoch FROM t.created_key - mainstay.key((SELECT began FROM r))) / 3600)::int AS "
    "hour, (SELECT min(m.created_key) FROM mainstay.messages m WHERE m.ticket_id = t.id AND "
    "m.direction = 'out' AND m.is_public) - t.created_key AS response FROM mainstay.tickets t "
    "WHERE t.created_key >= mainstay.key((SELECT began FROM r) - interval '24 hours') AND "
    "t.created_key < mainstay.key((SELECT until FROM r))), "
    "c AS (SELECT t.is_open FROM (SELECT DISTINCT ticket_id FROM mainstay.changes WHERE run_id = "
    "$1) c JOIN mainstay.tickets t ON t.id = c.ticket_id) "
    "SELECT json_strip_nulls(json_build_object('hours', (SELECT json_agg(json_build_object('hour', "
    "h, 'opened', (SELECT count(*) FROM t WHERE hour = h)) ORDER BY h) FROM generate_series(-24, "
    "ceil(extract(epoch FROM until - began) / 3600)::int - 1) h), "
    "'span_s', extract(epoch FROM until - began)::bigint, "
    "'opened_before', (SELECT count(*) FROM t WHERE NOT since), "
    "'opened_since', (SELECT count(*) FROM t WHERE since), "
    "'answered_before', (SELECT count(response) FROM t WHERE NOT since), "
    "'answered_since', (SELECT count(response) FROM t WHERE since), "
    "'response_before_s', (SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY "
    "response))::bigint FROM t WHERE NOT since), "
    "'response_since_s', (SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY "
    "response))::bigint FROM t WHERE since), "
    "'of_run', (SELECT count(*) FROM c), 'of_run_open', (SELECT count(*) FROM c WHERE is_open), "
    "'open_now', (SELECT count(*) FROM mainstay.tickets WHERE is_open), "
    "'lead_s', (SELECT extract(epoch FROM min(s.at) - began)::bigint FROM mainstay.signals s WHERE "
    "s.run_id = $1 AND s.name = 'dashboard'))) FROM r";

/* A report is worth having without it: who may read the run may not be allowed to read tickets. */
static bool add_impact(struct connection *connection, const char *run_id, struct value *out,
                       struct error *err)
{
    const struct query query = {
        .sql = impact_sql,
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "read what happened to the helpdesk",
    };
    struct error problem;
    if (!query_command(connection, "SAVEPOINT impact", "begin", err))
        return false;
    if (add_json(connection, &query, "impact", out, &problem))
        return true;
    if (!query_command(connection, "ROLLBACK TO SAVEPOINT impact", "go on", err))
        return false;
    struct value *part = value_set_new_object(out, "impact", err);
    return part != NULL && value_set_text_lossy(part, "problem", problem.text, err);
}

bool run_report(struct connection *connection, const char *run_id, bool with_timeline,
                struct value *out, struct error *err)
{
    bool done = query_command(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                              "begin", err) &&
                add_sections(connection, run_id, with_timeline, out, err) &&
                (!with_timeline || add_impact(connection, run_id, out, err));
    query_rollback(connection);
    return done;
}

bool run_list(struct connection *connection, uint64_t limit, struct value *out, struct error *err)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%" PRIu64, limit);
    const struct query query = {
        .sql = "SELECT coalesce(json_agg(r), '[]') FROM (SELECT id, kind, runbook, state, "
               "coalesce(reason, '') AS reason, requester, " UTC(
                   "created_at") " AS created, "
                                 "coalesce((SELECT step_id FROM mainstay.run_steps s WHERE "
                                 "s.run_id = runs.id AND "
                                 "s.state IN ('running', 'waiting') LIMIT 1), '') AS step FROM "
                                 "mainstay.runs ORDER BY "
                                 "state IN ('running', 'waiting', 'paused') DESC, created_at DESC "
                                 "LIMIT $1::bigint) r",
        .values = (const char *const[]){number},
        .count = 1,
        .what = "list the runs",
    };
    return add_json(connection, &query, "runs", out, err);
}
