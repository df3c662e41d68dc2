/*
 * The request to stop: set by SIGTERM and SIGINT, looked at by every loop that can take long.
 * One of the two pieces of global state in the tree (the other is the log level).
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include "base/error.h"

/* Installs handlers for SIGTERM, SIGINT and ignores SIGPIPE. Only the main files call it. */
void stop_install_handlers(void);

/* Safe in a signal handler and from any thread. */
void stop_request(void);
bool stop_requested(void);

/* For tests: forget a request. */
void stop_reset(void);

/* False with ERROR_CANCELLED once a stop was requested. */
MUST_CHECK bool stop_check(struct error *err);

#endif
