#include "supervisor_internal.h"

#include "base/log.h"
#include "config/config_mask.h"
#include "daemon/alert_text.h"
#include "daemon/metrics.h"
#include "daemon/service_notify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = 256, URL_MAX_BYTES = 4096 };

static void answer_metrics(struct supervisor *supervisor, struct http_answer *answer)
{
    struct job_time now = supervisor_now();
    courier_counts(supervisor->courier, &supervisor->facts.alerts_sent,
                   &supervisor->facts.alerts_dropped);
    answer->content_type = METRICS_CONTENT_TYPE;
    metrics_put(&supervisor->facts, &now, &answer->body);
}

static void answer_ready(struct supervisor *supervisor, struct http_answer *answer)
{
    const char *why;
    int64_t interval_us = config_amount(&supervisor->settings.config,
                                        OPTION_DAEMON_STATUS_INTERVAL);
    if (!facts_ready(&supervisor->facts, supervisor_now().wall_us, interval_us, &why))
        answer->status = 503;
    buf_printf(&answer->body, "%s\n", why);
}

static bool answer(void *context, const char *path, struct http_answer *out)
{
    struct supervisor *supervisor = context;
    if (strcmp(path, "/metrics") == 0)
        answer_metrics(supervisor, out);
    else if (strcmp(path, "/readyz") == 0)
        answer_ready(supervisor, out);
    else if (strcmp(path, "/healthz") == 0)
        buf_printf(&out->body, "alive\n");
    else
        return false;
    return true;
}

bool report_listen(struct supervisor *supervisor, struct error *err)
{
    const struct settings *settings = &supervisor->settings;
    const struct http_server_options options = {
        .host = settings->host, .port = settings->port, .handler = answer, .context = supervisor};
    http_server_close(supervisor->server);
    supervisor->server = NULL;
    if (!settings->listening)
        return true;
    if (!http_server_open(&options, &supervisor->server, err))
        return error_wrap(err, "daemon.listen");
    log_event(LOG_INFO, "daemon.listening", "metrics on http://%s:%u/metrics", settings->host,
              (unsigned)http_server_port(supervisor->server));
    return true;
}

static void post(struct supervisor *supervisor, const struct alert *alert, const char *repository)
{
    struct error err;
    struct buf body;
    char host[HOST_SIZE] = "";
    const struct settings *settings = &supervisor->settings;
    (void)gethostname(host, sizeof host - 1);
    const struct alert_target target = {
        .format = config_text(&settings->config, OPTION_ALERT_FORMAT),
        .text = buf_text(&supervisor->settings.template),
        .repository = repository,
        .host = host,
        .key = &settings->key,
    };
    buf_init(&body, ALERT_JSON_MAX_BYTES);
    if (!alert_put_json(alert, &target, &body, &err) ||
        !courier_post(supervisor->courier, alert->name, settings->webhook.text, &body, &err))
        log_error("alert.undelivered", &err);
    buf_release(&body);
}

static void tell(struct supervisor *supervisor, const struct alert *alert)
{
    struct buf url;
    if (alert->raised)
        log_event(LOG_ERROR, "alert.raised", "%s: %s", alert->name, alert->text);
    else
        log_event(LOG_INFO, "alert.resolved", "%s: this is over", alert->name);
    if (!secret_is_set(&supervisor->settings.webhook))
        return;
    buf_init(&url, URL_MAX_BYTES);
    config_mask(config_text(&supervisor->settings.config, OPTION_REPOSITORY_URL), &url);
    const char *repository = buf_text(&url);
    post(supervisor, alert, repository == NULL ? "" : repository);
    buf_release(&url);
}

void report_alerts(struct supervisor *supervisor)
{
    struct alert changes[ALERT_COUNT];
    const struct settings *settings = &supervisor->settings;
    const struct alert_limits limits = {
        .snapshot_age_us = config_amount(&settings->config, OPTION_ALERT_SNAPSHOT_AGE),
        .wal_lag_us = config_amount(&settings->config, OPTION_ALERT_WAL_LAG),
        .drill_age_us = config_amount(&settings->config, OPTION_ALERT_DRILL_AGE),
        .failures = (uint64_t)config_amount(&settings->config, OPTION_ALERT_FAILURES),
        .takes_snapshots = settings->scheduled[ROLE_SNAPSHOT],
        .holds_drills = settings->scheduled[ROLE_DRILL],
    };
    if (supervisor->facts.draining)
        return;
    size_t count = alert_update(&supervisor->alerts, &supervisor->facts, &limits,
                                supervisor_now().wall_us, changes);
    for (size_t i = 0; i < count; i++)
        tell(supervisor, &changes[i]);
}

void report_heartbeat(struct supervisor *supervisor)
{
    struct error err;
    const struct secret *url = &supervisor->settings.heartbeat;
    if (secret_is_set(url) && !courier_get(supervisor->courier, "the heartbeat", url->text, &err))
        log_error("alert.undelivered", &err);
}

void report_service(struct supervisor *supervisor, const char *state)
{
    struct error err;
    if (!service_notify(supervisor->options->getenv("NOTIFY_SOCKET"), state, &err))
        log_error("daemon.notify", &err);
}
