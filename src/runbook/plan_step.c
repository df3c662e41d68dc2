/* What each kind of step adds to a plan. */
#include "plan_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/scope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MICROSECONDS = 1000000 };

static struct scope scope_of(const struct plan_context *context)
{
    return (struct scope){
        .runbook = context->runbook, .params = context->params, .now_us = context->now_us};
}

static bool put_seconds(struct value *object, const char *key, int64_t us, struct error *err)
{
    return value_set_i64(object, key, us / MICROSECONDS, err);
}

static bool put_rendered(struct plan_context *context, const char *template,
                         enum template_escape escape, struct value *object, const char *key,
                         struct error *err)
{
    CLEANUP(free_pointer) char *text = NULL;
    struct scope scope = scope_of(context);
    return scope_render(&scope, template, escape, &text, err) &&
           value_set_text(object, key, text, err);
}

static bool selection_count(const struct value *plan, const char *name, uint64_t *out,
                            struct error *err)
{
    const struct value *selection = NULL;
    return plan_selection(plan, name, &selection, err) &&
           value_get_u64(selection, "count", out, err);
}

/* ---- assess ---- */

static bool compare(uint64_t left, const char *op, uint64_t right)
{
    static const struct {
        const char *op;
        bool less, equal, greater;
    } rows[] = {{"<", true, false, false}, {"<=", true, true, false}, {"=", false, true, false},
                {"!=", true, false, true}, {">=", false, true, true}, {">", false, false, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].op, op) == 0)
            return left < right ? rows[i].less : left > right ? rows[i].greater : rows[i].equal;
    return false;
}

static uint64_t guard_number(const struct runbook *runbook, const struct runbook_guard *guard)
{
    if (strcmp(guard->limit, "max_tickets") == 0)
        return runbook->limits.max_tickets;
    if (strcmp(guard->limit, "max_notices") == 0)
        return runbook->limits.max_notices;
    return guard->number;
}

/* The first guard that holds, or NULL in *out. */
static bool find_guard(const struct plan_context *context, const struct runbook_step *step,
                       const struct runbook_guard **out, struct error *err)
{
    *out = NULL;
    for (size_t i = 0; i < step->expect_count && *out == NULL; i++) {
        const struct runbook_guard *guard = &step->expect[i];
        uint64_t count = 0;
        if (!selection_count(context->plan, guard->selection, &count, err))
            return false;
        if (compare(count, guard->op, guard_number(context->runbook, guard)))
            *out = guard;
    }
    return true;
}

/* "count(affected) = 3 < 5: fewer than five tickets is not an incident" */
static char *guard_text(const struct plan_context *context, const struct runbook_guard *guard,
                        struct error *err)
{
    uint64_t count = 0;
    if (!selection_count(context->plan, guard->selection, &count, err))
        return NULL;
    char *text = text_format("count(%s) is %" PRIu64 ", and %s %" PRIu64 "%s%s", guard->selection,
                             count, guard->op, guard_number(context->runbook, guard),
                             *guard->say == '\0' ? "" : ": ", guard->say);
    if (text == NULL)
        (void)error_no_memory(err, "a guard");
    return text;
}

static bool put_guard(const struct plan_context *context, const struct runbook_step *step,
                      struct value *out, struct error *err)
{
    const struct runbook_guard *guard = NULL;
    if (!find_guard(context, step, &guard, err))
        return false;
    if (guard == NULL)
        return value_set_text(out, "guard", "", err) && value_set_text(out, "then", "", err);
    CLEANUP(free_pointer) char *text = guard_text(context, guard, err);
    if (text == NULL)
        return false;
    if (guard->then == GUARD_FAIL) {
        (void)error_set(err, ERROR_REFUSED, "guard of step \"%s\" (line %d): %s", step->id,
                        guard->line, text);
        return error_hint(err, "`expect` in the runbook says that such a plan must not be made.");
    }
    return value_set_text(out, "guard", text, err) && value_set_text(out, "then", "stop", err);
}

static bool plan_assess(struct plan_context *context, const struct runbook_step *step,
                        struct value *out, struct error *err)
{
    struct value *counts = value_set_new_object(out, "counts", err);
    for (size_t i = 0; counts != NULL && i < step->selections.count; i++) {
        const char *name = step->selections.items[i];
        uint64_t count = 0;
        if (!selection_count(context->plan, name, &count, err) ||
            !value_set_u64(counts, name, count, err))
            return false;
    }
    return counts != NULL && put_guard(context, step, out, err);
}

/* ---- tag, untag ---- */

static bool is_segment_name(void *context, const char *name, struct error *err)
{
    bool *found = context;
    (void)err;
    *found |= strcmp(name, "row.segment") == 0;
    return true;
}

static bool put_tag(struct plan_context *context, const char *template, const char *segment,
                    uint64_t count, struct value *list, struct error *err)
{
    CLEANUP(free_pointer) char *tag = NULL;
    struct scope scope = scope_of(context);
    scope.segment = segment;
    if (!scope_render(&scope, template, TEMPLATE_HEADER, &tag, err))
        return error_wrap(err, "tag \"%s\"", template);
    if (tag[strspn(tag, " ")] == '\0')
        return error_set(err, ERROR_INVALID, "tag \"%s\" comes out empty", template);
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_text(item, "tag", tag, err) &&
           value_set_text(item, "segment", segment == NULL ? "" : segment, err) &&
           value_set_u64(item, "count", count, err);
}

static bool put_tag_of_segments(struct plan_context *context, const char *template,
                                const struct value *selection, struct value *list,
                                struct error *err)
{
    const struct value *segments = NULL;
    if (!value_get_array(selection, "segments", &segments, err))
        return false;
    for (size_t i = 0; i < value_count(segments); i++) {
        const struct value *segment = NULL;
        const char *name = NULL;
        uint64_t count = 0;
        if (!value_at_object(segments, i, &segment, err) ||
            !value_get_text(segment, "name", &name, err) ||
            !value_get_u64(segment, "count", &count, err) ||
            !put_tag(context, template, name, count, list, err))
            return false;
    }
    return true;
}

static bool plan_tag(struct plan_context *context, const struct runbook_step *step,
                     struct value *out, struct error *err)
{
    const struct value *selection = NULL;
    uint64_t count = 0;
    if (!plan_selection(context->plan, step->from, &selection, err) ||
        !value_get_u64(selection, "count", &count, err) ||
        !value_set_text(out, "from", step->from, err))
        return false;
    struct value *list = value_set_new_array(out, "tags", err);
    for (size_t i = 0; list != NULL && i < step->tags.count; i++) {
        const char *template = step->tags.items[i];
        bool by_segment = false;
        if (!template_visit(template, is_segment_name, &by_segment, err))
            return false;
        if (by_segment ? !put_tag_of_segments(context, template, selection, list, err)
                       : !put_tag(context, template, NULL, count, list, err))
            return false;
    }
    return list != NULL;
}

/* ---- people, time, the world outside ---- */

static bool plan_restore_point(struct plan_context *context, const struct runbook_step *step,
                               struct value *out, struct error *err)
{
    (void)context;
    return put_seconds(out, "timeout_seconds", step->timeout_us, err);
}

static bool plan_approval(struct plan_context *context, const struct runbook_step *step,
                          struct value *out, struct error *err)
{
    (void)context;
    return value_set_i64(out, "quorum", step->quorum, err) &&
           value_set_text(out, "role", step->role, err) &&
           put_seconds(out, "expires_seconds", step->expires_us, err);
}

static bool plan_task(struct plan_context *context, const struct runbook_step *step,
                      struct value *out, struct error *err)
{
    const struct runbook_choice_default *otherwise = &step->choice_default;
    (void)context;
    return value_set_text(out, "ask", step->ask, err) &&
           value_set_text(out, "owner", step->owner, err) &&
           value_set_texts(out, "choices", step->choices.items, step->choices.count, err) &&
           value_set_text(out, "default", otherwise->choice == NULL ? "" : otherwise->choice,
                          err) &&
           put_seconds(out, "default_after_seconds", otherwise->after_us, err);
}

static bool plan_wait(struct plan_context *context, const struct runbook_step *step,
                      struct value *out, struct error *err)
{
    (void)context;
    return value_set_text(out, "signal", step->signal, err) &&
           put_seconds(out, "for_seconds", step->for_us, err) &&
           put_seconds(out, "remind_seconds", step->remind_us, err);
}

/* Nobody's language is known here: the first text. */
static bool put_message(struct plan_context *context, const struct runbook_step *step,
                        struct value *out, struct error *err)
{
    const struct runbook_template *template = runbook_template(context->runbook,
                                                               step->template_name);
    if (template == NULL || template->text_count == 0)
        return error_set(err, ERROR_INVALID, "there is no template \"%s\"", step->template_name);
    return value_set_text(out, "template", step->template_name, err) &&
           value_set_text(out, "locale", template->texts[0].locale, err) &&
           put_rendered(context, template->texts[0].subject, TEMPLATE_HEADER, out, "subject",
                        err) &&
           put_rendered(context, template->texts[0].text, TEMPLATE_TEXT, out, "text", err) &&
           value_set_texts(out, "webhooks", step->webhooks.items, step->webhooks.count, err);
}

static bool plan_status(struct plan_context *context, const struct runbook_step *step,
                        struct value *out, struct error *err)
{
    return value_set_text(out, "component", step->component, err) &&
           value_set_text(out, "state", step->state, err) && put_message(context, step, out, err);
}

static bool plan_webhook(struct plan_context *context, const struct runbook_step *step,
                         struct value *out, struct error *err)
{
    return put_message(context, step, out, err);
}

/* ---- the table ---- */

typedef bool (*plan_step_fn)(struct plan_context *context, const struct runbook_step *step,
                             struct value *out, struct error *err);

static const plan_step_fn planners[] = {
    [USES_ASSESS] = plan_assess,
    [USES_RESTORE_POINT] = plan_restore_point,
    [USES_TAG] = plan_tag,
    [USES_UNTAG] = plan_tag,
    [USES_NOTICE] = plan_notice_step,
    [USES_APPROVAL] = plan_approval,
    [USES_TASK] = plan_task,
    [USES_WAIT] = plan_wait,
    [USES_STATUS] = plan_status,
    [USES_WEBHOOK] = plan_webhook,
};

static bool put_step(struct plan_context *context, const struct runbook_step *step,
                     struct value *list, struct error *err)
{
    struct value *out = value_append_new_object(list, err);
    return out != NULL && value_set_text(out, "id", step->id, err) &&
           value_set_text(out, "uses", step_uses_name(step->uses), err) &&
           value_set_text(out, "title", step->title, err) &&
           planners[step->uses](context, step, out, err);
}

bool plan_put_steps(struct plan_context *context, const struct runbook_step *steps, size_t count,
                    struct value *list, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!put_step(context, &steps[i], list, err)) {
            if (err->kind == ERROR_REFUSED)
                return false;
            return error_wrap(err, "step \"%s\" (line %d)", steps[i].id, steps[i].line);
        }
    return true;
}

/* ---- limits ---- */

static bool check_tickets(const struct plan_context *context, const struct runbook_step *step,
                          struct error *err)
{
    uint64_t count = 0;
    uint64_t most = context->runbook->limits.max_tickets;
    if (!selection_count(context->plan, step->from, &count, err))
        return false;
    if (most == 0 || count <= most)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "selection \"%s\" has %" PRIu64 " tickets; limits.max_tickets is %" PRIu64,
                    step->from, count, most);
    return error_hint(err,
                      "Narrow it by its parameters, or raise the limit in a new version of the "
                      "runbook.");
}

static bool check_notices(const struct plan_context *context, const struct value *planned,
                          const char *id, struct error *err)
{
    const struct value *notices = NULL;
    uint64_t most = context->runbook->limits.max_notices;
    uint64_t sum = 0;
    if (!value_get_array(planned, "notices", &notices, err))
        return false;
    for (size_t i = 0; i < value_count(notices); i++) {
        const struct value *row = NULL;
        uint64_t count = 0;
        if (!value_at_object(notices, i, &row, err) || !value_get_u64(row, "count", &count, err))
            return false;
        sum += count;
    }
    if (most == 0 || sum <= most)
        return true;
    (void)error_set(err, ERROR_REFUSED,
                    "step \"%s\" would queue %" PRIu64 " notices; limits.max_notices is %" PRIu64,
                    id, sum, most);
    return error_hint(err, "Narrow its selection, or raise the limit in a new version of the "
                           "runbook.");
}

static bool check_section(const struct plan_context *context, const char *section,
                          const struct runbook_step *steps, size_t count, struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(context->plan, section, &list, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct value *planned = NULL;
        bool tags = steps[i].uses == USES_TAG || steps[i].uses == USES_UNTAG;
        if (!value_at_object(list, i, &planned, err) ||
            (tags && !check_tickets(context, &steps[i], err)) ||
            (steps[i].uses == USES_NOTICE && !check_notices(context, planned, steps[i].id, err)))
            return false;
    }
    return true;
}

bool plan_check_limits(const struct plan_context *context, struct error *err)
{
    const struct runbook *runbook = context->runbook;
    return check_section(context, "steps", runbook->steps, runbook->step_count, err) &&
           check_section(context, "recover", runbook->recover, runbook->recover_count, err);
}
