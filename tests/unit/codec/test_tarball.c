#include "codec/tarball.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCK = 512, ARCHIVE_MAX = 1 << 20 };

/* Hands out an archive in pieces of a chosen size, each in memory of its own, so that a reader
 * that keeps a borrowed block too long is caught by the sanitizers. */
struct source {
    const uint8_t *bytes;
    size_t len;
    size_t piece;
    size_t fail_at; /* SIZE_MAX: never */
    size_t done;
    uint8_t *lent;
};

static bool read_source(void *context, const void **out, size_t *out_len, struct error *err)
{
    struct source *source = context;
    free(source->lent);
    source->lent = NULL;
    if (source->done >= source->fail_at)
        return error_set(err, ERROR_UNAVAILABLE, "the server went away");
    size_t left = source->len - source->done;
    size_t len = left < source->piece ? left : source->piece;
    *out_len = len;
    if (len == 0)
        return true;
    source->lent = malloc(len);
    assert_non_null(source->lent);
    memcpy(source->lent, source->bytes + source->done, len);
    source->done += len;
    *out = source->lent;
    return true;
}

static uint8_t archive[ARCHIVE_MAX];
static size_t archive_len;
static struct error err;

/* Writes one header as PostgreSQL's tarCreateHeader does. */
static void put_header(const char *name, char type, size_t size, const char *link)
{
    uint8_t *header = archive + archive_len;
    unsigned sum = 0;
    memset(header, 0, BLOCK);
    (void)snprintf((char *)header, 100, "%s", name);
    (void)snprintf((char *)header + 100, 8, "%07o", 0600U);
    (void)snprintf((char *)header + 124, 12, "%011o", (unsigned)size);
    (void)snprintf((char *)header + 136, 12, "%011o", 1700000000U);
    header[156] = (uint8_t)type;
    if (link != NULL)
        (void)snprintf((char *)header + 157, 100, "%s", link);
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += header[i];
    (void)snprintf((char *)header + 148, 8, "%06o", sum);
    archive_len += BLOCK;
}

static void put_file(const char *name, size_t size)
{
    put_header(name, '0', size, NULL);
    for (size_t i = 0; i < size; i++)
        archive[archive_len + i] = (uint8_t)(i * 31 + size);
    size_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    memset(archive + archive_len + size, 0, padded - size);
    archive_len += padded;
}

static int start(void **state)
{
    (void)state;
    archive_len = 0;
    memset(&err, 0, sizeof err);
    return 0;
}

static void put_sample(void)
{
    put_header("base/5/", '5', 0, NULL);
    put_file("base/5/1259", 20000);
    put_file("base/5/empty", 0);
    put_header("pg_tblspc/16500", '2', 0, "/srv/space");
    put_file("global/pg_control", 8192);
}

static void expect_content(struct tarball_reader *reader, size_t size)
{
    size_t done = 0;
    for (;;) {
        const void *bytes = NULL;
        size_t len = 0;
        assert_true(tarball_reader_data(reader, &bytes, &len, &err));
        if (len == 0)
            break;
        for (size_t i = 0; i < len; i++)
            assert_int_equal(((const uint8_t *)bytes)[i], (uint8_t)((done + i) * 31 + size));
        done += len;
    }
    assert_int_equal(done, size);
}

static void expect_sample(struct source *source)
{
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = NULL;
    struct tarball_entry entry;
    bool found = false;
    assert_true(tarball_reader_open(read_source, source, &reader, &err));
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.path, "base/5");
    assert_int_equal(entry.type, TARBALL_DIRECTORY);
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.path, "base/5/1259");
    assert_int_equal(entry.type, TARBALL_FILE);
    assert_int_equal(entry.mode, 0600);
    assert_int_equal(entry.size_bytes, 20000);
    assert_int_equal(entry.modified_us, 1700000000000000);
    expect_content(reader, 20000);
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    expect_content(reader, 0);
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_int_equal(entry.type, TARBALL_SYMLINK);
    assert_string_equal(entry.link_target, "/srv/space");
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.path, "global/pg_control");
    expect_content(reader, 8192);
    assert_true(tarball_reader_next(reader, &entry, &found, &err));
    assert_false(found);
    assert_true(tarball_reader_next(reader, &entry, &found, &err));
    assert_false(found);
    free(source->lent);
}

static void test_reads_with_and_without_the_final_zero_blocks_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 511, 512, 513, 8192, 32768, ARCHIVE_MAX};
    (void)state;
    put_sample();
    memset(archive + archive_len, 0, 2 * (size_t)BLOCK);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct source without = {archive, archive_len, pieces[i], SIZE_MAX, 0, NULL};
        struct source with = {archive, archive_len + 2 * BLOCK, pieces[i], SIZE_MAX, 0, NULL};
        expect_sample(&without);
        expect_sample(&with);
    }
}

/* Walks over the whole archive without reading content. */
static bool walk(struct source *source, size_t *out_entries)
{
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = NULL;
    struct tarball_entry entry;
    bool found = true;
    bool done = tarball_reader_open(read_source, source, &reader, &err);
    *out_entries = 0;
    while (done && found) {
        done = tarball_reader_next(reader, &entry, &found, &err);
        *out_entries += done && found;
    }
    free(source->lent);
    source->lent = NULL;
    return done;
}

static void test_unread_content_is_skipped(void **state)
{
    size_t entries = 0;
    (void)state;
    put_sample();
    struct source source = {archive, archive_len, 1000, SIZE_MAX, 0, NULL};
    assert_true(walk(&source, &entries));
    assert_int_equal(entries, 5);
}

static void test_an_empty_archive_has_no_entries(void **state)
{
    size_t entries = 0;
    (void)state;
    struct source nothing = {archive, 0, 1000, SIZE_MAX, 0, NULL};
    assert_true(walk(&nothing, &entries));
    assert_int_equal(entries, 0);
}

static void test_a_cut_archive_is_refused(void **state)
{
    (void)state;
    put_file("base/5/1259", 20000);
    for (size_t len = 100; len < archive_len; len += 512) {
        size_t entries = 0;
        struct source source = {archive, len, 4096, SIZE_MAX, 0, NULL};
        assert_false(walk(&source, &entries));
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static void test_a_failure_of_the_source_comes_back_unchanged(void **state)
{
    (void)state;
    put_sample();
    for (size_t at = 0; at < archive_len; at += 700) {
        size_t entries = 0;
        struct source source = {archive, archive_len, 700, at, 0, NULL};
        memset(&err, 0, sizeof err);
        assert_false(walk(&source, &entries));
        assert_int_equal(err.kind, ERROR_UNAVAILABLE);
        assert_string_equal(err.text, "the server went away");
    }
}

static void expect_refused(const char *name, char type, const char *link)
{
    size_t entries = 0;
    archive_len = 0;
    put_header(name, type, 0, link);
    struct source source = {archive, archive_len, 4096, SIZE_MAX, 0, NULL};
    if (walk(&source, &entries))
        fail_msg("accepted %s of type %c", name, type);
    assert_int_equal(err.kind, ERROR_INVALID);
}

static void test_unsafe_paths_and_odd_types_are_refused(void **state)
{
    (void)state;
    expect_refused("/etc/passwd", '0', NULL);
    expect_refused("../escape", '0', NULL);
    expect_refused("base/../../escape", '0', NULL);
    expect_refused("base/hard", '1', "base/5/1259");
    expect_refused("base/device", '3', NULL);
    expect_refused("base/pipe", '6', NULL);
}

static void test_a_damaged_header_is_refused(void **state)
{
    size_t entries = 0;
    (void)state;
    put_sample();
    archive[BLOCK + 10] ^= 1;
    struct source source = {archive, archive_len, 4096, SIZE_MAX, 0, NULL};
    assert_false(walk(&source, &entries));
    assert_int_equal(err.kind, ERROR_INVALID);
}

static void test_what_is_written_can_be_read(void **state)
{
    CLEANUP(tarball_writer_cleanup) struct tarball_writer *writer = NULL;
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = NULL;
    CLEANUP(close_fd) int fd = memfd_create("archive", MFD_CLOEXEC);
    struct tarball_entry file = {.type = TARBALL_FILE,
                                 .path = "base/5/16384.1",
                                 .mode = 0640,
                                 .size_bytes = 1000,
                                 .modified_us = 1700000000000000};
    struct tarball_entry link = {.type = TARBALL_SYMLINK,
                                 .path = "pg_tblspc/16500",
                                 .mode = 0777,
                                 .link_target = "/srv/z\xc3\xa4hler"};
    struct tarball_entry directory = {.type = TARBALL_DIRECTORY, .path = "base", .mode = 0700};
    struct tarball_entry entry;
    uint8_t content[1000];
    bool found = false;
    (void)state;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 31 + sizeof content);
    assert_true(tarball_writer_open(fd, &writer, &err));
    assert_true(tarball_writer_entry(writer, &directory, &err));
    assert_true(tarball_writer_entry(writer, &file, &err));
    assert_true(tarball_writer_data(writer, content, 300, &err));
    assert_false(tarball_writer_entry(writer, &link, &err)); /* 700 bytes are missing */
    assert_true(tarball_writer_data(writer, content + 300, 700, &err));
    assert_false(tarball_writer_data(writer, content, 1, &err));
    assert_true(tarball_writer_entry(writer, &link, &err));
    assert_true(tarball_writer_finish(writer, &err));

    ssize_t len = pread(fd, archive, sizeof archive, 0);
    struct source source = {archive, (size_t)len, 4096, SIZE_MAX, 0, NULL};
    assert_true(tarball_reader_open(read_source, &source, &reader, &err));
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.path, "base");
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.path, "base/5/16384.1");
    assert_int_equal(entry.mode, 0640);
    assert_int_equal(entry.modified_us, 1700000000000000);
    expect_content(reader, 1000);
    assert_true(tarball_reader_next(reader, &entry, &found, &err) && found);
    assert_string_equal(entry.link_target, "/srv/z\xc3\xa4hler");
    assert_true(tarball_reader_next(reader, &entry, &found, &err));
    assert_false(found);
    free(source.lent);
}

static void test_a_full_disk_fails_the_writer(void **state)
{
    CLEANUP(tarball_writer_cleanup) struct tarball_writer *writer = NULL;
    static const uint8_t zeros[100000];
    struct tarball_entry file = {
        .type = TARBALL_FILE, .path = "f", .mode = 0600, .size_bytes = sizeof zeros};
    CLEANUP(close_fd) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    (void)state;
    assert_true(tarball_writer_open(fd, &writer, &err));
    assert_true(tarball_writer_entry(writer, &file, &err));
    bool written = tarball_writer_data(writer, zeros, sizeof zeros, &err) &&
                   tarball_writer_finish(writer, &err);
    assert_false(written);
    assert_int_equal(err.kind, ERROR_NO_SPACE);
    assert_false(tarball_writer_finish(writer, &err));
}

static void test_an_abandoned_archive_gets_no_trailer(void **state)
{
    struct tarball_writer *writer = NULL;
    struct tarball_entry file = {
        .type = TARBALL_FILE, .path = "f", .mode = 0600, .size_bytes = 100000};
    CLEANUP(close_fd) int fd = memfd_create("archive", MFD_CLOEXEC);
    size_t entries = 0;
    (void)state;
    assert_true(tarball_writer_open(fd, &writer, &err));
    assert_true(tarball_writer_entry(writer, &file, &err));
    assert_true(tarball_writer_data(writer, archive, 50000, &err));
    tarball_writer_close(writer);
    ssize_t len = pread(fd, archive, sizeof archive, 0);
    struct source source = {archive, (size_t)len, 4096, SIZE_MAX, 0, NULL};
    assert_false(walk(&source, &entries));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads_with_and_without_the_final_zero_blocks_in_any_pieces,
                               start),
        cmocka_unit_test_setup(test_unread_content_is_skipped, start),
        cmocka_unit_test_setup(test_an_empty_archive_has_no_entries, start),
        cmocka_unit_test_setup(test_a_cut_archive_is_refused, start),
        cmocka_unit_test_setup(test_a_failure_of_the_source_comes_back_unchanged, start),
        cmocka_unit_test_setup(test_unsafe_paths_and_odd_types_are_refused, start),
        cmocka_unit_test_setup(test_a_damaged_header_is_refused, start),
        cmocka_unit_test_setup(test_what_is_written_can_be_read, start),
        cmocka_unit_test_setup(test_a_full_disk_fails_the_writer, start),
        cmocka_unit_test_setup(test_an_abandoned_archive_gets_no_trailer, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
