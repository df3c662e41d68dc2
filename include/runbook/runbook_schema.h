/*
 * The JSON Schema (draft-07) of the runbook language, made from the tables that the loader reads:
 * runbooks/schema.json is its print. It says what may be where; references, conditions and texts
 * are for `mainstay runbook lint`.
 */
#ifndef RUNBOOK_RUNBOOK_SCHEMA_H
#define RUNBOOK_RUNBOOK_SCHEMA_H

#include "base/error.h"
#include "document/value.h"

/* Gives the root, or NULL with err filled. */
MUST_CHECK struct value *runbook_schema(struct error *err);

#endif
