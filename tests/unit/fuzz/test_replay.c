/*
 * Every fuzz target over its seeds and over small changes of them: what the fuzzer would try first,
 * without the fuzzer. The targets share one entry point's name, so they are included.
 */
#include "base/macros.h"

/* NOLINTBEGIN(bugprone-suspicious-include) */
#define LLVMFuzzerTestOneInput fuzz_control_file
#include "tests/fuzz/fuzz_control_file.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_page_map
#include "tests/fuzz/fuzz_page_map.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_s3_answer
#include "tests/fuzz/fuzz_s3_answer.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_timeline_history
#include "tests/fuzz/fuzz_timeline_history.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_yaml
#include "tests/fuzz/fuzz_yaml.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_runbook
#define __lsan_default_suppressions suppressions_of_runbook
#include "tests/fuzz/fuzz_runbook.c"
#undef __lsan_default_suppressions
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_server_manifest
#define feed feed_server_manifest
#include "tests/fuzz/fuzz_server_manifest.c"
#undef feed
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_pack_index
#include "tests/fuzz/fuzz_pack_index.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_snapshot_info
#define write_again write_info_again
#include "tests/fuzz/fuzz_snapshot_info.c"
#undef write_again
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_manifest
#include "tests/fuzz/fuzz_manifest.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include) */

#include "base/cleanup.h"
#include "base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {
    {"control_file", fuzz_control_file},
    {"manifest", fuzz_manifest},
    {"pack_index", fuzz_pack_index},
    {"page_map", fuzz_page_map},
    {"runbook", fuzz_runbook},
    {"s3_answer", fuzz_s3_answer},
    {"server_manifest", fuzz_server_manifest},
    {"snapshot_info", fuzz_snapshot_info},
    {"timeline_history", fuzz_timeline_history},
    {"yaml", fuzz_yaml},
};

/* From a copy of exactly this length, so that a sanitizer sees every byte read too far. */
static void run_copy(int (*run)(const uint8_t *data, size_t size), const uint8_t *data, size_t size)
{
    CLEANUP(free_pointer) uint8_t *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    assert_int_equal(run(copy, size), 0);
}

static void run_around(int (*run)(const uint8_t *data, size_t size), struct buf *seed)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    run_copy(run, seed->data, seed->len);
    for (size_t len = 0; len < seed->len; len++)
        run_copy(run, seed->data, len);
    for (size_t at = 0; at < seed->len; at++) {
        uint8_t kept = seed->data[at];
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            seed->data[at] = values[i];
            run_copy(run, seed->data, seed->len);
        }
        seed->data[at] = kept;
    }
}

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

/* The seeds lie beside this file, wherever the test is started. */
static size_t run_seeds(size_t target)
{
    char path[4096];
    size_t count = 0;
    const char *file = strrchr(__FILE__, '/');
    (void)snprintf(path, sizeof path, "%.*s/../../fuzz/corpus/%s", (int)(file - __FILE__), __FILE__,
                   targets[target].name);
    CLEANUP(close_dir) DIR *dir = opendir(path);
    const struct dirent *item;
    if (dir == NULL)
        return 0;
    for (item = readdir(dir); item != NULL; item = readdir(dir)) {
        struct error err;
        if (item->d_name[0] == '.')
            continue;
        CLEANUP(free_pointer) char *seed_path = path_join(path, item->d_name);
        CLEANUP(buf_release) struct buf seed;
        buf_init(&seed, 1 << 20);
        if (!file_read_all(seed_path, &seed, &err))
            fail_msg("%s", err.text);
        run_around(targets[target].run, &seed);
        count++;
    }
    return count;
}

static void test_seeds_and_their_neighbours_break_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (run_seeds(i) == 0)
            fail_msg("there are no seeds for %s", targets[i].name);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_and_their_neighbours_break_nothing),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
