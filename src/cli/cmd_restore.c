/* mainstay restore */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "config/config_fill.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* OLD=NEW pairs, split; pointers into copies. */
struct tablespace_maps {
    struct restore_tablespace_map maps[CALL_MAX_FLAGS];
    char *copies[CALL_MAX_FLAGS];
    size_t count;
};

static void maps_release(struct tablespace_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        free(maps->copies[i]);
}

static bool add_map(struct tablespace_maps *maps, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] != '/') {
        (void)error_set(err, ERROR_USAGE, "--tablespace \"%.200s\" is not OLD=NEW", text);
        return error_hint(err, "OLD is a path on the source server or an OID, NEW an absolute path "
                               "here: --tablespace /ssd/pg=/mnt/ssd");
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return error_no_memory(err, "a path");
    copy[equals - text] = '\0';
    maps->copies[maps->count] = copy;
    maps->maps[maps->count++] = (struct restore_tablespace_map){.from = copy,
                                                                .to = copy + (equals - text) + 1};
    return true;
}

static bool read_maps(const struct invocation *call, struct tablespace_maps *maps,
                      struct error *err)
{
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].name, "tablespace") == 0 &&
            !add_map(maps, call->values[i].text, err))
            return false;
    }
    return true;
}

static bool check_flags(const struct invocation *call, struct error *err)
{
    bool tar = invocation_has(call, "tar");
    bool to = invocation_has(call, "to");
    if (!tar && !to) {
        (void)error_set(err, ERROR_USAGE, "`mainstay restore` needs --to DIR or --tar");
        return error_hint(err, "For example: mainstay restore --to /var/lib/postgresql/restored");
    }
    if (!tar)
        return true;
    if (to || invocation_has(call, "delta") || invocation_has(call, "tablespace"))
        return error_set(err, ERROR_USAGE, "--tar does not go with --to, --delta or --tablespace");
    if (call->json)
        return error_set(err, ERROR_USAGE, "--tar does not go with --json: stdout is the archive");
    if (isatty(STDOUT_FILENO) != 0)
        return error_set(err, ERROR_USAGE, "--tar does not write an archive to a terminal");
    return true;
}

static bool print_json(const struct invocation *call, const struct restore_result *result,
                       struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    return root != NULL && value_set_text(root, "snapshot", result->info.id, err) &&
           value_set_u64(root, "files", result->files, err) &&
           value_set_u64(root, "bytes_total", result->bytes_total, err) &&
           value_set_u64(root, "bytes_fetched", result->bytes_fetched, err) &&
           value_set_u64(root, "bytes_written", result->bytes_written, err) &&
           value_set_u64(root, "bytes_kept", result->bytes_kept, err) &&
           value_set_u64(root, "files_removed", result->files_removed, err) &&
           value_set_u64(root, "files_differ", result->files_differ, err) &&
           value_set_i64(root, "duration_us", result->duration_us, err) &&
           output_value(call, root, err);
}

static void put_summary(const struct invocation *call, const struct restore_result *result,
                        struct buf *out)
{
    char total[TEXT_SIZE];
    char fetched[TEXT_SIZE];
    char written[TEXT_SIZE];
    char kept[TEXT_SIZE];
    char took[TEXT_SIZE];
    const char *to = invocation_value(call, "to");
    buf_printf(out, "restored snapshot %s to ", result->info.id);
    output_put_clean(to == NULL ? "stdout" : to, out);
    buf_printf(out, ", %s\n  %" PRIu64 " files, %s; fetched %s, wrote %s\n",
               text_duration_us(result->duration_us, took), result->files,
               text_bytes(result->bytes_total, total), text_bytes(result->bytes_fetched, fetched),
               text_bytes(result->bytes_written, written));
    if (invocation_has(call, "delta"))
        buf_printf(out, "  %s were right already, %" PRIu64 " files removed\n",
                   text_bytes(result->bytes_kept, kept), result->files_removed);
}

static bool print_result(const struct invocation *call, const struct restore_result *result,
                         struct error *err)
{
    struct buf text;
    if (call->json)
        return print_json(call, result, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_summary(call, result, &text);
    bool tar = invocation_has(call, "tar");
    bool done = true;
    if (tar && text.len > 0) /* stdout is the archive */
        (void)fwrite(text.data, 1, text.len, call->world->err);
    else
        done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool restore(struct invocation *call, const struct session *session,
                    const struct tablespace_maps *maps, struct restore_result *result,
                    struct error *err)
{
    struct progress progress = {.phase = NULL};
    struct restore_options options;
    CLEANUP(progress_view_stop) struct progress_view view = {0};
    config_fill_restore(&call->config, &options);
    options.snapshot = invocation_value(call, "snapshot");
    options.to = invocation_value(call, "to");
    options.delta = invocation_has(call, "delta");
    options.ignore_space = invocation_has(call, "ignore-space");
    options.tablespaces = maps->maps;
    options.tablespace_count = maps->count;
    options.progress = &progress;
    progress_view_start(&view, &progress, call);
    if (invocation_has(call, "tar"))
        return restore_tar(&session->repository, &options, STDOUT_FILENO, result, err);
    return restore_run(&session->repository, &options, result, err);
}

static bool run_restore(struct invocation *call, struct error *err)
{
    struct restore_result result = {0};
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(maps_release) struct tablespace_maps maps = {.count = 0};
    if (!check_flags(call, err) || !read_maps(call, &maps, err) ||
        !session_open(&session, &call->config, err) ||
        !restore(call, &session, &maps, &result, err))
        return false;
    if (result.files_differ > 0)
        call->exit_code = error_exit_code(ERROR_CORRUPT);
    bool done = print_result(call, &result, err);
    restore_result_release(&result);
    return done;
}

const struct command command_restore = {
    .noun = "restore",
    .summary = "write a snapshot back into a data directory or a tar stream",
    .details = "Refuses a directory that is not empty (without --delta), that a server runs in, or "
               "that belongs to another cluster. An interrupted restore cannot be started by "
               "PostgreSQL; run it again with --delta.",
    .groups = GROUP_REPOSITORY | GROUP_RESTORE | GROUP_LOG,
    .flags = {{"to", "DIR", NULL, "The data directory; it is made when it is not there."},
              {"snapshot", "ID", "latest", "An id, the beginning of one, or \"latest\"."},
              {"delta", NULL, NULL,
               "Into an existing, stopped data directory: write only what differs."},
              {"tablespace", "OLD=NEW", NULL,
               "Put the tablespace at OLD (path on the source server, or OID) to NEW. Repeatable."},
              {"tar", NULL, NULL, "Write one tar stream to stdout instead."},
              {"ignore-space", NULL, NULL, "Do not check for free disk space first."}},
    .examples = {"mainstay restore --repo /srv/backup --to /var/lib/postgresql/15/main",
                 "mainstay restore --snapshot 3f2a --delta --to /var/lib/postgresql/15/main",
                 "mainstay restore --tar | tar -x -C /mnt/restored"},
    .run = run_restore,
};
