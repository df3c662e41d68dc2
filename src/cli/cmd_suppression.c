/* mainstay notice suppress|unsuppress|suppressions|import */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "notice/suppression.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void fill(const struct invocation *call, struct suppression *suppression)
{
    *suppression = (struct suppression){.customer = call->operand,
                                        .channel = invocation_value(call, "channel"),
                                        .reason = invocation_value(call, "reason"),
                                        .source = invocation_value(call, "source"),
                                        .expires = invocation_value(call, "expires")};
}

static bool print_line(const struct invocation *call, const char *key, uint64_t count,
                       const char *words, struct error *err)
{
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_u64(root, key, count, err) &&
               output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "%" PRIu64 " %s\n", count, words);
    return output_write(call, &text, err);
}

static bool run_suppress(struct invocation *call, struct error *err)
{
    bool is_new;
    struct suppression suppression;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    fill(call, &suppression);
    if (suppression.reason == NULL)
        return error_set(err, ERROR_USAGE, "`mainstay notice suppress` needs --reason");
    return helpdesk_session_open(&call->config, "notice suppress", &connection, err) &&
           suppression_add(connection, &suppression, &is_new, err) &&
           print_line(call, "added", is_new,
                      is_new ? "suppression added" : "added: it was there, and is up to date now",
                      err);
}

static bool run_unsuppress(struct invocation *call, struct error *err)
{
    uint64_t removed;
    struct suppression suppression;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    fill(call, &suppression);
    return helpdesk_session_open(&call->config, "notice unsuppress", &connection, err) &&
           suppression_remove(connection, &suppression, &removed, err) &&
           print_line(call, "removed", removed,
                      text_plural(removed, "suppression removed", "suppressions removed"), err);
}

static bool print_csv(const struct invocation *call, struct connection *connection,
                      struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    return suppression_export(connection, &text, err) && output_write(call, &text, err);
}

static const struct object_column columns[] = {
    {{"CUSTOMER", false}, "customer"}, {{"CHANNEL", false}, "channel"},
    {{"REASON", false}, "reason"},     {{"EXPIRES", false}, "expires_at"},
    {{"SOURCE", false}, "source"},
};

static bool run_suppressions(struct invocation *call, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!helpdesk_session_open(&call->config, "notice suppressions", &connection, err))
        return false;
    if (invocation_has(call, "csv"))
        return print_csv(call, connection, err);
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "suppressions", err);
    return list != NULL && suppression_list(connection, list, err) &&
           output_objects(call, root, "suppressions", columns, ARRAY_LEN(columns), err);
}

static bool read_file(void *context, void *out, size_t size, size_t *out_got, struct error *err)
{
    const int *fd = context;
    ssize_t got;
    do {
        got = read(*fd, out, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, errno, "could not read the file");
    *out_got = (size_t)got;
    return true;
}

static bool run_import(struct invocation *call, struct error *err)
{
    uint64_t added;
    uint64_t known;
    CLEANUP(csv_cleanup) struct csv *csv = NULL;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(close_fd) int fd = open(call->operand, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", call->operand);
    if (!csv_new(read_file, &fd, call->operand, &csv, err) ||
        !helpdesk_session_open(&call->config, "notice import", &connection, err) ||
        !suppression_import(connection, csv, call->operand, &added, &known, err))
        return false;
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_u64(root, "added", added, err) &&
               value_set_u64(root, "known", known, err) && output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "%" PRIu64 " %s added, %" PRIu64 " %s there\n", added,
               text_plural(added, "suppression", "suppressions"), known,
               text_plural(known, "was", "were"));
    return output_write(call, &text, err);
}

const struct command command_notice_suppress = {
    .noun = "notice",
    .verb = "suppress",
    .summary = "send a customer or an address no more notices",
    .details =
        "CUSTOMER is a customer's id (42), an e-mail address, or a telephone number that begins "
        "with \"+\". Safety notices get through unsubscribed and complaint, nothing gets "
        "through hard_bounce and legal_hold.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"reason", "REASON", "required",
               "unsubscribed, hard_bounce, complaint, legal_hold, test_account or other."},
              {"channel", "CHANNEL", "all", "email, sms or helpdesk."},
              {"source", "TEXT", "none", "Where that comes from."},
              {"expires", "TIME", "never", "When it ends: 2027-01-01T00:00:00Z."}},
    .operand = "CUSTOMER",
    .examples = {"mainstay notice suppress 42 --reason legal_hold --source 'case 17'",
                 "mainstay notice suppress ada@example.org --reason unsubscribed --channel email"},
    .run = run_suppress,
};

const struct command command_notice_unsuppress = {
    .noun = "notice",
    .verb = "unsuppress",
    .summary = "let a customer or an address have notices again",
    .details = "CUSTOMER is a customer's id (42), an e-mail address, or a telephone number that "
               "begins with \"+\".",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"reason", "REASON", "all", "Only the suppression for this reason."},
              {"channel", "CHANNEL", "all", "Only the suppression of this channel."}},
    .operand = "CUSTOMER",
    .examples = {"mainstay notice unsuppress 42 --reason legal_hold"},
    .run = run_unsuppress,
};

const struct command command_notice_suppressions = {
    .noun = "notice",
    .verb = "suppressions",
    .summary = "show whom no notices are sent to, and why",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"csv", NULL, NULL, "As CSV, for `mainstay notice import` and spreadsheets."}},
    .examples = {"mainstay notice suppressions --csv > suppressions.csv"},
    .run = run_suppressions,
};

const struct command command_notice_import = {
    .noun = "notice",
    .verb = "import",
    .summary = "add suppressions from a CSV file",
    .details = "The first line names the columns: customer and reason, and if you like channel, "
               "source and expires_at. All records are taken, or none.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "FILE",
    .examples = {"mainstay notice import suppressions.csv"},
    .run = run_import,
};
