#include "ticket/adapter_install.h"

#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/text.h"
#include "postgres/query.h"
#include "ticket/adapter_probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS_MAX = 64, SUMMARY_BYTES = 400 };

static const char core_prefix[] = "adapters/core/";

/* Views and functions of a former installation go, those that it made and no others; who has built
 * on them gets to know. */
static const char drop_former[] =
    "SET ROLE mainstay_owner;\n"
    "DO $$\n"
    "DECLARE v_views text; v_functions text;\n"
    "BEGIN\n"
    "  SELECT string_agg(identity, ', ') FILTER (WHERE kind = 'view'),\n"
    "    string_agg(identity, ', ') FILTER (WHERE kind = 'function')\n"
    "    INTO v_views, v_functions FROM mainstay.adapter_objects;\n"
    "  IF v_views IS NOT NULL THEN EXECUTE 'DROP VIEW IF EXISTS ' || v_views; END IF;\n"
    "  IF v_functions IS NOT NULL THEN EXECUTE 'DROP FUNCTION IF EXISTS ' || v_functions; END IF;\n"
    "  DELETE FROM mainstay.adapter_objects;\n"
    "END $$;\n"
    "INSERT INTO mainstay.adapter_objects SELECT kind, identity FROM mainstay.all_objects();\n"
    "RESET ROLE;\n";

/* What was there before the adapter's SQL is not its own. */
static const char keep_new[] =
    "SET ROLE mainstay_owner;\n"
    "WITH before AS (DELETE FROM mainstay.adapter_objects RETURNING kind, identity)\n"
    "INSERT INTO mainstay.adapter_objects\n"
    "  SELECT kind, identity FROM mainstay.all_objects() EXCEPT SELECT kind, identity FROM "
    "before;\n"
    "RESET ROLE;\n";

static bool read_setting(struct connection *connection, const char *name,
                         char out[ADAPTER_NAME_SIZE], struct error *err)
{
    const char *const values[] = {name};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct query query = {.sql = "SELECT value FROM mainstay.settings WHERE name = $1",
                          .values = values,
                          .count = ARRAY_LEN(values),
                          .what = "read what adapter is installed"};
    if (!query_run(connection, &query, &rows, err))
        return false;
    (void)snprintf(out, ADAPTER_NAME_SIZE, "%s",
                   query_rows(rows) == 0 ? "" : query_field(rows, 0, 0));
    return true;
}

/* Whether there is a schema of this name, and a table in it (NULL: only the schema). */
static bool exists(struct connection *connection, const char *schema, const char *table, bool *out,
                   struct error *err)
{
    const char *const values[] = {schema, table};
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct query query = {
        .sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n WHERE n.nspname = $1 AND"
               " ($2::text IS NULL OR EXISTS (SELECT 1 FROM pg_catalog.pg_class c"
               " WHERE c.relnamespace = n.oid AND c.relname = $2)))",
        .values = values,
        .count = ARRAY_LEN(values),
        .what = "look for schemas"};
    return query_run(connection, &query, &rows, err) && query_bool(rows, 0, 0, out, err);
}

bool adapter_state_read(struct connection *connection, struct adapter_state *out, struct error *err)
{
    struct adapter_state state = {0};
    bool schema = false;
    if (!exists(connection, "mainstay", NULL, &schema, err) ||
        !exists(connection, "mainstay", "settings", &state.present, err))
        return false;
    if (schema && !state.present) {
        (void)error_set(err, ERROR_REFUSED,
                        "the database has a schema \"mainstay\" that is not of this program");
        return error_hint(err, "Look what is in it, and rename or drop it.");
    }
    if (state.present && (!read_setting(connection, "adapter", state.name, err) ||
                          !read_setting(connection, "adapter_version", state.version, err) ||
                          !read_setting(connection, "core", state.core, err)))
        return false;
    *out = state;
    return true;
}

static bool refuse_other(const struct adapter_options *options, const struct adapter_state *state,
                         struct error *err)
{
    const struct adapter *adapter = options->adapter;
    if (!state->present)
        return true;
    if (strcmp(state->core, ADAPTER_CORE_VERSION) != 0) {
        (void)error_set(err, ERROR_REFUSED,
                        "the database has version %s of the core tables, this program has %s",
                        state->core, ADAPTER_CORE_VERSION);
        return error_hint(err, "Use the program that installed it.");
    }
    if (strcmp(state->name, adapter->name) != 0) {
        (void)error_set(err, ERROR_REFUSED, "the database has adapter \"%s\", not \"%s\"",
                        state->name, adapter->name);
        return error_hint(err, "A database is one helpdesk. DROP SCHEMA mainstay CASCADE removes "
                               "the adapter with all runs, ledger and notices.");
    }
    if (strcmp(state->version, adapter->version) != 0 && !options->upgrade) {
        (void)error_set(err, ERROR_REFUSED,
                        "the database has version %s of adapter \"%s\", this program has %s",
                        state->version, adapter->name, adapter->version);
        return error_hint(err,
                          "`mainstay adapter install %s --upgrade` makes its views and "
                          "functions anew and keeps runs, ledger and notices.",
                          adapter->name);
    }
    return true;
}

/* --- the settings ---------------------------------------------------------------------------- */

struct settings {
    struct adapter_value values[SETTINGS_MAX];
    size_t count;
    struct query_result *installed; /* the values of a former installation are borrowed from it */
};

static void settings_release(struct settings *settings)
{
    query_result_free(settings->installed);
}

static bool check_given(const struct adapter_options *options, struct error *err)
{
    int64_t number;
    const char *names[SETTINGS_MAX];
    const struct adapter *adapter = options->adapter;
    for (size_t i = 0; i < adapter->setting_count && i < SETTINGS_MAX; i++)
        names[i] = adapter->settings[i].name;
    for (size_t i = 0; i < options->value_count; i++) {
        const struct adapter_value *value = &options->values[i];
        const struct adapter_setting *setting = adapter_setting(adapter, value->name);
        if (setting == NULL) {
            (void)error_set(err, ERROR_USAGE, "adapter \"%s\" has no setting \"%.60s\"",
                            adapter->name, value->name);
            const char *nearest = text_nearest(value->name, names, adapter->setting_count);
            return nearest == NULL
                       ? error_hint(err, "`mainstay adapter show %s` lists them.", adapter->name)
                       : error_hint(err, "Did you mean \"%s\"?", nearest);
        }
        if (setting->is_int && !text_to_i64(value->value, &number))
            return error_set(err, ERROR_USAGE, "setting \"%s\": \"%.60s\" is no whole number",
                             value->name, value->value);
    }
    return true;
}

static const char *value_of(const struct adapter_options *options, const struct settings *settings,
                            const struct adapter_setting *setting)
{
    for (size_t i = 0; i < options->value_count; i++)
        if (strcmp(options->values[i].name, setting->name) == 0)
            return options->values[i].value;
    for (size_t i = 0; settings->installed != NULL && i < query_rows(settings->installed); i++)
        if (strcmp(query_field(settings->installed, i, 0), setting->name) == 0)
            return query_field(settings->installed, i, 1);
    return setting->standard;
}

/* A value for every setting of the manifest. connection is NULL where nothing is installed. */
static bool choose_settings(struct connection *connection, const struct adapter_options *options,
                            struct settings *out, struct error *err)
{
    const struct adapter *adapter = options->adapter;
    struct query query = {.sql = "SELECT name, value FROM mainstay.settings",
                          .what = "read the settings of the adapter"};
    if (adapter->setting_count > SETTINGS_MAX)
        return error_set(err, ERROR_INVALID, "more than %d settings", SETTINGS_MAX);
    if (!check_given(options, err) ||
        (connection != NULL && !query_run(connection, &query, &out->installed, err)))
        return false;
    for (size_t i = 0; i < adapter->setting_count; i++) {
        const struct adapter_setting *setting = &adapter->settings[i];
        const char *value = value_of(options, out, setting);
        if (value == NULL) {
            (void)error_set(err, ERROR_USAGE, "adapter \"%s\" needs setting \"%s\": %s",
                            adapter->name, setting->name, setting->help);
            return error_hint(err, "Give it as --set %s=VALUE.", setting->name);
        }
        out->values[out->count++] = (struct adapter_value){setting->name, value};
    }
    return true;
}

/* --- the script ------------------------------------------------------------------------------ */

static void put_row(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, "  (");
    adapter_put_literal(name, out);
    buf_printf(out, ", ");
    adapter_put_literal(value, out);
    buf_printf(out, "),\n");
}

static void put_names_row(const char *name, const struct adapter_names *names, struct buf *out)
{
    struct buf list;
    buf_init(&list, ADAPTER_SCRIPT_MAX_BYTES);
    for (size_t i = 0; i < names->count; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : ",", names->items[i]);
    const char *text = buf_text(&list);
    put_row(name, text == NULL ? "" : text, out);
    buf_release(&list);
}

/* One line for each thing to do. */
static void put_hooks_row(const struct adapter *adapter, struct buf *out)
{
    struct buf list;
    buf_init(&list, ADAPTER_SCRIPT_MAX_BYTES);
    for (size_t i = 0; i < adapter->after_commit_count; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : "\n", adapter->after_commit[i].command);
    const char *text = buf_text(&list);
    put_row("after_commit", text == NULL ? "" : text, out);
    buf_release(&list);
}

/* A helpdesk without orders of its own has them where a setting names the shop's table of them. */
static const char offered_orders[] =
    "UPDATE mainstay.settings SET value = concat_ws(',', NULLIF(value, ''), 'orders')\n"
    "  WHERE name = 'capabilities' AND to_regclass('mainstay.orders') IS NOT NULL\n"
    "    AND 'orders' <> ALL (string_to_array(value, ','));\n";

static void put_settings(const struct adapter *adapter, const struct settings *settings,
                         struct buf *out)
{
    char chunk[24];
    (void)snprintf(chunk, sizeof chunk, "%" PRId64, adapter->chunk);
    buf_printf(out, "SET ROLE mainstay_owner;\n"
                    "DELETE FROM mainstay.settings;\n"
                    "INSERT INTO mainstay.settings (name, value) VALUES\n");
    for (size_t i = 0; i < settings->count; i++)
        put_row(settings->values[i].name, settings->values[i].value, out);
    put_row("title", adapter->title, out);
    put_names_row("capabilities", &adapter->capabilities, out);
    put_hooks_row(adapter, out);
    put_row("chunk", chunk, out);
    put_row("adapter", adapter->name, out);
    put_row("adapter_version", adapter->version, out);
    buf_printf(out, "  ('core', '%s');\n%sRESET ROLE;\n", ADAPTER_CORE_VERSION, offered_orders);
}

static void put_part(const char *name, const char *sql, struct buf *out)
{
    buf_printf(out, "\n-- %s\n", name);
    buf_put(out, sql, strlen(sql));
}

static void put_core(struct buf *out)
{
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++)
        if (text_starts_with(file->name, core_prefix))
            put_part(file->name, file->text, out);
}

/* From the adapter's own part on: the same for a new installation and for a renewal. */
static bool put_adapter(const struct adapter *adapter, const struct settings *settings,
                        struct buf *out, struct error *err)
{
    char file[ADAPTER_NAME_SIZE + 32];
    (void)snprintf(file, sizeof file, "adapters/%s/adapter.sql", adapter->name);
    put_part("what a former installation made", drop_former, out);
    buf_printf(out, "\n-- %s\n", file);
    if (!adapter_sql_bind(adapter->sql, file, settings->values, settings->count, out, err))
        return false;
    put_part("what this installation made", keep_new, out);
    buf_printf(out, "\n-- settings\n");
    put_settings(adapter, settings, out);
    return buf_check(out, "the SQL of an adapter", err);
}

bool adapter_put_script(const struct adapter_options *options, struct buf *out, struct error *err)
{
    const struct adapter *adapter = options->adapter;
    CLEANUP(settings_release) struct settings settings = {0};
    if (!choose_settings(NULL, options, &settings, err))
        return false;
    buf_printf(out, "\\set ON_ERROR_STOP on\nBEGIN;\nSET LOCAL search_path = pg_catalog, \"%s\";\n",
               adapter->helpdesk_schema);
    if (adapter->schema_sql != NULL)
        put_part("the helpdesk's own tables", adapter->schema_sql, out);
    put_core(out);
    if (!put_adapter(adapter, &settings, out, err))
        return false;
    buf_printf(out, "\nCOMMIT;\n");
    return buf_check(out, "the SQL of an adapter", err);
}

/* --- the helpdesk ---------------------------------------------------------------------------- */

/* "a (x, y); b (z)" of the lines, as much as an error holds. */
static void summarise(const char *lines, char out[SUMMARY_BYTES])
{
    size_t at = 0;
    for (; *lines != '\0' && at + sizeof "; ..." < SUMMARY_BYTES; lines++) {
        if (*lines != '\n')
            out[at++] = *lines;
        else if (lines[1] != '\0')
            at += (size_t)snprintf(out + at, SUMMARY_BYTES - at, "; ");
    }
    (void)snprintf(out + at, SUMMARY_BYTES - at, "%s", *lines == '\0' ? "" : " ...");
}

/* The whole list goes to options->missing, its beginning into the error. */
static bool check_helpdesk(struct connection *connection, const struct adapter_options *options,
                           struct error *err)
{
    const struct adapter *adapter = options->adapter;
    char summary[SUMMARY_BYTES];
    struct buf missing;
    buf_init(&missing, ADAPTER_SCRIPT_MAX_BYTES);
    bool done = adapter_probe(connection, adapter, &missing, err);
    if (done && missing.len > 0) {
        if (options->missing != NULL)
            buf_put(options->missing, missing.data, missing.len);
        summarise(buf_text(&missing), summary);
        (void)error_set(err, ERROR_REFUSED,
                        "schema \"%s\" is no %s that adapter \"%s\" knows: missing are %s",
                        adapter->helpdesk_schema, adapter->title, adapter->name, summary);
        done = error_hint(err, "It was proved with version %s.", adapter->versions);
    }
    buf_release(&missing);
    return done;
}

/* A GRANT of somebody who may not grant is only a warning: a look through the views shows it. */
static bool check_views(struct connection *connection, const struct adapter *adapter,
                        struct error *err)
{
    static const char *const views[] = {"tickets", "messages", "customers", "ticket_tags",
                                        "orders"};
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        char sql[96];
        if (strcmp(views[i], "orders") == 0 && !adapter_has(adapter, "orders"))
            continue;
        (void)snprintf(sql, sizeof sql, "SELECT 1 FROM mainstay.%s LIMIT 0", views[i]);
        if (query_command(connection, sql, "look through the new views", err))
            continue;
        return error_hint(err, "mainstay_owner needs the GRANTs at the top of adapter.sql: install "
                               "as the owner of the helpdesk's tables or as a superuser.");
    }
    return true;
}

/* --- the transaction ------------------------------------------------------------------------- */

/* The adapter's SQL may call the helpdesk's tables by their bare names; its functions may not. */
static bool begin(struct connection *connection, const struct adapter *adapter, struct error *err)
{
    const char *const values[] = {adapter->helpdesk_schema};
    struct query path = {.sql = "SELECT pg_catalog.set_config('search_path',"
                                " 'pg_catalog, ' || pg_catalog.quote_ident($1), true)",
                         .values = values,
                         .count = ARRAY_LEN(values),
                         .what = "begin the installation"};
    return query_command(connection, "BEGIN ISOLATION LEVEL READ COMMITTED", "begin", err) &&
           query_script(connection,
                        "SET LOCAL lock_timeout = '10s';"
                        "SELECT pg_catalog.pg_advisory_xact_lock("
                        "pg_catalog.hashtextextended('mainstay.adapter', 0))",
                        "begin the installation", err) &&
           query_do(connection, &path, NULL, err);
}

static bool make_own_tables(struct connection *connection, const struct adapter *adapter,
                            struct error *err)
{
    bool there = false;
    if (adapter->schema_sql == NULL)
        return true;
    return exists(connection, adapter->helpdesk_schema, NULL, &there, err) &&
           (there ||
            query_script(connection, adapter->schema_sql, "make the helpdesk's tables", err));
}

static bool run_script(struct connection *connection, const struct adapter_options *options,
                       bool with_core, struct error *err)
{
    struct buf script;
    CLEANUP(settings_release) struct settings settings = {0};
    if (!choose_settings(with_core ? NULL : connection, options, &settings, err))
        return false;
    buf_init(&script, ADAPTER_SCRIPT_MAX_BYTES);
    if (with_core)
        put_core(&script);
    bool done = put_adapter(options->adapter, &settings, &script, err) &&
                query_script(connection, buf_text(&script), "install the adapter", err);
    buf_release(&script);
    return done;
}

static bool install(struct connection *connection, const struct adapter_options *options,
                    struct adapter_state *out_before, struct error *err)
{
    return begin(connection, options->adapter, err) &&
           adapter_state_read(connection, out_before, err) &&
           refuse_other(options, out_before, err) &&
           make_own_tables(connection, options->adapter, err) &&
           check_helpdesk(connection, options, err) &&
           run_script(connection, options, !out_before->present, err) &&
           check_views(connection, options->adapter, err) &&
           query_command(connection, "COMMIT", "commit the installation", err);
}

bool adapter_install(struct connection *connection, const struct adapter_options *options,
                     struct adapter_state *out_before, struct error *err)
{
    struct adapter_state before = {0};
    bool done = install(connection, options, &before, err);
    if (!done && err->kind == ERROR_DENIED)
        (void)error_hint(err, "Install as a superuser, or as the owner of the helpdesk's tables "
                              "with CREATEROLE and CREATE on the database.");
    if (done)
        *out_before = before;
    query_rollback(connection);
    return done;
}
