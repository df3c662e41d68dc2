/* mainstay runbook lint */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/runbook_live.h"
#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "runbook/runbook_lint.h"

#include <stdlib.h>
#include <string.h>

/* One call over all files. */
struct lint_job {
    const struct invocation *call;
    struct connection *connection; /* NULL: nobody is asked */
    struct helpdesk helpdesk;
    size_t errors;
    size_t warnings;
    struct value *list; /* what was found, for machines */
    struct buf *text;   /* and for people */
};

static size_t warning_count(const struct runbook_problems *problems)
{
    size_t count = 0;
    for (size_t i = 0; i < problems->count; i++)
        count += problems->items[i].warning ? 1 : 0;
    return count;
}

static bool add_problem(const struct runbook_problem *problem, struct value *list,
                        struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_i64(item, "line", problem->line, err) &&
           value_set_i64(item, "column", problem->column, err) &&
           value_set_text(item, "severity", problem->warning ? "warning" : "error", err) &&
           value_set_text_lossy(item, "text", problem->text, err) &&
           value_set_text_lossy(item, "hint", problem->hint, err);
}

static bool add_file(const struct runbook_source *source, const struct runbook_problems *problems,
                     struct value *list, struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text_lossy(item, "file", source->file, err) ||
        !value_set_bool(item, "ok", problems->error_count == 0, err))
        return false;
    struct value *found = value_set_new_array(item, "problems", err);
    for (size_t i = 0; found != NULL && i < problems->count; i++)
        if (!add_problem(&problems->items[i], found, err))
            return false;
    return found != NULL;
}

/* "file:12:5: error: ..." as compilers write it, so that editors jump there. */
static void put_file(const struct runbook_source *source, const struct runbook_problems *problems,
                     struct buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct runbook_problem *problem = &problems->items[i];
        output_put_clean(source->file, out);
        if (problem->line > 0)
            buf_printf(out, ":%d", problem->line);
        if (problem->column > 0)
            buf_printf(out, ":%d", problem->column);
        buf_printf(out, ": %s: ", problem->warning ? "warning" : "error");
        output_put_clean(problem->text, out);
        if (problem->hint[0] != '\0') {
            buf_printf(out, "\n  hint: ");
            output_put_clean(problem->hint, out);
        }
        buf_printf(out, "\n");
    }
    if (problems->count == 0) {
        output_put_clean(source->file, out);
        buf_printf(out, ": no problems\n");
    }
}

static bool lint_source(const struct lint_job *job, const struct runbook_source *source,
                        struct runbook_problems *problems, struct error *err)
{
    int64_t now_us = clock_now_us(&clock_system);
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    if (!runbook_load_all((const char *)source->text.data, source->text.len, source->file, problems,
                          &runbook, err))
        return false;
    return runbook == NULL ||
           (runbook_lint(runbook, now_us, problems, err) &&
            (job->connection == NULL ||
             runbook_check_live(runbook, job->connection, &job->helpdesk, now_us, problems, err)));
}

static bool lint_one(struct lint_job *job, const struct runbook_source *source, struct error *err)
{
    CLEANUP(free_pointer) struct runbook_problems *problems = calloc(1, sizeof *problems);
    if (problems == NULL)
        return error_no_memory(err, "the problems");
    if (!lint_source(job, source, problems, err) || !add_file(source, problems, job->list, err))
        return false;
    put_file(source, problems, job->text);
    job->errors += problems->error_count;
    job->warnings += warning_count(problems);
    return true;
}

/* The operand's, or all of them. */
static bool find_sources(const struct invocation *call, struct runbook_source **out,
                         size_t *out_count, struct error *err)
{
    if (call->operand == NULL)
        return runbook_sources_list(call, out, out_count, err);
    CLEANUP(free_pointer) struct runbook_source *one = calloc(1, sizeof *one);
    if (one == NULL)
        return error_no_memory(err, "a runbook");
    if (!runbook_source_find(call, call->operand, one, err))
        return false;
    *out = TAKE(one);
    *out_count = 1;
    return true;
}

static bool lint_all(struct lint_job *job, struct error *err)
{
    struct runbook_source *sources;
    size_t count;
    if (!find_sources(job->call, &sources, &count, err))
        return false;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = lint_one(job, &sources[i], err);
    runbook_sources_free(sources, count);
    return done;
}

static bool print_result(const struct lint_job *job, struct value *root, struct error *err)
{
    if (job->call->json)
        return value_set_u64(root, "errors", job->errors, err) &&
               value_set_u64(root, "warnings", job->warnings, err) &&
               output_value(job->call, root, err);
    if (job->errors + job->warnings > 0)
        buf_printf(job->text, "%zu %s, %zu %s\n", job->errors,
                   text_plural(job->errors, "error", "errors"), job->warnings,
                   text_plural(job->warnings, "warning", "warnings"));
    return output_write(job->call, job->text, err);
}

static bool open_helpdesk(struct lint_job *job, struct error *err)
{
    return helpdesk_session_open(&job->call->config, "runbook lint", &job->connection, err) &&
           helpdesk_read(job->connection, &job->helpdesk, err);
}

static void job_release(struct lint_job *job)
{
    connection_close(job->connection);
    helpdesk_release(&job->helpdesk);
}

static bool run_lint(struct invocation *call, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    CLEANUP(job_release) struct lint_job job = {.call = call, .text = &text};
    buf_init(&text, OUTPUT_MAX_BYTES);
    job.list = root == NULL ? NULL : value_set_new_array(root, "files", err);
    if (job.list == NULL || (invocation_has(call, "live") && !open_helpdesk(&job, err)) ||
        !lint_all(&job, err))
        return false;
    if (job.errors > 0 || (invocation_has(call, "strict") && job.warnings > 0))
        call->exit_code = error_exit_code(ERROR_INVALID);
    return print_result(&job, root, err);
}

const struct command command_runbook_lint = {
    .noun = "runbook",
    .verb = "lint",
    .summary = "check runbooks: the language, and what people and customers will read",
    .details = "RUNBOOK is a name, or a file when there is a \"/\" in it or .yaml at its end; "
               "without one all are checked. Exit code 1 when there is an error.",
    .groups = GROUP_RUNBOOK | GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"strict", NULL, NULL, "Warnings are as bad as errors: for CI."},
              {"live", NULL, NULL,
               "Prepare every selection in the helpdesk's database, too, and say what its views do "
               "not have."}},
    .operand = "RUNBOOK",
    .operand_optional = true,
    .examples = {"mainstay runbook lint runbooks/carrier-outage.yaml",
                 "mainstay runbook lint --strict --runbook-directory runbooks",
                 "mainstay runbook lint carrier-outage --live --helpdesk 'host=db user=carol "
                 "dbname=helpdesk'"},
    .run = run_lint,
};
