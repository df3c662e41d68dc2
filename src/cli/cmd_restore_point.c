/* mainstay restore-point create|list */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/server_restore_point.h"
#include "repository/restore_point.h"
#include "repository/wal_archive.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_US = 200000 };

static const char default_timeout[] = "60s";

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

static bool create_on_server(const struct invocation *call, const char *name,
                             struct restore_point *out, struct error *err)
{
    struct connection_options options;
    struct server_restore_point made;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!config_fill_connection(&call->config, &password, &options, err) ||
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

static bool point_to_value(const struct restore_point *point, struct value *item, struct error *err)
{
    char text[TEXT_SIZE];
    return value_set_text(item, "name", point->name, err) &&
           value_set_u64(item, "timeline", point->timeline, err) &&
           value_set_text(item, "lsn", text_lsn(point->lsn, text), err) &&
           value_set_text(item, "time", text_time_exact_us(point->time_us, text), err);
}

static bool print_created(const struct invocation *call, const struct restore_point *point,
                          struct error *err)
{
    char lsn[TEXT_SIZE];
    struct buf text;
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && point_to_value(point, root, err) && output_value(call, root, err);
    }
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "restore point %s: %s on timeline %" PRIu32 ", in the repository\n",
               point->name, text_lsn(point->lsn, lsn), point->timeline);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
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

static bool run_create(struct invocation *call, struct error *err)
{
    int64_t timeout_us;
    struct restore_point point;
    const char *name = call->operand;
    const char *timeout = invocation_value(call, "timeout");
    CLEANUP(session_close) struct session session = {0};
    if (!text_to_duration_us(timeout == NULL ? default_timeout : timeout, &timeout_us))
        return error_set(err, ERROR_USAGE, "--timeout \"%.60s\" is not a time like \"60s\"",
                         timeout);
    if (!restore_point_check_name(name, err) || !session_open(&session, &call->config, err) ||
        !refuse_used_name(&session, name, err) || !create_on_server(call, name, &point, err))
        return false;
    /* Its name is taken as soon as the server has it, whether or not the WAL arrives in time. */
    if (!store(&session, &point, err) || !wait_for_wal(&session, &point, timeout_us, err))
        return false;
    return print_created(call, &point, err);
}

static bool add_point_value(const void *context, size_t at, struct value *list, struct error *err)
{
    const struct restore_point *points = context;
    struct value *item = value_append_new_object(list, err);
    return item != NULL && point_to_value(&points[at], item, err);
}

static const struct text_column columns[] = {
    {"NAME", false}, {"TIME", false}, {"LSN", true}, {"TIMELINE", true}};

static bool add_point_row(const void *context, size_t at, struct text_table *table,
                          struct error *err)
{
    char time[TEXT_SIZE];
    char lsn[TEXT_SIZE];
    char timeline[16];
    const struct restore_point *point = (const struct restore_point *)context + at;
    (void)snprintf(timeline, sizeof timeline, "%" PRIu32, point->timeline);
    const char *const cells[] = {point->name, text_time_us(point->time_us, time),
                                 text_lsn(point->lsn, lsn), timeline};
    return text_table_add(table, cells, err);
}

static int compare_points(const void *a, const void *b)
{
    const struct restore_point *left = a;
    const struct restore_point *right = b;
    return (left->time_us > right->time_us) - (left->time_us < right->time_us);
}

static bool run_list(struct invocation *call, struct error *err)
{
    size_t count = 0;
    CLEANUP(free_pointer) struct restore_point *points = NULL;
    CLEANUP(session_close) struct session session = {0};
    if (!session_open(&session, &call->config, err) ||
        !restore_point_list(&session.repository, &points, &count, err))
        return false;
    if (count > 1)
        qsort(points, count, sizeof *points, compare_points);
    const struct output_list list = {.name = "restore_points",
                                     .columns = columns,
                                     .column_count = ARRAY_LEN(columns),
                                     .count = count,
                                     .context = points,
                                     .add_value = add_point_value,
                                     .add_row = add_point_row};
    return output_list(call, &list, err);
}

const struct command command_restore_point_create = {
    .noun = "restore-point",
    .verb = "create",
    .summary = "name this moment in the server's WAL, to be able to come back to it",
    .details = "Waits until the WAL up to it is in the repository, which needs a running `mainstay "
               "wal stream`. A name is used once. Come back with `mainstay restore --target-name`.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_LOG,
    .flags = {{"timeout", "TIME", default_timeout, "How long to wait for the WAL."}},
    .operand = "NAME",
    .examples = {"mainstay restore-point create before-import --repo /srv/backup"},
    .run = run_create,
};

const struct command command_restore_point_list = {
    .noun = "restore-point",
    .verb = "list",
    .summary = "show the restore points of a repository, newest last",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .examples = {"mainstay restore-point list --repo /srv/backup"},
    .run = run_list,
};
