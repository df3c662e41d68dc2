#include "repository/page_map.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The naive model: one entry for each block. */
struct block {
    bool is_data;
    uint32_t pack;
    uint32_t ordinal;
};

enum { MAX_BLOCKS = 4000 };

static struct block model[MAX_BLOCKS];

static void decode_and_compare(const struct buf *map, uint64_t blocks)
{
    struct error err;
    struct page_map_reader reader;
    struct page_run run;
    uint64_t block = 0;
    bool found = true;
    page_map_reader_init(&reader, map->data, map->len, blocks, "a file");
    while (found) {
        if (!page_map_reader_next(&reader, &run, &found, &err))
            fail_msg("%s", err.text);
        for (uint32_t i = 0; found && i < run.count; i++, block++) {
            assert_int_equal(run.is_data, model[block].is_data);
            if (run.is_data) {
                assert_int_equal(run.pack, model[block].pack);
                assert_int_equal(run.ordinal + i, model[block].ordinal);
            }
        }
    }
    assert_int_equal(block, blocks);
}

/* Blocks go in one by one or as runs; what comes out must be the same blocks. */
static void test_random_maps_come_back(void **state)
{
    struct fixture_random random = {.state = 2026};
    struct error err;
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct page_map_builder builder;
        uint64_t blocks = fixture_below(&random, MAX_BLOCKS);
        page_map_builder_init(&builder);
        for (uint64_t at = 0; at < blocks;) {
            struct page_run run = {.count = (uint32_t)(1 + fixture_below(&random, 40))};
            if (run.count > blocks - at)
                run.count = (uint32_t)(blocks - at);
            run.is_data = fixture_below(&random, 3) != 0;
            if (run.is_data) {
                bool near = at > 0 && model[at - 1].is_data && fixture_below(&random, 2) == 0;
                run.pack = near ? model[at - 1].pack : (uint32_t)fixture_below(&random, 5);
                run.ordinal = near ? model[at - 1].ordinal + 1
                                   : (uint32_t)fixture_below(&random, UINT32_MAX - 100);
            }
            for (uint32_t i = 0; i < run.count; i++)
                model[at + i] = (struct block){run.is_data, run.pack, run.ordinal + i};
            page_map_builder_add(&builder, &run);
            at += run.count;
        }
        assert_true(page_map_builder_finish(&builder, &err));
        decode_and_compare(&builder.encoded, blocks);
        page_map_builder_release(&builder);
    }
}

static void test_neighbours_become_one_run(void **state)
{
    struct error err;
    struct page_map_builder builder;
    (void)state;
    page_map_builder_init(&builder);
    for (uint32_t i = 0; i < 100000; i++) {
        struct page_run run = {.count = 1, .is_data = true, .pack = 3, .ordinal = 7 + i};
        page_map_builder_add(&builder, &run);
    }
    assert_true(page_map_builder_finish(&builder, &err));
    assert_int_equal(builder.encoded.len, 5); /* 3 bytes of count, pack, ordinal */
    page_map_builder_release(&builder);
}

static const struct {
    const char *what;
    uint64_t blocks;
    size_t len;
    uint8_t map[24];
} malformed[] = {
    {"nothing at all", 1, 0, {0}},
    {"an empty run", 1, 1, {0}},
    {"an empty run of data", 1, 3, {1, 0, 0}},
    {"a run beyond the file", 1, 1, {4}},
    {"too few blocks", 3, 1, {4}},
    {"a byte behind the last run", 1, 2, {2, 0}},
    {"bytes for a file without blocks", 0, 1, {2}},
    {"a run without its pack", 1, 1, {3}},
    {"a run without its ordinal", 1, 2, {3, 0}},
    {"a negative ordinal", 1, 3, {3, 0, 1}},
    {"an ordinal above 32 bits", 1, 8, {3, 0, 0x80, 0x80, 0x80, 0x80, 0x20, 0}},
    {"the last ordinal above 32 bits", 2, 7, {5, 0, 0xfe, 0xff, 0xff, 0xff, 0x1f}},
    {"a pack above 32 bits", 1, 7, {3, 0x80, 0x80, 0x80, 0x80, 0x10, 0}},
    {"a number that does not end", 1, 3, {0x80, 0x80, 0x80}},
    {"a number above 64 bits",
     1,
     11,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0}},
    {"more than 2^32 blocks in one run",
     UINT64_C(1) << 40,
     6,
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x40}},
};

static void test_malformed_maps_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        struct error err = {0};
        struct page_map_reader reader;
        struct page_run run;
        bool found = true;
        bool done = true;
        page_map_reader_init(&reader, malformed[i].map, malformed[i].len, malformed[i].blocks, "f");
        while (found && done)
            done = page_map_reader_next(&reader, &run, &found, &err);
        if (done || err.kind != ERROR_CORRUPT)
            fail_msg("%s was accepted", malformed[i].what);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_maps_come_back),
        cmocka_unit_test(test_neighbours_become_one_run),
        cmocka_unit_test(test_malformed_maps_are_refused),
    };
    return cmocka_run_group_tests_name("page_map", tests, NULL, NULL);
}
