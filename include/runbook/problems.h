/* What is wrong with a runbook, collected: plain data for `runbook lint` and for errors. */
#ifndef RUNBOOK_PROBLEMS_H
#define RUNBOOK_PROBLEMS_H

#include "base/macros.h"
#include "runbook/runbook.h"

#include <stdbool.h>
#include <stddef.h>

enum { RUNBOOK_MAX_PROBLEMS = 64 };

struct runbook_problem {
    int line; /* 0: of the whole file */
    int column;
    bool warning;   /* the runbook runs in spite of it */
    char text[512]; /* without the place */
    char hint[256]; /* "" = none */
};

struct runbook_problems {
    struct runbook_problem items[RUNBOOK_MAX_PROBLEMS]; /* the first ones that were found */
    size_t count;
    size_t error_count; /* all that are no warnings, also those that had no place in items */
};

/* Adds one; NULL when there are too many of them. `hint` may be set through the result. */
struct runbook_problem *problems_add(struct runbook_problems *problems, bool warning, int line,
                                     int column, const char *format, ...) FORMAT(5, 6);
/* Sets the hint; problem may be NULL. */
void problem_hint(struct runbook_problem *problem, const char *format, ...) FORMAT(2, 3);
/* "Did you mean ...?" where a name is near, else the fallback (NULL: nothing). */
void problem_hint_nearest(struct runbook_problem *problem, const char *word,
                          const char *const *names, size_t count, const char *otherwise);

/* By place; what is of the whole file comes first. */
void problems_sort(struct runbook_problems *problems);

/* Everything that runbook_load refuses, as far as it can be seen at once (a text that is no YAML
 * has one problem). *out is NULL when there are any. False only when memory is short. */
MUST_CHECK bool runbook_load_all(const char *text, size_t len, const char *file,
                                 struct runbook_problems *problems, struct runbook **out,
                                 struct error *err);

#endif
