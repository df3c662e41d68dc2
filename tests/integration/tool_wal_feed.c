/*
 * Puts the WAL of a data directory into a repository, as a stream would have: exactly the bytes
 * that a test names, cut into chunks.
 *
 *   tool_wal_feed REPOSITORY DATA_DIRECTORY TIMELINE FROM_LSN TO_LSN [CHUNK_BYTES]
 *   tool_wal_feed REPOSITORY DATA_DIRECTORY history TIMELINE
 *
 * MAINSTAY_REPOSITORY_KEY_FILE opens a sealed repository.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "postgres/control_file.h"
#include "repository/key_source.h"
#include "repository/wal_archive.h"
#include "restore/wal_segment.h"
#include "store/store_open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_MAX = 64 << 20 };

static bool open_repository(const char *url, struct store **store, struct repository *out,
                            struct error *err)
{
    const struct store_options options = {.url = url};
    const struct key_options keys = {.key_file = getenv("MAINSTAY_REPOSITORY_KEY_FILE")};
    return store_open(&options, store, err) && repository_open_with(*store, &keys, out, err);
}

static bool read_source(const char *data, struct wal_source *out, struct error *err)
{
    struct control_file control;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *path = path_join(data, "global/pg_control");
    buf_init(&bytes, 65536);
    if (!file_read_all(path, &bytes, err) ||
        !control_file_parse(bytes.data, bytes.len, &control, err))
        return false;
    *out = (struct wal_source){.system_identifier = control.system_identifier,
                               .segment_bytes = control.wal_segment_bytes};
    return true;
}

static bool feed_part(const struct repository *repository, const struct wal_source *source,
                      const char *data, uint64_t from, uint64_t to, struct error *err)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    uint64_t start = from / source->segment_bytes * source->segment_bytes;
    struct wal_segment segment = {
        .timeline = source->timeline, .start_lsn = start, .end_lsn = start + source->segment_bytes};
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer)
    char *path = text_format("%s/pg_wal/%s", data, wal_segment_name(&segment, name));
    buf_init(&bytes, 2 * SEGMENT_MAX);
    return file_read_all(path, &bytes, err) &&
           wal_chunk_put(repository, source, from, bytes.data + (from - start), (size_t)(to - from),
                         NULL, err);
}

static bool feed(const struct repository *repository, char **argv, struct error *err)
{
    uint64_t timeline;
    uint64_t from;
    uint64_t to;
    uint64_t chunk = 1 << 20;
    struct wal_source source;
    if (!text_to_u64(argv[3], &timeline) || !text_to_lsn(argv[4], &from) ||
        !text_to_lsn(argv[5], &to) || (argv[6] != NULL && !text_to_bytes(argv[6], &chunk)))
        return error_set(err, ERROR_USAGE, "wrong arguments");
    if (!read_source(argv[2], &source, err))
        return false;
    source.timeline = (uint32_t)timeline;
    while (from < to) {
        uint64_t segment_end = (from / source.segment_bytes + 1) * source.segment_bytes;
        uint64_t end = from + chunk < to ? from + chunk : to;
        end = end < segment_end ? end : segment_end;
        if (!feed_part(repository, &source, argv[2], from, end, err))
            return false;
        from = end;
    }
    return true;
}

static bool feed_history(const struct repository *repository, char **argv, struct error *err)
{
    uint64_t timeline;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 20);
    if (!text_to_u64(argv[4], &timeline))
        return error_set(err, ERROR_USAGE, "wrong timeline");
    CLEANUP(free_pointer)
    char *path = text_format("%s/pg_wal/%08" PRIX64 ".history", argv[2], timeline);
    return file_read_all(path, &text, err) &&
           history_put(repository, (uint32_t)timeline, text.data, text.len, err);
}

int main(int argc, char **argv)
{
    struct error err;
    CLEANUP(store_cleanup) struct store *store = NULL;
    CLEANUP(repository_close) struct repository repository = {0};
    if (argc < 5)
        return 2;
    bool history = strcmp(argv[3], "history") == 0;
    if (!open_repository(argv[1], &store, &repository, &err) ||
        !(history ? feed_history(&repository, argv, &err) : feed(&repository, argv, &err))) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return 0;
}
