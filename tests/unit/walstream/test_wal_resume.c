#include "walstream/wal_resume.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 16 << 20 };

static const struct timeline_entry history[] = {{.timeline = 1, .end_lsn = 0x5000100},
                                                {.timeline = 3, .end_lsn = 0x9000200}};

/* The server is on timeline 4, which came from 3, which came from 1. */
static struct wal_resume_facts facts_of(const struct wal_catalog *catalog)
{
    return (struct wal_resume_facts){.catalog = catalog,
                                     .history = history,
                                     .history_count = ARRAY_LEN(history),
                                     .timeline = 4,
                                     .position = 0xa000500,
                                     .segment_bytes = SEGMENT};
}

static struct wal_resume plan(const struct wal_resume_facts *facts)
{
    struct error err;
    struct wal_resume resume;
    if (!wal_resume_plan(facts, &resume, &err))
        fail_msg("%s", err.text);
    return resume;
}

static void test_an_empty_store_begins_with_the_slot_then_with_the_position(void **state)
{
    struct wal_catalog catalog = {0};
    struct wal_resume_facts facts = facts_of(&catalog);
    (void)state;
    struct wal_resume resume = plan(&facts);
    assert_int_equal(resume.from, WAL_FROM_POSITION);
    assert_int_equal(resume.timeline, 4);
    assert_int_equal(resume.lsn, 0xa000000);
    facts.slot_lsn = 0x9ffffff;
    resume = plan(&facts);
    assert_int_equal(resume.from, WAL_FROM_SLOT);
    assert_int_equal(resume.lsn, 0x9000000);
    assert_null(resume.last);
}

static void test_the_store_knows_best(void **state)
{
    struct wal_chunk chunks[] = {
        {.timeline = 1, .start_lsn = 0x1000000, .end_lsn = 0x5000100},
        {.timeline = 4, .start_lsn = 0x9000000, .end_lsn = 0x9800000},
        {.timeline = 4, .start_lsn = 0x9000000, .end_lsn = 0x9000300},
    };
    struct wal_catalog catalog = {.chunks = chunks, .count = ARRAY_LEN(chunks)};
    struct wal_resume_facts facts = facts_of(&catalog);
    facts.slot_lsn = 0x9900000;
    (void)state;
    struct wal_resume resume = plan(&facts);
    assert_int_equal(resume.from, WAL_FROM_STORE);
    assert_int_equal(resume.timeline, 4);
    assert_int_equal(resume.lsn, 0x9800000);
    assert_ptr_equal(resume.last, &chunks[1]);
    facts.ignore_store = true; /* behind a gap */
    resume = plan(&facts);
    assert_int_equal(resume.from, WAL_FROM_SLOT);
}

static void test_an_old_timeline_is_continued_up_to_its_end(void **state)
{
    static const struct {
        uint32_t timeline;
        uint64_t end_lsn;
        uint32_t then_timeline;
        uint64_t then_lsn;
    } cases[] = {
        {1, 0x5000000, 1, 0x5000000}, /* before the switch */
        {1, 0x5000100, 3, 0x5000000}, /* complete: the next begins with its segment */
        {1, 0x6000000, 3, 0x5000000}, /* the old primary had written on: a dead branch */
        {3, 0x9000100, 3, 0x9000100}, {3, 0x9000200, 4, 0x9000000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct wal_chunk chunk = {
            .timeline = cases[i].timeline, .start_lsn = 0x4000000, .end_lsn = cases[i].end_lsn};
        struct wal_catalog catalog = {.chunks = &chunk, .count = 1};
        struct wal_resume_facts facts = facts_of(&catalog);
        struct wal_resume resume = plan(&facts);
        assert_int_equal(resume.timeline, cases[i].then_timeline);
        assert_int_equal(resume.lsn, cases[i].then_lsn);
        assert_true((resume.last != NULL) == (cases[i].then_timeline == cases[i].timeline));
    }
}

static void test_other_branches_do_not_count_and_nothing_else_is_refused(void **state)
{
    struct error err;
    struct wal_resume resume;
    struct wal_chunk chunks[] = {
        {.timeline = 2, .start_lsn = 0x4000000, .end_lsn = 0x5000000},
        {.timeline = 3, .start_lsn = 0x5000000, .end_lsn = 0x6000000},
        {.timeline = 5, .start_lsn = 0x6000000, .end_lsn = 0x7000000},
    };
    struct wal_catalog catalog = {.chunks = chunks, .count = ARRAY_LEN(chunks)};
    struct wal_resume_facts facts = facts_of(&catalog);
    (void)state;
    resume = plan(&facts);
    assert_int_equal(resume.timeline, 3);
    catalog.count = 1;
    assert_false(wal_resume_plan(&facts, &resume, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_store_begins_with_the_slot_then_with_the_position),
        cmocka_unit_test(test_the_store_knows_best),
        cmocka_unit_test(test_an_old_timeline_is_continued_up_to_its_end),
        cmocka_unit_test(test_other_branches_do_not_count_and_nothing_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
