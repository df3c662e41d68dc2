/*
 * Leases: what is going on in the repository right now, so that clean-ups and snapshots do not take
 * each other's objects away (FORMAT.md, "Leases and cleaning up").
 *
 *   leases/<lease id>.json     written when the work begins, removed when it ends
 *
 * A snapshot's lease names the snapshot to build on and is written before that one's manifest is
 * read; so does a reader's (a restore), with the snapshot that it reads. A clean-up's lease keeps
 * other clean-ups out. The lease of a process that died stays behind until it is too old to be
 * believed.
 */
#ifndef REPOSITORY_LEASE_H
#define REPOSITORY_LEASE_H

#include "repository/repository.h"
#include "repository/snapshot_info.h"

enum { LEASE_KEY_SIZE = sizeof "leases/0123456789abcdef.json" };

enum lease_kind { LEASE_SNAPSHOT, LEASE_CLEANUP, LEASE_READ };

/* One that this process holds; zeroed: none. Borrows the store. */
struct lease {
    struct store *store;
    char key[LEASE_KEY_SIZE];
};

struct lease_options {
    enum lease_kind kind;
    const char *snapshot_id; /* LEASE_SNAPSHOT: the one being taken; else NULL */
    const char *parent_id;   /* what a snapshot builds on, what a reader reads; NULL: nothing */
    uint32_t wal_timeline; /* LEASE_SNAPSHOT without its own WAL: it needs that of this timeline */
    uint64_t wal_from_lsn; /* from here on; timeline 0: none */
    const struct clock *clock;
    const struct random_source *random;
};

/* Writes a lease; one that is held already is removed afterwards, so that there is no moment
 * without one. */
MUST_CHECK bool lease_take(const struct repository *repository, const struct lease_options *options,
                           struct lease *lease, struct error *err);
/* ERROR_REFUSED when it is gone: somebody took this process for dead. Nothing may be made visible
 * that relies on it. */
MUST_CHECK bool lease_check(const struct lease *lease, struct error *err);
/* Removes it; what cannot be removed grows old. For CLEANUP(lease_release) too. */
void lease_release(struct lease *lease);

struct lease_entry {
    char key[LEASE_KEY_SIZE];
    int64_t modified_us; /* by the store's clock; 0 where it does not say */
    bool readable;       /* false: it may hold anything, the rest is empty */
    enum lease_kind kind;
    char snapshot_id[SNAPSHOT_ID_SIZE];
    char parent_id[SNAPSHOT_ID_SIZE]; /* "" = nothing */
    uint32_t wal_timeline;            /* 0 = none */
    uint64_t wal_from_lsn;
};

struct lease_list {
    struct lease_entry *entries;
    size_t count;
};

/* Those that were removed while they were read are left out. Gives *out. */
MUST_CHECK bool lease_list_load(const struct repository *repository, struct lease_list *out,
                                struct error *err);
void lease_list_release(struct lease_list *list);

#endif
