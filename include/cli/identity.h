/*
 * Least privilege: what each job asks of the store and of PostgreSQL, and which identities (logins,
 * credentials) do which jobs. `mainstay doctor --print-iam` and `--print-grants` print rights from
 * these tables, `adapter install` prints the same memberships, and tests/integration/identities.t
 * runs every job under exactly these rights.
 *
 *     founder     makes the repository, once
 *     writer      snapshots, the WAL stream, drills, the daemon: cannot remove what was stored
 *     reaper      expire, merge, pins: the only one who removes
 *     reader      restores, drills, verification
 *     planner, runner, approver, dispatcher     runbooks; logins in the helpdesk's database
 */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include "base/buf.h"
#include "base/error.h"
#include "document/value.h"
#include "store/store.h"

#include <stddef.h>

enum { JOB_MAX_RIGHTS = 14, IDENTITY_MAX_JOBS = 10 };

enum store_right {
    RIGHT_GET = 1, /* stat, too */
    RIGHT_LIST = 2,
    RIGHT_PUT = 4, /* an object that is not there: nothing is ever replaced */
    RIGHT_REMOVE = 8,
    RIGHT_SEE_LOCK = 16,      /* until when it is kept */
    RIGHT_RENEW = 32,         /* lock anew what is there, where locks are configured */
    RIGHT_LIST_VERSIONS = 64, /* what was put over, and what was removed */
    RIGHT_GET_VERSION = 128,
    RIGHT_SETTINGS = 256, /* of the bucket */
    /* What follows from the others where locks are configured. */
    RIGHT_LOCK = 512,
    RIGHT_HOLD = 1024,
};

/* What one job asks of the store. */
struct job_right {
    const char *prefix; /* of keys: "packs/"; a whole key; "": every key. NULL ends the list */
    unsigned rights;
};

struct identity_job {
    const char *name; /* the commands: "snapshot create" */
    struct job_right rights[JOB_MAX_RIGHTS];
};

struct identity {
    const char *name;
    const char *summary;
    const char *attributes; /* of its login: "REPLICATION"; NULL: it needs no login */
    const char *statement;  /* beside CREATE ROLE, with %s for the login; NULL: none */
    const char *member_of;  /* role of the adapter; NULL: none */
    const char *does;       /* with that role, for people */
    bool looks_back;        /* opens the bucket as of a time, too */
    const struct identity_job *jobs[IDENTITY_MAX_JOBS]; /* NULL ends the list */
};

size_t identity_count(void);
const struct identity *identity_at(size_t at);
/* ERROR_USAGE lists the names. */
MUST_CHECK bool identity_find(const char *name, const struct identity **out, struct error *err);

/* Appends the SQL that makes its login. */
void identity_put_grants(const struct identity *identity, struct buf *out);
/* Appends one line "GRANT role TO login; -- what for" for each identity that is a member of a role.
 */
void identity_put_memberships(struct buf *out);

/* The IAM policy (version 2012-10-17) for the repository at an s3:// URL, where objects are put
 * with this lock. Gives a new value. An identity that needs no store is ERROR_NOT_FOUND, another
 * kind of store ERROR_USAGE. */
MUST_CHECK struct value *identity_policy(const struct identity *identity, const char *url,
                                         const struct store_lock *lock, struct error *err);

#endif
