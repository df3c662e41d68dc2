#include "snapshot/parent.h"

#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct timeline_entry history[] = {{1, 1000}, {2, 2000}};

static void test_only_snapshots_on_the_servers_history_are_parents(void **state)
{
    static const struct {
        const char *what;
        uint32_t timeline;
        uint64_t stop_lsn;
        bool good;
    } cases[] = {
        {"on the server's timeline", 3, 2500, true},
        {"up to where the server is", 3, 3000, true},
        {"beyond where the server is: it was rolled back", 3, 3001, false},
        {"on an ancestor, before it was left", 2, 1999, true},
        {"on an ancestor, up to where it was left", 1, 1000, true},
        {"on an ancestor, behind where it was left", 1, 1001, false},
        {"on an ancestor, behind, although the server is further", 2, 2500, false},
        {"on a later timeline", 4, 100, false},
        {"on a timeline that is no ancestor", 5, 2500, false},
    };
    struct parent_server server = {.identity = {.timeline = 3, .position = 3000},
                                   .history = history,
                                   .history_count = ARRAY_LEN(history)};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char why[256] = "";
        struct snapshot_info info = {
            .id = "0123456789abcdef", .timeline = cases[i].timeline, .stop_lsn = cases[i].stop_lsn};
        const char *problem = parent_history_problem(&info, &server, why);
        if ((problem == NULL) != cases[i].good)
            fail_msg("%s: %s", cases[i].what, problem == NULL ? "accepted" : problem);
        if (problem != NULL)
            assert_non_null(strstr(problem, "0123456789abcdef"));
    }
}

static struct parent_server server_of(uint64_t system_identifier)
{
    return (struct parent_server){.identity = {.system_identifier = system_identifier,
                                               .timeline = 1,
                                               .position = UINT64_C(0x100000000)}};
}

static void add_snapshot(const struct repository *repository, unsigned number, uint32_t timeline)
{
    struct fixture_snapshot snapshot;
    uint8_t pages[3 * PAGE_BYTES];
    struct fixture_random random = {.state = number};
    for (size_t i = 0; i < 3; i++)
        fixture_page(pages + i * PAGE_BYTES, PAGE_NOISE, 1, &random);
    fixture_snapshot_begin(&snapshot, repository, number);
    snapshot.manifest.info.timeline = timeline;
    fixture_add_file(&snapshot, "base/1", pages, sizeof pages);
    fixture_snapshot_end(&snapshot);
}

static void choose(const struct repository *repository, struct parent *out)
{
    struct error err;
    struct snapshot_info info;
    fixture_info(&info, 0);
    struct parent_server server = server_of(info.system_identifier);
    if (!parent_choose(repository, &server, out, &err))
        fail_msg("%s", err.text);
}

static void test_the_newest_usable_snapshot_is_chosen(void **state)
{
    struct parent parent;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    choose(&repository, &parent);
    assert_false(parent.found);
    assert_string_equal(parent.reason, "the repository holds no snapshot yet");
    parent_release(&parent);
    add_snapshot(&repository, 1, 1);
    add_snapshot(&repository, 2, 1);
    choose(&repository, &parent);
    assert_true(parent.found);
    assert_string_equal(parent.manifest.info.id, "0000000000000002");
    assert_string_equal(parent.reason, "");
    assert_int_equal(parent.live_pages, 3);
    assert_int_equal(parent.missing_packs, 0);
    parent_release(&parent);
    add_snapshot(&repository, 3, 9); /* another history */
    choose(&repository, &parent);
    assert_string_equal(parent.manifest.info.id, "0000000000000002");
    assert_non_null(strstr(parent.reason, "timeline 9"));
    parent_release(&parent);
    fixture_close(&repository);
}

static void test_missing_and_cut_packs_are_marked(void **state)
{
    struct error err;
    struct parent parent;
    char key[PACK_KEY_SIZE];
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    add_snapshot(&repository, 1, 1);
    choose(&repository, &parent);
    assert_int_equal(parent.manifest.pack_count, 1);
    assert_int_equal(parent.pack_states[0], PACK_USABLE);
    (void)pack_key(parent.manifest.packs[0].id, key);
    parent_release(&parent);
    assert_true(store_remove(repository.store, key, &err));
    choose(&repository, &parent);
    assert_int_equal(parent.pack_states[0], PACK_MISSING);
    assert_int_equal(parent.missing_packs, 1);
    parent_release(&parent);
    assert_true(store_put(repository.store, key, "short", 5, NULL, &err));
    choose(&repository, &parent);
    assert_int_equal(parent.pack_states[0], PACK_MISSING);
    parent_release(&parent);
    fixture_close(&repository);
}

static void test_another_cluster_is_refused(void **state)
{
    struct error err;
    struct parent parent;
    struct parent_server server = server_of(42);
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    add_snapshot(&repository, 1, 1);
    assert_false(parent_choose(&repository, &server, &parent, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_non_null(strstr(err.text, "system 42"));
    fixture_close(&repository);
}

/* A damaged newest manifest is a reason, not the end: the one before it will do. */
static void test_an_unreadable_manifest_is_passed_over_with_a_reason(void **state)
{
    struct error err;
    struct parent parent;
    struct repository repository = fixture_repository(CODEC_ZSTD);
    (void)state;
    add_snapshot(&repository, 1, 1);
    assert_true(store_put(repository.store,
                          "snapshots/20260301T000009.000000Z-0000000000000009.manifest", "x", 1,
                          NULL, &err));
    choose(&repository, &parent);
    assert_true(parent.found);
    assert_string_equal(parent.manifest.info.id, "0000000000000001");
    assert_non_null(strstr(parent.reason, "0000000000000009"));
    parent_release(&parent);
    fixture_close(&repository);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_snapshots_on_the_servers_history_are_parents),
        cmocka_unit_test(test_the_newest_usable_snapshot_is_chosen),
        cmocka_unit_test(test_missing_and_cut_packs_are_marked),
        cmocka_unit_test(test_another_cluster_is_refused),
        cmocka_unit_test(test_an_unreadable_manifest_is_passed_over_with_a_reason),
    };
    return cmocka_run_group_tests_name("parent", tests, NULL, NULL);
}
