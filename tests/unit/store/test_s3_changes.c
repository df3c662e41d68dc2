/* What somebody changed in a bucket with versions, with a store that answers by script. */
#include "base/text.h"
#include "store/store_open.h"
#include "tests/lib/http_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIST(text) "<ListVersionsResult><Name>b</Name>" text "</ListVersionsResult>"
#define VERSION(key, id, hour, etag)                                                       \
    "<Version><Key>p/" key "</Key><VersionId>" id "</VersionId><IsLatest>false</IsLatest>" \
    "<LastModified>2026-03-01T" hour ":00:00Z</LastModified><ETag>" etag                   \
    "</ETag><Size>5</Size></Version>"
#define MARKER(key, id, hour)                          \
    "<DeleteMarker><Key>p/" key "</Key><VersionId>" id \
    "</VersionId><LastModified>2026-03-01T" hour ":00:00Z</LastModified></DeleteMarker>"

static struct http_script *server;

static int start(void **state)
{
    (void)state;
    server = http_script_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_script_stop(server);
    return 0;
}

static bool note_change(void *context, const struct store_change *change, struct error *err)
{
    char *seen = context;
    char stored[TEXT_SIZE];
    char changed[TEXT_SIZE];
    (void)err;
    (void)snprintf(seen + strlen(seen), 256 - strlen(seen), "%s%s%s %.2s %.2s; ", change->key,
                   change->put_over ? " over" : "", change->removed ? " removed" : "",
                   text_time_us(change->stored_us, stored) + strlen("2026-03-01T"),
                   text_time_us(change->changed_us, changed) + strlen("2026-03-01T"));
    return true;
}

static void expect_changes(bool removed_too, const char *wanted)
{
    struct error err;
    char seen[256] = "";
    CLEANUP(store_cleanup) struct store *store = http_script_store(server, "");
    if (!store_changes(store, "x/", removed_too, note_change, seen, &err))
        fail_msg("%s", err.text);
    assert_string_equal(seen, wanted);
}

static void test_other_bytes_under_an_old_name_are_seen(void **state)
{
    (void)state;
    http_script_answer(
        server, "GET /bucket?max-keys=1000&prefix=p%2Fx%2F&versions= ", 200,
        LIST(VERSION("x/alone", "1", "10", "e") VERSION("x/forged", "3", "12", "f")
                 VERSION("x/forged", "2", "11", "f") VERSION("x/forged", "1", "10", "e")
                     MARKER("x/hidden", "3", "13") VERSION("x/hidden", "2", "12", "f")
                         VERSION("x/hidden", "1", "10", "e") VERSION("x/twice", "2", "11", "e")
                             VERSION("x/twice", "1", "10", "e")));
    expect_changes(false, "x/forged over 10 11; x/hidden over removed 10 12; ");
}

static void test_without_hashes_equal_bytes_are_not_believed(void **state)
{
    (void)state;
    http_script_answer(
        server, "GET /bucket?", 200,
        LIST("<Version><Key>p/x/a</Key><VersionId>2</VersionId>"
             "<LastModified>2026-03-01T11:00:00Z</LastModified><Size>5</Size></Version>"
             "<Version><Key>p/x/a</Key><VersionId>1</VersionId>"
             "<LastModified>2026-03-01T10:00:00Z</LastModified><Size>5</Size></Version>"));
    expect_changes(false, "x/a over 10 11; ");
}

/* The script's answers carry no lock. tests/integration/object_lock.t has real ones. */
static void test_what_was_removed_is_asked_for_its_lock_only_where_wanted(void **state)
{
    struct error err;
    char seen[256] = "";
    (void)state;
    http_script_answer(
        server, "GET /bucket?", 200,
        LIST(MARKER("x/a", "2+", "11") VERSION("x/a", "1+", "10", "e") MARKER("x/b", "3", "11")));
    expect_changes(false, "");
    assert_int_equal(http_script_count(server), 1);
    http_script_answer(server, "HEAD /bucket/p/x/a?versionId=1%2B ", 200, "");
    expect_changes(true, "");
    assert_int_equal(http_script_count(server), 3);
    http_script_answer(server, "HEAD /bucket/p/x/a?versionId=1%2B ", 403, "");
    CLEANUP(store_cleanup) struct store *store = http_script_store(server, "");
    assert_false(store_changes(store, "x/", true, note_change, seen, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_other_bytes_under_an_old_name_are_seen),
        CASE(test_without_hashes_equal_bytes_are_not_believed),
        CASE(test_what_was_removed_is_asked_for_its_lock_only_where_wanted),
    };
    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("s3_changes", tests, NULL, NULL);
}
