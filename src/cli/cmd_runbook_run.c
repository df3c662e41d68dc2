/* mainstay runbook run|resume|recover|undo: what works on a run. */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/run_session.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/plan.h"
#include "runbook/undo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- run ---- */

/* Talk, not data: what will be done, before anybody is asked. */
static void show(const struct invocation *call, struct buf *text)
{
    if (!call->json && text->len > 0 && !text->failed)
        (void)fwrite(text->data, 1, text->len, call->world->err);
    (void)fflush(call->world->err);
}

static bool confirm_plan(const struct invocation *call, const struct plan *plan, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = plan_view_put(plan, &text, err);
    if (done)
        show(call, &text);
    buf_release(&text);
    return done && run_confirm(call, "Do exactly this?", err);
}

static bool run_run(struct invocation *call, struct error *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(run_session_close) struct run_session session = {0};
    CLEANUP(free_pointer) char *run_id = NULL;
    if (!plan_read(call->operand, &plan, err) ||
        !run_session_open(&session, call, "runbook run", err) ||
        !plan_check_database(plan, session.connection, err) || !confirm_plan(call, plan, err) ||
        !run_start(session.connection, plan, &session.settings, &run_id, err))
        return false;
    if (!call->json)
        (void)fprintf(call->world->err, "run %s\n", run_id);
    return run_session_work(&session, run_id, err);
}

/* ---- resume, recover ---- */

static bool run_resume(struct invocation *call, struct error *err)
{
    CLEANUP(run_session_close) struct run_session session = {0};
    return run_session_open(&session, call, "runbook resume", err) &&
           run_session_work(&session, call->operand, err);
}

static bool run_recover_command(struct invocation *call, struct error *err)
{
    CLEANUP(run_session_close) struct run_session session = {0};
    if (!run_session_open(&session, call, "runbook recover", err) ||
        !run_confirm(call, "Is the incident over, and shall recovery begin?", err) ||
        !run_recover(session.connection, call->operand, session.host, err))
        return false;
    if (run_session_work(&session, call->operand, err))
        return true;
    /* Whoever works on the run goes on with it. */
    return err->kind == ERROR_UNAVAILABLE && err->retryable && session.connection != NULL &&
           run_print_state(call, session.connection, call->operand, err);
}

/* ---- undo ---- */

static void put_undo_step(const struct value *step, struct buf *out)
{
    static const struct {
        const char *key;
        const char *one;
        const char *many;
    } counts[] = {
        {"ready", "will be changed", "will be changed"},
        {"conflicts", "stays: somebody has set the tag again",
         "stay: somebody has set the tag again"},
        {"nothing", "is as it was, or gone", "are as they were, or gone"},
    };
    const char *uses = "";
    const struct value *tags = NULL;
    const struct value *tag = NULL;
    const char *name = "";
    uint64_t count = 0;
    struct error none;
    if (!value_get_text(step, "uses", &uses, &none) || !value_get_u64(step, "count", &count, &none))
        return;
    if (strcmp(uses, "notice") == 0) {
        buf_printf(
            out, "  %" PRIu64 " %s called back\n", count,
            text_plural(count, "notice that is not sent is", "notices that are not sent are"));
        return;
    }
    if (value_get_array(step, "tags", &tags, &none) && value_at_object(tags, 0, &tag, &none) &&
        value_get_text(tag, "tag", &name, &none)) {
        buf_printf(out, "  remove ");
        output_put_clean(name, out);
        buf_printf(out, ": %" PRIu64 " %s in the ledger\n", count,
                   text_plural(count, "ticket", "tickets"));
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (value_get_u64(step, counts[i].key, &count, &none) && count > 0)
            buf_printf(out, "      %" PRIu64 " %s\n", count,
                       text_plural(count, counts[i].one, counts[i].many));
}

static bool show_undo(const struct invocation *call, const struct value *plan, size_t *out_steps,
                      struct error *err)
{
    const struct value *steps;
    const struct value *notes;
    struct buf text;
    if (!value_get_array(plan, "steps", &steps, err) ||
        !value_get_array(plan, "notes", &notes, err))
        return false;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "undo of %s\n", call->operand);
    for (size_t i = 0; i < value_count(steps); i++) {
        const struct value *step;
        if (value_at_object(steps, i, &step, err))
            put_undo_step(step, &text);
    }
    for (size_t i = 0; i < value_count(notes); i++) {
        const char *note = "";
        buf_printf(&text, "  ");
        if (value_at_text(notes, i, &note, err))
            output_put_clean(note, &text);
        buf_printf(&text, "\n");
    }
    if (value_count(steps) == 0)
        buf_printf(&text, "  nothing is left to undo\n");
    show(call, &text);
    buf_release(&text);
    *out_steps = value_count(steps);
    return true;
}

static bool run_undo(struct invocation *call, struct error *err)
{
    size_t steps = 0;
    CLEANUP(run_session_close) struct run_session session = {0};
    CLEANUP(value_cleanup) struct value *plan = NULL;
    CLEANUP(free_pointer) char *run_id = NULL;
    if (!run_session_open(&session, call, "runbook undo", err) ||
        !undo_plan(session.connection, call->operand, &plan, err) ||
        !show_undo(call, plan, &steps, err))
        return false;
    if (steps == 0 || invocation_has(call, "plan"))
        return !call->json || output_value(call, plan, err);
    if (!run_confirm(call, "Take this back?", err) ||
        !undo_start(session.connection, plan, &session.settings, &run_id, err))
        return false;
    return run_session_work(&session, run_id, err);
}

enum { RUN_GROUPS = GROUP_HELPDESK | GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_LOG };

const struct command command_runbook_run = {
    .noun = "runbook",
    .verb = "run",
    .summary = "do what a plan says, exactly",
    .details =
        "Shows the plan and asks. Each ticket is looked at again in the transaction that changes "
        "it; "
        "what does not fit any more is left out and listed. The run is kept in the helpdesk's "
        "database: any machine can resume it, and `runbook undo` takes it back. A restore point is "
        "confirmed where repository.url is set, and postgres.connection leads to the same server.",
    .groups = RUN_GROUPS,
    .flags = {RUN_YES_FLAG, RUN_NO_WAIT_FLAG, RUN_LEASE_FLAG},
    .operand = "PLAN",
    .examples = {"mainstay runbook run plan.json",
                 "mainstay runbook run plan.json --yes --no-wait"},
    .run = run_run,
};

const struct command command_runbook_resume = {
    .noun = "runbook",
    .verb = "resume",
    .summary = "go on with a run that was paused, waits, or lost its process",
    .details =
        "Goes on exactly where the last batch ended. While another process works on the run it "
        "is refused; one that was killed is replaced at once, one that is silent when its "
        "lease is over.",
    .groups = RUN_GROUPS,
    .flags = {RUN_NO_WAIT_FLAG, RUN_LEASE_FLAG},
    .operand = "RUN",
    .examples = {"mainstay runbook resume carrier-outage-20261126-3f2a91"},
    .run = run_resume,
};

const struct command command_runbook_recover = {
    .noun = "runbook",
    .verb = "recover",
    .summary = "say that the incident is over: the run's recovery begins",
    .groups = RUN_GROUPS,
    .flags = {RUN_YES_FLAG, RUN_NO_WAIT_FLAG, RUN_LEASE_FLAG},
    .operand = "RUN",
    .examples = {"mainstay runbook recover carrier-outage-20261126-3f2a91"},
    .run = run_recover_command,
};

const struct command command_runbook_undo = {
    .noun = "runbook",
    .verb = "undo",
    .summary = "take back what a run changed",
    .details =
        "Removes the tags that this run added and nobody has set again, and calls back notices "
        "that are not sent. What people changed since is listed and stays. Shows what it would "
        "do and asks; an undo is a run itself.",
    .groups = RUN_GROUPS,
    .flags = {{"plan", NULL, NULL, "Only show what would be undone."},
              RUN_YES_FLAG,
              RUN_LEASE_FLAG},
    .operand = "RUN",
    .examples = {"mainstay runbook undo carrier-outage-20261126-3f2a91 --plan"},
    .run = run_undo,
};
