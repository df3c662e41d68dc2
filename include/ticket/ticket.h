/*
 * What is done to tickets, through the functions that the installed adapter has in schema
 * `mainstay` (runbooks/adapters/README.md). The caller has the transaction, READ COMMITTED: lock
 * first, in a statement of its own, then look at what the locked tickets are now, then write.
 *
 * Ids are given in any order, in batches of a thousand or so (limits.chunk of the adapter); what
 * comes back is in the order of ids. Nothing here retries: lock timeouts and deadlocks come back as
 * retryable errors, and the transaction has to be rolled back.
 */
#ifndef TICKET_TICKET_H
#define TICKET_TICKET_H

#include "postgres/connection.h"

#include <stddef.h>
#include <stdint.h>

/* Tickets, with the mark of one tag on each where that is known (ticket_tags.mark). Arrays of
 * `count`; marks is NULL where there are none. */
struct ticket_ids {
    int64_t *ids;
    int64_t *marks;
    size_t count;
};

/* Frees both arrays; a zeroed struct is fine. For what the functions below gave. */
void ticket_ids_release(struct ticket_ids *tickets);

/* Locks these tickets against everybody else who writes them and gives those that it got: rows that
 * somebody has locked are left out at once, and so are ids that are no ticket. */
MUST_CHECK bool ticket_lock(struct connection *connection, const struct ticket_ids *wanted,
                            struct ticket_ids *out, struct error *err);

/* Sets the tag as the helpdesk's own application does it; gives only the tickets that did not have
 * it, each with the mark of its new tag. `actor` is the helpdesk's user that history names
 * (mainstay.settings, 'actor'). */
MUST_CHECK bool ticket_tag_add(struct connection *connection, const char *tag, int64_t actor,
                               const struct ticket_ids *wanted, struct ticket_ids *out,
                               struct error *err);

/* The same for taking it away; gives only the tickets that had it. With marks only tags that still
 * have their mark go: one that somebody took away and set again stays. */
MUST_CHECK bool ticket_tag_remove(struct connection *connection, const char *tag, int64_t actor,
                                  const struct ticket_ids *wanted, struct ticket_ids *out,
                                  struct error *err);

#endif
