/*
 * SQL conditions as runbooks write them ("t.is_open AND o.carrier = :carrier"): what they may be,
 * and how their :names become bind parameters.
 *
 * A condition is put in parentheses into a query of ours and must not be able to end them. So the
 * text is read as PostgreSQL's scanner reads it (src/backend/parser/scan.l), and what is not whole
 * in itself is refused: ";", quotes and comments that are not closed, parentheses and brackets that
 * do not match, "$1". Refused as well, because it is a trap: "--" (YAML folds lines, and the rest
 * of the condition would be gone) and E'...' (only there a backslash may hide a quote). The session
 * that runs the query must have standard_conforming_strings on, the default.
 *
 * This keeps a condition in its place. That it changes nothing is kept by the READ ONLY transaction
 * and by the role that runs it.
 */
#ifndef RUNBOOK_CONDITION_H
#define RUNBOOK_CONDITION_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

enum { CONDITION_MAX_BYTES = 16 * 1024, CONDITION_MAX_DEPTH = 64 };

/* ERROR_INVALID says what is wrong and at which character (from 1). "" is a condition: true. */
MUST_CHECK bool condition_check(const char *sql, struct error *err);

/* Appends what stands for :name, as "$3" or "$3::interval". */
typedef bool (*condition_param_fn)(void *context, const char *name, struct buf *out,
                                   struct error *err);

/* Checks, and appends the condition with every :name replaced; not in strings, quoted names and
 * comments, and not in "::". Comments become a blank. A condition with nothing in it is appended as
 * "true". No parentheses are put around it. */
MUST_CHECK bool condition_compile(const char *sql, condition_param_fn param, void *context,
                                  struct buf *out, struct error *err);

#endif
