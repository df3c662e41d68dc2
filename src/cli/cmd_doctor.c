/* mainstay doctor */
#include "cli/check_view.h"
#include "cli/command_rows.h"
#include "cli/doctor.h"
#include "cli/identity.h"
#include "cli/output.h"

#include "base/cleanup.h"
#include "config/config_fill.h"
#include "postgres/server_check.h"
#include "postgres/wal_receiver.h"

#include <inttypes.h>
#include <string.h>

/* The newest readable snapshot says which cluster the repository belongs to. */
static bool expected_system(const struct session *session, uint64_t *out, bool *out_known,
                            struct error *err)
{
    CLEANUP(catalog_release) struct catalog catalog = {0};
    if (!catalog_load(&session->repository, &catalog, err))
        return false;
    for (size_t i = 0; i < catalog.count; i++) {
        if (!catalog.entries[i].readable)
            continue;
        *out = catalog.entries[i].info.system_identifier;
        *out_known = true;
    }
    return true;
}

static bool server_system(const struct connection_options *options, uint64_t *out,
                          struct error *err)
{
    struct server_identity identity;
    struct connection_options replication = *options;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    replication.replication = true;
    if (!connection_open(&replication, &connection, err) ||
        !connection_identify_system(connection, &identity, err))
        return false;
    *out = identity.system_identifier;
    return true;
}

static void check_system(struct check_list *list, const struct session *session,
                         const struct connection_options *options)
{
    static const char name[] = "repository.cluster";
    struct error err;
    uint64_t stored = 0;
    uint64_t live = 0;
    bool known = false;
    if (!expected_system(session, &stored, &known, &err)) {
        doctor_add_error(list, name, &err);
        return;
    }
    if (!server_system(options, &live, &err)) { /* why not is among the server's findings */
        check_add(list, name, CHECK_WARNING, "could not compare server and snapshots");
        return;
    }
    if (!known)
        check_add(list, name, CHECK_OK, "the server is cluster %" PRIu64 ", no snapshots yet",
                  live);
    else if (stored == live)
        check_add(list, name, CHECK_OK, "server and snapshots are of cluster %" PRIu64, live);
    else
        check_add(list, name, CHECK_FAILED,
                  "the server is cluster %" PRIu64 ", the snapshots are of %" PRIu64, live, stored);
    if (known && stored != live)
        check_fix(list, "mainstay repo init --repo ANOTHER_PLACE");
}

static bool open_store(struct check_list *list, struct session *session,
                       const struct config *config)
{
    struct error err;
    if (session_open_store(session, config, &err))
        return true;
    doctor_add_error(list, "store", &err);
    return false;
}

/* What harms nobody and can be undone by one statement; the rest is for a person to decide. */
static void mend(struct check_list *list, const struct connection_options *options,
                 const char *slot)
{
    struct error err;
    bool created = false;
    if (!wal_slot_make(options, slot, &created, &err))
        doctor_add_error(list, "fix.wal_slot", &err);
    else if (created)
        check_add(list, "fix.wal_slot", CHECK_OK,
                  "created replication slot \"%s\": the server keeps its WAL from now on", slot);
}

static void examine(struct check_list *list, const struct invocation *call)
{
    const struct config *config = &call->config;
    struct error err;
    struct connection_options options;
    bool repository = false;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(session_close) struct session session = {0};
    doctor_check_memory(list);
    bool server = config_fill_connection(config, &password, &options, &err);
    if (server) {
        if (invocation_has(call, "fix"))
            mend(list, &options, config_text(config, OPTION_WAL_SLOT));
        server_check(&options, list);
        server_check_slot(&options, config_text(config, OPTION_WAL_SLOT), list);
    } else {
        doctor_add_error(list, "server", &err);
    }
    if (!open_store(list, &session, config))
        return;
    doctor_check_store(list, session.store, &random_system);
    doctor_check_protection(list, session.store);
    doctor_check_clock(list, session.store, &clock_system);
    doctor_check_repository(list, &session, config, &repository);
    if (repository)
        doctor_check_keys(list, &session);
    if (repository && server)
        check_system(list, &session, &options);
}

/* --- rights ----------------------------------------------------------------------------------- */

static bool print_grants(const struct invocation *call, const char *name, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    const struct identity *only = NULL;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (strcmp(name, "all") != 0 && !identity_find(name, &only, err))
        return false;
    for (size_t i = 0; i < identity_count(); i++)
        if (only == NULL || only == identity_at(i))
            identity_put_grants(identity_at(i), &text);
    return output_write(call, &text, err);
}

/* Always JSON: it goes into a file. */
static bool print_policy(const struct invocation *call, const char *name, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(value_cleanup) struct value *policy = NULL;
    const struct identity *identity;
    struct store_options store;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (!identity_find(name, &identity, err) || !config_fill_store(&call->config, &store, err))
        return false;
    policy = identity_policy(identity, store.url, &store.lock, err);
    if (policy == NULL || !value_print(policy, true, &text, err))
        return false;
    buf_printf(&text, "\n");
    return output_write(call, &text, err);
}

static bool run_doctor(struct invocation *call, struct error *err)
{
    const char *grants = invocation_value(call, "print-grants");
    const char *policy = invocation_value(call, "print-iam");
    if (grants != NULL)
        return print_grants(call, grants, err);
    if (policy != NULL)
        return print_policy(call, policy, err);
    CLEANUP(free_pointer) struct check_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return error_no_memory(err, "the checks");
    examine(list, call);
    if (check_number_of(list, CHECK_FAILED) > 0)
        call->exit_code = 1;
    return output_checks(call, list, err);
}

const struct command command_doctor = {
    .noun = "doctor",
    .summary = "check server, store and repository, and say what fixes each problem",
    .details = "Writes and removes one small object under probe/ in the store; changes nothing "
               "else without --fix. Exit code 1 when a check failed.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_SLOT | GROUP_LOG,
    .flags = {{"fix", NULL, NULL,
               "Make the replication slot of the WAL stream when it is missing. What else is wrong "
               "is yours to mend: settings, grants and the repository; the statement is shown."},
              {"print-grants", "ROLE", NULL,
               "Check nothing: print the SQL that makes the login of founder, writer, planner, "
               "runner, approver, dispatcher, or of all."},
              {"print-iam", "ROLE", NULL,
               "Check nothing: print the IAM policy of founder, writer, reaper, reader or runner "
               "for the bucket of repository.url, with the locks of store.lock-mode and "
               "store.legal-hold."}},
    .examples = {"mainstay doctor --repo /srv/backup --connection 'host=/run/postgresql'",
                 "mainstay doctor --print-iam writer --repo s3://backup/main "
                 "--store-lock-mode compliance >writer.json"},
    .run = run_doctor,
};
