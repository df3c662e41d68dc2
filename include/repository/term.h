/*
 * Terms: which of several daemons works on the repository (FORMAT.md, "Terms").
 *
 *   terms/<term>/<number>.json     number 0 is the claim, made by exactly one; later ones are signs
 *                                  of life
 *   terms/<term>/ended.json        its holder stopped working by itself
 *
 * Objects are numbered and never overwritten. No clock of one machine is compared with another's:
 * whoever waits measures with its own monotonic clock how long the latest number has not changed.
 * The number of the term is the fencing token: term_check says whether a later one began.
 */
#ifndef REPOSITORY_TERM_H
#define REPOSITORY_TERM_H

#include "repository/repository.h"

#define TERM_SIGN_US ((int64_t)5 * 1000000)     /* a holder stores signs this often */
#define TERM_SILENCE_US ((int64_t)15 * 1000000) /* after which others may take over */

enum { TERM_HOLDER_SIZE = 17, TERM_HOST_SIZE = 256, TERM_LOCK_SIZE = 96, TERM_KEPT = 100 };

/* The latest that the store has. */
struct term_view {
    uint64_t term; /* 0 = there was none yet */
    uint64_t sign;
    bool ended;
};

MUST_CHECK bool term_look(const struct repository *repository, struct term_view *out,
                          struct error *err);

/* What the holder of a term said of itself. */
struct term_claim {
    char holder[TERM_HOLDER_SIZE];
    char host[TERM_HOST_SIZE]; /* for people */
    char lock[TERM_LOCK_SIZE]; /* identity of the server's lock that it has; "" = none */
};

MUST_CHECK bool term_read_claim(const struct repository *repository, uint64_t term,
                                struct term_claim *out, struct error *err);

/* What somebody who waits has seen; zeroed: nothing yet. */
struct term_watch {
    struct term_view seen;
    bool looked;
    int64_t since_us; /* monotonic: since then it did not change */
};

/* Looks again. *out_silent: the latest holder has given no sign for TERM_SILENCE_US. */
MUST_CHECK bool term_watch_look(struct term_watch *watch, const struct repository *repository,
                                const struct clock *clock, bool *out_silent, struct error *err);

/* A term that this process holds. Borrows the store. */
struct term {
    const struct repository *repository; /* borrowed */
    uint64_t number;
    uint64_t sign;
    char holder[TERM_HOLDER_SIZE];
};

/* Begins the term after the one of `view`, and removes what is left of former ones. `claim` says
 * host and lock; its holder is made here. ERROR_EXISTS when somebody else was faster. */
MUST_CHECK bool term_begin(const struct repository *repository, const struct term_view *view,
                           const struct term_claim *claim, const struct clock *clock,
                           const struct random_source *random, struct term *out, struct error *err);
/* A sign of life. ERROR_REFUSED when the term is lost. */
MUST_CHECK bool term_renew(struct term *term, const struct clock *clock, struct error *err);
/* Others need not wait. */
MUST_CHECK bool term_end(const struct term *term, const struct clock *clock, struct error *err);

/* ERROR_REFUSED when a later term began. One small request. */
MUST_CHECK bool term_check(struct store *store, uint64_t number, struct error *err);

/* Wraps a store: before a manifest is put and before anything but a lease is removed, term_check.
 * Takes inner, also on failure. Gives *out. */
MUST_CHECK bool term_fence_open(struct store *inner, uint64_t number, struct store **out,
                                struct error *err);

#endif
