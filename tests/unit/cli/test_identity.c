/* The policies as data; tests/integration/identities.t runs the jobs under them. */
#include "base/macros.h"
#include "base/text.h"
#include "cli/identity.h"
#include "repository/repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct store_lock no_lock = {0};
static const struct store_lock governance = {.keep_us = 1, .prefixes = repository_lasting_prefixes};
static const struct store_lock hold = {.hold = true, .prefixes = repository_lasting_prefixes};
static const char url[] = "s3://bucket/main?endpoint=https://h";
static const char as_of[] = "s3://bucket/main?endpoint=https://h&as-of=2026-03-01T12:00:00Z";

/* The statements, each as text on a line of its own: "Sid" and so on. */
static void print(const char *name, const char *place, const struct store_lock *lock,
                  struct buf *out)
{
    struct error err;
    const struct identity *identity;
    assert_true(identity_find(name, &identity, &err));
    CLEANUP(value_cleanup) struct value *policy = identity_policy(identity, place, lock, &err);
    if (policy == NULL)
        fail_msg("%s", err.text);
    buf_init(out, 65536);
    assert_true(value_print(policy, false, out, &err));
}

/* Whether the statement with this Sid is there and has the text. */
static bool has(struct buf *policy, const char *sid, const char *text)
{
    const char *at = strstr(buf_text(policy), sid);
    const char *end = at == NULL ? NULL : strstr(at, "\"Sid\"");
    const char *found = at == NULL ? NULL : strstr(at, text);
    return found != NULL && (end == NULL || found < end);
}

static void test_locks_add_rights_where_objects_are_locked(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf locked;
    CLEANUP(buf_release) struct buf held;
    print("writer", url, &no_lock, &plain);
    print("writer", url, &governance, &locked);
    print("writer", url, &hold, &held);
    assert_null(strstr(buf_text(&plain), "PutObjectRetention"));
    assert_null(strstr(buf_text(&plain), "PutObjectLegalHold"));
    assert_true(has(&locked, "\"Lock\"", "main/packs/*"));
    assert_true(has(&locked, "\"Lock\"", "main/mainstay.json"));
    assert_false(has(&locked, "\"Lock\"", "main/leases/*"));
    assert_null(strstr(buf_text(&locked), "PutObjectLegalHold"));
    assert_true(has(&held, "\"Hold\"", "\"s3:object-lock-legal-hold\":\"ON\""));
    assert_null(strstr(buf_text(&held), "PutObjectRetention"));
}

static void test_nobody_lifts_locks_or_deletes_versions(void **state)
{
    static const struct store_lock *const locks[] = {&no_lock, &governance, &hold};
    (void)state;
    for (size_t i = 0; i < identity_count(); i++) {
        for (size_t j = 0; identity_at(i)->jobs[0] != NULL && j < ARRAY_LEN(locks); j++) {
            CLEANUP(buf_release) struct buf policy;
            print(identity_at(i)->name, url, locks[j], &policy);
            assert_null(strstr(buf_text(&policy), "DeleteObjectVersion"));
            assert_null(strstr(buf_text(&policy), "s3:PutBucket"));
            assert_null(strstr(buf_text(&policy), "PutLifecycle"));
            if (store_lock_is_wanted(locks[j]))
                assert_true(has(&policy, "\"NoBypass\"",
                                "\"Deny\",\"Action\":\"s3:BypassGovernanceRetention\""));
            /* What Amazon takes as a managed policy. */
            assert_true(strlen(buf_text(&policy)) < 6144);
        }
    }
}

static void test_the_reaper_sees_locks_whatever_its_own_configuration_says(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf policy;
    print("reaper", url, &no_lock, &policy);
    assert_true(has(&policy, "\"SeeLock\"", "main/snapshots/*"));
    assert_false(has(&policy, "\"Get\"", "main/packs/*"));
}

static void test_only_the_reader_reads_older_versions_of_everything(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf back;
    CLEANUP(buf_release) struct buf locked;
    CLEANUP(buf_release) struct buf writer;
    print("reader", url, &no_lock, &plain);
    print("reader", as_of, &no_lock, &back);
    print("reader", url, &governance, &locked);
    print("writer", url, &governance, &writer);
    assert_null(strstr(buf_text(&plain), "ObjectVersion"));
    assert_true(has(&back, "\"GetVersion\"", "main/packs/*"));
    assert_true(has(&back, "\"ListVersions\"", "\"main/*\""));
    assert_true(has(&locked, "\"GetVersion\"", "main/packs/*"));
    assert_false(has(&writer, "\"GetVersion\"", "main/packs/*"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locks_add_rights_where_objects_are_locked),
        cmocka_unit_test(test_nobody_lifts_locks_or_deletes_versions),
        cmocka_unit_test(test_the_reaper_sees_locks_whatever_its_own_configuration_says),
        cmocka_unit_test(test_only_the_reader_reads_older_versions_of_everything),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
