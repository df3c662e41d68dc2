#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/file.h"
#include "base/text.h"
#include "document/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".yaml"

enum { NAMES_MAX = 500 };

void runbook_source_release(struct runbook_source *source)
{
    free(source->name);
    free(source->file);
    buf_release(&source->text);
    *source = (struct runbook_source){0};
}

void runbook_sources_free(struct runbook_source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++)
        runbook_source_release(&sources[i]);
    free(sources);
}

/* A runbook's name and nothing that leads out of a directory. */
static bool is_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

/* The name in "carrier-outage.yaml", or NULL when it is no such file. */
static char *name_of(const char *file_name)
{
    size_t len = strlen(file_name);
    size_t suffix = strlen(SUFFIX);
    if (len <= suffix || strcmp(file_name + len - suffix, SUFFIX) != 0)
        return NULL;
    char *name = strndup(file_name, len - suffix);
    if (name != NULL && is_name(name))
        return name;
    free(name);
    return NULL;
}

static bool read_file(const char *path, struct runbook_source *out, struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    *out = (struct runbook_source){.name = name_of(base), .file = strdup(path)};
    buf_init(&out->text, YAML_MAX_BYTES + 1);
    if (out->name == NULL)
        out->name = strdup(base);
    bool done = out->name == NULL || out->file == NULL ? error_no_memory(err, "a runbook")
                                                       : file_read_all(path, &out->text, err);
    if (done && buf_text(&out->text) == NULL)
        done = error_no_memory(err, "a runbook");
    if (!done)
        runbook_source_release(out);
    return done;
}

static bool use_embedded(const struct embedded_file *file, struct runbook_source *out,
                         struct error *err)
{
    *out = (struct runbook_source){.name = name_of(file->name),
                                   .file = text_format("built-in/%s", file->name),
                                   .built_in = true};
    buf_init(&out->text, YAML_MAX_BYTES + 1);
    buf_put(&out->text, file->text, file->size);
    if (out->name != NULL && out->file != NULL && buf_text(&out->text) != NULL)
        return true;
    runbook_source_release(out);
    return error_no_memory(err, "a runbook");
}

static bool is_runbook(const struct embedded_file *file)
{
    CLEANUP(free_pointer) char *name = strchr(file->name, '/') == NULL ? name_of(file->name) : NULL;
    return name != NULL;
}

/* ---- the list ---- */

struct source_list {
    struct runbook_source *items;
    size_t count;
};

static void list_release(struct source_list *list)
{
    runbook_sources_free(list->items, list->count);
}

static const struct runbook_source *find_in(const struct source_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

/* Takes the source. */
static bool add_source(struct source_list *list, struct runbook_source *source, struct error *err)
{
    struct runbook_source *items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (items == NULL) {
        runbook_source_release(source);
        return error_no_memory(err, "runbooks");
    }
    list->items = items;
    items[list->count++] = *source;
    return true;
}

static bool add_directory(const char *directory, struct source_list *list, struct error *err)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    if (count < 0)
        return error_set_errno(err, errno, "could not list runbook.directory \"%s\"", directory);
    bool done = true;
    for (int i = 0; i < count; i++) {
        struct runbook_source source;
        CLEANUP(free_pointer) char *name = name_of(entries[i]->d_name);
        CLEANUP(free_pointer) char *path = path_join(directory, entries[i]->d_name);
        if (done && name != NULL)
            done = path == NULL ? error_no_memory(err, "a path")
                                : read_file(path, &source, err) && add_source(list, &source, err);
        free(entries[i]);
    }
    free(entries);
    return done;
}

static int compare_sources(const void *left, const void *right)
{
    const struct runbook_source *a = left;
    const struct runbook_source *b = right;
    return strcmp(a->name, b->name);
}

bool runbook_sources_list(const struct invocation *call, struct runbook_source **out,
                          size_t *out_count, struct error *err)
{
    CLEANUP(list_release) struct source_list list = {0};
    const char *directory = config_text(&call->config, OPTION_RUNBOOK_DIRECTORY);
    if (directory != NULL && !add_directory(directory, &list, err))
        return false;
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++) {
        struct runbook_source source;
        CLEANUP(free_pointer) char *name = is_runbook(file) ? name_of(file->name) : NULL;
        if (name == NULL || find_in(&list, name) != NULL)
            continue;
        if (!use_embedded(file, &source, err) || !add_source(&list, &source, err))
            return false;
    }
    if (list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, compare_sources);
    *out = list.items;
    *out_count = list.count;
    list = (struct source_list){0};
    return true;
}

/* ---- one of them ---- */

static bool not_found(const struct invocation *call, const char *name, struct error *err)
{
    struct error ignored;
    struct runbook_source *sources;
    size_t count;
    const char *names[NAMES_MAX];
    (void)error_set(err, ERROR_NOT_FOUND, "there is no runbook \"%.80s\"", name);
    if (!runbook_sources_list(call, &sources, &count, &ignored))
        return false;
    for (size_t i = 0; i < count && i < NAMES_MAX; i++)
        names[i] = sources[i].name;
    const char *nearest = text_nearest(name, names, count < NAMES_MAX ? count : NAMES_MAX);
    if (nearest != NULL)
        (void)error_hint(err, "Did you mean \"%s\"?", nearest);
    else
        (void)error_hint(err, "`mainstay runbook list` shows what there is; a file is given with "
                              "its path.");
    runbook_sources_free(sources, count);
    return false;
}

static bool find_name(const struct invocation *call, const char *name, struct runbook_source *out,
                      struct error *err)
{
    const char *directory = config_text(&call->config, OPTION_RUNBOOK_DIRECTORY);
    CLEANUP(free_pointer) char *file_name = text_format("%s" SUFFIX, name);
    CLEANUP(free_pointer)
    char *path = directory == NULL || file_name == NULL ? NULL : path_join(directory, file_name);
    if (file_name == NULL || (directory != NULL && path == NULL))
        return error_no_memory(err, "a path");
    if (path != NULL && access(path, F_OK) == 0)
        return read_file(path, out, err);
    const struct embedded_file *file = embedded_find(file_name);
    return file == NULL ? not_found(call, name, err) : use_embedded(file, out, err);
}

bool runbook_source_find(const struct invocation *call, const char *name_or_file,
                         struct runbook_source *out, struct error *err)
{
    if (strchr(name_or_file, '/') != NULL || text_ends_with(name_or_file, SUFFIX))
        return read_file(name_or_file, out, err);
    return is_name(name_or_file) ? find_name(call, name_or_file, out, err)
                                 : not_found(call, name_or_file, err);
}

bool runbook_source_load(const struct invocation *call, const char *name_or_file,
                         struct runbook **out, struct error *err)
{
    CLEANUP(runbook_source_release) struct runbook_source source = {0};
    return runbook_source_find(call, name_or_file, &source, err) &&
           runbook_load((const char *)source.text.data, source.text.len, source.file, out, err);
}
