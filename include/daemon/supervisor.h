/*
 * The daemon's one loop: starts jobs when they are due, reaps them, serves metrics and probes,
 * tells of what changed. It never waits for anything but its own descriptors; what could block
 * (server, store, alerts) happens in children and in the courier's thread.
 *
 *     SIGTERM, SIGINT  no new jobs; running ones are sent SIGTERM and have daemon.drain-timeout to
 *                      end, then SIGKILL; exit code 0 when all ended by themselves, 1 otherwise
 *     SIGHUP           the configuration is read and checked as a whole, then taken; a wrong one
 *                      changes nothing
 *     SIGCHLD          children are reaped, those that are not ours too (PID 1 of a container)
 *
 * Jobs that write run only while the leader child holds the lock. When it loses the lock they are
 * ended before it is asked for again.
 */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

#include "daemon/settings.h"

struct supervisor_options {
    struct config_sources sources; /* for SIGHUP */
    const char *own_program;       /* path of mainstayd, for roles of its own */
    const char *program;           /* path of mainstay */
    char *(*getenv)(const char *name);
};

/* Takes what is in settings (released here). True after a clean end. */
MUST_CHECK bool supervisor_run(const struct supervisor_options *options, struct settings *settings,
                               struct error *err);

#endif
