#include "cli/run_report_view.h"

#include "cli/value_view.h"

#include "base/cleanup.h"
#include "base/macros.h"
#include "base/text.h"
#include "document/chart.h"
#include "document/html_page.h"
#include "document/markup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX_BYTES = 65536, NOTE_SIZE = 200, STEPS_SHOWN = 40, NOTICE_STATES = 12 };

struct report_column {
    const char *title;
    const char *key;
};

static const struct report_part {
    const char *title;
    const char *name;
    struct report_column columns[8];
} report_parts[] = {
    {"Steps",
     "steps",
     {{"Step", "id"},
      {"Uses", "uses"},
      {"State", "state"},
      {"Started", "started"},
      {"Finished", "finished"},
      {"Result", "result"}}},
    {"Changes",
     "changes",
     {{"Step", "step"},
      {"Change", "kind"},
      {"Tag", "tag"},
      {"Tickets", "count"},
      {"Undone", "undone"}}},
    {"Left out",
     "exceptions",
     {{"Step", "step"},
      {"What", "what"},
      {"Of", "of"},
      {"Count", "count"},
      {"First", "first"},
      {"Why", "detail"}}},
    {"Approvals",
     "approvals",
     {{"Step", "step"},
      {"By", "by"},
      {"Verdict", "verdict"},
      {"At", "at"},
      {"Comment", "comment"},
      {"Plan", "plan_digest"}}},
    {"Signals", "signals", {{"Name", "name"}, {"Value", "value"}, {"By", "by"}, {"At", "at"}}},
    {"Notices",
     "notices",
     {{"Step", "step"},
      {"Channel", "channel"},
      {"State", "state"},
      {"Why", "reason"},
      {"Count", "count"}}},
    {"Batches",
     "batches",
     {{"Step", "step"},
      {"Batches", "batches"},
      {"Targets", "targets"},
      {"Total ms", "ms_total"},
      {"Median ms", "ms_median"},
      {"Slowest ms", "ms_slowest"}}},
    {"Exit criteria", "exits", {{"Criterion", "text"}, {"Verdict", "verdict"}, {"Left", "left"}}},
    {"Undone by", "undone_by", {{"Run", "id"}, {"State", "state"}, {"By", "by"}, {"At", "at"}}},
    {"Timeline",
     "timeline",
     {{"#", "seq"},
      {"At", "at"},
      {"By", "by"},
      {"Host", "host"},
      {"What", "kind"},
      {"Detail", "detail"}}},
};

/* The value of a key as one text: numbers and flags too, objects as JSON. */
static const char *member_text(const struct value *item, const char *key, struct buf *scratch)
{
    struct error none;
    uint64_t number = 0;
    bool flag = false;
    const struct value *inner = view_object(item, key);
    buf_clear(scratch);
    if (value_get_u64(item, key, &number, &none)) {
        buf_printf(scratch, "%" PRIu64, number);
    } else if (value_get_bool(item, key, &flag, &none)) {
        buf_printf(scratch, "%s", flag ? "yes" : "no");
    } else if (inner != NULL || view_list(item, key) != NULL) {
        if (!value_print(inner != NULL ? inner : view_list(item, key), false, scratch, &none))
            return "";
    } else {
        return view_text(item, key);
    }
    const char *text = buf_text(scratch);
    return text == NULL ? "(too long to be shown here)" : text;
}

/* --- what happened to the helpdesk, in lines ----------------------------------------------------
 */

typedef void (*line_fn)(void *context, const char *name, const char *figure, const char *note);

static void give_rate(const struct value *impact, line_fn give, void *context)
{
    char figure[NOTE_SIZE];
    char note[NOTE_SIZE];
    double hours = (double)view_number(impact, "span_s") / 3600;
    double before = (double)view_number(impact, "opened_before") / 24;
    double since = hours > 0 ? (double)view_number(impact, "opened_since") / hours : 0;
    (void)snprintf(figure, sizeof figure, "%.1f tickets an hour", since);
    (void)snprintf(note, sizeof note, "%.1f in the 24 hours before", before);
    give(context, "Contact rate", figure, note);
}

static void give_response(const struct value *impact, line_fn give, void *context)
{
    char figure[TEXT_SIZE];
    char before[TEXT_SIZE];
    char note[NOTE_SIZE];
    const int64_t second_us = 1000000;
    bool known = value_has(impact, "response_since_s");
    (void)text_duration_us((int64_t)view_number(impact, "response_since_s") * second_us, figure);
    (void)text_duration_us((int64_t)view_number(impact, "response_before_s") * second_us, before);
    (void)snprintf(note, sizeof note, "median of %" PRIu64 " of %" PRIu64 "; before: %s",
                   view_number(impact, "answered_since"), view_number(impact, "opened_since"),
                   value_has(impact, "response_before_s") ? before : "none was answered");
    give(context, "First response", known ? figure : "none yet", note);
}

static void give_backlog(const struct value *impact, line_fn give, void *context)
{
    char figure[NOTE_SIZE];
    char note[NOTE_SIZE];
    (void)snprintf(figure, sizeof figure, "%" PRIu64 " open", view_number(impact, "open_now"));
    (void)snprintf(note, sizeof note, "now; of this run's %" PRIu64 " %s: %" PRIu64,
                   view_number(impact, "of_run"),
                   text_plural(view_number(impact, "of_run"), "ticket", "tickets"),
                   view_number(impact, "of_run_open"));
    give(context, "Backlog", figure, note);
}

static void give_lead(const struct value *impact, line_fn give, void *context)
{
    char figure[TEXT_SIZE];
    const int64_t second_us = 1000000;
    if (value_has(impact, "lead_s"))
        give(context, "Lead over dashboards",
             text_duration_us((int64_t)view_number(impact, "lead_s") * second_us, figure),
             "from the run's beginning to the signal \"dashboard\"");
    else
        give(context, "Lead over dashboards", "not recorded",
             "the signal \"dashboard\" records when they showed it");
}

static void each_impact(const struct value *report, line_fn give, void *context)
{
    const struct value *impact = view_object(report, "impact");
    if (value_has(impact, "problem")) {
        give(context, "What happened to the helpdesk", "not known", view_text(impact, "problem"));
        return;
    }
    give_rate(impact, give, context);
    give_response(impact, give, context);
    give_backlog(impact, give, context);
    give_lead(impact, give, context);
}

/* --- Markdown --------------------------------------------------------------------------------- */

static void put_impact_line(void *context, const char *name, const char *figure, const char *note)
{
    struct buf *out = context;
    buf_printf(out, "| %s | ", name);
    markup_put_markdown(figure, out);
    buf_printf(out, " | ");
    markup_put_markdown(note, out);
    buf_printf(out, " |\n");
}

static void put_part(const struct value *report, const struct report_part *part, struct buf *out)
{
    const struct value *list = view_list(report, part->name);
    CLEANUP(buf_release) struct buf scratch;
    buf_init(&scratch, CELL_MAX_BYTES);
    if (value_count(list) == 0)
        return;
    buf_printf(out, "\n## %s\n\n|", part->title);
    for (size_t i = 0; part->columns[i].title != NULL; i++)
        buf_printf(out, " %s |", part->columns[i].title);
    buf_printf(out, "\n|");
    for (size_t i = 0; part->columns[i].title != NULL; i++)
        buf_printf(out, "---|");
    for (size_t row = 0; row < value_count(list); row++) {
        buf_printf(out, "\n|");
        for (size_t i = 0; part->columns[i].title != NULL; i++) {
            buf_printf(out, " ");
            markup_put_markdown(member_text(view_item(list, row), part->columns[i].key, &scratch),
                                out);
            buf_printf(out, " |");
        }
    }
    buf_printf(out, "\n");
}

void run_report_put_markdown(const struct value *report, const struct audit_result *audit,
                             struct buf *out)
{
    const struct value *run = view_object(report, "run");
    buf_printf(out, "# Run %s\n\n", view_text(run, "id"));
    buf_printf(out, "%s %s, state **%s**", view_text(run, "runbook"), view_text(run, "version"),
               view_text(run, "state"));
    if (view_text(run, "reason")[0] != '\0') {
        buf_printf(out, ": ");
        markup_put_markdown(view_text(run, "reason"), out);
    }
    buf_printf(out, ". Asked for by ");
    markup_put_markdown(view_text(run, "requester"), out);
    buf_printf(out, " at %s; finished: %s.\n\nPlan `%s`, runbook `%s`.\n",
               view_text(run, "created"),
               view_text(run, "finished")[0] == '\0' ? "no" : view_text(run, "finished"),
               view_text(run, "plan_digest"), view_text(run, "runbook_digest"));
    buf_printf(out, "\n## Impact\n\n| | | |\n|---|---|---|\n");
    each_impact(report, put_impact_line, out);
    for (size_t i = 0; i < ARRAY_LEN(report_parts); i++)
        put_part(report, &report_parts[i], out);
    buf_printf(out, "\n## Audit\n\n%" PRIu64 " %s, chain %s. Head `%s`.\n", audit->events,
               text_plural(audit->events, "event", "events"), audit->intact ? "intact" : "BROKEN",
               audit->head);
    if (!audit->intact)
        buf_printf(out, "\nProblem: %s.\n", audit->problem);
}

/* --- HTML ------------------------------------------------------------------------------------- */

static enum html_page_mood mood_of(const char *state)
{
    if (strcmp(state, "done") == 0)
        return HTML_PAGE_GOOD;
    return strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0 ? HTML_PAGE_BAD
                                                                           : HTML_PAGE_NEUTRAL;
}

static void put_head(const struct value *report, const struct audit_result *audit, struct buf *out)
{
    const struct value *run = view_object(report, "run");
    const char *finished = view_text(run, "finished");
    CLEANUP(buf_release) struct buf note;
    CLEANUP(buf_release) struct buf headline;
    buf_init(&note, CELL_MAX_BYTES);
    buf_init(&headline, CELL_MAX_BYTES);
    buf_printf(&headline, "%s: %s", view_text(run, "runbook"), view_text(run, "state"));
    buf_printf(&note,
               "Run %s, asked for by %s at %s; finished: %s. Audit: %" PRIu64 " %s, chain %s.",
               view_text(run, "id"), view_text(run, "requester"), view_text(run, "created"),
               *finished == '\0' ? "no" : finished, audit->events,
               text_plural(audit->events, "event", "events"), audit->intact ? "intact" : "BROKEN");
    html_page_begin(view_text(run, "id"), out);
    html_page_verdict(
        audit->intact ? mood_of(view_text(run, "state")) : HTML_PAGE_BAD, buf_text(&headline),
        audit->intact ? view_text(run, "reason") : audit->problem, buf_text(&note), out);
}

static void put_measure(void *context, const char *name, const char *figure, const char *note)
{
    html_page_measure(name, NULL, HTML_PAGE_NEUTRAL, figure, note, context);
}

static const char *format_count(double number, char out[TEXT_SIZE])
{
    (void)snprintf(out, TEXT_SIZE, number < 10 && number > 0 ? "%.1f" : "%.0f", number);
    return out;
}

/* Tickets that were opened, hour by hour; the run begins at the mark. */
static void put_hours(const struct value *report, struct buf *out)
{
    char last[NOTE_SIZE];
    const struct value *hours = view_list(view_object(report, "impact"), "hours");
    size_t count = value_count(hours);
    CLEANUP(free_pointer) double *opened = calloc(count + 1, sizeof *opened);
    size_t mark = count;
    if (count == 0 || opened == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        int64_t hour = 0;
        struct error none;
        opened[i] = (double)view_number(view_item(hours, i), "opened");
        if (value_get_i64(view_item(hours, i), "hour", &hour, &none) && hour == 0)
            mark = i;
    }
    (void)snprintf(last, sizeof last, "%zu h after it began", count - mark);
    const struct chart_line chart = {.id = "hours",
                                     .title = "Tickets opened in each hour",
                                     .description = "from a day before the run to a day after it",
                                     .values = opened,
                                     .count = count,
                                     .first_label = "24 hours before",
                                     .last_label = last,
                                     .format = format_count,
                                     .mark = mark,
                                     .mark_label = "the run begins"};
    html_page_section(chart.title, out);
    chart_put_line(&chart, out);
}

/* When each step was under way. */
static void put_steps(const struct value *report, struct buf *out)
{
    int64_t began_us;
    struct chart_bar bars[STEPS_SHOWN];
    char notes[STEPS_SHOWN][TEXT_SIZE];
    size_t count = 0;
    const struct value *steps = view_list(report, "steps");
    if (!text_to_time_us(view_text(view_object(report, "run"), "created"), &began_us))
        return;
    for (size_t i = 0; i < value_count(steps) && count < STEPS_SHOWN; i++) {
        const struct value *step = view_item(steps, i);
        int64_t from_us = 0;
        int64_t to_us = 0;
        bool known = text_to_time_us(view_text(step, "started"), &from_us) &&
                     text_to_time_us(view_text(step, "finished"), &to_us);
        if (known)
            (void)text_duration_us(to_us - from_us, notes[count]);
        else
            (void)snprintf(notes[count], TEXT_SIZE, "%.30s", view_text(step, "state"));
        bars[count] = (struct chart_bar){.label = view_text(step, "id"),
                                         .note = notes[count],
                                         .start = (double)(from_us - began_us),
                                         .length = known ? (double)(to_us - from_us) : -1};
        count++;
    }
    const struct chart_bars chart = {.id = "steps",
                                     .title = "When each step was under way",
                                     .description = "the table of steps has the times",
                                     .bars = bars,
                                     .count = count};
    html_page_section(chart.title, out);
    chart_put_bars(&chart, out);
}

static void put_notices(const struct value *report, struct buf *out)
{
    struct chart_bar bars[NOTICE_STATES];
    char notes[NOTICE_STATES][TEXT_SIZE];
    size_t count = 0;
    const struct value *list = view_list(report, "notices");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = view_item(list, i);
        const char *state = view_text(item, "state");
        size_t at = 0;
        while (at < count && strcmp(bars[at].label, state) != 0)
            at++;
        if (at == NOTICE_STATES)
            continue;
        if (at == count)
            bars[count++] = (struct chart_bar){.label = state, .note = notes[at]};
        bars[at].length += (double)view_number(item, "count");
        (void)snprintf(notes[at], TEXT_SIZE, "%.0f", bars[at].length);
    }
    if (count == 0)
        return;
    const struct chart_bars chart = {.id = "notices",
                                     .title = "Notices to customers by state",
                                     .description = "the table of notices has channels and reasons",
                                     .bars = bars,
                                     .count = count};
    html_page_section(chart.title, out);
    chart_put_bars(&chart, out);
}

static void put_table(const struct value *report, const struct report_part *part, struct buf *out)
{
    const char *titles[ARRAY_LEN(part->columns)];
    size_t columns = 0;
    const struct value *list = view_list(report, part->name);
    CLEANUP(buf_release) struct buf scratch;
    buf_init(&scratch, CELL_MAX_BYTES);
    if (value_count(list) == 0)
        return;
    for (; columns < ARRAY_LEN(titles) && part->columns[columns].title != NULL; columns++)
        titles[columns] = part->columns[columns].title;
    html_page_section(part->title, out);
    html_page_table_begin(titles, columns, out);
    for (size_t row = 0; row < value_count(list); row++) {
        html_page_row_begin(out);
        for (size_t i = 0; i < columns; i++)
            html_page_cell(HTML_PAGE_NEUTRAL,
                           member_text(view_item(list, row), part->columns[i].key, &scratch), out);
        html_page_row_end(out);
    }
    html_page_table_end(out);
}

void run_report_put_html(const struct value *report, const struct audit_result *audit,
                         struct buf *out)
{
    put_head(report, audit, out);
    html_page_measures_begin(out);
    each_impact(report, put_measure, out);
    html_page_measures_end(out);
    put_hours(report, out);
    put_steps(report, out);
    put_notices(report, out);
    for (size_t i = 0; i < ARRAY_LEN(report_parts); i++)
        put_table(report, &report_parts[i], out);
    html_page_end(audit->head, out);
}
