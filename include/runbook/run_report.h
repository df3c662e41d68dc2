/*
 * What a run was and is, from the database alone: one JSON object for status and report.
 *
 *   run         id, kind, undoes, runbook, version, state, reason, requester, holder, plan_digest,
 * times steps       in order, with result (counts, drift, choices, restore point), done and total
 *   changes     by kind and tag: count, undone
 *   exceptions  by step and what: count, the first ids
 *   approvals, signals, notices (by state), batches (by step: number, targets, milliseconds)
 *   exits       the criteria as they were judged last
 *   timeline    all events (run_report with timeline only)
 *   impact      (the same) what happened to the helpdesk from a day before the run to a day after
 * it: hours (hour 0 begins with the run: opened), opened_before and _since, span_s, answered_* and
 * response_*_s (median of the first public answer), of_run, of_run_open, open_now, lead_s (from the
 * run's beginning to the signal "dashboard"; absent: none was given); or problem: why this cannot
 * be known audit       events, head
 */
#ifndef RUNBOOK_RUN_REPORT_H
#define RUNBOOK_RUN_REPORT_H

#include "document/value.h"
#include "postgres/connection.h"

/* Into an empty object. ERROR_NOT_FOUND. */
MUST_CHECK bool run_report(struct connection *connection, const char *run_id, bool with_timeline,
                           struct value *out, struct error *err);

/* {"runs": [...]}: live ones first, then the newest; at most `limit`. */
MUST_CHECK bool run_list(struct connection *connection, uint64_t limit, struct value *out,
                         struct error *err);

#endif
