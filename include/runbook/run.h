/*
 * A run of a plan: started once, carried on by whoever holds its lease, until it is done, failed or
 * cancelled (src/runbook/README.md). Undo is a run too.
 */
#ifndef RUNBOOK_RUN_H
#define RUNBOOK_RUN_H

#include "base/clock.h"
#include "runbook/plan.h"

struct run_progress {
    const char *step_id;
    const char *state;  /* "running", "waiting", ... */
    const char *reason; /* why it waits or is slowed down; "" = it is not */
    uint64_t done;      /* targets of the step */
    uint64_t total;
    uint64_t held;
    double per_second; /* moving average; 0: not known yet */
    int64_t eta_us;    /* 0: not known yet (below 1 %) */
};

struct runbook_settings {
    const char *host;          /* for events and leases: host/pid */
    const struct clock *clock; /* waiting between batches and polls */
    int64_t lease_us;          /* how long a lease lasts unless renewed: 30 s */
    int64_t poll_us;           /* how often a waiting run looks: 1 s */
    int64_t at_us;             /* when notices are queued; 0: the server's clock (tests set it) */
    bool wait;                 /* false: run_work returns when people are needed */
    /* Makes a restore point and waits until the WAL stream has it; false with err when it could not
     * be confirmed. NULL: no repository is configured. Callback: the repository is above. */
    bool (*restore_point)(void *context, const char *name, struct value *out, struct error *err);
    /* Told after every batch and change of state; NULL allowed. */
    void (*progress)(void *context, const struct run_progress *progress);
    void *context;
};

/* Stores run, targets and steps. The id is "<runbook>-<yyyymmdd>-<6 hex>". ERROR_REFUSED when
 * another run of the concurrency group is live (its id is in the message) or the plan's database or
 * runbook is another one. */
MUST_CHECK bool run_start(struct connection *connection, const struct plan *plan,
                          const struct runbook_settings *settings, char **out_run_id,
                          struct error *err);

/* Takes the lease and goes on until the run ends, waits for people (settings->wait false), or was
 * paused or cancelled. ERROR_UNAVAILABLE (retryable) while another process holds the lease;
 * ERROR_CANCELLED when the lease was lost or a stop was requested: nothing more was written. */
MUST_CHECK bool run_work(struct connection *connection, const char *run_id,
                         const struct runbook_settings *settings, struct value *out_summary,
                         struct error *err);

/* Asks a run to "pause" or to "cancel", which calls its unsent notices back too. *out_stopped says
 * that it is done; false: a process works on it and will obey after its batch. ERROR_REFUSED for a
 * run that is over. */
MUST_CHECK bool run_stop(struct connection *connection, const char *run_id, const char *wanted,
                         const struct runbook_settings *settings, bool *out_stopped,
                         struct error *err);

/* What somebody answers: the choice of a task (name: the step), a signal. ERROR_REFUSED for a run
 * that is over. The name of the host goes into the event. */
MUST_CHECK bool run_signal(struct connection *connection, const char *run_id, const char *name,
                           const char *value, const char *host, struct error *err);
/* Lets recovery begin. */
MUST_CHECK bool run_recover(struct connection *connection, const char *run_id, const char *host,
                            struct error *err);

struct run_vote {
    const char *step_id;
    const char *plan_digest; /* of the plan that was looked at */
    bool rejects;
    const char *comment;
};
/* As the login of this connection. ERROR_REFUSED for who requested the run, who decided already, a
 * step that does not wait any more, another digest. */
MUST_CHECK bool run_approve(struct connection *connection, const char *run_id,
                            const struct run_vote *vote, const char *host, struct error *err);

#endif
