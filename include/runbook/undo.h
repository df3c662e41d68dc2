/*
 * Taking back what a run did: a run of its own, planned from the ledger. Only what that run itself
 * changed is in there, so what was there before it cannot be touched. A run takes away only tags
 * that it added itself, so nothing ever has to be set again.
 *
 * A plan of an undo, as JSON:
 *   format, undoes, runbook, steps, notes (texts: what is not undone, and why), digest
 * steps: id, uses ("untag": tags that were added go; "notice": what is not sent yet is called
 * back), from, tags [{tag, segment}], and counts: count      rows of the ledger ready      would be
 * changed, were it done now conflicts  somebody has set the tag again since: stays nothing already
 * as it was before, or the ticket is gone
 */
#ifndef RUNBOOK_UNDO_H
#define RUNBOOK_UNDO_H

#include "runbook/run.h"

/* Only reads. ERROR_REFUSED while the run is live, when it is an undo itself, and when its runbook
 * forbids all of it. Without any steps there is nothing to undo. Gives *out. */
MUST_CHECK bool undo_plan(struct connection *connection, const char *run_id, struct value **out,
                          struct error *err);

/* Stores it as a run of kind "undo"; run_work does it. ERROR_REFUSED when another run of the same
 * concurrency group is live. Gives *out_run_id. */
MUST_CHECK bool undo_start(struct connection *connection, const struct value *plan,
                           const struct runbook_settings *settings, char **out_run_id,
                           struct error *err);

#endif
