/* What the parts of a verification share. Private to src/repository. */
#ifndef REPOSITORY_VERIFY_INTERNAL_H
#define REPOSITORY_VERIFY_INTERNAL_H

#include "repository/pack.h"
#include "repository/verify.h"
#include "repository/wal_archive.h"

#include <pthread.h>

/* One snapshot's need for one pack. */
struct verify_need {
    struct pack_ref ref;
    uint32_t snapshot; /* index in the catalog */
    uint64_t pages;    /* of it that the snapshot uses */
};

struct verify_job {
    const struct repository *repository;
    const struct verify_options *options;
    struct catalog catalog;
    const struct catalog_entry *only; /* the one that the options name; NULL: all */
    struct verify_need *needs;        /* sorted by pack, then by snapshot */
    size_t need_count;
    size_t need_capacity;
    uint64_t *listed; /* for the first need of each pack: size in the store + 1; 0 = not there */
    struct wal_catalog wal;
    struct verify_report *report;
    pthread_mutex_t lock; /* next, report */
    size_t next;
};

/* Gives the new problem (borrowed), or NULL. */
struct verify_problem *verify_add_problem(struct verify_report *report, const char *object,
                                          const char *text, struct error *err);
MUST_CHECK bool verify_append_text(char ***list, size_t *count, const char *text,
                                   struct error *err);
/* Says something about this one object, not about the store or this machine. */
bool verify_is_about_the_object(enum error_kind kind);
/* Whether a number that divides objects evenly belongs to the part that is asked for. */
bool verify_is_in_part(const struct verify_options *options, uint64_t number);
/* Whether the options mean this snapshot. */
bool verify_is_wanted(const struct verify_job *job, size_t snapshot);

/* verify_wal.c: which chunks are to be read (job->wal), how many bytes that is; reads them and the
 * histories; afterwards says what is missing. */
MUST_CHECK bool verify_wal_collect(struct verify_job *job, struct error *err);
uint64_t verify_wal_bytes(const struct verify_job *job);
MUST_CHECK bool verify_wal_read(struct verify_job *job, struct error *err);
MUST_CHECK bool verify_wal_find_missing(struct verify_job *job, struct error *err);

#endif
