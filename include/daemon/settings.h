/* What the daemon itself takes from the configuration, read and checked as a whole. */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include "base/buf.h"
#include "base/secret.h"
#include "config/config.h"
#include "daemon/job.h"

enum { SETTINGS_HOST_SIZE = 64 };

struct settings {
    struct config config;
    struct time_zone *zone;
    bool scheduled[ROLE_COUNT]; /* crons[i] is set */
    struct cron crons[ROLE_COUNT];
    bool listening;
    char host[SETTINGS_HOST_SIZE]; /* IPv4 address */
    uint16_t port;
    struct buf template; /* of alerts; empty without */
    struct secret webhook;
    struct secret key;
    struct secret heartbeat;
};

/* Everything is looked at before anything is taken: a daemon keeps what it has when this fails.
 * ERROR_USAGE names the option. Gives *out (settings_release), also on failure. */
MUST_CHECK bool settings_load(const struct config_sources *sources, struct settings *out,
                              struct error *err);
void settings_release(struct settings *settings);

/* Logs each option that differs, secrets masked; returns how many, and of which groups. */
size_t settings_log_changes(const struct settings *before, const struct settings *after,
                            unsigned *out_groups);

/* "127.0.0.1:9871". ERROR_USAGE. */
MUST_CHECK bool settings_parse_listen(const char *text, struct settings *out, struct error *err);

#endif
