/* Whether the files are as they were backed up, and whether the recovery went where it should. */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NEWEST_MAJOR = 18,
    OLDEST_MAJOR = 13,
    MANIFEST_2_MAJOR = 17, /* the format of backup_manifest changed */
    TOOL_OUTPUT_MAX = 1 << 20,
};

#define TOOL_TIMEOUT_US (INT64_C(6) * 3600 * 1000000)

/* --- pg_verifybackup -----------------------------------------------------------------------------
 */

static char *tool_in(const char *directory, const char *name)
{
    char *path = text_format("%s/%s", directory, name);
    if (path != NULL && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* Of the server's own major, or of another one that reads the same manifests. Gives the path. */
static char *find_verifybackup(const struct drill_job *job)
{
    char directory[64];
    int oldest = job->plan->major >= MANIFEST_2_MAJOR ? MANIFEST_2_MAJOR : OLDEST_MAJOR;
    char *found = tool_in(job->plan->binaries, "pg_verifybackup");
    for (int major = NEWEST_MAJOR; found == NULL && major >= oldest; major--) {
        (void)snprintf(directory, sizeof directory, "/usr/lib/postgresql/%d/bin", major);
        found = tool_in(directory, "pg_verifybackup");
    }
    return found;
}

/* What the tool said, without the colours and beyond a limit. Gives the text. */
static char *tool_output(const struct drill_job *job)
{
    struct error ignored;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TOOL_OUTPUT_MAX);
    if (!file_read_all(job->scratch.checks, &text, &ignored) || buf_text(&text) == NULL)
        return strdup("");
    char *copy = strndup(buf_text(&text), DRILL_TEXT_MAX);
    for (size_t len = copy == NULL ? 0 : strlen(copy); len > 0 && copy[len - 1] == '\n';)
        copy[--len] = '\0';
    return copy;
}

/* WAL is left out (-n): the segments that a recovery needs come from the archive. */
bool drill_check_verifybackup(struct drill_job *job, struct drill_check *check, struct error *err)
{
    int status;
    CLEANUP(free_pointer) char *tool = find_verifybackup(job);
    if (tool == NULL)
        return drill_check_skip(
            check,
            text_format("pg_verifybackup is not installed beside the server of major %d",
                        job->plan->major),
            err);
    const char *const argv[] = {tool, "-n", "-q", job->scratch.data, NULL};
    const struct drill_process process = {.argv = argv,
                                          .output = job->scratch.checks,
                                          .directory = job->scratch.root,
                                          .death_signal = SIGKILL,
                                          .change_user = job->plan->change_user,
                                          .uid = job->plan->uid,
                                          .gid = job->plan->gid};
    if (!drill_process_run(&process, job->options->clock, TOOL_TIMEOUT_US, &status, err) ||
        !drill_proof_set(&check->detail, tool_output(job), err))
        return false;
    return drill_check_settle(check, status == 0, "no difference",
                              status == 0
                                  ? strdup("no difference")
                                  : text_format("exit code %d: %.300s", status, check->detail),
                              err);
}

/* --- recovery ------------------------------------------------------------------------------------
 */

static bool ask_server(struct drill_job *job, struct query_result **out, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    const struct query query = {
        .sql = "SELECT coalesce(pg_last_wal_replay_lsn()::text, ''), "
               "coalesce((extract(epoch FROM pg_last_xact_replay_timestamp()) * "
               "1000000)::bigint, -1), pg_is_in_recovery(), current_setting('server_version'), "
               "pg_snapshot_xmax(pg_current_snapshot())::text",
        .what = "ask the restored server where it is"};
    return drill_server_connect(&job->server, "template1", &connection, err) &&
           query_run(connection, &query, out, err);
}

static bool take_state(struct drill_job *job, bool *out_recovering, struct error *err)
{
    struct drill_proof *proof = job->proof;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!ask_server(job, &rows, err))
        return false;
    job->answered_us = drill_now(job);
    if (query_field(rows, 0, 0)[0] != '\0' &&
        !text_to_lsn(query_field(rows, 0, 0), &proof->reached_lsn))
        return error_set(err, ERROR_INVALID, "the restored server does not say where it is");
    if (!query_i64(rows, 0, 1, &proof->reached_us, err) ||
        !query_bool(rows, 0, 2, out_recovering, err) ||
        !text_to_u64(query_field(rows, 0, 4), &job->next_xid))
        return false;
    if (proof->reached_lsn > job->plan->snapshot_start_lsn)
        proof->wal_bytes = proof->reached_lsn - job->plan->snapshot_start_lsn;
    return drill_proof_set(&proof->server_version, strdup(query_field(rows, 0, 3)), err);
}

/* PostgreSQL itself fails when it does not meet a target; it does not when the WAL ends early, as
 * it does where a record is damaged. */
static bool is_reached(const struct drill_job *job)
{
    const struct drill_proof *proof = job->proof;
    const struct recovery_target *target = &job->plan->target;
    if (target->kind == TARGET_LATEST)
        return proof->reached_lsn >= job->plan->last_record_end;
    if (target->kind == TARGET_LSN)
        return target->exclusive || proof->reached_lsn >= target->lsn;
    if (target->kind == TARGET_TIME)
        return proof->reached_us <= target->time_us;
    return true;
}

static char *describe_goal(const struct drill_job *job)
{
    char text[TARGET_TEXT_SIZE];
    char end[TEXT_SIZE];
    const struct drill_plan *plan = job->plan;
    if (plan->target.kind == TARGET_LATEST)
        return text_format("the last whole record of the WAL, which ends at %s",
                           text_lsn(plan->last_record_end, end));
    return strdup(recovery_target_text(&plan->target, text));
}

static char *describe_place(const struct drill_job *job)
{
    char lsn[TEXT_SIZE];
    char when[TEXT_SIZE];
    const struct drill_proof *proof = job->proof;
    if (proof->reached_us < 0)
        return text_format("%s on timeline %" PRIu32 ", without a transaction",
                           text_lsn(proof->reached_lsn, lsn), proof->timeline);
    return text_format("%s on timeline %" PRIu32 ", last transaction at %s",
                       text_lsn(proof->reached_lsn, lsn), proof->timeline,
                       text_time_exact_us(proof->reached_us, when));
}

static char *describe_server(const struct drill_job *job)
{
    const char *preload = job->options->preload;
    return text_format("PostgreSQL %s on a private socket; archiving, replication, subscriptions, "
                       "autovacuum and preloaded libraries (%s) were off",
                       job->proof->server_version,
                       preload[0] == '\0' ? "background workers of extensions among them"
                                          : "all but those of drill.preload-libraries");
}

bool drill_check_recovery(struct drill_job *job, struct drill_check *check, struct error *err)
{
    bool recovering;
    if (!take_state(job, &recovering, err))
        return false;
    CLEANUP(free_pointer) char *expected = describe_goal(job);
    if (expected == NULL)
        return error_no_memory(err, "a proof");
    return drill_proof_set(&check->detail, describe_server(job), err) &&
           drill_check_settle(check, !recovering && is_reached(job), expected, describe_place(job),
                              err);
}
