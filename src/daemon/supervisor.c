#include "supervisor_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "daemon/service_notify.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

enum { WAIT_MAX_MS = 5000, COURIER_PATIENCE_US = 3 * 1000000, FDS_MAX = ROLE_COUNT + 2 };

struct job_time supervisor_now(void)
{
    return (struct job_time){.wall_us = clock_now_us(&clock_system),
                             .monotonic_us = clock_monotonic_us(&clock_system)};
}

/* Blocked in this thread and, inherited, in the courier's: all arrive on the descriptor. Children
 * start with none blocked. */
static bool open_signals(int *out, struct error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)sigaddset(&set, numbers[i]);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return error_set(err, ERROR_IO, "could not block signals");
    *out = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *out >= 0 || error_set_errno(err, errno, "could not make a signalfd");
}

/* --- reload
 * ---------------------------------------------------------------------------------------- */

/* Children that run for ever have read the old configuration. */
static void restart_long_running(struct supervisor *supervisor)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (supervisor->jobs[i].role->policy == ROLE_ALWAYS)
            job_stop(supervisor, (enum role_id)i);
    }
}

static bool listens_elsewhere(const struct settings *a, const struct settings *b)
{
    return strcmp(config_text(&a->config, OPTION_DAEMON_LISTEN),
                  config_text(&b->config, OPTION_DAEMON_LISTEN)) != 0;
}

static void set_log(const struct settings *settings)
{
    enum log_level level;
    bool json;
    config_fill_log(&settings->config, &level, &json);
    log_configure(level, json);
}

static void take_settings(struct supervisor *supervisor, struct settings *fresh)
{
    struct error err;
    unsigned groups = 0;
    struct settings before = supervisor->settings;
    size_t changes = settings_log_changes(&before, fresh, &groups);
    supervisor->settings = *fresh;
    *fresh = (struct settings){0};
    set_log(&supervisor->settings);
    jobs_apply(supervisor, &before);
    if ((groups & ~(unsigned)(GROUP_DAEMON | GROUP_LOG)) != 0)
        restart_long_running(supervisor);
    if (listens_elsewhere(&before, &supervisor->settings) && !report_listen(supervisor, &err))
        log_error("daemon.listen", &err);
    log_event(LOG_INFO, "daemon.reloaded", "configuration read again: %zu %s changed", changes,
              text_plural(changes, "option", "options"));
    settings_release(&before);
}

static void reload(struct supervisor *supervisor)
{
    struct error err;
    struct settings fresh;
    char state[64];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   supervisor_now().monotonic_us);
    report_service(supervisor, state);
    if (settings_load(&supervisor->options->sources, &fresh, &err)) {
        take_settings(supervisor, &fresh);
    } else {
        (void)error_wrap(&err, "the configuration stays as it was");
        log_error("daemon.reload", &err);
    }
    settings_release(&fresh);
    report_service(supervisor, "READY=1");
}

/* --- the loop
 * -------------------------------------------------------------------------------------- */

static void begin_drain(struct supervisor *supervisor)
{
    if (supervisor->facts.draining)
        return;
    log_event(LOG_INFO, "daemon.draining", "asked to end: waiting for running jobs");
    report_service(supervisor, "STOPPING=1");
    supervisor->facts.draining = true;
    jobs_stop_writers(supervisor);
}

/* The lock goes last: nobody else may write before the last writer has ended. */
static void drain(struct supervisor *supervisor)
{
    if (!supervisor->facts.draining || jobs_writers_run(supervisor))
        return;
    for (size_t i = 0; i < ROLE_COUNT; i++)
        job_stop(supervisor, (enum role_id)i);
    supervisor->ended = !jobs_any_run(supervisor);
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    bool hangup = false;
    while (read(supervisor->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            hangup = true;
        else if (info.ssi_signo != SIGCHLD)
            begin_drain(supervisor);
    }
    jobs_reap(supervisor); /* every time: signals that arrive together become one */
    if (hangup && !supervisor->facts.draining)
        reload(supervisor);
}

static void feed_watchdog(struct supervisor *supervisor)
{
    int64_t now_us = supervisor_now().monotonic_us;
    if (supervisor->watchdog_us == 0 || now_us < supervisor->watchdog_next_us)
        return;
    supervisor->watchdog_next_us = now_us + supervisor->watchdog_us;
    report_service(supervisor, "WATCHDOG=1");
}

static int wait_ms(const struct supervisor *supervisor)
{
    int64_t wait_us = jobs_wait_us(supervisor);
    int wait = wait_us > (int64_t)WAIT_MAX_MS * 1000 ? WAIT_MAX_MS : (int)((wait_us + 999) / 1000);
    int http = supervisor->server == NULL ? -1 : http_server_wait_ms(supervisor->server);
    int64_t dog = supervisor->watchdog_us == 0 ? WAIT_MAX_MS : supervisor->watchdog_us / 1000;
    wait = http >= 0 && http < wait ? http : wait;
    return dog < wait ? (int)dog : wait;
}

static void wait_for_work(struct supervisor *supervisor)
{
    struct pollfd fds[FDS_MAX];
    nfds_t count = 0;
    fds[count++] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    if (supervisor->server != NULL)
        fds[count++] = (struct pollfd){.fd = http_server_fd(supervisor->server), .events = POLLIN};
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (supervisor->processes[i].out_fd >= 0)
            fds[count++] = (struct pollfd){.fd = supervisor->processes[i].out_fd, .events = POLLIN};
    }
    (void)poll(fds, count, wait_ms(supervisor));
}

static void run_loop(struct supervisor *supervisor)
{
    while (!supervisor->ended) {
        jobs_run(supervisor);
        report_alerts(supervisor);
        feed_watchdog(supervisor);
        wait_for_work(supervisor);
        take_signals(supervisor);
        if (supervisor->server != NULL)
            http_server_run(supervisor->server);
        drain(supervisor);
    }
}

/* Before there is another thread: the environment is not for several. */
static bool share_meter(struct supervisor *supervisor, struct error *err)
{
    int fd;
    char number[16];
    if (!meter_new(&supervisor->meter, &fd, err))
        return false;
    supervisor->facts.meter = supervisor->meter;
    (void)snprintf(number, sizeof number, "%d", fd);
    if (setenv(METER_VARIABLE, number, 1) != 0)
        return error_no_memory(err, "the environment");
    return true;
}

static void set_up_jobs(struct supervisor *supervisor)
{
    struct job_time now = supervisor_now();
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        job_init(&supervisor->jobs[i], (enum role_id)i);
        process_init(&supervisor->processes[i]);
        supervisor->kill_us[i] = INT64_MAX;
    }
    supervisor->facts = (struct facts){.started_us = now.wall_us, .jobs = supervisor->jobs};
    jobs_apply(supervisor, NULL);
}

static void release(struct supervisor *supervisor)
{
    http_server_close(supervisor->server);
    courier_stop(supervisor->courier, COURIER_PATIENCE_US);
    for (size_t i = 0; i < ROLE_COUNT; i++)
        process_release(&supervisor->processes[i]);
    close_fd(&supervisor->signal_fd);
    meter_free(supervisor->meter);
    settings_release(&supervisor->settings);
}

bool supervisor_run(const struct supervisor_options *options, struct settings *settings,
                    struct error *err)
{
    struct supervisor supervisor = {
        .options = options,
        .settings = *settings,
        .signal_fd = -1,
        .watchdog_us = service_watchdog_us(options->getenv("WATCHDOG_USEC"),
                                           options->getenv("WATCHDOG_PID"), getpid()),
    };
    *settings = (struct settings){0};
    set_up_jobs(&supervisor);
    bool done = open_signals(&supervisor.signal_fd, err) && share_meter(&supervisor, err) &&
                courier_start(&supervisor.courier, err) && report_listen(&supervisor, err);
    if (done) {
        log_event(LOG_INFO, "daemon.started", "daemon started");
        report_service(&supervisor, "READY=1");
        run_loop(&supervisor);
        log_event(LOG_INFO, "daemon.ended", "daemon ended");
    }
    if (done && supervisor.killed)
        done = error_set(err, ERROR_CANCELLED, "a job did not end in time and was killed");
    release(&supervisor);
    return done;
}
