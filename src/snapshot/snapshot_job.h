/* What the parts of a running snapshot share. Private to src/snapshot. */
#ifndef SNAPSHOT_SNAPSHOT_JOB_H
#define SNAPSHOT_SNAPSHOT_JOB_H

#include "postgres/base_backup.h"
#include "repository/lease.h"
#include "repository/pack_writer.h"
#include "snapshot/page_filter.h"
#include "snapshot/snapshot.h"

/* In the maps of a running snapshot: a page that went to the pack writer; its "ordinal" is the
 * sequence number there. Every other pack number is the parent's. */
#define PACK_NEW UINT32_MAX

/* Where the WAL is that makes the snapshot consistent. */
struct snapshot_wal {
    bool archived;     /* in the archive; false: the snapshot stores its own */
    uint32_t timeline; /* if archived: from here on it is needed at most */
    uint64_t from_lsn;
    uint64_t confirmed_lsn; /* how far the stream had stored it */
    char why_own[256];
};

struct snapshot_job {
    const struct repository *repository;
    const struct snapshot_options *options;
    struct manifest manifest; /* growing; maps in the notation above until job_resolve */
    struct page_filter_parent parent;
    bool pages_are_exact; /* checksums now and in the parent: no change without a new LSN */
    bool diverged;        /* a page changed without a new LSN: the parent cannot be trusted */
    char diverged_path[256];
    struct snapshot_wal wal;
    struct lease lease; /* keeps clean-ups from the parent and from our packs */
    struct pack_writer *writer;
    struct base_backup *backup;
    uint64_t warnings_dropped;
    bool out_of_memory; /* while noting a warning of the server */
};

/* Reads all archives of the base backup: fills the manifest's entries, feeds the pack writer,
 * checks the server's manifest. */
MUST_CHECK bool stream_archives(struct snapshot_job *job, struct error *err);

/* After pack_writer_finish: gives the manifest its pack table and rewrites the maps to it. */
MUST_CHECK bool resolve_addresses(struct snapshot_job *job, struct error *err);

/* Renews the locks of the packs that the manifest takes over from its parent. */
MUST_CHECK bool snapshot_lock_renew(struct snapshot_job *job, struct error *err);

/* snapshot_wal.c: first the server is asked, then, under the lease that names the WAL, the store.
 * What speaks against the archive is no failure: the snapshot then stores its own WAL. */
void snapshot_wal_ask_server(struct snapshot_job *job, const struct server_identity *server);
MUST_CHECK bool snapshot_wal_ask_store(struct snapshot_job *job, struct error *err);
/* Until the archive has all of it, for as long as the options say. */
MUST_CHECK bool snapshot_wal_wait(struct snapshot_job *job, struct error *err);

#endif
