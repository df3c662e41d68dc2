/* mainstay restore */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/session.h"
#include "cli/wal_command.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_MAX_BYTES = 16384 };

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

static bool read_target(const struct invocation *call, struct recovery_target *out,
                        struct error *err)
{
    const struct recovery_target_texts texts = {
        .time = invocation_value(call, "target-time"),
        .lsn = invocation_value(call, "target-lsn"),
        .name = invocation_value(call, "target-name"),
        .xid = invocation_value(call, "target-xid"),
        .timeline = invocation_value(call, "target-timeline"),
        .action = invocation_value(call, "target-action"),
        .immediate = invocation_has(call, "target-immediate"),
        .latest = invocation_has(call, "latest"),
        .exclusive = invocation_has(call, "target-exclusive"),
        .standby = invocation_has(call, "standby"),
    };
    if (!recovery_target_parse(&texts, out, err))
        return false;
    if (out->kind == TARGET_NONE || !invocation_has(call, "tar"))
        return true;
    return error_set(err, ERROR_USAGE, "--tar does not go with a recovery target");
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
           (result->recovery_timeline == 0 ||
            value_set_u64(root, "recovery_timeline", result->recovery_timeline, err)) &&
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
    buf_printf(out, ", %s\n  %" PRIu64 " %s, %s; fetched %s, wrote %s\n",
               text_duration_us(result->duration_us, took), result->files,
               text_plural(result->files, "file", "files"), text_bytes(result->bytes_total, total),
               text_bytes(result->bytes_fetched, fetched),
               text_bytes(result->bytes_written, written));
    if (result->recovery_timeline != 0)
        buf_printf(out, "  PostgreSQL will recover on timeline %" PRIu32 " when it is started\n",
                   result->recovery_timeline);
    if (invocation_has(call, "delta"))
        buf_printf(out, "  %s were right already, %" PRIu64 " %s removed\n",
                   text_bytes(result->bytes_kept, kept), result->files_removed,
                   text_plural(result->files_removed, "file", "files"));
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
                    const struct tablespace_maps *maps, const struct restore_recovery *recovery,
                    struct restore_result *result, struct error *err)
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
    options.recovery = recovery;
    options.progress = &progress;
    progress_view_start(&view, &progress, call);
    if (invocation_has(call, "tar"))
        return restore_tar(&session->repository, &options, STDOUT_FILENO, result, err);
    return restore_run(&session->repository, &options, result, err);
}

/* The server that recovers has neither the flags nor the environment of this call. */
static void warn_of_credentials(const struct invocation *call)
{
    static const char *const names[] = {"AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    const char *url = config_text(&call->config, OPTION_REPOSITORY_URL);
    if (url == NULL || strncmp(url, "s3:", 3) != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (call->world->getenv(names[i]) != NULL) {
            log_event(LOG_WARNING, "restore.credentials",
                      "the server fetches its WAL with credentials of its own: the variables of "
                      "this call (AWS_...) must be in its environment, or the keys in a file");
            return;
        }
}

static bool print_commands(const struct invocation *call, const struct recovery_target *target,
                           struct buf *get, struct buf *clean, struct error *err)
{
    if (target->kind == TARGET_NONE)
        return true;
    warn_of_credentials(call);
    return wal_command_put_get(call, target->kind != TARGET_LATEST, get, err) &&
           wal_command_put_clean(clean, err);
}

static bool run_with_target(struct invocation *call, const struct session *session,
                            const struct tablespace_maps *maps, struct restore_result *result,
                            struct error *err)
{
    struct restore_recovery recovery = {.restore_command = ""};
    CLEANUP(buf_release) struct buf get;
    CLEANUP(buf_release) struct buf clean;
    buf_init(&get, COMMAND_MAX_BYTES);
    buf_init(&clean, COMMAND_MAX_BYTES);
    if (!read_target(call, &recovery.target, err) ||
        !print_commands(call, &recovery.target, &get, &clean, err))
        return false;
    if (recovery.target.kind != TARGET_NONE) {
        recovery.restore_command = buf_text(&get);
        recovery.recovery_end_command = buf_text(&clean);
    }
    return restore(call, session, maps, &recovery, result, err);
}

static bool run_restore(struct invocation *call, struct error *err)
{
    struct recovery_target target;
    struct restore_result result = {0};
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(maps_release) struct tablespace_maps maps = {.count = 0};
    if (!check_flags(call, err) || !read_target(call, &target, err) ||
        !read_maps(call, &maps, err) || !session_open(&session, &call->config, err) ||
        !run_with_target(call, &session, &maps, &result, err))
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
    .details = "With a recovery target the newest snapshot before it is taken, and the WAL that "
               "follows must be in the repository without a gap; otherwise nothing is written. "
               "PostgreSQL then recovers when it is started, with this program as its "
               "restore_command. Refuses a directory that is not empty (without --delta), that a "
               "server runs in, or "
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
              {"ignore-space", NULL, NULL, "Do not check for free disk space first."},
              {"latest", NULL, NULL, "Recover to the end of the WAL in the repository."},
              {"target-time", "TIME", NULL,
               "Recover to this moment; the zone is required: \"2026-03-01 12:00:05+01:00\"."},
              {"target-lsn", "LSN", NULL, "Recover to this position in the WAL."},
              {"target-name", "NAME", NULL, "Recover to a restore point."},
              {"target-xid", "XID", NULL,
               "Recover to the commit of this transaction, from the oldest snapshot; name a later "
               "one with --snapshot to be faster."},
              {"target-immediate", NULL, NULL, "Recover until the snapshot is consistent."},
              {"target-exclusive", NULL, NULL, "Stop just before the time, LSN or transaction."},
              {"target-timeline", "N", "latest", "latest, current (the snapshot's) or a number."},
              {"target-action", "ACTION", "promote", "At the target: promote, pause or shutdown."},
              {"standby", NULL, NULL, "Follow a primary: primary_conninfo is yours to set."}},
    .examples = {"mainstay restore --repo /srv/backup --to /var/lib/postgresql/15/main",
                 "mainstay restore --target-time '2026-03-01 12:00:05Z' --to /srv/restored",
                 "mainstay restore --snapshot 3f2a --delta --to /var/lib/postgresql/15/main"},
    .run = run_restore,
};
