/* A bucket as of a time, with a store that answers by script. */
#include "base/text.h"
#include "store/s3_versions.h"
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
#define VERSION(key, id, time)                                                             \
    "<Version><Key>p/" key "</Key><VersionId>" id "</VersionId><IsLatest>false</IsLatest>" \
    "<LastModified>2026-03-01T" time "Z</LastModified><Size>5</Size></Version>"
#define MARKER(key, id, time)                          \
    "<DeleteMarker><Key>p/" key "</Key><VersionId>" id \
    "</VersionId><LastModified>2026-03-01T" time "Z</LastModified></DeleteMarker>"

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

static struct store *open_at(const char *time)
{
    char parameters[64];
    (void)snprintf(parameters, sizeof parameters, "&as-of=2026-03-01T%sZ", time);
    struct store *store = http_script_store(server, parameters);
    assert_non_null(store);
    return store;
}

static bool note_key(void *context, const struct store_object *object, struct error *err)
{
    char *keys = context;
    (void)err;
    (void)snprintf(keys + strlen(keys), 256 - strlen(keys), "%s ", object->key);
    return true;
}

static void expect_keys(const char *time, const char *wanted)
{
    struct error err;
    char keys[256] = "";
    struct store *store = open_at(time);
    if (!store_list(store, "", note_key, keys, &err))
        fail_msg("%s", err.text);
    assert_string_equal(keys, wanted);
    store_close(store);
}

static void test_of_every_key_the_newest_version_of_then_counts(void **state)
{
    (void)state;
    http_script_answer(server, "GET /bucket?", 200,
                       LIST("<IsTruncated>false</IsTruncated>" MARKER("a", "4", "15:00:00")
                                VERSION("a", "3", "14:00:00") VERSION("a", "2", "12:00:00.500")
                                    VERSION("b/c", "6", "14:00:00") MARKER("b/c", "5", "13:00:00")
                                        VERSION("b/c", "1", "11:00:00")
                                            VERSION(".hidden", "9", "10:00:00")));
    expect_keys("10:30:00", "");
    expect_keys("11:00:00", "b/c ");
    expect_keys("12:30:00", "a b/c ");
    expect_keys("13:30:00", "a ");
    expect_keys("14:00:00", "a b/c ");
    expect_keys("16:00:00", "b/c ");
}

static void test_the_version_is_read_by_its_id_and_nothing_is_written(void **state)
{
    struct error err;
    struct store_object object;
    char bytes[8];
    size_t got = 0;
    (void)state;
    http_script_answer(server, "GET /bucket?", 200,
                       LIST(VERSION("a", "new+", "14:00:00") VERSION("a", "old+", "12:00:00")));
    http_script_answer(server, "GET /bucket/p/a?versionId=old%2B ", 200, "hello");
    struct store *store = open_at("13:00:00");
    assert_true(store_stat(store, "a", &object, &err));
    assert_int_equal(object.size_bytes, 5);
    if (!store_get(store, "a", 0, sizeof bytes, bytes, &got, &err))
        fail_msg("%s", err.text);
    assert_int_equal(got, 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_false(store_get(store, "b", 0, 1, bytes, &got, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    int count = http_script_count(server);
    assert_false(store_put(store, "b", "x", 1, NULL, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(store_remove(store, "a", &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_int_equal(http_script_count(server), count);
    store_close(store);
}

static void test_a_long_listing_is_read_to_its_end(void **state)
{
    (void)state;
    http_script_answer(
        server, "GET /bucket?max-keys=1000&prefix=p%2F&versions= ", 200,
        LIST("<IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker>"
             "<NextVersionIdMarker>2</NextVersionIdMarker>" VERSION("a", "2", "14:00:00")));
    http_script_answer(server, "GET /bucket?key-marker=p%2Fa&", 200,
                       LIST(VERSION("a", "1", "12:00:00") VERSION("b", "3", "12:00:00")));
    expect_keys("13:00:00", "a b ");
}

static void test_listings_that_cannot_be_believed_are_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "<ListBucketResult/>",
        LIST("<Version><Key>p/a</Key></Version>"),
        LIST("<IsTruncated>true</IsTruncated>"),
        LIST(VERSION("b", "1", "12:00:00") VERSION("a", "1", "12:00:00")),
        LIST("<Version><Key>q/a</Key><VersionId>1</VersionId>"
             "<LastModified>2026-03-01T12:00:00Z</LastModified></Version>"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct error err;
        char keys[256] = "";
        http_script_answer(server, "GET /bucket?", 200, bodies[i]);
        struct store *store = open_at("13:00:00");
        if (store_list(store, "", note_key, keys, &err))
            fail_msg("accepted: %s", bodies[i]);
        assert_true(err.kind == ERROR_INVALID || err.kind == ERROR_UNSUPPORTED);
        store_close(store);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_of_every_key_the_newest_version_of_then_counts),
        CASE(test_the_version_is_read_by_its_id_and_nothing_is_written),
        CASE(test_a_long_listing_is_read_to_its_end),
        CASE(test_listings_that_cannot_be_believed_are_refused),
    };
    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("s3_versions", tests, NULL, NULL);
}
