/* mainstay runbook lint */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "runbook/runbook_lint.h"

#include <stdlib.h>
#include <string.h>

/* What was found over all files. */
struct lint_totals {
    size_t errors;
    size_t warnings;
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

static bool lint_source(const struct invocation *call, const struct runbook_source *source,
                        struct runbook_problems *problems, struct error *err)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    (void)call;
    return runbook_load_all((const char *)source->text.data, source->text.len, source->file,
                            problems, &runbook, err) &&
           (runbook == NULL || runbook_lint(runbook, clock_now_us(&clock_system), problems, err));
}

static bool lint_one(const struct invocation *call, const struct runbook_source *source,
                     struct lint_totals *totals, struct value *list, struct buf *text,
                     struct error *err)
{
    CLEANUP(free_pointer) struct runbook_problems *problems = calloc(1, sizeof *problems);
    if (problems == NULL)
        return error_no_memory(err, "the problems");
    if (!lint_source(call, source, problems, err) || !add_file(source, problems, list, err))
        return false;
    put_file(source, problems, text);
    totals->errors += problems->error_count;
    totals->warnings += warning_count(problems);
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

static bool print_result(const struct invocation *call, const struct lint_totals *totals,
                         struct value *root, struct buf *text, struct error *err)
{
    if (call->json)
        return value_set_u64(root, "errors", totals->errors, err) &&
               value_set_u64(root, "warnings", totals->warnings, err) &&
               output_value(call, root, err);
    if (totals->errors + totals->warnings > 0)
        buf_printf(text, "%zu %s, %zu %s\n", totals->errors,
                   totals->errors == 1 ? "error" : "errors", totals->warnings,
                   totals->warnings == 1 ? "warning" : "warnings");
    return output_write(call, text, err);
}

static bool run_lint(struct invocation *call, struct error *err)
{
    struct runbook_source *sources;
    size_t count;
    struct lint_totals totals = {0};
    CLEANUP(buf_release) struct buf text;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "files", err);
    if (list == NULL || !find_sources(call, &sources, &count, err))
        return false;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = lint_one(call, &sources[i], &totals, list, &text, err);
    runbook_sources_free(sources, count);
    bool strict = invocation_has(call, "strict");
    if (totals.errors > 0 || (strict && totals.warnings > 0))
        call->exit_code = error_exit_code(ERROR_INVALID);
    return done && print_result(call, &totals, root, &text, err);
}

const struct command command_runbook_lint = {
    .noun = "runbook",
    .verb = "lint",
    .summary = "check runbooks: the language, and what people and customers will read",
    .details = "RUNBOOK is a name, or a file when there is a \"/\" in it or .yaml at its end; "
               "without one all are checked. Exit code 1 when there is an error.",
    .groups = GROUP_RUNBOOK | GROUP_LOG,
    .flags = {{"strict", NULL, NULL, "Warnings are as bad as errors: for CI."}},
    .operand = "RUNBOOK",
    .operand_optional = true,
    .examples = {"mainstay runbook lint runbooks/carrier-outage.yaml",
                 "mainstay runbook lint --strict --runbook-directory runbooks"},
    .run = run_lint,
};
