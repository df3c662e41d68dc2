/* mainstay runbook status|report, mainstay audit verify */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/run_report_view.h"
#include "cli/run_session.h"
#include "cli/value_view.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/audit.h"
#include "runbook/run_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

static bool is_live(const char *state)
{
    return strcmp(state, "running") == 0 || strcmp(state, "waiting") == 0 ||
           strcmp(state, "paused") == 0;
}

/* What the step's result says, in a few words. */
static void put_result(const struct value *step, struct buf *out)
{
    static const char *const texts[] = {"choice",      "signal",  "waited",
                                        "approved_by", "stopped", "error"};
    const struct value *result = view_object(step, "result");
    const struct value *point = result == NULL ? NULL : view_object(result, "restore_point");
    const char *between = "";
    if (result == NULL)
        return;
    if (view_number(result, "total") > 0 || value_has(result, "changed")) {
        buf_printf(out, "%" PRIu64 " changed, %" PRIu64 " already so",
                   view_number(result, "changed"), view_number(result, "already"));
        between = ", ";
    }
    if (view_number(result, "new") > 0) {
        buf_printf(out, "%s%" PRIu64 " new since the plan", between, view_number(result, "new"));
        between = ", ";
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!value_has(result, texts[i]))
            continue;
        buf_printf(out, "%s%s: %s", between, texts[i], view_text(result, texts[i]));
        between = ", ";
    }
    if (point != NULL)
        buf_printf(out, "%s at %s%s%s", view_text(point, "name"), view_text(point, "lsn"),
                   value_has(point, "why") ? ", " : ", in the repository", view_text(point, "why"));
}

static bool put_steps(const struct value *report, struct buf *out, struct error *err)
{
    static const struct text_column columns[] = {
        {"STEP", false}, {"USES", false}, {"STATE", false}, {"DONE", true}, {"RESULT", false}};
    const struct value *steps = view_list(report, "steps");
    CLEANUP(text_table_release) struct text_table table;
    bool done = true;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; done && i < value_count(steps); i++) {
        const struct value *step = view_item(steps, i);
        const struct value *result = view_object(step, "result");
        char progress[64] = "";
        struct buf text;
        uint64_t total = result == NULL ? 0 : view_number(result, "total");
        if (total > 0)
            (void)snprintf(progress, sizeof progress, "%" PRIu64 "/%" PRIu64,
                           view_number(step, "done"), total);
        buf_init(&text, 4096);
        put_result(step, &text);
        const char *words = buf_text(&text);
        const char *const cells[] = {view_text(step, "id"), view_text(step, "uses"),
                                     view_text(step, "state"), progress,
                                     words == NULL ? "" : words};
        done = text_table_add(&table, cells, err);
        buf_release(&text);
    }
    text_table_put(&table, out);
    return done;
}

static void put_ids(const struct value *exception, struct buf *out)
{
    const struct value *ids = view_list(exception, "first");
    for (size_t i = 0; i < value_count(ids) && i < 5; i++) {
        uint64_t id = 0;
        struct error none;
        if (value_at_u64(ids, i, &id, &none))
            buf_printf(out, "%s%" PRIu64, i == 0 ? " (" : ", ", id);
    }
    if (value_count(ids) > 0)
        buf_printf(out, "%s)", value_count(ids) > 5 ? ", ..." : "");
}

static void put_exceptions(const struct value *report, struct buf *out)
{
    const struct value *list = view_list(report, "exceptions");
    if (value_count(list) > 0)
        buf_printf(out, "left out, because they were not any more what was planned:\n");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = view_item(list, i);
        buf_printf(out, "  %s: %" PRIu64 " %s%s %s", view_text(item, "step"),
                   view_number(item, "count"), view_text(item, "of"),
                   text_plural(view_number(item, "count"), "", "s"), view_text(item, "what"));
        put_ids(item, out);
        buf_printf(out, "\n");
    }
}

static void put_exits(const struct value *report, struct buf *out)
{
    const struct value *list = view_list(report, "exits");
    if (value_count(list) > 0)
        buf_printf(out, "exit criteria:\n");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = view_item(list, i);
        buf_printf(out, "  ");
        output_put_clean(view_text(item, "text"), out);
        buf_printf(out, ": %s", view_text(item, "verdict"));
        if (value_has(item, "left"))
            buf_printf(out, " (%" PRIu64 " left)", view_number(item, "left"));
        buf_printf(out, "\n");
    }
}

static const char *step_in_state(const struct value *report, const char *uses)
{
    const struct value *steps = view_list(report, "steps");
    for (size_t i = 0; i < value_count(steps); i++) {
        const struct value *step = view_item(steps, i);
        if (strcmp(view_text(step, "uses"), uses) == 0 &&
            strcmp(view_text(step, "state"), "waiting") == 0)
            return view_text(step, "id");
    }
    return NULL;
}

/* The command that brings the run on, where one does. */
static void put_next(const struct value *report, struct buf *out)
{
    const struct value *run = view_object(report, "run");
    const char *id = view_text(run, "id");
    const char *state = view_text(run, "state");
    const char *task = step_in_state(report, "task");
    if (strcmp(state, "paused") == 0)
        buf_printf(out, "next: mainstay runbook resume %s\n", id);
    else if (strcmp(state, "waiting") == 0 && step_in_state(report, "approval") != NULL)
        buf_printf(out, "next, by a second person: mainstay runbook approve %s\n", id);
    else if (strcmp(state, "waiting") == 0 && task != NULL)
        buf_printf(out, "next: mainstay runbook signal %s %s --value CHOICE\n", id, task);
    else if (strcmp(state, "waiting") == 0)
        buf_printf(out, "next: mainstay runbook recover %s, when the incident is over\n", id);
    if (is_live(state) && view_text(run, "holder")[0] == '\0' && strcmp(state, "paused") != 0)
        buf_printf(out, "nobody works on it: mainstay runbook resume %s goes on\n", id);
}

static void put_head(const struct value *run, struct buf *out)
{
    buf_printf(out, "run %s: %s", view_text(run, "id"), view_text(run, "state"));
    if (view_text(run, "reason")[0] != '\0') {
        buf_printf(out, strcmp(view_text(run, "state"), "waiting") == 0 ? " " : ", ");
        output_put_clean(view_text(run, "reason"), out);
    }
    buf_printf(out, "\n");
    if (view_text(run, "undoes")[0] != '\0')
        buf_printf(out, "  undo of %s", view_text(run, "undoes"));
    else
        buf_printf(out, "  %s %s", view_text(run, "runbook"), view_text(run, "version"));
    buf_printf(out, ", asked for by ");
    output_put_clean(view_text(run, "requester"), out);
    buf_printf(out, " at %s\n  plan %s\n", view_text(run, "created"),
               view_text(run, "plan_digest"));
    if (view_text(run, "next_update")[0] != '\0' && is_live(view_text(run, "state")))
        buf_printf(out, "  next update promised by %s\n", view_text(run, "next_update"));
}

bool run_print_state(const struct invocation *call, struct connection *connection,
                     const char *run_id, struct error *err)
{
    CLEANUP(value_cleanup) struct value *report = value_new_object(err);
    struct buf text;
    if (report == NULL || !run_report(connection, run_id, false, report, err))
        return false;
    if (call->json)
        return output_value(call, report, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_head(view_object(report, "run"), &text);
    bool done = put_steps(report, &text, err);
    put_exceptions(report, &text);
    put_exits(report, &text);
    put_next(report, &text);
    done = done && output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static const struct object_column list_columns[] = {
    {{"RUN", false}, "id"},       {{"STATE", false}, "state"},     {{"STEP", false}, "step"},
    {{"BY", false}, "requester"}, {{"CREATED", false}, "created"}, {{"REASON", false}, "reason"},
};

static bool run_status(struct invocation *call, struct error *err)
{
    enum { RUNS_SHOWN = 50 };
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!helpdesk_session_open(&call->config, "runbook status", &connection, err))
        return false;
    if (call->operand != NULL)
        return run_print_state(call, connection, call->operand, err);
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    return root != NULL && run_list(connection, RUNS_SHOWN, root, err) &&
           output_objects(call, root, "runs", list_columns, ARRAY_LEN(list_columns), err);
}

/* ---- report ---- */

static bool set_audit(struct value *report, const struct audit_result *audit, struct error *err)
{
    struct value *item = value_set_new_object(report, "audit", err);
    return item != NULL && value_set_bool(item, "intact", audit->intact, err) &&
           value_set_u64(item, "events", audit->events, err) &&
           value_set_text(item, "head", audit->head, err) &&
           value_set_text_lossy(item, "problem", audit->problem, err);
}

typedef void (*report_fn)(const struct value *report, const struct audit_result *audit,
                          struct buf *out);

static bool choose_format(const struct invocation *call, report_fn *out, struct error *err)
{
    const char *format = invocation_value(call, "format");
    if (format == NULL || strcmp(format, "markdown") == 0)
        *out = run_report_put_markdown;
    else if (strcmp(format, "html") == 0)
        *out = run_report_put_html;
    else
        return error_set(err, ERROR_USAGE, "--format cannot be \"%.40s\": markdown or html",
                         format);
    return !call->json || format == NULL ||
           error_set(err, ERROR_USAGE, "--json does not go with --format");
}

static bool run_report_command(struct invocation *call, struct error *err)
{
    struct audit_result audit;
    struct buf text;
    report_fn print;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(value_cleanup) struct value *report = value_new_object(err);
    if (report == NULL || !choose_format(call, &print, err) ||
        !helpdesk_session_open(&call->config, "runbook report", &connection, err) ||
        !run_report(connection, call->operand, true, report, err) ||
        !audit_verify(connection, call->operand, NULL, &audit, err))
        return false;
    if (call->json)
        return set_audit(report, &audit, err) && output_value(call, report, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    print(report, &audit, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

/* ---- audit verify ---- */

static bool run_audit_verify(struct invocation *call, struct error *err)
{
    struct audit_result audit;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct buf text;
    if (root == NULL || !helpdesk_session_open(&call->config, "audit verify", &connection, err) ||
        !audit_verify(connection, call->operand, invocation_value(call, "head"), &audit, err))
        return false;
    if (!audit.intact)
        return error_set(err, ERROR_CORRUPT, "the audit chain of run %s is broken: %s",
                         call->operand, audit.problem);
    if (call->json)
        return set_audit(root, &audit, err) && output_value(call, root, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "%s: %" PRIu64 " %s, intact, head %s\n", call->operand, audit.events,
               text_plural(audit.events, "event", "events"), audit.head);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

const struct command command_runbook_status = {
    .noun = "runbook",
    .verb = "status",
    .summary = "show the runs, or where one of them is",
    .details = "With a run: its steps with counts, what was left out and why, and the command that "
               "brings it on.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "RUN",
    .operand_optional = true,
    .examples = {"mainstay runbook status", "mainstay runbook status "
                                            "carrier-outage-20261126-3f2a91 --json"},
    .run = run_status,
};

const struct command command_runbook_report = {
    .noun = "runbook",
    .verb = "report",
    .summary = "print everything a run did, as Markdown, a page with charts, or JSON",
    .details =
        "What happened to the helpdesk (contact rate, first response, backlog), timeline, counts, "
        "what "
        "was left out, approvals, batches, notices, restore point, exit "
        "criteria, and the head of the audit chain: keep it, `audit verify --head` compares.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"format", "FORMAT", "markdown",
               "markdown, or html: one page that needs nothing else."}},
    .operand = "RUN",
    .examples =
        {"mainstay runbook report carrier-outage-20261126-3f2a91 >report.md",
         "mainstay runbook report carrier-outage-20261126-3f2a91 --format html >report.html"},
    .run = run_report_command,
};

const struct command command_audit_verify = {
    .noun = "audit",
    .verb = "verify",
    .summary = "recompute the chain of a run's events",
    .details = "Finds events that were changed, removed, reordered or cut off at the end. With the "
               "head of a report it also finds a chain that was written anew as a whole.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"head", "HEX", NULL, "A head that was kept elsewhere; it must still be there."}},
    .operand = "RUN",
    .examples = {"mainstay audit verify carrier-outage-20261126-3f2a91"},
    .run = run_audit_verify,
};
