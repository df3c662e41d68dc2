/* Segments of 1 MiB, put together from chunks; the spool that keeps some of them. */
#include "restore/wal_segment.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "restore/wal_spool.h"
#include "tests/lib/core_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { SEGMENT = 1 << 20 };

static const struct wal_source source = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = SEGMENT};
static const char history_two[] = "1\t0/280000\tno recovery target specified\n"; /* 2.5 segments */

struct scene {
    struct repository repository;
    char *directory;
    char *spool;
    char *target;
    uint8_t *out;
};

static int set_up(void **state)
{
    struct error err;
    struct scene *scene = calloc(1, sizeof *scene);
    scene->repository = fixture_repository(CODEC_ZSTD);
    scene->directory = fixture_directory();
    scene->spool = path_join(scene->directory, WAL_SPOOL_NAME);
    scene->target = path_join(scene->directory, "RECOVERYXLOG");
    scene->out = malloc(SEGMENT);
    assert_true(history_put(&scene->repository, 2, history_two, sizeof history_two - 1, &err));
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    fixture_close(&scene->repository);
    fixture_remove(scene->directory);
    free(scene->spool);
    free(scene->target);
    free(scene->out);
    free(scene);
    return 0;
}

/* WAL of a timeline tells where and whose it is; what two timelines share is the first one's. */
static uint8_t byte_at(uint32_t timeline, uint64_t lsn)
{
    if (timeline == 2 && lsn < 0x280000)
        timeline = 1;
    return (uint8_t)(lsn >> 12 ^ timeline << 6 ^ 1);
}

static void put(const struct scene *scene, uint32_t timeline, uint64_t from, uint64_t to)
{
    struct error err;
    struct wal_source of = source;
    CLEANUP(free_pointer) uint8_t *wal = malloc((size_t)(to - from));
    of.timeline = timeline;
    for (uint64_t lsn = from; lsn < to; lsn++)
        wal[lsn - from] = byte_at(timeline, lsn);
    if (!wal_chunk_put(&scene->repository, &of, from, wal, (size_t)(to - from), NULL, &err))
        fail_msg("%s", err.text);
}

static struct wal_segment segment_at(uint32_t timeline, uint64_t number)
{
    return (struct wal_segment){
        .timeline = timeline, .start_lsn = number * SEGMENT, .end_lsn = (number + 1) * SEGMENT};
}

static enum wal_segment_state fetch(const struct scene *scene, uint32_t timeline, uint64_t number)
{
    struct error err;
    enum wal_segment_state segment_state;
    struct wal_segment segment = segment_at(timeline, number);
    memset(scene->out, 0xEE, SEGMENT);
    if (!wal_segment_fetch(&scene->repository, &source, &segment, scene->out, &segment_state, &err))
        fail_msg("%s", err.text);
    return segment_state;
}

/* Bytes of the timeline up to `end`, zeros from there. */
static void check_content(const struct scene *scene, uint32_t timeline, uint64_t number,
                          uint64_t end)
{
    for (uint64_t i = 0; i < SEGMENT; i++) {
        uint64_t lsn = number * SEGMENT + i;
        uint8_t expected = lsn < end ? byte_at(timeline, lsn) : 0;
        if (scene->out[i] != expected)
            fail_msg("byte %d is %d, not %d", (int)i, scene->out[i], expected);
    }
}

static void refused(const struct scene *scene, uint32_t timeline, uint64_t number, const char *text)
{
    struct error err;
    enum wal_segment_state segment_state;
    struct wal_segment segment = segment_at(timeline, number);
    assert_false(
        wal_segment_fetch(&scene->repository, &source, &segment, scene->out, &segment_state, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    if (strstr(err.text, text) == NULL)
        fail_msg("said \"%s\", not \"%s\"", err.text, text);
}

static void test_names_are_positions(void **state)
{
    char name[WAL_SEGMENT_NAME_SIZE];
    struct wal_segment segment;
    (void)state;
    assert_true(wal_segment_from_name("0000000A0000000200000003", 16 << 20, &segment));
    assert_int_equal(segment.timeline, 10);
    assert_int_equal(segment.start_lsn, UINT64_C(0x203000000));
    assert_int_equal(segment.end_lsn, UINT64_C(0x204000000));
    assert_string_equal(wal_segment_name(&segment, name), "0000000A0000000200000003");
    assert_true(wal_segment_from_name("0000000100000000000000FF", 16 << 20, &segment));
    segment = wal_segment_next(&segment);
    assert_string_equal(wal_segment_name(&segment, name), "000000010000000100000000");
    static const char *const bad[] = {
        "",
        "0000000A000000020000000",
        "0000000A0000000200000003.partial",
        "000000000000000200000003",
        "000000010000000000000100", /* 256 segments of 16 MiB are 4 GiB */
        "0000000A000000020000000g",
        "00000002.history",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(wal_segment_from_name(bad[i], 16 << 20, &segment));
}

static void test_a_segment_is_put_together_from_chunks(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT / 2, SEGMENT + 1000);
    put(scene, 1, SEGMENT + 500, SEGMENT + 700000);
    put(scene, 1, SEGMENT + 700000, 3 * SEGMENT);
    assert_int_equal(fetch(scene, 1, 1), WAL_SEGMENT_WHOLE);
    check_content(scene, 1, 1, UINT64_MAX);
    assert_int_equal(fetch(scene, 1, 3), WAL_SEGMENT_ABSENT);
}

static void test_the_end_of_the_wal_is_filled_up_with_zeros(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT, SEGMENT + 5000);
    assert_int_equal(fetch(scene, 1, 1), WAL_SEGMENT_PARTIAL);
    check_content(scene, 1, 1, SEGMENT + 5000);
    assert_int_equal(fetch(scene, 1, 2), WAL_SEGMENT_ABSENT);
    put(scene, 1, SEGMENT + 5000, SEGMENT + 6000);
    assert_int_equal(fetch(scene, 1, 1), WAL_SEGMENT_PARTIAL);
    check_content(scene, 1, 1, SEGMENT + 6000);
}

static void test_a_gap_is_never_the_end(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT, SEGMENT + 5000);
    put(scene, 1, SEGMENT + 5001, 2 * SEGMENT);
    refused(scene, 1, 1, "0/101388 to 0/101389");
    put(scene, 1, 4 * SEGMENT, 5 * SEGMENT);
    refused(scene, 1, 2, "0/200000 to 0/400000");
    refused(scene, 1, 0, "0/0 to 0/100000");
}

static void test_a_recovery_with_a_target_gets_what_comes_before_a_gap(void **state)
{
    struct error err;
    enum wal_segment_state segment_state;
    const struct scene *scene = *state;
    struct wal_segment segment = segment_at(1, 1);
    segment.pad_gap = true;
    put(scene, 1, SEGMENT, SEGMENT + 5000);
    put(scene, 1, SEGMENT + 5001, 2 * SEGMENT);
    put(scene, 1, 3 * SEGMENT, 4 * SEGMENT);
    assert_true(
        wal_segment_fetch(&scene->repository, &source, &segment, scene->out, &segment_state, &err));
    assert_int_equal(segment_state, WAL_SEGMENT_PARTIAL);
    check_content(scene, 1, 1, SEGMENT + 5000);
    segment = wal_segment_next(&segment); /* nothing of it: that is no end */
    assert_false(
        wal_segment_fetch(&scene->repository, &source, &segment, scene->out, &segment_state, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
}

static void test_a_new_timeline_begins_with_the_old_ones_wal(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT, 4 * SEGMENT); /* timeline 1 went on by itself */
    /* nothing of timeline 2 is there yet: what it begins with is known, and what 1 did later is not
     * in it */
    assert_int_equal(fetch(scene, 2, 2), WAL_SEGMENT_PARTIAL);
    check_content(scene, 2, 2, 0x280000);
    put(scene, 2, 0x280000, 3 * SEGMENT);
    assert_int_equal(fetch(scene, 2, 2), WAL_SEGMENT_WHOLE);
    check_content(scene, 2, 2, UINT64_MAX);
    assert_int_equal(fetch(scene, 2, 1), WAL_SEGMENT_ABSENT); /* that is timeline 1's */
    assert_int_equal(fetch(scene, 2, 3), WAL_SEGMENT_ABSENT);
    assert_int_equal(fetch(scene, 1, 2), WAL_SEGMENT_WHOLE);
    check_content(scene, 1, 2, UINT64_MAX);
}

/* Timeline 3 leaves timeline 1 where segment 3 begins: not a byte is shared with segment 2. */
static void test_a_timeline_that_begins_with_a_segment(void **state)
{
    struct error err;
    const struct scene *scene = *state;
    static const char history_three[] = "1\t0/300000\tat restore point\n";
    assert_true(history_put(&scene->repository, 3, history_three, sizeof history_three - 1, &err));
    put(scene, 1, 0x100000, 0x340000); /* the old timeline went on */
    put(scene, 3, 0x300000, 0x380000);
    assert_int_equal(fetch(scene, 3, 2), WAL_SEGMENT_ABSENT); /* timeline 1's is the one */
    assert_int_equal(fetch(scene, 1, 2), WAL_SEGMENT_WHOLE);
    check_content(scene, 1, 2, UINT64_MAX);
    assert_int_equal(fetch(scene, 3, 3), WAL_SEGMENT_PARTIAL);
    check_content(scene, 3, 3, 0x380000);
    assert_int_equal(fetch(scene, 1, 3), WAL_SEGMENT_PARTIAL);
    check_content(scene, 1, 3, 0x340000);
}

static void test_wal_missing_before_a_timeline_is_a_gap(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT, 0x270000);
    refused(scene, 2, 2, "0/270000 to 0/280000");
    put(scene, 3, SEGMENT, 2 * SEGMENT);
    refused(scene, 3, 1, "the history of timeline 3 is not in the repository");
}

static void test_another_cluster_is_refused(void **state)
{
    struct error err;
    enum wal_segment_state segment_state;
    const struct scene *scene = *state;
    struct wal_source other = source;
    struct wal_segment segment = segment_at(1, 1);
    other.system_identifier = 8;
    put(scene, 1, SEGMENT, 2 * SEGMENT);
    assert_false(
        wal_segment_fetch(&scene->repository, &other, &segment, scene->out, &segment_state, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
}

/* --- the spool -----------------------------------------------------------------------------------
 */

static size_t files_in(const char *directory, const char *prefix)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (const struct dirent *item = readdir(dir); item != NULL; item = readdir(dir))
        count += text_starts_with(item->d_name, prefix);
    (void)closedir(dir);
    return count;
}

static void fill(const struct scene *scene, uint64_t first, size_t count)
{
    struct error err;
    struct wal_segment segment = segment_at(1, first);
    if (!wal_spool_fill(scene->spool, &scene->repository, &source, &segment, count, &err))
        fail_msg("%s", err.text);
}

static bool take(const struct scene *scene, uint64_t number)
{
    struct error err;
    bool taken;
    struct wal_segment segment = segment_at(1, number);
    if (!wal_spool_take(scene->spool, &segment, scene->target, &taken, &err))
        fail_msg("%s", err.text);
    return taken;
}

static void test_the_spool_gives_what_was_fetched(void **state)
{
    struct error err;
    CLEANUP(buf_release) struct buf content;
    const struct scene *scene = *state;
    buf_init(&content, 2 * SEGMENT);
    put(scene, 1, SEGMENT, 4 * SEGMENT + 5000);
    assert_false(take(scene, 1)); /* no spool yet */
    fill(scene, 1, 2);
    assert_int_equal(files_in(scene->spool, "00000001"), 2); /* no more than was asked for */
    assert_true(take(scene, 1));
    assert_true(file_read_all(scene->target, &content, &err));
    assert_int_equal(content.len, SEGMENT);
    memcpy(scene->out, content.data, SEGMENT);
    check_content(scene, 1, 1, UINT64_MAX);
    assert_false(take(scene, 1)); /* it is gone */
    fill(scene, 3, 8);
    assert_false(take(scene, 2)); /* PostgreSQL does not go back */
    assert_true(take(scene, 3));
    assert_false(take(scene, 4)); /* the WAL ends in it: it may have grown when it is asked for */
}

static void test_a_damaged_segment_is_not_given(void **state)
{
    const struct scene *scene = *state;
    put(scene, 1, SEGMENT, 2 * SEGMENT);
    fill(scene, 1, 1);
    DIR *dir = opendir(scene->spool);
    for (const struct dirent *item = readdir(dir); item != NULL; item = readdir(dir)) {
        if (!text_starts_with(item->d_name, "00000001"))
            continue;
        CLEANUP(free_pointer) char *path = path_join(scene->spool, item->d_name);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fputc(0x55, file), 0x55);
        assert_int_equal(fclose(file), 0);
    }
    (void)closedir(dir);
    assert_false(take(scene, 1));
    assert_int_equal(files_in(scene->spool, "00000001"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_positions),
        cmocka_unit_test_setup_teardown(test_a_segment_is_put_together_from_chunks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_of_the_wal_is_filled_up_with_zeros, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_gap_is_never_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_recovery_with_a_target_gets_what_comes_before_a_gap,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_timeline_begins_with_the_old_ones_wal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_timeline_that_begins_with_a_segment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_wal_missing_before_a_timeline_is_a_gap, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_cluster_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_spool_gives_what_was_fetched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_segment_is_not_given, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
