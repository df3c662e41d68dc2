#include "base/text.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_numbers_are_taken_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        bool is_u64;
        uint64_t u64;
        bool is_i64;
        int64_t i64;
    } cases[] = {
        {"0", true, 0, true, 0},
        {"18446744073709551615", true, UINT64_MAX, false, 0},
        {"18446744073709551616", false, 0, false, 0},
        {"99999999999999999999", false, 0, false, 0},
        {"9223372036854775807", true, INT64_MAX, true, INT64_MAX},
        {"-9223372036854775807", false, 0, true, -INT64_MAX},
        {"-1", false, 0, true, -1},
        {"007", true, 7, true, 7},
        {"", false, 0, false, 0},
        {"-", false, 0, false, 0},
        {"+1", false, 0, false, 0},
        {" 1", false, 0, false, 0},
        {"1 ", false, 0, false, 0},
        {"0x1", false, 0, false, 0},
        {"1.5", false, 0, false, 0},
        {"--1", false, 0, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t u64 = 77;
        int64_t i64 = 77;
        assert_int_equal(text_to_u64(cases[i].text, &u64), cases[i].is_u64);
        assert_int_equal(text_to_i64(cases[i].text, &i64), cases[i].is_i64);
        assert_true(u64 == (cases[i].is_u64 ? cases[i].u64 : 77)); /* untouched on failure */
        assert_true(i64 == (cases[i].is_i64 ? cases[i].i64 : 77));
    }
}

static void test_sizes_and_durations_need_known_units(void **state)
{
    static const struct {
        const char *text;
        bool is_bytes;
        uint64_t bytes;
        bool is_duration;
        int64_t us;
    } cases[] = {
        {"4096", true, 4096, false, 0},
        {"64KiB", true, 65536, false, 0},
        {"16 MiB", true, 16 << 20, false, 0},
        {"1GiB", true, 1 << 30, false, 0},
        {"2kB", true, 2000, false, 0},
        {"1TiB", true, UINT64_C(1) << 40, false, 0},
        {"16777216TiB", false, 0, false, 0},
        {"1  MiB", false, 0, false, 0},
        {"1mib", false, 0, false, 0},
        {"MiB", false, 0, false, 0},
        {"-1MiB", false, 0, false, 0},
        {"0", true, 0, true, 0},
        {"250ms", false, 0, true, 250000},
        {"5s", false, 0, true, 5000000},
        {"10min", false, 0, true, 600000000},
        {"2h", false, 0, true, INT64_C(7200000000)},
        {"7d", false, 0, true, INT64_C(604800000000)},
        {"106751991d", false, 0, true, INT64_C(9223372022400000000)},
        {"106751992d", false, 0, false, 0},
        {"5", true, 5, false, 0},
        {"5S", false, 0, false, 0},
        {"1h30min", false, 0, false, 0},
        {"", false, 0, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 0;
        int64_t us = 0;
        if (text_to_bytes(cases[i].text, &bytes) != cases[i].is_bytes ||
            text_to_duration_us(cases[i].text, &us) != cases[i].is_duration ||
            bytes != cases[i].bytes || us != cases[i].us)
            fail_msg("\"%s\"", cases[i].text);
    }
}

static void test_lsns_are_read_as_postgresql_prints_them(void **state)
{
    static const char *const wrong[] = {
        "",     "0",     "/",   "0/",          "/0",          "0/0/0", " 0/0",
        "0/0 ", "0x0/0", "0/g", "000000000/0", "0/123456789", "-1/0",  "0//0"};
    uint64_t lsn;
    char text[TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(text_to_lsn(wrong[i], &lsn));
    assert_true(text_to_lsn("16/B374D848", &lsn));
    assert_true(lsn == UINT64_C(0x16B374D848));
    assert_string_equal(text_lsn(lsn, text), "16/B374D848");
    assert_true(text_to_lsn("ffffffff/FFFFFFFF", &lsn));
    assert_true(lsn == UINT64_MAX);
    assert_string_equal(text_lsn(lsn, text), "FFFFFFFF/FFFFFFFF");
    assert_string_equal(text_lsn(0, text), "0/0");
}

static void test_times_come_back(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-03-01T12:00:05Z", INT64_C(1772366405000000)},
        {"2026-03-01 12:00:05Z", INT64_C(1772366405000000)},
        {"2026-03-01T12:00:05.25Z", INT64_C(1772366405250000)},
        {"2026-03-01T12:00:05.123456789Z", INT64_C(1772366405123456)},
        {"2026-03-01T14:30:05+02:30", INT64_C(1772366405000000)},
        {"2026-03-01 14:30:05+0230", INT64_C(1772366405000000)},
        {"2026-03-01 10:00:05 -02", INT64_C(1772366405000000)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
    };
    char text[TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us;
        if (!text_to_time_us(cases[i].text, &us) || us != cases[i].us)
            fail_msg("%s", cases[i].text);
    }
    assert_string_equal(text_time_us(cases[3].us, text), "2026-03-01T12:00:05Z");
    assert_string_equal(text_time_exact_us(cases[3].us, text), "2026-03-01T12:00:05.250000Z");
    assert_string_equal(text_time_key_us(cases[3].us, text), "20260301T120005.250000Z");
    int64_t back = 0;
    assert_true(text_to_time_key_us("20260301T120005.250000Z", &back) && back == cases[3].us);
    assert_false(text_to_time_key_us("20260301T120005.25Z", &back));
    assert_false(text_to_time_key_us("20261301T120005.250000Z", &back));
    assert_string_equal(text_time_compact_us(cases[3].us, text), "20260301T120005Z");
    assert_string_equal(text_time_us(-1, text), "1969-12-31T23:59:59Z");
}

/* A recovery target that does not exist must not silently become another one. */
static void test_times_that_do_not_exist_are_refused(void **state)
{
    static const char *const wrong[] = {
        "2026-02-29T00:00:00Z",      "2026-02-30T00:00:00Z",
        "2026-04-31T00:00:00Z",      "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",      "2026-00-01T00:00:00Z",
        "2026-03-00T00:00:00Z",      "2026-03-01T24:00:00Z",
        "2026-03-01T00:60:00Z",      "2026-03-01T00:00:61Z",
        "2026-03-01T00:00:00",       "2026-03-01",
        "2026-3-1T00:00:00Z",        "2026-03-01T00:00:00z",
        "2026-03-01T00:00:00.Z",     "2026-03-01T00:00:00+2",
        "2026-03-01T00:00:00+02:",   "2026-03-01T00:00:00+16",
        "2026-03-01T00:00:00Zx",     " 2026-03-01T00:00:00Z",
        "1969-12-31T23:59:59Z",      "1970-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00", "9999-12-31T23:59:60Z",
        "2026-03-01T00:00:00+02:60", "",
    };
    int64_t us;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (text_to_time_us(wrong[i], &us))
            fail_msg("\"%s\" was accepted", wrong[i]);
}

static void test_sizes_and_durations_for_people(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048575, "1.0 MiB"},
                 {UINT64_C(5) << 40, "5.0 TiB"},
                 {UINT64_MAX, "16384.0 PiB"}};
    static const struct {
        int64_t us;
        const char *text;
    } durations[] = {{850000, "850 ms"},
                     {12300000, "12.3 s"},
                     {250000000, "4 min 10 s"},
                     {INT64_C(7500000000), "2 h 5 min"},
                     {INT64_C(180000000000), "2 d 2 h"}};
    char text[TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        assert_string_equal(text_bytes(sizes[i].bytes, text), sizes[i].text);
    for (size_t i = 0; i < ARRAY_LEN(durations); i++)
        assert_string_equal(text_duration_us(durations[i].us, text), durations[i].text);
}

static void test_hex(void **state)
{
    uint8_t bytes[3] = {0, 0xab, 0xff};
    uint8_t back[3];
    char text[7];
    (void)state;
    text_hex(bytes, sizeof bytes, text);
    assert_string_equal(text, "00abff");
    assert_true(text_from_hex("00ABff", back, 3));
    assert_memory_equal(bytes, back, 3);
    assert_false(text_from_hex("00abf", back, 3));
    assert_false(text_from_hex("00abff0", back, 3));
    assert_false(text_from_hex("00abfg", back, 3));
    assert_true(text_from_hex("", back, 0));
}

static void test_the_nearest_name_is_offered(void **state)
{
    static const char *const names[] = {"repository", "restore", "retention"};
    (void)state;
    assert_string_equal(text_nearest("restor", names, 3), "restore");
    assert_string_equal(text_nearest("rseotre", names, 3), "restore");
    assert_string_equal(text_nearest("repositry", names, 3), "repository");
    assert_null(text_nearest("snapshot", names, 3));
    assert_null(text_nearest("restore", names, 0));
    char long_word[500];
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(text_nearest(long_word, names, 3));
}

static void test_words_fit_their_number(void **state)
{
    static const struct {
        uint64_t count;
        const char *words;
    } cases[] = {{0, "entries"}, {1, "entry"}, {2, "entries"}, {UINT64_MAX, "entries"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(text_plural(cases[i].count, "entry", "entries"), cases[i].words);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_taken_whole_or_not_at_all),
        cmocka_unit_test(test_sizes_and_durations_need_known_units),
        cmocka_unit_test(test_lsns_are_read_as_postgresql_prints_them),
        cmocka_unit_test(test_times_come_back),
        cmocka_unit_test(test_times_that_do_not_exist_are_refused),
        cmocka_unit_test(test_sizes_and_durations_for_people),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_the_nearest_name_is_offered),
        cmocka_unit_test(test_words_fit_their_number),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
