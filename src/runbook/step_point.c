/*
 * restore-point: a name in the WAL to come back to, before anything is written. Whether the WAL up
 * to it is safe only the repository can say; where there is none, that is said.
 */
#include "run_internal.h"

#include "base/text.h"
#include "postgres/server_restore_point.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { POINT_NAME_SIZE = 64 };

/* The server stops at the first point of a name, so each attempt has its own. */
static void make_name(const struct run *run, char out[POINT_NAME_SIZE])
{
    (void)snprintf(out, POINT_NAME_SIZE, "%.52s-%" PRId64 ".%" PRId64, run->id, run->step.at,
                   run->fence);
}

/* Without a repository: made where the login may, never called confirmed. */
static bool make_unconfirmed(struct run *run, const char *name, struct value *out,
                             struct error *err)
{
    struct server_restore_point point;
    struct error failure = {0};
    char text[TEXT_SIZE];
    if (!connection_create_restore_point(run->connection, name, &point, &failure))
        return value_set_bool(out, "made", false, err) &&
               value_set_text_lossy(out, "why", failure.text, err);
    return value_set_bool(out, "made", true, err) &&
           value_set_text(out, "lsn", text_lsn(point.lsn, text), err) &&
           value_set_u64(out, "timeline", point.timeline, err) &&
           value_set_text(out, "time", text_time_exact_us(point.time_us, text), err) &&
           value_set_text(out, "why",
                          "could not be confirmed: no repository is configured, so nobody knows "
                          "whether its WAL is kept",
                          err);
}

/* A repository of another server is no help. */
static bool check_server(struct run *run, const struct value *point, struct error *err)
{
    const char *server = run->helpdesk.system_identifier;
    if (!value_get_text_or(point, "system_identifier", server, &server, err))
        return false;
    if (strcmp(server, run->helpdesk.system_identifier) == 0)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "the restore point was made on server %.24s, but the helpdesk is on %.24s",
                    server, run->helpdesk.system_identifier);
    return error_hint(err, "postgres.connection must lead to the helpdesk's server.");
}

static bool write_point(struct run *run, void *context, struct error *err)
{
    const struct value *point = context;
    return run_step_set(run, "restore_point", point, err) &&
           run_event(run, "restore_point", point, err);
}

bool step_restore_point_run(struct run *run, enum step_outcome *out, struct error *err)
{
    const struct runbook_settings *settings = run->settings;
    bool confirmed = settings->restore_point != NULL;
    char name[POINT_NAME_SIZE];
    CLEANUP(value_cleanup) struct value *point = value_new_object(err);
    make_name(run, name);
    if (point == NULL || !value_set_text(point, "name", name, err) ||
        !value_set_bool(point, "confirmed", confirmed, err))
        return false;
    bool made = confirmed ? settings->restore_point(settings->context, name, point, err)
                          : make_unconfirmed(run, name, point, err);
    *out = STEP_DONE;
    return made && check_server(run, point, err) && run_transaction(run, write_point, point, err);
}
