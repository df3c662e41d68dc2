/* A named restore point in a server's WAL. */
#ifndef POSTGRES_SERVER_RESTORE_POINT_H
#define POSTGRES_SERVER_RESTORE_POINT_H

#include "postgres/connection.h"

struct server_restore_point {
    uint64_t system_identifier;
    uint32_t timeline;
    uint64_t lsn; /* the end of its record */
    int64_t time_us;
};

/* pg_create_restore_point in a transaction of its own, which is committed: afterwards the record is
 * on the server's disk and a stream sends it. name: letters, digits and "-_." only. ERROR_DENIED
 * without EXECUTE on the function, ERROR_REFUSED on a standby. Needs an ordinary connection. */
MUST_CHECK bool connection_create_restore_point(struct connection *connection, const char *name,
                                                struct server_restore_point *out,
                                                struct error *err);

#endif
