#include "repository/pack_writer.h"

#include "base/cleanup.h"
#include "repository/page_reader.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pack_writer *writer_new(const struct repository *repository, int threads, int uploads)
{
    struct error err;
    struct pack_writer *writer;
    struct pack_writer_options options = {.writer_id = {7}, .threads = threads, .uploads = uploads};
    assert_true(pack_writer_new(repository, &options, &writer, &err));
    return writer;
}

/* The page with this sequence number: the same each time it is asked for. */
static void make_page(uint8_t page[PAGE_BYTES], uint32_t sequence)
{
    struct fixture_random random = {.state = sequence};
    fixture_page(page, sequence / 40 % 2 == 0 ? PAGE_NOISE : PAGE_TEXT, sequence, &random);
}

static void add_pages(struct pack_writer *writer, uint32_t count)
{
    struct error err;
    uint8_t page[PAGE_BYTES];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t sequence;
        make_page(page, i);
        assert_true(pack_writer_add(writer, page, &sequence, &err));
        assert_int_equal(sequence, i);
    }
}

struct expectation {
    uint32_t first_sequence;
    uint32_t next_ordinal;
};

static bool expect_pages(void *context, uint32_t ordinal, uint32_t count, const uint8_t *pages,
                         struct error *err)
{
    struct expectation *expected = context;
    uint8_t page[PAGE_BYTES];
    (void)err;
    assert_int_equal(ordinal, expected->next_ordinal);
    for (uint32_t i = 0; i < count; i++) {
        make_page(page, expected->first_sequence + ordinal + i);
        assert_memory_equal(pages + (size_t)i * PAGE_BYTES, page, PAGE_BYTES);
    }
    expected->next_ordinal += count;
    return true;
}

static void check_whole(const struct repository *repository, const struct written_pack *pack)
{
    struct error err;
    struct pack_index index;
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    static uint8_t pages[FRAME_BYTES];
    struct expectation expected = {.first_sequence = pack->first_sequence};
    buf_init(&bytes, PACK_MAX_BYTES);
    assert_true(codec_context_new(&codec, &err));
    if (!pack_read_whole(repository, &pack->ref, &bytes, &index, &err))
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < index.frame_count; i++) {
        const struct pack_frame *frame = &index.frames[i];
        assert_true(pack_frame_decode(&index, frame, codec, bytes.data + frame->offset, pages,
                                      "a pack", &err));
        assert_true(expect_pages(&expected, frame->first_ordinal, frame->page_count, pages, &err));
    }
    assert_int_equal(expected.next_ordinal, pack->ref.page_count);
    pack_index_release(&index);
}

static void check_packs(const struct repository *repository, const struct pack_writer *writer,
                        uint32_t pages)
{
    struct error err;
    size_t count;
    uint32_t sequence = 0;
    CLEANUP(page_reader_cleanup) struct page_reader *reader = NULL;
    const struct written_pack *packs = pack_writer_packs(writer, &count);
    assert_true(page_reader_new(repository, &reader, &err));
    for (size_t i = 0; i < count; i++) {
        const struct pack_index *index;
        struct expectation expected = {.first_sequence = sequence};
        struct page_range all = {.ordinal = 0, .count = packs[i].ref.page_count};
        assert_int_equal(packs[i].first_sequence, sequence);
        assert_true(page_reader_select(reader, &packs[i].ref, &index, &err));
        if (!page_reader_visit(reader, &all, 1, expect_pages, &expected, &err))
            fail_msg("%s", err.text);
        assert_int_equal(expected.next_ordinal, packs[i].ref.page_count);
        check_whole(repository, &packs[i]);
        sequence += packs[i].ref.page_count;
    }
    assert_int_equal(sequence, pages);
}

static void test_pages_come_back_with_every_codec_and_number_of_threads(void **state)
{
    static const uint32_t page_counts[] = {0, 1, 31, 32, 33, 700};
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (int threads = 1; threads <= 4; threads++) {
            for (size_t i = 0; i < ARRAY_LEN(page_counts); i++) {
                struct error err;
                struct repository repository = fixture_repository((enum codec)codec);
                struct pack_writer *writer = writer_new(&repository, threads, 1 + threads % 3);
                add_pages(writer, page_counts[i]);
                assert_true(pack_writer_finish(writer, &err));
                check_packs(&repository, writer, page_counts[i]);
                pack_writer_free(writer);
                fixture_close(&repository);
            }
        }
    }
}

static void test_packs_keep_near_their_size(void **state)
{
    struct error err;
    size_t count;
    (void)state;
    struct repository repository = fixture_repository(CODEC_NONE);
    struct pack_writer *writer = writer_new(&repository, 2, 2);
    add_pages(writer, 1000);
    assert_true(pack_writer_finish(writer, &err));
    const struct written_pack *packs = pack_writer_packs(writer, &count);
    assert_int_equal(count, 11); /* three frames of 256 KiB fit into 1 MiB with a header */
    for (size_t i = 0; i < count; i++)
        assert_true(packs[i].ref.size_bytes <= (1 << 20) + PACK_MAX_PAGES);
    pack_writer_free(writer);
    fixture_close(&repository);
}

/* Frames of other ranges are skipped, and pages may be asked for twice. */
static void test_ranges_are_read_in_pieces_and_again(void **state)
{
    struct error err;
    size_t count;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    const struct pack_index *index;
    CLEANUP(page_reader_cleanup) struct page_reader *reader = NULL;
    struct fixture_random random = {.state = 8};
    (void)state;
    repository.settings.pack_bytes = 8 << 20;
    struct pack_writer *writer = writer_new(&repository, 2, 1);
    add_pages(writer, 600);
    assert_true(pack_writer_finish(writer, &err));
    const struct written_pack *packs = pack_writer_packs(writer, &count);
    assert_int_equal(count, 1);
    assert_true(page_reader_new(&repository, &reader, &err));
    assert_true(page_reader_select(reader, &packs[0].ref, &index, &err));
    for (int round = 0; round < 300; round++) {
        struct page_range range = {.ordinal = (uint32_t)fixture_below(&random, 600)};
        range.count = (uint32_t)(1 + fixture_below(&random, 600 - range.ordinal));
        struct expectation expected = {.next_ordinal = range.ordinal};
        assert_true(page_reader_visit(reader, &range, 1, expect_pages, &expected, &err));
        assert_int_equal(expected.next_ordinal, range.ordinal + range.count);
    }
    struct page_range beyond[] = {{600, 1}, {599, 2}, {0, 601}, {UINT32_MAX, 2}};
    for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
        assert_false(page_reader_visit(reader, &beyond[i], 1, expect_pages, NULL, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
    pack_writer_free(writer);
    fixture_close(&repository);
}

static void test_a_failing_store_ends_the_writer_with_its_error(void **state)
{
    struct error err;
    struct store *fault;
    (void)state;
    for (int at_call = 1; at_call <= 4; at_call++) {
        for (int threads = 1; threads <= 4; threads += 3) {
            struct repository repository = fixture_repository(CODEC_ZSTD);
            assert_true(store_fault_open(repository.store, &fault, &err));
            repository.store = fault;
            struct fault full = {.ops = FAULT_PUT, .at_call = at_call, .kind = ERROR_NO_SPACE};
            store_fault_set(fault, &full);
            struct pack_writer *writer = writer_new(&repository, threads, 1);
            bool done = true;
            uint8_t page[PAGE_BYTES];
            for (uint32_t i = 0; done && i < 2000; i++) {
                uint32_t sequence;
                make_page(page, i);
                done = pack_writer_add(writer, page, &sequence, &err);
            }
            if (done)
                done = pack_writer_finish(writer, &err);
            assert_false(done);
            assert_int_equal(err.kind, ERROR_NO_SPACE);
            assert_non_null(strstr(err.text, "could not store pack \"packs/"));
            assert_false(pack_writer_finish(writer, &err)); /* again, and it says so again */
            assert_int_equal(err.kind, ERROR_NO_SPACE);
            pack_writer_free(writer);
            store_close(fault);
        }
    }
}

static void test_an_abandoned_writer_stops_its_threads(void **state)
{
    static const uint32_t page_counts[] = {0, 1, 32, 500};
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct repository repository = fixture_repository(CODEC_ZSTD);
        struct pack_writer *writer = writer_new(&repository, 1 + round % 4, 1 + round % 2);
        add_pages(writer, page_counts[round % 4]);
        pack_writer_free(writer);
        fixture_close(&repository);
    }
    pack_writer_free(NULL);
}

/* A repeated put of the same pack (a retry after a lost answer) is not an error. */
static void test_a_pack_that_is_already_there_is_fine(void **state)
{
    struct error err;
    (void)state;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    for (int round = 0; round < 2; round++) {
        struct pack_writer *writer = writer_new(&repository, 2, 2);
        add_pages(writer, 100);
        assert_true(pack_writer_finish(writer, &err));
        check_packs(&repository, writer, 100);
        pack_writer_free(writer);
    }
    fixture_close(&repository);
}

static void test_damaged_packs_are_noticed(void **state)
{
    struct error err;
    size_t count;
    size_t got;
    char key[PACK_KEY_SIZE];
    struct pack_index index;
    (void)state;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    struct repository other = fixture_repository(CODEC_ZSTD);
    struct pack_writer *writer = writer_new(&repository, 1, 1);
    add_pages(writer, 40);
    assert_true(pack_writer_finish(writer, &err));
    const struct pack_ref *ref = &pack_writer_packs(writer, &count)[0].ref;
    CLEANUP(free_pointer) uint8_t *bytes = malloc(ref->size_bytes);
    CLEANUP(buf_release) struct buf whole;
    buf_init(&whole, PACK_MAX_BYTES);
    (void)pack_key(ref->id, key);
    assert_true(store_get(repository.store, key, 0, ref->size_bytes, bytes, &got, &err));
    static const struct {
        size_t flip_at; /* SIZE_MAX: none */
        size_t cut;
    } damages[] = {{0, 0}, {35, 0}, {50, 0}, {SIZE_MAX, 1}, {SIZE_MAX, 100}, {200000, 0}};
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        CLEANUP(free_pointer) uint8_t *damaged = malloc(ref->size_bytes);
        memcpy(damaged, bytes, ref->size_bytes);
        if (damages[i].flip_at != SIZE_MAX)
            damaged[damages[i].flip_at] ^= 4;
        assert_true(store_remove(other.store, key, &err));
        assert_true(
            store_put(other.store, key, damaged, ref->size_bytes - damages[i].cut, NULL, &err));
        assert_false(pack_read_whole(&other, ref, &whole, &index, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
        assert_non_null(strstr(err.text, key));
    }
    assert_true(store_remove(other.store, key, &err));
    assert_false(pack_read_whole(&other, ref, &whole, &index, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    pack_writer_free(writer);
    fixture_close(&repository);
    fixture_close(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_come_back_with_every_codec_and_number_of_threads),
        cmocka_unit_test(test_packs_keep_near_their_size),
        cmocka_unit_test(test_ranges_are_read_in_pieces_and_again),
        cmocka_unit_test(test_a_failing_store_ends_the_writer_with_its_error),
        cmocka_unit_test(test_an_abandoned_writer_stops_its_threads),
        cmocka_unit_test(test_a_pack_that_is_already_there_is_fine),
        cmocka_unit_test(test_damaged_packs_are_noticed),
    };
    return cmocka_run_group_tests_name("pack_writer", tests, NULL, NULL);
}
