/*
 * The checks behind `mainstay doctor`: each adds results, none stops the others. What cannot be
 * reached is a failed check with the error as its text.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "base/check.h"
#include "base/error.h"
#include "cli/session.h"

/* Adds an error as a failed check, its hint as the fix. */
void doctor_add_error(struct check_list *list, const char *name, const struct error *failure);

/* Puts, reads, puts again (which must fail) and removes a small object under probe/. */
void doctor_check_store(struct check_list *list, struct store *store,
                        const struct random_source *random);
/* Versions and locks, and what was changed in spite of them, where the store has such; nothing is
 * said of others. */
void doctor_check_protection(struct check_list *list, struct store *store);
/* The store's clock against ours: more than 60 s is a warning, more than 10 min fails. */
void doctor_check_clock(struct check_list *list, struct store *store, const struct clock *clock);
/* Whether secrets can be kept out of swap (base/secret.h). */
void doctor_check_memory(struct check_list *list);
/* *out_open says whether the repository can be used by later checks. */
void doctor_check_repository(struct check_list *list, struct session *session,
                             const struct config *config, bool *out_open);
/* Who can open what is stored: of a repository that is open. */
void doctor_check_keys(struct check_list *list, const struct session *session);

#endif
