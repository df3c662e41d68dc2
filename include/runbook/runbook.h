/*
 * A runbook as data: what `runbook_load` makes of a YAML file in the language mainstay/v1, checked
 * and complete (runbooks/README.md is the language's manual, runbooks/schema.json its schema).
 *
 * Plain data, never changed after loading. Texts belong to the runbook; "" where the file says
 * nothing. Durations are microseconds, 0 = not given. `line` is where the thing begins in the file.
 * Templates ("{{ params.carrier }}") are kept as written; document/template.h renders them.
 */
#ifndef RUNBOOK_RUNBOOK_H
#define RUNBOOK_RUNBOOK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    char **items;
    size_t count;
};

/* ---- parameters ---- */

enum param_type {
    PARAM_TEXT,
    PARAM_ENUM,
    PARAM_INT,
    PARAM_BOOL,
    PARAM_DURATION,
    PARAM_TIMESTAMP, /* with an offset, always */
    PARAM_LIST,      /* of texts; on the command line separated by commas */
};

struct runbook_param {
    char *name; /* [a-z][a-z0-9_]* */
    enum param_type type;
    bool required;
    char *standard;          /* default, as text; NULL: none */
    struct text_list values; /* PARAM_ENUM */
    char *min;               /* as text of the type; NULL: none */
    char *max;
    char *pattern; /* POSIX extended, whole text */
    char *help;
    int line;
};

/* ---- selections: what a plan freezes ---- */

enum selection_of { OF_TICKETS, OF_ORDERS, OF_CUSTOMERS };

/* The first segment that fits a row is its segment; rows that fit none are not selected. A runbook
 * without segments has one, named "all", where everything fits. */
struct runbook_segment {
    char *name;
    char *where;               /* SQL condition; "" = true */
    struct text_list mentions; /* words or phrases (templates), literal, whole words, in subject or
                                  messages of the ticket; any of them is enough */
    struct text_list needs;    /* capabilities of the adapter; without them the segment is left out,
                                  and the plan says so */
    int line;
};

struct runbook_selection {
    char *name;
    enum selection_of of;
    char *where; /* SQL condition over t (tickets), o (orders) or c (customers) and :params, :now */
    struct runbook_segment *segments;
    size_t segment_count;
    bool orders_by_customer;       /* segments see all orders of the ticket's customer, not only the
                                      one whose number the ticket has */
    char *exclude_where;           /* "" = nothing */
    struct text_list exclude_tags; /* templates; "incident:*" is every tag that begins so */
    struct text_list needs;
    int line;
};

/* ---- steps ---- */

enum step_uses {
    USES_ASSESS,
    USES_RESTORE_POINT,
    USES_TAG,
    USES_UNTAG,
    USES_NOTICE,
    USES_APPROVAL,
    USES_TASK,
    USES_WAIT,
    USES_STATUS,
    USES_WEBHOOK,
};

enum step_on_error { ON_ERROR_PAUSE, ON_ERROR_CONTINUE, ON_ERROR_FAIL };

enum guard_then { GUARD_STOP, GUARD_FAIL };

/* count(<selection>) <op> <number>, decided on the frozen counts */
struct runbook_guard {
    char *selection;
    char *op; /* one of < <= = != >= > */
    uint64_t number;
    char *limit; /* "max_tickets" where a limit stands in place of the number; else "" */
    enum guard_then then;
    char *say;
    int line;
};

struct runbook_choice_default {
    int64_t after_us; /* 0: there is none */
    char *choice;
};

struct runbook_step {
    char *id; /* [a-z][a-z0-9-]* , unique over steps and recover */
    enum step_uses uses;
    char *title;
    char *owner; /* a name in owners */
    enum step_on_error on_error;
    int64_t timeout_us;
    int line;

    struct text_list selections;  /* assess */
    struct runbook_guard *expect; /* assess */
    size_t expect_count;
    int64_t sample; /* assess: rows for each segment; 10 unless given */

    char *from;            /* tag, untag, notice: a selection */
    struct text_list tags; /* tag (add), untag (remove): templates; may use {{ row.segment }} */

    char *template_name;       /* notice, status, webhook */
    struct text_list channels; /* notice: in order of preference */
    int64_t once_per_us;       /* notice: window per customer across runs */
    int64_t not_before_us;     /* notice: after queueing */
    int64_t expires_after_us;  /* notice: required */
    char *quiet_from;          /* notice: "20:00", in the recipient's zone; "" = no quiet hours */
    char *quiet_to;
    char *only_after; /* notice: only customers with a notice of this template in this run */

    char *role;         /* approval: who should look; shown, not enforced */
    int64_t quorum;     /* approval */
    int64_t expires_us; /* approval */

    char *ask;                                    /* task */
    struct text_list choices;                     /* task */
    struct runbook_choice_default choice_default; /* task */

    char *signal;      /* wait; "" = only the duration */
    int64_t for_us;    /* wait: duration, or how long a signal is waited for */
    int64_t remind_us; /* wait */

    char *component;           /* status */
    char *state;               /* status: investigating identified monitoring resolved */
    struct text_list webhooks; /* status, webhook: names in the configuration */
};

/* ---- templates ---- */

struct runbook_text {
    char *locale; /* "en", "de", "pt-BR" */
    char *subject;
    char *text;
    char *html; /* "" = none */
    int line;
};

/* What a notice promises, for the content checks of its purpose. */
struct runbook_facts {
    char *new_date; /* a date (template) or "unknown"; "" = not said */
    bool refund;    /* offers to cancel for a full refund */
    bool reply;     /* names a free way to answer */
};

struct runbook_template {
    char *name;
    char *purpose; /* service delay safety security status */
    struct runbook_facts facts;
    struct runbook_text *texts; /* the first one is the fallback */
    size_t text_count;
    int line;
};

/* ---- the rest ---- */

struct runbook_limits {
    uint64_t max_tickets;
    uint64_t max_notices;
    uint64_t batch;
    int64_t target_us; /* time of one batch */
    int64_t lock_timeout_us;
    int64_t statement_timeout_us;
    int64_t max_replica_lag_us;   /* 0 = not looked at */
    uint64_t max_active_backends; /* 0 = not looked at */
};

struct runbook_clock {
    int64_t first_update_within_us;
    int64_t update_every_us;
    int64_t long_after_us;
    int64_t update_every_long_us;
    int64_t grace_us;
    char *on_breach; /* a name in owners */
};

enum undo_rule { UNDO_ALLOWED, UNDO_REFUSED };

struct runbook_undo {
    enum undo_rule tags;
    enum undo_rule notices; /* cancelling what is not sent */
    char *reason;           /* why something is refused */
};

struct runbook_owner {
    char *name;
    char *duty;
};

struct runbook_exit {
    char *text;
    char *zero;   /* a selection that must be empty; "" = for people to judge */
    bool drained; /* no unsent notice of this run */
};

struct runbook_test_count {
    char *name; /* "affected", or "affected/no-label" for a segment; tagged notices suppressed */
    uint64_t count;
};

struct runbook_test {
    char *name;
    char *fixture;           /* SQL file beside the runbook */
    char *clock;             /* timestamp with offset */
    struct text_list params; /* "key=value" */
    struct runbook_test_count *expect;
    size_t expect_count;
    int line;
};

struct runbook {
    char *file; /* for messages */
    char *name;
    char *version; /* three numbers */
    char *title;
    char *summary;
    char *owner;
    char *reviewed_on;      /* YYYY-MM-DD */
    struct text_list needs; /* capabilities without which there is no run */
    struct runbook_owner *owners;
    size_t owner_count;
    struct runbook_param *params;
    size_t param_count;
    char *concurrency_group; /* template */
    struct runbook_limits limits;
    struct runbook_clock clock;
    struct runbook_selection *selections;
    size_t selection_count;
    struct runbook_step *steps;
    size_t step_count;
    struct runbook_step *recover;
    size_t recover_count;
    struct runbook_template *templates;
    size_t template_count;
    struct runbook_exit *exits;
    size_t exit_count;
    struct runbook_undo undo;
    struct runbook_test *tests;
    size_t test_count;
    char *source;    /* the file's text */
    char digest[65]; /* SHA-256 of the text, hex */
};

/* Borrows the text; `file` starts the messages: "carrier-outage.yaml:12:5: ...". ERROR_INVALID with
 * line, column and the nearest known word: the first problem, and how many there are
 * (runbook/problems.h has them all). What this accepts is right in itself: every name that is used
 * exists, conditions keep their place, templates have no unknown names. A selection without
 * segments gets one, "all"; a runbook without a concurrency group gets its own name. Gives *out. */
MUST_CHECK bool runbook_load(const char *text, size_t len, const char *file, struct runbook **out,
                             struct error *err);
void runbook_free(struct runbook *runbook); /* NULL is allowed */
void runbook_cleanup(struct runbook **runbook);

/* NULL when there is none of this name. */
const struct runbook_selection *runbook_selection(const struct runbook *runbook, const char *name);
const struct runbook_template *runbook_template(const struct runbook *runbook, const char *name);
const struct runbook_param *runbook_param(const struct runbook *runbook, const char *name);

/* "250ms", "90s", "20m", "24h", "14d" to microseconds. */
MUST_CHECK bool runbook_duration(const char *text, int64_t *out_us);

/* All steps in one row: those of `steps`, then those of `recover`; NULL behind the last. */
const struct runbook_step *runbook_step_at(const struct runbook *runbook, size_t at);

/* "duration" */
const char *param_type_name(enum param_type type);
/* "restore-point" */
const char *step_uses_name(enum step_uses uses);

#endif
