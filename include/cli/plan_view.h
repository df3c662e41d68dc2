/* A plan as a person reads it at three in the morning: how many, who, what, and what comes next. */
#ifndef CLI_PLAN_VIEW_H
#define CLI_PLAN_VIEW_H

#include "base/buf.h"
#include "runbook/plan.h"

/* Everything but the next command. */
MUST_CHECK bool plan_view_put(const struct plan *plan, struct buf *out, struct error *err);

struct plan_sums {
    uint64_t tags; /* to add or remove, tickets times tags */
    uint64_t notices;
    uint64_t suppressed;
    bool stops; /* a guard ends the run before it has done anything */
};

/* What the plan's steps would do; `recover` is not counted. */
MUST_CHECK bool plan_view_sums(const struct plan *plan, struct plan_sums *out, struct error *err);

/* Appends a word for a shell, quoted where it has to be. */
void plan_view_put_word(const char *word, struct buf *out);

#endif
