#include "runbook/runbook_lint.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/time_zone.h"
#include "document/template.h"
#include "lint_words.h"
#include "runbook/helpdesk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REVIEW_DAYS = 180, SUBJECT_MAX = 150, NAMES_MAX = 64 };

#define DAY_US (INT64_C(24) * 3600 * 1000000)

struct linting {
    const struct runbook *runbook;
    struct runbook_problems *problems;
    int64_t now_us;
};

static bool is_purpose(const struct runbook_template *template, const char *purpose)
{
    return strcmp(template->purpose, purpose) == 0;
}

/* ---- the runbook itself ---- */

static void lint_review(const struct linting *lint)
{
    int year;
    int month;
    int day;
    const char *date = lint->runbook->reviewed_on;
    if (sscanf(date, "%4d-%2d-%2d", &year, &month, &day) != 3)
        return;
    int64_t age = lint->now_us / DAY_US - date_to_days(year, month, day);
    if (age > REVIEW_DAYS)
        problem_hint(problems_add(lint->problems, true, 0, 0,
                                  "nobody has reviewed it since %s, that is %d days", date,
                                  (int)age),
                     "Read it through, then set metadata.reviewed_on.");
    if (age < -1)
        problems_add(lint->problems, true, 0, 0, "metadata.reviewed_on %s lies in the future",
                     date);
}

static void lint_file_name(const struct linting *lint)
{
    const char *slash = strrchr(lint->runbook->file, '/');
    const char *base = slash == NULL ? lint->runbook->file : slash + 1;
    size_t len = strlen(lint->runbook->name);
    if (strncmp(base, lint->runbook->name, len) != 0 || strcmp(base + len, ".yaml") != 0)
        problems_add(lint->problems, true, 0, 0, "the file of runbook \"%s\" should be %s.yaml",
                     lint->runbook->name, lint->runbook->name);
}

/* ---- what is never used ---- */

/* Whether the source has the word after the prefix somewhere: ":carrier", "params.carrier". */
static bool has_use(const char *source, const char *prefix, const char *name)
{
    size_t prefix_len = strlen(prefix);
    size_t len = strlen(name);
    for (const char *at = strstr(source, prefix); at != NULL; at = strstr(at + 1, prefix)) {
        char behind = at[prefix_len + (strncmp(at + prefix_len, name, len) == 0 ? len : 0)];
        bool goes_on = (behind >= 'a' && behind <= 'z') || (behind >= '0' && behind <= '9') ||
                       behind == '_';
        if (strncmp(at + prefix_len, name, len) == 0 && !goes_on)
            return true;
    }
    return false;
}

static bool selection_is_used(const struct runbook *runbook, const char *name)
{
    for (size_t i = 0; runbook_step_at(runbook, i) != NULL; i++) {
        const struct runbook_step *step = runbook_step_at(runbook, i);
        if (strcmp(step->from, name) == 0 || text_list_has(&step->selections, name))
            return true;
    }
    for (size_t i = 0; i < runbook->exit_count; i++)
        if (strcmp(runbook->exits[i].zero, name) == 0)
            return true;
    return false;
}

static bool template_is_used(const struct runbook *runbook, const char *name)
{
    for (size_t i = 0; runbook_step_at(runbook, i) != NULL; i++)
        if (strcmp(runbook_step_at(runbook, i)->template_name, name) == 0)
            return true;
    return false;
}

static void lint_unused(const struct linting *lint)
{
    const struct runbook *runbook = lint->runbook;
    for (size_t i = 0; i < runbook->param_count; i++) {
        const struct runbook_param *param = &runbook->params[i];
        if (!has_use(runbook->source, ":", param->name) &&
            !has_use(runbook->source, "params.", param->name))
            problems_add(lint->problems, true, param->line, 0, "parameter \"%s\" is never used",
                         param->name);
    }
    for (size_t i = 0; i < runbook->selection_count; i++)
        if (!selection_is_used(runbook, runbook->selections[i].name))
            problems_add(lint->problems, true, runbook->selections[i].line, 0,
                         "selection \"%s\" is never used", runbook->selections[i].name);
    for (size_t i = 0; i < runbook->template_count; i++)
        if (!template_is_used(runbook, runbook->templates[i].name))
            problems_add(lint->problems, true, runbook->templates[i].line, 0,
                         "template \"%s\" is never used", runbook->templates[i].name);
}

/* ---- the order of steps ---- */

static bool has_before(const struct runbook *runbook, size_t at, enum step_uses uses)
{
    for (size_t i = 0; i < at; i++)
        if (runbook_step_at(runbook, i)->uses == uses)
            return true;
    return false;
}

static void lint_tag_step(const struct linting *lint, const struct runbook_step *step, size_t at)
{
    if (!has_before(lint->runbook, at, USES_ASSESS))
        problem_hint(problems_add(lint->problems, true, step->line, 0,
                                  "step \"%s\" tags before anybody has seen the counts", step->id),
                     "Put an assess step before it.");
    if (!has_before(lint->runbook, at, USES_RESTORE_POINT))
        problem_hint(problems_add(lint->problems, true, step->line, 0,
                                  "step \"%s\" writes without a restore point before it", step->id),
                     "Put a restore-point step before it.");
}

static void lint_notice_step(const struct linting *lint, const struct runbook_step *step, size_t at)
{
    const struct runbook_template *template = runbook_template(lint->runbook, step->template_name);
    bool safety = is_purpose(template, "safety");
    if (!has_before(lint->runbook, at, USES_APPROVAL))
        problem_hint(problems_add(lint->problems, true, step->line, 0,
                                  "step \"%s\" writes to customers without an approval before it",
                                  step->id),
                     "Put an approval step before it: a second person reads what customers read.");
    if (text_list_has(&step->channels, "sms") && step->quiet_from[0] == '\0' && !safety)
        problem_hint(problems_add(lint->problems, true, step->line, 0,
                                  "step \"%s\" sends text messages at night", step->id),
                     "Give quiet_hours: {from: \"20:00\", to: \"09:00\"}.");
    if (step->quiet_from[0] != '\0' && safety)
        problems_add(lint->problems, true, step->line, 0,
                     "step \"%s\" is about safety and should not wait for quiet hours to end",
                     step->id);
}

static void lint_steps(const struct linting *lint)
{
    const struct runbook *runbook = lint->runbook;
    bool begun = false;
    bool resolved = false;
    for (size_t i = 0; runbook_step_at(runbook, i) != NULL; i++) {
        const struct runbook_step *step = runbook_step_at(runbook, i);
        if (step->uses == USES_TAG)
            lint_tag_step(lint, step, i);
        if (step->uses == USES_NOTICE)
            lint_notice_step(lint, step, i);
        begun = begun || step->uses == USES_STATUS;
        resolved = resolved || strcmp(step->state, "resolved") == 0;
    }
    if (begun && !resolved)
        problems_add(lint->problems, true, 0, 0,
                     "the status is opened and never resolved: no step has state: resolved");
    if (!begun && runbook->clock.update_every_us > 0)
        problems_add(lint->problems, true, 0, 0, "there is a clock, but no status step starts it");
    if (runbook->test_count == 0)
        problems_add(lint->problems, true, 0, 0, "it has no tests");
}

/* ---- texts ---- */

/* The names in a text, each once. */
struct name_set {
    char items[NAMES_MAX][TEMPLATE_NAME_SIZE];
    size_t count;
};

static bool set_has(const struct name_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i], name) == 0)
            return true;
    return false;
}

static bool add_to_set(void *context, const char *name, struct error *err)
{
    struct name_set *set = context;
    (void)err;
    if (!set_has(set, name) && set->count < NAMES_MAX)
        (void)snprintf(set->items[set->count++], TEMPLATE_NAME_SIZE, "%s", name);
    return true;
}

/* Loading has checked that the texts are templates. */
static bool names_of(const struct runbook_text *text, struct name_set *out, struct error *err)
{
    out->count = 0;
    return template_visit(text->subject, add_to_set, out, err) &&
           template_visit(text->text, add_to_set, out, err) &&
           template_visit(text->html, add_to_set, out, err);
}

static void lint_missing_names(const struct linting *lint, const struct runbook_template *template,
                               const struct runbook_text *text, const struct name_set *has,
                               const struct runbook_text *other, const struct name_set *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!set_has(has, wanted->items[i]))
            problems_add(lint->problems, false, text->line, 0,
                         "template \"%s\": %s does not have {{ %s }}, %s has it", template->name,
                         text->locale, wanted->items[i], other->locale);
}

/* Who reads another language must not get another message. */
static bool lint_same_names(const struct linting *lint, const struct runbook_template *template,
                            struct error *err)
{
    struct name_set first;
    struct name_set other;
    if (!names_of(&template->texts[0], &first, err))
        return false;
    for (size_t i = 1; i < template->text_count; i++) {
        const struct runbook_text *text = &template->texts[i];
        if (!names_of(text, &other, err))
            return false;
        lint_missing_names(lint, template, text, &other, &template->texts[0], &first);
        lint_missing_names(lint, template, &template->texts[0], &first, text, &other);
    }
    return true;
}

static bool has_locale(const struct runbook_template *template, const char *locale)
{
    for (size_t i = 0; i < template->text_count; i++)
        if (strcmp(template->texts[i].locale, locale) == 0)
            return true;
    return false;
}

/* The languages of one template are those of all. */
static void lint_locales(const struct linting *lint, const struct runbook_template *template)
{
    const struct runbook *runbook = lint->runbook;
    for (size_t i = 0; i < runbook->template_count; i++) {
        const struct runbook_template *other = &runbook->templates[i];
        for (size_t j = 0; j < other->text_count; j++) {
            const char *locale = other->texts[j].locale;
            if (has_locale(template, locale))
                continue;
            problems_add(lint->problems, true, template->line, 0,
                         "template \"%s\" has no text in %s, as \"%s\" has", template->name, locale,
                         other->name);
            return;
        }
    }
}

static void lint_promotion(const struct linting *lint, const struct runbook_template *template,
                           const struct runbook_text *text)
{
    const char *const parts[] = {text->subject, text->text, text->html};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *word = lint_promotional(parts[i]);
        if (word == NULL)
            continue;
        problem_hint(problems_add(lint->problems, false, text->line, 0,
                                  "template \"%s\" is a %s notice and has the promotional \"%s\"",
                                  template->name, template->purpose, word),
                     "With promotion in it, it is advertising, which not everybody may get.");
        return;
    }
}

/* Looks for words of a fact in the locales whose words are known. */
static void lint_fact_words(const struct linting *lint, const struct runbook_template *template,
                            const struct runbook_text *text, enum lint_fact fact, const char *what)
{
    if (lint_has_fact(text->locale, text->text, fact) != LINT_MISSING)
        return;
    problem_hint(problems_add(lint->problems, false, text->line, 0,
                              "template \"%s\": the text in %s does not say %s", template->name,
                              text->locale, what),
                 "The facts say that it does; customers have a right to it.");
}

static bool lint_new_date(const struct linting *lint, const struct runbook_template *template,
                          const struct runbook_text *text, struct error *err)
{
    struct name_set wanted = {.count = 0};
    struct name_set has;
    const char *new_date = template->facts.new_date;
    if (strcmp(new_date, "unknown") == 0) {
        lint_fact_words(lint, template, text, LINT_UNKNOWN_DATE, "that the new date is not known");
        return true;
    }
    if (!template_visit(new_date, add_to_set, &wanted, err) || !names_of(text, &has, err))
        return false;
    for (size_t i = 0; i < wanted.count; i++)
        if (!set_has(&has, wanted.items[i]))
            problems_add(lint->problems, false, text->line, 0,
                         "template \"%s\": the text in %s does not have the new date {{ %s }}",
                         template->name, text->locale, wanted.items[i]);
    return true;
}

static bool lint_delay(const struct linting *lint, const struct runbook_template *template,
                       const struct runbook_text *text, struct error *err)
{
    if (template->facts.refund)
        lint_fact_words(lint, template, text, LINT_REFUND,
                        "that the order can be cancelled for a refund");
    if (template->facts.reply)
        lint_fact_words(lint, template, text, LINT_REPLY, "how to answer");
    return template->facts.new_date[0] == '\0' || lint_new_date(lint, template, text, err);
}

static bool lint_text(const struct linting *lint, const struct runbook_template *template,
                      const struct runbook_text *text, struct error *err)
{
    if (strlen(text->subject) > SUBJECT_MAX)
        problems_add(lint->problems, true, text->line, 0,
                     "template \"%s\": the subject in %s has more than %d bytes", template->name,
                     text->locale, SUBJECT_MAX);
    if (is_purpose(template, "status"))
        return true;
    lint_promotion(lint, template, text);
    if (is_purpose(template, "safety") &&
        lint_has_fact(text->locale, text->subject, LINT_SAFETY) == LINT_MISSING)
        problems_add(lint->problems, true, text->line, 0,
                     "template \"%s\": the subject in %s does not say that it is about safety",
                     template->name, text->locale);
    if (is_purpose(template, "security") &&
        (strstr(text->text, "://") != NULL || strstr(text->html, "://") != NULL))
        problem_hint(problems_add(lint->problems, true, text->line, 0,
                                  "template \"%s\": a security notice in %s has a link",
                                  template->name, text->locale),
                     "Whoever imitates it will have one too. Say where to look instead.");
    return !is_purpose(template, "delay") || lint_delay(lint, template, text, err);
}

/* A recall is not taken back by a button, and what marks a breach is evidence. */
static void lint_undo(const struct linting *lint, const struct runbook_template *template)
{
    const struct runbook_undo *undo = &lint->runbook->undo;
    if (!template_is_used(lint->runbook, template->name))
        return;
    if (is_purpose(template, "safety") && undo->notices != UNDO_REFUSED)
        problem_hint(
            problems_add(lint->problems, false, template->line, 0,
                         "template \"%s\" is a safety notice, which undo must not call back",
                         template->name),
            "Set undo.notices: refused, with the reason.");
    if (is_purpose(template, "security") && undo->tags != UNDO_REFUSED)
        problem_hint(problems_add(lint->problems, false, template->line, 0,
                                  "template \"%s\" is a security notice: undo must not take away "
                                  "the tags, which are evidence",
                                  template->name),
                     "Set undo.tags: refused, with the reason.");
}

static bool lint_template(const struct linting *lint, const struct runbook_template *template,
                          struct error *err)
{
    for (size_t i = 0; i < template->text_count; i++)
        if (!lint_text(lint, template, &template->texts[i], err))
            return false;
    lint_undo(lint, template);
    lint_locales(lint, template);
    return lint_same_names(lint, template, err);
}

bool runbook_lint(const struct runbook *runbook, int64_t now_us, struct runbook_problems *problems,
                  struct error *err)
{
    const struct linting lint = {.runbook = runbook, .problems = problems, .now_us = now_us};
    lint_review(&lint);
    lint_file_name(&lint);
    lint_unused(&lint);
    lint_steps(&lint);
    for (size_t i = 0; i < runbook->template_count; i++)
        if (!lint_template(&lint, &runbook->templates[i], err))
            return false;
    problems_sort(problems);
    return true;
}
