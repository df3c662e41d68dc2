/*
 * What the tests of repository, snapshot and restore share: a repository in memory, a source of
 * random numbers that repeats, pages, and places in the temporary directory.
 */
#ifndef TESTS_LIB_CORE_FIXTURE_H
#define TESTS_LIB_CORE_FIXTURE_H

#include "repository/manifest.h"
#include "repository/pack_writer.h"

/* SplitMix64: the same numbers for the same seed, everywhere. */
struct fixture_random {
    uint64_t state;
};
uint64_t fixture_next(struct fixture_random *random);
uint64_t fixture_below(struct fixture_random *random, uint64_t limit);
struct random_source fixture_random_source(struct fixture_random *random);

/* A store in memory with a repository in it; packs of 1 MiB. */
struct repository fixture_repository(enum codec codec);
void fixture_close(struct repository *repository);

enum page_kind { PAGE_NOISE, PAGE_TEXT, PAGE_KINDS };

/* A page that does not compress, or one that does; with this LSN in its header. */
void fixture_page(uint8_t page[PAGE_BYTES], enum page_kind kind, uint64_t lsn,
                  struct fixture_random *random);

/* A valid summary: id "00000000000000NN", started NN seconds after 2026-03-01. */
void fixture_info(struct snapshot_info *out, unsigned number);

/* global/pg_control of PostgreSQL 15 for this system identifier: PAGE_BYTES bytes. */
void fixture_control_file(uint8_t out[PAGE_BYTES], uint64_t system_identifier);

/* A file whose pages are stored in new packs of this writer; map and checksum are filled. */
struct fixture_snapshot {
    const struct repository *repository;
    struct manifest manifest;
    struct pack_writer *writer;
    bool failed; /* the first page that could not be stored is in err */
    struct error err;
};
void fixture_snapshot_begin(struct fixture_snapshot *snapshot, const struct repository *repository,
                            unsigned number);
void fixture_add_directory(struct fixture_snapshot *snapshot, const char *path, uint32_t mode);
void fixture_add_file(struct fixture_snapshot *snapshot, const char *path, const void *bytes,
                      size_t len);
/* PG_VERSION, global/pg_control and the directories around them. */
void fixture_add_cluster(struct fixture_snapshot *snapshot);
/* Puts packs and manifest; releases everything, also when it fails. */
MUST_CHECK bool fixture_snapshot_finish(struct fixture_snapshot *snapshot, struct error *err);
/* The same for tests in which it has to succeed. */
void fixture_snapshot_end(struct fixture_snapshot *snapshot);

/* A new directory below TMPDIR; gives the path. */
char *fixture_directory(void);
/* Removes it with its content and frees the path. */
void fixture_remove(char *path);

#endif
