/* mainstay runbook list|show|schema */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "runbook/problems.h"
#include "runbook/runbook_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_TEXT = 300 };

/* ---- list ---- */

/* A runbook that cannot be read is in the list too: it would be missed in the night. */
static bool add_broken(const struct runbook_problems *problems, struct value *item,
                       struct error *err)
{
    char text[SMALL_TEXT];
    char begin[SMALL_TEXT - 64];
    (void)snprintf(text, sizeof text, "not usable: %s (%zu %s)",
                   text_cut(problems->items[0].text, begin, sizeof begin), problems->error_count,
                   text_plural(problems->error_count, "problem", "problems"));
    return value_set_text_lossy(item, "title", text, err) && value_set_bool(item, "ok", false, err);
}

static bool add_listed(const struct runbook_source *source, struct value *list, struct error *err)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    CLEANUP(free_pointer) struct runbook_problems *problems = calloc(1, sizeof *problems);
    if (problems == NULL)
        return error_no_memory(err, "a runbook");
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text(item, "name", source->name, err) ||
        !value_set_text_lossy(item, "source", source->built_in ? "built in" : source->file, err) ||
        !runbook_load_all((const char *)source->text.data, source->text.len, source->file, problems,
                          &runbook, err))
        return false;
    if (runbook == NULL)
        return add_broken(problems, item, err);
    return value_set_text(item, "version", runbook->version, err) &&
           value_set_text(item, "title", runbook->title, err) &&
           value_set_text(item, "owner", runbook->owner, err) &&
           value_set_text(item, "reviewed_on", runbook->reviewed_on, err) &&
           value_set_text(item, "digest", runbook->digest, err) &&
           value_set_bool(item, "ok", true, err);
}

static const struct object_column list_columns[] = {
    {{"NAME", false}, "name"},
    {{"VERSION", false}, "version"},
    {{"TITLE", false}, "title"},
    {{"OWNER", false}, "owner"},
    {{"REVIEWED", false}, "reviewed_on"},
    {{"SOURCE", false}, "source"},
};

static bool run_list(struct invocation *call, struct error *err)
{
    struct runbook_source *sources;
    size_t count;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "runbooks", err);
    if (list == NULL || !runbook_sources_list(call, &sources, &count, err))
        return false;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = add_listed(&sources[i], list, err);
    runbook_sources_free(sources, count);
    return done &&
           output_objects(call, root, "runbooks", list_columns, ARRAY_LEN(list_columns), err);
}

/* ---- show ---- */

static bool add_optional(struct value *object, const char *key, const char *text, struct error *err)
{
    return text == NULL || text[0] == '\0' || value_set_text(object, key, text, err);
}

static bool add_params(const struct runbook *runbook, struct value *root, struct error *err)
{
    struct value *list = value_set_new_array(root, "params", err);
    for (size_t i = 0; list != NULL && i < runbook->param_count; i++) {
        const struct runbook_param *param = &runbook->params[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "name", param->name, err) ||
            !value_set_text(item, "type", param_type_name(param->type), err) ||
            !value_set_bool(item, "required", param->required, err) ||
            !add_optional(item, "default", param->standard, err) ||
            (param->values.count > 0 &&
             !value_set_texts(item, "values", param->values.items, param->values.count, err)) ||
            !add_optional(item, "min", param->min, err) ||
            !add_optional(item, "max", param->max, err) ||
            !add_optional(item, "pattern", param->pattern, err) ||
            !add_optional(item, "help", param->help, err))
            return false;
    }
    return list != NULL;
}

static bool add_selections(const struct runbook *runbook, struct value *root, struct error *err)
{
    static const char *const of[] = {"tickets", "orders", "customers"};
    struct value *list = value_set_new_array(root, "selections", err);
    for (size_t i = 0; list != NULL && i < runbook->selection_count; i++) {
        const struct runbook_selection *selection = &runbook->selections[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "name", selection->name, err) ||
            !value_set_text(item, "of", of[selection->of], err) ||
            !add_optional(item, "where", selection->where, err) ||
            !value_set_texts(item, "needs", selection->needs.items, selection->needs.count, err))
            return false;
        struct value *segments = value_set_new_array(item, "segments", err);
        for (size_t j = 0; segments != NULL && j < selection->segment_count; j++)
            if (!value_append_text(segments, selection->segments[j].name, err))
                return false;
        if (segments == NULL)
            return false;
    }
    return list != NULL;
}

static bool add_steps(const struct runbook_step *steps, size_t count, const char *key,
                      struct value *root, struct error *err)
{
    struct value *list = value_set_new_array(root, key, err);
    for (size_t i = 0; list != NULL && i < count; i++) {
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "id", steps[i].id, err) ||
            !value_set_text(item, "uses", step_uses_name(steps[i].uses), err) ||
            !add_optional(item, "title", steps[i].title, err) ||
            !add_optional(item, "owner", steps[i].owner, err) ||
            !add_optional(item, "selection", steps[i].from, err) ||
            !add_optional(item, "template", steps[i].template_name, err) ||
            (steps[i].tags.count > 0 &&
             !value_set_texts(item, "tags", steps[i].tags.items, steps[i].tags.count, err)))
            return false;
    }
    return list != NULL;
}

static bool add_templates(const struct runbook *runbook, struct value *root, struct error *err)
{
    struct value *list = value_set_new_array(root, "templates", err);
    for (size_t i = 0; list != NULL && i < runbook->template_count; i++) {
        const struct runbook_template *template = &runbook->templates[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "name", template->name, err) ||
            !value_set_text(item, "purpose", template->purpose, err))
            return false;
        struct value *locales = value_set_new_array(item, "locales", err);
        for (size_t j = 0; locales != NULL && j < template->text_count; j++)
            if (!value_append_text(locales, template->texts[j].locale, err))
                return false;
        if (locales == NULL)
            return false;
    }
    return list != NULL;
}

static bool show_json(const struct invocation *call, const struct runbook *runbook,
                      struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    return root != NULL && value_set_text(root, "name", runbook->name, err) &&
           value_set_text(root, "version", runbook->version, err) &&
           value_set_text(root, "title", runbook->title, err) &&
           value_set_text(root, "summary", runbook->summary, err) &&
           value_set_text(root, "owner", runbook->owner, err) &&
           value_set_text(root, "reviewed_on", runbook->reviewed_on, err) &&
           value_set_text_lossy(root, "file", runbook->file, err) &&
           value_set_text(root, "digest", runbook->digest, err) && add_params(runbook, root, err) &&
           add_selections(runbook, root, err) &&
           add_steps(runbook->steps, runbook->step_count, "steps", root, err) &&
           add_steps(runbook->recover, runbook->recover_count, "recover", root, err) &&
           add_templates(runbook, root, err) && output_value(call, root, err);
}

/* A text of several lines as one. */
static void put_joined(const char *text, struct buf *out)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    for (size_t i = 0; i < len; i++)
        buf_put(out, text[i] == '\n' || text[i] == '\t' ? " " : &text[i], 1);
}

/* What may be given: "ups, fedex", "1h to 14d". */
static void put_allowed(const struct runbook_param *param, struct buf *out)
{
    buf_printf(out, "%s", param_type_name(param->type));
    for (size_t i = 0; i < param->values.count; i++)
        buf_printf(out, "%s%s", i == 0 ? ": " : ", ", param->values.items[i]);
    if (param->min != NULL)
        buf_printf(out, ", at least %s", param->min);
    if (param->max != NULL)
        buf_printf(out, ", at most %s", param->max);
    if (param->pattern != NULL)
        buf_printf(out, ", like %s", param->pattern);
}

static bool put_params(const struct runbook *runbook, struct buf *out, struct error *err)
{
    static const struct text_column columns[] = {
        {"PARAMETER", false}, {"TYPE", false}, {"DEFAULT", false}, {"HELP", false}};
    struct text_table table;
    bool done = true;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < runbook->param_count && done; i++) {
        const struct runbook_param *param = &runbook->params[i];
        CLEANUP(buf_release) struct buf allowed;
        buf_init(&allowed, OUTPUT_MAX_BYTES);
        put_allowed(param, &allowed);
        const char *const cells[] = {param->name, buf_text(&allowed),
                                     param->required           ? "(required)"
                                     : param->standard != NULL ? param->standard
                                                               : "-",
                                     param->help};
        done = cells[1] == NULL ? error_no_memory(err, "the output")
                                : text_table_add(&table, cells, err);
    }
    if (runbook->param_count > 0) {
        buf_printf(out, "\n");
        text_table_put(&table, out);
    }
    text_table_release(&table);
    return done;
}

/* The one thing that tells most about a step of its kind. */
static void put_what(const struct runbook_step *step, struct buf *out)
{
    for (size_t i = 0; i < step->selections.count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", step->selections.items[i]);
    for (size_t i = 0; i < step->tags.count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", step->tags.items[i]);
    if (step->template_name[0] != '\0')
        buf_printf(out, "%s", step->template_name);
    if (step->from[0] != '\0')
        buf_printf(out, " %s %s", step->uses == USES_NOTICE ? "to" : "on", step->from);
    put_joined(step->ask, out);
    if (step->signal[0] != '\0')
        buf_printf(out, "for the signal %s", step->signal);
    if (step->uses == USES_APPROVAL)
        buf_printf(out, "by %" PRId64 " of %s", step->quorum, step->role);
}

static bool put_steps(const char *title, const struct runbook_step *steps, size_t count,
                      struct buf *out, struct error *err)
{
    const struct text_column columns[] = {
        {title, false}, {"USES", false}, {"OWNER", false}, {"WHAT", false}};
    struct text_table table;
    bool done = true;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < count && done; i++) {
        CLEANUP(buf_release) struct buf what;
        buf_init(&what, OUTPUT_MAX_BYTES);
        put_what(&steps[i], &what);
        const char *const cells[] = {steps[i].id, step_uses_name(steps[i].uses),
                                     steps[i].owner[0] == '\0' ? "-" : steps[i].owner,
                                     buf_text(&what)};
        done = cells[3] == NULL ? error_no_memory(err, "the output")
                                : text_table_add(&table, cells, err);
    }
    if (count > 0) {
        buf_printf(out, "\n");
        text_table_put(&table, out);
    }
    text_table_release(&table);
    return done;
}

static void put_head(const struct runbook *runbook, struct buf *out)
{
    output_put_clean(runbook->name, out);
    buf_printf(out, " %s: ", runbook->version);
    output_put_clean(runbook->title, out);
    if (runbook->summary[0] != '\0') {
        buf_printf(out, "\n");
        put_joined(runbook->summary, out);
    }
    buf_printf(out, "\nowner %s, reviewed %s, digest %s\nfile ", runbook->owner,
               runbook->reviewed_on, runbook->digest);
    output_put_clean(runbook->file, out);
    buf_printf(out, "\n");
}

static void put_templates(const struct runbook *runbook, struct buf *out)
{
    buf_printf(out, "%s", runbook->template_count > 0 ? "\ntemplates:" : "");
    for (size_t i = 0; i < runbook->template_count; i++) {
        const struct runbook_template *template = &runbook->templates[i];
        buf_printf(out, "%s %s (", i == 0 ? "" : ",", template->name);
        for (size_t j = 0; j < template->text_count; j++)
            buf_printf(out, "%s%s", j == 0 ? "" : " ", template->texts[j].locale);
        buf_printf(out, ")");
    }
    buf_printf(out, "%s", runbook->template_count > 0 ? "\n" : "");
}

static bool show_text(const struct invocation *call, const struct runbook *runbook,
                      struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_head(runbook, &text);
    if (!put_params(runbook, &text, err) ||
        !put_steps("STEP", runbook->steps, runbook->step_count, &text, err) ||
        !put_steps("RECOVER", runbook->recover, runbook->recover_count, &text, err))
        return false;
    put_templates(runbook, &text);
    return output_write(call, &text, err);
}

static bool show_plan(const struct invocation *call, struct error *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    struct buf text;
    if (!plan_read(call->operand, &plan, err))
        return false;
    if (call->json)
        return output_value(call, plan->document, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = plan_view_put(plan, &text, err) && output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_show(struct invocation *call, struct error *err)
{
    if (text_ends_with(call->operand, ".json"))
        return show_plan(call, err);
    if (invocation_has(call, "source")) {
        CLEANUP(runbook_source_release) struct runbook_source source = {0};
        return runbook_source_find(call, call->operand, &source, err) &&
               output_write(call, &source.text, err);
    }
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    if (!runbook_source_load(call, call->operand, &runbook, err))
        return false;
    return call->json ? show_json(call, runbook, err) : show_text(call, runbook, err);
}

static bool run_schema(struct invocation *call, struct error *err)
{
    CLEANUP(value_cleanup) struct value *schema = runbook_schema(err);
    return schema != NULL && output_value(call, schema, err);
}

const struct command command_runbook_list = {
    .noun = "runbook",
    .verb = "list",
    .summary = "list the runbooks that there are",
    .details = "Those that the program carries and those of runbook.directory, which hide the "
               "carried ones of the same name.",
    .groups = GROUP_RUNBOOK | GROUP_LOG,
    .examples = {"mainstay runbook list", "mainstay runbook list --runbook-directory runbooks"},
    .run = run_list,
};

const struct command command_runbook_show = {
    .noun = "runbook",
    .verb = "show",
    .summary = "show a runbook's parameters and steps, or a plan",
    .details = "RUNBOOK is a name, or a file when there is a \"/\" in it or .yaml at its end; what "
               "ends in .json is a plan, as `mainstay runbook plan -o` wrote it.",
    .groups = GROUP_RUNBOOK | GROUP_LOG,
    .flags = {{"source", NULL, NULL, "Print the file as it is, to begin one of your own."}},
    .operand = "RUNBOOK",
    .examples = {"mainstay runbook show carrier-outage",
                 "mainstay runbook show carrier-outage --source > runbooks/my-outage.yaml"},
    .run = run_show,
};

const struct command command_runbook_schema = {
    .noun = "runbook",
    .verb = "schema",
    .summary = "print the JSON Schema of the runbook language",
    .details = "For editors: put it beside your runbooks and begin each with "
               "\"# yaml-language-server: $schema=schema.json\".",
    .examples = {"mainstay runbook schema > runbooks/schema.json"},
    .run = run_schema,
};
