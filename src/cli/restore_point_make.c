#include "cli/restore_point_make.h"

#include "cli/session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/server_restore_point.h"
#include "repository/wal_archive.h"

#include <inttypes.h>
#include <stdio.h>

enum { POLL_US = 200000 };

static bool refuse_used_name(const struct session *session, const char *name, struct error *err)
{
    struct restore_point point;
    char lsn[TEXT_SIZE];
    char time[TEXT_SIZE];
    if (!restore_point_get(&session->repository, name, &point, err))
        return err->kind == ERROR_NOT_FOUND;
    (void)error_set(
        err, ERROR_REFUSED,
        "cannot create restore point \"%s\": there is one at %s on timeline %" PRIu32 ", of %s",
        name, text_lsn(point.lsn, lsn), point.timeline, text_time_us(point.time_us, time));
    return error_hint(err, "A recovery stops at the first point of a name: choose another one.");
}

static bool create_on_server(const struct config *config, const char *name,
                             struct restore_point *out, struct error *err)
{
    struct connection_options options;
    struct server_restore_point made;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!config_fill_connection(config, &password, &options, err) ||
        !connection_open(&options, &connection, err) ||
        !connection_create_restore_point(connection, name, &made, err))
        return false;
    *out = (struct restore_point){.system_identifier = made.system_identifier,
                                  .timeline = made.timeline,
                                  .lsn = made.lsn,
                                  .time_us = made.time_us};
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    return true;
}

static bool is_stored(const struct session *session, const struct restore_point *point,
                      bool *out_stored, struct error *err)
{
    struct wal_catalog wal;
    if (!wal_catalog_load(&session->repository, point->timeline, point->lsn - 1, &wal, err))
        return false;
    *out_stored = wal_catalog_find(&wal, point->timeline, point->lsn - 1) != NULL;
    wal_catalog_release(&wal);
    return true;
}

static bool wait_for_wal(const struct session *session, const struct restore_point *point,
                         int64_t timeout_us, struct error *err)
{
    char lsn[TEXT_SIZE];
    char waited[TEXT_SIZE];
    bool stored = false;
    int64_t deadline = clock_monotonic_us(&clock_system) + timeout_us;
    for (;;) {
        if (!stop_check(err) || !is_stored(session, point, &stored, err))
            return error_wrap(err, "restore point \"%s\" is made, but may not be stored",
                              point->name);
        if (stored)
            return true;
        if (clock_monotonic_us(&clock_system) >= deadline)
            break;
        clock_sleep_us(&clock_system, POLL_US);
    }
    (void)error_set(err, ERROR_UNAVAILABLE,
                    "restore point \"%s\" is made at %s, but after %s its WAL is not in the "
                    "repository",
                    point->name, text_lsn(point->lsn, lsn), text_duration_us(timeout_us, waited));
    return error_hint(err, "It can be recovered to once `mainstay wal stream` has caught up; its "
                           "name is taken.");
}

static bool store(const struct session *session, const struct restore_point *point,
                  struct error *err)
{
    if (restore_point_put(&session->repository, point, err))
        return true;
    if (err->kind == ERROR_EXISTS) /* somebody else was faster */
        err->kind = ERROR_REFUSED;
    return false;
}

bool restore_point_make(const struct config *config, const char *name, int64_t timeout_us,
                        struct restore_point *out, struct error *err)
{
    struct restore_point point;
    CLEANUP(session_close) struct session session = {0};
    if (!restore_point_check_name(name, err) || !session_open(&session, config, err) ||
        !refuse_used_name(&session, name, err) || !create_on_server(config, name, &point, err))
        return false;
    /* Its name is taken as soon as the server has it, whether or not the WAL arrives in time. */
    if (!store(&session, &point, err) || !wait_for_wal(&session, &point, timeout_us, err))
        return false;
    *out = point;
    return true;
}
