/* Asks the daemon of the same configuration whether it is alive: what a container's health check
 * runs, where there is no shell and no curl. */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include "daemon/settings.h"

enum { HEALTH_URL_SIZE = 96 };

/* "http://127.0.0.1:9871/healthz": an address that means all of them is asked at loopback.
 * ERROR_USAGE when daemon.listen names no port that could be known. */
MUST_CHECK bool health_url(const struct settings *settings, char out[HEALTH_URL_SIZE],
                           struct error *err);

/* True: /healthz answered 200 within 5 s. ERROR_UNAVAILABLE when it did not. */
MUST_CHECK bool health_ask(const char *url, struct error *err);

#endif
