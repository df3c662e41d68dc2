#include "document/markup.h"
#include "drill_report_internal.h"

enum { HISTORY_ROWS = 10 };

static void put_fact(void *context, const char *name, const char *value)
{
    struct buf *out = context;
    buf_printf(out, "| %s | ", name);
    markup_put_markdown(value, out);
    buf_printf(out, " |\n");
}

static void put_phases(const struct drill_proof *proof, struct buf *out)
{
    char offset[TEXT_SIZE];
    char duration[TEXT_SIZE];
    buf_printf(out,
               "\n## Where the time went\n\n| phase | began after | took |\n|---|---:|---:|\n");
    for (int i = 0; i < DRILL_PHASE_COUNT; i++) {
        const struct drill_phase_time *phase = &proof->phases[i];
        if (phase->duration_us < 0)
            buf_printf(out, "| %s | | not reached |\n", drill_phase_name((enum drill_phase)i));
        else
            buf_printf(out, "| %s | %s | %s |\n", drill_phase_name((enum drill_phase)i),
                       drill_report_duration(phase->offset_us, offset),
                       text_duration_us(phase->duration_us, duration));
    }
}

static void put_cell(const char *text, struct buf *out)
{
    buf_printf(out, " ");
    markup_put_markdown(text, out);
    buf_printf(out, " |");
}

static void put_checks(const struct drill_proof *proof, struct buf *out)
{
    buf_printf(out, "\n## Checks\n\n| check | outcome | promise | expected | found | detail |\n"
                    "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < proof->check_count; i++) {
        const struct drill_check *check = &proof->checks[i];
        bool failed = check->outcome == DRILL_CHECK_FAILED;
        buf_printf(out, "|");
        put_cell(check->name, out);
        buf_printf(out, failed ? " **%s** |" : " %s |", drill_report_outcome(check->outcome));
        put_cell(check->promise, out);
        put_cell(check->expected, out);
        put_cell(check->found, out);
        put_cell(check->detail, out);
        buf_printf(out, "\n");
    }
}

static void put_row(const struct drill_proof *proof, struct buf *out)
{
    char text[TEXT_SIZE];
    buf_printf(out, "| %s ", text_time_us(proof->started_us, text));
    buf_printf(out, "| %s ", proof->passed ? "passed" : "**failed**");
    buf_printf(out, "| %s ", drill_report_duration(proof->rto_us, text));
    buf_printf(out, "| %s ", drill_report_duration(proof->rpo_us, text));
    buf_printf(out, "| %s |\n", text_bytes(proof->bytes_total, text));
}

/* Newest first. */
static void put_history(const struct drill_history *history, struct buf *out)
{
    if (history == NULL || history->count == 0)
        return;
    buf_printf(out, "\n## Earlier drills\n\n| started | outcome | RTO | RPO | size |\n"
                    "|---|---|---:|---:|---:|\n");
    for (size_t i = 0; i < history->count && i < HISTORY_ROWS; i++)
        put_row(&history->proofs[history->count - 1 - i], out);
}

bool drill_report_markdown(const struct drill_proof *proof, const struct drill_history *history,
                           struct buf *out, struct error *err)
{
    buf_printf(out, "# Restore drill: %s\n\n", proof->passed ? "passed" : "FAILED");
    if (!proof->passed) {
        buf_printf(out, "**The first broken promise:** ");
        markup_put_markdown(proof->broken, out);
        buf_printf(out, "\n\n");
    }
    buf_printf(out, "| | |\n|---|---|\n");
    drill_report_each_fact(proof, put_fact, out);
    put_phases(proof, out);
    put_checks(proof, out);
    put_history(history, out);
    return buf_check(out, "the Markdown report", err);
}
