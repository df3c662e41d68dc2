/* What people see of the outbox, and what they do to single notices in it. */
#ifndef NOTICE_NOTICE_VIEW_H
#define NOTICE_NOTICE_VIEW_H

#include "document/value.h"
#include "postgres/connection.h"

enum { NOTICE_LIST_LIMIT = 200 };

/* NULL: any. Borrowed. */
struct notice_filter {
    const char *run_id;
    const char *step_id;
    const char *state;
    const char *channel;
    uint64_t limit; /* 0: NOTICE_LIST_LIMIT */
};

/* The newest first: {"id", "run", "template", "customer", "channel", "address", "locale", "state",
 * "reason", "subject", "attempts", "queued", "not_before", "expires"} for each, into `array`. */
MUST_CHECK bool notice_list(struct connection *connection, const struct notice_filter *filter,
                            struct value *array, struct error *err);
/* Everything about one, with its texts, into `object`. ERROR_NOT_FOUND. */
MUST_CHECK bool notice_show(struct connection *connection, uint64_t id, struct value *object,
                            struct error *err);
/* Cancels one that is not sent. ERROR_NOT_FOUND; ERROR_REFUSED says in which state it is. */
MUST_CHECK bool notice_cancel(struct connection *connection, uint64_t id, const char *reason,
                              struct error *err);
/* Tries dead and unknown notices of a run again (id 0: all; state NULL: only dead ones). Those past
 * their end stay as they are: *out_expired counts them. */
MUST_CHECK bool notice_redrive(struct connection *connection, const struct notice_filter *filter,
                               uint64_t id, uint64_t *out_redriven, uint64_t *out_expired,
                               struct error *err);

#endif
