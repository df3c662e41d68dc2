#include "runbook/helpdesk.h"

#include "postgres/query.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(const struct query_result *rows, size_t column, char **out, struct error *err)
{
    *out = strdup(query_field(rows, 0, column));
    return *out != NULL || error_no_memory(err, "the helpdesk's name");
}

static bool add_name(struct text_list *list, const char *name, size_t len, struct error *err)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return error_no_memory(err, "the adapter's capabilities");
    list->items = items;
    items[list->count] = strndup(name, len);
    if (items[list->count] == NULL)
        return error_no_memory(err, "the adapter's capabilities");
    list->count++;
    return true;
}

static bool split_names(const char *text, struct text_list *out, struct error *err)
{
    static const char separators[] = " ,\t\n";
    for (const char *at = text + strspn(text, separators); *at != '\0';) {
        size_t len = strcspn(at, separators);
        if (!add_name(out, at, len, err))
            return false;
        at += len;
        at += strspn(at, separators);
    }
    return true;
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
        !split_names(query_field(rows, 0, 4), &read.capabilities, err)) {
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
