/* mainstay drill run */
#include "cli/cli_texts.h"
#include "cli/command_rows.h"
#include "cli/drill_view.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/session.h"
#include "cli/wal_command.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "document/yaml.h"
#include "drill/drill_store.h"

#include <string.h>

enum { COMMAND_MAX_BYTES = 16384, HISTORY_MAX = 60, REPORT_MAX_BYTES = 16 << 20, REPORTS = 4 };

/* Everything that the options borrow. */
struct request {
    struct drill_options options;
    struct drill_assertions assertions;
    struct connection_options source;
    struct secret password;
    struct buf get;
    struct buf get_to_target;
    struct progress progress;
};

static void request_release(struct request *request)
{
    drill_assertions_release(&request->assertions);
    secret_release(&request->password);
    buf_release(&request->get);
    buf_release(&request->get_to_target);
}

/* --- reading what is asked for -------------------------------------------------------------------
 */

static bool read_target(const struct invocation *call, struct drill_options *options,
                        struct error *err)
{
    const char *seed = invocation_value(call, "seed");
    const struct recovery_target_texts texts = {
        .time = invocation_value(call, "target-time"),
        .lsn = invocation_value(call, "target-lsn"),
        .name = invocation_value(call, "target-name"),
        .xid = invocation_value(call, "target-xid"),
        .timeline = invocation_value(call, "target-timeline"),
        .immediate = invocation_has(call, "target-immediate"),
    };
    if (!recovery_target_parse(&texts, &options->target, err))
        return false;
    bool named = options->target.kind != TARGET_NONE;
    bool random = invocation_has(call, "random") || seed != NULL;
    if (named && random)
        return error_set(err, ERROR_USAGE, "--random and --seed do not go with a target");
    if (random && invocation_has(call, "snapshot"))
        return error_set(err, ERROR_USAGE, "--random chooses the snapshot itself");
    if (seed != NULL && !text_to_u64(seed, &options->seed))
        return error_set(err, ERROR_USAGE, "--seed \"%.40s\" is not a number", seed);
    while (random && seed == NULL && options->seed == 0)
        options->seed = random_next(&random_system) >> 32; /* short enough to be typed */
    options->choice = named ? DRILL_NAMED : random ? DRILL_RANDOM : DRILL_LATEST;
    options->snapshot = invocation_value(call, "snapshot");
    return true;
}

static bool read_assertions(const struct config *config, struct request *request, struct error *err)
{
    const char *path = config_text(config, OPTION_DRILL_ASSERTIONS);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, YAML_MAX_BYTES);
    if (path == NULL)
        return true;
    if (!file_read_all(path, &text, err))
        return error_wrap(err, "drill.assertions");
    if (!drill_assertions_parse((const char *)text.data, text.len, path, &request->assertions,
                                err)) {
        err->kind = ERROR_USAGE;
        return false;
    }
    request->options.assertions = &request->assertions;
    return true;
}

static bool read_source(const struct config *config, struct request *request, struct error *err)
{
    if (config_text(config, OPTION_POSTGRES_CONNECTION) == NULL)
        return true;
    if (!config_fill_connection(config, &request->password, &request->source, err))
        return false;
    request->options.source = &request->source;
    return true;
}

static const char *scratch_of(const struct invocation *call)
{
    const char *configured = config_text(&call->config, OPTION_DRILL_SCRATCH);
    const char *temporary = call->world->getenv("TMPDIR");
    if (configured != NULL)
        return configured;
    return temporary != NULL && temporary[0] == '/' ? temporary : "/tmp";
}

static bool read_request(const struct invocation *call, struct request *out, struct error *err)
{
    struct drill_options *options = &out->options;
    buf_init(&out->get, COMMAND_MAX_BYTES);
    buf_init(&out->get_to_target, COMMAND_MAX_BYTES);
    config_fill_drill(&call->config, options);
    options->scratch = scratch_of(call);
    options->keep = invocation_has(call, "keep");
    options->program_version = MAINSTAY_VERSION;
    options->clock = &clock_system;
    options->random = &random_system;
    options->progress = &out->progress;
    if (options->scratch[0] != '/')
        return error_set(err, ERROR_USAGE, "drill.scratch \"%s\" is not an absolute path",
                         options->scratch);
    if (!read_target(call, options, err) || !read_assertions(&call->config, out, err) ||
        !read_source(&call->config, out, err) ||
        !wal_command_put_get(call, false, &out->get, err) ||
        !wal_command_put_get(call, true, &out->get_to_target, err))
        return false;
    options->get_command = buf_text(&out->get);
    options->get_to_target = buf_text(&out->get_to_target);
    return true;
}

/* --- reports -------------------------------------------------------------------------------------
 */

struct reports {
    char *paths[REPORTS];
    size_t count;
};

static void reports_release(struct reports *reports)
{
    for (size_t i = 0; i < reports->count; i++)
        free(reports->paths[i]);
}

static bool write_report(const char *directory, const struct drill_proof *proof,
                         const struct drill_history *history, const char *format,
                         struct reports *reports, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, REPORT_MAX_BYTES);
    if (!drill_view_put_report(proof, history, format, &text, err))
        return false;
    char *path = text_format("%s/drill-%s.%s", directory, proof->id, drill_view_suffix(format));
    if (path == NULL)
        return error_no_memory(err, "a path");
    reports->paths[reports->count++] = path;
    return file_write_atomic(path, text.data, text.len, 0644, err);
}

static bool write_reports(const struct invocation *call, const struct session *session,
                          const struct drill_proof *proof, struct reports *reports,
                          struct error *err)
{
    static const char *const formats[REPORTS] = {"json", "junit", "markdown", "html"};
    const char *directory = invocation_value(call, "report-dir");
    CLEANUP(drill_list_release) struct drill_list list = {0};
    struct drill_proof *past = NULL;
    size_t past_count = 0;
    if (directory == NULL)
        return true;
    if (!dir_create_all(directory, 0755, err) ||
        !drill_list_load(&session->repository, &list, err) ||
        !drill_store_history(&session->repository, &list, proof->started_us, HISTORY_MAX, &past,
                             &past_count, err))
        return false;
    const struct drill_history history = {.proofs = past, .count = past_count};
    bool done = true;
    for (size_t i = 0; done && i < REPORTS; i++)
        done = write_report(directory, proof, &history, formats[i], reports, err);
    drill_proofs_free(past, past_count);
    return done;
}

/* With the hashes of reports and evidence. */
static bool store(const struct session *session, const struct drill_proof *proof,
                  const struct reports *reports, struct error *err)
{
    struct drill_file files[REPORTS + 2];
    size_t count = 0;
    bool kept = proof->kept[0] != '\0';
    CLEANUP(free_pointer) char *server = kept ? path_join(proof->kept, "server.log") : NULL;
    CLEANUP(free_pointer) char *checks = kept ? path_join(proof->kept, "checks.log") : NULL;
    for (size_t i = 0; i < reports->count; i++)
        files[count++].path = reports->paths[i];
    if (server != NULL)
        files[count++].path = server;
    if (checks != NULL)
        files[count++].path = checks;
    return drill_store_put(&session->repository, proof, files, count, err);
}

/* --- the command ---------------------------------------------------------------------------------
 */

static bool print_plan(const struct invocation *call, const struct drill_options *options,
                       const struct drill_plan *plan, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = drill_view_plan_value(options, plan, err);
        return root != NULL && output_value(call, root, err);
    }
    drill_view_put_plan(options, plan, &text);
    return output_write(call, &text, err);
}

static bool print_proof(const struct invocation *call, const struct drill_proof *proof,
                        struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = drill_proof_to_value(proof, err);
        return root != NULL && output_value(call, root, err);
    }
    return drill_view_put(proof, &text, err) && output_write(call, &text, err);
}

static bool finish(struct invocation *call, const struct session *session,
                   const struct drill_proof *proof, struct error *err)
{
    CLEANUP(reports_release) struct reports reports = {.count = 0};
    if (!proof->passed)
        call->exit_code = error_exit_code(ERROR_CORRUPT);
    /* People see what was found even where it cannot be stored. */
    return print_proof(call, proof, err) && write_reports(call, session, proof, &reports, err) &&
           store(session, proof, &reports, err);
}

static bool hold(const struct invocation *call, const struct session *session,
                 struct request *request, const struct drill_plan *plan, struct drill_proof *proof,
                 struct error *err)
{
    CLEANUP(progress_view_stop) struct progress_view view = {0};
    progress_view_start(&view, &request->progress, call);
    return drill_run(&session->repository, &request->options, plan, proof, err);
}

static bool run_drill(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(request_release) struct request request = {.progress = {.phase = NULL}};
    CLEANUP(drill_plan_release) struct drill_plan plan = {0};
    struct drill_proof proof;
    if (!read_request(call, &request, err) || !session_open(&session, &call->config, err) ||
        !drill_plan(&session.repository, &request.options, &plan, err))
        return false;
    if (request.options.choice == DRILL_RANDOM)
        log_event(LOG_INFO, "drill.seed", "the seed of this drill is %llu",
                  (unsigned long long)plan.seed);
    if (invocation_has(call, "dry-run")) {
        call->exit_code = plan.possible ? 0 : error_exit_code(ERROR_CORRUPT);
        return print_plan(call, &request.options, &plan, err);
    }
    if (!hold(call, &session, &request, &plan, &proof, err))
        return false;
    bool done = finish(call, &session, &proof, err);
    drill_proof_release(&proof);
    return done;
}

const struct command command_drill_run = {
    .noun = "drill",
    .verb = "run",
    .summary = "restore into scratch, recover, check, measure: proof that it all comes back",
    .details =
        "Starts PostgreSQL of the same major on a private socket: nothing listens, nothing is "
        "archived, no worker of an extension runs. Checks the recovery's target, pg_verifybackup, "
        "page checksums, amcheck, what a helpdesk must be and drill.assertions, and compares RTO "
        "and RPO with their goals. The proof is stored in the repository. Exit code 4 and the "
        "first broken promise when anything is not as promised; the logs are kept then. Exit code "
        "5 when there are no server binaries, no space or no user to run as.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_RESTORE | GROUP_DRILL | GROUP_LOG,
    .flags = {{"snapshot", "ID", "the best for the target",
               "Begin with this one: an id, the beginning of one, or \"latest\"."},
              {"random", NULL, NULL,
               "Recover to a random point of what can be recovered; its seed is printed."},
              {"seed", "N", NULL, "The same point again."},
              {"target-time", "TIME", NULL,
               "Recover to this moment; the zone is required: \"2026-03-01 12:00:05+01:00\"."},
              {"target-lsn", "LSN", NULL, "Recover to this position in the WAL."},
              {"target-name", "NAME", NULL, "Recover to a restore point."},
              {"target-xid", "XID", NULL, "Recover to the commit of this transaction."},
              {"target-immediate", NULL, NULL, "Recover until the snapshot is consistent."},
              {"target-timeline", "N", "latest", "latest, current (the snapshot's) or a number."},
              {"keep", NULL, NULL, "Leave the recovered data directory behind, stopped."},
              {"dry-run", NULL, NULL, "Only say what would be done. Nothing is written."},
              {"report-dir", "DIR", NULL,
               "Write the reports there: drill-ID.json, .xml (JUnit), .md and .html."}},
    .examples = {"mainstay drill run --repo /srv/backup",
                 "mainstay drill run --random --report-dir /srv/reports",
                 "mainstay drill run --target-time '2026-03-01 12:00:05Z' --keep"},
    .run = run_drill,
};
