/* Reads manifest.yaml: each part of it by a function of its own, all with the position in errors.
 */
#include "ticket/adapter.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_MIN = 1, CHUNK_MAX = 10000, CHUNK_STANDARD = 1000 };

/* Names that become identifiers, settings or words in messages. */
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

static const char *const manifest_keys[] = {"name",   "title",       "versions", "adapter",
                                            "schema", "probe",       "settings", "capabilities",
                                            "limits", "after_commit"};
static const char *const setting_keys[] = {"type", "default", "help"};
static const char *const hook_keys[] = {"name", "command", "help"};
static const char *const limit_keys[] = {"chunk"};
static const char *const known_capabilities[] = {"orders", "phone", "locale", "time-zone",
                                                 "history"};
/* mainstay.settings has these from the installer itself. */
static const char *const reserved_settings[] = {"core",  "adapter",      "adapter_version", "chunk",
                                                "title", "capabilities", "after_commit"};

static bool bad(const char *file, int line, int column, struct error *err, const char *format, ...)
    FORMAT(5, 6);

static bool bad(const char *file, int line, int column, struct error *err, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, ERROR_INVALID, "%s:%d:%d: %s", file, line, column, text);
}

/* As in base/error.h: it always returns false, and the analysers have to see it. */
#define bad(...) (bad(__VA_ARGS__), false)

static bool bad_node(const char *file, const struct yaml_node *node, const char *wanted,
                     struct error *err)
{
    return bad(file, node->line, node->column, err, "%s where %s is wanted",
               yaml_kind_name(node->kind), wanted);
}

static bool is_among(const char *word, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, names[i]) == 0)
            return true;
    return false;
}

static bool hint_nearest(const char *word, const char *const *names, size_t count,
                         struct error *err)
{
    const char *nearest = text_nearest(word, names, count);
    return nearest != NULL && error_hint(err, "Did you mean \"%s\"?", nearest);
}

static bool check_mapping(const char *file, const struct yaml_node *node, const char *const *keys,
                          size_t count, struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return bad_node(file, node, "a mapping", err);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        if (is_among(pair->key, keys, count))
            continue;
        (void)bad(file, pair->line, pair->column, err, "unknown key \"%.60s\"", pair->key);
        return hint_nearest(pair->key, keys, count, err);
    }
    return true;
}

static bool copy_text(const char *text, char **out, struct error *err)
{
    *out = strdup(text);
    return *out != NULL || error_no_memory(err, "a manifest");
}

/* A member's text; one that is not there stays NULL where it may be missing. */
static bool read_text(const char *file, const struct yaml_node *mapping, const char *key,
                      bool required, char **out, struct error *err)
{
    const struct yaml_pair *pair = yaml_find(mapping, key);
    if (pair == NULL)
        return !required || bad(file, mapping->line, mapping->column, err, "%s is missing", key);
    if (pair->value->kind != YAML_SCALAR)
        return bad_node(file, pair->value, "a text", err);
    if (required && pair->value->text[0] == '\0')
        return bad(file, pair->line, pair->column, err, "%s is empty", key);
    return copy_text(pair->value->text, out, err);
}

static bool check_name(const char *file, const char *name, int line, int column, struct error *err)
{
    if (name[0] != '\0' && strspn(name, name_letters) == strlen(name))
        return true;
    return bad(file, line, column, err,
               "\"%.60s\" is no name: only a-z, 0-9, \"_\" and \"-\" may be in it", name);
}

static bool read_names(const char *file, const struct yaml_node *node, struct adapter_names *out,
                       struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return bad_node(file, node, "a list", err);
    out->items = calloc(node->count + 1, sizeof *out->items);
    if (out->items == NULL)
        return error_no_memory(err, "a manifest");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_SCALAR)
            return bad_node(file, item, "a text", err);
        if (!check_name(file, item->text, item->line, item->column, err) ||
            !copy_text(item->text, &out->items[i], err))
            return false;
        out->count++;
    }
    return true;
}

static bool read_probe(const char *file, const struct yaml_node *node, struct adapter *out,
                       struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return bad_node(file, node, "a mapping of tables", err);
    out->tables = calloc(node->count + 1, sizeof *out->tables);
    if (out->tables == NULL)
        return error_no_memory(err, "a manifest");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        struct adapter_table *table = &out->tables[out->table_count++];
        if (!check_name(file, pair->key, pair->line, pair->column, err) ||
            !copy_text(pair->key, &table->name, err) ||
            !read_names(file, pair->value, &table->columns, err))
            return false;
        if (table->columns.count == 0)
            return bad(file, pair->line, pair->column, err, "no columns of table \"%.60s\"",
                       pair->key);
    }
    return true;
}

static bool read_setting_type(const char *file, const struct yaml_node *node,
                              struct adapter_setting *setting, struct error *err)
{
    int64_t number;
    const struct yaml_pair *type = yaml_find(node, "type");
    if (type == NULL)
        return true;
    if (type->value->kind != YAML_SCALAR ||
        (strcmp(type->value->text, "int") != 0 && strcmp(type->value->text, "text") != 0))
        return bad(file, type->line, type->column, err, "a type is \"int\" or \"text\"");
    setting->is_int = strcmp(type->value->text, "int") == 0;
    if (setting->is_int && setting->standard != NULL && !text_to_i64(setting->standard, &number))
        return bad(file, node->line, node->column, err, "\"%.60s\" is no whole number",
                   setting->standard);
    return true;
}

static bool read_settings(const char *file, const struct yaml_node *node, struct adapter *out,
                          struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return bad_node(file, node, "a mapping of settings", err);
    out->settings = calloc(node->count + 1, sizeof *out->settings);
    if (out->settings == NULL)
        return error_no_memory(err, "a manifest");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        struct adapter_setting *setting = &out->settings[out->setting_count++];
        if (!check_name(file, pair->key, pair->line, pair->column, err))
            return false;
        if (is_among(pair->key, reserved_settings, ARRAY_LEN(reserved_settings)))
            return bad(file, pair->line, pair->column, err, "\"%s\" is a name of the installer's",
                       pair->key);
        if (!copy_text(pair->key, &setting->name, err) ||
            !check_mapping(file, pair->value, setting_keys, ARRAY_LEN(setting_keys), err) ||
            !read_text(file, pair->value, "default", false, &setting->standard, err) ||
            !read_text(file, pair->value, "help", true, &setting->help, err) ||
            !read_setting_type(file, pair->value, setting, err))
            return false;
    }
    return true;
}

static bool read_capabilities(const char *file, const struct yaml_node *node, struct adapter *out,
                              struct error *err)
{
    if (!read_names(file, node, &out->capabilities, err))
        return false;
    for (size_t i = 0; i < out->capabilities.count; i++) {
        const char *name = out->capabilities.items[i];
        if (is_among(name, known_capabilities, ARRAY_LEN(known_capabilities)))
            continue;
        (void)bad(file, node->items[i]->line, node->items[i]->column, err,
                  "unknown capability \"%.60s\"", name);
        return hint_nearest(name, known_capabilities, ARRAY_LEN(known_capabilities), err);
    }
    return true;
}

static bool read_hooks(const char *file, const struct yaml_node *node, struct adapter *out,
                       struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return bad_node(file, node, "a list", err);
    out->after_commit = calloc(node->count + 1, sizeof *out->after_commit);
    if (out->after_commit == NULL)
        return error_no_memory(err, "a manifest");
    for (size_t i = 0; i < node->count; i++) {
        struct adapter_hook *hook = &out->after_commit[out->after_commit_count++];
        if (!check_mapping(file, node->items[i], hook_keys, ARRAY_LEN(hook_keys), err) ||
            !read_text(file, node->items[i], "name", true, &hook->name, err) ||
            !read_text(file, node->items[i], "command", true, &hook->command, err) ||
            !read_text(file, node->items[i], "help", true, &hook->help, err))
            return false;
    }
    return true;
}

static bool read_limits(const char *file, const struct yaml_node *node, struct adapter *out,
                        struct error *err)
{
    CLEANUP(free_pointer) char *chunk = NULL;
    if (!check_mapping(file, node, limit_keys, ARRAY_LEN(limit_keys), err) ||
        !read_text(file, node, "chunk", true, &chunk, err))
        return false;
    if (text_to_i64(chunk, &out->chunk) && out->chunk >= CHUNK_MIN && out->chunk <= CHUNK_MAX)
        return true;
    return bad(file, node->line, node->column, err, "chunk is %d to %d", CHUNK_MIN, CHUNK_MAX);
}

struct part {
    const char *key;
    bool (*read)(const char *file, const struct yaml_node *node, struct adapter *out,
                 struct error *err);
};

static const struct part parts[] = {{"probe", read_probe},
                                    {"settings", read_settings},
                                    {"capabilities", read_capabilities},
                                    {"after_commit", read_hooks},
                                    {"limits", read_limits}};

static bool read_manifest(const char *file, const struct yaml_node *root, struct adapter *out,
                          struct error *err)
{
    if (!check_mapping(file, root, manifest_keys, ARRAY_LEN(manifest_keys), err) ||
        !read_text(file, root, "name", true, &out->name, err) ||
        !check_name(file, out->name, root->line, root->column, err) ||
        !read_text(file, root, "title", true, &out->title, err) ||
        !read_text(file, root, "versions", true, &out->versions, err) ||
        !read_text(file, root, "adapter", true, &out->version, err) ||
        !read_text(file, root, "schema", false, &out->helpdesk_schema, err))
        return false;
    if (out->helpdesk_schema == NULL && !copy_text("public", &out->helpdesk_schema, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct yaml_pair *pair = yaml_find(root, parts[i].key);
        if (pair != NULL && !parts[i].read(file, pair->value, out, err))
            return false;
    }
    return out->table_count > 0 || bad(file, root->line, root->column, err, "probe is missing");
}

bool adapter_manifest_load(const char *text, size_t len, const char *file, struct adapter **out,
                           struct error *err)
{
    CLEANUP(yaml_cleanup) struct yaml_node *root = NULL;
    CLEANUP(adapter_cleanup) struct adapter *adapter = calloc(1, sizeof *adapter);
    if (adapter == NULL)
        return error_no_memory(err, "a manifest");
    adapter->chunk = CHUNK_STANDARD;
    adapter->sql = "";
    if (!yaml_parse(text, len, file, &root, err) || !read_manifest(file, root, adapter, err))
        return false;
    *out = TAKE(adapter);
    return true;
}

static void release_names(struct adapter_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

void adapter_free(struct adapter *adapter)
{
    if (adapter == NULL)
        return;
    for (size_t i = 0; i < adapter->table_count; i++) {
        free(adapter->tables[i].name);
        release_names(&adapter->tables[i].columns);
    }
    for (size_t i = 0; i < adapter->setting_count; i++) {
        free(adapter->settings[i].name);
        free(adapter->settings[i].standard);
        free(adapter->settings[i].help);
    }
    for (size_t i = 0; i < adapter->after_commit_count; i++) {
        free(adapter->after_commit[i].name);
        free(adapter->after_commit[i].command);
        free(adapter->after_commit[i].help);
    }
    release_names(&adapter->capabilities);
    free(adapter->tables);
    free(adapter->settings);
    free(adapter->after_commit);
    free(adapter->name);
    free(adapter->title);
    free(adapter->versions);
    free(adapter->version);
    free(adapter->helpdesk_schema);
    free(adapter);
}

void adapter_cleanup(struct adapter **adapter)
{
    adapter_free(*adapter);
    *adapter = NULL;
}

const struct adapter_setting *adapter_setting(const struct adapter *adapter, const char *name)
{
    for (size_t i = 0; i < adapter->setting_count; i++)
        if (strcmp(adapter->settings[i].name, name) == 0)
            return &adapter->settings[i];
    return NULL;
}

bool adapter_has(const struct adapter *adapter, const char *capability)
{
    return is_among(capability, (const char *const *)adapter->capabilities.items,
                    adapter->capabilities.count);
}
