/*
 * Proves on the live database that an installed adapter keeps the contract of
 * runbooks/adapters/README.md: the shape of its views and functions, who may do what, that ids and
 * times are bare columns with an index, and, on up to three tickets in a transaction that is rolled
 * back, that tags are added, found and removed as the run engine relies on.
 *
 * The login needs to be a runner (or a superuser) for the last part; for the rest any role will do.
 */
#ifndef TICKET_ADAPTER_CHECK_H
#define TICKET_ADAPTER_CHECK_H

#include "base/check.h"
#include "postgres/connection.h"

/* `other` is a second session, for rows that somebody else has locked. */
void adapter_check(struct connection *connection, struct connection *other,
                   struct check_list *list);

#endif
