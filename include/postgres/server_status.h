/* How far a server's WAL is, and what replication slots of ours keep there. Plain data. */
#ifndef POSTGRES_SERVER_STATUS_H
#define POSTGRES_SERVER_STATUS_H

#include "postgres/connection.h"

struct server_status {
    bool in_recovery;
    uint64_t position; /* current insert position, or the last replayed one on a standby */
    /* our replication slot (view pg_replication_slots): */
    bool has_slot;
    bool slot_active;             /* somebody reads it */
    uint64_t slot_retained_bytes; /* WAL that it keeps on the server */
    bool slot_limited;            /* max_slot_wal_keep_size is set: */
    uint64_t slot_safe_bytes;     /* WAL that may still be written before the slot is in danger */
    bool slot_unreserved;         /* the next checkpoint may remove what it needs */
    bool slot_lost;               /* it was removed */
};

/* Over an ordinary connection, about the physical slot of this name. */
MUST_CHECK bool connection_read_status(struct connection *connection, const char *slot,
                                       struct server_status *out, struct error *err);

#endif
