#include "runbook/helpdesk.h"

#include "postgres/query.h"
#include "ticket/adapter.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(const struct query_result *rows, size_t column, char **out, struct error *err)
{
    *out = strdup(query_field(rows, 0, column));
    return *out != NULL || error_no_memory(err, "the helpdesk's name");
}

static bool copy_names(const struct adapter_names *names, struct text_list *out, struct error *err)
{
    out->items = calloc(names->count + 1, sizeof *out->items);
    if (out->items == NULL)
        return error_no_memory(err, "the adapter's capabilities");
    for (; out->count < names->count; out->count++) {
        out->items[out->count] = strdup(names->items[out->count]);
        if (out->items[out->count] == NULL)
            return error_no_memory(err, "the adapter's capabilities");
    }
    return true;
}

static bool read_capabilities(const char *name, struct text_list *out, struct error *err)
{
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    return adapter_find(name, &adapter, err) && copy_names(&adapter->capabilities, out, err);
}

static bool check_installed(struct connection *connection, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    static const struct query query = {
        .sql = "SELECT current_database(), to_regclass('mainstay.settings') IS NOT NULL",
        .what = "look for schema mainstay"};
    bool there = false;
    if (!query_run(connection, &query, &rows, err) || !query_bool(rows, 0, 1, &there, err))
        return false;
    if (there)
        return true;
    (void)error_set(err, ERROR_NOT_FOUND, "no adapter is installed in database \"%.60s\"",
                    query_field(rows, 0, 0));
    return error_hint(err, "`mainstay adapter install NAME` does it; `mainstay adapter list` says "
                           "which there are.");
}

bool helpdesk_read(struct connection *connection, struct helpdesk *out, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    static const struct query query = {
        .sql =
            "SELECT COALESCE((SELECT value FROM mainstay.settings WHERE name = 'adapter'), ''), "
            "COALESCE((SELECT value FROM mainstay.settings WHERE name = 'adapter_version'), ''), "
            "current_database(), (SELECT system_identifier::text FROM pg_control_system()), "
            "COALESCE((SELECT value FROM mainstay.settings WHERE name = 'capabilities'), '')",
        .what = "read the adapter's settings"};
    struct helpdesk read = {0};
    if (!check_installed(connection, err) || !query_run(connection, &query, &rows, err))
        return false;
    if (!copy_text(rows, 0, &read.adapter, err) || !copy_text(rows, 1, &read.version, err) ||
        !copy_text(rows, 2, &read.database, err) ||
        !copy_text(rows, 3, &read.system_identifier, err) ||
        !read_capabilities(read.adapter, &read.capabilities, err)) {
        helpdesk_release(&read);
        return false;
    }
    *out = read;
    return true;
}

void helpdesk_release(struct helpdesk *helpdesk)
{
    for (size_t i = 0; i < helpdesk->capabilities.count; i++)
        free(helpdesk->capabilities.items[i]);
    free(helpdesk->capabilities.items);
    free(helpdesk->system_identifier);
    free(helpdesk->database);
    free(helpdesk->version);
    free(helpdesk->adapter);
    *helpdesk = (struct helpdesk){0};
}

bool text_list_has(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}
