#include "cli/runbook_live.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/selection.h"

#include <stdlib.h>
#include <string.h>

struct live {
    const struct runbook *runbook;
    struct connection *connection;
    const struct helpdesk *helpdesk;
    const struct param_values *params;
    struct runbook_problems *problems;
    int64_t now_us;
};

/* ---- values, so that there is something to bind ---- */

static const char *any_value(const struct runbook_param *param)
{
    static const char *const values[] = {
        [PARAM_TEXT] = "x",      [PARAM_INT] = "1",  [PARAM_BOOL] = "true",
        [PARAM_DURATION] = "1h", [PARAM_LIST] = "x", [PARAM_TIMESTAMP] = "2026-01-01T00:00:00Z",
    };
    if (param->type == PARAM_ENUM)
        return param->values.items[0];
    return param->min != NULL && param->type != PARAM_LIST ? param->min : values[param->type];
}

/* "name=value" for each parameter that must be given. */
static bool any_params(const struct runbook *runbook, struct text_list *out, struct error *err)
{
    out->items = calloc(runbook->param_count + 1, sizeof *out->items);
    if (out->items == NULL)
        return error_no_memory(err, "parameters");
    for (size_t i = 0; i < runbook->param_count; i++) {
        const struct runbook_param *param = &runbook->params[i];
        if (!param->required)
            continue;
        out->items[out->count] = text_format("%s=%s", param->name, any_value(param));
        if (out->items[out->count] == NULL)
            return error_no_memory(err, "parameters");
        out->count++;
    }
    return true;
}

static void free_params(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static bool sample_params(const struct runbook *runbook, struct param_values **out,
                          struct error *err)
{
    CLEANUP(free_params) struct text_list any = {0};
    const struct text_list *given = &any;
    if (runbook->test_count > 0)
        given = &runbook->tests[0].params;
    else if (!any_params(runbook, &any, err))
        return false;
    return param_values_parse(runbook, (const char *const *)given->items, given->count, out, err);
}

/* ---- selections ---- */

/* A failure that is the runbook's becomes a problem; the others end the check. */
static bool take_failure(const struct live *live, const struct runbook_selection *selection,
                         const struct error *failure, struct error *err)
{
    if (failure->kind != ERROR_INVALID) {
        *err = *failure;
        return false;
    }
    problem_hint(problems_add(live->problems, false, selection->line, 0, "%s", failure->text),
                 "%.250s", failure->hint);
    return true;
}

/* The capability that is missing, or NULL. */
static const char *missing_of(const struct live *live, const struct text_list *needs)
{
    for (size_t i = 0; i < needs->count; i++)
        if (!text_list_has(&live->helpdesk->capabilities, needs->items[i]))
            return needs->items[i];
    return NULL;
}

static void tell_left_out(const struct live *live, const struct runbook_selection *selection,
                          const struct selection_query *query)
{
    for (size_t i = 0; i < selection->segment_count; i++) {
        const char *missing = selection_left_out(query, i);
        if (missing != NULL)
            problems_add(live->problems, true, selection->segments[i].line, 0,
                         "segment \"%s\" of \"%s\" is left out here: adapter \"%s\" does not have "
                         "\"%s\"",
                         selection->segments[i].name, selection->name, live->helpdesk->adapter,
                         missing);
    }
}

static bool check_selection(const struct live *live, const struct runbook_selection *selection,
                            struct error *err)
{
    struct error failure;
    CLEANUP(selection_cleanup) struct selection_query *query = NULL;
    const struct selection_context context = {.runbook = live->runbook,
                                              .params = live->params,
                                              .capabilities = &live->helpdesk->capabilities,
                                              .now_us = live->now_us};
    const char *missing = missing_of(live, &selection->needs);
    if (missing != NULL) {
        problems_add(live->problems, true, selection->line, 0,
                     "selection \"%s\" cannot be planned here: adapter \"%s\" does not have \"%s\"",
                     selection->name, live->helpdesk->adapter, missing);
        return true;
    }
    if (!selection_compile(&context, selection, &query, &failure) ||
        !selection_prepare(query, live->connection, &failure))
        return take_failure(live, selection, &failure, err);
    tell_left_out(live, selection, query);
    return true;
}

bool runbook_check_live(const struct runbook *runbook, struct connection *connection,
                        const struct helpdesk *helpdesk, int64_t now_us,
                        struct runbook_problems *problems, struct error *err)
{
    CLEANUP(param_values_cleanup) struct param_values *params = NULL;
    struct error failure;
    if (!sample_params(runbook, &params, &failure)) {
        if (failure.kind != ERROR_USAGE) {
            *err = failure;
            return false;
        }
        problem_hint(problems_add(problems, true, 0, 0, "its selections were not prepared: %s",
                                  failure.text),
                     "A test gives the parameters values that fit.");
        return true;
    }
    const struct live live = {.runbook = runbook,
                              .connection = connection,
                              .helpdesk = helpdesk,
                              .params = params,
                              .problems = problems,
                              .now_us = now_us};
    for (size_t i = 0; i < runbook->selection_count; i++)
        if (!check_selection(&live, &runbook->selections[i], err))
            return false;
    const char *missing = missing_of(&live, &runbook->needs);
    if (missing != NULL)
        problems_add(problems, true, 0, 0,
                     "it cannot run here: adapter \"%s\" does not have \"%s\"", helpdesk->adapter,
                     missing);
    problems_sort(problems);
    return true;
}
