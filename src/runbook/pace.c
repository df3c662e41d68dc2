#include "runbook/pace.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

static const double weight = 0.4;
static const double largest_growth = 1.2;

enum { STANDARD_BATCH = 1000, STANDARD_TARGET_US = 200000 };

static uint64_t clamp(uint64_t batch, uint64_t max_batch)
{
    if (batch > max_batch)
        batch = max_batch;
    return batch < PACE_MIN_BATCH ? PACE_MIN_BATCH : batch;
}

void run_pace_init(struct run_pace *pace, const struct runbook_limits *limits, uint64_t max_batch)
{
    if (max_batch == 0 || max_batch > PACE_MAX_BATCH)
        max_batch = PACE_MAX_BATCH;
    *pace = (struct run_pace){
        .batch = clamp(limits->batch == 0 ? STANDARD_BATCH : limits->batch, max_batch),
        .max_batch = max_batch,
        .target_us = limits->target_us == 0 ? STANDARD_TARGET_US : limits->target_us,
        .max_replica_lag_us = limits->max_replica_lag_us,
        .max_active_backends = limits->max_active_backends,
    };
}

static double average(double former, double current)
{
    return former <= 0 ? current : former + weight * (current - former);
}

void run_pace_done(struct run_pace *pace, uint64_t targets, int64_t batch_us, int64_t between_us)
{
    if (targets == 0)
        return;
    double count = (double)targets;
    pace->us_between = average(pace->us_between, (double)(between_us < 1 ? 1 : between_us) / count);
    if (targets * 2 < pace->batch)
        return;
    pace->us_per_target = average(pace->us_per_target,
                                  (double)(batch_us < 1 ? 1 : batch_us) / count);
    double wanted = (double)pace->target_us / pace->us_per_target;
    double most = (double)pace->batch * largest_growth;
    pace->batch = clamp((uint64_t)(wanted > most ? most : wanted), pace->max_batch);
}

void run_pace_timeout(struct run_pace *pace)
{
    pace->batch = clamp(pace->batch / 2, pace->max_batch);
}

bool run_pace_must_wait(const struct run_pace *pace, const struct server_load *load,
                        char reason[PACE_REASON_SIZE])
{
    char is[TEXT_SIZE];
    char most[TEXT_SIZE];
    reason[0] = '\0';
    if (load->lock_waits > PACE_MAX_LOCK_WAITS)
        (void)snprintf(reason, PACE_REASON_SIZE, "%" PRIu64 " sessions wait for locks, %d are fine",
                       load->lock_waits, PACE_MAX_LOCK_WAITS);
    else if (load->sees_all && pace->max_active_backends > 0 &&
             load->active > pace->max_active_backends)
        (void)snprintf(reason, PACE_REASON_SIZE,
                       "%" PRIu64 " active %s, the runbook allows %" PRIu64, load->active,
                       text_plural(load->active, "session", "sessions"), pace->max_active_backends);
    else if (load->sees_all && pace->max_replica_lag_us > 0 &&
             load->replica_lag_us > pace->max_replica_lag_us)
        (void)snprintf(reason, PACE_REASON_SIZE, "a replica is %s behind, the runbook allows %s",
                       text_duration_us(load->replica_lag_us, is),
                       text_duration_us(pace->max_replica_lag_us, most));
    return reason[0] != '\0';
}

double run_pace_rate(const struct run_pace *pace)
{
    return pace->us_between <= 0 ? 0 : 1e6 / pace->us_between;
}

int64_t run_pace_eta_us(const struct run_pace *pace, uint64_t done, uint64_t total)
{
    if (pace->us_between <= 0 || done >= total || (double)done < (double)total / 100)
        return 0;
    return (int64_t)((double)(total - done) * pace->us_between);
}
