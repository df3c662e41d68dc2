/* A sheet that is typed in gives what was printed, or names the line that is not as it was. */
#include "cli/recovery_sheet.h"

#include "repository/keyring.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ONE_GENERATION = SEAL_KEY_BYTES + KEYRING_COPY_HEAD + KEYRING_COPY_GENERATION };

static uint8_t keys[ONE_GENERATION + KEYRING_COPY_GENERATION];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys; i++)
        keys[i] = (uint8_t)(i * 37 + 11);
    return 0;
}

static char *print(size_t len)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "MAINSTAY RECOVERY SHEET\n\nprinted 2026-01-01T12:00:00Z\n\n");
    recovery_sheet_put(1, keys, len, &text);
    buf_printf(&text, "\nTo restore: type them in\n");
    char *copy = strdup(buf_text(&text));
    assert_non_null(copy);
    buf_release(&text);
    return copy;
}

static bool read_sheet(const char *text, struct buf *out, struct error *err)
{
    buf_init(out, 1 << 20);
    return recovery_sheet_read(text, out, err);
}

static void expect_keys(const char *text, size_t len)
{
    struct error err;
    CLEANUP(buf_release) struct buf got;
    if (!read_sheet(text, &got, &err))
        fail_msg("%s", err.text);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, keys, len);
}

/* "is missing" or "is not as it was printed" */
static void expect_named(const char *text, unsigned line, const char *what)
{
    struct error err = {0};
    char wanted[64];
    CLEANUP(buf_release) struct buf got;
    (void)snprintf(wanted, sizeof wanted, "line %u of the recovery sheet %s", line, what);
    if (read_sheet(text, &got, &err))
        fail_msg("taken, although %s", wanted);
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_non_null(strstr(err.text, wanted));
}

/* Where the line of that number stands. */
static char *line_of(char *text, unsigned number)
{
    char start[16];
    (void)snprintf(start, sizeof start, "  %3u:", number);
    char *found = strstr(text, start);
    assert_non_null(found);
    return found;
}

static void test_a_line_is_as_it_is_documented(void **state)
{
    CLEANUP(buf_release) struct buf text;
    static const uint8_t bytes[8] = {0x7f, 0x3a, 0x09, 0xc2, 0xe5, 0xd1, 0x44, 0x8b};
    (void)state;
    buf_init(&text, 1000);
    recovery_sheet_put(1, bytes, sizeof bytes, &text);
    /* printf '\1\0\x7f\x3a\x09\xc2\xe5\xd1\x44\x8b' | sha256sum */
    assert_string_equal(buf_text(&text), "    1: 7f3a 09c2 e5d1 448b - a558\n");
}

static void test_what_is_printed_reads_back(void **state)
{
    static const size_t lengths[] = {SEAL_KEY_BYTES, ONE_GENERATION, sizeof keys};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char *text = print(lengths[i]);
        expect_keys(text, lengths[i]);
        free(text);
    }
}

static void test_capitals_blanks_and_order_do_not_matter(void **state)
{
    struct buf typed;
    (void)state;
    buf_init(&typed, 1 << 20);
    char *text = print(SEAL_KEY_BYTES);
    for (unsigned number = SHEET_KEY_LINES; number > 0; number--) {
        const char *line = line_of(text, number);
        buf_printf(&typed, "%u:", number);
        for (line = strchr(line, ':') + 1; *line != '\n'; line++)
            if (isxdigit((unsigned char)*line))
                buf_printf(&typed, "%c\t", toupper((unsigned char)*line));
        buf_printf(&typed, "\r\n");
    }
    expect_keys(buf_text(&typed), SEAL_KEY_BYTES);
    buf_release(&typed);
    free(text);
}

/* Each digit of each line, the check's too, as each other one. */
static void test_every_mistyped_digit_is_found_and_named(void **state)
{
    static const char digits[] = "0123456789abcdef";
    size_t tried = 0;
    (void)state;
    char *text = print(ONE_GENERATION);
    for (unsigned number = 1; number <= ONE_GENERATION / SHEET_LINE_BYTES; number++)
        for (char *at = strchr(line_of(text, number), ':') + 1; *at != '\n'; at++) {
            char good = *at;
            if (!isxdigit((unsigned char)good))
                continue;
            for (const char *digit = digits; *digit != '\0'; digit++) {
                *at = *digit;
                if (*digit == good)
                    continue;
                expect_named(text, number, "is not as it was printed");
                tried++;
            }
            *at = good;
        }
    expect_keys(text, ONE_GENERATION);
    assert_int_equal(tried, ONE_GENERATION / SHEET_LINE_BYTES * 20 * 15);
    free(text);
}

static void test_other_letters_and_other_lengths_are_named(void **state)
{
    (void)state;
    for (unsigned number = 1; number <= SHEET_KEY_LINES; number++) {
        char *text = print(SEAL_KEY_BYTES);
        char *digit = strchr(line_of(text, number), ':') + 2;
        char good = *digit;
        *digit = 'o';
        expect_named(text, number, "is not as it was printed");
        *digit = ' ';
        expect_named(text, number, "is not as it was printed");
        *digit = good;
        digit[4] = '7'; /* one digit more, in the place of a blank */
        expect_named(text, number, "is not as it was printed");
        free(text);
    }
}

static void test_exchanged_lines_are_named(void **state)
{
    (void)state;
    char *text = print(SEAL_KEY_BYTES);
    char *second = strchr(line_of(text, 2), ':');
    char *third = strchr(line_of(text, 3), ':');
    second[-1] = '3';
    third[-1] = '2';
    expect_named(text, 3, "is not as it was printed");
    free(text);
}

/* Without the digits of a line; the end of the sheet, too. */
static void test_each_missing_line_is_named(void **state)
{
    unsigned lines = ONE_GENERATION / SHEET_LINE_BYTES;
    (void)state;
    for (unsigned number = 1; number <= lines; number++) {
        char *text = print(ONE_GENERATION);
        char *line = line_of(text, number);
        memset(line, ' ', strcspn(line, "\n"));
        expect_named(text, number, "is missing");
        *line = '\0'; /* and all behind it */
        if (number == SHEET_KEY_LINES + 1)
            expect_keys(text, SEAL_KEY_BYTES);
        else
            expect_named(text, number, "is missing");
        free(text);
    }
    expect_named("", 1, "is missing");
    expect_named("type the lines:\n", 1, "is missing");
}

static void test_a_number_beyond_any_sheet_is_another_line(void **state)
{
    (void)state;
    char *text = print(SEAL_KEY_BYTES);
    char *line = line_of(text, 4);
    memcpy(line, " 99999", 6);
    expect_named(text, 4, "is missing");
    memcpy(line, "  9999:", 7);
    expect_named(text, 4, "is missing");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_as_it_is_documented),
        cmocka_unit_test(test_what_is_printed_reads_back),
        cmocka_unit_test(test_capitals_blanks_and_order_do_not_matter),
        cmocka_unit_test(test_every_mistyped_digit_is_found_and_named),
        cmocka_unit_test(test_other_letters_and_other_lengths_are_named),
        cmocka_unit_test(test_exchanged_lines_are_named),
        cmocka_unit_test(test_each_missing_line_is_named),
        cmocka_unit_test(test_a_number_beyond_any_sheet_is_another_line),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
