#include "base/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PIECES = 1000 };

struct work {
    _Atomic int next;
    _Atomic int done[PIECES];
    int fails_at; /* -1: never */
};

static bool take_pieces(struct workers *workers, void *context, struct error *err)
{
    struct work *work = context;
    while (!workers_failed(workers)) {
        int piece = atomic_fetch_add(&work->next, 1);
        if (piece >= PIECES)
            break;
        if (piece == work->fails_at)
            return error_set(err, ERROR_CORRUPT, "piece %d is damaged", piece);
        (void)atomic_fetch_add(&work->done[piece], 1);
    }
    return true;
}

static void test_every_piece_is_done_once(void **state)
{
    static struct work work;
    struct error err;
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        work = (struct work){.fails_at = -1};
        assert_true(workers_run(threads, take_pieces, &work, &err));
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(work.done[i], 1);
    }
}

static void test_a_failure_ends_all_and_is_told(void **state)
{
    static struct work work;
    struct error err;
    (void)state;
    work = (struct work){.fails_at = 10};
    assert_false(workers_run(4, take_pieces, &work, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_string_equal(err.text, "piece 10 is damaged");
}

static void test_counts_are_kept_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(workers_count(3, 8), 3);
    assert_int_equal(workers_count(100000, 8), 64);
    assert_in_range(workers_count(0, 8), 1, 8);
    assert_int_equal(workers_count(0, 1), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_is_done_once),
        cmocka_unit_test(test_a_failure_ends_all_and_is_told),
        cmocka_unit_test(test_counts_are_kept_within_bounds),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
