#include "cli/drill_view.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/output.h"

#include <inttypes.h>
#include <string.h>

static const char *const outcomes[] = {[DRILL_CHECK_PASSED] = "passed",
                                       [DRILL_CHECK_FAILED] = "FAILED",
                                       [DRILL_CHECK_SKIPPED] = "skipped"};

static void put_line(const char *label, const char *text, struct buf *out)
{
    buf_printf(out, "%-12s  ", label);
    output_put_clean(text, out);
    buf_printf(out, "\n");
}

static void put_duration(int64_t us, int64_t goal_us, struct buf *out)
{
    char text[TEXT_SIZE];
    if (us < 0)
        buf_printf(out, "not measured");
    else
        buf_printf(out, "%s", text_duration_us(us, text));
    if (goal_us > 0)
        buf_printf(out, ", goal %s", text_duration_us(goal_us, text));
}

static void put_phases(const struct drill_proof *proof, struct buf *out)
{
    char text[TEXT_SIZE];
    const char *comma = " (";
    for (size_t i = 0; i < DRILL_PHASE_COUNT; i++) {
        int64_t us = proof->phases[i].duration_us;
        if (us < 0 || i == DRILL_CHECKS)
            continue;
        buf_printf(out, "%s%s %s", comma, drill_phase_name((enum drill_phase)i),
                   text_duration_us(us, text));
        comma = ", ";
    }
    buf_printf(out, "%s\n", comma[0] == ',' ? ")" : "");
}

static void put_head(const struct drill_proof *proof, struct buf *out)
{
    char when[TEXT_SIZE];
    char took[TEXT_SIZE];
    buf_printf(out, "drill %s %s, %s, took %s\n", proof->id, proof->passed ? "passed" : "FAILED",
               text_time_us(proof->started_us, when),
               text_duration_us(proof->finished_us - proof->started_us, took));
    if (!proof->passed)
        put_line("broken", proof->broken, out);
    buf_printf(out, "%-12s  %s", "target", proof->target_kind);
    if (proof->seed != 0)
        buf_printf(out, " by seed %" PRIu64, proof->seed);
    buf_printf(out, ": ");
    output_put_clean(proof->target_value, out);
    buf_printf(out, "\n");
    if (proof->snapshot_id[0] != '\0')
        buf_printf(out, "%-12s  %s, begun %s\n", "snapshot", proof->snapshot_id,
                   text_time_us(proof->snapshot_started_us, when));
}

static void put_numbers(const struct drill_proof *proof, struct buf *out)
{
    char total[TEXT_SIZE];
    char fetched[TEXT_SIZE];
    char wal[TEXT_SIZE];
    buf_printf(out, "%-12s  ", "RTO");
    put_duration(proof->rto_us, proof->rto_goal_us, out);
    put_phases(proof, out);
    buf_printf(out, "%-12s  ", "RPO");
    put_duration(proof->rpo_us, proof->rpo_goal_us, out);
    buf_printf(out, "\n%-12s  %s, fetched %s, replayed %s of WAL\n", "size",
               text_bytes(proof->bytes_total, total), text_bytes(proof->bytes_fetched, fetched),
               text_bytes(proof->wal_bytes, wal));
    if (proof->server_version[0] != '\0')
        put_line("server", proof->server_version, out);
    if (proof->kept[0] != '\0')
        put_line("kept", proof->kept, out);
}

/* Gives a text. */
static char *said(const struct drill_check *check)
{
    bool skipped = check->outcome == DRILL_CHECK_SKIPPED;
    if (check->outcome == DRILL_CHECK_FAILED && check->expected[0] != '\0')
        return text_format("%s; expected: %s", check->found, check->expected);
    return strdup(skipped || check->found[0] == '\0' ? check->detail : check->found);
}

static bool add_check(struct text_table *table, const struct drill_check *check, struct error *err)
{
    char took[TEXT_SIZE] = "";
    CLEANUP(free_pointer) char *text = said(check);
    if (text == NULL)
        return error_no_memory(err, "a table");
    if (check->duration_us > 0)
        (void)text_duration_us(check->duration_us, took);
    const char *const cells[] = {check->name, outcomes[check->outcome], took, text};
    return text_table_add(table, cells, err);
}

bool drill_view_put(const struct drill_proof *proof, struct buf *out, struct error *err)
{
    static const struct text_column columns[] = {
        {"CHECK", false}, {"RESULT", false}, {"TOOK", true}, {"FOUND", false}};
    CLEANUP(text_table_release) struct text_table table;
    put_head(proof, out);
    put_numbers(proof, out);
    buf_printf(out, "\n");
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < proof->check_count; i++)
        if (!add_check(&table, &proof->checks[i], err))
            return false;
    text_table_put(&table, out);
    return true;
}

/* --- reports -------------------------------------------------------------------------------------
 */

static bool put_json(const struct drill_proof *proof, const struct drill_history *history,
                     struct buf *out, struct error *err)
{
    (void)history;
    CLEANUP(value_cleanup) struct value *value = drill_proof_to_value(proof, err);
    return value != NULL && value_print(value, true, out, err);
}

static bool put_junit(const struct drill_proof *proof, const struct drill_history *history,
                      struct buf *out, struct error *err)
{
    (void)history;
    return drill_report_junit(proof, out, err);
}

static const struct {
    const char *name;
    const char *suffix;
    bool (*put)(const struct drill_proof *proof, const struct drill_history *history,
                struct buf *out, struct error *err);
} formats[] = {
    {"json", "json", put_json},
    {"junit", "xml", put_junit},
    {"markdown", "md", drill_report_markdown},
    {"html", "html", drill_report_html},
};

const char *drill_view_suffix(const char *format)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, format) == 0)
            return formats[i].suffix;
    return NULL;
}

bool drill_view_put_report(const struct drill_proof *proof, const struct drill_history *history,
                           const char *format, struct buf *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, format) == 0)
            return formats[i].put(proof, history, out, err);
    return error_set(err, ERROR_USAGE, "there is no report as \"%.40s\"", format);
}

/* --- plans ---------------------------------------------------------------------------------------
 */

void drill_view_put_plan(const struct drill_options *options, const struct drill_plan *plan,
                         struct buf *out)
{
    char text[TARGET_TEXT_SIZE];
    char when[TEXT_SIZE];
    char need[TEXT_SIZE];
    char have[TEXT_SIZE];
    buf_printf(out, "%-12s  %s", "target", drill_target_kind(options));
    if (options->choice == DRILL_RANDOM)
        buf_printf(out, " by seed %" PRIu64, plan->seed);
    buf_printf(out, ": %s\n", recovery_target_text(&plan->target, text));
    if (!plan->possible) {
        put_line("broken", plan->broken, out);
        return;
    }
    buf_printf(out, "%-12s  %s, begun %s, PostgreSQL %d\n", "snapshot", plan->snapshot_id,
               text_time_us(plan->snapshot_started_us, when), plan->major);
    buf_printf(out, "%-12s  %s of %s free in ", "scratch", text_bytes(plan->bytes_needed, need),
               text_bytes(plan->bytes_free, have));
    output_put_clean(options->scratch, out);
    buf_printf(out, "\n");
    put_line("server", plan->binaries, out);
    if (!plan->source.asked)
        put_line("source", "none: postgres.connection is not set", out);
    else
        put_line("source", plan->source.answered ? "answers" : plan->source.problem, out);
    buf_printf(out, "nothing was written\n");
}

struct value *drill_view_plan_value(const struct drill_options *options,
                                    const struct drill_plan *plan, struct error *err)
{
    char text[TARGET_TEXT_SIZE];
    struct value *root = value_new_object(err);
    if (root != NULL && value_set_bool(root, "possible", plan->possible, err) &&
        value_set_text_lossy(root, "broken", plan->broken, err) &&
        value_set_text(root, "target_kind", drill_target_kind(options), err) &&
        value_set_text(root, "target", recovery_target_text(&plan->target, text), err) &&
        value_set_u64(root, "seed", plan->seed, err) &&
        value_set_text(root, "snapshot", plan->snapshot_id, err) &&
        value_set_u64(root, "bytes_total", plan->bytes_total, err) &&
        value_set_u64(root, "bytes_needed", plan->bytes_needed, err) &&
        value_set_u64(root, "bytes_free", plan->bytes_free, err) &&
        value_set_text_lossy(root, "binaries", plan->binaries == NULL ? "" : plan->binaries, err))
        return root;
    value_free(root);
    return NULL;
}
