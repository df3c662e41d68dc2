/* The page for people: verdict first, then why, then everything else. */
#include "base/cleanup.h"
#include "document/chart.h"
#include "document/markup.h"
#include "drill_report_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { DESCRIPTION_MAX_BYTES = 4096, DAY_CHARS = sizeof "2026-03-01" - 1 };

static const char page_css[] =
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--muted:#59636e;--line:#d1d9e0;"
    "--accent:#2f6fbf;--good:#1a7f37;--bad:#c4261d;--soft:#f6f8fa}"
    "@media (prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--muted:#9198a1;"
    "--line:#3d444d;--accent:#6cb0ff;--good:#4ac26b;--bad:#ff7b72;--soft:#151b23}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--text);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",sans-serif}"
    "main{max-width:60rem;margin:0 auto;padding:1rem}"
    "h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1rem 0 0}"
    ".verdict{border-left:.5rem solid var(--good);background:var(--soft);padding:1rem 1.25rem}"
    ".verdict.failed{border-color:var(--bad)}"
    ".verdict h1{margin:0;font-size:1.6rem}.verdict p{margin:.35rem 0 0;overflow-wrap:anywhere}"
    ".verdict .broken{font-size:1.1rem;font-weight:600}"
    ".measures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;"
    "margin:1rem 0;padding:0}"
    ".measures div{border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem}"
    ".measures dt{color:var(--muted);font-size:.9rem}"
    ".measures dd{margin:0;font-size:1.3rem;font-weight:600}"
    ".measures dd small{display:block;font-size:.85rem;font-weight:400;color:var(--muted)}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.93rem}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid var(--line);overflow-wrap:anywhere}"
    "th{font-weight:600}thead th{color:var(--muted)}"
    ".checks{min-width:46rem}.checks th,.checks td:nth-child(2),.checks td:last-child"
    "{white-space:nowrap}"
    ".passed{color:var(--good)}.failed{color:var(--bad)}.skipped{color:var(--muted)}"
    "td.passed,td.failed{font-weight:600}"
    "pre{margin:.3rem 0 0;white-space:pre-wrap;font-size:.82rem;color:var(--muted);"
    "max-height:18rem;overflow:auto}"
    "footer{margin:2rem 0 1rem;color:var(--muted);font-size:.85rem}"
    "@media print{body{font-size:11pt}pre{max-height:none}.verdict{background:none}}";

static void put_escaped(const char *before, const char *text, const char *after, struct buf *out)
{
    buf_printf(out, "%s", before);
    markup_put(text, out);
    buf_printf(out, "%s", after);
}

static void put_head(const struct drill_proof *proof, struct buf *out)
{
    char time[TEXT_SIZE];
    buf_printf(out,
               "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
               "<meta http-equiv=\"Content-Security-Policy\" "
               "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
               "<title>Restore drill %s, %s</title>\n<style>%s\n%s</style>\n</head>\n<body>\n"
               "<main>\n",
               proof->passed ? "passed" : "FAILED", text_time_us(proof->started_us, time), page_css,
               chart_css);
}

static void put_verdict(const struct drill_proof *proof, struct buf *out)
{
    char time[TEXT_SIZE];
    buf_printf(out, "<header class=\"verdict %s\">\n<h1>%s</h1>\n",
               proof->passed ? "passed" : "failed",
               proof->passed ? "The restore drill passed" : "The restore drill FAILED");
    if (!proof->passed)
        put_escaped("<p class=\"broken\">", proof->broken, "</p>\n", out);
    buf_printf(out, "<p>%s. %zu checks passed, %zu failed, %zu skipped.</p>\n</header>\n",
               text_time_us(proof->started_us, time), drill_report_count(proof, DRILL_CHECK_PASSED),
               drill_report_count(proof, DRILL_CHECK_FAILED),
               drill_report_count(proof, DRILL_CHECK_SKIPPED));
}

static void put_measure(const char *name, const char *meaning, int64_t us, int64_t goal_us,
                        struct buf *out)
{
    char text[TEXT_SIZE];
    bool missed = goal_us > 0 && us > goal_us;
    buf_printf(out, "<div><dt><abbr title=\"%s\">%s</abbr></dt><dd%s>%s", meaning, name,
               missed ? " class=\"failed\"" : "", drill_report_duration(us, text));
    if (goal_us > 0)
        buf_printf(out, "<small>%s the goal of %s</small>",
                   us < 0   ? "to be compared with"
                   : missed ? "misses"
                            : "within",
                   text_duration_us(goal_us, text));
    else
        buf_printf(out, "<small>no goal is set</small>");
    buf_printf(out, "</dd></div>\n");
}

static void put_measures(const struct drill_proof *proof, struct buf *out)
{
    char text[TEXT_SIZE];
    buf_printf(out, "<dl class=\"measures\">\n");
    put_measure("RTO", "recovery time: from nothing to a server that answers", proof->rto_us,
                proof->rto_goal_us, out);
    put_measure("RPO", "recovery point: what would have been lost", proof->rpo_us,
                proof->rpo_goal_us, out);
    buf_printf(out, "<div><dt>Data directory</dt><dd>%s", text_bytes(proof->bytes_total, text));
    buf_printf(out, "<small>%s fetched</small></dd></div>\n",
               text_bytes(proof->bytes_fetched, text));
    buf_printf(out, "<div><dt>WAL replayed</dt><dd>%s</dd></div>\n</dl>\n",
               text_bytes(proof->wal_bytes, text));
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
    buf_printf(out, "<section>\n<h2>Where the time went</h2>\n");
    chart_put_bars(&chart, out);
    buf_printf(out, "</section>\n");
}

/* --- checks ----------------------------------------------------------------------------------- */

static void put_check(const struct drill_check *check, struct buf *out)
{
    char took[TEXT_SIZE];
    const char *outcome = drill_report_outcome(check->outcome);
    put_escaped("<tr><td>", check->name, "</td>", out);
    buf_printf(out, "<td class=\"%s\">%s</td>", outcome, outcome);
    put_escaped("<td>", check->promise, "", out);
    if (*check->detail != '\0')
        put_escaped("<pre>", check->detail, "</pre>", out);
    put_escaped("</td><td>", check->expected, "</td>", out);
    put_escaped("<td>", check->found, "</td>", out);
    buf_printf(out, "<td>%s</td></tr>\n",
               check->duration_us < 0 ? "" : text_duration_us(check->duration_us, took));
}

/* What failed stands on top. */
static void put_checks(const struct drill_proof *proof, struct buf *out)
{
    buf_printf(out, "<section>\n<h2>Checks</h2>\n<div class=\"scroll\"><table class=\"checks\">\n"
                    "<thead><tr><th>check</th><th>outcome</th><th>promise</th><th>expected</th>"
                    "<th>found</th><th>took</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < proof->check_count; i++)
        if (proof->checks[i].outcome == DRILL_CHECK_FAILED)
            put_check(&proof->checks[i], out);
    for (size_t i = 0; i < proof->check_count; i++)
        if (proof->checks[i].outcome != DRILL_CHECK_FAILED)
            put_check(&proof->checks[i], out);
    if (proof->check_count == 0)
        buf_printf(out, "<tr><td colspan=\"6\">It ended before the first check.</td></tr>\n");
    buf_printf(out, "</tbody>\n</table></div>\n</section>\n");
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
    (void)snprintf(text, sizeof text, "%zu drills; the last one: %s", columns->count,
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
    buf_printf(out, "<h3>%s%s</h3>\n", trend->title, goal > 0 ? ", with its goal" : "");
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
    buf_printf(out, "<section>\n<h2>Over the last drills</h2>\n");
    if (columns.count == 1)
        buf_printf(out, "<p>This is the first one on record.</p>\n");
    put_trend(&rto, &columns, proof, history, (double)proof->rto_goal_us, out);
    put_trend(&rpo, &columns, proof, history, (double)proof->rpo_goal_us, out);
    put_trend(&size, &columns, proof, history, 0, out);
    buf_printf(out, "<p class=\"skipped\">Large red points: drills that failed.</p>\n"
                    "</section>\n");
    return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

static void put_fact(void *context, const char *name, const char *value)
{
    struct buf *out = context;
    buf_printf(out, "<tr><th scope=\"row\">%s</th>", name);
    put_escaped("<td>", value, "</td></tr>\n", out);
}

bool drill_report_html(const struct drill_proof *proof, const struct drill_history *history,
                       struct buf *out, struct error *err)
{
    put_head(proof, out);
    put_verdict(proof, out);
    put_measures(proof, out);
    if (proof->passed)
        put_phases(proof, out);
    put_checks(proof, out);
    if (!proof->passed)
        put_phases(proof, out);
    if (!put_history(proof, history, out, err))
        return false;
    buf_printf(out, "<section>\n<h2>Details</h2>\n<div class=\"scroll\"><table>\n<tbody>\n");
    drill_report_each_fact(proof, put_fact, out);
    buf_printf(out, "</tbody>\n</table></div>\n</section>\n");
    put_escaped("<footer>Mainstay ", proof->program_version, ", drill ", out);
    put_escaped("", proof->id, "</footer>\n</main>\n</body>\n</html>\n", out);
    return buf_check(out, "the HTML report", err);
}
