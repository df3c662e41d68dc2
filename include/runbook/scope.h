/*
 * What the names in a runbook's templates mean: "{{ params.carrier }}", "{{ row.segment }}",
 * "{{ customer.name }}". runbooks/README.md lists them; a name that has no value where the template
 * stands is an error there, never a blank.
 *
 * There is no run id: plans render every text, and a plan has no run yet.
 */
#ifndef RUNBOOK_SCOPE_H
#define RUNBOOK_SCOPE_H

#include "base/text.h"
#include "document/template.h"
#include "runbook/params.h"
#include "runbook/runbook.h"

/* Whom a notice is for. Texts are borrowed; NULL: no such thing here. */
struct scope_customer {
    const char *name;
    const char *orders; /* "1001, 1002"; "" where there are none */
    const char *ticket_ref;
    uint64_t order_count;
};

struct scope {
    const struct runbook *runbook;
    const struct param_values *params;
    int64_t now_us;
    const char *segment;                   /* row.segment; NULL: not in a row */
    const struct scope_customer *customer; /* NULL: nobody's */
    char number[TEXT_SIZE];                /* keeps the text of the last lookup */
};

/* A template_lookup_fn; the context is a struct scope. */
const char *scope_lookup(void *scope, const char *name);

/* Gives *out. ERROR_INVALID names the variable that is missing and those that there are. */
MUST_CHECK bool scope_render(struct scope *scope, const char *text, enum template_escape escape,
                             char **out, struct error *err);

#endif
