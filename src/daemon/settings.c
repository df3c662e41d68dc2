#include "daemon/settings.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "daemon/alert_text.h"
#include "net/http_client.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX_BYTES = 1024 };

void settings_release(struct settings *settings)
{
    config_release(&settings->config);
    time_zone_free(settings->zone);
    buf_release(&settings->template);
    secret_release(&settings->webhook);
    secret_release(&settings->key);
    secret_release(&settings->heartbeat);
    *settings = (struct settings){0};
}

bool settings_parse_listen(const char *text, struct settings *out, struct error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    out->listening = strcmp(text, "off") != 0;
    if (!out->listening)
        return true;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof out->host ||
        !text_to_u64(colon + 1, &port) || port > UINT16_MAX)
        return error_set(err, ERROR_USAGE,
                         "daemon.listen cannot be \"%s\", allowed is ADDRESS:PORT or off", text);
    (void)snprintf(out->host, sizeof out->host, "%.*s", (int)(colon - text), text);
    out->port = (uint16_t)port;
    return true;
}

static bool load_schedules(struct settings *settings, struct error *err)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        const struct role *role = role_row((enum role_id)i);
        const char *text = role->has_option ? config_text(&settings->config, role->option) : NULL;
        if (role->policy == ROLE_ALWAYS || text == NULL)
            continue;
        settings->scheduled[i] = true;
        if (role->policy == ROLE_INTERVAL)
            settings->crons[i].every_us = config_amount(&settings->config, role->option);
        else if (!cron_parse(text, &settings->crons[i], err))
            return error_wrap(err, "%s", option_row(role->option)->name);
    }
    return true;
}

static bool load_secret(const struct config *config, enum option_id id, struct secret *out,
                        struct error *err)
{
    const char *path = config_text(config, id);
    if (path == NULL || secret_read_file(out, path, err))
        return true;
    return error_wrap(err, "%s", option_row(id)->name);
}

static bool load_url(const struct config *config, enum option_id id, struct secret *out,
                     struct error *err)
{
    if (!load_secret(config, id, out, err))
        return false;
    if (!secret_is_set(out) || config_bool(config, OPTION_WEBHOOK_PLAIN_HTTP) ||
        http_url_is_private(out->text, err))
        return true;
    err->kind = ERROR_USAGE;
    return error_wrap(err, "%s", option_row(id)->name);
}

/* Tried out with values that need care, so that no alert fails on it later. */
static bool load_template(struct settings *settings, struct error *err)
{
    const struct config *config = &settings->config;
    const char *path = config_text(config, OPTION_ALERT_TEMPLATE_FILE);
    struct alert alert = {.raised = true, .name = "wal-gap", .text = "\"a\\b\"\n"};
    CLEANUP(buf_release) struct buf tried;
    buf_init(&tried, ALERT_JSON_MAX_BYTES);
    if (strcmp(config_text(config, OPTION_ALERT_FORMAT), "template") != 0)
        return true;
    if (path == NULL)
        return error_set(err, ERROR_USAGE, "alert.format template needs it");
    buf_init(&settings->template, ALERT_TEMPLATE_MAX_BYTES);
    if (!file_read_all(path, &settings->template, err))
        return false;
    const struct alert_target target = {.format = "template",
                                        .text = buf_text(&settings->template),
                                        .repository = "s3://bucket/prefix",
                                        .host = "host",
                                        .key = &settings->key};
    if (target.text == NULL || !alert_put_json(&alert, &target, &tried, err)) {
        err->kind = ERROR_USAGE;
        return false;
    }
    return true;
}

static bool load_alerts(struct settings *settings, struct error *err)
{
    const struct config *config = &settings->config;
    if (!load_url(config, OPTION_ALERT_WEBHOOK_FILE, &settings->webhook, err) ||
        !load_secret(config, OPTION_ALERT_KEY_FILE, &settings->key, err) ||
        !load_url(config, OPTION_ALERT_HEARTBEAT_FILE, &settings->heartbeat, err))
        return false;
    bool pagerduty = strcmp(config_text(config, OPTION_ALERT_FORMAT), "pagerduty") == 0;
    if (pagerduty && secret_is_set(&settings->webhook) && !secret_is_set(&settings->key))
        return error_set(err, ERROR_USAGE, "alert.format pagerduty needs alert.key-file");
    return load_template(settings, err) || error_wrap(err, "alert.template-file");
}

/* What the daemon's children would refuse, each time. */
static bool check_jobs(const struct config *config, struct error *err)
{
    struct retention_policy policy;
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    return config_fill_retention(config, &zone, &policy, err);
}

bool settings_load(const struct config_sources *sources, struct settings *out, struct error *err)
{
    const char *url;
    *out = (struct settings){0};
    if (!config_load(sources, &out->config, err) || !config_check(&out->config, err) ||
        !config_require(&out->config, OPTION_REPOSITORY_URL, &url, err))
        return false;
    return time_zone_load(config_text(&out->config, OPTION_DAEMON_TIME_ZONE), TIME_ZONE_DIRECTORY,
                          &out->zone, err) &&
           settings_parse_listen(config_text(&out->config, OPTION_DAEMON_LISTEN), out, err) &&
           load_schedules(out, err) && load_alerts(out, err) && check_jobs(&out->config, err);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void log_change(const struct settings *before, const struct settings *after,
                       enum option_id id)
{
    struct buf old;
    struct buf new;
    buf_init(&old, SHOWN_MAX_BYTES);
    buf_init(&new, SHOWN_MAX_BYTES);
    config_put_masked(&before->config, id, &old);
    config_put_masked(&after->config, id, &new);
    const char *from = buf_text(&old);
    const char *to = buf_text(&new);
    log_event(LOG_INFO, "daemon.changed", "%s: \"%s\" is now \"%s\"", option_row(id)->name,
              from == NULL ? "" : from, to == NULL ? "" : to);
    buf_release(&old);
    buf_release(&new);
}

size_t settings_log_changes(const struct settings *before, const struct settings *after,
                            unsigned *out_groups)
{
    unsigned groups = 0;
    size_t changes = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        if (same_text(config_text(&before->config, id), config_text(&after->config, id)))
            continue;
        log_change(before, after, id);
        groups |= (unsigned)option_row(id)->group;
        changes++;
    }
    *out_groups = groups;
    return changes;
}
