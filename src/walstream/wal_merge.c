#include "walstream/wal_merge.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "repository/sealing.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNKS_MAX = 4096 /* in one merge */ };

static const int64_t hour_us = INT64_C(3600000000);

void wal_merge_default_options(struct wal_merge_options *out)
{
    *out = (struct wal_merge_options){.min_age_us = hour_us,
                                      .max_bytes = WAL_CHUNK_MAX_BYTES,
                                      .max_object_bytes = UINT64_MAX,
                                      .min_chunks = 8};
}

/* --- which ones ---------------------------------------------------------------------------------
 */

static uint64_t wal_bytes_of(const struct wal_chunk *chunk)
{
    return chunk->end_lsn - chunk->start_lsn;
}

static bool is_old(const struct wal_chunk *chunk, int64_t older_than_us)
{
    return chunk->modified_us != 0 && chunk->modified_us < older_than_us;
}

/* As many chunks from `first` on as go together. */
static struct wal_merge_group gather(const struct wal_catalog *catalog,
                                     const struct wal_merge_options *options, int64_t older_than_us,
                                     size_t first)
{
    const struct wal_chunk *chunk = &catalog->chunks[first];
    struct wal_merge_group group = {
        .first = first, .start_lsn = chunk->start_lsn, .end_lsn = chunk->start_lsn};
    uint32_t timeline = chunk->timeline;
    uint64_t object_bytes = 0;
    for (size_t i = first; i < catalog->count; i++) {
        chunk = &catalog->chunks[i];
        uint64_t end = chunk->end_lsn > group.end_lsn ? chunk->end_lsn : group.end_lsn;
        if (chunk->timeline != timeline || chunk->start_lsn > group.end_lsn ||
            !is_old(chunk, older_than_us) || end - group.start_lsn > options->max_bytes ||
            group.count == CHUNKS_MAX)
            break;
        object_bytes += end > group.end_lsn ? chunk->size_bytes : 0; /* others add nothing */
        if (object_bytes > options->max_object_bytes)
            break;
        group.end_lsn = end;
        group.count++;
    }
    return group;
}

/* One that holds all of the group's WAL is the result of a merge whose clean-up was interrupted. */
static bool is_left_over(const struct wal_catalog *catalog, const struct wal_merge_group *group)
{
    return group->count > 1 &&
           wal_bytes_of(&catalog->chunks[group->first]) == group->end_lsn - group->start_lsn;
}

static bool is_worth_it(const struct wal_catalog *catalog, const struct wal_merge_options *options,
                        const struct wal_merge_group *group)
{
    uint64_t first_bytes = group->count == 0 ? 0 : wal_bytes_of(&catalog->chunks[group->first]);
    if (is_left_over(catalog, group))
        return true;
    return group->count >= options->min_chunks &&
           first_bytes <= group->end_lsn - group->start_lsn - first_bytes;
}

bool wal_merge_next(const struct wal_catalog *catalog, const struct wal_merge_options *options,
                    int64_t older_than_us, size_t from, struct wal_merge_group *out)
{
    for (size_t i = from; i < catalog->count; i++) {
        struct wal_merge_group group = gather(catalog, options, older_than_us, i);
        if (!is_worth_it(catalog, options, &group))
            continue;
        *out = group;
        return true;
    }
    return false;
}

/* --- merging ------------------------------------------------------------------------------------
 */

static struct wal_merge_options within(const struct repository *repository,
                                       const struct wal_merge_options *wanted)
{
    struct wal_merge_options options = *wanted;
    if (repository_is_sealed(repository) && options.max_object_bytes > WAL_JOIN_MAX_BYTES)
        options.max_object_bytes = WAL_JOIN_MAX_BYTES;
    return options;
}

/* All of the group's WAL, chunk by chunk; overlaps are read once. */
static bool read_group(const struct repository *repository, const struct wal_catalog *catalog,
                       const struct wal_merge_group *group, const struct wal_source *source,
                       uint8_t *out, struct error *err)
{
    uint64_t lsn = group->start_lsn;
    for (size_t i = 0; i < group->count; i++) {
        const struct wal_chunk *chunk = &catalog->chunks[group->first + i];
        if (chunk->end_lsn <= lsn)
            continue;
        if (!wal_chunk_read(repository, chunk, source, lsn, (size_t)(chunk->end_lsn - lsn),
                            out + (lsn - group->start_lsn), err))
            return false;
        lsn = chunk->end_lsn;
    }
    return lsn == group->end_lsn || error_set(err, ERROR_CORRUPT, "the WAL to merge has a gap");
}

/* What is in the store now, not what we sent. */
static bool check_stored(const struct repository *repository, const struct wal_source *source,
                         const struct wal_chunk *merged, const uint8_t *wal, struct error *err)
{
    size_t len = (size_t)wal_bytes_of(merged);
    CLEANUP(free_pointer) uint8_t *stored = malloc(len);
    if (stored == NULL)
        return error_no_memory(err, "a WAL chunk");
    return wal_chunk_read(repository, merged, source, merged->start_lsn, len, stored, err) &&
           (memcmp(stored, wal, len) == 0 ||
            error_set(err, ERROR_CORRUPT, "the merged WAL is not what was merged"));
}

static bool remove_group(const struct repository *repository, const struct wal_catalog *catalog,
                         const struct wal_merge_group *group, struct wal_merge_result *result,
                         struct error *err)
{
    char key[WAL_KEY_SIZE];
    for (size_t i = 0; i < group->count; i++) {
        const struct wal_chunk *chunk = &catalog->chunks[group->first + i];
        if (chunk->start_lsn == group->start_lsn && chunk->end_lsn == group->end_lsn)
            continue; /* the merged one itself */
        if (!store_remove(repository->store, wal_chunk_key(chunk, key), err))
            return error_wrap(err, "could not remove \"%s\", which was merged", key);
        result->chunks_removed++;
    }
    return true;
}

static bool make_merged(const struct repository *repository, const struct wal_catalog *catalog,
                        const struct wal_merge_group *group, struct wal_chunk *merged,
                        struct error *err)
{
    struct wal_source source;
    size_t len = (size_t)wal_bytes_of(merged);
    CLEANUP(free_pointer) uint8_t *wal = malloc(len + 1);
    if (wal == NULL)
        return error_no_memory(err, "a WAL chunk");
    return wal_chunk_source(repository, &catalog->chunks[group->first], &source, err) &&
           read_group(repository, catalog, group, &source, wal, err) &&
           wal_chunk_put(repository, &source, group->start_lsn, wal, len, &merged->size_bytes,
                         err) &&
           check_stored(repository, &source, merged, wal, err);
}

static bool merge_group(const struct repository *repository, const struct wal_catalog *catalog,
                        const struct wal_merge_group *group, struct wal_merge_result *result,
                        struct error *err)
{
    struct wal_chunk merged = {.timeline = catalog->chunks[group->first].timeline,
                               .start_lsn = group->start_lsn,
                               .end_lsn = group->end_lsn};
    /* Of a sealed repository no WAL is opened for it. */
    bool made = repository_is_sealed(repository)
                    ? wal_chunk_join(repository, &catalog->chunks[group->first], group->count,
                                     &merged, err)
                    : make_merged(repository, catalog, group, &merged, err);
    if (!made || !remove_group(repository, catalog, group, result, err))
        return false;
    result->merges++;
    result->wal_bytes += wal_bytes_of(&merged);
    return true;
}

bool wal_merge_run(const struct repository *repository, const struct wal_merge_options *wanted,
                   struct wal_merge_result *out, struct error *err)
{
    int64_t now_us;
    struct wal_merge_options options = within(repository, wanted);
    struct wal_merge_group group;
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    *out = (struct wal_merge_result){0};
    if (!store_time(repository->store, &now_us, err) ||
        !wal_catalog_load(repository, 0, 0, &catalog, err))
        return false;
    for (size_t at = 0;
         wal_merge_next(&catalog, &options, now_us - options.min_age_us, at, &group);) {
        if (!stop_check(err) || !merge_group(repository, &catalog, &group, out, err))
            return error_wrap(err, "could not merge WAL");
        at = group.first + group.count;
        if (options.max_merges != 0 && out->merges >= options.max_merges)
            break;
    }
    return true;
}
