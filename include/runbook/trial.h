/*
 * A runbook's own test: its fixture is in an empty helpdesk, the clock stands still, the runbook is
 * planned and run there as far as it goes without the world outside, and what came of it is
 * counted.
 *
 * People are played: approvals are given, tasks get their default (or first) choice. A `wait` step
 * ends the trial, and so does recovery, which is never begun.
 */
#ifndef RUNBOOK_TRIAL_H
#define RUNBOOK_TRIAL_H

#include "postgres/connection.h"
#include "runbook/runbook.h"

enum { TRIAL_MAX_COUNTS = 64, TRIAL_NAME_SIZE = 96 };

struct trial_count {
    char name[TRIAL_NAME_SIZE]; /* as in `expect` */
    uint64_t expected;
    uint64_t found;
};

struct trial_result {
    struct trial_count counts[TRIAL_MAX_COUNTS]; /* one for each in `expect`, in order */
    size_t count;
};

bool trial_passed(const struct trial_result *result);

/* The database has the adapter and the fixture, and nothing worth keeping; the login may write
 * everything in schema mainstay. ERROR_INVALID for a test that cannot be made. */
MUST_CHECK bool trial_run(struct connection *connection, const struct runbook *runbook,
                          const struct runbook_test *test, struct trial_result *out,
                          struct error *err);

#endif
