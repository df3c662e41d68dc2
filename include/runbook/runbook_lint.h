/*
 * The content rules: what a runbook that loads may still do wrong for the people who run it at
 * night and for the customers who read its texts. Sources: FTC Mail, Internet or Telephone Order
 * Rule (16 CFR 435), CAN-SPAM's primary purpose (16 CFR 316.3), and what incident handbooks agree
 * on. runbooks/README.md lists the rules.
 */
#ifndef RUNBOOK_RUNBOOK_LINT_H
#define RUNBOOK_RUNBOOK_LINT_H

#include "runbook/problems.h"

/* Adds what is wrong; a rule that only asks for a second look gives a warning. Lines are those
 * where the step, template or text begins, without columns. */
MUST_CHECK bool runbook_lint(const struct runbook *runbook, int64_t now_us,
                             struct runbook_problems *problems, struct error *err);

/* The promotional word or phrase in a text of ours (English, German, French, Spanish), or NULL.
 * Whole words, whatever the case. Also for plans, which see the rendered text. */
const char *lint_promotional(const char *text);

#endif
