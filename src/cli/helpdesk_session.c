#include "cli/helpdesk_session.h"

#include "config/config_fill.h"
#include "postgres/query.h"

#include <stdio.h>

enum { APPLICATION_NAME_SIZE = 64 }; /* NAMEDATALEN: the server cuts longer ones */

static const char settings[] = "SET search_path = pg_catalog, pg_temp;"
                               "SET default_transaction_isolation = 'read committed';"
                               "SET default_transaction_read_only = off;"
                               "SET TimeZone = 'UTC';"
                               "SET DateStyle = 'ISO, YMD';"
                               "SET IntervalStyle = 'postgres';"
                               "SET standard_conforming_strings = on;"
                               "SET idle_in_transaction_session_timeout = '60s'";

bool helpdesk_session_open_database(const struct config *config, const char *purpose,
                                    const char *database, struct connection **out,
                                    struct error *err)
{
    char name[APPLICATION_NAME_SIZE];
    struct connection_options options;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    (void)snprintf(name, sizeof name, "mainstay %s", purpose);
    if (!config_fill_helpdesk(config, &password, &options, err))
        return false;
    options.application_name = name;
    options.database = database;
    if (!connection_open(&options, &connection, err) ||
        !query_script(connection, settings, "prepare the session", err))
        return error_wrap(err, "helpdesk");
    *out = TAKE(connection);
    return true;
}

bool helpdesk_session_open(const struct config *config, const char *purpose,
                           struct connection **out, struct error *err)
{
    return helpdesk_session_open_database(config, purpose, NULL, out, err);
}
