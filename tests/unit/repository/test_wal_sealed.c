/* Sealed WAL chunks whose seals are right and whose content is not: made by somebody who holds the
 * key, or by a fault of ours. */
#include "base/macros.h"
#include "codec/digest.h"
#include "repository/wal_archive.h"
#include "tests/lib/sealed_repository.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    START = 8192 + 1000,
    FIRST_BYTES = 20000,
    SECOND_BYTES = 300000, /* two frames */
    END = START + FIRST_BYTES + SECOND_BYTES,
    OBJECT_MAX = 4 << 20,
    /* In the head of a chunk: two parts, the first with one frame. */
    COUNT_AT = 12,
    PART_AT = 16,
    PART_BYTES = 24 + 8 + 8 + 80 + 3 * 32,
    ROW_BYTES = 8,
    SECOND_AT = PART_AT + PART_BYTES + ROW_BYTES,
    START_AT = 24,
    END_AT = 32,
    WRAPPED_AT = 40,
    HASH_AT = 40 + 80 + 64,
};

static const struct wal_source source = {
    .system_identifier = 7, .timeline = 1, .segment_bytes = 16 << 20};

static uint8_t byte_at(uint64_t lsn)
{
    return (uint8_t)(lsn * 2654435761u >> 13);
}

static void put(const struct repository *repository, const struct wal_source *from, uint64_t start,
                size_t len)
{
    struct error err;
    CLEANUP(free_pointer) uint8_t *wal = malloc(len);
    assert_non_null(wal);
    for (size_t i = 0; i < len; i++)
        wal[i] = byte_at(start + i);
    if (!wal_chunk_put(repository, from, start, wal, len, NULL, &err))
        fail_msg("%s", err.text);
}

static struct wal_catalog load(const struct repository *repository)
{
    struct error err;
    struct wal_catalog catalog;
    assert_true(wal_catalog_load(repository, 0, 0, &catalog, &err));
    return catalog;
}

static const struct wal_chunk whole = {.timeline = 1, .start_lsn = START, .end_lsn = END};

/* A chunk of two parts as the only object; gives it, and what is in its head. */
static struct repository merged_chunk(struct buf *object, struct buf *head)
{
    size_t got;
    uint32_t sealed_bytes;
    const uint8_t *sealed;
    struct error err;
    struct reader reader;
    char key[WAL_KEY_SIZE];
    struct repository repository = sealed_repository();
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(&whole, key)};
    put(&repository, &source, START, FIRST_BYTES);
    put(&repository, &source, START + FIRST_BYTES, SECOND_BYTES);
    struct wal_catalog catalog = load(&repository);
    assert_true(wal_chunk_join(&repository, catalog.chunks, catalog.count, &whole, &err));
    for (size_t i = 0; i < catalog.count; i++) {
        char part[WAL_KEY_SIZE];
        assert_true(store_remove(repository.store, wal_chunk_key(&catalog.chunks[i], part), &err));
    }
    wal_catalog_release(&catalog);
    assert_true(store_get(repository.store, key, 0, OBJECT_MAX, buf_reserve(object, OBJECT_MAX),
                          &got, &err));
    object->len = got;
    reader_init(&reader, object->data, object->len, "a chunk");
    assert_true(seal_head_read(&reader, OBJECT_WAL, &repository, &place.id, &err));
    assert_true(reader_u32(&reader, &sealed_bytes, &err));
    assert_true(reader_bytes(&reader, sealed_bytes, &sealed, &err));
    assert_true(metadata_open(&repository, &place, sealed, sealed_bytes, "a chunk", head, &err));
    assert_int_equal(head->len, SECOND_AT + PART_BYTES + 2 * ROW_BYTES);
    return repository;
}

/* Stores the frames of `good` behind another head, with every seal and SHA-256 right. */
static struct wal_chunk store_with(const struct repository *repository, const struct buf *good,
                                   const struct buf *old_head, const struct buf *head)
{
    struct error err;
    char key[WAL_KEY_SIZE];
    uint8_t hash[SHA256_BYTES];
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(&whole, key)};
    size_t frames_at = SEALED_HEAD_BYTES + 4 + old_head->len + SEAL_OVERHEAD;
    struct wal_chunk chunk = whole;
    CLEANUP(buf_release) struct buf object;
    buf_init(&object, OBJECT_MAX);
    seal_id_new(repository, &place.id);
    seal_head_put(&object, OBJECT_WAL, repository, &place.id);
    buf_put_u32(&object, (uint32_t)(head->len + SEAL_OVERHEAD));
    assert_true(metadata_seal(repository, &place, head->data, head->len, &object, &err));
    buf_put(&object, good->data + frames_at, good->len - frames_at - SHA256_BYTES);
    digest_sha256(object.data, object.len, hash);
    buf_put(&object, hash, sizeof hash);
    assert_true(store_remove(repository->store, key, &err));
    assert_true(store_put(repository->store, key, object.data, object.len, NULL, &err));
    chunk.size_bytes = object.len;
    return chunk;
}

static bool read_whole(const struct repository *repository, const struct wal_chunk *chunk,
                       struct error *err)
{
    static uint8_t wal[FIRST_BYTES + SECOND_BYTES];
    if (!wal_chunk_read(repository, chunk, &source, START, sizeof wal, wal, err))
        return false;
    for (size_t i = 0; i < sizeof wal; i++)
        assert_int_equal(wal[i], byte_at(START + i));
    return true;
}

/* Nobody takes it for WAL: who reads, who merges, who only looks. */
static void expect_refused(const struct repository *repository, const struct wal_chunk *chunk,
                           const char *what)
{
    struct error err;
    uint8_t byte;
    char key[WAL_KEY_SIZE];
    struct wal_chunk longer = *chunk;
    (void)wal_chunk_key(chunk, key);
    const bool taken[] = {
        read_whole(repository, chunk, &err),
        wal_chunk_check_sealed(repository, chunk, &err),
        wal_chunk_join(repository, chunk, 1, &longer, &err),
        wal_chunk_read(repository, chunk, &source, END - 1, 1, &byte, &err),
    };
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (taken[i])
            fail_msg("a chunk with %s was taken (%zu)", what, i);
    assert_int_equal(err.kind, ERROR_CORRUPT);
    if (strstr(err.text, key) == NULL)
        fail_msg("a chunk with %s is not named: %s", what, err.text);
}

static void test_an_index_that_does_not_add_up_is_refused(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        size_t len;
        uint64_t value;
    } wrong[] = {
        {"no parts", COUNT_AT, 4, 0},
        {"more parts than there are", COUNT_AT, 4, 3},
        {"fewer parts than there are", COUNT_AT, 4, 1},
        {"parts without number", COUNT_AT, 4, UINT32_MAX},
        {"a part that begins in front of it", PART_AT + START_AT, 8, START - 1},
        {"a part that begins late", PART_AT + START_AT, 8, START + 1},
        {"a part that ends before it begins", PART_AT + END_AT, 8, START},
        {"a gap between its parts", PART_AT + END_AT, 8, START + FIRST_BYTES - 1},
        {"a gap in front of a part", SECOND_AT + START_AT, 8, START + FIRST_BYTES + 1},
        {"a part that adds nothing", PART_AT + END_AT, 8, END},
        {"a part that ends early", SECOND_AT + END_AT, 8, END - 1},
        {"a part that ends behind it", SECOND_AT + END_AT, 8, END + 1},
        {"a part that ends at the end of time", SECOND_AT + END_AT, 8, UINT64_MAX},
        {"an unknown codec", PART_AT + PART_BYTES, 4, CODEC_COUNT},
        {"a frame of nothing", PART_AT + PART_BYTES + 4, 4, SEAL_OVERHEAD},
        {"a frame that is too long", PART_AT + PART_BYTES + 4, 4, UINT32_MAX},
        {"frames that do not fill it", PART_AT + PART_BYTES + 4, 4, FIRST_BYTES},
    };
    CLEANUP(buf_release) struct buf object;
    CLEANUP(buf_release) struct buf head;
    CLEANUP(buf_release) struct buf bad;
    struct error err;
    (void)state;
    buf_init(&object, OBJECT_MAX);
    buf_init(&head, OBJECT_MAX);
    buf_init(&bad, OBJECT_MAX);
    struct repository repository = merged_chunk(&object, &head);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        buf_clear(&bad);
        buf_put(&bad, head.data, head.len);
        for (size_t j = 0; j < wrong[i].len; j++)
            bad.data[wrong[i].at + j] = (uint8_t)(wrong[i].value >> (8 * j));
        struct wal_chunk chunk = store_with(&repository, &object, &head, &bad);
        expect_refused(&repository, &chunk, wrong[i].what);
    }
    buf_put_u8(&head, 0);
    struct wal_chunk chunk = store_with(&repository, &object, &head, &head);
    expect_refused(&repository, &chunk, "bytes behind its parts");
    head.len--;
    chunk = store_with(&repository, &object, &head, &head);
    if (!read_whole(&repository, &chunk, &err)) /* it was not the making of it */
        fail_msg("%s", err.text);
    store_close(repository.store);
}

/* Without a key that opens content, before the chunks that it was made of are removed. */
static void test_damaged_frames_are_found_without_opening_them(void **state)
{
    CLEANUP(buf_release) struct buf object;
    CLEANUP(buf_release) struct buf head;
    struct error err;
    struct wal_chunk merged = whole;
    (void)state;
    buf_init(&object, OBJECT_MAX);
    buf_init(&head, OBJECT_MAX);
    struct repository repository = merged_chunk(&object, &head);
    object.data[object.len - SHA256_BYTES - 100] ^= 1;
    struct wal_chunk chunk = store_with(&repository, &object, &head, &head);
    assert_false(wal_chunk_check_sealed(&repository, &chunk, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_false(wal_chunk_join(&repository, &chunk, 1, &merged, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_false(read_whole(&repository, &chunk, &err));
    store_close(repository.store);
}

/* A part's key is wrapped for its generation; what was put in its place does not open. */
static void test_a_part_with_another_key_is_refused(void **state)
{
    CLEANUP(buf_release) struct buf object;
    CLEANUP(buf_release) struct buf head;
    struct error err;
    (void)state;
    buf_init(&object, OBJECT_MAX);
    buf_init(&head, OBJECT_MAX);
    struct repository repository = merged_chunk(&object, &head);
    uint8_t kept[CONTENT_WRAPPED_BYTES];
    memcpy(kept, head.data + PART_AT + WRAPPED_AT, sizeof kept);
    memcpy(head.data + PART_AT + WRAPPED_AT, head.data + SECOND_AT + WRAPPED_AT, sizeof kept);
    struct wal_chunk chunk = store_with(&repository, &object, &head, &head);
    assert_false(read_whole(&repository, &chunk, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    memset(head.data + PART_AT + WRAPPED_AT, 0, sizeof kept);
    chunk = store_with(&repository, &object, &head, &head);
    assert_false(read_whole(&repository, &chunk, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    memcpy(head.data + PART_AT + WRAPPED_AT, kept, sizeof kept);
    head.data[PART_AT] ^= 1; /* its generation */
    chunk = store_with(&repository, &object, &head, &head);
    assert_false(read_whole(&repository, &chunk, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    store_close(repository.store);
}

static void test_wal_of_another_system_is_neither_read_nor_merged(void **state)
{
    struct wal_source other = source;
    struct wal_source small = source;
    struct error err;
    uint8_t byte;
    (void)state;
    other.system_identifier++;
    small.segment_bytes /= 2;
    struct repository repository = sealed_repository();
    put(&repository, &source, START, FIRST_BYTES);
    put(&repository, &other, START + FIRST_BYTES, SECOND_BYTES);
    struct wal_catalog catalog = load(&repository);
    assert_false(wal_chunk_read(&repository, &catalog.chunks[0], &other, START, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(wal_chunk_read(&repository, &catalog.chunks[0], &small, START, 1, &byte, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(wal_chunk_join(&repository, catalog.chunks, catalog.count, &whole, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    wal_catalog_release(&catalog);
    catalog = load(&repository);
    assert_int_equal(catalog.count, 2); /* nothing was stored */
    wal_catalog_release(&catalog);
    store_close(repository.store);
}

static void test_what_has_a_gap_is_not_merged(void **state)
{
    struct error err;
    (void)state;
    struct repository repository = sealed_repository();
    put(&repository, &source, START, FIRST_BYTES - 1);
    put(&repository, &source, START + FIRST_BYTES, SECOND_BYTES);
    struct wal_catalog catalog = load(&repository);
    assert_false(wal_chunk_join(&repository, catalog.chunks, catalog.count, &whole, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_false(wal_chunk_join(&repository, catalog.chunks, 1, &whole, &err)); /* ends early */
    assert_int_equal(err.kind, ERROR_CORRUPT);
    wal_catalog_release(&catalog);
    catalog = load(&repository);
    assert_int_equal(catalog.count, 2);
    wal_catalog_release(&catalog);
    store_close(repository.store);
}

/* What a stream compares the server with before it goes on, when it cannot open the WAL. */
static void test_the_end_of_a_chunk_is_told_from_other_wal(void **state)
{
    enum { IN_PAGE = END % 8192 };
    uint8_t bytes[IN_PAGE];
    bool same;
    struct error err;
    struct wal_chunk_end end;
    CLEANUP(buf_release) struct buf object;
    CLEANUP(buf_release) struct buf head;
    (void)state;
    buf_init(&object, OBJECT_MAX);
    buf_init(&head, OBJECT_MAX);
    struct repository repository = merged_chunk(&object, &head);
    struct wal_chunk chunk = whole;
    chunk.size_bytes = object.len;
    assert_true(wal_chunk_end(&repository, &chunk, &end, &err));
    assert_int_equal(end.len, IN_PAGE);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = byte_at(END - IN_PAGE + i);
    assert_true(wal_chunk_end_is(&repository, &end, bytes, &same, &err));
    assert_true(same);
    bytes[0] ^= 1;
    assert_true(wal_chunk_end_is(&repository, &end, bytes, &same, &err));
    assert_false(same);
    end.generation[0] ^= 1;
    assert_false(wal_chunk_end_is(&repository, &end, bytes, &same, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    store_close(repository.store);
}

static void test_an_object_of_an_impossible_size_is_refused(void **state)
{
    struct error err;
    struct wal_source found;
    (void)state;
    struct repository repository = sealed_repository();
    put(&repository, &source, START, FIRST_BYTES);
    struct wal_catalog catalog = load(&repository);
    struct wal_chunk chunk = catalog.chunks[0];
    const uint64_t sizes[] = {
        0, 1, SEALED_HEAD_BYTES, chunk.size_bytes - 1, chunk.size_bytes + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        chunk.size_bytes = sizes[i];
        assert_false(wal_chunk_source(&repository, &chunk, &found, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
        assert_false(wal_chunk_check_sealed(&repository, &chunk, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
    wal_catalog_release(&catalog);
    store_close(repository.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_index_that_does_not_add_up_is_refused),
        cmocka_unit_test(test_damaged_frames_are_found_without_opening_them),
        cmocka_unit_test(test_a_part_with_another_key_is_refused),
        cmocka_unit_test(test_wal_of_another_system_is_neither_read_nor_merged),
        cmocka_unit_test(test_what_has_a_gap_is_not_merged),
        cmocka_unit_test(test_the_end_of_a_chunk_is_told_from_other_wal),
        cmocka_unit_test(test_an_object_of_an_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
