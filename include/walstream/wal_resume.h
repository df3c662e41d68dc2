/*
 * Where a WAL stream goes on. The store knows best: what it holds last is where the next chunk
 * begins. Only an empty one asks the slot, and without a slot the server's position.
 */
#ifndef WALSTREAM_WAL_RESUME_H
#define WALSTREAM_WAL_RESUME_H

#include "postgres/timeline_history.h"
#include "repository/wal_archive.h"

enum wal_resume_from { WAL_FROM_STORE, WAL_FROM_SLOT, WAL_FROM_POSITION };

struct wal_resume_facts {
    const struct wal_catalog *catalog;    /* of all timelines */
    const struct timeline_entry *history; /* of the server's timeline, oldest first */
    size_t history_count;
    uint32_t timeline; /* the server's */
    uint64_t position; /* the server's */
    uint64_t slot_lsn; /* restart_lsn; 0: unknown */
    uint32_t segment_bytes;
    bool ignore_store; /* begin anew behind a gap */
};

struct wal_resume {
    enum wal_resume_from from;
    uint32_t timeline;
    uint64_t lsn;
    /* The chunk that ends at lsn, to compare its last page with what the server has there; NULL
     * when there is none. Borrowed from the catalog. */
    const struct wal_chunk *last;
};

/* A timeline whose end the store has gone past goes on with the next one, from the start of the
 * segment in which it begins: that segment repeats what came before. ERROR_REFUSED: the store holds
 * WAL, but nothing from which the server descends. */
MUST_CHECK bool wal_resume_plan(const struct wal_resume_facts *facts, struct wal_resume *out,
                                struct error *err);

#endif
