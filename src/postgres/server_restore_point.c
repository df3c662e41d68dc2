#include "postgres/server_restore_point.h"

#include "connection_internal.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { STATEMENT_SIZE = 640, FIELDS = 5 };

/* The transaction has an id, so that its commit is written and, with it, the record flushed: the
 * function alone leaves it in the server's memory. */
static const char statement_begin[] =
    "SELECT lsn, pg_catalog.pg_walfile_name(lsn), "
    "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
    "pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), pg_catalog.txid_current() "
    "FROM pg_catalog.pg_create_restore_point('";

static bool parse_timeline(const char *segment, uint32_t *out)
{
    uint8_t bytes[4];
    char digits[9];
    (void)snprintf(digits, sizeof digits, "%.8s", segment);
    if (!text_from_hex(digits, bytes, sizeof bytes))
        return false;
    *out = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return *out != 0;
}

bool connection_create_restore_point(struct connection *connection, const char *name,
                                     struct server_restore_point *out, struct error *err)
{
    CLEANUP(connection_result_cleanup) PGresult *result = NULL;
    char statement[STATEMENT_SIZE];
    const char *fields[FIELDS] = {NULL};
    struct server_restore_point point;
    if (strchr(name, '\'') != NULL || strchr(name, '\\') != NULL)
        return error_set(err, ERROR_USAGE, "\"%s\" cannot be the name of a restore point", name);
    (void)snprintf(statement, sizeof statement, "%s%s') AS lsn", statement_begin, name);
    if (!connection_execute(connection, statement, PGRES_TUPLES_OK, "create the restore point",
                            &result, err))
        return false;
    for (int i = 0; i < FIELDS; i++)
        if (!connection_field(result, 0, i, "the restore point", &fields[i], err))
            return false;
    if (!text_to_lsn(fields[0], &point.lsn) || !parse_timeline(fields[1], &point.timeline) ||
        !text_to_u64(fields[2], &point.system_identifier) ||
        !text_to_time_us(fields[3], &point.time_us))
        return error_set(err, ERROR_INVALID,
                         "cannot use the server's answer about its restore point");
    *out = point;
    return true;
}
