/*
 * What each kind of step plans, as a table of functions: the planner (runbook/plan.h) walks the
 * steps and knows nothing of their kinds. What they do in a run is src/runbook/run_internal.h's.
 *
 * Planning reads only, in one READ ONLY REPEATABLE READ transaction.
 */
#ifndef RUNBOOK_STEP_H
#define RUNBOOK_STEP_H

#include "document/value.h"
#include "postgres/connection.h"
#include "runbook/params.h"
#include "runbook/runbook.h"

struct runbook_settings;

struct plan_context {
    struct connection *connection;
    const struct runbook *runbook;
    const struct param_values *params;
    const struct text_list *capabilities; /* of the installed adapter */
    int64_t now_us;                       /* frozen: :now in every query and template of the plan */
    const struct value *plan;   /* the plan so far: selections are in "selections", and the steps
                                   before this one are in theirs */
    struct plan_memory *memory; /* what planners remember beside the document */
};

#endif
