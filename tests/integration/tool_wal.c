/*
 * tool_wal compare REPOSITORY TIMELINE DIRECTORY [UP-TO-LSN]: compares the WAL in a repository with
 * the segment files of a server, byte by byte, through every chunk. Prints how much was the same;
 * exit status 1 at the first difference, at a gap, and where the WAL ends before the LSN.
 *
 * tool_wal extract REPOSITORY TIMELINE DIRECTORY: writes the WAL as segment files, the last one
 * filled up with zeros.
 *
 * MAINSTAY_REPOSITORY_KEY_FILE opens a sealed repository.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "repository/key_source.h"
#include "repository/wal_archive.h"
#include "store/store_open.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_server(const char *directory, const struct wal_source *source, uint64_t lsn,
                        size_t len, uint8_t *out, bool *out_found, struct error *err)
{
    size_t got = 0;
    uint64_t segment = lsn / source->segment_bytes;
    uint64_t per_id = (UINT64_C(1) << 32) / source->segment_bytes;
    CLEANUP(free_pointer)
    char *path = text_format("%s/%08" PRIX32 "%08" PRIX64 "%08" PRIX64, directory, source->timeline,
                             segment / per_id, segment % per_id);
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out_found = fd >= 0;
    return fd < 0 || (file_read_at(fd, path, out, len, lsn % source->segment_bytes, &got, err) &&
                      (got == len || error_set(err, ERROR_CORRUPT, "%s is short", path)));
}

/* The part of a chunk within one segment. */
static bool compare_part(const struct repository *repository, const struct wal_chunk *chunk,
                         const struct wal_source *source, const char *directory, uint64_t lsn,
                         size_t len, uint64_t *same, struct error *err)
{
    bool found = false;
    char place[TEXT_SIZE];
    CLEANUP(free_pointer) uint8_t *stored = malloc(len);
    CLEANUP(free_pointer) uint8_t *live = malloc(len);
    if (!wal_chunk_read(repository, chunk, source, lsn, len, stored, err) ||
        !read_server(directory, source, lsn, len, live, &found, err))
        return false;
    if (found && memcmp(stored, live, len) != 0)
        return error_set(err, ERROR_CORRUPT, "chunk at %s differs", text_lsn(lsn, place));
    *same += found ? len : 0;
    return true;
}

static bool compare_chunk(const struct repository *repository, const struct wal_chunk *chunk,
                          const char *directory, uint64_t *same, struct error *err)
{
    struct wal_source source;
    if (!wal_chunk_source(repository, chunk, &source, err))
        return false;
    for (uint64_t lsn = chunk->start_lsn; lsn < chunk->end_lsn;) {
        uint64_t left = source.segment_bytes - lsn % source.segment_bytes;
        uint64_t len = chunk->end_lsn - lsn < left ? chunk->end_lsn - lsn : left;
        if (!compare_part(repository, chunk, &source, directory, lsn, (size_t)len, same, err))
            return false;
        lsn += len;
    }
    return true;
}

static bool extract_segment(const struct repository *repository, const struct wal_catalog *catalog,
                            const struct wal_source *source, const char *directory, uint64_t start,
                            struct error *err)
{
    uint64_t segment = start / source->segment_bytes;
    uint64_t per_id = (UINT64_C(1) << 32) / source->segment_bytes;
    CLEANUP(free_pointer) uint8_t *bytes = calloc(1, source->segment_bytes);
    CLEANUP(free_pointer)
    char *path = text_format("%s/%08" PRIX32 "%08" PRIX64 "%08" PRIX64, directory, source->timeline,
                             segment / per_id, segment % per_id);
    for (uint64_t lsn = start; lsn < start + source->segment_bytes;) {
        const struct wal_chunk *chunk = wal_catalog_find(catalog, source->timeline, lsn);
        if (chunk == NULL)
            break;
        uint64_t end = start + source->segment_bytes;
        end = chunk->end_lsn < end ? chunk->end_lsn : end;
        if (!wal_chunk_read(repository, chunk, source, lsn, (size_t)(end - lsn),
                            bytes + (lsn - start), err))
            return false;
        lsn = end;
    }
    return file_write_atomic(path, bytes, source->segment_bytes, 0644, err);
}

static bool extract(const struct repository *repository, const struct wal_catalog *catalog,
                    const char *directory, struct error *err)
{
    struct wal_source source;
    const struct wal_chunk *last = &catalog->chunks[catalog->count - 1];
    if (!wal_chunk_source(repository, last, &source, err))
        return false;
    uint64_t lsn = catalog->chunks[0].start_lsn;
    for (lsn -= lsn % source.segment_bytes; lsn < last->end_lsn; lsn += source.segment_bytes)
        if (!extract_segment(repository, catalog, &source, directory, lsn, err))
            return false;
    return true;
}

static bool compare(const struct repository *repository, const struct wal_catalog *catalog,
                    const char *directory, uint64_t up_to, struct error *err)
{
    uint64_t same = 0;
    char place[TEXT_SIZE];
    for (size_t i = 0; i < catalog->count; i++)
        if (!compare_chunk(repository, &catalog->chunks[i], directory, &same, err))
            return false;
    uint64_t reach = wal_catalog_reach(catalog, catalog->chunks[0].timeline,
                                       catalog->chunks[0].start_lsn);
    printf("same=%" PRIu64 " chunks=%zu reach=%s\n", same, catalog->count, text_lsn(reach, place));
    return (reach >= up_to && reach >= catalog->chunks[catalog->count - 1].end_lsn) ||
           error_set(err, ERROR_CORRUPT, "the WAL ends or breaks at %s", place);
}

static bool run(char **argv, uint32_t timeline, uint64_t up_to, struct error *err)
{
    const struct store_options options = {.url = argv[2]};
    const struct key_options keys = {.key_file = getenv("MAINSTAY_REPOSITORY_KEY_FILE")};
    CLEANUP(store_cleanup) struct store *store = NULL;
    CLEANUP(repository_close) struct repository repository = {0};
    CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    if (!store_open(&options, &store, err) ||
        !repository_open_with(store, &keys, &repository, err) ||
        !wal_catalog_load(&repository, timeline, 0, &catalog, err))
        return false;
    if (catalog.count == 0)
        return error_set(err, ERROR_NOT_FOUND, "no WAL");
    return strcmp(argv[1], "extract") == 0 ? extract(&repository, &catalog, argv[4], err)
                                           : compare(&repository, &catalog, argv[4], up_to, err);
}

int main(int argc, char **argv)
{
    struct error err;
    uint64_t timeline = 0;
    uint64_t up_to = 0;
    if (argc < 5 || !text_to_u64(argv[3], &timeline) || (argc > 5 && !text_to_lsn(argv[5], &up_to)))
        return 2;
    if (run(argv, (uint32_t)timeline, up_to, &err))
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}
