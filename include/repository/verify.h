/*
 * Reads every object that the snapshots need and checks it: object names against SHA-256, frames,
 * page hashes, page map bounds; and all WAL: digests, and the address, timeline, system and magic
 * number of every page. Nothing is changed. Clean-ups may go on meanwhile.
 */
#ifndef REPOSITORY_VERIFY_H
#define REPOSITORY_VERIFY_H

#include "base/progress.h"
#include "repository/catalog.h"
#include "repository/repository.h"

struct verify_problem {
    char *object;     /* key of the damaged or missing object */
    char *text;       /* what is wrong with it */
    char *lost;       /* what cannot be recovered without it; NULL: the snapshots say it */
    char **snapshots; /* ids that need it */
    size_t snapshot_count;
    uint64_t pages_hit; /* pages that the newest of them has in that object; 0 = all of it */
    char **files;       /* of the newest of them: the first few that are hit */
    size_t file_count;
    uint64_t files_hit; /* how many in all */
};

struct verify_report {
    bool opened; /* false: the key may only write. Objects are then, byte for byte, what was stored;
                    no page and no WAL was looked at */
    uint64_t snapshots_checked;
    uint64_t packs_checked;
    uint64_t pages_checked;
    uint64_t bytes_read;
    uint64_t wal_checked;            /* chunks */
    struct snapshot_wal_range *gaps; /* WAL that is not there, between WAL that is: no problem of
                                        the repository, but no recovery goes through them */
    size_t gap_count;
    uint64_t unreferenced_packs; /* of unfinished or removed snapshots; harmless */
    struct verify_problem *problems;
    size_t problem_count;
};

struct verify_options {
    const char *snapshot; /* NULL: all of them; else as for catalog_find, with the WAL that
                             it needs to be consistent */
    uint32_t part;        /* 1 to parts: only this part of packs and WAL is read; all manifests */
    uint32_t parts;       /* 0 or 1: everything */
    int threads;          /* 0: one for each processor, at most 4: each holds a pack */
    struct progress *progress; /* NULL allowed */
};

/* True when the check ran to its end: problems are in the report, not in err. Gives *out. */
MUST_CHECK bool verify_run(const struct repository *repository,
                           const struct verify_options *options, struct verify_report *out,
                           struct error *err);
void verify_report_release(struct verify_report *report);

#endif
