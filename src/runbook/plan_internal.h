/* The parts that make a plan, each its piece of the document. */
#ifndef RUNBOOK_PLAN_INTERNAL_H
#define RUNBOOK_PLAN_INTERNAL_H

#include "runbook/helpdesk.h"
#include "runbook/id_list.h"
#include "runbook/plan.h"
#include "runbook/step.h"

enum { PLAN_SAMPLE_DEFAULT = 10, PLAN_SAMPLE_MAX = 100 };

/* Customers, sorted, which the document has only as counts. */
struct plan_memory {
    struct id_list *of_selection; /* one for each selection of the runbook */
    struct id_list *told;         /* one for each template: who gets a notice of it */
};

struct selection_context plan_selections(const struct plan_context *context);

/* "selections": every selection of the runbook, frozen. */
MUST_CHECK bool plan_put_selections(struct plan_context *context, uint64_t sample_count,
                                    struct value *selections, struct error *err);

/* "steps" or "recover". */
MUST_CHECK bool plan_put_steps(struct plan_context *context, const struct runbook_step *steps,
                               size_t count, struct value *list, struct error *err);
/* ERROR_REFUSED when a guard with `then: fail` holds, or a limit is exceeded. */
MUST_CHECK bool plan_check_limits(const struct plan_context *context, struct error *err);

MUST_CHECK bool plan_notice_step(struct plan_context *context, const struct runbook_step *step,
                                 struct value *out, struct error *err);

MUST_CHECK bool plan_put_overlap(struct plan_context *context, struct value *list,
                                 struct error *err);
MUST_CHECK bool plan_put_estimate(struct plan_context *context, struct value *estimate,
                                  struct error *err);

/* SHA-256 of the compact text without the member "digest", which is the last one or missing. */
MUST_CHECK bool plan_digest(const struct value *document, char out[65], struct error *err);
/* Fills everything but the document from it. */
MUST_CHECK bool plan_open(struct plan *plan, struct error *err);

#endif
