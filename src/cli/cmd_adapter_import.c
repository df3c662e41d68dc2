/* mainstay adapter import */
#include "cli/command_rows.h"
#include "cli/helpdesk_session.h"
#include "cli/output.h"
#include "cli/progress_view.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "ticket/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* What the end of a name says about what is in the file. */
static const struct {
    const char *suffix;
    bool json_lines;
} formats[] = {{".csv", false}, {".jsonl", true}, {".ndjson", true}, {".json", true}};

struct mappings {
    struct import_mapping items[CALL_MAX_FLAGS];
    char *sources[CALL_MAX_FLAGS];
    size_t count;
};

static void mappings_release(struct mappings *mappings)
{
    for (size_t i = 0; i < mappings->count; i++)
        free(mappings->sources[i]);
}

static bool read_mappings(const struct invocation *call, struct mappings *out, struct error *err)
{
    for (size_t i = 0; i < call->value_count; i++) {
        const struct flag_value *flag = &call->values[i];
        if (strcmp(flag->name, "map") != 0)
            continue;
        const char *equals = strrchr(flag->text, '=');
        if (equals == NULL)
            return error_set(err, ERROR_USAGE, "--map \"%.60s\" is not SOURCE=COLUMN", flag->text);
        char *source = strndup(flag->text, (size_t)(equals - flag->text));
        if (source == NULL)
            return error_no_memory(err, "a mapping");
        out->sources[out->count] = source;
        out->items[out->count++] = (struct import_mapping){source, equals + 1};
    }
    return true;
}

static bool format_of(const char *file, bool *out_json_lines, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (text_ends_with(file, formats[i].suffix)) {
            *out_json_lines = formats[i].json_lines;
            return true;
        }
    }
    return error_set(err, ERROR_USAGE, "\"%s\" is neither .csv nor .jsonl", file);
}

/* One import for several files: the results gather in `results` for the end. */
struct job {
    struct invocation *call;
    struct connection *connection;
    struct import_options options;
    struct buf text;       /* for people */
    struct value *results; /* for machines: an array */
};

static bool add_result(struct job *job, const struct import_counts *counts, struct error *err)
{
    const char *kind = import_kind_name(job->options.kind);
    uint64_t same = counts->read - counts->created - counts->updated;
    bool rows = job->options.kind != IMPORT_TAGS;
    buf_printf(&job->text, "%s: %" PRIu64 " %s", job->options.file, counts->read,
               text_plural(counts->read, "record", "records"));
    if (rows)
        buf_printf(&job->text,
                   ": %" PRIu64 " %s new, %" PRIu64 " updated, %" PRIu64 " as they were",
                   counts->created, kind, counts->updated, same);
    if (!rows || job->options.kind == IMPORT_TICKETS)
        buf_printf(&job->text, ", %" PRIu64 " %s set", counts->tags,
                   text_plural(counts->tags, "tag", "tags"));
    buf_printf(&job->text, "\n");
    struct value *item = value_append_new_object(job->results, err);
    return item != NULL && value_set_text_lossy(item, "file", job->options.file, err) &&
           value_set_text(item, "kind", kind, err) &&
           value_set_u64(item, "read", counts->read, err) &&
           value_set_u64(item, "created", counts->created, err) &&
           value_set_u64(item, "updated", counts->updated, err) &&
           value_set_u64(item, "tags", counts->tags, err);
}

static bool import_one(struct job *job, const char *file, struct error *err)
{
    struct stat info;
    struct import_counts counts;
    struct progress progress = {.phase = "importing"};
    CLEANUP(close_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
    CLEANUP(progress_view_stop) struct progress_view view = {0};
    if (fd < 0 || fstat(fd, &info) != 0)
        return error_set_errno(err, errno, "could not open \"%s\"", file);
    if (!format_of(file, &job->options.json_lines, err))
        return false;
    job->options.fd = fd;
    job->options.file = file;
    job->options.progress = &progress;
    progress_add(&progress.bytes_total, (uint64_t)info.st_size);
    progress_view_start(&view, &progress, job->call);
    bool done = import_file(job->connection, &job->options, &counts, err);
    progress_view_stop(&view);
    job->options.progress = NULL;
    return done && add_result(job, &counts, err);
}

/* The file of the kind in a directory; NULL without err filled when there is none. */
static char *file_of_kind(const char *directory, enum import_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        char *path = text_format("%s/%s%s", directory, import_kind_name(kind), formats[i].suffix);
        if (path == NULL || access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static bool import_directory(struct job *job, const char *directory, struct error *err)
{
    size_t found = 0;
    for (int kind = 0; kind < IMPORT_KIND_COUNT; kind++) {
        CLEANUP(free_pointer) char *file = file_of_kind(directory, (enum import_kind)kind);
        if (file == NULL)
            continue;
        found++;
        job->options.kind = (enum import_kind)kind;
        if (!import_one(job, file, err))
            return false;
    }
    if (found > 0)
        return true;
    (void)error_set(err, ERROR_NOT_FOUND, "there is nothing to import in \"%s\"", directory);
    return error_hint(err, "Files are called customers.csv, orders.csv, tickets.csv, messages.csv, "
                           "tags.csv, or the same with .jsonl.");
}

static bool import_what(struct job *job, struct error *err)
{
    struct stat info;
    const char *operand = job->call->operand;
    const char *kind = invocation_value(job->call, "kind");
    if (stat(operand, &info) != 0)
        return error_set_errno(err, errno, "could not open \"%s\"", operand);
    if (S_ISDIR(info.st_mode) != (kind == NULL))
        return error_set(err, ERROR_USAGE, "--kind goes with a file, and a file needs it");
    if (kind == NULL)
        return import_directory(job, operand, err);
    if (!import_kind_from_text(kind, &job->options.kind))
        return error_set(err, ERROR_USAGE,
                         "--kind \"%.40s\" is not customers, orders, tickets, messages or tags",
                         kind);
    return import_one(job, operand, err);
}

static bool import_and_print(struct job *job, struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    job->results = root == NULL ? NULL : value_set_new_array(root, "imported", err);
    if (job->results == NULL)
        return false;
    buf_init(&job->text, OUTPUT_MAX_BYTES);
    bool done = import_what(job, err);
    /* Each file is a transaction: what was imported before the failure is there. */
    struct error unprinted = {0};
    if (job->call->json && done)
        done = output_value(job->call, root, err);
    else if (!job->call->json)
        done = output_write(job->call, &job->text, done ? err : &unprinted) && done;
    buf_release(&job->text);
    return done;
}

static bool run_import(struct invocation *call, struct error *err)
{
    const char *zone = invocation_value(call, "zone");
    CLEANUP(mappings_release) struct mappings mappings = {.count = 0};
    CLEANUP(time_zone_cleanup) struct time_zone *loaded = NULL;
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (!read_mappings(call, &mappings, err) ||
        (zone != NULL && !time_zone_load(zone, TIME_ZONE_DIRECTORY, &loaded, err)) ||
        !helpdesk_session_open(&call->config, "adapter import", &connection, err))
        return false;
    struct job job = {.call = call,
                      .connection = connection,
                      .options = {.mappings = mappings.items,
                                  .mapping_count = mappings.count,
                                  .skip_unknown = invocation_has(call, "skip-unknown"),
                                  .zone = loaded}};
    return import_and_print(&job, err);
}

const struct command command_adapter_import = {
    .noun = "adapter",
    .verb = "import",
    .summary = "fill the reference helpdesk from another helpdesk's export",
    .details =
        "Reads CSV or JSON lines: one file of a kind, or a directory with customers, orders, "
        "tickets, messages and tags in it. Rows are known by the other helpdesk's ids, so "
        "that a second import updates them; tags are only ever added. A column that is not "
        "known is an error, unless it is mapped or left out. One file is one transaction. "
        "The login must be a member of helpdesk_import.",
    .groups = GROUP_HELPDESK | GROUP_LOG,
    .flags = {{"kind", "KIND", NULL,
               "What a file holds: customers, orders, tickets, messages, tags."},
              {"map", "SOURCE=COLUMN", NULL,
               "A column of the file under a name of ours; nothing behind the = leaves it out. May "
               "be given several times."},
              {"skip-unknown", NULL, NULL, "Leave out all columns that are not known."},
              {"zone", "ZONE", "times without one are refused",
               "IANA time zone of times that have none: Europe/Berlin."}},
    .operand = "PATH",
    .examples = {"mainstay adapter import export/ --helpdesk 'dbname=helpdesk'",
                 "mainstay adapter import tickets.csv --kind tickets --map 'Case ID=external_id'"},
    .run = run_import,
};
