/*
 * The checks behind `mainstay doctor`: each adds results, none stops the others. What cannot be
 * reached is a failed check with the error as its text.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "base/check.h"
#include "base/error.h"
#include "cli/session.h"

#include <stddef.h>

enum { DOCTOR_MAX_CHECKS = 64 };

struct doctor {
    struct check_result results[DOCTOR_MAX_CHECKS];
    size_t count;
};

/* Adds a result; text and fix are formatted by the caller. */
void doctor_add(struct doctor *doctor, const char *name, enum check_verdict verdict,
                const char *text, const char *fix);
void doctor_add_error(struct doctor *doctor, const char *name, const struct error *failure);
size_t doctor_number_of(const struct doctor *doctor, enum check_verdict verdict);

/* Puts, reads, puts again (which must fail) and removes a small object under probe/. */
void doctor_check_store(struct doctor *doctor, struct store *store,
                        const struct random_source *random);
/* The store's clock against ours: more than 60 s is a warning, more than 10 min fails. */
void doctor_check_clock(struct doctor *doctor, struct store *store, const struct clock *clock);
/* *out_open says whether the repository can be used by later checks. */
void doctor_check_repository(struct doctor *doctor, struct session *session, bool *out_open);

#endif
