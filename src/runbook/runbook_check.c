/*
 * What a file that fits the tables may still have wrong: names that do not exist, conditions that
 * leave their place, texts with unknown names, parts that contradict each other.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "document/template.h"
#include "runbook/condition.h"
#include "runbook/helpdesk.h"
#include "runbook/params.h"
#include "runbook_loading.h"

#include <stdlib.h>
#include <string.h>

#define NOW "now"

/* ---- names ---- */

/* Names of one kind, for lookups and for the nearest one. */
struct names {
    const char **items;
    size_t count;
};

static void names_release(struct names *names)
{
    free(names->items);
}

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

/* The char * at `offset` of each element; missing ones (an element that could not be read) are left
 * out. NULL elements are no elements. */
static bool collect(const void *elements, size_t count, size_t size, size_t offset,
                    struct names *out, struct error *err)
{
    *out = (struct names){.items = calloc(count + 1, sizeof *out->items)};
    if (out->items == NULL)
        return error_no_memory(err, "a runbook");
    for (size_t i = 0; i < count; i++) {
        const char *const *field = (const void *)((const char *)elements + i * size + offset);
        if (*field != NULL)
            out->items[out->count++] = *field;
    }
    return true;
}

static bool collect_choices(const struct runbook_step *step, struct names *out, struct error *err)
{
    return collect(step->choices.items, step->choices.count, sizeof(char *), 0, out, err);
}

static bool collect_referred(const struct loading *loading, const struct place *place,
                             struct names *out, struct error *err)
{
    const struct runbook *runbook = loading->runbook;
    switch (place->key->refers) {
    case REFERS_SELECTION:
        return collect(runbook->selections, runbook->selection_count,
                       sizeof(struct runbook_selection), offsetof(struct runbook_selection, name),
                       out, err);
    case REFERS_TEMPLATE:
        return collect(runbook->templates, runbook->template_count, sizeof(struct runbook_template),
                       offsetof(struct runbook_template, name), out, err);
    case REFERS_OWNER:
        return collect(runbook->owners, runbook->owner_count, sizeof(struct runbook_owner),
                       offsetof(struct runbook_owner, name), out, err);
    case REFERS_CHOICE:
        return collect_choices(place->object, out, err);
    case REFERS_NONE:
        break;
    }
    return collect(NULL, 0, 0, 0, out, err);
}

static bool check_reference(struct loading *loading, const struct place *place, const char *text,
                            struct error *err)
{
    static const char *const whats[] = {[REFERS_NONE] = "",
                                        [REFERS_SELECTION] = "selection",
                                        [REFERS_TEMPLATE] = "template",
                                        [REFERS_OWNER] = "owner",
                                        [REFERS_CHOICE] = "choice"};
    CLEANUP(names_release) struct names names = {0};
    if (place->key->refers == REFERS_NONE)
        return true;
    if (!collect_referred(loading, place, &names, err))
        return false;
    /* None at all and other problems: it is those that have to be mended first. */
    bool unread = names.count == 0 && loading->problems->error_count > 0;
    if (!unread && !has_name(&names, text))
        problem_hint_nearest(loading_refuse(loading, place->field, "there is no %s \"%s\"",
                                            whats[place->key->refers], text),
                             text, names.items, names.count, NULL);
    return true;
}

/* ---- names in conditions and templates ---- */

struct name_check {
    struct loading *loading;
    const struct place *place;
    enum key_scope scope;
    bool is_status; /* of SCOPE_MESSAGE: nobody in particular reads it */
};

static bool refuse_param(const struct loading *loading, const char *name, const char *written,
                         struct error *err)
{
    const struct runbook *runbook = loading->runbook;
    CLEANUP(names_release) struct names names = {0};
    if (!collect(runbook->params, runbook->param_count, sizeof(struct runbook_param),
                 offsetof(struct runbook_param, name), &names, err))
        return false;
    (void)error_set(err, ERROR_INVALID, "there is no parameter \"%s\" (%s)", name, written);
    const char *nearest = text_nearest(name, names.items, names.count);
    return nearest != NULL && error_hint(err, "Did you mean \"%s\"?", nearest);
}

static bool know_bound_name(void *context, const char *name, struct buf *out, struct error *err)
{
    const struct name_check *check = context;
    CLEANUP(free_pointer) char *written = text_format(":%s", name);
    (void)out;
    if (strcmp(name, NOW) == 0 || runbook_param(check->loading->runbook, name) != NULL)
        return true;
    return refuse_param(check->loading, name, written == NULL ? "" : written, err);
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool know_template_name(void *context, const char *name, struct error *err)
{
    static const char *const common_names[] = {"now", "runbook.name", "runbook.title"};
    static const char *const message_names[] = {"customer.name", "orders", "order_count",
                                                "ticket.ref"};
    const struct name_check *check = context;
    bool is_message = check->scope == SCOPE_MESSAGE && !check->is_status;
    if (text_starts_with(name, "params."))
        return runbook_param(check->loading->runbook, name + strlen("params.")) != NULL ||
               refuse_param(check->loading, name + strlen("params."), name, err);
    if (is_among(name, common_names, ARRAY_LEN(common_names)) ||
        (is_message && is_among(name, message_names, ARRAY_LEN(message_names))))
        return true;
    if (check->scope == SCOPE_ROW && strcmp(name, "row.segment") == 0)
        return true;
    (void)error_set(err, ERROR_INVALID, "{{ %s }} is not known here", name);
    return error_hint(err, "Known are params.NAME, now, runbook.name, runbook.title%s.",
                      check->scope == SCOPE_ROW ? ", row.segment"
                      : is_message              ? ", customer.name, orders, order_count, ticket.ref"
                                                : "");
}

static void add_failure(struct loading *loading, const struct place *place,
                        const struct error *failure)
{
    problem_hint(loading_refuse(loading, place->field, "%s", failure->text), "%.250s",
                 failure->hint);
}

static bool check_condition(struct loading *loading, const struct place *place, const char *text,
                            struct error *err)
{
    struct error failure;
    struct name_check check = {.loading = loading, .place = place};
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 2 * (size_t)CONDITION_MAX_BYTES);
    if (condition_compile(text, know_bound_name, &check, &out, &failure))
        return true;
    if (failure.kind != ERROR_INVALID) {
        *err = failure;
        return false;
    }
    add_failure(loading, place, &failure);
    return true;
}

/* Whether the text belongs to a template of status updates, which are read by nobody in particular.
 */
static bool is_of_status(const struct runbook *runbook, const void *object)
{
    for (size_t i = 0; i < runbook->template_count; i++) {
        const struct runbook_template *template = &runbook->templates[i];
        const struct runbook_text *texts = template->texts;
        bool inside = object == template;
        for (size_t j = 0; j < template->text_count; j++)
            inside = inside || object == &texts[j];
        if (inside)
            return strcmp(template->purpose, "status") == 0;
    }
    return false;
}

static void check_template(struct loading *loading, const struct place *place, const char *text)
{
    struct error failure;
    struct name_check check = {.loading = loading,
                               .place = place,
                               .scope = place->key->scope,
                               .is_status = is_of_status(loading->runbook, place->object)};
    if (!template_visit(text, know_template_name, &check, &failure))
        add_failure(loading, place, &failure);
}

static bool check_place(struct loading *loading, const struct place *place, struct error *err)
{
    const struct key *key = place->key;
    if (key->type != KEY_TEXT && key->type != KEY_TEXTS && key->type != KEY_GUARD)
        return true;
    const char *text = *(char *const *)place->field;
    if (!check_reference(loading, place, text, err))
        return false;
    if (key->form == FORM_CONDITION)
        return check_condition(loading, place, text, err);
    if (key->scope != SCOPE_NONE)
        check_template(loading, place, text);
    else if ((key->form == FORM_LINE || key->form == FORM_TEXT) && strstr(text, "{{") != NULL)
        loading_refuse(loading, place->field, "\"%s\" is no template: \"{{\" would stay as it is",
                       key->name);
    return true;
}

bool runbook_check_places(struct loading *loading, struct error *err)
{
    for (size_t i = 0; i < loading->place_count; i++)
        if (!check_place(loading, &loading->places[i], err))
            return false;
    return true;
}

/* ---- parameters ---- */

static void check_param_text(struct loading *loading, char *const *field, bool good,
                             const struct error *failure)
{
    if (!good)
        problem_hint(loading_refuse(loading, field, "%s", failure->text), "%.250s", failure->hint);
}

static void check_param(struct loading *loading, const struct runbook_param *param)
{
    struct error failure;
    bool is_enum = param->type == PARAM_ENUM;
    if (strcmp(param->name, NOW) == 0)
        loading_refuse(loading, &param->name, ":now is the time of the plan, not a parameter");
    if (is_enum != (param->values.count > 0))
        loading_refuse(loading, &param->type,
                       is_enum ? "an enum needs \"values\"" : "only an enum has \"values\"");
    if (param->pattern != NULL && param->type != PARAM_TEXT && param->type != PARAM_LIST)
        loading_refuse(loading, &param->pattern, "only a text or a list has a \"pattern\"");
    else if (param->pattern != NULL)
        check_param_text(loading, &param->pattern, param_check_pattern(param->pattern, &failure),
                         &failure);
    if (param->min != NULL)
        check_param_text(loading, &param->min, param_check_limit(param, param->min, &failure),
                         &failure);
    if (param->max != NULL)
        check_param_text(loading, &param->max, param_check_limit(param, param->max, &failure),
                         &failure);
    if (param->standard != NULL && param->required)
        loading_refuse(loading, &param->standard,
                       "a parameter that is required has no \"default\"");
    else if (param->standard != NULL)
        check_param_text(loading, &param->standard,
                         param_check_value(param, param->standard, &failure), &failure);
}

/* ---- selections ---- */

static void check_segments(struct loading *loading, const struct runbook_selection *selection)
{
    bool all = false;
    for (size_t i = 0; i < selection->segment_count; i++) {
        const struct runbook_segment *segment = &selection->segments[i];
        if (segment->mentions.count > 0 && selection->of != OF_TICKETS)
            loading_refuse(loading, &segment->mentions.items[0],
                           "only tickets have messages that can mention something");
        if (all)
            loading_refuse(loading, &segment->name,
                           "segment \"%s\" is never reached: everything fits the one before it",
                           segment->name);
        all = segment->where[0] == '\0' && segment->mentions.count == 0 &&
              segment->needs.count == 0;
        for (size_t j = 0; j < i; j++)
            if (strcmp(selection->segments[j].name, segment->name) == 0)
                loading_refuse(loading, &segment->name, "segment \"%s\" is there twice",
                               segment->name);
    }
}

static void check_selection(struct loading *loading, const struct runbook_selection *selection)
{
    static const char orders[] = "orders";
    if (selection->of == OF_ORDERS && !text_list_has(&selection->needs, orders) &&
        !text_list_has(&loading->runbook->needs, orders))
        problem_hint(loading_refuse(loading, &selection->of,
                                    "a selection of orders needs the capability \"orders\""),
                     "Add needs: [orders] to the selection.");
    if (selection->of != OF_TICKETS && selection->exclude_tags.count > 0)
        loading_refuse(loading, &selection->exclude_tags.items[0], "only tickets have tags");
    if (selection->of != OF_TICKETS && selection->orders_by_customer)
        loading_refuse(loading, &selection->of, "\"orders_by_customer\" is for tickets");
    check_segments(loading, selection);
}

/* ---- steps ---- */

static void check_of_tickets(struct loading *loading, const struct runbook_step *step)
{
    const struct runbook_selection *selection = runbook_selection(loading->runbook, step->from);
    if (selection->of != OF_TICKETS)
        loading_refuse(loading, &step->from, "only tickets have tags, \"%s\" is not of tickets",
                       step->from);
}

/* Only what a run added can be taken away by it. */
static void check_removed_tags(struct loading *loading, const struct runbook_step *step, size_t at)
{
    for (size_t i = 0; i < step->tags.count; i++) {
        bool added = false;
        for (size_t j = 0; j < at && !added; j++) {
            const struct runbook_step *other = runbook_step_at(loading->runbook, j);
            added = other->uses == USES_TAG && strcmp(other->from, step->from) == 0 &&
                    text_list_has(&other->tags, step->tags.items[i]);
        }
        if (!added)
            problem_hint(loading_refuse(loading, &step->tags.items[i],
                                        "no step before this one adds \"%s\" to \"%s\"",
                                        step->tags.items[i], step->from),
                         "Write it as the tag step has it: only what a run added is removed.");
    }
}

static void check_purpose(struct loading *loading, const struct runbook_step *step)
{
    const struct runbook_template *template = runbook_template(loading->runbook,
                                                               step->template_name);
    bool is_status = strcmp(template->purpose, "status") == 0;
    if (step->uses == USES_NOTICE && is_status)
        loading_refuse(loading, &step->template_name,
                       "\"%s\" has the purpose status, which is not for customers' letter boxes",
                       template->name);
    if (step->uses != USES_NOTICE && !is_status)
        loading_refuse(loading, &step->template_name,
                       "\"%s\" is for customers; here a template of purpose status is needed",
                       template->name);
}

static void check_notice(struct loading *loading, const struct runbook_step *step, size_t at)
{
    bool before = step->only_after[0] == '\0';
    for (size_t i = 0; i < at && !before; i++) {
        const struct runbook_step *other = runbook_step_at(loading->runbook, i);
        before = other->uses == USES_NOTICE && strcmp(other->template_name, step->only_after) == 0;
    }
    if (!before)
        loading_refuse(loading, &step->only_after, "no step before this one queues \"%s\"",
                       step->only_after);
    if (loading->runbook->limits.max_notices == 0)
        loading_refuse(loading, &step->from,
                       "limits.max_notices is 0, so this step can never do "
                       "anything");
    if (step->expires_after_us <= step->not_before_us)
        loading_refuse(loading, &step->expires_after_us,
                       "the notice would expire before it may be sent");
    for (size_t i = 0; i < at; i++) {
        const struct runbook_step *other = runbook_step_at(loading->runbook, i);
        if (other->uses == USES_NOTICE && strcmp(other->template_name, step->template_name) == 0)
            loading_refuse(loading, &step->template_name,
                           "step \"%s\" queues \"%s\" already; a customer gets it once in a run",
                           other->id, step->template_name);
    }
}

static void check_step(struct loading *loading, const struct runbook_step *step, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(runbook_step_at(loading->runbook, i)->id, step->id) == 0)
            loading_refuse(loading, &step->id, "step \"%s\" is there twice", step->id);
    if (step->uses == USES_TAG || step->uses == USES_UNTAG)
        check_of_tickets(loading, step);
    if (step->uses == USES_UNTAG)
        check_removed_tags(loading, step, at);
    if (step->uses == USES_NOTICE || step->uses == USES_STATUS || step->uses == USES_WEBHOOK)
        check_purpose(loading, step);
    if (step->uses == USES_NOTICE)
        check_notice(loading, step, at);
    if (step->uses == USES_WAIT && step->signal[0] == '\0' && step->remind_us > 0)
        loading_refuse(loading, &step->remind_us,
                       "a wait without a signal ends by itself: nobody is to be reminded");
}

/* ---- templates, clock, undo ---- */

static void check_facts(struct loading *loading, const struct runbook_template *template)
{
    const struct runbook_facts *facts = &template->facts;
    if (strcmp(template->purpose, "delay") != 0)
        return;
    if (facts->new_date[0] == '\0')
        problem_hint(loading_refuse(loading, &template->name,
                                    "delay notice \"%s\" does not say the new date",
                                    template->name),
                     "Give facts.new_date: the date as the text has it, or unknown.");
    if (!facts->refund)
        problem_hint(loading_refuse(loading, &template->name,
                                    "delay notice \"%s\" does not offer a refund", template->name),
                     "Offer to cancel for a full refund, and set facts.refund: true.");
    if (!facts->reply)
        problem_hint(loading_refuse(loading, &template->name,
                                    "delay notice \"%s\" names no free way to answer",
                                    template->name),
                     "Name one in the text, and set facts.reply: true.");
}

static void check_clock(struct loading *loading)
{
    const struct runbook_clock *clock = &loading->runbook->clock;
    if ((clock->long_after_us == 0) != (clock->update_every_long_us == 0))
        loading_refuse(loading,
                       clock->long_after_us == 0 ? &clock->update_every_long_us
                                                 : &clock->long_after_us,
                       "\"long_after\" and \"update_every_long\" belong together");
    else if (clock->update_every_long_us != 0 &&
             clock->update_every_long_us < clock->update_every_us)
        loading_refuse(loading, &clock->update_every_long_us,
                       "\"update_every_long\" must not be shorter than \"update_every\"");
}

static void check_undo(struct loading *loading)
{
    const struct runbook_undo *undo = &loading->runbook->undo;
    const void *field = undo->tags == UNDO_REFUSED ? (const void *)&undo->tags : &undo->notices;
    if ((undo->tags == UNDO_REFUSED || undo->notices == UNDO_REFUSED) && undo->reason[0] == '\0')
        loading_refuse(loading, field, "undo is refused without a \"reason\"");
}

/* ---- tests ---- */

/* "affected", "affected/no-label", "tagged", "notices", "suppressed" */
static bool is_count(const struct runbook *runbook, const char *name)
{
    static const char *const totals[] = {"tagged", "notices", "suppressed"};
    const char *slash = strchr(name, '/');
    for (size_t i = 0; i < ARRAY_LEN(totals); i++)
        if (strcmp(totals[i], name) == 0)
            return true;
    CLEANUP(free_pointer)
    char *first = strndup(name, slash == NULL ? strlen(name) : (size_t)(slash - name));
    const struct runbook_selection *selection = first == NULL ? NULL
                                                              : runbook_selection(runbook, first);
    if (selection == NULL || slash == NULL)
        return selection != NULL;
    for (size_t i = 0; i < selection->segment_count; i++)
        if (strcmp(selection->segments[i].name, slash + 1) == 0)
            return true;
    return false;
}

static bool check_test(struct loading *loading, const struct runbook_test *test, struct error *err)
{
    struct error failure;
    CLEANUP(param_values_cleanup) struct param_values *values = NULL;
    if (!param_values_parse(loading->runbook, (const char *const *)test->params.items,
                            test->params.count, &values, &failure)) {
        if (failure.kind != ERROR_USAGE) {
            *err = failure;
            return false;
        }
        const void *field = test->params.count > 0 ? (const void *)&test->params : &test->name;
        problem_hint(loading_refuse(loading, field, "%s", failure.text), "%.250s", failure.hint);
    }
    for (size_t i = 0; i < test->expect_count; i++)
        if (!is_count(loading->runbook, test->expect[i].name))
            problem_hint(loading_refuse(loading, &test->expect[i].name, "there is no count \"%s\"",
                                        test->expect[i].name),
                         "Counts are tagged, notices, suppressed, SELECTION and "
                         "SELECTION/SEGMENT.");
    return true;
}

bool runbook_check_content(struct loading *loading, struct error *err)
{
    const struct runbook *runbook = loading->runbook;
    for (size_t i = 0; i < runbook->param_count; i++)
        check_param(loading, &runbook->params[i]);
    for (size_t i = 0; i < runbook->selection_count; i++)
        check_selection(loading, &runbook->selections[i]);
    for (size_t i = 0; runbook_step_at(runbook, i) != NULL; i++)
        check_step(loading, runbook_step_at(runbook, i), i);
    for (size_t i = 0; i < runbook->template_count; i++)
        check_facts(loading, &runbook->templates[i]);
    check_clock(loading);
    check_undo(loading);
    /* A test is judged by its parameters: those must be right first. */
    for (size_t i = 0; i < runbook->test_count && loading->problems->error_count == 0; i++)
        if (!check_test(loading, &runbook->tests[i], err))
            return false;
    return true;
}
