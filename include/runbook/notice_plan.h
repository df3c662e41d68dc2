/*
 * Who gets which notice: for a notice step and some of its customers the drafts, rendered, with
 * channel, locale, time and suppression decided. Planning counts and proves them; the run makes the
 * same again for each batch and queues those whose proof is the plan's.
 */
#ifndef RUNBOOK_NOTICE_PLAN_H
#define RUNBOOK_NOTICE_PLAN_H

#include "notice/outbox.h"
#include "runbook/plan.h"
#include "runbook/selection.h"
#include "runbook/step.h"

struct notice_maker;

/* Compiles the step's template and selection. `run_id` NULL while planning; else windows and
 * exclusions do not see this run's own notices and tags. Borrows all of it. Gives *out. */
MUST_CHECK bool notice_maker_new(const struct selection_context *context,
                                 struct connection *connection, const struct runbook_step *step,
                                 const char *run_id, struct notice_maker **out, struct error *err);
void notice_maker_free(struct notice_maker *maker); /* NULL is allowed */
void notice_maker_cleanup(struct notice_maker **maker);

/* The notices of these rows of the step's selection (ascending ids; of tickets or orders several
 * may be of one customer and make one notice): one draft for each customer, ascending. Drafts are
 * valid until the next call. Rows without a customer make none; *out_without counts them. */
MUST_CHECK bool notice_maker_make(struct notice_maker *maker, const int64_t *customer_ids,
                                  size_t count, const struct notice_draft **out, size_t *out_count,
                                  struct error *err);

#endif
