/*
 * What each kind of step does, as a table of functions: one for planning, one for running. The
 * engine (runbook/plan.h, runbook/run.h) walks the steps and knows nothing of their kinds.
 *
 * Planning reads only, in one READ ONLY REPEATABLE READ transaction. Running writes only between
 * run_batch_begin and run_batch_commit, which compare the run's fence: who lost the lease writes
 * nothing more.
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

struct run_context {
    struct connection *connection;
    const struct runbook *runbook;
    const struct param_values *params;
    const struct runbook_settings *settings;
    const struct value *plan; /* as approved; frozen rows are in mainstay.run_targets */
    const char *run_id;
    const char *section; /* "steps", "recover" */
    size_t at;
    int64_t fence;
    struct run_pace *pace; /* batch size, throttle: runbook/pace.h */
};

enum step_outcome {
    STEP_DONE,
    STEP_WAITING, /* for people, a signal or the clock: the run's state says for what */
    STEP_STOP,    /* a guard ends the run here, without failure */
};

struct step_kind {
    enum step_uses uses;
    /* Adds to the step's object in the plan: what exactly will be done. */
    bool (*plan)(struct plan_context *context, const struct runbook_step *step, struct value *out,
                 struct error *err);
    /* Does it, or goes on with it: called again after a crash, a pause or a wait. `planned` is what
     * plan filled. Fills the step's result for the report (NULL: nothing to say). */
    bool (*run)(struct run_context *context, const struct runbook_step *step,
                const struct value *planned, enum step_outcome *out, struct error *err);
};

/* One for every enum step_uses. */
const struct step_kind *step_kind(enum step_uses uses);

#endif
