/* mainstay adapter list|show|install|check */
#include "cli/check_view.h"
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/identity.h"
#include "cli/output.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "ticket/adapter_check.h"
#include "ticket/adapter_install.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool head_to_value(const struct adapter *adapter, struct value *item, struct error *err)
{
    return value_set_text(item, "name", adapter->name, err) &&
           value_set_text(item, "title", adapter->title, err) &&
           value_set_text(item, "versions", adapter->versions, err) &&
           value_set_text(item, "adapter", adapter->version, err) &&
           value_set_texts(item, "capabilities", adapter->capabilities.items,
                           adapter->capabilities.count, err);
}

/* --- list ------------------------------------------------------------------------------------ */

static bool add_list_value(const void *context, size_t at, struct value *list, struct error *err)
{
    const struct adapter_list *adapters = context;
    struct value *item = value_append_new_object(list, err);
    return item != NULL && head_to_value(adapters->items[at], item, err);
}

static bool add_list_row(const void *context, size_t at, struct text_table *table,
                         struct error *err)
{
    const struct adapter_list *adapters = context;
    const struct adapter *adapter = adapters->items[at];
    const char *const cells[] = {adapter->name, adapter->versions, adapter->version,
                                 adapter->title};
    return text_table_add(table, cells, err);
}

static bool run_list(struct invocation *call, struct error *err)
{
    static const struct text_column columns[] = {
        {"NAME", false}, {"PROVED WITH", false}, {"ADAPTER", true}, {"TITLE", false}};
    CLEANUP(adapter_list_release) struct adapter_list adapters = {0};
    if (!adapter_list_load(&adapters, err))
        return false;
    struct output_list list = {.name = "adapters",
                               .columns = columns,
                               .column_count = ARRAY_LEN(columns),
                               .count = adapters.count,
                               .context = &adapters,
                               .add_value = add_list_value,
                               .add_row = add_list_row};
    return output_list(call, &list, err);
}

/* --- show ------------------------------------------------------------------------------------ */

static bool settings_to_value(const struct adapter *adapter, struct value *root, struct error *err)
{
    struct value *list = value_set_new_array(root, "settings", err);
    for (size_t i = 0; list != NULL && i < adapter->setting_count; i++) {
        const struct adapter_setting *setting = &adapter->settings[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "name", setting->name, err) ||
            !value_set_text(item, "type", setting->is_int ? "int" : "text", err) ||
            (setting->standard != NULL &&
             !value_set_text(item, "default", setting->standard, err)) ||
            !value_set_text(item, "help", setting->help, err))
            return false;
    }
    return list != NULL;
}

static bool details_to_value(const struct adapter *adapter, struct value *root, struct error *err)
{
    if (!value_set_text(root, "schema", adapter->helpdesk_schema, err) ||
        !value_set_i64(root, "chunk", adapter->chunk, err) ||
        !settings_to_value(adapter, root, err))
        return false;
    struct value *hooks = value_set_new_array(root, "after_commit", err);
    for (size_t i = 0; hooks != NULL && i < adapter->after_commit_count; i++) {
        const struct adapter_hook *hook = &adapter->after_commit[i];
        struct value *item = value_append_new_object(hooks, err);
        if (item == NULL || !value_set_text(item, "name", hook->name, err) ||
            !value_set_text(item, "command", hook->command, err) ||
            !value_set_text(item, "help", hook->help, err))
            return false;
    }
    struct value *tables = hooks == NULL ? NULL : value_set_new_object(root, "probe", err);
    for (size_t i = 0; tables != NULL && i < adapter->table_count; i++)
        if (!value_set_texts(tables, adapter->tables[i].name, adapter->tables[i].columns.items,
                             adapter->tables[i].columns.count, err))
            return false;
    return tables != NULL;
}

static void put_names(const struct adapter_names *names, struct buf *out)
{
    for (size_t i = 0; i < names->count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", names->items[i]);
    buf_printf(out, "\n");
}

static void put_adapter(const struct adapter *adapter, struct buf *out)
{
    buf_printf(out, "%s: %s\n", adapter->name, adapter->title);
    buf_printf(out, "  proved with   %s\n  adapter       %s\n  chunk         %" PRId64 "\n",
               adapter->versions, adapter->version, adapter->chunk);
    buf_printf(out, "  capabilities  ");
    put_names(&adapter->capabilities, out);
    buf_printf(out, "settings (--set name=value):\n");
    for (size_t i = 0; i < adapter->setting_count; i++) {
        const struct adapter_setting *setting = &adapter->settings[i];
        buf_printf(out, "  %s: %s", setting->name, setting->help);
        if (setting->standard == NULL)
            buf_printf(out, " Has to be given.\n");
        else
            buf_printf(out, " Default: \"%s\".\n", setting->standard);
    }
    for (size_t i = 0; i < adapter->after_commit_count; i++)
        buf_printf(out, "after tags were written: %s\n  %s\n", adapter->after_commit[i].help,
                   adapter->after_commit[i].command);
    buf_printf(out, "needs in schema %s:\n", adapter->helpdesk_schema);
    for (size_t i = 0; i < adapter->table_count; i++) {
        buf_printf(out, "  %s: ", adapter->tables[i].name);
        put_names(&adapter->tables[i].columns, out);
    }
}

static bool run_show(struct invocation *call, struct error *err)
{
    struct buf text;
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    if (!adapter_find(call->operand, &adapter, err))
        return false;
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && head_to_value(adapter, root, err) &&
               details_to_value(adapter, root, err) && output_value(call, root, err);
    }
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_adapter(adapter, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

/* --- install --------------------------------------------------------------------------------- */

struct given {
    struct adapter_value values[CALL_MAX_FLAGS];
    char *names[CALL_MAX_FLAGS];
    size_t count;
};

static void given_release(struct given *given)
{
    for (size_t i = 0; i < given->count; i++)
        free(given->names[i]);
}

/* The last --set of a name counts, as with every flag. */
static bool read_given(const struct invocation *call, struct given *out, struct error *err)
{
    for (size_t i = call->value_count; i > 0; i--) {
        const struct flag_value *flag = &call->values[i - 1];
        if (strcmp(flag->name, "set") != 0)
            continue;
        const char *equals = strchr(flag->text, '=');
        if (equals == NULL)
            return error_set(err, ERROR_USAGE, "--set \"%.60s\" is not name=value", flag->text);
        char *name = strndup(flag->text, (size_t)(equals - flag->text));
        if (name == NULL)
            return error_no_memory(err, "a setting");
        out->names[out->count] = name;
        out->values[out->count++] = (struct adapter_value){name, equals + 1};
    }
    return true;
}

static bool print_installed(const struct invocation *call, const struct adapter *adapter,
                            const struct adapter_state *before, struct error *err)
{
    struct buf text;
    const char *what = before->present ? "renewed" : "installed";
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_text(root, "result", what, err) &&
               head_to_value(adapter, root, err) && output_value(call, root, err);
    }
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "adapter %s, version %s: %s\n", adapter->name, adapter->version, what);
    if (before->present)
        buf_printf(&text, "  was version %s; runs, ledger and notices are as they were\n",
                   before->version);
    buf_printf(&text, "give each login what it needs, nothing more:\n");
    identity_put_memberships(&text);
    buf_printf(&text, "prove it: mainstay adapter check\n");
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool print_script(const struct invocation *call, const struct adapter_options *options,
                         struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = adapter_put_script(options, &text, err) && output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool install(struct invocation *call, struct adapter_options *options, struct error *err)
{
    struct buf missing;
    struct adapter_state before;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!helpdesk_session_open(&call->config, "adapter install", &connection, err))
        return false;
    buf_init(&missing, OUTPUT_MAX_BYTES);
    options->missing = &missing;
    bool done = adapter_install(connection, options, &before, err);
    options->missing = NULL;
    const char *lines = missing.len > 0 ? buf_text(&missing) : NULL;
    if (lines != NULL)
        log_event(LOG_WARNING, "adapter.missing", "the helpdesk's schema lacks:\n%s", lines);
    buf_release(&missing);
    return done && print_installed(call, options->adapter, &before, err);
}

static bool run_install(struct invocation *call, struct error *err)
{
    CLEANUP(given_release) struct given given = {.count = 0};
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    if (!adapter_find(call->operand, &adapter, err) || !read_given(call, &given, err))
        return false;
    struct adapter_options options = {.adapter = adapter,
                                      .values = given.values,
                                      .value_count = given.count,
                                      .upgrade = invocation_has(call, "upgrade")};
    return invocation_has(call, "print") ? print_script(call, &options, err)
                                         : install(call, &options, err);
}

/* --- check ----------------------------------------------------------------------------------- */

static bool run_check(struct invocation *call, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(connection_cleanup) struct connection *other = NULL;
    CLEANUP(free_pointer) struct check_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return error_no_memory(err, "the checks");
    if (!helpdesk_session_open(&call->config, "adapter check", &connection, err) ||
        !helpdesk_session_open(&call->config, "adapter check", &other, err))
        return false;
    adapter_check(connection, other, list);
    if (check_number_of(list, CHECK_FAILED) > 0)
        call->exit_code = error_exit_code(ERROR_CORRUPT);
    return output_checks(call, list, err);
}

const struct command command_adapter_list = {
    .noun = "adapter",
    .verb = "list",
    .summary = "show the helpdesks that this program knows",
    .groups = GROUP_LOG,
    .examples = {"mainstay adapter list"},
    .run = run_list,
};

const struct command command_adapter_show = {
    .noun = "adapter",
    .verb = "show",
    .summary = "show what an adapter can do, needs and lets you choose",
    .groups = GROUP_LOG,
    .operand = "NAME",
    .examples = {"mainstay adapter show reference"},
    .run = run_show,
};

const struct command command_adapter_install = {
    .noun = "adapter",
    .verb = "install",
    .summary = "put an adapter into the helpdesk's database",
    .details = "Makes roles, schema mainstay and the adapter's views and functions in one "
               "transaction; the helpdesk's own tables stay as they are. Needs a superuser, or the "
               "owner of the helpdesk's tables with CREATEROLE. A helpdesk with tables that the "
               "adapter does not know is refused, with all that is missing. A second time it makes "
               "views and functions anew and keeps runs, ledger, notices and settings.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"set", "NAME=VALUE", NULL, "A setting of the adapter; may be given several times."},
              {"upgrade", NULL, NULL, "Replace another version of the same adapter."},
              {"print", NULL, NULL,
               "Print the SQL for a new installation instead, for psql; connect to nothing."}},
    .operand = "NAME",
    .examples = {"mainstay adapter install reference --helpdesk 'dbname=helpdesk user=postgres'",
                 "mainstay adapter install reference --print | psql helpdesk"},
    .run = run_install,
};

const struct command command_adapter_check = {
    .noun = "adapter",
    .verb = "check",
    .summary = "prove that the installed adapter does what runbooks rely on",
    .details = "Looks at the shape of views and functions, at who may do what and at query plans; "
               "locks the newest three tickets for some milliseconds and tries a tag on them in a "
               "transaction that is rolled back. Log in as a runner. Exit code 4 when a check "
               "failed.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .examples = {"mainstay adapter check --helpdesk 'dbname=helpdesk user=alice'"},
    .run = run_check,
};
