/* Verification of WAL: what is wrong with a chunk is found, named, and its consequence told. */
#include "repository/verify.h"

#include "base/buf.h"
#include "repository/wal_archive.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEGMENT = 1 << 20,
    PAGES = 8,
    CHUNK = PAGES * PAGE_BYTES,
    MAGIC_15 = 0xD110,
    LONG_HEADER = 2,
};

/* What is done to the header of the third page before the chunk is stored. */
struct flaw {
    const char *text; /* of the finding; NULL: none */
    uint16_t magic;
    uint32_t timeline;
    uint64_t address_off;
};

struct scene {
    struct repository repository;
    uint64_t system;
};

/* A repository with a snapshot that relies on the archive, from 1/0 on. */
static void scene_init(struct scene *scene)
{
    struct fixture_snapshot snapshot;
    scene->repository = fixture_repository(CODEC_ZSTD);
    fixture_snapshot_begin(&snapshot, &scene->repository, 1);
    struct snapshot_info *info = &snapshot.manifest.info;
    info->wal_included = false;
    info->wal_segment_bytes = SEGMENT;
    info->server_version_num = 150018;
    info->timeline = 1;
    info->start_lsn = SEGMENT + 0x28;
    info->stop_lsn = SEGMENT + CHUNK + 0x100;
    info->wal_range_count = 0;
    scene->system = info->system_identifier;
    fixture_add_cluster(&snapshot);
    fixture_snapshot_end(&snapshot);
}

static void put_page(struct buf *out, const struct scene *scene, uint64_t lsn,
                     const struct flaw *flaw)
{
    bool first = lsn % SEGMENT == 0;
    size_t end = out->len + PAGE_BYTES;
    buf_put_u16(out, flaw != NULL && flaw->magic != 0 ? flaw->magic : MAGIC_15);
    buf_put_u16(out, first ? LONG_HEADER : 0);
    buf_put_u32(out, flaw != NULL && flaw->timeline != 0 ? flaw->timeline : 1);
    buf_put_u64(out, lsn + (flaw != NULL ? flaw->address_off : 0));
    buf_put_u64(out, 0);
    if (first) {
        buf_put_u64(out, scene->system);
        buf_put_u32(out, SEGMENT);
        buf_put_u32(out, PAGE_BYTES);
    }
    while (out->len < end)
        buf_put_u8(out, (uint8_t)(out->len * 7 + 1));
}

static void put_chunk(const struct scene *scene, uint32_t timeline, uint64_t lsn,
                      const struct flaw *flaw)
{
    struct error err;
    struct buf wal;
    struct wal_source source = {
        .system_identifier = scene->system, .timeline = timeline, .segment_bytes = SEGMENT};
    buf_init(&wal, CHUNK);
    for (uint64_t i = 0; i < PAGES; i++)
        put_page(&wal, scene, lsn + i * PAGE_BYTES, i == 2 ? flaw : NULL);
    if (!wal_chunk_put(&scene->repository, &source, lsn, wal.data, wal.len, NULL, &err))
        fail_msg("%s", err.text);
    buf_release(&wal);
}

static struct verify_report verify(const struct scene *scene, const char *snapshot)
{
    struct error err;
    struct verify_report report;
    struct verify_options options = {.snapshot = snapshot, .threads = 1};
    if (!verify_run(&scene->repository, &options, &report, &err))
        fail_msg("%s", err.text);
    return report;
}

static void test_every_chunk_is_read(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    for (uint64_t i = 0; i < 4; i++)
        put_chunk(&scene, 1, SEGMENT + i * CHUNK, NULL);
    struct verify_report report = verify(&scene, NULL);
    if (report.problem_count > 0)
        fail_msg("%s", report.problems[0].text);
    assert_int_equal(report.wal_checked, 4);
    assert_int_equal(report.gap_count, 0);
    verify_report_release(&report);
    report = verify(&scene, "latest"); /* only what it needs */
    assert_int_equal(report.wal_checked, 2);
    verify_report_release(&report);
    fixture_close(&scene.repository);
}

static void test_pages_that_do_not_belong_there_are_found(void **state)
{
    static const struct flaw flaws[] = {
        {.text = "it has the address of another page", .address_off = PAGE_BYTES},
        {.text = "its magic number is another one", .magic = 0xD10D},
        {.text = "it is of another timeline", .timeline = 2},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flaws); i++) {
        struct scene scene;
        scene_init(&scene);
        put_chunk(&scene, 1, SEGMENT, NULL);
        put_chunk(&scene, 1, SEGMENT + CHUNK, &flaws[i]);
        struct verify_report report = verify(&scene, NULL);
        assert_int_equal(report.problem_count, 1);
        const struct verify_problem *problem = &report.problems[0];
        assert_string_equal(problem->object, "wal/00000001/0000000000110000-0000000000120000.wal");
        assert_non_null(strstr(problem->text, flaws[i].text));
        assert_non_null(strstr(problem->lost, "timeline 1 goes through 0/110000 to 0/120000"));
        assert_int_equal(problem->snapshot_count, 1);
        assert_string_equal(problem->snapshots[0], "0000000000000001");
        verify_report_release(&report);
        fixture_close(&scene.repository);
    }
}

static void test_wal_on_which_a_snapshot_relies_is_missed(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    put_chunk(&scene, 1, SEGMENT, NULL);
    struct verify_report report = verify(&scene, NULL);
    assert_int_equal(report.problem_count, 1);
    assert_non_null(strstr(report.problems[0].text, "from 0/110000 to 0/110100"));
    assert_string_equal(report.problems[0].snapshots[0], "0000000000000001");
    verify_report_release(&report);
    fixture_close(&scene.repository);
}

static void test_a_gap_is_told_and_is_no_damage(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene);
    put_chunk(&scene, 1, SEGMENT, NULL);
    put_chunk(&scene, 1, SEGMENT + CHUNK, NULL);
    put_chunk(&scene, 1, SEGMENT + 4 * CHUNK, NULL);
    struct verify_report report = verify(&scene, NULL);
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.gap_count, 1);
    assert_int_equal(report.gaps[0].start_lsn, SEGMENT + 2 * CHUNK);
    assert_int_equal(report.gaps[0].end_lsn, SEGMENT + 4 * CHUNK);
    verify_report_release(&report);
    fixture_close(&scene.repository);
}

static void test_a_timeline_without_history_is_told(void **state)
{
    struct error err;
    struct scene scene;
    static const char history[] = "1\t0/130000\tno recovery target specified\n";
    (void)state;
    scene_init(&scene);
    put_chunk(&scene, 1, SEGMENT, NULL);
    put_chunk(&scene, 1, SEGMENT + CHUNK, NULL);
    put_chunk(&scene, 2, SEGMENT, NULL);
    struct verify_report report = verify(&scene, NULL);
    assert_int_equal(report.problem_count, 1);
    assert_string_equal(report.problems[0].object, "history/00000002.history");
    assert_non_null(strstr(report.problems[0].lost, "timeline 2"));
    verify_report_release(&report);
    assert_true(history_put(&scene.repository, 2, history, sizeof history - 1, &err));
    report = verify(&scene, NULL);
    assert_int_equal(report.problem_count, 0);
    verify_report_release(&report);
    fixture_close(&scene.repository);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_chunk_is_read),
        cmocka_unit_test(test_pages_that_do_not_belong_there_are_found),
        cmocka_unit_test(test_wal_on_which_a_snapshot_relies_is_missed),
        cmocka_unit_test(test_a_gap_is_told_and_is_no_damage),
        cmocka_unit_test(test_a_timeline_without_history_is_told),
    };
    return cmocka_run_group_tests_name("verify_wal", tests, NULL, NULL);
}
