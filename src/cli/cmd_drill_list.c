/* mainstay drill list, mainstay drill show */
#include "cli/command_rows.h"
#include "cli/drill_view.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/text.h"
#include "drill/drill_store.h"

#include <string.h>

enum { LIST_MAX = 100, HISTORY_MAX = 60, REPORT_MAX_BYTES = 16 << 20 };

struct shown {
    const struct drill_proof *proofs;
    size_t count;
};

static const struct drill_proof *proof_at(const void *context, size_t at)
{
    const struct shown *shown = context;
    return &shown->proofs[shown->count - 1 - at]; /* the newest first */
}

static const char *duration(int64_t us, char out[TEXT_SIZE])
{
    return us < 0 ? "-" : text_duration_us(us, out);
}

static bool add_row(const void *context, size_t at, struct text_table *table, struct error *err)
{
    char when[TEXT_SIZE];
    char rto[TEXT_SIZE];
    char rpo[TEXT_SIZE];
    char size[TEXT_SIZE];
    const struct drill_proof *proof = proof_at(context, at);
    const char *const cells[] = {proof->id,
                                 text_time_us(proof->started_us, when),
                                 proof->passed ? "passed" : "FAILED",
                                 proof->target_kind,
                                 duration(proof->rto_us, rto),
                                 duration(proof->rpo_us, rpo),
                                 text_bytes(proof->bytes_total, size),
                                 proof->broken};
    return text_table_add(table, cells, err);
}

static bool add_value(const void *context, size_t at, struct value *list, struct error *err)
{
    struct value *value = drill_proof_to_value(proof_at(context, at), err);
    return value != NULL && value_append(list, value, err);
}

static bool run_list(struct invocation *call, struct error *err)
{
    static const struct text_column columns[] = {
        {"ID", false}, {"TIME", false}, {"RESULT", false}, {"TARGET", false},
        {"RTO", true}, {"RPO", true},   {"SIZE", true},    {"BROKEN", false}};
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(drill_list_release) struct drill_list records = {0};
    struct drill_proof *proofs = NULL;
    size_t count = 0;
    if (!session_open(&session, &call->config, err) ||
        !drill_list_load(&session.repository, &records, err) ||
        !drill_store_history(&session.repository, &records, INT64_MAX, LIST_MAX, &proofs, &count,
                             err))
        return false;
    const struct shown shown = {.proofs = proofs, .count = count};
    const struct output_list list = {.name = "drills",
                                     .columns = columns,
                                     .column_count = ARRAY_LEN(columns),
                                     .count = count,
                                     .context = &shown,
                                     .add_value = add_value,
                                     .add_row = add_row};
    bool done = output_list(call, &list, err);
    drill_proofs_free(proofs, count);
    return done;
}

static bool print_report(const struct invocation *call, const struct session *session,
                         const struct drill_list *list, const struct drill_proof *proof,
                         const char *format, struct error *err)
{
    struct drill_proof *past = NULL;
    size_t count = 0;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, REPORT_MAX_BYTES);
    if (!drill_store_history(&session->repository, list, proof->started_us, HISTORY_MAX, &past,
                             &count, err))
        return false;
    const struct drill_history history = {.proofs = past, .count = count};
    bool done = drill_view_put_report(proof, &history, format, &text, err) &&
                output_write(call, &text, err);
    drill_proofs_free(past, count);
    return done;
}

static bool print(const struct invocation *call, const struct session *session,
                  const struct drill_list *list, const struct drill_proof *proof, struct error *err)
{
    const char *format = invocation_value(call, "format");
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    if (call->json)
        format = "json";
    if (format != NULL)
        return print_report(call, session, list, proof, format, err);
    return drill_view_put(proof, &text, err) && output_write(call, &text, err);
}

static bool run_show(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(drill_list_release) struct drill_list list = {0};
    const struct drill_record *record;
    struct drill_proof proof;
    const char *format = invocation_value(call, "format");
    if (format != NULL && drill_view_suffix(format) == NULL)
        return error_set(err, ERROR_USAGE,
                         "--format cannot be \"%.40s\": html, junit, markdown or json", format);
    if (!session_open(&session, &call->config, err) ||
        !drill_list_load(&session.repository, &list, err) ||
        !drill_list_find(&list, call->operand, &record, err) ||
        !drill_store_get(&session.repository, record, &proof, err))
        return false;
    bool done = print(call, &session, &list, &proof, err);
    drill_proof_release(&proof);
    return done;
}

const struct command command_drill_list = {
    .noun = "drill",
    .verb = "list",
    .summary = "list the restore drills, the newest first",
    .details = "The last 100 of them.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .examples = {"mainstay drill list --repo /srv/backup"},
    .run = run_list,
};

const struct command command_drill_show = {
    .noun = "drill",
    .verb = "show",
    .summary = "show the proof of one restore drill, or a report of it",
    .details = "ID is an id, the beginning of one (at least 4 digits), or \"latest\".",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .flags = {{"format", "FORMAT", NULL,
               "html (one page with charts, without anything from elsewhere), junit, markdown or "
               "json."}},
    .operand = "ID",
    .examples = {"mainstay drill show latest --repo /srv/backup",
                 "mainstay drill show 3f2a --format html >drill.html"},
    .run = run_show,
};
