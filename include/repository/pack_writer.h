/*
 * Turns a stream of pages into packs in the store: pages go in on one thread, frames are compressed
 * on several, packs are put several at a time. Memory is bounded by
 * (uploads + 1) × pack size + a few MiB, whatever the amount of data.
 *
 * Pages are numbered 0, 1, 2, ... in the order of pack_writer_add (the sequence). Packs hold them
 * in that order, so after pack_writer_finish a sequence number becomes an address.
 */
#ifndef REPOSITORY_PACK_WRITER_H
#define REPOSITORY_PACK_WRITER_H

#include "base/progress.h"
#include "repository/pack.h"

struct pack_writer;

struct pack_writer_options {
    uint8_t writer_id[PACK_WRITER_BYTES]; /* random: keeps names unique for ever (FORMAT.md) */
    int threads;                          /* compressing; at least 1 */
    int uploads;                          /* puts in flight; at least 1 */
    struct progress *progress;            /* NULL allowed */
};

struct written_pack {
    struct pack_ref ref;
    uint32_t first_sequence;
};

/* Borrows the repository. Gives *out. */
MUST_CHECK bool pack_writer_new(const struct repository *repository,
                                const struct pack_writer_options *options, struct pack_writer **out,
                                struct error *err);

/* Copies the page (PAGE_BYTES). The first error of any thread is reported here or by finish. */
MUST_CHECK bool pack_writer_add(struct pack_writer *writer, const void *page,
                                uint32_t *out_sequence, struct error *err);

/* Waits until every pack is durable in the store. */
MUST_CHECK bool pack_writer_finish(struct pack_writer *writer, struct error *err);

/* After finish: the packs in order of first_sequence; borrowed until free. */
const struct written_pack *pack_writer_packs(const struct pack_writer *writer, size_t *out_count);

/* Stops all threads (abandoning what was not finished) and frees. NULL is allowed. */
void pack_writer_free(struct pack_writer *writer);
void pack_writer_cleanup(struct pack_writer **writer);

#endif
