/*
 * Every fuzz target over its seeds and over small changes of them: what the fuzzer would try first,
 * without the fuzzer. The Makefile gives each target's entry point the name of its file.
 */
#include "base/macros.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
#define TARGETS(EACH) \
    EACH(adapter_manifest) \
    EACH(backup_copy) \
    EACH(bundle) \
    EACH(compress) \
    EACH(config_file) \
    EACH(control_file) \
    EACH(cron) \
    EACH(csv) \
    EACH(drill_assertion) \
    EACH(drill_proof) \
    EACH(http_answer) \
    EACH(import_value) \
    EACH(json_lines) \
    EACH(key_object) \
    EACH(key_source) \
    EACH(manifest) \
    EACH(pack_index) \
    EACH(page_map) \
    EACH(plan) \
    EACH(record) \
    EACH(recovery) \
    EACH(recovery_sheet) \
    EACH(runbook) \
    EACH(s3_answer) \
    EACH(s3_credentials) \
    EACH(s3_key_answer) \
    EACH(s3_location) \
    EACH(sealed_object) \
    EACH(sealed_pack) \
    EACH(sealed_wal) \
    EACH(server_manifest) \
    EACH(signature) \
    EACH(snapshot_info) \
    EACH(tarball) \
    EACH(template) \
    EACH(text) \
    EACH(time_zone) \
    EACH(timeline_history) \
    EACH(wal_chunk) \
    EACH(wal_page) \
    EACH(webhook) \
    EACH(yaml)
/* clang-format on */

#define DECLARE(name) int fuzz_##name(const uint8_t *data, size_t size);
TARGETS(DECLARE)

#define ROW(name) {#name, fuzz_##name},
static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {TARGETS(ROW)};

#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 loses a buffer of its own on some malformed texts. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}
#endif

enum { PLACES_MAX = 500, PATH_SIZE = 4096 }; /* in a large seed not every byte is changed */

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
    size_t step = 1 + seed->len / PLACES_MAX;
    run_copy(run, seed->data, seed->len);
    for (size_t len = 0; len < seed->len; len += step)
        run_copy(run, seed->data, len);
    for (size_t at = 0; at < seed->len; at += step) {
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

/* The targets and seeds lie beside this file, wherever the test is started. */
static const char *fuzz_path(const char *below, char out[PATH_SIZE])
{
    const char *file = strrchr(__FILE__, '/');
    (void)snprintf(out, PATH_SIZE, "%.*s/../../fuzz%s", (int)(file - __FILE__), __FILE__, below);
    return out;
}

static size_t run_seeds(size_t target)
{
    char below[128];
    char path[PATH_SIZE];
    size_t count = 0;
    (void)snprintf(below, sizeof below, "/corpus/%s", targets[target].name);
    (void)fuzz_path(below, path);
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

static bool is_target(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (strlen(targets[i].name) == len && strncmp(targets[i].name, name, len) == 0)
            return true;
    return false;
}

static void test_no_target_is_left_out(void **state)
{
    static const char prefix[] = "fuzz_";
    char path[PATH_SIZE];
    CLEANUP(close_dir) DIR *dir = opendir(fuzz_path("", path));
    const struct dirent *item;
    size_t found = 0;
    (void)state;
    assert_non_null(dir);
    for (item = readdir(dir); item != NULL; item = readdir(dir)) {
        const char *name = item->d_name + sizeof prefix - 1;
        const char *end = strstr(item->d_name, ".c");
        if (strncmp(item->d_name, prefix, sizeof prefix - 1) != 0 || end == NULL)
            continue;
        if (!is_target(name, (size_t)(end - name)))
            fail_msg("%s is not replayed", item->d_name);
        found++;
    }
    assert_int_equal(found, ARRAY_LEN(targets));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_target_is_left_out),
        cmocka_unit_test(test_seeds_and_their_neighbours_break_nothing),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
