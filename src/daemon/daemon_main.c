/* The daemon: a process around supervisor_run, and around the children that are its own. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config_fill.h"
#include "daemon/health.h"
#include "daemon/leader.h"
#include "daemon/supervisor.h"
#include "daemon/version.h"
#include "postgres/tls_policy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "mainstayd [--config FILE]   the backup daemon: jobs by schedule, metrics, alerts\n"
    "  --check      read the configuration, say what is wrong, start nothing\n"
    "  --health     ask the daemon of this configuration whether it is alive\n"
    "  --no-seccomp jobs may make any system call: for kernels that cannot limit them\n"
    "  --version\n"
    "  --help\n"
    "Options are those of the configuration file (`mainstay config example`) and the environment.\n"
    "SIGHUP reads the configuration again, SIGTERM ends the daemon after its jobs.\n";

struct arguments {
    const char *config_file;
    bool check;
    bool health;
    bool hold_lock; /* a child of the daemon */
    bool text_only;
};

static bool parse(int argc, char **argv, struct arguments *out, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--check") == 0) {
            out->check = true;
        } else if (strcmp(word, "--health") == 0) {
            out->health = true;
        } else if (strcmp(word, "--no-seccomp") == 0) {
            /* For the jobs, too: they inherit it. */
            (void)setenv("MAINSTAY_PROCESS_SECCOMP", "no", 1);
        } else if (strcmp(word, "--hold-lock") == 0) {
            out->hold_lock = true;
        } else if (strcmp(word, "--config") == 0 && i + 1 < argc) {
            out->config_file = argv[++i];
        } else if (strcmp(word, "--version") == 0 || strcmp(word, "--help") == 0) {
            out->text_only = true;
            (void)printf("%s",
                         strcmp(word, "--help") == 0 ? usage : "mainstayd " DAEMON_VERSION "\n");
        } else {
            (void)error_set(err, ERROR_USAGE, "unknown option \"%.80s\"", word);
            return error_hint(err, "`mainstayd --help` lists the options.");
        }
    }
    return true;
}

/* This very program, and `mainstay` beside it. */
static bool find_programs(char own[PATH_MAX], char **out_program, struct error *err)
{
    ssize_t len = readlink("/proc/self/exe", own, PATH_MAX - 1);
    if (len <= 0)
        return error_set(err, ERROR_IO, "could not read /proc/self/exe");
    own[len] = '\0';
    CLEANUP(free_pointer) char *directory = strndup(own, (size_t)(strrchr(own, '/') + 1 - own));
    char *program = directory == NULL ? NULL : path_join(directory, "mainstay");
    if (program == NULL)
        return error_no_memory(err, "a path");
    *out_program = program;
    if (access(program, X_OK) == 0)
        return true;
    return error_set(err, ERROR_NOT_FOUND, "there is no program \"%s\"", program);
}

/* What works all the same, but not as safely as it could. */
static void warn_of_risks(const struct config *config)
{
    static const enum option_id connections[] = {OPTION_POSTGRES_CONNECTION,
                                                 OPTION_HELPDESK_CONNECTION};
    char host[TLS_HOST_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        const char *conninfo = config_text(config, connections[i]);
        if (conninfo != NULL && !tls_is_verified(conninfo, host))
            log_event(LOG_WARNING, "daemon.tls",
                      "%s: connections to %s do not verify the server; add sslmode=verify-full",
                      option_row(connections[i])->name, host);
    }
    if (!secret_can_lock(SECRET_LOCK_WANTED_BYTES))
        log_event(LOG_WARNING, "daemon.memlock",
                  "secrets may be swapped: RLIMIT_MEMLOCK is too small (LimitMEMLOCK=8M)");
}

static bool run_daemon(const struct config_sources *sources, struct settings *settings,
                       struct error *err)
{
    char own[PATH_MAX];
    CLEANUP(free_pointer) char *program = NULL;
    if (!find_programs(own, &program, err))
        return false;
    const struct supervisor_options options = {
        .sources = *sources, .own_program = own, .program = program, .getenv = getenv};
    warn_of_risks(&settings->config);
    return supervisor_run(&options, settings, err);
}

static bool ask_health(const struct settings *settings, struct error *err)
{
    char url[HEALTH_URL_SIZE];
    if (!health_url(settings, url, err) || !health_ask(url, err))
        return false;
    (void)printf("alive\n");
    return true;
}

/* A child: it starts no program, so the one that prints the key comes first. */
static bool hold_lock(struct settings *settings, struct error *err)
{
    if (config_bool(&settings->config, OPTION_PROCESS_SECCOMP) &&
        (!config_run_key_command(&settings->config, err) || !harden_confine(err)))
        return false;
    return leader_hold(settings, err);
}

static bool run(int argc, char **argv, struct error *err)
{
    struct arguments arguments = {0};
    enum log_level level;
    bool json;
    CLEANUP(settings_release) struct settings settings = {0};
    if (!parse(argc, argv, &arguments, err))
        return false;
    if (arguments.text_only)
        return true;
    const struct config_sources sources = {.file = arguments.config_file, .getenv = getenv};
    if (!settings_load(&sources, &settings, err))
        return false;
    config_fill_log(&settings.config, &level, &json);
    log_configure(level, json);
    if (arguments.check) {
        (void)printf("the configuration is good\n");
        return true;
    }
    if (arguments.health)
        return ask_health(&settings, err);
    stop_install_handlers(); /* the daemon itself reads its signals from a descriptor */
    if (arguments.hold_lock)
        return hold_lock(&settings, err);
    return run_daemon(&sources, &settings, err);
}

int main(int argc, char **argv)
{
    struct error err;
    harden_process();
    if (run(argc, argv, &err))
        return 0;
    if (err.kind != ERROR_CANCELLED)
        log_error("daemon.failed", &err);
    return error_exit_code(err.kind);
}
