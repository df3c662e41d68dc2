#include "repository/catalog.h"

#include "repository/manifest.h"
#include "tests/lib/core_fixture.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_snapshot(const struct repository *repository, const char *id, unsigned number)
{
    struct error err;
    struct manifest manifest;
    manifest_init(&manifest);
    fixture_info(&manifest.info, number);
    (void)snprintf(manifest.info.id, sizeof manifest.info.id, "%s", id);
    assert_true(manifest_write(repository, &manifest, &err));
    manifest_release(&manifest);
}

static struct repository make(void)
{
    struct error err;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    add_snapshot(&repository, "aaaa000000000003", 3);
    add_snapshot(&repository, "aaaa000000000001", 1);
    add_snapshot(&repository, "bbbb000000000002", 2);
    assert_true(store_put(repository.store, "snapshots/notes.txt", "x", 1, NULL, &err));
    return repository;
}

static void put_garbage(const struct repository *repository, const char *key)
{
    struct error err;
    assert_true(store_put(repository->store, key, "garbage", 7, NULL, &err));
}

static void test_snapshots_are_listed_oldest_first(void **state)
{
    struct error err;
    struct catalog catalog;
    struct repository repository = make();
    (void)state;
    assert_true(catalog_load(&repository, &catalog, &err));
    assert_int_equal(catalog.count, 3);
    assert_string_equal(catalog.entries[0].info.id, "aaaa000000000001");
    assert_string_equal(catalog.entries[1].info.id, "bbbb000000000002");
    assert_string_equal(catalog.entries[2].info.id, "aaaa000000000003");
    catalog_release(&catalog);
    fixture_close(&repository);
}

static void test_unreadable_manifests_are_listed_with_the_reason(void **state)
{
    static const char *const keys[] = {
        "snapshots/20260301T000009.000000Z-cccc000000000009.manifest",
        "snapshots/20260301T000008.000000Z.manifest",
        "snapshots/x.manifest",
    };
    struct error err;
    struct catalog catalog;
    const struct catalog_entry *entry;
    struct repository repository = make();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put_garbage(&repository, keys[i]);
    assert_true(catalog_load(&repository, &catalog, &err));
    assert_int_equal(catalog.count, 6);
    assert_false(catalog.entries[4].readable);
    assert_non_null(strstr(catalog.entries[4].problem, keys[0]));
    assert_false(catalog_find(&catalog, "latest", &entry, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(err.hint, "aaaa000000000003"));
    assert_false(catalog_find(&catalog, "cccc", &entry, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    catalog_release(&catalog);
    fixture_close(&repository);
}

/* A manifest under another snapshot's name is not that snapshot. */
static void test_a_renamed_manifest_is_not_believed(void **state)
{
    struct error err;
    struct catalog catalog;
    size_t got;
    uint8_t bytes[4096];
    struct repository repository = make();
    (void)state;
    assert_true(store_get(repository.store,
                          "snapshots/20260301T000001.000000Z-aaaa000000000001.manifest", 0,
                          sizeof bytes, bytes, &got, &err));
    assert_true(store_put(repository.store,
                          "snapshots/20260301T000009.000000Z-dddd000000000009.manifest", bytes, got,
                          NULL, &err));
    assert_true(catalog_load(&repository, &catalog, &err));
    assert_int_equal(catalog.count, 4);
    assert_false(catalog.entries[3].readable);
    assert_non_null(strstr(catalog.entries[3].problem, "another snapshot"));
    catalog_release(&catalog);
    fixture_close(&repository);
}

static void test_snapshots_are_found(void **state)
{
    static const struct {
        const char *wanted;
        const char *id; /* NULL: refused */
        enum error_kind kind;
    } cases[] = {
        {"latest", "aaaa000000000003", ERROR_NONE},
        {"bbbb", "bbbb000000000002", ERROR_NONE},
        {"bbbb000000000002", "bbbb000000000002", ERROR_NONE},
        {"aaaa000000000001", "aaaa000000000001", ERROR_NONE},
        {"aaaa", NULL, ERROR_USAGE},
        {"bbb", NULL, ERROR_NOT_FOUND},
        {"", NULL, ERROR_NOT_FOUND},
        {"bbbb0000000000020", NULL, ERROR_NOT_FOUND},
        {"BBBB", NULL, ERROR_NOT_FOUND},
    };
    struct error err;
    struct catalog catalog;
    struct repository repository = make();
    (void)state;
    assert_true(catalog_load(&repository, &catalog, &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct catalog_entry *entry = NULL;
        if (catalog_find(&catalog, cases[i].wanted, &entry, &err)) {
            assert_non_null(cases[i].id);
            assert_string_equal(entry->info.id, cases[i].id);
        } else {
            assert_null(cases[i].id);
            assert_int_equal(err.kind, cases[i].kind);
        }
    }
    catalog_release(&catalog);
    fixture_close(&repository);
}

static void test_an_empty_repository_says_so(void **state)
{
    struct error err;
    struct catalog catalog;
    const struct catalog_entry *entry;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    assert_true(catalog_load(&repository, &catalog, &err));
    assert_false(catalog_find(&catalog, "latest", &entry, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    catalog_release(&catalog);
    fixture_close(&repository);
}

/* "No snapshots" and "the store does not answer" must never look the same. */
static void test_a_failing_store_is_an_error(void **state)
{
    static const unsigned ops[] = {FAULT_LIST, FAULT_GET};
    struct error err;
    struct store *fault;
    struct catalog catalog;
    struct repository repository = make();
    (void)state;
    assert_true(store_fault_open(repository.store, &fault, &err));
    repository.store = fault;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct fault down = {.ops = ops[i], .at_call = 1, .kind = ERROR_UNAVAILABLE};
        store_fault_set(fault, &down);
        assert_false(catalog_load(&repository, &catalog, &err));
        assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    }
    store_close(fault);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshots_are_listed_oldest_first),
        cmocka_unit_test(test_unreadable_manifests_are_listed_with_the_reason),
        cmocka_unit_test(test_a_renamed_manifest_is_not_believed),
        cmocka_unit_test(test_snapshots_are_found),
        cmocka_unit_test(test_an_empty_repository_says_so),
        cmocka_unit_test(test_a_failing_store_is_an_error),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
