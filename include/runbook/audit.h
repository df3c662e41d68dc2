/*
 * The chain of a run's events (runbooks/adapters/core/2-audit.sql), recomputed here and not by the
 * server that keeps it: each event's hash covers the hash before it, and the run's row has the
 * number of events and the last hash, so that a missing tail is found too.
 *
 * Somebody who owns the schema can write a whole new chain. What shows that is a head that was kept
 * elsewhere: every report prints it, and audit_verify can be given one.
 */
#ifndef RUNBOOK_AUDIT_H
#define RUNBOOK_AUDIT_H

#include "postgres/connection.h"

#include <stddef.h>

enum { AUDIT_HASH_BYTES = 32, AUDIT_HEX_SIZE = 65, AUDIT_PROBLEM_SIZE = 256 };

struct audit_result {
    bool intact;
    uint64_t events;                  /* that are there */
    char head[AUDIT_HEX_SIZE];        /* of the last one; "" for none */
    char problem[AUDIT_PROBLEM_SIZE]; /* what is wrong, of the first thing that is; "" = nothing */
};

/* known_head: 64 hex digits of any report of this run; NULL: none. ERROR_NOT_FOUND for a run that
 * there is not; a chain that is broken is a result, not an error. */
MUST_CHECK bool audit_verify(struct connection *connection, const char *run_id,
                             const char *known_head, struct audit_result *out, struct error *err);

/* One event as it is hashed; texts of the database. */
struct audit_event {
    const char *run_id;
    int64_t seq;
    const char *at; /* UTC, microseconds: "2026-11-26T05:47:00.000123Z" */
    const char *actor;
    const char *host;
    const char *kind;
    const char *detail;
};
/* SHA-256 over the previous hash (previous_len 0 for the first event) and the event's fields. */
MUST_CHECK bool audit_hash(const uint8_t *previous, size_t previous_len,
                           const struct audit_event *event, uint8_t out[AUDIT_HASH_BYTES],
                           struct error *err);

#endif
