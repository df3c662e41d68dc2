#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_numbers_come_back(void **state)
{
    static const uint64_t numbers[] = {
        0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};
    static const int64_t signs[] = {0, -1, 1, -64, 64, INT64_MAX, INT64_MIN};
    struct error err;
    struct buf buf;
    struct reader reader;
    uint64_t u64;
    int64_t i64;
    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        buf_put_varint(&buf, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        buf_put_signed(&buf, signs[i]);
    buf_put_u16(&buf, 0x1234);
    assert_true(buf_check(&buf, "x", &err));
    reader_init(&reader, buf.data, buf.len, "x");
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_true(reader_varint(&reader, &u64, &err));
        assert_true(u64 == numbers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        assert_true(reader_signed(&reader, &i64, &err));
        assert_true(i64 == signs[i]);
    }
    const uint8_t *bytes;
    assert_true(reader_bytes(&reader, 2, &bytes, &err));
    assert_true(bytes[0] == 0x34 && bytes[1] == 0x12); /* little-endian on every machine */
    assert_int_equal(reader_left(&reader), 0);
    buf_release(&buf);
}

static void test_signed_numbers_are_as_the_format_says(void **state)
{
    static const struct {
        int64_t value;
        uint8_t byte;
    } cases[] = {{0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {2, 4}, {-64, 127}};
    struct buf buf;
    (void)state;
    buf_init(&buf, 100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&buf);
        buf_put_signed(&buf, cases[i].value);
        assert_int_equal(buf.len, 1);
        assert_int_equal(buf.data[0], cases[i].byte);
    }
    buf_release(&buf);
}

static void test_a_reader_stops_at_the_end(void **state)
{
    static const uint8_t bytes[] = {3, 'a', 0, 'c', 0x80};
    struct error err;
    struct reader reader;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    char *text;
    (void)state;
    reader_init(&reader, bytes, 1, "thing");
    assert_false(reader_u16(&reader, &u16, &err));
    assert_false(reader_u32(&reader, &u32, &err));
    assert_false(reader_u64(&reader, &u64, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_string_equal(err.text, "thing is damaged: it ends too early at byte 0");
    assert_true(reader_u8(&reader, &u8, &err));
    assert_false(reader_u8(&reader, &u8, &err));
    reader_init(&reader, bytes, 4, "thing");
    assert_false(reader_text(&reader, 10, &text, &err)); /* a zero byte inside */
    reader_init(&reader, bytes, 3, "thing");
    assert_false(reader_text(&reader, 10, &text, &err)); /* cut off */
    reader_init(&reader, bytes, 4, "thing");
    assert_false(reader_text(&reader, 2, &text, &err)); /* too long */
    reader_init(&reader, bytes + 4, 1, "thing");
    assert_false(reader_varint(&reader, &u64, &err));
    reader_init(&reader, NULL, 0, "thing");
    assert_false(reader_u8(&reader, &u8, &err));
    reader_init(&reader, bytes, 1, "thing");
    assert_false(reader_count(&reader, 2, &u64, &err));
}

static void test_a_buf_stops_at_its_maximum_and_says_so_once(void **state)
{
    struct error err;
    struct buf buf;
    (void)state;
    buf_init(&buf, 10);
    buf_put(&buf, "0123456789", 10);
    assert_true(buf_check(&buf, "a thing", &err));
    assert_null(buf_text(&buf)); /* no room for the terminator */
    buf_clear(&buf);
    buf_printf(&buf, "%s", "012345678");
    assert_string_equal(buf_text(&buf), "012345678");
    buf_printf(&buf, "%s", "x");
    buf_put_u8(&buf, 1); /* does nothing any more */
    assert_int_equal(buf.len, 9);
    assert_false(buf_check(&buf, "a thing", &err));
    assert_int_equal(err.kind, ERROR_NO_MEMORY);
    assert_string_equal(err.text, "a thing does not fit into its maximum of 10 bytes");
    buf_clear(&buf);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_release(&buf);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_come_back),
        cmocka_unit_test(test_signed_numbers_are_as_the_format_says),
        cmocka_unit_test(test_a_reader_stops_at_the_end),
        cmocka_unit_test(test_a_buf_stops_at_its_maximum_and_says_so_once),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
