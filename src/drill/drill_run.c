#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "restore/restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

static const struct {
    const char *name;
    const char *promise;
} rows[ROW_COUNT] = {
    [ROW_RESTORE] = {"restore", "snapshot and WAL for the target are there and undamaged"},
    [ROW_RECOVERY] = {"recovery", "the restored server reaches its target"},
    [ROW_VERIFYBACKUP] = {"pg_verifybackup", "what was restored is what was backed up"},
    [ROW_CHECKSUMS] = {"page checksums", "no page of the recovered server is damaged"},
    [ROW_AMCHECK] = {"amcheck", "tables and indexes are consistent"},
};

/* --- rows ----------------------------------------------------------------------------------------
 */

int64_t drill_now(const struct drill_job *job)
{
    return clock_monotonic_us(job->options->clock);
}

void drill_set_phase(const struct drill_job *job, const char *phase)
{
    if (job->options->progress != NULL)
        atomic_store(&job->options->progress->phase, phase);
}

bool drill_check_settle(struct drill_check *check, bool holds, const char *expected, char *found,
                        struct error *err)
{
    check->outcome = holds ? DRILL_CHECK_PASSED : DRILL_CHECK_FAILED;
    return drill_proof_set(&check->found, found, err) &&
           drill_proof_set(&check->expected, strdup(expected), err);
}

bool drill_check_skip(struct drill_check *check, char *why, struct error *err)
{
    check->outcome = DRILL_CHECK_SKIPPED;
    return drill_proof_set(&check->detail, why, err);
}

static bool ends_the_drill(enum error_kind kind)
{
    return kind == ERROR_CANCELLED || kind == ERROR_NO_MEMORY;
}

bool drill_check_run(struct drill_job *job, size_t row, drill_check_fn run, struct error *err)
{
    struct drill_check *check = &job->proof->checks[row];
    int64_t begin_us = drill_now(job);
    bool done = drill_proof_set(&check->detail, strdup(""), err) && run(job, check, err);
    check->duration_us = drill_now(job) - begin_us;
    if (done)
        return true;
    if (ends_the_drill(err->kind))
        return false;
    check->outcome = DRILL_CHECK_FAILED;
    return drill_proof_set(&check->found, strdup(err->text), err);
}

bool drill_check_add(struct drill_job *job, const char *name, const char *promise,
                     drill_check_fn run, const void *subject, struct error *err)
{
    if (drill_proof_add_check(job->proof, name, promise, err) == NULL)
        return false;
    job->subject = subject;
    return drill_check_run(job, job->proof->check_count - 1, run, err);
}

static bool has_failed(const struct drill_job *job, size_t row)
{
    return job->proof->checks[row].outcome == DRILL_CHECK_FAILED;
}

/* --- restoring -----------------------------------------------------------------------------------
 */

/* Restores as PostgreSQL's user: the directory is theirs. */
static bool restore(struct drill_job *job, struct restore_result *out, struct error *err)
{
    const struct drill_plan *plan = job->plan;
    size_t count = plan->tablespace_count;
    CLEANUP(free_pointer) struct restore_tablespace_map *maps = calloc(count + 1, sizeof *maps);
    char(*texts)[2][1024] = calloc(count + 1, sizeof *texts);
    if (maps == NULL || texts == NULL) {
        free(texts);
        return error_no_memory(err, "tablespaces");
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(texts[i][0], sizeof texts[i][0], "%" PRIu32, plan->tablespaces[i]);
        (void)snprintf(texts[i][1], sizeof texts[i][1], "%s/%" PRIu32, job->scratch.tablespaces,
                       plan->tablespaces[i]);
        maps[i] = (struct restore_tablespace_map){.from = texts[i][0], .to = texts[i][1]};
    }
    bool latest = plan->target.kind == TARGET_LATEST;
    const struct restore_recovery recovery = {
        .target = plan->target,
        .restore_command = latest ? job->options->get_command : job->options->get_to_target};
    const struct restore_options options = {.snapshot = plan->snapshot_id,
                                            .to = job->scratch.data,
                                            .tablespaces = maps,
                                            .tablespace_count = count,
                                            .recovery = &recovery,
                                            .threads = job->options->threads,
                                            .progress = job->options->progress};
    bool done = restore_run(job->repository, &options, out, err);
    free(texts);
    return done;
}

static void take_result(struct drill_job *job, int64_t begin_us,
                        const struct restore_result *result)
{
    struct drill_proof *proof = job->proof;
    int64_t offset_us = begin_us - job->plan->started_monotonic_us + result->planned_us;
    proof->bytes_total = result->bytes_total;
    proof->bytes_fetched = result->bytes_fetched;
    proof->bytes_written = result->bytes_written;
    proof->phases[DRILL_PLAN].duration_us = offset_us;
    proof->phases[DRILL_FETCH] = (struct drill_phase_time){
        .offset_us = offset_us, .duration_us = result->fetched_us - result->planned_us};
    proof->phases[DRILL_WRITE] = (struct drill_phase_time){
        .offset_us = offset_us, .duration_us = result->duration_us - result->planned_us};
}

static bool check_restore(struct drill_job *job, struct drill_check *check, struct error *err)
{
    struct restore_result result = {0};
    char bytes[TEXT_SIZE];
    int64_t begin_us = drill_now(job);
    if (!restore(job, &result, err))
        return false;
    take_result(job, begin_us, &result);
    restore_result_release(&result);
    return drill_check_settle(check, result.files_differ == 0, "every file as the server had it",
                              text_format("%" PRIu64 " %s, %s; %" PRIu64 " %s", result.files,
                                          text_plural(result.files, "file", "files"),
                                          text_bytes(result.bytes_total, bytes),
                                          result.files_differ,
                                          text_plural(result.files_differ, "differs", "differ")),
                              err);
}

/* A store that does not answer and a disk that is full say nothing about what is stored. */
static bool is_accident(enum error_kind kind)
{
    return kind == ERROR_UNAVAILABLE || kind == ERROR_DENIED || kind == ERROR_IO ||
           kind == ERROR_NO_SPACE;
}

static bool run_restore(struct drill_job *job, struct error *err)
{
    struct error failure = {0};
    if (!drill_check_run(job, ROW_RESTORE, check_restore, &failure)) {
        *err = failure;
        return false;
    }
    if (!has_failed(job, ROW_RESTORE) || !is_accident(failure.kind))
        return true;
    *err = failure;
    return false;
}

/* --- recovering ----------------------------------------------------------------------------------
 */

static bool recover(struct drill_job *job, struct drill_check *check, struct error *err)
{
    struct drill_proof *proof = job->proof;
    int64_t base_us = job->plan->started_monotonic_us;
    int64_t begin_us = drill_now(job);
    drill_set_phase(job, "recovering");
    proof->phases[DRILL_START].offset_us = begin_us - base_us;
    if (!drill_server_start(&job->server, err) || !drill_server_wait(&job->server, err))
        return false;
    bool done = drill_check_recovery(job, check, err);
    if (job->answered_us == 0)
        return done;
    int64_t replay_us = job->server.replayed ? job->server.replay_us : job->answered_us;
    proof->phases[DRILL_START].duration_us = replay_us - begin_us;
    proof->phases[DRILL_REPLAY] = (struct drill_phase_time){
        .offset_us = replay_us - base_us, .duration_us = job->answered_us - replay_us};
    return done;
}

static bool run_checks(struct drill_job *job, struct error *err)
{
    drill_set_phase(job, "checking");
    return drill_server_add_reader(&job->server, err) &&
           drill_check_run(job, ROW_AMCHECK, drill_check_amcheck, err) &&
           drill_check_helpdesks(job, err) && drill_check_assertions(job, err) &&
           drill_check_run(job, ROW_CHECKSUMS, drill_check_pages, err);
}

static bool perform(struct drill_job *job, struct error *err)
{
    drill_scratch_remove_stale(job->options->scratch);
    if (!drill_scratch_make(job->options, job->plan, &job->scratch, err) || !run_restore(job, err))
        return false;
    if (has_failed(job, ROW_RESTORE) && job->proof->phases[DRILL_WRITE].duration_us < 0)
        return true;
    int64_t begin_us = drill_now(job);
    drill_set_phase(job, "verifying");
    if (!drill_check_run(job, ROW_VERIFYBACKUP, drill_check_verifybackup, err))
        return false;
    job->aside_us = drill_now(job) - begin_us;
    if (!drill_check_run(job, ROW_RECOVERY, recover, err))
        return false;
    return job->answered_us == 0 || run_checks(job, err);
}

/* --- the verdict ---------------------------------------------------------------------------------
 */

static bool add_goal(struct drill_proof *proof, const char *name, const char *promise,
                     int64_t found_us, int64_t goal_us, struct error *err)
{
    char found[TEXT_SIZE];
    char goal[TEXT_SIZE];
    struct drill_check *check = drill_proof_add_check(proof, name, promise, err);
    if (check == NULL)
        return false;
    if (found_us < 0)
        return drill_check_skip(check, strdup("not reached"), err);
    CLEANUP(free_pointer)
    char *expected = goal_us > 0 ? text_format("at most %s", text_duration_us(goal_us, goal))
                                 : strdup("no goal");
    if (expected == NULL)
        return error_no_memory(err, "a proof");
    if (!drill_check_settle(check, goal_us == 0 || found_us <= goal_us, expected,
                            strdup(text_duration_us(found_us, found)), err))
        return false;
    return goal_us > 0 ||
           drill_check_skip(check, text_format("drill.%s-goal is not set", name), err);
}

/* What would have been lost had the source died when the drill began. */
static bool measure_rpo(struct drill_job *job, char **out_detail, struct error *err)
{
    char source[TEXT_SIZE];
    char stored[TEXT_SIZE];
    char when[TEXT_SIZE];
    const struct drill_plan *plan = job->plan;
    int64_t age_us = plan->started_us > plan->stored_us ? plan->started_us - plan->stored_us : 0;
    bool known = plan->reach > 0;
    job->proof->rpo_us = known ? age_us : -1;
    (void)text_lsn(plan->reach, stored);
    (void)text_time_us(plan->stored_us, when);
    if (!plan->source.answered) {
        *out_detail = text_format("%s%s: the newest of the store was stored at %s, and everything "
                                  "since then counts as lost",
                                  plan->source.asked ? "the source did not answer: "
                                                     : "no source to ask (postgres.connection)",
                                  plan->source.problem, when);
        return *out_detail != NULL || error_no_memory(err, "a proof");
    }
    (void)text_lsn(plan->source.flush_lsn, source);
    if (known && plan->source.flush_lsn <= plan->reach) {
        job->proof->rpo_us = 0;
        *out_detail = text_format("the source's WAL was at %s, the store had all of it (%s)",
                                  source, stored);
    } else {
        *out_detail = text_format("the source's WAL was at %s, the store ended at %s, stored at %s",
                                  source, stored, when);
    }
    return *out_detail != NULL || error_no_memory(err, "a proof");
}

static bool add_goals(struct drill_job *job, struct error *err)
{
    char *detail = NULL;
    struct drill_proof *proof = job->proof;
    if (!measure_rpo(job, &detail, err))
        return false;
    if (job->answered_us > 0)
        proof->rto_us = job->answered_us - job->plan->started_monotonic_us - job->aside_us;
    bool done = add_goal(proof, "rto", "a server that answers is back in time", proof->rto_us,
                         proof->rto_goal_us, err) &&
                add_goal(proof, "rpo", "no more than that is lost when the source dies",
                         proof->rpo_us, proof->rpo_goal_us, err);
    struct drill_check *check = done ? &proof->checks[proof->check_count - 1] : NULL;
    if (check != NULL && check->detail[0] == '\0')
        return drill_proof_set(&check->detail, detail, err);
    if (check != NULL) {
        char *both = text_format("%s; %s", check->detail, detail);
        done = drill_proof_set(&check->detail, both, err);
    }
    free(detail);
    return done;
}

static bool judge(struct drill_proof *proof, struct error *err)
{
    proof->passed = true;
    for (size_t i = 0; i < proof->check_count; i++) {
        const struct drill_check *check = &proof->checks[i];
        if (check->outcome != DRILL_CHECK_FAILED)
            continue;
        proof->passed = false;
        return drill_proof_set(
            &proof->broken,
            check->expected[0] == '\0'
                ? text_format("%s: %s; %s", check->name, check->promise, check->found)
                : text_format("%s: %s; expected %s, found %s", check->name, check->promise,
                              check->expected, check->found),
            err);
    }
    return true;
}

/* --- the proof -----------------------------------------------------------------------------------
 */

static char *describe_host(void)
{
    char memory[TEXT_SIZE];
    struct sysinfo info;
    if (sysinfo(&info) != 0)
        return strdup("");
    uint64_t bytes = (uint64_t)info.totalram * info.mem_unit;
    int count = get_nprocs();
    return text_format("%d %s, %s of memory", count,
                       text_plural((uint64_t)count, "processor", "processors"),
                       text_bytes(bytes, memory));
}

static char *describe_target(const struct drill_plan *plan)
{
    char text[TARGET_TEXT_SIZE];
    return strdup(recovery_target_text(&plan->target, text));
}

static bool begin_proof(const struct drill_job *job, struct error *err)
{
    struct drill_proof *proof = job->proof;
    const struct drill_plan *plan = job->plan;
    (void)snprintf(proof->id, sizeof proof->id, "%s", plan->id);
    text_hex(job->repository->id, REPOSITORY_ID_BYTES, proof->repository_id);
    (void)snprintf(proof->snapshot_id, sizeof proof->snapshot_id, "%s", plan->snapshot_id);
    proof->started_us = plan->started_us;
    proof->system_identifier = plan->system_identifier;
    proof->snapshot_started_us = plan->snapshot_started_us;
    proof->seed = plan->seed;
    proof->timeline = plan->timeline;
    proof->bytes_total = plan->bytes_total;
    proof->rto_goal_us = job->options->rto_goal_us;
    proof->rpo_goal_us = job->options->rpo_goal_us;
    proof->phases[DRILL_PLAN] = (struct drill_phase_time){.duration_us = plan->duration_us};
    if (!drill_proof_set(&proof->program_version, strdup(job->options->program_version), err) ||
        !drill_proof_set(&proof->host, describe_host(), err) ||
        !drill_proof_set(&proof->target_kind, strdup(drill_target_kind(job->options)), err) ||
        !drill_proof_set(&proof->target_value, describe_target(plan), err))
        return false;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct drill_check *check = drill_proof_add_check(proof, rows[i].name, rows[i].promise,
                                                          err);
        if (check == NULL || !drill_check_skip(check, strdup("not reached"), err))
            return false;
    }
    return true;
}

static bool fail_plan(struct drill_job *job, struct drill_check *check, struct error *err)
{
    check->outcome = DRILL_CHECK_FAILED;
    return drill_proof_set(&check->found, strdup(job->plan->broken), err);
}

static bool end_proof(struct drill_job *job, struct error *err)
{
    struct drill_proof *proof = job->proof;
    int64_t base_us = job->plan->started_monotonic_us;
    if (job->answered_us > 0)
        proof->phases[DRILL_CHECKS] = (struct drill_phase_time){
            .offset_us = job->answered_us - base_us,
            .duration_us = drill_now(job) - job->answered_us};
    if (!add_goals(job, err) || !judge(proof, err))
        return false;
    proof->finished_us = proof->started_us + drill_now(job) - base_us;
    return true;
}

static bool leave(struct drill_job *job, bool done, struct error *err)
{
    struct error ignored;
    char *kept = NULL;
    enum drill_leave what = done && !job->proof->passed ? LEAVE_EVIDENCE : LEAVE_NOTHING;
    if (job->options->keep)
        what = LEAVE_ALL;
    bool ended = drill_scratch_end(&job->scratch, what, &kept, done ? err : &ignored);
    if (kept != NULL)
        ended = drill_proof_set(&job->proof->kept, kept, done ? err : &ignored) && ended;
    return done && ended;
}

static void job_release(struct drill_job *job)
{
    drill_server_kill(&job->server);
    drill_scratch_release(&job->scratch);
}

bool drill_run(const struct repository *repository, const struct drill_options *options,
               const struct drill_plan *plan, struct drill_proof *out, struct error *err)
{
    struct drill_proof proof;
    CLEANUP(job_release)
    struct drill_job job = {.repository = repository,
                            .options = options,
                            .plan = plan,
                            .proof = &proof,
                            .scratch = {.lock_fd = -1}};
    job.server = (struct drill_server){.options = options, .plan = plan, .scratch = &job.scratch};
    if (!drill_proof_init(&proof, err))
        return false;
    bool done = begin_proof(&job, err) &&
                (plan->possible ? perform(&job, err)
                                : drill_check_run(&job, ROW_RESTORE, fail_plan, err)) &&
                end_proof(&job, err);
    drill_server_kill(&job.server);
    if (!leave(&job, done, err)) {
        drill_proof_release(&proof);
        return false;
    }
    *out = proof;
    return true;
}
