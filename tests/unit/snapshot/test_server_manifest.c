#include "snapshot/server_manifest.h"

#include "base/text.h"
#include "codec/digest.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"
#define LINE(path, size, crc)                                                          \
    "{ " path ", \"Size\": " size ", \"Last-Modified\": \"2026-03-01 12:00:00 GMT\", " \
    "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"" crc "\" }"
#define VERSION_LINE LINE("\"Path\": \"PG_VERSION\"", "3", "04030201")
#define LATIN_LINE LINE("\"Encoded-Path\": \"62e9\"", "0", "00000000")
#define RANGES                                                                   \
    "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 2, \"Start-LSN\": \"0/2000028\", " \
    "\"End-LSN\": \"1/2000100\" }\n],\n"

static struct manifest manifest;

static void add_file(const char *path, uint64_t size, uint32_t crc)
{
    struct error err;
    struct manifest_entry entry = {
        .kind = ENTRY_FILE, .path = strdup(path), .size_bytes = size, .crc32c = crc};
    assert_true(manifest_add_entry(&manifest, &entry, &err));
}

static int set_up(void **state)
{
    struct error err;
    (void)state;
    manifest_init(&manifest);
    add_file("PG_VERSION", 3, 0x01020304);
    add_file("b\xe9", 0, 0);
    assert_true(manifest_sort(&manifest, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    manifest_release(&manifest);
    return 0;
}

/* The text with its checksum line, as the server sends it. */
static void sign(struct buf *out, const char *text)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    buf_init(out, 1 << 20);
    buf_put(out, text, strlen(text));
    digest_sha256(text, strlen(text), hash);
    text_hex(hash, sizeof hash, hex);
    buf_printf(out, "\"Manifest-Checksum\": \"%s\"}\n", hex);
}

static bool feed(const void *bytes, size_t len, struct fixture_random *random, struct error *err)
{
    struct server_manifest *reader;
    assert_true(server_manifest_new(&manifest, &reader, err));
    bool done = true;
    for (size_t at = 0; done && at < len;) {
        size_t part = random == NULL ? len : 1 + fixture_below(random, 60);
        if (part > len - at)
            part = len - at;
        done = server_manifest_feed(reader, (const char *)bytes + at, part, err);
        at += part;
    }
    done = done && server_manifest_finish(reader, err);
    server_manifest_free(reader);
    return done;
}

static void test_a_manifest_may_be_cut_anywhere(void **state)
{
    struct error err;
    struct buf bytes;
    struct fixture_random random = {.state = 3};
    (void)state;
    sign(&bytes, BEGIN VERSION_LINE ",\n" LATIN_LINE RANGES);
    for (int round = 0; round < 200; round++)
        if (!feed(bytes.data, bytes.len, &random, &err))
            fail_msg("%s", err.text);
    assert_int_equal(manifest.info.wal_range_count, 200);
    assert_int_equal(manifest.info.wal_ranges[0].timeline, 2);
    assert_int_equal(manifest.info.wal_ranges[0].start_lsn, 0x2000028);
    assert_true(manifest.info.wal_ranges[0].end_lsn == UINT64_C(0x102000100));
    buf_release(&bytes);
}

static void test_differences_name_the_file(void **state)
{
    static const struct {
        const char *text;
        const char *problem;
    } cases[] = {
        {BEGIN LINE("\"Path\": \"PG_VERSION\"", "4", "04030201") RANGES,
         "\"PG_VERSION\" arrived with another size"},
        {BEGIN LINE("\"Path\": \"PG_VERSION\"", "3", "04030202") RANGES,
         "\"PG_VERSION\" arrived with another checksum"},
        {BEGIN LINE("\"Path\": \"PG_VERSION\"", "3", "04") RANGES, "another checksum"},
        {BEGIN VERSION_LINE ",\n" LINE("\"Path\": \"base/1\"", "3", "04030201") RANGES,
         "\"base/1\" did not arrive"},
        {BEGIN LINE("\"Encoded-Path\": \"62e\"", "0", "00000000") RANGES, "cannot be decoded"},
        {BEGIN LINE("\"Nothing\": \"x\"", "0", "00000000") RANGES, "\"Path\" is missing"},
        {BEGIN RANGES, "ended too early"},
        {BEGIN VERSION_LINE "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 2, \"Start-LSN\": \"x\", "
                            "\"End-LSN\": \"0/1\" }\n],\n",
         "Start-LSN"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        struct buf bytes;
        sign(&bytes, cases[i].text);
        assert_false(feed(bytes.data, bytes.len, NULL, &err));
        if (strstr(err.text, cases[i].problem) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].problem);
        buf_release(&bytes);
    }
}

static void test_every_flipped_bit_and_every_truncation_is_refused(void **state)
{
    struct error err;
    struct buf bytes;
    (void)state;
    sign(&bytes, BEGIN VERSION_LINE ",\n" LATIN_LINE RANGES);
    for (size_t len = 0; len + 2 < bytes.len; len++) /* the last two bytes are "}\n" */
        if (feed(bytes.data, len, NULL, &err))
            fail_msg("%zu bytes were accepted", len);
    for (size_t at = 0; at + 2 < bytes.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char flipped = (char)(bytes.data[at] ^ 1u << bit);
            bool same_digit = at > bytes.len - 68 && (flipped ^ (char)bytes.data[at]) == 0x20;
            bytes.data[at] ^= (uint8_t)(1u << bit);
            if (!same_digit && feed(bytes.data, bytes.len, NULL, &err))
                fail_msg("byte %zu, bit %u: accepted", at, bit);
            bytes.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    buf_release(&bytes);
}

/* What stands behind the checksum is not covered by it. */
static void test_nothing_may_follow_the_checksum(void **state)
{
    struct error err;
    struct buf bytes;
    (void)state;
    sign(&bytes, BEGIN VERSION_LINE RANGES);
    buf_printf(&bytes, "{ \"Timeline\": 9, \"Start-LSN\": \"0/1\", \"End-LSN\": \"0/2\" }\n");
    assert_false(feed(bytes.data, bytes.len, NULL, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    buf_release(&bytes);
}

static void test_a_line_without_end_does_not_fill_the_memory(void **state)
{
    struct error err;
    struct server_manifest *reader;
    static char endless[1 << 16];
    bool done = true;
    (void)state;
    memset(endless, 'x', sizeof endless);
    assert_true(server_manifest_new(&manifest, &reader, &err));
    for (int i = 0; done && i < 100; i++)
        done = server_manifest_feed(reader, endless, sizeof endless, &err);
    assert_false(done && server_manifest_finish(reader, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    server_manifest_free(reader);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_manifest_may_be_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_differences_name_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_flipped_bit_and_every_truncation_is_refused,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_may_follow_the_checksum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_line_without_end_does_not_fill_the_memory, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("server_manifest", tests, NULL, NULL);
}
