/* mainstay runbook test */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "postgres/query.h"
#include "runbook/trial.h"
#include "ticket/adapter_install.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURE_MAX_BYTES = 16 * 1024 * 1024, DATABASE_NAME_SIZE = 64, EXIT_FAILED_TEST = 4 };

/* ---- the fixture ---- */

/* Beside the runbook: in its directory, or in the program for a built-in one. */
static bool read_fixture(const struct runbook *runbook, const char *name, struct buf *out,
                         struct error *err)
{
    static const char built_in[] = "built-in/";
    const char *slash = strrchr(runbook->file, '/');
    if (text_starts_with(runbook->file, built_in)) {
        const struct embedded_file *file = embedded_find(name);
        if (file == NULL)
            return error_set(err, ERROR_NOT_FOUND, "the program has no fixture \"%.100s\"", name);
        buf_put(out, file->text, file->size);
        return buf_check(out, "a fixture", err);
    }
    if (!path_is_safe_relative(name))
        return error_set(err, ERROR_INVALID, "fixture \"%.100s\" leaves the runbook's directory",
                         name);
    CLEANUP(free_pointer)
    char *path = slash == NULL
                     ? strdup(name)
                     : text_format("%.*s/%s", (int)(slash - runbook->file), runbook->file, name);
    if (path == NULL)
        return error_no_memory(err, "a path");
    return file_read_all(path, out, err);
}

/* Fixtures say their ids; what is added later must not meet them again. */
static const char advance_sequences[] =
    "DO $$ DECLARE c record; BEGIN FOR c IN SELECT a.attrelid::regclass AS name, a.attname FROM "
    "pg_attribute a JOIN pg_class t ON t.oid = a.attrelid WHERE a.attidentity <> '' AND t.relkind "
    "= 'r' LOOP EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), GREATEST(max(%I), "
    "1)) FROM %s HAVING max(%I) IS NOT NULL', c.name, c.attname, c.attname, c.name, c.attname); "
    "END LOOP; END $$";

static bool load_fixture(struct connection *connection, const struct runbook *runbook,
                         const char *name, struct error *err)
{
    struct buf text;
    buf_init(&text, FIXTURE_MAX_BYTES);
    bool done = read_fixture(runbook, name, &text, err);
    const char *sql = done ? buf_text(&text) : NULL;
    done = done && (sql != NULL ? query_script(connection, sql, "load the fixture", err)
                                : error_no_memory(err, "a fixture"));
    done = done && query_script(connection, advance_sequences, "advance the sequences", err);
    buf_release(&text);
    return done || error_wrap(err, "fixture \"%s\"", name);
}

/* ---- the scratch database ---- */

struct scratch {
    struct connection *server;   /* of the configured database: makes and drops the other */
    struct connection *database; /* NULL: not there */
    char name[DATABASE_NAME_SIZE];
};

static void scratch_close(struct scratch *scratch)
{
    char sql[128];
    struct error ignored = {0};
    connection_close(scratch->database);
    if (scratch->name[0] != '\0') {
        (void)snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS \"%s\"", scratch->name);
        (void)!query_command(scratch->server, sql, "drop the scratch database", &ignored);
    }
    connection_close(scratch->server);
    *scratch = (struct scratch){0};
}

static bool install_reference(struct connection *connection, struct error *err)
{
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    struct adapter_state before;
    if (!adapter_find("reference", &adapter, err))
        return false;
    const struct adapter_options options = {.adapter = adapter};
    return adapter_install(connection, &options, &before, err);
}

static bool scratch_open(struct scratch *scratch, const struct config *config, struct error *err)
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];
    char sql[160];
    random_fill(&random_system, random, sizeof random);
    if (!helpdesk_session_open(config, "runbook test", &scratch->server, err))
        return false;
    text_hex(random, sizeof random, hex);
    (void)snprintf(scratch->name, sizeof scratch->name, "mainstay_test_%s", hex);
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'UTF8'",
                   scratch->name);
    if (!query_command(scratch->server, sql, "create a scratch database", err)) {
        scratch->name[0] = '\0';
        return error_hint(err, "The login of helpdesk.connection must be allowed to create "
                               "databases and roles: a throwaway server serves best.");
    }
    return helpdesk_session_open_database(config, "runbook test", scratch->name, &scratch->database,
                                          err) &&
           install_reference(scratch->database, err);
}

/* ---- results ---- */

static void put_result(const struct runbook *runbook, size_t at, const struct trial_result *result,
                       const struct error *failure, struct buf *out)
{
    bool passed = failure == NULL && trial_passed(result);
    buf_printf(out, "%s %zu - %s: ", passed ? "ok" : "not ok", at + 1, runbook->name);
    output_put_clean(runbook->tests[at].name, out);
    buf_printf(out, "\n");
    if (failure != NULL) {
        buf_printf(out, "# ");
        output_put_clean(failure->text, out);
        buf_printf(out, "\n");
    }
    for (size_t i = 0; failure == NULL && i < result->count; i++)
        if (result->counts[i].expected != result->counts[i].found)
            buf_printf(out, "# %s: %" PRIu64 " expected, %" PRIu64 " found\n",
                       result->counts[i].name, result->counts[i].expected, result->counts[i].found);
}

static bool add_result(const struct runbook *runbook, size_t at, const struct trial_result *result,
                       const struct error *failure, struct value *list, struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text(item, "name", runbook->tests[at].name, err) ||
        !value_set_bool(item, "passed", failure == NULL && trial_passed(result), err) ||
        !value_set_text_lossy(item, "error", failure == NULL ? "" : failure->text, err))
        return false;
    struct value *counts = value_set_new_object(item, "counts", err);
    for (size_t i = 0; counts != NULL && i < result->count; i++) {
        struct value *count = value_set_new_object(counts, result->counts[i].name, err);
        if (count == NULL || !value_set_u64(count, "expected", result->counts[i].expected, err) ||
            !value_set_u64(count, "found", result->counts[i].found, err))
            return false;
    }
    return counts != NULL;
}

/* One test in a database of its own. *out_failure has the text of what kept it from counting. */
static bool run_one(const struct config *config, const struct runbook *runbook, size_t at,
                    struct trial_result *result, struct error *err)
{
    CLEANUP(scratch_close) struct scratch scratch = {0};
    const struct runbook_test *test = &runbook->tests[at];
    return scratch_open(&scratch, config, err) &&
           load_fixture(scratch.database, runbook, test->fixture, err) &&
           trial_run(scratch.database, runbook, test, result, err);
}

static bool run_all(struct invocation *call, const struct runbook *runbook, struct value *list,
                    struct buf *text, struct error *err)
{
    buf_printf(text, "1..%zu\n", runbook->test_count);
    for (size_t i = 0; i < runbook->test_count; i++) {
        struct trial_result result = {0};
        struct error failure = {0};
        bool counted = run_one(&call->config, runbook, i, &result, &failure);
        /* Without a server there is nothing to test. */
        if (!counted && (failure.kind == ERROR_UNAVAILABLE || failure.kind == ERROR_DENIED)) {
            *err = failure;
            return false;
        }
        if (!counted || !trial_passed(&result))
            call->exit_code = EXIT_FAILED_TEST;
        put_result(runbook, i, &result, counted ? NULL : &failure, text);
        if (!add_result(runbook, i, &result, counted ? NULL : &failure, list, err))
            return false;
    }
    return true;
}

static bool run_test(struct invocation *call, struct error *err)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "tests", err);
    struct buf text;
    if (list == NULL || !runbook_source_load(call, call->operand, &runbook, err))
        return false;
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = run_all(call, runbook, list, &text, err) &&
                (call->json ? output_value(call, root, err) : output_write(call, &text, err));
    buf_release(&text);
    return done;
}

const struct command command_runbook_test = {
    .noun = "runbook",
    .verb = "test",
    .summary = "try a runbook on its own fixtures, in scratch databases that are dropped again",
    .details =
        "Each test gets a new database on the server of helpdesk.connection, with the "
        "reference adapter and the test's fixture; the runbook is planned and run there with "
        "a fixed clock, people are played, and the counts are compared. Nothing is sent. TAP "
        "on stdout; exits with 4 when a test fails.",
    .groups = GROUP_HELPDESK | GROUP_RUNBOOK | GROUP_LOG,
    .operand = "NAME|FILE",
    .examples = {"mainstay runbook test ./carrier-outage.yaml --helpdesk 'host=localhost "
                 "user=postgres'"},
    .run = run_test,
};
