/* How far a server's WAL is, and what replication slots of ours keep there. Plain data. */
#ifndef POSTGRES_SERVER_STATUS_H
#define POSTGRES_SERVER_STATUS_H

#include "postgres/connection.h"

struct server_status {
    bool in_recovery;
    uint64_t position; /* current insert position, or the last replayed one on a standby */
    uint64_t slot_count;
    bool slots_active;            /* somebody reads each of them */
    uint64_t slot_retained_bytes; /* WAL that the one farthest behind keeps on the server */
};

/* Over an ordinary connection. Slots are those whose name begins with "mainstay". */
MUST_CHECK bool connection_read_status(struct connection *connection, struct server_status *out,
                                       struct error *err);

#endif
