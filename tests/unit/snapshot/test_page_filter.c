#include "snapshot/page_filter.h"

#include "base/cleanup.h"
#include "codec/digest.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { START = 1000 };

/*
 * The parent: "rel" (by LSN) and "vm" (by content), each with block 0 in pack 0, block 1 zeros,
 * block 2 in pack 1 (missing), block 3 in pack 2 (sparse), block 4 in pack 0, and a partial block 5
 * in pack 0.
 */
enum { OLD_BLOCKS = 6 };
static const uint64_t old_size = 5 * PAGE_BYTES + 100;
static struct manifest parent_manifest;
static struct page_filter_parent parent;
static uint8_t states[] = {PACK_USABLE, PACK_MISSING, PACK_SPARSE};
static uint8_t vm_pages[OLD_BLOCKS][PAGE_BYTES];

static void add_old_file(const char *path, uint32_t flags)
{
    static const struct page_run runs[] = {
        {.count = 1, .is_data = true, .pack = 0, .ordinal = 10},
        {.count = 1},
        {.count = 1, .is_data = true, .pack = 1, .ordinal = 5},
        {.count = 1, .is_data = true, .pack = 2, .ordinal = 7},
        {.count = 2, .is_data = true, .pack = 0, .ordinal = 20},
    };
    struct error err;
    struct page_map_builder map;
    struct manifest_entry entry = {
        .kind = ENTRY_FILE, .path = strdup(path), .flags = flags, .size_bytes = old_size};
    page_map_builder_init(&map);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        page_map_builder_add(&map, &runs[i]);
    assert_true(page_map_builder_finish(&map, &err));
    entry.map = map.encoded.data;
    entry.map_bytes = map.encoded.len;
    if ((flags & ENTRY_HASHES) != 0) {
        entry.hashes = malloc((size_t)OLD_BLOCKS * BLOCK_HASH_BYTES);
        for (size_t i = 0; i < OLD_BLOCKS; i++) {
            uint8_t hash[SHA256_BYTES];
            digest_sha256(vm_pages[i], PAGE_BYTES, hash);
            memcpy(entry.hashes + i * BLOCK_HASH_BYTES, hash, BLOCK_HASH_BYTES);
        }
    }
    assert_true(manifest_add_entry(&parent_manifest, &entry, &err));
}

static int set_up(void **state)
{
    struct error err;
    struct fixture_random random = {.state = 1};
    (void)state;
    for (size_t i = 0; i < OLD_BLOCKS; i++)
        if (i != 1)
            fixture_page(vm_pages[i], PAGE_NOISE, 1, &random);
    memset(vm_pages[5] + 100, 0, PAGE_BYTES - 100);
    manifest_init(&parent_manifest);
    add_old_file("rel", ENTRY_RELATION);
    add_old_file("vm", ENTRY_HASHES);
    add_old_file("wal", 0);
    assert_true(manifest_sort(&parent_manifest, &err));
    parent = (struct page_filter_parent){
        .manifest = &parent_manifest, .start_lsn = START, .pack_states = states};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    manifest_release(&parent_manifest);
    return 0;
}

/* Decides about this block after all before it. */
static enum page_verdict decide(const char *path, bool by_lsn, uint64_t block, const uint8_t *bytes,
                                bool partial, struct page_run *out)
{
    struct page_filter filter;
    struct page_run ignored;
    uint8_t hash[SHA256_BYTES];
    uint8_t other[PAGE_BYTES] = {0};
    other[PAGE_BYTES - 1] = 9; /* LSN 0: always taken, so that nothing is counted */
    page_filter_init(&filter, &parent, path, by_lsn);
    digest_sha256(other, PAGE_BYTES, hash);
    for (uint64_t i = 0; i < block; i++)
        (void)page_filter_decide(&filter, i, other, false, hash, &ignored);
    digest_sha256(bytes, PAGE_BYTES, hash);
    return page_filter_decide(&filter, block, bytes, partial, hash, out);
}

static enum page_verdict decide_lsn(uint64_t block, uint64_t lsn, bool partial,
                                    struct page_run *out)
{
    uint8_t page[PAGE_BYTES];
    struct fixture_random random = {.state = 2};
    fixture_page(page, PAGE_NOISE, lsn, &random);
    return decide("rel", true, block, page, partial, out);
}

static void test_relations_are_judged_by_lsn(void **state)
{
    static const struct {
        const char *what;
        uint64_t block;
        uint64_t lsn;
        bool partial;
        enum page_verdict verdict;
    } cases[] = {
        {"below the parent's start", 0, START - 1, false, PAGE_REUSE},
        {"far below", 4, 1, false, PAGE_REUSE},
        {"at the parent's start", 0, START, false, PAGE_TAKE},
        {"above", 0, START + 1, false, PAGE_TAKE},
        {"far above 32 bits", 0, UINT64_C(1) << 40, false, PAGE_TAKE},
        {"never logged", 0, 0, false, PAGE_TAKE},
        {"zeros in the parent", 1, 1, false, PAGE_TAKE},
        {"the pack is missing", 2, 1, false, PAGE_TAKE},
        {"a partial block now", 4, 1, true, PAGE_TAKE},
        {"a partial block in the parent", 5, 1, false, PAGE_TAKE},
        {"beyond the parent's file", 6, 1, false, PAGE_TAKE},
        {"far beyond", 100, 1, false, PAGE_TAKE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_run run;
        if (decide_lsn(cases[i].block, cases[i].lsn, cases[i].partial, &run) != cases[i].verdict)
            fail_msg("%s", cases[i].what);
    }
}

static void test_a_reused_page_has_the_parents_address(void **state)
{
    struct page_run run;
    (void)state;
    assert_int_equal(decide_lsn(0, 1, false, &run), PAGE_REUSE);
    assert_true(run.is_data && run.count == 1 && run.pack == 0 && run.ordinal == 10);
    assert_int_equal(decide_lsn(4, 1, false, &run), PAGE_REUSE);
    assert_true(run.pack == 0 && run.ordinal == 20);
}

static void test_content_is_compared_where_lsns_say_nothing(void **state)
{
    struct page_run run;
    uint8_t page[PAGE_BYTES];
    (void)state;
    assert_int_equal(decide("vm", false, 0, vm_pages[0], false, &run), PAGE_REUSE);
    assert_int_equal(run.ordinal, 10);
    assert_int_equal(decide("vm", false, 4, vm_pages[4], false, &run), PAGE_REUSE);
    assert_int_equal(decide("vm", false, 5, vm_pages[5], true, &run), PAGE_REUSE);
    assert_int_equal(run.ordinal, 21);
    assert_int_equal(decide("vm", false, 4, vm_pages[0], false, &run), PAGE_TAKE);
    assert_int_equal(decide("vm", false, 2, vm_pages[2], false, &run), PAGE_TAKE); /* missing */
    assert_int_equal(decide("vm", false, 6, vm_pages[0], false, &run), PAGE_TAKE);
    memcpy(page, vm_pages[0], PAGE_BYTES);
    page[PAGE_BYTES - 1] ^= 1;
    assert_int_equal(decide("vm", false, 0, page, false, &run), PAGE_TAKE);
    /* WAL has no hashes, and nothing of it is reused. */
    assert_int_equal(decide("wal", false, 0, vm_pages[0], false, &run), PAGE_TAKE);
}

static void test_files_that_changed_their_kind_are_taken(void **state)
{
    struct page_run run;
    uint8_t page[PAGE_BYTES];
    struct fixture_random random = {.state = 2};
    (void)state;
    fixture_page(page, PAGE_NOISE, 1, &random);
    assert_int_equal(decide("vm", true, 0, page, false, &run), PAGE_TAKE);
    assert_int_equal(decide("rel", false, 0, page, false, &run), PAGE_TAKE);
    assert_int_equal(decide("new", true, 0, page, false, &run), PAGE_TAKE);
    parent.manifest = NULL;
    assert_int_equal(decide("rel", true, 0, page, false, &run), PAGE_TAKE);
    assert_int_equal(decide("vm", false, 0, vm_pages[0], false, &run), PAGE_TAKE);
}

static void test_zeros_are_never_stored(void **state)
{
    struct page_run run;
    uint8_t zeros[PAGE_BYTES] = {0};
    (void)state;
    for (uint64_t block = 0; block < 8; block++) {
        assert_int_equal(decide("rel", true, block, zeros, false, &run), PAGE_ZERO);
        assert_int_equal(decide("vm", false, block, zeros, true, &run), PAGE_ZERO);
        assert_int_equal(decide("new", true, block, zeros, false, &run), PAGE_ZERO);
    }
}

static void test_sparse_packs_are_left_while_the_budget_lasts(void **state)
{
    struct page_run run;
    (void)state;
    assert_int_equal(decide_lsn(3, 1, false, &run), PAGE_REUSE); /* no budget */
    parent.sparse_budget_pages = 2;
    assert_int_equal(decide_lsn(3, 1, false, &run), PAGE_TAKE);
    assert_int_equal(decide_lsn(3, 1, false, &run), PAGE_TAKE);
    assert_int_equal(parent.sparse_budget_pages, 0);
    assert_int_equal(decide_lsn(3, 1, false, &run), PAGE_REUSE);
    assert_true(run.pack == 2 && run.ordinal == 7);
}

static void test_pages_of_missing_packs_are_counted(void **state)
{
    struct page_run run;
    (void)state;
    assert_int_equal(decide_lsn(2, 1, false, &run), PAGE_TAKE);
    assert_int_equal(decide_lsn(2, START, false, &run), PAGE_TAKE); /* changed: not healed */
    assert_int_equal(parent.healed_pages, 1);
}

static void test_all_reused_means_nothing_was_new(void **state)
{
    struct page_filter filter;
    struct page_run run;
    uint8_t page[PAGE_BYTES];
    uint8_t zeros[PAGE_BYTES] = {0};
    struct fixture_random random = {.state = 2};
    (void)state;
    fixture_page(page, PAGE_NOISE, 1, &random);
    page_filter_init(&filter, &parent, "rel", true);
    assert_true(filter.all_reused);
    (void)page_filter_decide(&filter, 0, page, false, NULL, &run);
    (void)page_filter_decide(&filter, 1, zeros, false, NULL, &run);
    (void)page_filter_decide(&filter, 2, page, false, NULL, &run); /* healed, but not changed */
    assert_true(filter.all_reused);
    (void)page_filter_decide(&filter, 3, zeros, false, NULL, &run); /* was data */
    assert_false(filter.all_reused);
}

/* An old LSN on a page that is not the old page: LSNs do not tell the truth here. */
static void test_hashes_at_hand_contradict_a_false_lsn(void **state)
{
    struct page_filter filter;
    struct page_run run;
    uint8_t page[PAGE_BYTES];
    uint64_t hashes[30] = {0};
    struct pack_index samples[3] = {{.page_hashes = hashes, .page_count = ARRAY_LEN(hashes)}};
    struct fixture_random random = {.state = 2};
    (void)state;
    fixture_page(page, PAGE_NOISE, 1, &random);
    hashes[10] = digest_xxh3(page, PAGE_BYTES); /* block 0; block 4 is page 20 */
    parent.samples = samples;
    page_filter_init(&filter, &parent, "rel", true);
    assert_int_equal(page_filter_decide(&filter, 0, page, false, NULL, &run), PAGE_REUSE);
    assert_false(filter.contradiction);
    assert_int_equal(page_filter_decide(&filter, 3, page, false, NULL, &run), PAGE_REUSE);
    assert_false(filter.contradiction); /* the hashes of that pack are not at hand */
    assert_int_equal(page_filter_decide(&filter, 4, page, false, NULL, &run), PAGE_REUSE);
    assert_true(filter.contradiction);
}

/* A damaged map (manifest_load would refuse it) must never hand out an address. */
static void test_a_map_that_does_not_decode_reuses_nothing(void **state)
{
    struct page_run run;
    (void)state;
    for (size_t i = 0; i < parent_manifest.entry_count; i++)
        parent_manifest.entries[i].map_bytes = 4;
    assert_int_equal(decide_lsn(0, 1, false, &run), PAGE_REUSE);
    assert_int_equal(decide_lsn(4, 1, false, &run), PAGE_TAKE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_relations_are_judged_by_lsn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reused_page_has_the_parents_address, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_content_is_compared_where_lsns_say_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_changed_their_kind_are_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_zeros_are_never_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sparse_packs_are_left_while_the_budget_lasts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pages_of_missing_packs_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_reused_means_nothing_was_new, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hashes_at_hand_contradict_a_false_lsn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_map_that_does_not_decode_reuses_nothing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("page_filter", tests, NULL, NULL);
}
