/* mainstay runbook plan */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/runbook_source.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "runbook/plan.h"

#include <inttypes.h>

enum { PARAMS_MAX = 64 };

static bool read_params(const struct invocation *call, const struct runbook *runbook,
                        struct param_values **out, struct error *err)
{
    const char *given[PARAMS_MAX];
    size_t count = 0;
    size_t at = 0;
    for (const char *text = invocation_next_value(call, "param", &at); text != NULL;
         text = invocation_next_value(call, "param", &at)) {
        if (count == PARAMS_MAX)
            return error_set(err, ERROR_USAGE, "more than %d parameters", PARAMS_MAX);
        given[count++] = text;
    }
    return param_values_parse(runbook, given, count, out, err);
}

static bool read_options(const struct invocation *call, struct plan_options *out, struct error *err)
{
    const char *now = invocation_value(call, "now");
    const char *samples = invocation_value(call, "samples");
    *out = (struct plan_options){.now_us = clock_now_us(&clock_system)};
    if (now != NULL && !text_to_time_us(now, &out->now_us))
        return error_set(err, ERROR_USAGE,
                         "--now \"%.60s\" is not a time like \"2026-03-01T12:00:00Z\"", now);
    if (samples != NULL && (!text_to_u64(samples, &out->sample_count) || out->sample_count == 0))
        return error_set(err, ERROR_USAGE, "--samples \"%.40s\" is not a number above 0", samples);
    return true;
}

static bool write_plan(const struct plan *plan, const char *path, struct error *err)
{
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    /* Customers' names are in it. */
    bool done = plan_print(plan, &text, err) && buf_check(&text, "a plan", err) &&
                file_write_atomic(path, text.data, text.len, 0600, err);
    buf_release(&text);
    return done;
}

static void put_again(const struct invocation *call, struct buf *out)
{
    size_t at = 0;
    buf_printf(out, "mainstay runbook plan ");
    plan_view_put_word(call->operand, out);
    for (const char *text = invocation_next_value(call, "param", &at); text != NULL;
         text = invocation_next_value(call, "param", &at)) {
        buf_printf(out, " -p ");
        plan_view_put_word(text, out);
    }
    buf_printf(out, " -o plan.json");
}

static void put_next(const struct invocation *call, const struct plan_sums *sums, struct buf *out)
{
    const char *path = invocation_value(call, "output");
    if (sums->stops) {
        buf_printf(out, "\nA guard stops this runbook here: a run would change nothing.\n");
        return;
    }
    if (sums->tags == 0 && sums->notices == 0)
        buf_printf(out, "\nNothing to do: no ticket to tag and nobody to write to.\n");
    else
        buf_printf(out,
                   "\n%" PRIu64 " %s and %" PRIu64 " %s; %" PRIu64 " %s none, with the reason.\n",
                   sums->tags, text_plural(sums->tags, "tag", "tags"), sums->notices,
                   text_plural(sums->notices, "notice", "notices"), sums->suppressed,
                   text_plural(sums->suppressed, "customer gets", "customers get"));
    buf_printf(out, "next: ");
    if (path == NULL) {
        put_again(call, out);
    } else {
        buf_printf(out, "mainstay runbook run ");
        plan_view_put_word(path, out);
    }
    buf_printf(out, "\n");
}

static bool print_plan(const struct invocation *call, const struct plan *plan, struct error *err)
{
    struct plan_sums sums;
    struct buf text;
    if (call->json)
        return output_value(call, plan->document, err);
    if (!plan_view_sums(plan, &sums, err))
        return false;
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = plan_view_put(plan, &text, err);
    if (done)
        put_next(call, &sums, &text);
    done = done && output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_plan(struct invocation *call, struct error *err)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    CLEANUP(param_values_cleanup) struct param_values *params = NULL;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    const char *path = invocation_value(call, "output");
    struct plan_options options;
    if (!runbook_source_load(call, call->operand, &runbook, err) ||
        !read_params(call, runbook, &params, err) || !read_options(call, &options, err) ||
        !helpdesk_session_open(&call->config, "runbook plan", &connection, err) ||
        !plan_make(connection, runbook, params, &options, &plan, err))
        return false;
    return (path == NULL || write_plan(plan, path, err)) && print_plan(call, plan, err);
}

const struct command command_runbook_plan = {
    .noun = "runbook",
    .verb = "plan",
    .summary = "find what a runbook would do: who, how many, which texts; changes nothing",
    .details =
        "Reads in one READ ONLY transaction. The plan is frozen: a run applies exactly it, and "
        "approvals are of its digest. Exits with 5 when a limit or a guard of the runbook says "
        "that such a plan must not be made.",
    .groups = GROUP_HELPDESK | GROUP_RUNBOOK | GROUP_LOG,
    .flags =
        {{"param", "KEY=VALUE", NULL, "A parameter of the runbook; may be repeated.", 'p'},
         {"output", "FILE", NULL,
          "Where to write the plan. It has customers' names in it: readable by its owner only.",
          'o'},
         {"samples", "COUNT", "what the runbook says", "How many rows of each segment to show."},
         {"now", "TIME", "now", "Plan as if it was this time."}},
    .operand = "NAME|FILE",
    .examples =
        {"mainstay runbook plan carrier-outage -p carrier=ups -p since=2026-03-01T08:00:00Z "
         "-p next_update='15:00 CET' -o plan.json"},
    .run = run_plan,
};
