/* The page for people: verdict first, then why, then everything else. */
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/text.h"
#include "document/chart.h"
#include "document/html_page.h"
#include "drill_report_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { DESCRIPTION_MAX_BYTES = 4096, NOTE_SIZE = 128, DAY_CHARS = sizeof "2026-03-01" - 1 };

static enum html_page_mood mood_of(enum drill_check_outcome outcome)
{
    static const enum html_page_mood moods[] = {[DRILL_CHECK_PASSED] = HTML_PAGE_GOOD,
                                                [DRILL_CHECK_FAILED] = HTML_PAGE_BAD,
                                                [DRILL_CHECK_SKIPPED] = HTML_PAGE_NEUTRAL};
    return moods[outcome];
}

static void put_verdict(const struct drill_proof *proof, struct buf *out)
{
    char time[TEXT_SIZE];
    char note[NOTE_SIZE];
    (void)snprintf(note, sizeof note, "%s. %zu %s passed, %zu failed, %zu skipped.",
                   text_time_us(proof->started_us, time),
                   drill_report_count(proof, DRILL_CHECK_PASSED),
                   text_plural(drill_report_count(proof, DRILL_CHECK_PASSED), "check", "checks"),
                   drill_report_count(proof, DRILL_CHECK_FAILED),
                   drill_report_count(proof, DRILL_CHECK_SKIPPED));
    html_page_begin(proof->passed ? "Restore drill: passed" : "Restore drill: FAILED", out);
    html_page_verdict(proof->passed ? HTML_PAGE_GOOD : HTML_PAGE_BAD,
                      proof->passed ? "The restore drill passed" : "The restore drill FAILED",
                      proof->broken, note, out);
}

static void put_measure(const char *name, const char *meaning, int64_t us, int64_t goal_us,
                        struct buf *out)
{
    char figure[TEXT_SIZE];
    char goal[TEXT_SIZE];
    char note[NOTE_SIZE];
    bool missed = goal_us > 0 && us > goal_us;
    const char *verdict = us < 0 ? "to be compared with" : missed ? "misses" : "within";
    (void)snprintf(note, sizeof note, "%s the goal of %s", verdict,
                   text_duration_us(goal_us, goal));
    html_page_measure(name, meaning, missed ? HTML_PAGE_BAD : HTML_PAGE_NEUTRAL,
                      drill_report_duration(us, figure), goal_us > 0 ? note : "no goal is set",
                      out);
}

static void put_measures(const struct drill_proof *proof, struct buf *out)
{
    char text[TEXT_SIZE];
    char fetched[TEXT_SIZE];
    char note[NOTE_SIZE];
    (void)snprintf(note, sizeof note, "%s fetched", text_bytes(proof->bytes_fetched, fetched));
    html_page_measures_begin(out);
    put_measure("RTO", "recovery time: from nothing to a server that answers", proof->rto_us,
                proof->rto_goal_us, out);
    put_measure("RPO", "recovery point: what would have been lost", proof->rpo_us,
                proof->rpo_goal_us, out);
    html_page_measure("Data directory", NULL, HTML_PAGE_NEUTRAL,
                      text_bytes(proof->bytes_total, text), note, out);
    html_page_measure("WAL replayed", NULL, HTML_PAGE_NEUTRAL, text_bytes(proof->wal_bytes, text),
                      NULL, out);
    html_page_measures_end(out);
}

static void put_phases(const struct drill_proof *proof, struct buf *out)
{
    char notes[DRILL_PHASE_COUNT][TEXT_SIZE];
    struct chart_bar bars[DRILL_PHASE_COUNT];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, DESCRIPTION_MAX_BYTES);
    for (int i = 0; i < DRILL_PHASE_COUNT; i++) {
        const struct drill_phase_time *phase = &proof->phases[i];
        const char *name = drill_phase_name((enum drill_phase)i);
        if (phase->duration_us < 0)
            (void)snprintf(notes[i], TEXT_SIZE, "not reached");
        else
            (void)text_duration_us(phase->duration_us, notes[i]);
        bars[i] = (struct chart_bar){.label = name,
                                     .note = notes[i],
                                     .start = (double)phase->offset_us,
                                     .length = (double)phase->duration_us};
        buf_printf(&text, "%s%s: %s", i == 0 ? "" : ", ", name, notes[i]);
    }
    const char *description = buf_text(&text);
    const struct chart_bars chart = {.id = "phases",
                                     .title = "Where the time went",
                                     .description = description == NULL ? "" : description,
                                     .bars = bars,
                                     .count = DRILL_PHASE_COUNT};
    html_page_section(chart.title, out);
    chart_put_bars(&chart, out);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void put_check(const struct drill_check *check, struct buf *out)
{
    char took[TEXT_SIZE];
    html_page_row_begin(out);
    html_page_row_name(check->name, out);
    html_page_cell(mood_of(check->outcome), drill_report_outcome(check->outcome), out);
    html_page_cell_detail(check->promise, check->detail, out);
    html_page_cell(HTML_PAGE_NEUTRAL, check->expected, out);
    html_page_cell(HTML_PAGE_NEUTRAL, check->found, out);
    html_page_cell(HTML_PAGE_NEUTRAL,
                   check->duration_us < 0 ? "" : text_duration_us(check->duration_us, took), out);
    html_page_row_end(out);
}

/* What failed stands on top. */
static void put_checks(const struct drill_proof *proof, struct buf *out)
{
    static const char *const titles[] = {"check",    "outcome", "promise",
                                         "expected", "found",   "took"};
    html_page_section("Checks", out);
    if (proof->check_count == 0) {
        html_page_paragraph("It ended before the first check.", out);
        return;
    }
    html_page_table_begin(titles, ARRAY_LEN(titles), out);
    for (size_t i = 0; i < proof->check_count; i++)
        if (proof->checks[i].outcome == DRILL_CHECK_FAILED)
            put_check(&proof->checks[i], out);
    for (size_t i = 0; i < proof->check_count; i++)
        if (proof->checks[i].outcome != DRILL_CHECK_FAILED)
            put_check(&proof->checks[i], out);
    html_page_table_end(out);
}

/* --- history ---------------------------------------------------------------------------------- */

/* The earlier drills and this one, as columns of numbers. */
struct columns {
    size_t count;
    bool *failed;
    double *values;
    char first[TEXT_SIZE];
    char last[TEXT_SIZE];
};

static void columns_release(struct columns *columns)
{
    free(columns->failed);
    free(columns->values);
}

static const struct drill_proof *proof_at(const struct drill_proof *proof,
                                          const struct drill_history *history, size_t at)
{
    return history != NULL && at < history->count ? &history->proofs[at] : proof;
}

static double rto_of(const struct drill_proof *proof)
{
    return (double)proof->rto_us;
}

static double rpo_of(const struct drill_proof *proof)
{
    return (double)proof->rpo_us;
}

static double size_of(const struct drill_proof *proof)
{
    return (double)proof->bytes_total;
}

static const char *format_duration(double number, char out[TEXT_SIZE])
{
    return text_duration_us((int64_t)number, out);
}

static const char *format_bytes(double number, char out[TEXT_SIZE])
{
    return text_bytes((uint64_t)number, out);
}

/* "2026-03-01" */
static void put_day(const struct drill_proof *proof, char out[TEXT_SIZE])
{
    (void)text_time_us(proof->started_us, out);
    out[DAY_CHARS] = '\0';
}

static bool columns_init(struct columns *columns, const struct drill_proof *proof,
                         const struct drill_history *history, struct error *err)
{
    columns->count = 1 + (history == NULL ? 0 : history->count);
    columns->failed = calloc(columns->count, sizeof *columns->failed);
    columns->values = calloc(columns->count, sizeof *columns->values);
    if (columns->failed == NULL || columns->values == NULL)
        return error_no_memory(err, "the history of drills");
    for (size_t i = 0; i < columns->count; i++)
        columns->failed[i] = !proof_at(proof, history, i)->passed;
    put_day(proof_at(proof, history, 0), columns->first);
    put_day(proof, columns->last);
    return true;
}

struct trend {
    const char *id;
    const char *title;
    double (*value)(const struct drill_proof *proof);
    chart_format_fn format;
};

static void put_trend(const struct trend *trend, struct columns *columns,
                      const struct drill_proof *proof, const struct drill_history *history,
                      double goal, struct buf *out)
{
    char now[TEXT_SIZE];
    char text[3 * TEXT_SIZE];
    for (size_t i = 0; i < columns->count; i++)
        columns->values[i] = trend->value(proof_at(proof, history, i));
    double last = columns->values[columns->count - 1];
    (void)snprintf(text, sizeof text, "%zu %s; the last one: %s", columns->count,
                   text_plural(columns->count, "drill", "drills"),
                   last < 0 ? "not known" : trend->format(last, now));
    const struct chart_line chart = {.id = trend->id,
                                     .title = trend->title,
                                     .description = text,
                                     .values = columns->values,
                                     .bad = columns->failed,
                                     .count = columns->count,
                                     .goal = goal,
                                     .first_label = columns->first,
                                     .last_label = columns->last,
                                     .format = trend->format};
    html_page_subtitle(trend->title, out);
    chart_put_line(&chart, out);
}

static bool put_history(const struct drill_proof *proof, const struct drill_history *history,
                        struct buf *out, struct error *err)
{
    static const struct trend rto = {"rto", "RTO", rto_of, format_duration};
    static const struct trend rpo = {"rpo", "RPO", rpo_of, format_duration};
    static const struct trend size = {"size", "Size of the data directory", size_of, format_bytes};
    CLEANUP(columns_release) struct columns columns = {0};
    if (!columns_init(&columns, proof, history, err))
        return false;
    html_page_section("Over the last drills", out);
    html_page_paragraph(columns.count == 1
                            ? "This is the first one on record."
                            : "Large red points: drills that failed. Dashed: the goal.",
                        out);
    put_trend(&rto, &columns, proof, history, (double)proof->rto_goal_us, out);
    put_trend(&rpo, &columns, proof, history, (double)proof->rpo_goal_us, out);
    put_trend(&size, &columns, proof, history, 0, out);
    return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

static void put_fact(void *context, const char *name, const char *value)
{
    struct buf *out = context;
    html_page_row_begin(out);
    html_page_row_name(name, out);
    html_page_cell(HTML_PAGE_NEUTRAL, value, out);
    html_page_row_end(out);
}

bool drill_report_html(const struct drill_proof *proof, const struct drill_history *history,
                       struct buf *out, struct error *err)
{
    put_verdict(proof, out);
    put_measures(proof, out);
    if (proof->passed)
        put_phases(proof, out);
    put_checks(proof, out);
    if (!proof->passed)
        put_phases(proof, out);
    if (!put_history(proof, history, out, err))
        return false;
    html_page_section("Details", out);
    html_page_table_begin(NULL, 0, out);
    drill_report_each_fact(proof, put_fact, out);
    html_page_table_end(out);
    html_page_end("Mainstay, restore drill", out);
    return buf_check(out, "the HTML report", err);
}
