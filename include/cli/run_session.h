/* What every command on runs needs: the helpdesk's database, and the settings of the engine. */
#ifndef CLI_RUN_SESSION_H
#define CLI_RUN_SESSION_H

#include "cli/command.h"
#include "document/value.h"
#include "postgres/connection.h"
#include "runbook/run.h"

enum { RUN_HOST_SIZE = 160 };

struct run_view {
    FILE *terminal;
    bool live;        /* a line that is rewritten; else only changes of state are logged */
    int64_t shown_us; /* monotonic */
    char state[16];
    char step[64];
};

struct run_session {
    const struct invocation *call;
    struct connection *connection;
    struct runbook_settings settings;
    struct run_view view;
    char host[RUN_HOST_SIZE]; /* host/pid */
};

/* Flags of the commands that work on a run. */
#define RUN_NO_WAIT_FLAG                                                                     \
    {                                                                                        \
        "no-wait", NULL, NULL, "End when people are needed; somebody resumes the run later." \
    }
#define RUN_LEASE_FLAG                                                                     \
    {                                                                                      \
        "lease", "TIME", "30s",                                                            \
            "After how long without a sign of life another process may take the run over." \
    }
#define RUN_YES_FLAG                                                        \
    {                                                                       \
        "yes", NULL, NULL, "Do not ask; needed where there is no terminal." \
    }

/* `purpose` is seen in pg_stat_activity. */
MUST_CHECK bool run_session_open(struct run_session *session, const struct invocation *call,
                                 const char *purpose, struct error *err);
void run_session_close(struct run_session *session);

/* Works on the run until it ends or waits; connects again when the server was away. Prints where
 * the run is then, also after a failure. */
MUST_CHECK bool run_session_work(struct run_session *session, const char *run_id,
                                 struct error *err);

/* Asks on the terminal; true for "yes" and with --yes. ERROR_REFUSED where nobody can be asked. */
MUST_CHECK bool run_confirm(const struct invocation *call, const char *question, struct error *err);

/* The state of a run, for people or as JSON. */
MUST_CHECK bool run_print_state(const struct invocation *call, struct connection *connection,
                                const char *run_id, struct error *err);

/* "tagging  12,000 of 41,000 (29 %), 9,800/s, 3.0 s left, 12 held, slowed down: ..." */
void run_progress_line(const struct run_progress *progress, struct buf *out);

#endif
