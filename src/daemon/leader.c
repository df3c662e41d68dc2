#include "daemon/leader.h"

#include "base/log.h"
#include "base/stop.h"
#include "config/config_fill.h"
#include "postgres/advisory_lock.h"
#include "repository/repository.h"
#include "store/store_open.h"

#include <errno.h>
#include <stdio.h>

enum { CHECK_US = 4 * 1000000 };

static void close_store(struct store **store)
{
    store_close(*store);
}

static bool read_key(const struct config *config, int64_t *out, struct error *err)
{
    struct store_options options;
    struct repository repository;
    CLEANUP(close_store) struct store *store = NULL;
    if (!config_fill_store(config, &options, err) || !store_open(&options, &store, err) ||
        !repository_open(store, &repository, err))
        return false;
    *out = advisory_lock_key("daemon", repository.id, sizeof repository.id);
    return true;
}

static bool connect_to_server(const struct config *config, struct connection **out,
                              struct error *err)
{
    struct connection_options options;
    CLEANUP(secret_release) struct secret password = {0};
    if (!config_fill_connection(config, &password, &options, err))
        return false;
    options.application_name = "mainstayd";
    return connection_open(&options, out, err) && connection_shorten_keepalives(*out, err);
}

bool leader_hold(const struct settings *settings, struct error *err)
{
    int64_t key;
    bool taken = false;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!read_key(&settings->config, &key, err) ||
        !connect_to_server(&settings->config, &connection, err) ||
        !advisory_lock_try(connection, key, &taken, err))
        return false;
    if (!taken) {
        log_event(LOG_INFO, "daemon.standby",
                  "another daemon works on this repository; standing by");
        if (!advisory_lock_wait(connection, key, err))
            return false;
    }
    if (puts(LEADER_LINE) < 0 || fflush(stdout) != 0)
        return error_set_errno(err, errno, "could not report to the daemon");
    while (connection_ping(connection, err)) {
        clock_sleep_us(&clock_system, CHECK_US);
        if (!stop_check(err))
            return false;
    }
    return error_wrap(err, "lost the lock of the working daemon");
}
