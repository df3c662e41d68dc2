#include "daemon/job.h"

#include "base/error.h"

void job_init(struct job *job, enum role_id role)
{
    *job = (struct job){.role = role_row(role), .again_us = INT64_MAX};
}

void job_enable(struct job *job, bool enabled, const struct job_time *now)
{
    if (enabled && !job->enabled)
        job->again_us = now->monotonic_us;
    if (!enabled)
        job->again_us = INT64_MAX;
    job->enabled = enabled;
}

void job_schedule(struct job *job, const struct timetable *table)
{
    bool running = job->running && job->timed;
    job->table = *table;
    job->table.running = running;
    job->timed = true;
    job->enabled = true;
}

bool job_begin(struct job *job, const struct job_time *now)
{
    if (!job->enabled || job->running)
        return false;
    bool due = job->timed && timetable_begin(&job->table, now->wall_us);
    bool again = job->again_us <= now->monotonic_us;
    if (!due && !again)
        return false;
    if (job->timed && !due)
        timetable_serve(&job->table, now->wall_us);
    job->again_us = INT64_MAX;
    job->running = true;
    job->stopping = false;
    job->started_us = now->monotonic_us;
    job->runs++;
    return true;
}

int64_t job_pause_us(const struct role *role, uint64_t failures_in_row)
{
    int64_t pause_us = role->pause_us;
    for (uint64_t i = 1; i < failures_in_row && pause_us < role->pause_max_us; i++)
        pause_us *= 2;
    return pause_us < role->pause_max_us ? pause_us : role->pause_max_us;
}

static bool is_final(int exit_code)
{
    return exit_code == error_exit_code(ERROR_USAGE) ||
           exit_code == error_exit_code(ERROR_CORRUPT) ||
           exit_code == error_exit_code(ERROR_REFUSED);
}

enum error_kind job_failure_kind(int exit_code)
{
    static const enum error_kind kinds[] = {ERROR_USAGE, ERROR_NOT_FOUND, ERROR_CORRUPT,
                                            ERROR_REFUSED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (exit_code == error_exit_code(kinds[i]))
            return kinds[i];
    }
    return exit_code > 128 ? ERROR_NONE : ERROR_IO;
}

/* An always-on job never ends well by itself, unless it was asked to. */
static void plan_again(struct job *job, int exit_code, enum error_kind kind,
                       const struct job_time *now)
{
    bool always = job->role->policy == ROLE_ALWAYS;
    bool failed = (exit_code != 0 || always) && !job->stopping;
    if (always && job->last_duration_us >= JOB_HEALTHY_US)
        job->failures_in_row = 0;
    if (!failed) {
        job->failures_in_row = 0;
        job->again_us = always && job->enabled ? now->monotonic_us : INT64_MAX;
        return;
    }
    job->failures++;
    job->failures_by_kind[kind != ERROR_NONE ? kind : job_failure_kind(exit_code)]++;
    job->failures_in_row++;
    if (job->enabled && (always || !is_final(exit_code)))
        job->again_us = now->monotonic_us + job_pause_us(job->role, job->failures_in_row);
}

void job_end(struct job *job, int exit_code, enum error_kind kind, const struct job_time *now)
{
    job->running = false;
    timetable_end(&job->table);
    job->last_exit_code = exit_code;
    job->last_end_us = now->wall_us;
    job->last_duration_us = now->monotonic_us - job->started_us;
    if (exit_code == 0 && !job->stopping)
        job->last_success_us = now->wall_us;
    plan_again(job, exit_code, kind, now);
    job->stopping = false;
}

int64_t job_wait_us(const struct job *job, const struct job_time *now)
{
    int64_t wait_us = INT64_MAX;
    if (!job->enabled || job->running)
        return INT64_MAX;
    if (job->again_us != INT64_MAX)
        wait_us = job->again_us - now->monotonic_us;
    if (job->timed && timetable_wake_us(&job->table) != INT64_MAX) {
        int64_t until_us = timetable_wake_us(&job->table) - now->wall_us;
        wait_us = until_us < wait_us ? until_us : wait_us;
    }
    return wait_us < 0 ? 0 : wait_us;
}
