/*
 * Segments of WAL that were fetched before PostgreSQL asked for them: files in a directory beside
 * the one it wants them in, each with the SHA-256 of its content in its name. Only whole segments:
 * one in which the WAL ends may have grown when it is asked for.
 *
 * One process fills a spool at a time (a lock says so); the server's requests take from it. What
 * does not have the hash of its name is thrown away.
 */
#ifndef RESTORE_WAL_SPOOL_H
#define RESTORE_WAL_SPOOL_H

#include "restore/wal_segment.h"

#define WAL_SPOOL_NAME "mainstay.spool"

/* Moves the segment to target when the spool has it. A damaged one is removed and not taken. */
MUST_CHECK bool wal_spool_take(const char *directory, const struct wal_segment *segment,
                               const char *target, bool *out_taken, struct error *err);

/* Fetches the `count` segments from `first` on that are not there yet; ends quietly where the WAL
 * does, and when another process is at it. Removes what lies before `first` or is of another
 * timeline: PostgreSQL does not go back. */
MUST_CHECK bool wal_spool_fill(const char *directory, const struct repository *repository,
                               const struct wal_source *source, const struct wal_segment *first,
                               size_t count, struct error *err);

#endif
