/*
 * mainstay wal get FILE PATH: PostgreSQL's restore_command. It runs in the data directory.
 *
 * 0: the file is at PATH; 1: there is no such file, and PostgreSQL may draw its conclusions (the
 * end of the WAL, the end of a timeline); above 125: anything else, so that it stops instead.
 */
#include "cli/command_rows.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/control_file.h"
#include "restore/wal_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOT_THERE = 1, CONTROL_MAX_BYTES = 65536, CONTROL_TRIES = 20, CONTROL_WAIT_US = 10000 };

static bool not_there(struct invocation *call)
{
    call->exit_code = EXIT_NOT_THERE;
    log_event(LOG_DEBUG, "wal.absent", "%s is not in the repository", call->operand);
    return true;
}

static bool read_control(struct wal_source *out, struct error *err)
{
    struct control_file control;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, CONTROL_MAX_BYTES);
    if (!file_read_all("global/pg_control", &bytes, err) ||
        !control_file_parse(bytes.data, bytes.len, &control, err))
        return false;
    *out = (struct wal_source){.system_identifier = control.system_identifier,
                               .segment_bytes = control.wal_segment_bytes};
    return true;
}

/* Outside of a data directory (a person tries it): as the newest snapshot says. */
static bool source_of_snapshots(const struct session *session, struct wal_source *out,
                                struct error *err)
{
    struct catalog catalog;
    const struct catalog_entry *entry;
    if (!catalog_load(&session->repository, &catalog, err))
        return false;
    bool done = catalog_find(&catalog, "latest", &entry, err);
    if (done)
        *out = (struct wal_source){.system_identifier = entry->info.system_identifier,
                                   .segment_bytes = (uint32_t)entry->info.wal_segment_bytes};
    catalog_release(&catalog);
    return done;
}

/* Which cluster's WAL is wanted. The server may be writing its control file right now. */
static bool find_source(const struct session *session, struct wal_source *out, struct error *err)
{
    for (int i = 0; i < CONTROL_TRIES; i++) {
        if (read_control(out, err))
            return true;
        if (err->kind == ERROR_NOT_FOUND)
            return source_of_snapshots(session, out, err);
        if (err->kind != ERROR_CORRUPT)
            return false;
        clock_sleep_us(&clock_system, CONTROL_WAIT_US);
    }
    return false;
}

static bool get_history(struct invocation *call, const struct session *session, struct error *err)
{
    uint8_t bytes[4];
    uint32_t timeline = 0;
    char digits[9];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TIMELINE_HISTORY_MAX_BYTES);
    (void)snprintf(digits, sizeof digits, "%.8s", call->operand);
    if (!text_from_hex(digits, bytes, sizeof bytes))
        return not_there(call);
    for (size_t i = 0; i < sizeof bytes; i++)
        timeline = timeline << 8 | bytes[i];
    if (!history_get(&session->repository, timeline, &text, err))
        return err->kind == ERROR_NOT_FOUND && not_there(call);
    return file_write_atomic(call->second_operand, text.data, text.len, 0600, err);
}

/* A path beside the one that is written: "pg_wal/<name>". NULL when memory is short. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? strdup(name) : text_format("%.*s/%s", (int)(slash - path), path, name);
}

/* WAL that came with the snapshot may be older than all that was streamed. */
static bool server_has_it(const struct invocation *call)
{
    CLEANUP(free_pointer) char *path = beside(call->second_operand, call->operand);
    return path != NULL && access(path, R_OK) == 0;
}

struct job {
    struct wal_source source;
    struct wal_segment segment;
    char *spool; /* NULL: nothing to fetch in advance */
};

static bool fetch_segment(struct invocation *call, const struct session *session, struct job *job,
                          struct error *err)
{
    enum wal_segment_state state;
    size_t bytes = job->source.segment_bytes;
    CLEANUP(free_pointer) uint8_t *content = malloc(bytes);
    if (content == NULL)
        return error_no_memory(err, "a WAL segment");
    if (!wal_segment_fetch(&session->repository, &job->source, &job->segment, content, &state, err))
        return err->kind == ERROR_REFUSED && server_has_it(call) && not_there(call);
    if (state == WAL_SEGMENT_ABSENT)
        return not_there(call);
    if (state == WAL_SEGMENT_PARTIAL)
        log_event(LOG_INFO, "wal.end", "the WAL of timeline %" PRIu32 " ends in %s",
                  job->segment.timeline, call->operand);
    return file_write_atomic(call->second_operand, content, bytes, 0600, err);
}

static bool get_segment(struct invocation *call, const struct session *session, struct job *job,
                        struct error *err)
{
    bool taken = false;
    CLEANUP(free_pointer) char *spool = beside(call->second_operand, WAL_SPOOL_NAME);
    if (spool == NULL)
        return error_no_memory(err, "a path");
    if (!find_source(session, &job->source, err))
        return error_wrap(err, "could not find out whose WAL is wanted");
    if (!wal_segment_from_name(call->operand, job->source.segment_bytes, &job->segment))
        return not_there(call); /* "....backup" and the like: nobody stores them */
    job->segment.pad_gap = invocation_has(call, "pad-gap");
    if (!wal_spool_take(spool, &job->segment, call->second_operand, &taken, err) ||
        (!taken && !fetch_segment(call, session, job, err)))
        return false;
    if (call->exit_code == 0 && config_amount(&call->config, OPTION_RESTORE_PREFETCH) > 0)
        job->spool = TAKE(spool);
    return true;
}

/* In the background, in a session of its own: PostgreSQL must not wait for it, and the pipe to its
 * log must not be held. What fails here is tried again when the segment is asked for. */
static void prefetch(const struct invocation *call, const struct job *job)
{
    struct error err;
    struct session session = {0};
    struct wal_segment first = wal_segment_next(&job->segment);
    int64_t limit = config_amount(&call->config, OPTION_RESTORE_PREFETCH);
    size_t count = (size_t)(limit / job->source.segment_bytes);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (setsid() < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0)
        return;
    if (session_open(&session, &call->config, &err) &&
        !wal_spool_fill(job->spool, &session.repository, &job->source, &first, count, &err))
        log_error("wal.prefetch", &err);
    session_close(&session);
}

static bool run_get(struct invocation *call, struct error *err)
{
    struct job job = {.spool = NULL};
    struct session session = {0};
    bool done = session_open(&session, &call->config, err) &&
                (text_ends_with(call->operand, ".history")
                     ? get_history(call, &session, err)
                     : get_segment(call, &session, &job, err));
    session_close(&session); /* before the fork: two processes cannot share connections */
    if (done && job.spool != NULL && fork() == 0) {
        prefetch(call, &job);
        _exit(0);
    }
    free(job.spool);
    return done;
}

/* recovery_end_command: what was fetched and not asked for. */
static bool run_clean(struct invocation *call, struct error *err)
{
    (void)call;
    return dir_remove_all("pg_wal/" WAL_SPOOL_NAME, err);
}

const struct command command_wal_get = {
    .noun = "wal",
    .verb = "get",
    .summary = "give PostgreSQL a segment of WAL or a history: its restore_command",
    .details = "`mainstay restore` writes it into the settings of what it restores. Exit code 1 "
               "says that there is no such file; whatever else fails ends with a code above 125, "
               "which makes PostgreSQL stop instead of going on without. The segments that follow "
               "are fetched in the background, up to restore.prefetch. The last segment of the WAL "
               "in the repository is filled up with zeros.",
    .groups = GROUP_REPOSITORY | GROUP_RESTORE | GROUP_LOG,
    .flags = {{"pad-gap", NULL, NULL,
               "For a recovery with a target: give what comes before a gap. PostgreSQL itself does "
               "not end before its target."}},
    .operand = "FILE",
    .second_operand = "PATH",
    .for_server = true,
    .examples = {"restore_command = 'mainstay wal get --config /etc/mainstay/mainstay.yaml %f %p'"},
    .run = run_get,
};

const struct command command_wal_clean = {
    .noun = "wal",
    .verb = "clean",
    .summary = "remove WAL that was fetched in advance: recovery_end_command",
    .details = "Runs in the data directory.",
    .groups = GROUP_LOG,
    .examples = {"recovery_end_command = 'mainstay wal clean'"},
    .hidden = true,
    .run = run_clean,
};
