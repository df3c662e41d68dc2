/*
 * A run while this process holds it: shared by the lease, the batches, the steps and the loop that
 * walks them. Everything that is written goes through run_transaction, whose first statement
 * compares the fence: who lost the lease, or was asked to stop, writes nothing more.
 */
#ifndef RUNBOOK_RUN_INTERNAL_H
#define RUNBOOK_RUN_INTERNAL_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "document/value.h"
#include "postgres/query.h"
#include "runbook/helpdesk.h"
#include "runbook/pace.h"
#include "runbook/plan.h"
#include "runbook/run.h"
#include "runbook/selection.h"

enum { RUN_NUMBER_SIZE = 24, RUN_IDS_MAX_BYTES = 1024 * 1024, RUN_DETAIL_MAX_BYTES = 256 * 1024 };

/* A row of run_steps, and what runbook and plan say about it. */
struct run_step {
    char *section; /* "steps", "recover", "undo" */
    int64_t at;
    char *id;
    char *uses;
    char *state;
    int64_t cursor;                  /* seq of the last target that is done */
    int64_t total;                   /* targets; 0: it has none */
    int64_t running_us;              /* since it began; 0: it did not */
    int64_t due_us;                  /* until it is due, may be negative; INT64_MAX: never */
    const struct runbook_step *spec; /* NULL in an undo */
    const struct value *planned;     /* the step's object in the plan; NULL: it has none */
};

struct run_measure {
    uint64_t targets;
    uint64_t changed;
    uint64_t held;
    int64_t began_us; /* monotonic */
    int64_t taken_us;
};

struct run {
    struct connection *connection;           /* borrowed */
    const struct runbook_settings *settings; /* borrowed */
    const struct random_source *random;      /* for jitter and ids */
    char *id;
    char *undoes; /* "" for a run */
    char *requester;
    char *plan_digest;
    struct plan *plan;             /* owned; NULL in an undo */
    struct value *undo_plan;       /* owned; NULL in a run */
    struct runbook *undo_runbook;  /* owned; NULL in a run */
    const struct runbook *runbook; /* one of the two */
    struct helpdesk helpdesk;      /* owned: what the installed adapter can */
    int64_t actor;                 /* whom the helpdesk's history names */
    int64_t fence;
    int64_t renewed_us; /* monotonic */
    struct run_pace pace;
    char wanted[8];        /* "pause", "cancel": somebody asked; "" = nobody */
    bool ending;           /* what is asked for is being done: the lease alone decides */
    bool waiting;          /* this process has said that the run waits */
    const char *end_state; /* STEP_STOP: "done" or "cancelled" */
    char end_reason[512];
    char reason[PACE_REASON_SIZE]; /* why it is slowed down, "" = it is not */
    int64_t load_seen_us;          /* monotonic; when the server's load was looked at */
    int64_t last_batch_end_us;     /* monotonic; 0: none yet */
    struct run_measure measured;   /* of the last batch; no targets: it is kept already */
    int64_t step_began_us;         /* monotonic; when this process took the step up */
    struct run_step step;          /* the current one */
};

enum step_outcome {
    STEP_DONE,
    STEP_WAITING, /* for people, a signal or the clock; run->reason says for what */
    STEP_STOP,    /* a guard, or a rejection, ends the run here, without failure */
};

typedef bool (*step_run_fn)(struct run *run, enum step_outcome *out, struct error *err);

/* ---- run_store.c: rows ---- */

/* Number as text, for a parameter. */
const char *run_number(int64_t number, char out[RUN_NUMBER_SIZE]);
/* The run's row, its plan (digests checked), the adapter's settings. ERROR_NOT_FOUND. */
MUST_CHECK bool run_load(struct run *run, const char *run_id, struct error *err);
void run_release(struct run *run);
/* The first step that is neither done nor skipped nor failed, into run->step; *out_found false:
 * there is none in this section. */
MUST_CHECK bool run_next_step(struct run *run, const char *section, bool *out_found,
                              struct error *err);
void run_step_release(struct run_step *step);
/* Appends an event, in the caller's transaction if there is one. detail NULL: {}. */
MUST_CHECK bool run_event(struct run *run, const char *kind, const struct value *detail,
                          struct error *err);
/* {"step": id} plus one text, as an event. */
MUST_CHECK bool run_event_text(struct run *run, const char *kind, const char *key, const char *text,
                               struct error *err);
/* Sets one member of the step's result. */
MUST_CHECK bool run_step_set(struct run *run, const char *key, const struct value *value,
                             struct error *err);
MUST_CHECK bool run_step_set_text(struct run *run, const char *key, const char *text,
                                  struct error *err);
MUST_CHECK bool run_step_set_number(struct run *run, const char *key, int64_t number,
                                    struct error *err);
/* Adds to counts in the step's result and moves the cursor. */
struct run_counts {
    uint64_t done;
    uint64_t changed;
    uint64_t already;
};
MUST_CHECK bool run_step_advance(struct run *run, int64_t cursor, const struct run_counts *counts,
                                 struct error *err);
/* "The first row's first column", as a number. */
/* The selection of this name, compiled for this run. Gives *out. */
MUST_CHECK bool run_selection(struct run *run, const char *name, struct selection_query **out,
                              struct error *err);
/* Targets that are frozen of this selection. */
MUST_CHECK bool run_count_targets(struct run *run, const char *selection, int64_t *out,
                                  struct error *err);
MUST_CHECK bool run_query_number(struct run *run, const struct query *query, int64_t *out,
                                 struct error *err);

/* ---- run_lease.c ---- */

/* ERROR_UNAVAILABLE (retryable) while another process has it, ERROR_REFUSED for a run that is over.
 * A process whose connection is gone loses it at once, one that is silent when its time is up. */
MUST_CHECK bool run_lease_take(struct run *run, struct error *err);
/* First thing in every transaction. ERROR_CANCELLED when it was lost, or when somebody asked the
 * run to stop (run->wanted). */
MUST_CHECK bool run_lease_renew(struct run *run, struct error *err);
/* A transaction of its own, once a third of the lease is used up. */
MUST_CHECK bool run_lease_keep(struct run *run, struct error *err);
/* Lets others take it at once, with this state. Best effort: without it they wait. */
void run_lease_release(struct run *run);
/* In a transaction. reason NULL: none. */
MUST_CHECK bool run_set_state(struct run *run, const char *state, const char *reason,
                              struct error *err);

/* ---- batch.c ---- */

typedef bool (*run_try_fn)(struct run *run, void *context, struct error *err);
/* BEGIN, lease, body, COMMIT; again after lock timeouts, deadlocks, serialization failures and
 * statement timeouts, with jitter and a smaller batch. The body must be able to begin anew. */
MUST_CHECK bool run_transaction(struct run *run, run_try_fn body, void *context, struct error *err);
/* ERROR_UNAVAILABLE once the step has taken longer than its timeout. */
MUST_CHECK bool run_step_check_time(struct run *run, struct error *err);
/* Before each batch: waits while the server is busy, tells why, keeps the lease. */
MUST_CHECK bool run_throttle(struct run *run, struct error *err);
/* After each batch: rate and size; kept in run_batches by the next transaction. */
void run_measured(struct run *run, const struct run_measure *measure);
void run_tell(struct run *run, const char *state, uint64_t held);

/* ---- run_change.c: tags with their ledger ---- */

struct run_ids {
    int64_t *ids;
    size_t count;
};
/* Adds the tag to these tickets and writes the ledger; *out_changed is what was not there. */
MUST_CHECK bool run_tag_add(struct run *run, const char *tag, const struct run_ids *ids,
                            uint64_t *out_changed, struct error *err);
/* The same for taking away, and only what this run itself added and nobody has set again. */
MUST_CHECK bool run_tag_remove(struct run *run, const char *tag, const struct run_ids *ids,
                               uint64_t *out_changed, struct error *err);
/* Of the run that this one undoes: takes away what it added and nobody has set again. What is still
 * there afterwards is somebody's. */
MUST_CHECK bool run_tag_undo(struct run *run, const char *tag, const struct run_ids *ids,
                             uint64_t *out_changed, struct error *err);
/* Notes these targets as `what`; what is there for them is replaced. */
MUST_CHECK bool run_except(struct run *run, const char *of, const char *what, const char *detail,
                           const struct run_ids *ids, struct error *err);
MUST_CHECK bool run_except_forget(struct run *run, const struct run_ids *ids, struct error *err);
/* '{1,2,3}' */
MUST_CHECK bool run_ids_text(const struct run_ids *ids, struct buf *out, struct error *err);
/* How many targets of the step are held. */
MUST_CHECK bool run_count_held(struct run *run, uint64_t *out, struct error *err);

/* ---- step_*.c ---- */

MUST_CHECK bool step_assess_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_restore_point_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_tag_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_notice_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_approval_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_task_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_wait_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_status_run(struct run *run, enum step_outcome *out, struct error *err);
MUST_CHECK bool step_undo_run(struct run *run, enum step_outcome *out, struct error *err);

/* The step waits: its due time (for_us 0: none) and the reason are written once. */
MUST_CHECK bool run_step_wait(struct run *run, int64_t for_us, const char *reason,
                              struct error *err);
/* Whether the step's due time is over. */
MUST_CHECK bool run_step_is_due(struct run *run, bool *out, struct error *err);
/* The first signal of this name; *out NULL: none yet. Gives *out (free). With choices only one of
 * them counts. */
MUST_CHECK bool run_find_signal(struct run *run, const char *name, const struct text_list *choices,
                                char **out, struct error *err);

/* The name under which `runbook recover` is kept; no signal of a runbook can have it. */
#define RECOVER_SIGNAL ":recover"

/* ---- run_clock.c ---- */

/* An update was given: the next one is due. In a transaction. */
MUST_CHECK bool run_clock_restart(struct run *run, struct error *err);
/* A promise that was broken becomes an event and a page to on_breach, once. */
MUST_CHECK bool run_clock_check(struct run *run, struct error *err);
/* Queues a text to webhooks, in a transaction; `key` tells apart what one run says to one of them.
 */
struct run_post {
    const char *key;
    const char *template_name;
    const char *subject;
    const char *text;
};
MUST_CHECK bool run_post_queue(struct run *run, const struct text_list *webhooks,
                               const struct run_post *post, struct error *err);

/* ---- run_exit.c ---- */

/* The exit criteria with what is true now, into an array. */
MUST_CHECK bool run_exit_evaluate(struct run *run, struct value *array, struct error *err);

#endif
