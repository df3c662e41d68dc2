/* mainstay runbook status|report, mainstay audit verify */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/run_session.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/audit.h"
#include "runbook/run_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_SIZE = 400 };

/* ---- reading values that may be missing ---- */

static const char *text_of(const struct value *object, const char *key)
{
    const char *text = "";
    struct error none;
    return value_get_text(object, key, &text, &none) ? text : "";
}

static uint64_t number_of(const struct value *object, const char *key)
{
    uint64_t number = 0;
    struct error none;
    return value_get_u64(object, key, &number, &none) ? number : 0;
}

static const struct value *object_of(const struct value *object, const char *key)
{
    const struct value *inner = NULL;
    struct error none;
    return value_get_object(object, key, &inner, &none) ? inner : NULL;
}

static const struct value *list_of(const struct value *object, const char *key)
{
    const struct value *list = NULL;
    struct error none;
    return value_get_array(object, key, &list, &none) ? list : NULL;
}

static const struct value *item_of(const struct value *list, size_t at)
{
    const struct value *item = NULL;
    struct error none;
    return value_at_object(list, at, &item, &none) ? item : NULL;
}

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
    const struct value *result = object_of(step, "result");
    const struct value *point = result == NULL ? NULL : object_of(result, "restore_point");
    const char *between = "";
    if (result == NULL)
        return;
    if (number_of(result, "total") > 0 || value_has(result, "changed")) {
        buf_printf(out, "%" PRIu64 " changed, %" PRIu64 " already so", number_of(result, "changed"),
                   number_of(result, "already"));
        between = ", ";
    }
    if (number_of(result, "new") > 0) {
        buf_printf(out, "%s%" PRIu64 " new since the plan", between, number_of(result, "new"));
        between = ", ";
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!value_has(result, texts[i]))
            continue;
        buf_printf(out, "%s%s: %s", between, texts[i], text_of(result, texts[i]));
        between = ", ";
    }
    if (point != NULL)
        buf_printf(out, "%s at %s%s%s", text_of(point, "name"), text_of(point, "lsn"),
                   value_has(point, "why") ? ", " : ", in the repository", text_of(point, "why"));
}

static bool put_steps(const struct value *report, struct buf *out, struct error *err)
{
    static const struct text_column columns[] = {
        {"STEP", false}, {"USES", false}, {"STATE", false}, {"DONE", true}, {"RESULT", false}};
    const struct value *steps = list_of(report, "steps");
    CLEANUP(text_table_release) struct text_table table;
    bool done = true;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; done && i < value_count(steps); i++) {
        const struct value *step = item_of(steps, i);
        const struct value *result = object_of(step, "result");
        char progress[64] = "";
        struct buf text;
        uint64_t total = result == NULL ? 0 : number_of(result, "total");
        if (total > 0)
            (void)snprintf(progress, sizeof progress, "%" PRIu64 "/%" PRIu64,
                           number_of(step, "done"), total);
        buf_init(&text, 4096);
        put_result(step, &text);
        const char *words = buf_text(&text);
        const char *const cells[] = {text_of(step, "id"), text_of(step, "uses"),
                                     text_of(step, "state"), progress, words == NULL ? "" : words};
        done = text_table_add(&table, cells, err);
        buf_release(&text);
    }
    text_table_put(&table, out);
    return done;
}

static void put_ids(const struct value *exception, struct buf *out)
{
    const struct value *ids = list_of(exception, "first");
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
    const struct value *list = list_of(report, "exceptions");
    if (value_count(list) > 0)
        buf_printf(out, "left out, because they were not any more what was planned:\n");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = item_of(list, i);
        buf_printf(out, "  %s: %" PRIu64 " %s%s %s", text_of(item, "step"),
                   number_of(item, "count"), text_of(item, "of"),
                   number_of(item, "count") == 1 ? "" : "s", text_of(item, "what"));
        put_ids(item, out);
        buf_printf(out, "\n");
    }
}

static void put_exits(const struct value *report, struct buf *out)
{
    const struct value *list = list_of(report, "exits");
    if (value_count(list) > 0)
        buf_printf(out, "exit criteria:\n");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = item_of(list, i);
        buf_printf(out, "  ");
        output_put_clean(text_of(item, "text"), out);
        buf_printf(out, ": %s", text_of(item, "verdict"));
        if (value_has(item, "left"))
            buf_printf(out, " (%" PRIu64 " left)", number_of(item, "left"));
        buf_printf(out, "\n");
    }
}

static const char *step_in_state(const struct value *report, const char *uses)
{
    const struct value *steps = list_of(report, "steps");
    for (size_t i = 0; i < value_count(steps); i++) {
        const struct value *step = item_of(steps, i);
        if (strcmp(text_of(step, "uses"), uses) == 0 &&
            strcmp(text_of(step, "state"), "waiting") == 0)
            return text_of(step, "id");
    }
    return NULL;
}

/* The command that brings the run on, where one does. */
static void put_next(const struct value *report, struct buf *out)
{
    const struct value *run = object_of(report, "run");
    const char *id = text_of(run, "id");
    const char *state = text_of(run, "state");
    const char *task = step_in_state(report, "task");
    if (strcmp(state, "paused") == 0)
        buf_printf(out, "next: mainstay runbook resume %s\n", id);
    else if (strcmp(state, "waiting") == 0 && step_in_state(report, "approval") != NULL)
        buf_printf(out, "next, by a second person: mainstay runbook approve %s\n", id);
    else if (strcmp(state, "waiting") == 0 && task != NULL)
        buf_printf(out, "next: mainstay runbook signal %s %s --value CHOICE\n", id, task);
    else if (strcmp(state, "waiting") == 0)
        buf_printf(out, "next: mainstay runbook recover %s, when the incident is over\n", id);
    if (is_live(state) && text_of(run, "holder")[0] == '\0' && strcmp(state, "paused") != 0)
        buf_printf(out, "nobody works on it: mainstay runbook resume %s goes on\n", id);
}

static void put_head(const struct value *run, struct buf *out)
{
    buf_printf(out, "run %s: %s", text_of(run, "id"), text_of(run, "state"));
    if (text_of(run, "reason")[0] != '\0') {
        buf_printf(out, strcmp(text_of(run, "state"), "waiting") == 0 ? " " : ", ");
        output_put_clean(text_of(run, "reason"), out);
    }
    buf_printf(out, "\n");
    if (text_of(run, "undoes")[0] != '\0')
        buf_printf(out, "  undo of %s", text_of(run, "undoes"));
    else
        buf_printf(out, "  %s %s", text_of(run, "runbook"), text_of(run, "version"));
    buf_printf(out, ", asked for by ");
    output_put_clean(text_of(run, "requester"), out);
    buf_printf(out, " at %s\n  plan %s\n", text_of(run, "created"), text_of(run, "plan_digest"));
    if (text_of(run, "next_update")[0] != '\0' && is_live(text_of(run, "state")))
        buf_printf(out, "  next update promised by %s\n", text_of(run, "next_update"));
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
    put_head(object_of(report, "run"), &text);
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

/* A cell of a Markdown table: one line, no bars, nothing that drives a terminal. */
static void put_cell(const char *text, struct buf *out)
{
    struct buf clean;
    buf_init(&clean, CELL_SIZE * 8);
    output_put_clean(text, &clean);
    const char *at = buf_text(&clean);
    for (size_t i = 0; at != NULL && *at != '\0' && i < CELL_SIZE; at++, i++) {
        if (strchr("|\\`*_<>[]", *at) != NULL)
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)*at);
    }
    buf_release(&clean);
}

struct report_column {
    const char *title;
    const char *key;
};

/* The value of a key as one line: numbers and flags too, objects as JSON. */
static void put_member(const struct value *item, const char *key, struct buf *out)
{
    struct error none;
    uint64_t number = 0;
    bool flag = false;
    const struct value *inner = object_of(item, key);
    if (value_get_u64(item, key, &number, &none)) {
        buf_printf(out, "%" PRIu64, number);
    } else if (value_get_bool(item, key, &flag, &none)) {
        buf_printf(out, "%s", flag ? "yes" : "no");
    } else if (inner != NULL || list_of(item, key) != NULL) {
        struct buf json;
        buf_init(&json, OUTPUT_MAX_BYTES);
        if (value_print(inner != NULL ? inner : list_of(item, key), false, &json, &none) &&
            buf_text(&json) != NULL)
            put_cell((const char *)json.data, out);
        buf_release(&json);
    } else {
        put_cell(text_of(item, key), out);
    }
}

static void put_section(const struct value *report, const char *title, const char *name,
                        const struct report_column *columns, struct buf *out)
{
    const struct value *list = list_of(report, name);
    if (value_count(list) == 0)
        return;
    buf_printf(out, "\n## %s\n\n|", title);
    for (size_t i = 0; columns[i].title != NULL; i++)
        buf_printf(out, " %s |", columns[i].title);
    buf_printf(out, "\n|");
    for (size_t i = 0; columns[i].title != NULL; i++)
        buf_printf(out, "---|");
    for (size_t row = 0; row < value_count(list); row++) {
        buf_printf(out, "\n|");
        for (size_t i = 0; columns[i].title != NULL; i++) {
            buf_printf(out, " ");
            put_member(item_of(list, row), columns[i].key, out);
            buf_printf(out, " |");
        }
    }
    buf_printf(out, "\n");
}

static const struct report_part {
    const char *title;
    const char *name;
    struct report_column columns[8];
} report_parts[] = {
    {"Steps",
     "steps",
     {{"Step", "id"},
      {"Uses", "uses"},
      {"State", "state"},
      {"Started", "started"},
      {"Finished", "finished"},
      {"Result", "result"}}},
    {"Changes",
     "changes",
     {{"Step", "step"},
      {"Change", "kind"},
      {"Tag", "tag"},
      {"Tickets", "count"},
      {"Undone", "undone"}}},
    {"Left out",
     "exceptions",
     {{"Step", "step"},
      {"What", "what"},
      {"Of", "of"},
      {"Count", "count"},
      {"First", "first"},
      {"Why", "detail"}}},
    {"Approvals",
     "approvals",
     {{"Step", "step"},
      {"By", "by"},
      {"Verdict", "verdict"},
      {"At", "at"},
      {"Comment", "comment"},
      {"Plan", "plan_digest"}}},
    {"Signals", "signals", {{"Name", "name"}, {"Value", "value"}, {"By", "by"}, {"At", "at"}}},
    {"Notices",
     "notices",
     {{"Step", "step"},
      {"Channel", "channel"},
      {"State", "state"},
      {"Why", "reason"},
      {"Count", "count"}}},
    {"Batches",
     "batches",
     {{"Step", "step"},
      {"Batches", "batches"},
      {"Targets", "targets"},
      {"Total ms", "ms_total"},
      {"Median ms", "ms_median"},
      {"Slowest ms", "ms_slowest"}}},
    {"Exit criteria", "exits", {{"Criterion", "text"}, {"Verdict", "verdict"}, {"Left", "left"}}},
    {"Undone by", "undone_by", {{"Run", "id"}, {"State", "state"}, {"By", "by"}, {"At", "at"}}},
    {"Timeline",
     "timeline",
     {{"#", "seq"},
      {"At", "at"},
      {"By", "by"},
      {"Host", "host"},
      {"What", "kind"},
      {"Detail", "detail"}}},
};

static void put_markdown(const struct value *report, const struct audit_result *audit,
                         struct buf *out)
{
    const struct value *run = object_of(report, "run");
    buf_printf(out, "# Run %s\n\n", text_of(run, "id"));
    buf_printf(out, "%s %s, state **%s**", text_of(run, "runbook"), text_of(run, "version"),
               text_of(run, "state"));
    if (text_of(run, "reason")[0] != '\0') {
        buf_printf(out, ": ");
        put_cell(text_of(run, "reason"), out);
    }
    buf_printf(out, ". Asked for by ");
    put_cell(text_of(run, "requester"), out);
    buf_printf(out, " at %s; finished: %s.\n\nPlan `%s`, runbook `%s`.\n", text_of(run, "created"),
               text_of(run, "finished")[0] == '\0' ? "no" : text_of(run, "finished"),
               text_of(run, "plan_digest"), text_of(run, "runbook_digest"));
    for (size_t i = 0; i < ARRAY_LEN(report_parts); i++)
        put_section(report, report_parts[i].title, report_parts[i].name, report_parts[i].columns,
                    out);
    buf_printf(out, "\n## Audit\n\n%" PRIu64 " events, chain %s. Head `%s`.\n", audit->events,
               audit->intact ? "intact" : "BROKEN", audit->head);
    if (!audit->intact)
        buf_printf(out, "\nProblem: %s.\n", audit->problem);
}

static bool set_audit(struct value *report, const struct audit_result *audit, struct error *err)
{
    struct value *item = value_set_new_object(report, "audit", err);
    return item != NULL && value_set_bool(item, "intact", audit->intact, err) &&
           value_set_u64(item, "events", audit->events, err) &&
           value_set_text(item, "head", audit->head, err) &&
           value_set_text_lossy(item, "problem", audit->problem, err);
}

static bool run_report_command(struct invocation *call, struct error *err)
{
    struct audit_result audit;
    struct buf text;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(value_cleanup) struct value *report = value_new_object(err);
    if (report == NULL ||
        !helpdesk_session_open(&call->config, "runbook report", &connection, err) ||
        !run_report(connection, call->operand, true, report, err) ||
        !audit_verify(connection, call->operand, NULL, &audit, err))
        return false;
    if (call->json)
        return set_audit(report, &audit, err) && output_value(call, report, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_markdown(report, &audit, &text);
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
    buf_printf(&text, "%s: %" PRIu64 " events, intact, head %s\n", call->operand, audit.events,
               audit.head);
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
    .summary = "print everything a run did, as Markdown or JSON",
    .details =
        "Timeline, counts, what was left out, approvals, batches, notices, restore point, exit "
        "criteria, and the head of the audit chain: keep it, `audit verify --head` compares.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "RUN",
    .examples = {"mainstay runbook report carrier-outage-20261126-3f2a91 >report.md"},
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
