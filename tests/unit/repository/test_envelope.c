#include "repository/envelope.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct repository repository = {.id = {1, 2, 3}};

static bool check(const uint8_t *bytes, size_t len, struct error *err)
{
    struct reader reader;
    reader_init(&reader, bytes, len, "pack \"x\"");
    return envelope_check(&reader, OBJECT_PACK, &repository, err);
}

static void test_every_changed_byte_is_refused(void **state)
{
    static const struct {
        size_t first;
        size_t last;
        enum error_kind kind;
    } fields[] = {
        {0, 7, ERROR_CORRUPT},       /* magic */
        {8, 8, ERROR_UNSUPPORTED},   /* version */
        {9, 9, ERROR_CORRUPT},       /* kind */
        {10, 10, ERROR_UNSUPPORTED}, /* cipher */
        {11, 11, ERROR_UNSUPPORTED}, /* key slot */
        {12, 15, ERROR_UNSUPPORTED}, /* reserved */
        {16, 31, ERROR_REFUSED},     /* another repository */
    };
    struct error err;
    struct buf good;
    (void)state;
    buf_init(&good, 100);
    envelope_put(&good, OBJECT_PACK, &repository);
    assert_int_equal(good.len, ENVELOPE_BYTES);
    assert_true(check(good.data, good.len, &err));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        for (size_t at = fields[i].first; at <= fields[i].last; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                good.data[at] ^= (uint8_t)(1u << bit);
                if (check(good.data, good.len, &err))
                    fail_msg("byte %zu, bit %u: accepted", at, bit);
                assert_int_equal(err.kind, fields[i].kind);
                good.data[at] ^= (uint8_t)(1u << bit);
            }
        }
    }
    buf_release(&good);
}

static void test_every_shorter_envelope_is_refused(void **state)
{
    struct error err;
    struct buf good;
    (void)state;
    buf_init(&good, 100);
    envelope_put(&good, OBJECT_PACK, &repository);
    for (size_t len = 0; len < ENVELOPE_BYTES; len++) {
        assert_false(check(good.data, len, &err));
        assert_int_equal(err.kind, ERROR_CORRUPT);
    }
    buf_release(&good);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_changed_byte_is_refused),
        cmocka_unit_test(test_every_shorter_envelope_is_refused),
    };
    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
