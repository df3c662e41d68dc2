/* What systemd wants to know (sd_notify(3)): one datagram to the socket in $NOTIFY_SOCKET. */
#ifndef DAEMON_SERVICE_NOTIFY_H
#define DAEMON_SERVICE_NOTIFY_H

#include "base/error.h"

#include <stdint.h>

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...", "WATCHDOG=1". address: a path, or "@"
 * and a name in the abstract namespace; NULL does nothing. A service manager that is gone is no
 * failure of ours; only a wrong address is (ERROR_USAGE). */
MUST_CHECK bool service_notify(const char *address, const char *state, struct error *err);

/* Half of $WATCHDOG_USEC when it is meant for this process; 0 = no watchdog. */
int64_t service_watchdog_us(const char *usec, const char *pid, int64_t own_pid);

#endif
