/* A compiled selection: shared by its compiler and by what runs it. */
#ifndef RUNBOOK_SELECTION_INTERNAL_H
#define RUNBOOK_SELECTION_INTERNAL_H

#include "base/buf.h"
#include "runbook/selection.h"

enum {
    SELECTION_MAX_VALUES = 64,
    SELECTION_MAX_SQL_BYTES = 512 * 1024,
    SELECTION_MAX_ARRAY_BYTES = 1024 * 1024,
};

struct selection_query {
    const struct runbook_selection *selection; /* borrowed */
    char *sql;                                 /* all of it */
    char *recheck_sql; /* with two more parameters behind `values`: run id, ids */
    char *people_sql;  /* the same with ids of customers, in their order: whom notices are for */
    char *values[SELECTION_MAX_VALUES];
    const char *names[SELECTION_MAX_VALUES]; /* of runbook parameters; NULL: a value of our own */
    size_t value_count;
    const char **left_out; /* the missing capability of each segment, or NULL; borrowed texts */
};

#endif
