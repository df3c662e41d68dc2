#include "base/cleanup.h"
#include "base/text.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file of this content; removed by the test. */
static char *write_file(const char *content)
{
    char *path = strdup("/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(close(fd), 0);
    return path;
}

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static char *debug_environment(const char *name)
{
    static char level[] = "debug";
    static char label[] = "from-environment";
    if (strcmp(name, "MAINSTAY_LOG_LEVEL") == 0)
        return level;
    return strcmp(name, "MAINSTAY_SNAPSHOT_LABEL") == 0 ? label : NULL;
}

static void test_flag_beats_environment_beats_file_beats_default(void **state)
{
    struct error err;
    struct config config;
    (void)state;
    CLEANUP(free_pointer)
    char *path = write_file("snapshot:\n  label: file\n  uploads: 7\nlog:\n  level: error\n");
    const struct config_flag flags[] = {{OPTION_SNAPSHOT_LABEL, "first"},
                                        {OPTION_SNAPSHOT_LABEL, "last"}};
    const struct config_sources sources = {
        .file = path, .flags = flags, .flag_count = 2, .getenv = debug_environment};
    assert_true(config_load(&sources, &config, &err));
    assert_true(config_check(&config, &err));
    assert_string_equal(config_text(&config, OPTION_SNAPSHOT_LABEL), "last");
    assert_string_equal(config_text(&config, OPTION_LOG_LEVEL), "debug");
    assert_int_equal(config_amount(&config, OPTION_SNAPSHOT_UPLOADS), 7);
    assert_int_equal(config_amount(&config, OPTION_STORE_CONNECT_TIMEOUT), 10000000);
    assert_int_equal(config_amount(&config, OPTION_REPOSITORY_PACK_SIZE), 32 * 1024 * 1024);
    assert_true(config_bool(&config, OPTION_SNAPSHOT_VERIFY_CHECKSUMS));
    assert_null(config_text(&config, OPTION_REPOSITORY_URL));
    config_release(&config);
    (void)unlink(path);
}

static void test_missing_value_names_flag_variable_and_key(void **state)
{
    struct error err;
    struct config config;
    const char *url;
    (void)state;
    CLEANUP(free_pointer) char *path = write_file("");
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    assert_true(config_load(&sources, &config, &err));
    assert_false(config_require(&config, OPTION_REPOSITORY_URL, &url, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, "repository.url is not set");
    assert_non_null(strstr(err.hint, "--repo "));
    assert_non_null(strstr(err.hint, "MAINSTAY_REPOSITORY_URL"));
    config_release(&config);
    (void)unlink(path);
}

static void test_a_named_file_must_exist(void **state)
{
    struct error err;
    struct config config;
    const struct config_sources sources = {.file = "/nonexistent/mainstay.yaml",
                                           .getenv = no_environment};
    (void)state;
    assert_false(config_load(&sources, &config, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    config_release(&config);
}

static void test_more_problems_than_fit_are_no_harm(void **state)
{
    struct error err;
    struct config config;
    struct buf text;
    (void)state;
    buf_init(&text, 65536);
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "unknown%d: x\n", i);
    CLEANUP(free_pointer) char *path = write_file(buf_text(&text));
    buf_release(&text);
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    assert_true(config_load(&sources, &config, &err));
    assert_int_equal(config.problem_count, CONFIG_MAX_PROBLEMS);
    assert_false(config_check(&config, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, ":1:1: unknown key \"unknown0\""));
    config_release(&config);
    (void)unlink(path);
}

static void test_wrong_secret_is_not_repeated(void **state)
{
    struct error err;
    struct config config;
    (void)state;
    CLEANUP(free_pointer)
    char *path = write_file("postgres:\n  connection: \"password=hunter2\\n\"\n");
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    assert_true(config_load(&sources, &config, &err));
    assert_false(config_check(&config, &err));
    assert_null(strstr(err.text, "hunter2"));
    config_release(&config);
    (void)unlink(path);
}

/* Uncommented, the example is a configuration without unknown keys or wrong values. */
static void test_the_example_is_valid(void **state)
{
    struct error err;
    struct config config;
    struct buf text;
    (void)state;
    buf_init(&text, 65536);
    config_put_example(&text);
    for (size_t i = 0; i + 3 < text.len; i++) {
        if (memcmp(text.data + i, "  #", 3) == 0 && text.data[i + 3] != ' ')
            text.data[i + 2] = ' ';
    }
    CLEANUP(free_pointer) char *indented = strdup(buf_text(&text));
    buf_clear(&text);
    for (char *line = indented; *line != '\0';) {
        char *end = strchrnul(line, '\n');
        const char *from = strncmp(line, "   ", 3) == 0 ? line + 1 : line;
        buf_printf(&text, "%.*s\n", (int)(end - from), from);
        line = *end == '\0' ? end : end + 1;
    }
    CLEANUP(free_pointer) char *path = write_file(buf_text(&text));
    buf_release(&text);
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    assert_true(config_load(&sources, &config, &err));
    if (!config_check(&config, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        assert_int_equal(config.settings[i].origin, ORIGIN_FILE);
    config_release(&config);
    (void)unlink(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(test_missing_value_names_flag_variable_and_key),
        cmocka_unit_test(test_a_named_file_must_exist),
        cmocka_unit_test(test_more_problems_than_fit_are_no_harm),
        cmocka_unit_test(test_wrong_secret_is_not_repeated),
        cmocka_unit_test(test_the_example_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
