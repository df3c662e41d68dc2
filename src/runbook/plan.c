#include "runbook/plan.h"

#include "plan_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"
#include "runbook/selection.h"

#include <stdlib.h>

/* One SELECT over all tickets may take longer than a batch of the run. */
enum { STATEMENT_TIMEOUT_MIN_US = 120 * 1000000 };

struct selection_context plan_selections(const struct plan_context *context)
{
    return (struct selection_context){.runbook = context->runbook,
                                      .params = context->params,
                                      .capabilities = context->capabilities,
                                      .now_us = context->now_us};
}

static bool begin(struct connection *connection, const struct runbook *runbook, struct error *err)
{
    int64_t timeout_us = runbook->limits.statement_timeout_us;
    if (timeout_us < STATEMENT_TIMEOUT_MIN_US)
        timeout_us = STATEMENT_TIMEOUT_MIN_US;
    return query_command(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                         "begin to plan", err) &&
           selection_set_session(connection, timeout_us, err);
}

/* ---- the head ---- */

static bool put_runbook(const struct runbook *runbook, struct value *document, struct error *err)
{
    struct value *head = value_set_new_object(document, "runbook", err);
    return head != NULL && value_set_text(head, "name", runbook->name, err) &&
           value_set_text(head, "version", runbook->version, err) &&
           value_set_text(head, "digest", runbook->digest, err) &&
           value_set_text(head, "source", runbook->source, err);
}

static bool put_helpdesk(const struct helpdesk *helpdesk, struct value *document, struct error *err)
{
    struct value *head = value_set_new_object(document, "helpdesk", err);
    return head != NULL && value_set_text(head, "adapter", helpdesk->adapter, err) &&
           value_set_text(head, "version", helpdesk->version, err) &&
           value_set_text(head, "database", helpdesk->database, err) &&
           value_set_text(head, "system_identifier", helpdesk->system_identifier, err);
}

static bool put_planner(struct connection *connection, struct value *document, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    static const struct query query = {.sql = "SELECT session_user", .what = "ask who plans"};
    return query_run(connection, &query, &rows, err) &&
           value_set_text(document, "planned_by", query_field(rows, 0, 0), err);
}

static bool put_head(const struct plan_context *context, const struct helpdesk *helpdesk,
                     struct value *document, struct error *err)
{
    char now[TEXT_SIZE];
    if (!value_set_u64(document, "format", PLAN_FORMAT, err) ||
        !put_runbook(context->runbook, document, err) || !put_helpdesk(helpdesk, document, err))
        return false;
    struct value *params = value_set_new_object(document, "params", err);
    return params != NULL && param_values_to_value(context->params, params, err) &&
           value_set_text(document, "now", text_time_exact_us(context->now_us, now), err) &&
           put_planner(context->connection, document, err);
}

/* Without these there is no run at all; segments and selections have needs of their own. */
static bool check_needs(const struct runbook *runbook, const struct helpdesk *helpdesk,
                        struct error *err)
{
    for (size_t i = 0; i < runbook->needs.count; i++)
        if (!text_list_has(&helpdesk->capabilities, runbook->needs.items[i]))
            return error_set(err, ERROR_UNSUPPORTED,
                             "runbook \"%s\" needs \"%s\", which adapter \"%s\" does not have",
                             runbook->name, runbook->needs.items[i], helpdesk->adapter);
    return true;
}

/* ---- the body ---- */

static bool memory_init(struct plan_memory *memory, const struct runbook *runbook,
                        struct error *err)
{
    memory->of_selection = calloc(runbook->selection_count + 1, sizeof *memory->of_selection);
    memory->told = calloc(runbook->template_count + 1, sizeof *memory->told);
    return (memory->of_selection != NULL && memory->told != NULL) || error_no_memory(err, "a plan");
}

static void memory_release(struct plan_memory *memory, const struct runbook *runbook)
{
    for (size_t i = 0; memory->of_selection != NULL && i < runbook->selection_count; i++)
        id_list_release(&memory->of_selection[i]);
    for (size_t i = 0; memory->told != NULL && i < runbook->template_count; i++)
        id_list_release(&memory->told[i]);
    free(memory->of_selection);
    free(memory->told);
}

static uint64_t sample_count(const struct runbook *runbook, const struct plan_options *options)
{
    int64_t count = (int64_t)options->sample_count;
    for (size_t i = 0; count == 0 && i < runbook->step_count; i++)
        if (runbook->steps[i].uses == USES_ASSESS)
            count = runbook->steps[i].sample;
    if (count <= 0)
        return PLAN_SAMPLE_DEFAULT;
    return count > PLAN_SAMPLE_MAX ? PLAN_SAMPLE_MAX : (uint64_t)count;
}

static bool put_steps(struct plan_context *context, struct value *document, struct error *err)
{
    const struct runbook *runbook = context->runbook;
    struct value *steps = value_set_new_array(document, "steps", err);
    if (steps == NULL || !plan_put_steps(context, runbook->steps, runbook->step_count, steps, err))
        return false;
    struct value *recover = value_set_new_array(document, "recover", err);
    return recover != NULL &&
           plan_put_steps(context, runbook->recover, runbook->recover_count, recover, err);
}

static bool put_body(struct plan_context *context, const struct plan_options *options,
                     struct value *document, struct error *err)
{
    struct value *selections = value_set_new_object(document, "selections", err);
    if (selections == NULL ||
        !plan_put_selections(context, sample_count(context->runbook, options), selections, err) ||
        !put_steps(context, document, err) || !plan_check_limits(context, err))
        return false;
    struct value *overlap = value_set_new_array(document, "overlap", err);
    if (overlap == NULL || !plan_put_overlap(context, overlap, err))
        return false;
    struct value *estimate = value_set_new_object(document, "estimate", err);
    return estimate != NULL && plan_put_estimate(context, estimate, err);
}

static bool make_document(struct plan_context *context, const struct plan_options *options,
                          struct value *document, struct error *err)
{
    CLEANUP(helpdesk_release) struct helpdesk helpdesk = {0};
    char digest[65];
    if (!helpdesk_read(context->connection, &helpdesk, err) ||
        !check_needs(context->runbook, &helpdesk, err))
        return false;
    context->capabilities = &helpdesk.capabilities;
    context->plan = document;
    bool made = put_head(context, &helpdesk, document, err) &&
                put_body(context, options, document, err) && plan_digest(document, digest, err) &&
                value_set_text(document, "digest", digest, err);
    context->capabilities = NULL; /* they end here */
    return made;
}

bool plan_make(struct connection *connection, const struct runbook *runbook,
               const struct param_values *params, const struct plan_options *options,
               struct plan **out, struct error *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = calloc(1, sizeof *plan);
    struct plan_memory memory = {0};
    struct plan_context context = {.connection = connection,
                                   .runbook = runbook,
                                   .params = params,
                                   .now_us = options->now_us,
                                   .memory = &memory};
    if (plan == NULL)
        return error_no_memory(err, "a plan");
    plan->document = value_new_object(err);
    if (plan->document == NULL || !begin(connection, runbook, err)) {
        query_rollback(connection);
        return false;
    }
    bool made = memory_init(&memory, runbook, err) &&
                make_document(&context, options, plan->document, err);
    memory_release(&memory, runbook);
    query_rollback(connection); /* nothing was written */
    if (!made || !plan_open(plan, err))
        return error_wrap(err, "could not plan runbook \"%s\"", runbook->name);
    *out = TAKE(plan);
    return true;
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    param_values_free(plan->params);
    runbook_free(plan->runbook);
    value_free(plan->document);
    free(plan);
}

void plan_cleanup(struct plan **plan)
{
    plan_free(*plan);
    *plan = NULL;
}
