/* mainstay snapshot verify */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/session.h"

#include "base/text.h"
#include "config/config_fill.h"
#include "repository/run_record.h"

#include <inttypes.h>
#include <string.h>

#define NEXT_PART "next/"

/* One verification. */
struct check {
    int64_t started_us;
    struct verify_options options;
    struct verify_report report;
};

static void check_release(struct check *check)
{
    verify_report_release(&check->report);
}

static bool add_problem_value(struct value *list, const struct verify_problem *problem,
                              struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text_lossy(item, "object", problem->object, err) ||
        !value_set_text_lossy(item, "text", problem->text, err) ||
        !value_set_u64(item, "pages_hit", problem->pages_hit, err) ||
        (problem->lost != NULL && !value_set_text_lossy(item, "lost", problem->lost, err)))
        return false;
    struct value *ids = value_set_new_array(item, "snapshots", err);
    for (size_t i = 0; ids != NULL && i < problem->snapshot_count; i++) {
        if (!value_append_text_lossy(ids, problem->snapshots[i], err))
            return false;
    }
    return ids != NULL;
}

static bool add_gaps(struct value *root, const struct verify_report *report, struct error *err)
{
    char lsn[TEXT_SIZE];
    struct value *list = value_set_new_array(root, "wal_gaps", err);
    for (size_t i = 0; list != NULL && i < report->gap_count; i++) {
        const struct snapshot_wal_range *gap = &report->gaps[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_u64(item, "timeline", gap->timeline, err) ||
            !value_set_text(item, "start_lsn", text_lsn(gap->start_lsn, lsn), err) ||
            !value_set_text(item, "end_lsn", text_lsn(gap->end_lsn, lsn), err))
            return false;
    }
    return list != NULL;
}

static bool print_json(const struct invocation *call, const struct verify_report *report,
                       struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_bool(root, "ok", report->problem_count == 0, err) ||
        !value_set_bool(root, "opened", report->opened, err) ||
        !value_set_u64(root, "snapshots_checked", report->snapshots_checked, err) ||
        !value_set_u64(root, "packs_checked", report->packs_checked, err) ||
        !value_set_u64(root, "pages_checked", report->pages_checked, err) ||
        !value_set_u64(root, "wal_chunks_checked", report->wal_checked, err) ||
        !value_set_u64(root, "bytes_read", report->bytes_read, err) ||
        !value_set_u64(root, "unreferenced_packs", report->unreferenced_packs, err) ||
        !add_gaps(root, report, err))
        return false;
    struct value *list = value_set_new_array(root, "problems", err);
    for (size_t i = 0; list != NULL && i < report->problem_count; i++) {
        if (!add_problem_value(list, &report->problems[i], err))
            return false;
    }
    return list != NULL && output_value(call, root, err);
}

static void put_problem(const struct verify_problem *problem, struct buf *out)
{
    buf_printf(out, "damaged: ");
    output_put_clean(problem->object, out);
    buf_printf(out, ": ");
    output_put_clean(problem->text, out);
    if (problem->pages_hit > 0)
        buf_printf(out, "; %" PRIu64 " %s", problem->pages_hit,
                   text_plural(problem->pages_hit, "page", "pages"));
    buf_printf(out, "\n");
    if (problem->lost != NULL)
        buf_printf(out, "  lost: %s\n", problem->lost);
    if (problem->snapshot_count == 0)
        return;
    buf_printf(out, "  needed by:");
    for (size_t i = 0; i < problem->snapshot_count; i++) {
        buf_printf(out, " ");
        output_put_clean(problem->snapshots[i], out);
    }
    buf_printf(out, "\n");
}

static void put_gap(const struct snapshot_wal_range *gap, struct buf *out)
{
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    buf_printf(out,
               "gap: the WAL of timeline %" PRIu32
               " from %s to %s is not there; no recovery goes through it\n",
               gap->timeline, text_lsn(gap->start_lsn, from), text_lsn(gap->end_lsn, to));
}

static bool print_text(const struct invocation *call, const struct verify_report *report,
                       struct error *err)
{
    char read[TEXT_SIZE];
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < report->problem_count; i++)
        put_problem(&report->problems[i], &text);
    for (size_t i = 0; i < report->gap_count; i++)
        put_gap(&report->gaps[i], &text);
    buf_printf(
        &text,
        "checked %" PRIu64 " %s, %" PRIu64 " %s, %" PRIu64 " %s, %" PRIu64 " WAL %s; read %s\n",
        report->snapshots_checked, text_plural(report->snapshots_checked, "snapshot", "snapshots"),
        report->packs_checked, text_plural(report->packs_checked, "pack", "packs"),
        report->pages_checked, text_plural(report->pages_checked, "page", "pages"),
        report->wal_checked, text_plural(report->wal_checked, "chunk", "chunks"),
        text_bytes(report->bytes_read, read));
    if (report->unreferenced_packs > 0)
        buf_printf(&text, "%" PRIu64 " %s to no snapshot (harmless)\n", report->unreferenced_packs,
                   text_plural(report->unreferenced_packs, "pack belongs", "packs belong"));
    if (!report->opened)
        buf_printf(&text, "no page and no WAL was opened: this key may only write\n");
    if (report->problem_count == 0)
        buf_printf(&text, "everything is as it was stored\n");
    else
        buf_printf(&text, "%zu %s damaged or missing\n", report->problem_count,
                   text_plural(report->problem_count, "object is", "objects are"));
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

/* "2/7", or "next/7": the part that was read longest ago. */
static bool parse_part(const char *text, struct verify_options *options, struct error *err)
{
    char part[TEXT_SIZE];
    uint64_t at = 0;
    uint64_t of = 0;
    const char *slash = strchr(text, '/');
    bool next = text_starts_with(text, NEXT_PART);
    if (slash != NULL && (size_t)(slash - text) < sizeof part) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - text), text);
        if ((!next && !text_to_u64(part, &at)) || !text_to_u64(slash + 1, &of))
            of = 0;
    }
    if (of == 0 || of > RUN_PARTS_MAX || (!next && at == 0) || at > of)
        return error_set(err, ERROR_USAGE,
                         "--subset cannot be \"%.40s\", examples are 2/7 and next/7", text);
    options->part = (uint32_t)at; /* 0: the next one */
    options->parts = (uint32_t)of;
    return true;
}

static bool choose_next(const struct repository *repository, struct verify_options *options,
                        struct error *err)
{
    struct run_coverage coverage;
    CLEANUP(run_list_release) struct run_list list = {0};
    if (!run_list_load(repository, &list, err))
        return false;
    run_list_coverage(&list, options->parts, &coverage);
    options->part = coverage.next;
    return true;
}

static bool fill_options(const struct invocation *call, struct verify_options *out,
                         struct error *err)
{
    const char *subset = invocation_value(call, "subset");
    config_fill_verify(&call->config, out);
    out->snapshot = invocation_value(call, "snapshot");
    if (out->snapshot != NULL && invocation_has(call, "record"))
        return error_set(err, ERROR_USAGE, "--record is for all snapshots, not for one");
    return subset == NULL || parse_part(subset, out, err);
}

static bool verify(struct invocation *call, const struct session *session, struct check *check,
                   struct error *err)
{
    struct progress progress = {.phase = NULL};
    CLEANUP(progress_view_stop) struct progress_view view = {0};
    bool next = check->options.parts > 0 && check->options.part == 0;
    if (next && !choose_next(&session->repository, &check->options, err))
        return false;
    struct verify_options options = check->options;
    options.progress = &progress;
    progress_view_start(&view, &progress, call);
    return verify_run(&session->repository, &options, &check->report, err);
}

static bool record(const struct invocation *call, const struct session *session,
                   const struct check *check, struct error *err)
{
    bool whole = check->options.parts <= 1;
    const struct run_record done = {.job = RUN_VERIFY,
                                    .started_us = check->started_us,
                                    .part = whole ? 1 : check->options.part,
                                    .parts = whole ? 1 : check->options.parts,
                                    .outcome = check->report.problem_count > 0 ? RUN_DAMAGED
                                                                               : RUN_GOOD};
    return !invocation_has(call, "record") ||
           run_record_put(&session->repository, &done, &clock_system, &random_system, err);
}

static bool run_verify(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(check_release) struct check check = {.started_us = clock_now_us(&clock_system)};
    if (!fill_options(call, &check.options, err) || !session_open(&session, &call->config, err) ||
        !verify(call, &session, &check, err) || !record(call, &session, &check, err))
        return false;
    if (check.report.problem_count > 0)
        call->exit_code = error_exit_code(ERROR_CORRUPT);
    return call->json ? print_json(call, &check.report, err) : print_text(call, &check.report, err);
}

const struct command command_snapshot_verify = {
    .noun = "snapshot",
    .verb = "verify",
    .summary = "read everything that snapshots need and check it",
    .details = "Reads all WAL, too. Names each damaged or missing object, and what cannot be "
               "restored without it, with exit code 4. WAL that was never stored is shown as a "
               "gap, which is no damage. Changes nothing; with --record it stores that it was "
               "done, for `mainstay status` and for next/M.",
    .groups = GROUP_REPOSITORY | GROUP_RESTORE | GROUP_LOG,
    .flags = {{"snapshot", "ID", "all of them",
               "Check only this one: an id, the beginning of one, "
               "or \"latest\"."},
              {"subset", "N/M", "everything",
               "Read only the Nth of M parts of packs and WAL: M runs together read all of them. "
               "\"next/M\" is the part that was read longest ago, by the records in the "
               "repository."},
              {"record", NULL, NULL,
               "Store in the repository that this was read, and how it was."}},
    .examples = {"mainstay snapshot verify --repo /srv/backup",
                 "mainstay snapshot verify --repo /srv/backup --subset next/28 --record"},
    .confined = true,
    .run = run_verify,
};
