/*
 * Puts an adapter into the helpdesk's database: schema `mainstay` with what is the same everywhere
 * (runbooks/adapters/core), then the adapter's views and functions. One transaction: all of it is
 * there afterwards, or nothing has changed.
 *
 * A second installation of the same adapter makes its views and functions anew and keeps runs,
 * ledger and notices. Nothing of the helpdesk's own is changed; only the adapter that brings its
 * own tables (schema.sql) creates those, and never touches them again.
 */
#ifndef TICKET_ADAPTER_INSTALL_H
#define TICKET_ADAPTER_INSTALL_H

#include "postgres/connection.h"
#include "ticket/adapter.h"
#include "ticket/adapter_sql.h"

/* Of runbooks/adapters/core; mainstay.settings says which one a database has. */
#define ADAPTER_CORE_VERSION "1"

enum { ADAPTER_NAME_SIZE = 64, ADAPTER_SCRIPT_MAX_BYTES = 4 * 1024 * 1024 };

struct adapter_options {
    const struct adapter *adapter;
    const struct adapter_value *values; /* --set; what is not among them keeps the value that it
                                           was installed with, else has the manifest's default */
    size_t value_count;
    bool upgrade;        /* another version of this adapter may be replaced */
    struct buf *missing; /* gets a line for each table that lacks columns; NULL allowed */
};

/* What a database has. */
struct adapter_state {
    bool present;
    char name[ADAPTER_NAME_SIZE];
    char version[ADAPTER_NAME_SIZE];
    char core[ADAPTER_NAME_SIZE];
};
MUST_CHECK bool adapter_state_read(struct connection *connection, struct adapter_state *out,
                                   struct error *err);

/* ERROR_USAGE for a setting that the manifest does not have, that has to be given, or that is of
 * another type; ERROR_REFUSED when another adapter, version or core is there, and when the helpdesk
 * is none that the adapter knows: the text names what is missing. *out_before is what was there. */
MUST_CHECK bool adapter_install(struct connection *connection,
                                const struct adapter_options *options,
                                struct adapter_state *out_before, struct error *err);

/* The same as text, for a database without any of it: for an administrator's psql. */
MUST_CHECK bool adapter_put_script(const struct adapter_options *options, struct buf *out,
                                   struct error *err);

#endif
