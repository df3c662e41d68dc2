/*
 * Who gets which notice: for a notice step and some of its customers the drafts, rendered, with
 * channel, locale, time and suppression decided. Planning counts and proves them; the run makes the
 * same again for each batch and queues those whose proof is the plan's.
 *
 * - One draft for each customer, with all orders of the selection inside.
 * - Channel: the first of the step's for which there is an address that may be used. email: the
 *   customer's address; sms: a telephone number with "+"; helpdesk: the newest ticket selected.
 * - Locale: the customer's ("de_AT"), else its language, else another text of that language, else
 *   the template's first text.
 * - Suppressed, with the reason, where nothing will be sent: what mainstay.suppressions says of the
 *   customer or the address (safety notices go out in spite of "unsubscribed" and "complaint"); "no
 *   address"; "no order", "no ticket" where the text names one; "told already" within once_per, by
 *   a notice of this template of any other run that was not cancelled, expired, dead or suppressed;
 *   "would expire in quiet hours".
 * - Quiet hours (not for safety) move not_before to their end in the customer's time zone. Where
 * that is not known, UTC's, three hours longer on both sides.
 * - A customer without a name is called by the address.
 */
#ifndef RUNBOOK_NOTICE_PLAN_H
#define RUNBOOK_NOTICE_PLAN_H

#include "notice/outbox.h"
#include "runbook/plan.h"
#include "runbook/selection.h"
#include "runbook/step.h"

enum { NOTICE_CHUNK = 2000 }; /* customers at once, for flat memory */

struct notice_maker;

/* Compiles the step's template and selection. `run_id` NULL while planning; else windows and
 * exclusions do not see this run's own notices and tags, and times count from the server's clock
 * and not from `now`. Borrows all of it. Gives *out. ERROR_INVALID names a variable that has no
 * value. */
MUST_CHECK bool notice_maker_new(const struct selection_context *context,
                                 struct connection *connection, const struct runbook_step *step,
                                 const char *run_id, struct notice_maker **out, struct error *err);
void notice_maker_free(struct notice_maker *maker); /* NULL is allowed */
void notice_maker_cleanup(struct notice_maker **maker);

/* The notices of these customers (ascending, at most NOTICE_CHUNK), ascending too and valid until
 * the next call. Customers who have no row in the step's selection (any more), or none of the
 * notices that only_after asks for, get none. While planning only_after is the planner's: there are
 * no notices yet. */
MUST_CHECK bool notice_maker_make(struct notice_maker *maker, const int64_t *customer_ids,
                                  size_t count, const struct notice_draft **out, size_t *out_count,
                                  struct error *err);

#endif
