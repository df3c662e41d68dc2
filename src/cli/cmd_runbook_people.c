/* mainstay runbook pause|cancel|signal|approve: what people say to a run. */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/run_session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "postgres/query.h"
#include "runbook/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pause, cancel ---- */

static bool is_over(struct run_session *session, const char *run_id, bool *out, struct error *err)
{
    const struct query query = {
        .sql = "SELECT wanted IS NULL FROM mainstay.runs WHERE id = $1",
        .values = (const char *const[]){run_id},
        .count = 1,
        .what = "look at the run",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    return query_run(session->connection, &query, &rows, err) && query_bool(rows, 0, 0, out, err);
}

/* The process that works on it obeys after its batch; that is soon, or it is not there. */
static bool wait_for_it(struct run_session *session, const char *run_id, bool *out,
                        struct error *err)
{
    enum { LOOKS = 100, LOOK_EVERY_US = 100000 };
    for (int i = 0; i < LOOKS && !*out; i++) {
        if (!is_over(session, run_id, out, err))
            return false;
        if (!*out)
            clock_sleep_us(&clock_system, LOOK_EVERY_US);
    }
    return true;
}

static bool stop_run(struct invocation *call, const char *wanted, struct error *err)
{
    bool stopped = false;
    CLEANUP(run_session_close) struct run_session session = {0};
    if (!run_session_open(&session, call, "runbook stop", err) ||
        !run_stop(session.connection, call->operand, wanted, &session.settings, &stopped, err) ||
        !wait_for_it(&session, call->operand, &stopped, err))
        return false;
    if (!stopped) {
        (void)error_set(err, ERROR_UNAVAILABLE, "run %s has not obeyed yet", call->operand);
        return error_hint(err,
                          "If its process is stuck, the same command does it once its lease is "
                          "over.");
    }
    return run_print_state(call, session.connection, call->operand, err);
}

static bool run_pause(struct invocation *call, struct error *err)
{
    return stop_run(call, "pause", err);
}

static bool run_cancel(struct invocation *call, struct error *err)
{
    return stop_run(call, "cancel", err);
}

/* ---- signal ---- */

static bool run_signal_command(struct invocation *call, struct error *err)
{
    const char *value = invocation_value(call, "value");
    CLEANUP(run_session_close) struct run_session session = {0};
    return run_session_open(&session, call, "runbook signal", err) &&
           run_signal(session.connection, call->operand, call->second_operand,
                      value == NULL ? "" : value, session.host, err) &&
           run_print_state(call, session.connection, call->operand, err);
}

/* ---- approve ---- */

struct proposal {
    char *requester;
    char *step_id;
    struct plan *plan;
};

static void proposal_release(struct proposal *proposal)
{
    free(proposal->requester);
    free(proposal->step_id);
    plan_free(proposal->plan);
}

/* The plan is parsed here again: the digest that is approved is that of what was shown. */
static bool read_proposal(struct run_session *session, const char *run_id, const char *step_id,
                          struct proposal *out, struct error *err)
{
    const struct query query = {
        .sql =
            "SELECT r.requester, r.plan, coalesce((SELECT step_id FROM mainstay.run_steps s WHERE "
            "s.run_id = r.id AND s.uses = 'approval' AND s.state IN ('pending', 'running', "
            "'waiting') AND ($2::text IS NULL OR s.step_id = $2) ORDER BY (s.section = 'recover'), "
            "s.at LIMIT 1), '') FROM mainstay.runs r WHERE r.id = $1",
        .values = (const char *const[]){run_id, step_id},
        .count = 2,
        .what = "read what is to be approved",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(session->connection, &query, &rows, err))
        return false;
    if (query_rows(rows) == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run \"%.80s\"", run_id);
    if (query_field(rows, 0, 2)[0] == '\0')
        return error_set(err, ERROR_REFUSED, "run %s waits for no approval%s%s", run_id,
                         step_id == NULL ? "" : " in step ", step_id == NULL ? "" : step_id);
    out->requester = strdup(query_field(rows, 0, 0));
    out->step_id = strdup(query_field(rows, 0, 2));
    if (out->requester == NULL || out->step_id == NULL)
        return error_no_memory(err, "what is to be approved");
    const char *text = query_field(rows, 0, 1);
    return plan_parse(text, strlen(text), run_id, &out->plan, err);
}

static bool show_proposal(const struct invocation *call, const struct proposal *proposal,
                          struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "run %s, asked for by ", call->operand);
    output_put_clean(proposal->requester, &text);
    buf_printf(&text, "\n\n");
    bool done = plan_view_put(proposal->plan, &text, err);
    buf_printf(&text, "\nplan %s\nstep %s: if it is approved, what comes behind it happens\n",
               proposal->plan->digest, proposal->step_id);
    done = done && buf_check(&text, "what is to be approved", err);
    if (done && !call->json)
        (void)fwrite(text.data, 1, text.len, call->world->err);
    (void)fflush(call->world->err);
    buf_release(&text);
    return done;
}

static bool vote(struct invocation *call, struct run_session *session,
                 const struct proposal *proposal, struct error *err)
{
    bool rejects = invocation_has(call, "reject");
    const char *comment = invocation_value(call, "comment");
    const char *digest = invocation_value(call, "digest");
    const struct run_vote vote = {
        .step_id = proposal->step_id,
        .plan_digest = proposal->plan->digest,
        .rejects = rejects,
        .comment = comment == NULL ? "" : comment,
    };
    if (digest != NULL && strcmp(digest, proposal->plan->digest) != 0)
        return error_set(err, ERROR_REFUSED, "run %s has plan %s, not %.70s", call->operand,
                         proposal->plan->digest, digest);
    return run_confirm(call, rejects ? "Reject it?" : "Approve it?", err) &&
           run_approve(session->connection, call->operand, &vote, session->host, err) &&
           run_print_state(call, session->connection, call->operand, err);
}

static bool run_approve_command(struct invocation *call, struct error *err)
{
    struct proposal proposal = {0};
    CLEANUP(run_session_close) struct run_session session = {0};
    if (invocation_has(call, "reject") && invocation_value(call, "comment") == NULL)
        return error_set(err, ERROR_USAGE, "--reject needs --comment: say why");
    bool done = run_session_open(&session, call, "runbook approve", err) &&
                read_proposal(&session, call->operand, invocation_value(call, "step"), &proposal,
                              err) &&
                show_proposal(call, &proposal, err) && vote(call, &session, &proposal, err);
    proposal_release(&proposal);
    return done;
}

const struct command command_runbook_pause = {
    .noun = "runbook",
    .verb = "pause",
    .summary = "stop a run after its batch; `runbook resume` goes on",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "RUN",
    .examples = {"mainstay runbook pause carrier-outage-20261126-3f2a91"},
    .run = run_pause,
};

const struct command command_runbook_cancel = {
    .noun = "runbook",
    .verb = "cancel",
    .summary = "end a run after its batch, and call its unsent notices back",
    .details = "What it changed stays, until `runbook undo` takes it back.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "RUN",
    .examples = {"mainstay runbook cancel carrier-outage-20261126-3f2a91"},
    .run = run_cancel,
};

const struct command command_runbook_signal = {
    .noun = "runbook",
    .verb = "signal",
    .summary = "answer a task (by its step), or give the signal that a run waits for",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"value", "TEXT", NULL, "Of a task: one of its choices."}},
    .operand = "RUN",
    .second_operand = "NAME",
    .examples = {"mainstay runbook signal carrier-outage-20261126-3f2a91 carrier-recovered",
                 "mainstay runbook signal carrier-outage-20261126-3f2a91 fallback --value hold"},
    .run = run_signal_command,
};

const struct command command_runbook_approve = {
    .noun = "runbook",
    .verb = "approve",
    .summary = "approve or reject what a run does next, as a second person",
    .details = "Shows what will happen and asks. Who you are is the login in helpdesk.connection, "
               "a member "
               "of mainstay_approver; whoever asked for the run cannot approve it. What is "
               "approved is the "
               "plan with the digest shown, and no other.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"step", "STEP", "the next one", "Which approval step."},
              {"reject", NULL, NULL, "Say no: the run ends here."},
              {"comment", "TEXT", NULL, "Stays with the decision."},
              {"digest", "HEX", NULL, "Refuse any plan but this one."},
              RUN_YES_FLAG},
    .operand = "RUN",
    .examples =
        {"mainstay runbook approve carrier-outage-20261126-3f2a91 --comment 'texts checked'"},
    .run = run_approve_command,
};
