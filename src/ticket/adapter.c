/* The adapters inside the program: directories below adapters/ that have a manifest. */
#include "ticket/adapter.h"

#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMBEDDED_NAME_SIZE = 128, ADAPTERS_MAX = 64 };

static const char prefix[] = "adapters/";
static const char manifest_suffix[] = "/manifest.yaml";

static const struct embedded_file *file_of(const char *adapter, const char *file)
{
    char name[EMBEDDED_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s%s/%s", prefix, adapter, file);
    return embedded_find(name);
}

/* "rt5" of "adapters/rt5/manifest.yaml"; false for every other file. */
static bool adapter_of(const char *file, char out[EMBEDDED_NAME_SIZE])
{
    if (!text_starts_with(file, prefix) || !text_ends_with(file, manifest_suffix))
        return false;
    const char *name = file + strlen(prefix);
    (void)snprintf(out, EMBEDDED_NAME_SIZE, "%.*s", (int)(strcspn(name, "/")), name);
    return true;
}

static bool not_found(const char *name, struct error *err)
{
    char known[ADAPTERS_MAX][EMBEDDED_NAME_SIZE];
    const char *names[ADAPTERS_MAX];
    size_t count = 0;
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++) {
        if (count < ADAPTERS_MAX && adapter_of(file->name, known[count])) {
            names[count] = known[count];
            count++;
        }
    }
    (void)error_set(err, ERROR_NOT_FOUND, "there is no adapter \"%.60s\"", name);
    const char *nearest = text_nearest(name, names, count);
    if (nearest != NULL)
        return error_hint(err, "Did you mean \"%s\"?", nearest);
    return error_hint(err, "`mainstay adapter list` shows them.");
}

bool adapter_find(const char *name, struct adapter **out, struct error *err)
{
    const struct embedded_file *manifest = file_of(name, manifest_suffix + 1);
    const struct embedded_file *sql = file_of(name, "adapter.sql");
    const struct embedded_file *schema = file_of(name, "schema.sql");
    CLEANUP(adapter_cleanup) struct adapter *adapter = NULL;
    if (manifest == NULL)
        return not_found(name, err);
    if (!adapter_manifest_load(manifest->text, manifest->size, manifest->name, &adapter, err))
        return false;
    if (sql == NULL || strcmp(adapter->name, name) != 0)
        return error_set(err, ERROR_INVALID, "%s: %s", manifest->name,
                         sql == NULL ? "there is no adapter.sql beside it"
                                     : "name is not that of its directory");
    adapter->sql = sql->text;
    adapter->schema_sql = schema == NULL ? NULL : schema->text;
    *out = TAKE(adapter);
    return true;
}

bool adapter_list_load(struct adapter_list *out, struct error *err)
{
    char name[EMBEDDED_NAME_SIZE];
    CLEANUP(adapter_list_release) struct adapter_list list = {0};
    list.items = calloc(ADAPTERS_MAX, sizeof(struct adapter *));
    if (list.items == NULL)
        return error_no_memory(err, "the adapters");
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++) {
        if (!adapter_of(file->name, name) || list.count == ADAPTERS_MAX)
            continue;
        if (!adapter_find(name, &list.items[list.count], err))
            return false;
        list.count++;
    }
    *out = list;
    list = (struct adapter_list){0};
    return true;
}

void adapter_list_release(struct adapter_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        adapter_free(list->items[i]);
    free(list->items);
    *list = (struct adapter_list){0};
}
