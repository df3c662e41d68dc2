#include "cli/run_session.h"

#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/restore_point_make.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "postgres/advisory_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    POLL_US = 1000000,
    SHOW_EVERY_US = 200000,
    POINT_TIMEOUT_US = 60000000,
    RECONNECTS = 60,
};

static const int64_t standard_lease_us = INT64_C(30000000);

/* ---- progress ---- */

void run_progress_line(const struct run_progress *progress, struct buf *out)
{
    char text[TEXT_SIZE];
    buf_printf(out, "%s  ", progress->step_id);
    if (strcmp(progress->state, "running") != 0)
        buf_printf(out, "%s", progress->state);
    else if (progress->total > 0)
        buf_printf(out, "%" PRIu64 " of %" PRIu64 " (%" PRIu64 " %%)", progress->done,
                   progress->total,
                   (uint64_t)((double)progress->done * 100 / (double)progress->total));
    if (progress->per_second > 0 && progress->total > 0)
        buf_printf(out, ", %.0f/s", progress->per_second);
    if (progress->eta_us > 0)
        buf_printf(out, ", %s left", text_duration_us(progress->eta_us, text));
    if (progress->held > 0)
        buf_printf(out, ", %" PRIu64 " held by others", progress->held);
    if (progress->reason[0] != '\0')
        buf_printf(out, "%s%s", strcmp(progress->state, "running") == 0 ? ", slowed down: " : " ",
                   progress->reason);
}

static void show_line(struct run_view *view, const struct run_progress *progress)
{
    struct buf line;
    struct buf clean;
    buf_init(&line, 1024);
    buf_init(&clean, 4096);
    run_progress_line(progress, &line);
    const char *text = buf_text(&line);
    if (text != NULL)
        output_put_clean(text, &clean);
    text = buf_text(&clean);
    if (text != NULL)
        (void)fprintf(view->terminal, "\r%s\033[K", text);
    (void)fflush(view->terminal);
    buf_release(&line);
    buf_release(&clean);
}

static void view_clear(struct run_view *view)
{
    if (view->live && view->shown_us != 0)
        (void)fprintf(view->terminal, "\r\033[K");
    view->shown_us = 0;
}

static void on_progress(void *context, const struct run_progress *progress)
{
    struct run_session *session = context;
    struct run_view *view = &session->view;
    int64_t now_us = clock_monotonic_us(&clock_system);
    bool changed = strcmp(view->state, progress->state) != 0 ||
                   strcmp(view->step, progress->step_id) != 0;
    (void)snprintf(view->state, sizeof view->state, "%s", progress->state);
    (void)snprintf(view->step, sizeof view->step, "%s", progress->step_id);
    if (view->live && (changed || now_us - view->shown_us >= SHOW_EVERY_US)) {
        show_line(view, progress);
        view->shown_us = now_us;
    }
    if (!view->live && changed && strcmp(progress->state, "waiting") == 0)
        log_event(LOG_INFO, "runbook.waiting", "%s waits %s", progress->step_id, progress->reason);
}

/* ---- restore points ---- */

static bool make_point(void *context, const char *name, struct value *out, struct error *err)
{
    const struct run_session *session = context;
    struct restore_point point;
    char text[TEXT_SIZE];
    if (!restore_point_make(&session->call->config, name, POINT_TIMEOUT_US, &point, err))
        return false;
    (void)snprintf(text, sizeof text, "%" PRIu64, point.system_identifier);
    return value_set_text(out, "system_identifier", text, err) &&
           value_set_u64(out, "timeline", point.timeline, err) &&
           value_set_text(out, "lsn", text_lsn(point.lsn, text), err) &&
           value_set_text(out, "time", text_time_exact_us(point.time_us, text), err);
}

/* ---- the session ---- */

static bool read_lease(const struct invocation *call, int64_t *out, struct error *err)
{
    enum { SHORTEST_US = 1000000 };
    const char *text = invocation_value(call, "lease");
    *out = standard_lease_us;
    if (text == NULL)
        return true;
    if (!text_to_duration_us(text, out) || *out < SHORTEST_US)
        return error_set(err, ERROR_USAGE, "--lease \"%.40s\" is not a time of at least 1s", text);
    return true;
}

static void name_host(struct run_session *session)
{
    char host[RUN_HOST_SIZE - 16];
    if (gethostname(host, sizeof host) != 0)
        (void)snprintf(host, sizeof host, "unknown");
    host[sizeof host - 1] = '\0';
    (void)snprintf(session->host, sizeof session->host, "%s/%ld", host, (long)getpid());
}

bool run_session_open(struct run_session *session, const struct invocation *call,
                      const char *purpose, struct error *err)
{
    int64_t lease_us;
    const char *format = config_text(&call->config, OPTION_LOG_FORMAT);
    bool json_logs = format != NULL && strcmp(format, "json") == 0;
    *session = (struct run_session){.call = call};
    name_host(session);
    if (!read_lease(call, &lease_us, err) ||
        !helpdesk_session_open(&call->config, purpose, &session->connection, err))
        return false;
    session->view.terminal = call->world->err;
    session->view.live = !call->json && !json_logs && isatty(fileno(call->world->err)) != 0;
    session->settings = (struct runbook_settings){
        .host = session->host,
        .clock = &clock_system,
        .lease_us = lease_us,
        .poll_us = POLL_US,
        .wait = !invocation_has(call, "no-wait"),
        .progress = on_progress,
        .context = session,
    };
    if (config_text(&call->config, OPTION_REPOSITORY_URL) != NULL &&
        command_takes_option(call->command, OPTION_REPOSITORY_URL))
        session->settings.restore_point = make_point;
    return true;
}

void run_session_close(struct run_session *session)
{
    connection_close(session->connection);
    session->connection = NULL;
}

/* A server that restarts, or fails over, is no reason to give a run up. */
static bool reconnect(struct run_session *session, struct error *err)
{
    struct error again = {0};
    if (session->connection != NULL && connection_ping(session->connection, &again))
        return false; /* it was something else */
    run_session_close(session);
    for (int i = 0; i < RECONNECTS && !stop_requested(); i++) {
        if (helpdesk_session_open(&session->call->config, "runbook", &session->connection,
                                  &again)) {
            log_event(LOG_INFO, "runbook.reconnected", "the helpdesk's database is back");
            return true;
        }
        if (again.kind != ERROR_UNAVAILABLE)
            break;
        clock_sleep_us(&clock_system, POLL_US);
    }
    (void)error_hint(err, "The run goes on where it was with `mainstay runbook resume`.");
    return false;
}

/* After a lost connection the server may not know yet that we are gone: our own lease is in the
 * way, for as long as it lasts. */
static bool work(struct run_session *session, const char *run_id, struct error *err)
{
    int64_t patient_until_us = 0;
    for (;;) {
        CLEANUP(value_cleanup) struct value *summary = value_new_object(err);
        if (summary == NULL)
            return false;
        if (run_work(session->connection, run_id, &session->settings, summary, err))
            return true;
        if (err->kind != ERROR_UNAVAILABLE && err->kind != ERROR_IO)
            return false;
        if (reconnect(session, err)) {
            patient_until_us = clock_monotonic_us(&clock_system) + session->settings.lease_us;
            continue;
        }
        if (session->connection == NULL || stop_requested() ||
            clock_monotonic_us(&clock_system) >= patient_until_us)
            return false;
        clock_sleep_us(&clock_system, POLL_US);
    }
}

bool run_session_work(struct run_session *session, const char *run_id, struct error *err)
{
    struct error other = {0};
    bool done = work(session, run_id, err);
    view_clear(&session->view);
    if (session->connection == NULL)
        return false;
    bool printed = run_print_state(session->call, session->connection, run_id, done ? err : &other);
    return done && printed;
}

bool run_confirm(const struct invocation *call, const char *question, struct error *err)
{
    char answer[16] = "";
    if (invocation_has(call, "yes"))
        return true;
    if (isatty(STDIN_FILENO) == 0) {
        (void)error_set(err, ERROR_REFUSED, "nobody can be asked: there is no terminal");
        return error_hint(err, "Look at what would be done, then say --yes.");
    }
    (void)fprintf(call->world->err, "%s Type yes: ", question);
    (void)fflush(call->world->err);
    if (fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0)
        return true;
    return error_set(err, ERROR_REFUSED, "not confirmed: nothing was done");
}
