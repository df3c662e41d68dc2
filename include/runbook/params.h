/*
 * The values of a runbook's parameters for one plan: from "key=value" texts and the defaults, each
 * checked against its type, bounds and pattern. They go into SQL as bind parameters of their type
 * and into templates as text; never into SQL as text.
 */
#ifndef RUNBOOK_PARAMS_H
#define RUNBOOK_PARAMS_H

#include "document/value.h"
#include "runbook/runbook.h"

struct param_value {
    const struct runbook_param *param; /* borrowed from the runbook */
    char *sql;  /* what is bound: "24h" is "86400 seconds", a time is in UTC with microseconds, a
                   list is {"a","b"}; NULL: not given */
    char *text; /* what templates see: as given; a list is "a, b"; NULL: not given */
};

struct param_values;

/* Borrows the runbook for the life of *out, and the texts for the call. ERROR_USAGE names the
 * parameter, what is wrong, and the nearest name where one is unknown; all required parameters that
 * are missing are named at once. */
MUST_CHECK bool param_values_parse(const struct runbook *runbook, const char *const *given,
                                   size_t count, struct param_values **out, struct error *err);
void param_values_free(struct param_values *values); /* NULL is allowed */
void param_values_cleanup(struct param_values **values);

size_t param_values_count(const struct param_values *values); /* one for each parameter, in order */
const struct param_value *param_values_at(const struct param_values *values, size_t at);
/* NULL when the runbook has no parameter of this name. */
const struct param_value *param_values_find(const struct param_values *values, const char *name);

/* What a parameter may be, for the loader: a value (the default), a pattern, a min or max.
 * ERROR_USAGE says what is wrong. A value is one line of at most 4000 bytes; a list has at most 200
 * elements, "a,b, c" (blanks around them do not count), none of them empty. */
MUST_CHECK bool param_check_value(const struct runbook_param *param, const char *text,
                                  struct error *err);
MUST_CHECK bool param_check_pattern(const char *pattern, struct error *err);
MUST_CHECK bool param_check_limit(const struct runbook_param *param, const char *text,
                                  struct error *err);

/* The type that a parameter has in SQL: "text", "bigint", "boolean", "interval", "timestamptz",
 * "text[]". */
const char *param_sql_type(enum param_type type);

/* {"carrier": "ups", ...} as given, for the plan; and back. */
MUST_CHECK bool param_values_to_value(const struct param_values *values, struct value *object,
                                      struct error *err);
MUST_CHECK bool param_values_from_value(const struct runbook *runbook, const struct value *object,
                                        struct param_values **out, struct error *err);

#endif
