/* What the parts of a drill share. Private to src/drill. */
#ifndef DRILL_DRILL_INTERNAL_H
#define DRILL_DRILL_INTERNAL_H

#include "base/buf.h"
#include "drill/drill.h"
#include "postgres/query.h"

/* Rows of the proof that every drill has, in this order; the others come behind them. */
enum drill_row {
    ROW_RESTORE,
    ROW_RECOVERY,
    ROW_VERIFYBACKUP,
    ROW_CHECKSUMS,
    ROW_AMCHECK,
    ROW_COUNT,
};

/* drill_scratch.c: the directory of one drill. A lock says that its drill is alive; those of drills
 * that were killed are removed by the next one. */
struct drill_scratch {
    char *root;        /* "/tmp/mainstay-drill-<id>" */
    char *data;        /* the data directory */
    char *tablespaces; /* one directory for each OID */
    char *log;         /* what the server says */
    char *checks;      /* what tools say */
    int lock_fd;
};

MUST_CHECK bool drill_scratch_make(const struct drill_options *options,
                                   const struct drill_plan *plan, struct drill_scratch *out,
                                   struct error *err);
void drill_scratch_remove_stale(const char *parent);
/* What a drill leaves: nothing, the evidence, or everything. *out_kept: the directory or NULL. */
enum drill_leave { LEAVE_NOTHING, LEAVE_EVIDENCE, LEAVE_ALL };
MUST_CHECK bool drill_scratch_end(struct drill_scratch *scratch, enum drill_leave leave,
                                  char **out_kept, struct error *err);
void drill_scratch_release(struct drill_scratch *scratch);
MUST_CHECK bool drill_scratch_write(const struct drill_scratch *scratch,
                                    const struct drill_plan *plan, const char *name,
                                    const char *text, struct error *err);
/* Whether a socket in it has a path that the system can bind. */
MUST_CHECK bool drill_scratch_check_path(const char *parent, struct error *err);

/* drill_process.c: programs of PostgreSQL, as the drill's user. Their standard output and errors
 * are appended to a file. They die with the drill. */
struct drill_process {
    const char *const *argv; /* NULL-terminated; argv[0] is a path */
    const char *output;      /* file */
    const char *directory;   /* to work in */
    int death_signal;        /* when the drill dies */
    bool change_user;
    uid_t uid;
    gid_t gid;
};
MUST_CHECK bool drill_process_start(const struct drill_process *process, pid_t *out_pid,
                                    struct error *err);
/* Runs it to its end, at most timeout_us. *out_status: exit code, 128 + signal. */
MUST_CHECK bool drill_process_run(const struct drill_process *process, const struct clock *clock,
                                  int64_t timeout_us, int *out_status, struct error *err);

/* drill_server.c */
struct drill_server {
    const struct drill_options *options;
    const struct drill_plan *plan;
    const struct drill_scratch *scratch;
    char reader[40]; /* a role that may read everything and nothing else, for questions */
    pid_t pid;       /* 0 = not running */
    bool replayed;   /* it was seen to begin the recovery: */
    int64_t replay_us;
};
MUST_CHECK bool drill_server_start(struct drill_server *server, struct error *err);
/* Until it answers. ERROR_CORRUPT with what the log says when it ends before; ERROR_UNAVAILABLE
 * after the timeout. */
MUST_CHECK bool drill_server_wait(struct drill_server *server, struct error *err);
/* As the superuser that drill.role names, for what is ours. */
MUST_CHECK bool drill_server_connect(const struct drill_server *server, const char *database,
                                     struct connection **out, struct error *err);
/* Makes the reader, once. */
MUST_CHECK bool drill_server_add_reader(struct drill_server *server, struct error *err);
/* As the reader: whatever functions a restored database brings along run without rights. */
MUST_CHECK bool drill_server_connect_reader(const struct drill_server *server, const char *database,
                                            struct connection **out, struct error *err);
/* A clean shutdown; ERROR_CORRUPT when it is not. */
MUST_CHECK bool drill_server_stop(struct drill_server *server, struct error *err);
/* Ends it by whatever is needed. For CLEANUP. */
void drill_server_kill(struct drill_server *server);

struct drill_job {
    const struct repository *repository;
    const struct drill_options *options;
    const struct drill_plan *plan;
    struct drill_proof *proof;
    struct drill_scratch scratch;
    struct drill_server server;
    int64_t answered_us; /* monotonic; 0 = it never did */
    int64_t aside_us;    /* spent on checks before the server answered */
    uint64_t next_xid;   /* of the restored server, before we wrote to it */
    const void *subject; /* of the check at hand: drill_check_add */
};

/* A check: fills its row. False with err: it found what it must not (the row fails with the text),
 * or, for ERROR_CANCELLED and ERROR_NO_MEMORY, could not be made. */
typedef bool (*drill_check_fn)(struct drill_job *job, struct drill_check *check, struct error *err);
MUST_CHECK bool drill_check_run(struct drill_job *job, size_t row, drill_check_fn run,
                                struct error *err);
/* The same in a row of its own behind the others; `subject` is in the job meanwhile. */
MUST_CHECK bool drill_check_add(struct drill_job *job, const char *name, const char *promise,
                                drill_check_fn run, const void *subject, struct error *err);
/* Sets outcome, found (takes it) and expected (copied). */
MUST_CHECK bool drill_check_settle(struct drill_check *check, bool holds, const char *expected,
                                   char *found, struct error *err);
MUST_CHECK bool drill_check_skip(struct drill_check *check, char *why, struct error *err);
void drill_set_phase(const struct drill_job *job, const char *phase);
int64_t drill_now(const struct drill_job *job);

/* drill_checks.c */
bool drill_check_verifybackup(struct drill_job *job, struct drill_check *check, struct error *err);
bool drill_check_recovery(struct drill_job *job, struct drill_check *check, struct error *err);
/* drill_pages.c: after the server has stopped */
bool drill_check_pages(struct drill_job *job, struct drill_check *check, struct error *err);
/* drill_amcheck.c */
bool drill_check_amcheck(struct drill_job *job, struct drill_check *check, struct error *err);
/* drill_helpdesk.c, drill_questions.c: append rows of their own */
MUST_CHECK bool drill_check_helpdesks(struct drill_job *job, struct error *err);
MUST_CHECK bool drill_check_assertions(struct drill_job *job, struct error *err);

/* Names of the databases that can be connected to, in order. Gives *out. */
MUST_CHECK bool drill_databases(struct drill_job *job, struct query_result **out,
                                struct error *err);
/* Connects to the source server for questions: read only, with timeouts. NULL in *out: there is
 * none, or it does not answer. */
MUST_CHECK bool drill_source_connect(const struct drill_job *job, const char *database,
                                     struct connection **out, struct error *err);
/* Asks in a READ ONLY transaction. Gives *out. */
MUST_CHECK bool drill_ask(struct connection *connection, const char *sql, const char *what,
                          struct query_result **out, struct error *err);

/* drill_source.c */
void drill_source_look(const struct drill_options *options, uint64_t system_identifier,
                       struct drill_source *out);

#endif
