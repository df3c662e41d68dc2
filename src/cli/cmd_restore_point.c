/* mainstay restore-point create|list */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/restore_point_make.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "repository/restore_point.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char default_timeout[] = "60s";

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

static bool run_create(struct invocation *call, struct error *err)
{
    int64_t timeout_us;
    struct restore_point point;
    const char *name = call->operand;
    const char *timeout = invocation_value(call, "timeout");
    if (!text_to_duration_us(timeout == NULL ? default_timeout : timeout, &timeout_us))
        return error_set(err, ERROR_USAGE, "--timeout \"%.60s\" is not a time like \"60s\"",
                         timeout);
    return restore_point_make(&call->config, name, timeout_us, &point, err) &&
           print_created(call, &point, err);
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
