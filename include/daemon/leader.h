/*
 * The child that makes this daemon the one that works: one for each repository.
 *
 * What decides is the term in the store (repository/term.h). The advisory lock of the server makes
 * it quick: where both daemons see the same server, the lock of a dead one is free at once, and
 * nobody waits for the silence. A server that is down, or another one, costs that time and nothing
 * else; while one works, a lost lock is asked for again.
 *
 * Prints {"leader":true,"term":N} on one line when its term begins, and ends when the term is lost.
 * While the store cannot be reached it stays: nobody can begin a term then, and when the store is
 * back it looks first. Asked to stop, it ends its term, so that the next one begins at once; not
 * when its daemon is gone, for the other children may still be at work.
 */
#ifndef DAEMON_LEADER_H
#define DAEMON_LEADER_H

#include "daemon/settings.h"

/* What that child printed so far. False before the whole line is there. */
bool leader_parse(const char *text, uint64_t *out_term);

/* Returns false always: with ERROR_CANCELLED when it was asked to stop. */
MUST_CHECK bool leader_hold(const struct settings *settings, struct error *err);

#endif
