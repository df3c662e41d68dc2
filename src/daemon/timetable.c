#include "daemon/timetable.h"

/* A clock that was this far in the future and has been put right must not silence the job. */
#define CLOCK_STEP_MAX_US ((int64_t)25 * 3600 * 1000000)

static void plan(struct timetable *table, int64_t after_us)
{
    table->due_us = cron_next(&table->cron, table->zone, after_us);
    table->start_us = table->due_us;
    if (table->due_us != INT64_MAX && table->jitter_us > 0)
        table->start_us += (int64_t)random_below(table->random, (uint64_t)table->jitter_us);
}

void timetable_init(struct timetable *table, const struct cron *cron, const struct time_zone *zone,
                    int64_t jitter_us, const struct random_source *random, int64_t now_us)
{
    *table = (struct timetable){
        .cron = *cron, .zone = zone, .random = random, .jitter_us = jitter_us, .latest_us = now_us};
    plan(table, now_us);
}

void timetable_resume(struct timetable *table, int64_t last_run_us, int64_t now_us)
{
    if (last_run_us - now_us > CLOCK_STEP_MAX_US)
        return;
    int64_t next_us = cron_next(&table->cron, table->zone, last_run_us);
    table->latest_us = last_run_us > table->latest_us ? last_run_us : table->latest_us;
    if (next_us > table->due_us)
        plan(table, last_run_us);
    if (next_us > now_us)
        return;
    table->due_us = next_us;
    table->start_us = now_us;
}

bool timetable_begin(struct timetable *table, int64_t now_us)
{
    if (table->latest_us - now_us > CLOCK_STEP_MAX_US) {
        plan(table, now_us);
        table->latest_us = now_us;
    }
    table->latest_us = now_us > table->latest_us ? now_us : table->latest_us;
    if (table->running || table->due_us == INT64_MAX || now_us < table->start_us)
        return false;
    table->running = true;
    plan(table, now_us > table->due_us ? now_us : table->due_us);
    return true;
}

void timetable_serve(struct timetable *table, int64_t now_us)
{
    table->running = true;
    if (now_us >= table->due_us)
        plan(table, now_us);
}

void timetable_end(struct timetable *table)
{
    table->running = false;
}

int64_t timetable_wake_us(const struct timetable *table)
{
    return table->running ? INT64_MAX : table->start_us;
}
