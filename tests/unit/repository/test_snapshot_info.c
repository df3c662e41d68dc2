#include "repository/snapshot_info.h"

#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void round_trip(const struct snapshot_info *info, struct snapshot_info *out)
{
    struct error err;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_true(snapshot_info_to_json(info, &text, &err));
    if (!snapshot_info_from_json(text.data, text.len, "a summary", out, &err))
        fail_msg("%s", err.text);
    buf_release(&text);
}

static void test_every_member_comes_back(void **state)
{
    struct error err;
    struct snapshot_info info;
    struct snapshot_info back;
    (void)state;
    fixture_info(&info, 7);
    info.full = false;
    (void)snprintf(info.parent_id, sizeof info.parent_id, "fedcba9876543210");
    (void)snprintf(info.reason, sizeof info.reason, "because \"it\" \\ is\nso");
    info.system_identifier = UINT64_MAX;
    info.stop_lsn = UINT64_MAX;
    info.wal_included = info.wal_log_hints = info.damaged_pages = true;
    info.file_count = 1;
    info.data_bytes = (uint64_t)INT64_MAX;
    info.pages_total = 3;
    info.pages_stored = 4;
    info.pages_reused = 5;
    info.bytes_stored = 6;
    info.pack_count = 7;
    info.packs_new = 8;
    struct snapshot_wal_range range = {.timeline = 9, .start_lsn = 10, .end_lsn = 11};
    assert_true(snapshot_info_add_tablespace(&info, UINT32_MAX, "/a b/\"c\"", &err));
    assert_true(snapshot_info_add_warning(&info, "one", &err));
    assert_true(snapshot_info_add_warning(&info, "", &err));
    assert_true(snapshot_info_add_wal_range(&info, &range, &err));
    round_trip(&info, &back);
    assert_string_equal(back.tablespaces[0].path, "/a b/\"c\"");
    assert_int_equal(back.tablespaces[0].oid, UINT32_MAX);
    assert_int_equal(back.warning_count, 2);
    assert_int_equal(back.wal_ranges[0].timeline, 9);
    assert_int_equal(back.wal_ranges[0].start_lsn, 10);
    assert_int_equal(back.wal_ranges[0].end_lsn, 11);
    assert_string_equal(back.reason, info.reason);
    assert_string_equal(back.parent_id, info.parent_id);
    assert_int_equal(back.started_us, info.started_us);
    assert_int_equal(back.finished_us, info.finished_us);
    assert_true(back.system_identifier == info.system_identifier);
    assert_true(back.stop_lsn == info.stop_lsn);
    assert_int_equal(back.data_bytes, info.data_bytes);
    assert_int_equal(back.packs_new, 8);
    assert_true(back.wal_included && back.wal_log_hints && back.damaged_pages && !back.full);
    snapshot_info_release(&info);
    snapshot_info_release(&back);
}

/* Texts for people must never make a snapshot unreadable: a label in Latin-1, a message that was
 * cut in the middle of a character, become longer in UTF-8. */
static void test_texts_that_are_not_utf8_do_not_lock_the_snapshot(void **state)
{
    struct snapshot_info info;
    struct snapshot_info back;
    (void)state;
    fixture_info(&info, 7);
    memset(info.label, '\xe9', sizeof info.label - 1);
    memset(info.reason, 'x', sizeof info.reason - 1);
    info.reason[sizeof info.reason - 2] = '\xc3';
    memset(info.server_version, '\xff', sizeof info.server_version - 1);
    round_trip(&info, &back);
    assert_int_equal(strlen(back.label), sizeof info.label - 1); /* 21 replacement characters */
    assert_int_equal(strlen(back.reason), sizeof info.reason - 2);
    struct snapshot_info again;
    round_trip(&back, &again);
    assert_string_equal(again.label, back.label);
    snapshot_info_release(&info);
    snapshot_info_release(&back);
    snapshot_info_release(&again);
}

/* Links are made from these: they must not change on their way. */
static void test_tablespace_paths_keep_their_bytes(void **state)
{
    struct error err;
    struct snapshot_info info;
    struct snapshot_info back;
    (void)state;
    fixture_info(&info, 7);
    assert_true(snapshot_info_add_tablespace(&info, 1,
                                             "/srv/donn\xe9"
                                             "es",
                                             &err));
    assert_true(snapshot_info_add_tablespace(&info, 2,
                                             "/srv/donn\xc3\xa9"
                                             "es",
                                             &err));
    round_trip(&info, &back);
    assert_string_equal(back.tablespaces[0].path, "/srv/donn\xe9"
                                                  "es");
    assert_string_equal(back.tablespaces[1].path, "/srv/donn\xc3\xa9"
                                                  "es");
    snapshot_info_release(&info);
    snapshot_info_release(&back);
}

static void test_damaged_members_are_named(void **state)
{
    static const struct {
        const char *from;
        const char *to; /* of the same length or shorter */
        const char *text;
    } cases[] = {
        {"\"id\":\"0", "\"id\":\"g", "no valid id"},
        {"\"id\":\"00", "\"id\":\"", "no valid id"},
        {"\"parent\":\"\"", "\"parent\":1", "parent"},
        {"\"timeline\":1", "\"timeline\":x", "is not valid JSON"},
        {"\"timeline\":1", "\"timeline\":-", "is not valid JSON"},
        {"\"full\":true", "\"full\":1   ", "full"},
        {"2026-03-01T", "2026-13-01T", "started"},
        {"\"8000000/", "\"8x00000/", "start_lsn"},
        {"\"start_lsn\"", "\"stort_lsn\"", "start_lsn"},
        {"\"73000", "\"x3000", "system_identifier"},
        {"\"tablespaces\":[]", "\"tablespaces\":{}", "tablespaces"},
    };
    struct error err;
    struct snapshot_info info;
    struct snapshot_info back;
    struct buf text;
    (void)state;
    fixture_info(&info, 7);
    info.start_lsn = UINT64_C(0x800000000000000);
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&text);
        assert_true(snapshot_info_to_json(&info, &text, &err));
        assert_non_null(buf_text(&text));
        char *at = strstr((char *)text.data, cases[i].from);
        assert_non_null(at);
        size_t from = strlen(cases[i].from);
        size_t to = strlen(cases[i].to);
        memcpy(at, cases[i].to, to);
        memmove(at + to, at + from, strlen(at + from) + 1);
        size_t len = strlen((char *)text.data);
        if (snapshot_info_from_json(text.data, len, "a summary", &back, &err))
            fail_msg("%s: accepted", cases[i].to);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
    }
    buf_release(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_comes_back),
        cmocka_unit_test(test_texts_that_are_not_utf8_do_not_lock_the_snapshot),
        cmocka_unit_test(test_tablespace_paths_keep_their_bytes),
        cmocka_unit_test(test_damaged_members_are_named),
    };
    return cmocka_run_group_tests_name("snapshot_info", tests, NULL, NULL);
}
