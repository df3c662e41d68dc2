/* mainstay notice list|show|cancel|redrive|dispatch */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "notice/dispatch.h"
#include "notice/notice_view.h"
#include "notice/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = 128, LOOK_AGAIN_US = 2 * 1000000 };

/* ---- list, show ---- */

static bool fill_filter(const struct invocation *call, struct notice_filter *filter,
                        struct error *err)
{
    const char *limit = invocation_value(call, "limit");
    *filter = (struct notice_filter){.run_id = invocation_value(call, "run"),
                                     .step_id = invocation_value(call, "step"),
                                     .state = invocation_value(call, "state"),
                                     .channel = invocation_value(call, "channel")};
    if (limit != NULL && (!text_to_u64(limit, &filter->limit) || filter->limit == 0))
        return error_set(err, ERROR_USAGE, "--limit \"%.40s\" is not a number above 0", limit);
    return true;
}

static const struct object_column list_columns[] = {
    {{"ID", true}, "id"},
    {{"STATE", false}, "state"},
    {{"CHANNEL", false}, "channel"},
    {{"CUSTOMER", false}, "customer"},
    {{"TEMPLATE", false}, "template"},
    {{"QUEUED", false}, "queued"},
    {{"SUBJECT", false}, "subject"},
    {{"REASON", false}, "reason"},
};

static bool run_list(struct invocation *call, struct error *err)
{
    struct notice_filter filter;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "notices", err);
    return list != NULL && fill_filter(call, &filter, err) &&
           helpdesk_session_open(&call->config, "notice list", &connection, err) &&
           notice_list(connection, &filter, list, err) &&
           output_objects(call, root, "notices", list_columns, ARRAY_LEN(list_columns), err);
}

static bool parse_id(const struct invocation *call, uint64_t *out, struct error *err)
{
    return text_to_u64(call->operand, out) ||
           error_set(err, ERROR_USAGE, "\"%.40s\" is not the number of a notice", call->operand);
}

static bool print_notice(const struct invocation *call, const struct value *notice,
                         struct error *err)
{
    static const char *const keys[] = {
        "id",     "run",       "step",       "template",   "customer",     "ticket",
        "orders", "channel",   "address",    "locale",     "purpose",      "state",
        "reason", "attempts",  "queued",     "not_before", "next_attempt", "expires",
        "sent",   "last_code", "last_error", "message_id", "subject"};
    struct buf text;
    const char *field;
    struct error none;
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!value_get_text(notice, keys[i], &field, &none) || field[0] == '\0')
            continue;
        buf_printf(&text, "%-13s ", keys[i]);
        output_put_clean(field, &text);
        buf_printf(&text, "\n");
    }
    if (value_get_text(notice, "text", &field, &none)) {
        buf_printf(&text, "\n");
        for (const char *line = field; *line != '\0';) { /* cleaning would join the lines */
            size_t len = strcspn(line, "\n");
            CLEANUP(free_pointer) char *copy = strndup(line, len);
            if (copy == NULL)
                return error_no_memory(err, "a notice");
            output_put_clean(copy, &text);
            buf_printf(&text, "\n");
            line += len + (line[len] == '\n');
        }
    }
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_show(struct invocation *call, struct error *err)
{
    uint64_t id;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(value_cleanup) struct value *notice = value_new_object(err);
    return notice != NULL && parse_id(call, &id, err) &&
           helpdesk_session_open(&call->config, "notice show", &connection, err) &&
           notice_show(connection, id, notice, err) &&
           (call->json ? output_value(call, notice, err) : print_notice(call, notice, err));
}

/* ---- cancel, redrive ---- */

struct tally {
    const char *key;
    const char *many; /* behind the number */
    uint64_t count;
    const char *one; /* behind 1; NULL: the same */
};

static bool print_tallies(const struct invocation *call, const struct tally *tallies, size_t count,
                          struct error *err)
{
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        for (size_t i = 0; root != NULL && i < count; i++) {
            if (!value_set_u64(root, tallies[i].key, tallies[i].count, err))
                return false;
        }
        return root != NULL && output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || tallies[i].count > 0)
            buf_printf(&text, "%s%" PRIu64 " %s", i == 0 ? "" : ", ", tallies[i].count,
                       tallies[i].one == NULL
                           ? tallies[i].many
                           : text_plural(tallies[i].count, tallies[i].one, tallies[i].many));
    }
    buf_printf(&text, "\n");
    return output_write(call, &text, err);
}

static bool cancel_of_run(struct connection *connection, const struct invocation *call,
                          const char *reason, struct tally *done, struct tally *left,
                          struct error *err)
{
    return outbox_cancel(connection, invocation_value(call, "run"), invocation_value(call, "step"),
                         reason, &done->count, &left->count, err);
}

static bool run_cancel(struct invocation *call, struct error *err)
{
    uint64_t id = 0;
    struct tally tallies[] = {{"cancelled", "notices cancelled", 0, "notice cancelled"},
                              {"left", "are out already", 0, "is out already"}};
    const char *run = invocation_value(call, "run");
    const char *reason = invocation_value(call, "reason");
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if ((run == NULL) == (call->operand == NULL))
        return error_set(err, ERROR_USAGE,
                         "`mainstay notice cancel` takes either a notice's number or --run RUN");
    if (reason == NULL || reason[0] == '\0')
        return error_set(err, ERROR_USAGE, "`mainstay notice cancel` needs --reason TEXT");
    if ((call->operand != NULL && !parse_id(call, &id, err)) ||
        !helpdesk_session_open(&call->config, "notice cancel", &connection, err))
        return false;
    bool done = run != NULL ? cancel_of_run(connection, call, reason, &tallies[0], &tallies[1], err)
                            : notice_cancel(connection, id, reason, err);
    if (done && run == NULL)
        tallies[0].count = 1;
    return done && print_tallies(call, tallies, ARRAY_LEN(tallies), err);
}

static bool run_redrive(struct invocation *call, struct error *err)
{
    uint64_t id = 0;
    struct notice_filter filter;
    struct tally tallies[] = {
        {"redriven", "notices will be tried again", 0, "notice will be tried again"},
        {"expired", "are past their end", 0, "is past its end"}};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (call->operand == NULL && invocation_value(call, "run") == NULL)
        return error_set(err, ERROR_USAGE,
                         "`mainstay notice redrive` takes a notice's number or --run RUN");
    return (call->operand == NULL || parse_id(call, &id, err)) && fill_filter(call, &filter, err) &&
           helpdesk_session_open(&call->config, "notice redrive", &connection, err) &&
           notice_redrive(connection, &filter, id, &tallies[0].count, &tallies[1].count, err) &&
           print_tallies(call, tallies, ARRAY_LEN(tallies), err);
}

/* ---- dispatch ---- */

static void wait_for_work(struct connection *connection, struct error *err, bool *done)
{
    int64_t due_us;
    *done = dispatcher_next_due(connection, &due_us, err);
    if (*done)
        clock_sleep_us(&clock_system, due_us < 0               ? 0
                                      : due_us < LOOK_AGAIN_US ? due_us
                                                               : LOOK_AGAIN_US);
}

static bool dispatch(const struct invocation *call, struct dispatcher *dispatcher,
                     struct dispatch_counts *counts, struct error *err)
{
    bool follow = invocation_has(call, "follow");
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!helpdesk_session_open(&call->config, "notice dispatch", &connection, err))
        return false;
    for (;;) {
        bool more = false;
        bool done = dispatcher_round(dispatcher, connection, counts, &more, err);
        if (done && !more && !follow)
            return true;
        if (done && !more)
            wait_for_work(connection, err, &done);
        if (!done)
            return follow && err->kind == ERROR_CANCELLED;
    }
}

static bool run_dispatch(struct invocation *call, struct error *err)
{
    char host[HOST_SIZE] = "";
    struct dispatch_counts counts = {0};
    CLEANUP(dispatcher_cleanup) struct dispatcher *dispatcher = NULL;
    (void)gethostname(host, sizeof host - 1);
    CLEANUP(free_pointer) char *owner = text_format("%s/%ld", host, (long)getpid());
    if (owner == NULL)
        return error_no_memory(err, "a dispatcher");
    const struct dispatch_options options = {
        .owner = owner,
        .webhook_directory = config_text(&call->config, OPTION_WEBHOOK_DIRECTORY),
        .plain_http = config_bool(&call->config, OPTION_WEBHOOK_PLAIN_HTTP),
        .clock = &clock_system,
        .random = &random_system};
    if (!dispatcher_new(&options, &dispatcher, err) || !dispatch(call, dispatcher, &counts, err))
        return false;
    const struct tally tallies[] = {
        {"sent", "notices sent", counts.sent, "notice sent"},
        {"retry", "to be tried again", counts.retried},
        {"dead", "given up", counts.dead},
        {"expired", "expired", counts.expired},
        {"unknown", "left behind by a dispatcher that died", counts.unknown},
        {"overtaken", "taken over by another dispatcher", counts.overtaken}};
    return print_tallies(call, tallies, ARRAY_LEN(tallies), err);
}

/* ---- rows ---- */

const struct command command_notice_list = {
    .noun = "notice",
    .verb = "list",
    .summary = "show what runs have queued for customers and webhooks, newest first",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"run", "RUN", "all", "Only notices of this run."},
              {"step", "STEP", "all", "Only notices of this step."},
              {"state", "STATE", "all",
               "queued, held, sending, sent, retry, suppressed, cancelled, expired, dead or "
               "unknown."},
              {"channel", "CHANNEL", "all", "email, sms, webhook or helpdesk."},
              {"limit", "N", "200", "At most so many."}},
    .examples = {"mainstay notice list --run carrier-outage-20261126-3f2a91 --state suppressed"},
    .run = run_list,
};

const struct command command_notice_show = {
    .noun = "notice",
    .verb = "show",
    .summary = "show one notice with its text",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .operand = "ID",
    .examples = {"mainstay notice show 4711"},
    .run = run_show,
};

const struct command command_notice_cancel = {
    .noun = "notice",
    .verb = "cancel",
    .summary = "call back notices that are not sent yet",
    .details = "One by its number, or all of a run (or of one step of it). What is being sent at "
               "this moment or is out stays as it is, and is counted.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"run", "RUN", NULL, "All notices of this run that are not sent."},
              {"step", "STEP", "all", "With --run: only those of this step."},
              {"reason", "TEXT", "required", "Why; it stays with the notice."}},
    .operand = "ID",
    .operand_optional = true,
    .examples = {"mainstay notice cancel 4711 --reason 'wrong order number'",
                 "mainstay notice cancel --run carrier-outage-20261126-3f2a91 --reason 'carrier is "
                 "back'"},
    .run = run_cancel,
};

const struct command command_notice_redrive = {
    .noun = "notice",
    .verb = "redrive",
    .summary = "try notices again that were given up",
    .details = "Dead ones, or with --state unknown those whose dispatcher died while it sent them: "
               "these may have arrived, so look before you send a second copy. The login must be a "
               "member of mainstay_dispatcher.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"run", "RUN", NULL, "All such notices of this run."},
              {"state", "STATE", "dead", "dead or unknown."}},
    .operand = "ID",
    .operand_optional = true,
    .examples = {"mainstay notice redrive --run carrier-outage-20261126-3f2a91"},
    .run = run_redrive,
};

const struct command command_notice_dispatch = {
    .noun = "notice",
    .verb = "dispatch",
    .summary = "send queued webhook notices: status updates and webhook steps",
    .details = "Sends what is due and ends; with --follow it goes on until it is stopped. Several "
               "may work at once. What a webhook's name means is in webhook.directory. The login "
               "must be a member of mainstay_dispatcher.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"follow", NULL, NULL, "Go on, and send what is queued from now on too."}},
    .examples = {"mainstay notice dispatch --webhook-directory /run/secrets/webhooks"},
    .confined = true,
    .run = run_dispatch,
};
