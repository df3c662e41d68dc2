/*
 * Taking away what is not needed any more, while snapshots are being taken. FORMAT.md ("Leases and
 * cleaning up") proves why nothing that is needed is lost; the order of the steps is that proof:
 *
 *   sweep_begin      announces itself, so that clean-ups exclude each other
 *   expire_plan, expire_run (repository/expire.h)      manifests and WAL, when asked for
 *   garbage_plan     (repository/garbage.h) leases, then manifests, then packs are listed
 *   garbage_run      manifests are listed again, then packs are removed
 *   sweep_end
 *
 * A dry run announces nothing and changes nothing.
 */
#ifndef REPOSITORY_SWEEP_H
#define REPOSITORY_SWEEP_H

#include "repository/lease.h"
#include "repository/repository.h"

struct sweep_options {
    int64_t grace_us;     /* packs and WAL stored less than this ago stay */
    int64_t lease_age_us; /* a snapshot's lease older than this is one of a dead process */
    bool dry_run;
    const struct clock *clock;
    const struct random_source *random;
};

struct sweep {
    const struct repository *repository; /* borrowed */
    struct sweep_options options;
    struct lease lease;
    int64_t began_us; /* by the store's clock: when our lease was stored */
};

/* ERROR_REFUSED while another clean-up is at work; one that died is in the way for two hours. Gives
 * *out (sweep_end). */
MUST_CHECK bool sweep_begin(const struct repository *repository,
                            const struct sweep_options *options, struct sweep *out,
                            struct error *err);
/* ERROR_REFUSED when it went on for so long that others may take it for dead. Before every step
 * that relies on being alone. */
MUST_CHECK bool sweep_check(const struct sweep *sweep, struct error *err);
/* For CLEANUP(sweep_end) too; a zeroed one is fine. */
void sweep_end(struct sweep *sweep);

#endif
