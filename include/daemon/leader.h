/*
 * The child that holds the lock of the daemon that works: one for each repository. It waits until
 * the lock is free, prints {"leader":true} on one line, asks the server every few seconds whether
 * the lock is still there, and ends when it is not. A dead holder is noticed at once when its
 * process is gone, within 20 s when its machine is.
 */
#ifndef DAEMON_LEADER_H
#define DAEMON_LEADER_H

#include "daemon/settings.h"

#define LEADER_LINE "{\"leader\":true}"

/* Returns false always: with ERROR_CANCELLED when it was asked to stop. */
MUST_CHECK bool leader_hold(const struct settings *settings, struct error *err);

#endif
