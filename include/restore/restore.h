/*
 * Writes a snapshot back into a data directory (or a tar stream). Plan first, then run: the plan
 * says how many bytes go where and refuses what would be unsafe, before a byte is written.
 */
#ifndef RESTORE_RESTORE_H
#define RESTORE_RESTORE_H

#include "base/progress.h"
#include "repository/catalog.h"
#include "repository/repository.h"
#include "restore/recovery_target.h"

struct restore_tablespace_map {
    const char *from; /* the path on the source server, or its OID in decimal */
    const char *to;   /* absolute path on this machine */
};

/* What PostgreSQL is to do when it is started on the result. */
struct restore_recovery {
    struct recovery_target target;    /* TARGET_NONE: no recovery beyond the snapshot's own WAL */
    const char *restore_command;      /* with %f and %p: see restore/recovery_settings.h */
    const char *recovery_end_command; /* NULL = none */
};

struct restore_options {
    const char *snapshot; /* as for catalog_find; NULL: "latest", or the best for the recovery */
    const char *to;       /* data directory; created when absent */
    bool delta;           /* into an existing, stopped data directory: write only what differs */
    const struct restore_tablespace_map *tablespaces;
    size_t tablespace_count;
    const struct restore_recovery *recovery; /* NULL: none */
    bool no_sync;                            /* tests only: skip fsync */
    bool ignore_space;                       /* do not check for free disk space */
    int threads;                             /* 0: one for each processor, at most 8 */
    struct progress *progress;               /* NULL allowed */
};

struct restore_result {
    struct snapshot_info info; /* of the snapshot */
    uint64_t files;
    uint64_t bytes_total;   /* size of the data directory */
    uint64_t bytes_fetched; /* from the store */
    uint64_t bytes_written;
    uint64_t bytes_kept;    /* --delta: already right */
    uint64_t files_removed; /* --delta: not in the snapshot */
    uint64_t files_differ;  /* restored, but not as the server had them: the caller ends with the
                               exit code for ERROR_CORRUPT; log_event named them */
    int64_t duration_us;
    int64_t planned_us;         /* since the start: the plan was made, */
    int64_t fetched_us;         /* and all packs were read and their pages written */
    uint32_t recovery_timeline; /* that PostgreSQL will follow; 0 without a recovery */
};

/* ERROR_REFUSED: directory not empty (without delta), a postmaster runs in it, not a data directory
 * of this cluster (delta), not owned by this user, tablespace target in use; ERROR_NO_SPACE before
 * anything is written. An interrupted restore has no global/pg_control, so PostgreSQL refuses to
 * start on it; run it again with delta. With a recovery also ERROR_REFUSED for a target that cannot
 * be reached (see restore/window.h), before anything is written. */
MUST_CHECK bool restore_run(const struct repository *repository,
                            const struct restore_options *options, struct restore_result *out,
                            struct error *err);
void restore_result_release(struct restore_result *result);

/* The same content as one tar stream (GNU tar format) on a file descriptor. ERROR_REFUSED for a
 * snapshot with tablespaces, ERROR_USAGE with a recovery. */
MUST_CHECK bool restore_tar(const struct repository *repository,
                            const struct restore_options *options, int fd,
                            struct restore_result *out, struct error *err);

#endif
