#include "tests/lib/core_fixture.h"

#include "base/file.h"
#include "base/text.h"
#include "codec/crc32c.h"
#include "codec/digest.h"
#include "store/store_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t march_2026_us = INT64_C(1772323200000000);

uint64_t fixture_next(struct fixture_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t fixture_below(struct fixture_random *random, uint64_t limit)
{
    return fixture_next(random) % limit;
}

static uint64_t next_of(void *context)
{
    return fixture_next(context);
}

struct random_source fixture_random_source(struct fixture_random *random)
{
    return (struct random_source){.next = next_of, .context = random};
}

struct repository fixture_repository(enum codec codec)
{
    struct error err;
    struct store *store;
    struct repository repository;
    struct repository_settings settings;
    struct fixture_random random = {.state = 1};
    struct random_source source = fixture_random_source(&random);
    repository_default_settings(&settings);
    settings.codec = codec;
    settings.level = codec == CODEC_NONE ? 0 : 1;
    settings.pack_bytes = 1 << 20;
    assert_true(store_memory_open(&store, &err));
    if (!repository_create(store, &settings, &clock_system, &source, &repository, &err))
        fail_msg("%s", err.text);
    return repository;
}

void fixture_close(struct repository *repository)
{
    store_close(repository->store);
}

void fixture_page(uint8_t page[PAGE_BYTES], enum page_kind kind, uint64_t lsn,
                  struct fixture_random *random)
{
    for (size_t i = 0; i < PAGE_BYTES; i += 8) {
        uint64_t word = kind == PAGE_NOISE ? fixture_next(random) : fixture_below(random, 16);
        memcpy(page + i, &word, sizeof word);
    }
    uint32_t half[2] = {(uint32_t)(lsn >> 32), (uint32_t)lsn};
    memcpy(page, half, sizeof half);
    page[PAGE_BYTES - 1] = 1; /* never all zeros */
}

void fixture_info(struct snapshot_info *out, unsigned number)
{
    *out = (struct snapshot_info){
        .full = true,
        .started_us = march_2026_us + (int64_t)number * 1000000,
        .finished_us = march_2026_us + (int64_t)number * 1000000 + 250000,
        .system_identifier = UINT64_C(7300000000000000001),
        .server_version = "15.18",
        .server_version_num = 150018,
        .timeline = 1,
        .start_lsn = UINT64_C(0x1000000) * (number + 1),
        .stop_lsn = UINT64_C(0x1000000) * (number + 1) + 0x200,
        .wal_segment_bytes = 16 << 20,
        .wal_included = true,
        .data_checksums = true,
        .label = "test",
    };
    (void)snprintf(out->id, sizeof out->id, "%016x", number);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void fixture_control_file(uint8_t out[PAGE_BYTES], uint64_t system_identifier)
{
    enum { CRC_AT = 288, CONTROL_VERSION = 1300 };
    memset(out, 0, PAGE_BYTES);
    put_u32(out, (uint32_t)system_identifier);
    put_u32(out + 4, (uint32_t)(system_identifier >> 32));
    put_u32(out + 8, CONTROL_VERSION);
    put_u32(out + 12, 202209061);
    put_u32(out + 16, 6);
    put_u32(out + 48, 1);
    put_u32(out + 216, PAGE_BYTES);
    put_u32(out + CRC_AT, crc32c_extend(0, out, CRC_AT));
}

void fixture_snapshot_begin(struct fixture_snapshot *snapshot, const struct repository *repository,
                            unsigned number)
{
    struct error err;
    struct pack_writer_options options = {.threads = 2, .uploads = 1};
    options.writer_id[0] = (uint8_t)number;
    *snapshot = (struct fixture_snapshot){.repository = repository};
    manifest_init(&snapshot->manifest);
    fixture_info(&snapshot->manifest.info, number);
    assert_true(pack_writer_new(repository, &options, &snapshot->writer, &err));
}

void fixture_add_directory(struct fixture_snapshot *snapshot, const char *path, uint32_t mode)
{
    struct error err;
    struct manifest_entry entry = {.kind = ENTRY_DIRECTORY, .path = strdup(path), .mode = mode};
    assert_true(manifest_add_entry(&snapshot->manifest, &entry, &err));
}

/* Runs hold sequence numbers until the packs are known; one run, so that they are consecutive. */
void fixture_add_file(struct fixture_snapshot *snapshot, const char *path, const void *bytes,
                      size_t len)
{
    struct error err;
    struct page_map_builder map;
    struct manifest_entry entry = {.kind = ENTRY_FILE,
                                   .path = strdup(path),
                                   .mode = 0600,
                                   .mtime_s = 1772323200,
                                   .flags = ENTRY_CHECKSUM,
                                   .size_bytes = len,
                                   .crc32c = crc32c_extend(0, bytes, len)};
    page_map_builder_init(&map);
    for (size_t at = 0; at < len; at += PAGE_BYTES) {
        uint8_t page[PAGE_BYTES] = {0};
        struct page_run run = {.count = 1};
        memcpy(page, (const uint8_t *)bytes + at, len - at < PAGE_BYTES ? len - at : PAGE_BYTES);
        run.is_data = !bytes_are_zero(page, PAGE_BYTES);
        if (run.is_data && !snapshot->failed)
            snapshot->failed = !pack_writer_add(snapshot->writer, page, &run.ordinal,
                                                &snapshot->err);
        page_map_builder_add(&map, &run);
    }
    assert_true(page_map_builder_finish(&map, &err));
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    snapshot->manifest.info.file_count++;
    snapshot->manifest.info.data_bytes += len;
    assert_true(manifest_add_entry(&snapshot->manifest, &entry, &err));
}

void fixture_add_cluster(struct fixture_snapshot *snapshot)
{
    uint8_t control[PAGE_BYTES];
    fixture_control_file(control, snapshot->manifest.info.system_identifier);
    fixture_add_directory(snapshot, "global", 0700);
    fixture_add_directory(snapshot, "base", 0700);
    fixture_add_directory(snapshot, "pg_tblspc", 0700);
    fixture_add_file(snapshot, "PG_VERSION", "15\n", 3);
    fixture_add_file(snapshot, "global/pg_control", control, sizeof control);
}

/* Sequence numbers become addresses, run by run, cut where packs end. */
static void rewrite_map(struct manifest_entry *entry, const struct written_pack *packs,
                        size_t pack_count)
{
    struct error err;
    struct page_map_reader reader;
    struct page_map_builder map;
    page_map_builder_init(&map);
    page_map_reader_init(&reader, entry->map, entry->map_bytes, page_count_of(entry->size_bytes),
                         entry->path);
    for (;;) {
        struct page_run run;
        bool found;
        assert_true(page_map_reader_next(&reader, &run, &found, &err));
        if (!found)
            break;
        for (uint32_t i = 0; i < run.count; i++) {
            struct page_run one = {.count = 1, .is_data = run.is_data};
            uint32_t sequence = run.ordinal + i;
            while (run.is_data && one.pack + 1 < pack_count &&
                   packs[one.pack + 1].first_sequence <= sequence)
                one.pack++;
            if (run.is_data)
                one.ordinal = sequence - packs[one.pack].first_sequence;
            page_map_builder_add(&map, &one);
        }
    }
    assert_true(page_map_builder_finish(&map, &err));
    free(entry->map);
    entry->map = map.encoded.data;
    entry->map_bytes = map.encoded.len;
}

static void resolve_maps(struct fixture_snapshot *snapshot)
{
    struct error err;
    size_t count;
    uint32_t index;
    const struct written_pack *packs = pack_writer_packs(snapshot->writer, &count);
    for (size_t i = 0; i < count; i++)
        assert_true(manifest_add_pack(&snapshot->manifest, &packs[i].ref, &index, &err));
    for (size_t i = 0; i < snapshot->manifest.entry_count; i++)
        if (snapshot->manifest.entries[i].kind == ENTRY_FILE)
            rewrite_map(&snapshot->manifest.entries[i], packs, count);
    assert_true(manifest_sort(&snapshot->manifest, &err));
}

bool fixture_snapshot_finish(struct fixture_snapshot *snapshot, struct error *err)
{
    bool done = !snapshot->failed;
    if (!done)
        *err = snapshot->err;
    done = done && pack_writer_finish(snapshot->writer, err);
    if (done) {
        resolve_maps(snapshot);
        done = manifest_write(snapshot->repository, &snapshot->manifest, err);
    }
    pack_writer_free(snapshot->writer);
    manifest_release(&snapshot->manifest);
    return done;
}

void fixture_snapshot_end(struct fixture_snapshot *snapshot)
{
    struct error err;
    if (!fixture_snapshot_finish(snapshot, &err))
        fail_msg("%s", err.text);
}

char *fixture_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path = text_format("%s/mst.XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

void fixture_remove(char *path)
{
    struct error err;
    if (!dir_remove_all(path, &err))
        fail_msg("%s", err.text);
    free(path);
}
