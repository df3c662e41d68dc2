/* Whether a helpdesk's schema has the tables and columns that an adapter's manifest names. */
#ifndef TICKET_ADAPTER_PROBE_H
#define TICKET_ADAPTER_PROBE_H

#include "base/buf.h"
#include "postgres/connection.h"
#include "ticket/adapter.h"

/* Appends a line for each table that lacks something, all its missing columns named: "tickets
 * (title, state_id)", "tags (the table itself)". Nothing appended: it fits. */
MUST_CHECK bool adapter_probe(struct connection *connection, const struct adapter *adapter,
                              struct buf *out, struct error *err);

#endif
