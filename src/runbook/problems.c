#include "runbook/problems.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct runbook_problem *problems_add(struct runbook_problems *problems, bool warning, int line,
                                     int column, const char *format, ...)
{
    va_list args;
    problems->error_count += warning ? 0 : 1;
    if (problems->count == RUNBOOK_MAX_PROBLEMS)
        return NULL;
    struct runbook_problem *problem = &problems->items[problems->count++];
    *problem = (struct runbook_problem){.line = line, .column = column, .warning = warning};
    va_start(args, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    return problem;
}

void problem_hint(struct runbook_problem *problem, const char *format, ...)
{
    va_list args;
    if (problem == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(problem->hint, sizeof problem->hint, format, args);
    va_end(args);
}

void problem_hint_nearest(struct runbook_problem *problem, const char *word,
                          const char *const *names, size_t count, const char *otherwise)
{
    const char *nearest = text_nearest(word, names, count);
    if (nearest != NULL)
        problem_hint(problem, "Did you mean \"%s\"?", nearest);
    else if (otherwise != NULL)
        problem_hint(problem, "%s", otherwise);
}

static int compare_problems(const void *left, const void *right)
{
    const struct runbook_problem *a = left;
    const struct runbook_problem *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void problems_sort(struct runbook_problems *problems)
{
    qsort(problems->items, problems->count, sizeof problems->items[0], compare_problems);
}
