#include "codec/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RAW = 50000, STORED_MAX = 2 * RAW };

static uint8_t raw[RAW];
static uint8_t stored[STORED_MAX];
static uint8_t back[RAW + 1];

static size_t compress_some(struct codec_context *context, enum codec codec, size_t len)
{
    struct error err;
    size_t stored_len;
    int min;
    int max;
    int usual;
    codec_levels(codec, &min, &max, &usual);
    for (size_t i = 0; i < len; i++)
        raw[i] = (uint8_t)(i * i >> 7);
    assert_true(codec_bound(codec, len) <= STORED_MAX);
    assert_true(codec_compress(context, codec, usual, raw, len, stored, &stored_len, &err));
    return stored_len;
}

static void test_only_the_exact_length_and_the_whole_piece_will_do(void **state)
{
    struct error err;
    struct codec_context *context;
    (void)state;
    assert_true(codec_context_new(&context, &err));
    for (int i = 0; i < CODEC_COUNT; i++) {
        enum codec codec = (enum codec)i;
        size_t len = compress_some(context, codec, RAW);
        assert_true(codec_decompress(context, codec, stored, len, back, RAW, &err));
        assert_memory_equal(raw, back, RAW);
        static const int wrong[] = {-1, 1};
        for (size_t j = 0; j < 2; j++) {
            assert_false(codec_decompress(context, codec, stored, len, back,
                                          (size_t)(RAW + wrong[j]), &err));
            assert_int_equal(err.kind, ERROR_CORRUPT);
            stored[len] = 0;
            assert_false(
                codec_decompress(context, codec, stored, len + (size_t)wrong[j], back, RAW, &err));
            assert_int_equal(err.kind, ERROR_CORRUPT);
        }
    }
    codec_context_free(context);
}

/* Two frames that are right together are not one frame. */
static void test_two_frames_are_refused(void **state)
{
    struct error err;
    struct codec_context *context;
    (void)state;
    assert_true(codec_context_new(&context, &err));
    size_t len = compress_some(context, CODEC_ZSTD, RAW / 2);
    memcpy(stored + len, stored, len);
    assert_false(codec_decompress(context, CODEC_ZSTD, stored, 2 * len, back, RAW, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    codec_context_free(context);
}

static void test_names_and_ids(void **state)
{
    enum codec codec;
    (void)state;
    for (int i = 0; i < CODEC_COUNT; i++) {
        assert_true(codec_from_name(codec_name((enum codec)i), &codec));
        assert_int_equal(codec, i);
    }
    assert_false(codec_from_name("lz4", &codec));
    assert_false(codec_from_name("", &codec));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_exact_length_and_the_whole_piece_will_do),
        cmocka_unit_test(test_two_frames_are_refused),
        cmocka_unit_test(test_names_and_ids),
    };
    return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
