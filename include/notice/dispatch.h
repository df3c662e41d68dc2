/*
 * Sends what is in the outbox. Any number of dispatchers may work at once, on any machine: each
 * claims a few notices with SKIP LOCKED under a lease, commits, sends, and writes the outcome only
 * if its claim (`fence`) still stands.
 *
 *     queued, retry --claim--> sending --2xx--> sent
 *                                      --try again--> retry ... dead (attempts used up)
 *                                      --refused--> dead
 *     past expires_at --> expired
 *     sending, lease over (a dispatcher died) --> unknown; for purpose "safety" --> retry
 *
 * `sending` is committed before anything leaves: a crash leaves `unknown`, never a second copy of
 * an ordinary notice. The receiver gets the notice's message id with every attempt and can tell
 * copies apart. Notices of one run to one webhook go in the order in which they were queued.
 */
#ifndef NOTICE_DISPATCH_H
#define NOTICE_DISPATCH_H

#include "base/clock.h"
#include "base/random.h"
#include "notice/webhook.h"
#include "postgres/connection.h"

#include <stdint.h>

enum {
    DISPATCH_ATTEMPTS = 12,           /* from 2 s doubling to 10 min: about an hour */
    DISPATCH_CLAIM = 5,               /* notices at once */
    DISPATCH_LEASE_US = 120 * 1000000 /* longer than DISPATCH_CLAIM requests can take */
};

struct dispatch_options {
    const char *owner; /* for leases: "host/pid" */
    bool plain_http;   /* to other machines, too: otherwise https only */
    const char *webhook_directory;
    const struct clock *clock;
    const struct random_source *random;
    int64_t lease_us; /* 0: DISPATCH_LEASE_US */
};

struct dispatch_counts {
    uint64_t sent;
    uint64_t retried; /* will be tried again */
    uint64_t dead;
    uint64_t expired;
    uint64_t unknown;   /* left behind by a dispatcher that died */
    uint64_t overtaken; /* somebody else took the claim: the outcome was not written */
};

struct dispatcher;

/* Borrows the options' texts. Gives *out. */
MUST_CHECK bool dispatcher_new(const struct dispatch_options *options, struct dispatcher **out,
                               struct error *err);
void dispatcher_free(struct dispatcher *dispatcher); /* NULL is allowed */
void dispatcher_cleanup(struct dispatcher **dispatcher);

/* One round: settles what expired or was left behind, claims what is due, sends it. Adds to counts;
 * *out_more says that there may be more to do at once. A receiver that does not answer is an
 * outcome, not an error; errors are those of the database and ERROR_CANCELLED. */
MUST_CHECK bool dispatcher_round(struct dispatcher *dispatcher, struct connection *connection,
                                 struct dispatch_counts *counts, bool *out_more, struct error *err);

/* When the next notice is due, in microseconds from now; INT64_MAX: none waits. */
MUST_CHECK bool dispatcher_next_due(struct connection *connection, int64_t *out_us,
                                    struct error *err);

#endif
