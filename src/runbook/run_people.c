/* What people say to a run, through the functions that know who they are (2-audit.sql). */
#include "run_internal.h"

#include <string.h>

/* The database's rules, told apart from failures. identity: whose login may. Always false. */
static bool refused(struct connection *connection, const char *identity, struct error *err)
{
    const char *sqlstate = query_sqlstate(connection);
    static const struct {
        const char *sqlstate;
        enum error_kind kind;
    } rules[] = {
        {"42501", ERROR_REFUSED},   /* insufficient_privilege: not this login */
        {"23514", ERROR_REFUSED},   /* check_violation: not any more */
        {"P0002", ERROR_NOT_FOUND}, /* no_data_found */
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (strcmp(sqlstate, rules[i].sqlstate) == 0)
            err->kind = rules[i].kind;
    return strcmp(sqlstate, "42501") == 0 &&
           error_hint(err,
                      "That takes the login of another person: `mainstay doctor --print-grants %s` "
                      "prints the statement that makes one.",
                      identity);
}

bool run_signal(struct connection *connection, const char *run_id, const char *name,
                const char *value, const char *host, struct error *err)
{
    const struct query query = {
        .sql = "SELECT mainstay.signal($1, $2, $3, $4)",
        .values = (const char *const[]){run_id, name, value, host},
        .count = 4,
        .what = "give the signal",
    };
    return query_do(connection, &query, NULL, err) || refused(connection, "runner", err);
}

bool run_recover(struct connection *connection, const char *run_id, const char *host,
                 struct error *err)
{
    return run_signal(connection, run_id, RECOVER_SIGNAL, "", host, err);
}

bool run_approve(struct connection *connection, const char *run_id, const struct run_vote *vote,
                 const char *host, struct error *err)
{
    const struct query query = {
        .sql = "SELECT mainstay.approve($1, $2, $3, $4, $5, $6)",
        .values = (const char *const[]){run_id, vote->step_id, vote->plan_digest,
                                        vote->rejects ? "rejected" : "approved", vote->comment,
                                        host},
        .count = 6,
        .what = vote->rejects ? "reject" : "approve",
    };
    return query_do(connection, &query, NULL, err) || refused(connection, "approver", err);
}
