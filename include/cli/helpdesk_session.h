/*
 * A connection to the helpdesk's database for one command. The login is the person: nothing here
 * takes on another role, and what it may do is what `adapter install` printed the GRANTs for.
 *
 * Whatever the login, role and database have as defaults, the session has: search_path without any
 * schema that others may create things in (all names of ours are qualified), READ COMMITTED, UTC,
 * ISO dates, standard strings, and an end for transactions that stand still for a minute.
 */
#ifndef CLI_HELPDESK_SESSION_H
#define CLI_HELPDESK_SESSION_H

#include "config/config.h"
#include "postgres/connection.h"

/* Connects as helpdesk.connection says; `purpose` ("run 2026-11-22-a1b2") is seen behind "mainstay
 * " in pg_stat_activity unless conninfo has an application_name. Gives *out (connection_close). */
MUST_CHECK bool helpdesk_session_open(const struct config *config, const char *purpose,
                                      struct connection **out, struct error *err);

/* The same for another database of that server. */
MUST_CHECK bool helpdesk_session_open_database(const struct config *config, const char *purpose,
                                               const char *database, struct connection **out,
                                               struct error *err);

#endif
