#include "postgres/control_file.h"

#include "codec/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[8192];

static void put_u32(size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        bytes[at + i] = (uint8_t)(value >> (8 * i));
}

static void make(uint32_t version, size_t crc_at)
{
    memset(bytes, 0, sizeof bytes);
    put_u32(0, 0x55667788);
    put_u32(4, 0x11223344);
    put_u32(8, version);
    put_u32(12, 202209061);
    put_u32(16, 6);
    put_u32(32, 0x2000060);
    put_u32(40, 0x2000028);
    put_u32(44, 7);
    put_u32(48, 3);
    bytes[176] = 1;
    put_u32(216, 8192);
    put_u32(252, 1);
    put_u32(crc_at, crc32c_extend(0, bytes, crc_at));
}

static void check_layout(uint32_t version, size_t crc_at)
{
    struct control_file control;
    struct error err = {0};
    make(version, crc_at);
    assert_true(control_file_parse(bytes, sizeof bytes, &control, &err));
    assert_int_equal(control.system_identifier, 0x1122334455667788);
    assert_int_equal(control.control_version, version);
    assert_int_equal(control.checkpoint, 0x2000060);
    assert_int_equal(control.redo, 0x702000028);
    assert_int_equal(control.timeline, 3);
    assert_int_equal(control.state, 6);
    assert_int_equal(control.block_size, 8192);
    assert_true(control.data_checksums);
    assert_true(control.wal_log_hints);
    assert_true(control_file_parse(bytes, crc_at + 4, &control, &err));
    assert_false(control_file_parse(bytes, crc_at + 3, &control, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
}

static void test_every_layout_is_read(void **state)
{
    (void)state;
    check_layout(1300, 288);
    check_layout(1700, 288);
    check_layout(1800, 292);
}

static void test_every_damaged_byte_is_noticed(void **state)
{
    struct control_file control;
    (void)state;
    make(1300, 288);
    for (size_t i = 0; i < 292; i++) {
        struct error err = {0};
        bytes[i] ^= 0x10;
        assert_false(control_file_parse(bytes, sizeof bytes, &control, &err));
        assert_true(err.kind == ERROR_CORRUPT || (err.kind == ERROR_UNSUPPORTED && i / 4 == 2));
        bytes[i] ^= 0x10;
    }
}

static void test_unknown_versions_and_short_files_are_refused(void **state)
{
    struct control_file control;
    struct error err = {0};
    (void)state;
    make(1201, 288);
    assert_false(control_file_parse(bytes, sizeof bytes, &control, &err));
    assert_int_equal(err.kind, ERROR_UNSUPPORTED);
    for (size_t len = 0; len < 13; len++) {
        err.kind = ERROR_NONE;
        assert_false(control_file_parse(bytes, len, &control, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layout_is_read),
        cmocka_unit_test(test_every_damaged_byte_is_noticed),
        cmocka_unit_test(test_unknown_versions_and_short_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
