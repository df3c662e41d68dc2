/* What `runbook lint --live` asks the helpdesk's database. */
#ifndef CLI_RUNBOOK_LIVE_H
#define CLI_RUNBOOK_LIVE_H

#include "postgres/connection.h"
#include "runbook/helpdesk.h"
#include "runbook/problems.h"

/* Prepares every selection against the views of schema mainstay, without running it: an error for
 * what they do not have, a warning for capabilities that the adapter lacks. Parameters have their
 * defaults, the values of the runbook's first test, or any value of their type. False only when the
 * database cannot be asked. */
MUST_CHECK bool runbook_check_live(const struct runbook *runbook, struct connection *connection,
                                   const struct helpdesk *helpdesk, int64_t now_us,
                                   struct runbook_problems *problems, struct error *err);

#endif
