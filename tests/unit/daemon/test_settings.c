#include "base/cleanup.h"
#include "base/file.h"
#include "daemon/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct settings settings;
static struct error err;

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static bool load(const char *daemon, const char *alert)
{
    char path[] = "/tmp/mainstay-settings.XXXXXX";
    char text[1024];
    CLEANUP(close_fd) int fd = mkstemp(path);
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    int len = snprintf(text, sizeof text, "repository:\n  url: /srv/backup\ndaemon:\n%salert:\n%s",
                       daemon, alert);
    assert_true(file_write_at(fd, path, text, (size_t)len, 0, &err));
    bool done = settings_load(&sources, &settings, &err);
    (void)unlink(path);
    return done;
}

static int stop(void **state)
{
    (void)state;
    settings_release(&settings);
    return 0;
}

static void test_only_roles_with_a_schedule_are_scheduled(void **state)
{
    (void)state;
    assert_true(load("  snapshot-schedule: \"@daily\"\n  time-zone: Europe/Berlin\n", ""));
    assert_true(settings.scheduled[ROLE_SNAPSHOT]);
    assert_true(settings.scheduled[ROLE_STATUS]);
    assert_false(settings.scheduled[ROLE_VERIFY]);
    assert_false(settings.scheduled[ROLE_EXPIRE]);
    assert_false(settings.scheduled[ROLE_WAL_STREAM]);
    assert_int_equal(settings.crons[ROLE_STATUS].every_us, 60000000);
    assert_int_equal(settings.port, 9871);
    assert_string_equal(settings.host, "127.0.0.1");
}

static void test_what_is_wrong_is_named_by_its_option(void **state)
{
    static const struct {
        const char *daemon;
        const char *alert;
        const char *says;
    } wrong[] = {
        {"  snapshot-schedule: \"99 * * * *\"\n", "", "daemon.snapshot-schedule"},
        {"  time-zone: Europe/Nowhere\n", "", "Europe/Nowhere"},
        {"  listen: somewhere\n", "", "daemon.listen"},
        {"  listen: 127.0.0.1:99999\n", "", "daemon.listen"},
        {"  jitter: sometimes\n", "", "daemon.jitter"},
        {"  shedule: x\n", "", "shedule"},
        {"", "  failures: 1\nretention:\n  timezone: Nowhere\n", "retention.timezone"},
        {"", "  webhook-file: /nonexistent/url\n", "alert.webhook-file"},
        {"", "  format: carrier-pigeon\n", "alert.format"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (load(wrong[i].daemon, wrong[i].alert))
            fail_msg("accepted: %s%s", wrong[i].daemon, wrong[i].alert);
        if (strstr(err.text, wrong[i].says) == NULL)
            fail_msg("%s: %s", wrong[i].says, err.text);
        settings_release(&settings);
    }
}

static void test_alerts_go_by_https_only_unless_that_is_allowed(void **state)
{
    char path[] = "/tmp/mainstay-url.XXXXXX";
    char alert[256];
    static const char url[] = "http://hooks.example.net/s3cret\n";
    (void)state;
    CLEANUP(close_fd) int fd = mkstemp(path);
    assert_true(file_write_at(fd, path, url, strlen(url), 0, &err));
    (void)snprintf(alert, sizeof alert, "  webhook-file: %s\n", path);
    assert_false(load("", alert));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "alert.webhook-file: its URL is plain http"));
    settings_release(&settings);
    (void)snprintf(alert, sizeof alert, "  webhook-file: %s\nwebhook:\n  plain-http: true\n", path);
    assert_true(load("", alert));
    settings_release(&settings);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_false(load("", alert));
    assert_non_null(strstr(err.text, "can be used by everybody"));
    (void)unlink(path);
}

static void test_off_listens_nowhere(void **state)
{
    (void)state;
    assert_true(load("  listen: \"off\"\n", ""));
    assert_false(settings.listening);
}

static void test_changes_are_counted_with_their_groups(void **state)
{
    struct settings before;
    unsigned groups;
    (void)state;
    assert_true(load("  jitter: 5s\n", ""));
    before = settings;
    settings = (struct settings){0};
    assert_true(load("  jitter: 6s\n", "  failures: 5\n"));
    assert_int_equal(settings_log_changes(&before, &settings, &groups), 2);
    assert_int_equal(groups, GROUP_DAEMON);
    assert_int_equal(settings_log_changes(&settings, &settings, &groups), 0);
    settings_release(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_only_roles_with_a_schedule_are_scheduled, stop),
        cmocka_unit_test_teardown(test_what_is_wrong_is_named_by_its_option, stop),
        cmocka_unit_test_teardown(test_alerts_go_by_https_only_unless_that_is_allowed, stop),
        cmocka_unit_test_teardown(test_off_listens_nowhere, stop),
        cmocka_unit_test_teardown(test_changes_are_counted_with_their_groups, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
