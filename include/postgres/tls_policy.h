/*
 * Whether a connection string lets anybody between us and the server pose as it. libpq's default
 * (sslmode=prefer) encrypts where the server offers it and verifies nothing; only verify-full
 * checks that the certificate is the host's (PostgreSQL's manual, "SSL Support", table 34.1).
 */
#ifndef POSTGRES_TLS_POLICY_H
#define POSTGRES_TLS_POLICY_H

#include "base/check.h"

#include <stdbool.h>

enum { TLS_HOST_SIZE = 256 };

/* False when a host of it is neither a socket nor this machine, and sslmode is not verify-full;
 * out_host is the first such host. PGHOST, PGHOSTADDR and PGSSLMODE count as for libpq; what a
 * service file says is not looked at. A string that cannot be read is for others to complain of. */
bool tls_is_verified(const char *conninfo, char out_host[TLS_HOST_SIZE]);

/* Appends it as a finding: ok or a warning with the fix. */
void tls_check(const char *conninfo, const char *name, struct check_list *out);

#endif
