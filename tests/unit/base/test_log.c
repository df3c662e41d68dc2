#include "base/log.h"

#include "base/buf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char line[20000];

/* What one event writes to stderr. */
static const char *logged(bool json, const char *text)
{
    int ends[2];
    int kept = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_configure(LOG_INFO, json);
    log_event(LOG_INFO, "test.event", "%s", text);
    log_event(LOG_DEBUG, "test.hidden", "not shown");
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(kept);
    (void)close(ends[1]);
    ssize_t got = read(ends[0], line, sizeof line - 1);
    (void)close(ends[0]);
    line[got > 0 ? got : 0] = '\0';
    return line;
}

/* Names come from outside: they must not forge lines, drive a terminal or break the JSON. */
static void test_hostile_texts_stay_one_line(void **state)
{
    static const struct {
        const char *text;
        const char *plain;
        const char *json;
    } cases[] = {
        {"fine", "fine", "\"message\":\"fine\""},
        {"a\nb", "a?b", "\"message\":\"a\\u000ab\""},
        {"\x1b[2J", "?[2J", "\"message\":\"\\u001b[2J\""},
        {"q\"\\", "q\"\\", "\"message\":\"q\\\"\\\\\""},
        {"caf\xc3\xa9", "caf\xc3\xa9", "\"message\":\"caf\xc3\xa9\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *plain = logged(false, cases[i].text);
        assert_non_null(strstr(plain, cases[i].plain));
        assert_ptr_equal(strchr(plain, '\n'), plain + strlen(plain) - 1);
        const char *json = logged(true, cases[i].text);
        assert_non_null(strstr(json, cases[i].json));
        assert_non_null(strstr(json, "\"event\":\"test.event\""));
        assert_ptr_equal(strchr(json, '\n'), json + strlen(json) - 1);
    }
}

static void test_levels_have_names(void **state)
{
    enum log_level level;
    (void)state;
    assert_true(log_level_from_text("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_from_text("verbose", &level));
    log_configure(LOG_WARNING, false);
    assert_true(log_enabled(LOG_ERROR) && log_enabled(LOG_WARNING));
    assert_false(log_enabled(LOG_INFO));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_texts_stay_one_line),
        cmocka_unit_test(test_levels_have_names),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
