#include "base/macros.h"
#include "cli/progress_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_line_says_only_what_is_known(void **state)
{
    char line[PROGRESS_LINE_SIZE];
    const uint64_t mib = 1024 * 1024;
    struct progress_sample sample = {0};
    (void)state;
    assert_string_equal(progress_line(&sample, line), "starting  0 B");
    sample = (struct progress_sample){.phase = "copying", .bytes_done = 512 * mib};
    assert_string_equal(progress_line(&sample, line), "copying  512.0 MiB");
    sample.bytes_total = 1024 * mib;
    assert_string_equal(progress_line(&sample, line), "copying  512.0 MiB of 1.0 GiB (50 %)");
    sample.bytes_per_second = 64 * mib;
    sample.bytes_stored = 100 * mib;
    assert_string_equal(
        progress_line(&sample, line),
        "copying  512.0 MiB of 1.0 GiB (50 %), 64.0 MiB/s, 8.0 s left, 100.0 MiB in the store");
}

/* The total is the server's estimate: there may be more. */
static void test_more_than_the_estimate_is_no_harm(void **state)
{
    char line[PROGRESS_LINE_SIZE];
    const struct progress_sample sample = {
        .phase = "copying", .bytes_done = 3000, .bytes_total = 2000, .bytes_per_second = 1};
    (void)state;
    assert_non_null(strstr(progress_line(&sample, line), "(100 %)"));
    assert_null(strstr(line, "left"));
}

static void test_nothing_is_shown_in_a_pipe(void **state)
{
    struct progress progress = {.phase = "copying"};
    struct progress_view view;
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    const struct cli_world world = {.out = file, .err = file};
    const struct invocation call = {.world = &world};
    progress_view_start(&view, &progress, &call);
    assert_false(view.running);
    progress_view_stop(&view);
    progress_view_stop(&view);
    assert_int_equal(ftell(file), 0);
    (void)fclose(file);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_says_only_what_is_known),
        cmocka_unit_test(test_more_than_the_estimate_is_no_harm),
        cmocka_unit_test(test_nothing_is_shown_in_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
