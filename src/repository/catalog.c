#include "repository/catalog.h"

#include "base/text.h"
#include "repository/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_PREFIX_MIN = 4 };

void catalog_release(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        free(catalog->entries[i].key);
        snapshot_info_release(&catalog->entries[i].info);
    }
    free(catalog->entries);
    *catalog = (struct catalog){0};
}

static bool add_key(void *context, const struct store_object *object, struct error *err)
{
    struct catalog *catalog = context;
    if (!text_ends_with(object->key, ".manifest"))
        return true;
    struct catalog_entry *entries = realloc(catalog->entries,
                                            (catalog->count + 1) * sizeof *entries);
    if (entries == NULL)
        return error_no_memory(err, "the list of snapshots");
    catalog->entries = entries;
    entries[catalog->count] = (struct catalog_entry){.key = strdup(object->key),
                                                     .size_bytes = object->size_bytes};
    if (entries[catalog->count].key == NULL)
        return error_no_memory(err, "the list of snapshots");
    catalog->count++;
    return true;
}

/* What says something about this one manifest, not about the store or this machine. */
static bool is_about_the_object(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_UNSUPPORTED || kind == ERROR_REFUSED;
}

/* *out_gone: it was removed since it was listed. */
static bool load_entry(const struct repository *repository, struct catalog_entry *entry,
                       bool *out_gone, struct error *err)
{
    char expected[MANIFEST_KEY_SIZE];
    entry->readable = manifest_load_info(repository, entry->key, &entry->info, err);
    if (entry->readable && strcmp(manifest_key(&entry->info, expected), entry->key) != 0) {
        snapshot_info_release(&entry->info);
        entry->readable = error_set(err, ERROR_CORRUPT,
                                    "manifest \"%s\" describes another snapshot", entry->key);
    }
    *out_gone = !entry->readable && err->kind == ERROR_NOT_FOUND;
    if (entry->readable || *out_gone)
        return true;
    if (!is_about_the_object(err->kind))
        return false;
    (void)snprintf(entry->problem, sizeof entry->problem, "%.*s", (int)sizeof entry->problem - 1,
                   err->text);
    return true;
}

static bool load_entries(const struct repository *repository, struct catalog *catalog,
                         struct error *err)
{
    size_t kept = 0;
    size_t count = catalog->count;
    bool done = true;
    for (size_t i = 0; i < count; i++) {
        struct catalog_entry entry = catalog->entries[i];
        bool gone = false;
        done = done && load_entry(repository, &entry, &gone, err);
        if (gone)
            free(entry.key);
        else
            catalog->entries[kept++] = entry;
    }
    catalog->count = kept;
    return done;
}

bool catalog_load(const struct repository *repository, struct catalog *out, struct error *err)
{
    struct catalog catalog = {0};
    bool done = store_list(repository->store, "snapshots/", add_key, &catalog, err) &&
                load_entries(repository, &catalog, err);
    if (!done) {
        catalog_release(&catalog);
        return error_wrap(err, "could not list the snapshots");
    }
    *out = catalog;
    return true;
}

/* The newest one. When it cannot be read, an older one in its place would be a silent loss of what
 * happened in between: the caller has to name it. */
static bool find_latest(const struct catalog *catalog, const struct catalog_entry **out,
                        struct error *err)
{
    if (catalog->count == 0) {
        (void)error_set(err, ERROR_NOT_FOUND, "the repository holds no snapshot");
        return error_hint(err, "Take one with: mainstay snapshot create");
    }
    const struct catalog_entry *newest = &catalog->entries[catalog->count - 1];
    if (newest->readable) {
        *out = newest;
        return true;
    }
    (void)error_set(err, ERROR_CORRUPT, "cannot read the newest snapshot: %s", newest->problem);
    for (size_t i = catalog->count; i-- > 0;)
        if (catalog->entries[i].readable)
            return error_hint(err, "The newest that can be read is %s; name it with: --snapshot %s",
                              catalog->entries[i].info.id, catalog->entries[i].info.id);
    return false;
}

bool catalog_find(const struct catalog *catalog, const char *wanted,
                  const struct catalog_entry **out, struct error *err)
{
    const struct catalog_entry *found = NULL;
    if (strcmp(wanted, "latest") == 0)
        return find_latest(catalog, out, err);
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_entry *entry = &catalog->entries[i];
        /* The id stands in the key too, so that a damaged manifest can be named. */
        const char *dash = strchr(entry->key, '-');
        const char *id = entry->readable || dash == NULL ? entry->info.id : dash + 1;
        if (strlen(wanted) < ID_PREFIX_MIN || !text_starts_with(id, wanted))
            continue;
        if (found != NULL)
            return error_set(err, ERROR_USAGE, "\"%s\" is the beginning of several snapshot ids",
                             wanted);
        found = entry;
    }
    if (found == NULL) {
        (void)error_set(err, ERROR_NOT_FOUND, "there is no snapshot \"%.64s\"", wanted);
        return error_hint(err, "List them with: mainstay snapshot list");
    }
    if (!found->readable)
        return error_set(err, ERROR_CORRUPT, "%s", found->problem);
    *out = found;
    return true;
}
