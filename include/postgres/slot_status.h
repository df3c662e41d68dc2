/*
 * What an ordinary connection tells about a replication slot, and about the checkpoint from which a
 * backup that begins now would start at the earliest. Plain data.
 */
#ifndef POSTGRES_SLOT_STATUS_H
#define POSTGRES_SLOT_STATUS_H

#include "postgres/connection.h"

struct slot_status {
    uint64_t system_identifier;
    uint32_t timeline;      /* of the last checkpoint */
    uint64_t redo_lsn;      /* of it: the start of a backup lies there or later */
    bool exists;            /* a physical slot of this name */
    bool active;            /* somebody streams from it now */
    uint64_t confirmed_lsn; /* what that one said to be durable (restart_lsn); 0: nothing yet */
};

/* Needs no more than the right to connect. */
MUST_CHECK bool connection_read_slot(struct connection *connection, const char *slot,
                                     struct slot_status *out, struct error *err);

#endif
