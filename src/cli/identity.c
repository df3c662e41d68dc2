#include "cli/identity.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "repository/repository.h"
#include "store/s3_location.h"

#include <stdio.h>
#include <string.h>

/* --- what each job asks of the store ---------------------------------------------------------- */

enum {
    GET = RIGHT_GET,
    LIST = RIGHT_LIST,
    READ = RIGHT_GET | RIGHT_LIST,
    PUT = RIGHT_PUT,
    ADD = READ | RIGHT_PUT,
    OWN = READ | RIGHT_PUT | RIGHT_REMOVE, /* its own announcements, taken back by itself */
    CLEAN = READ | RIGHT_REMOVE,
};

static const struct identity_job job_init = {"repo init",
                                             {{REPOSITORY_CONFIG_KEY, GET | PUT}, {"", LIST}}};
static const struct identity_job job_doctor = {
    "doctor", {{REPOSITORY_CONFIG_KEY, GET}, {"probe/", OWN}, {"snapshots/", READ}}};
static const struct identity_job job_status = {"status, snapshot list, snapshot show, wal status",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {"snapshots/", READ},
                                                {"wal/", READ},
                                                {"history/", READ},
                                                {"runs/", READ},
                                                {"pins/", READ},
                                                {"drills/", READ},
                                                {"terms/", READ},
                                                {"restore-points/", READ}}};
/* Pins hold snapshots; a term says whether another daemon has taken over. */
static const struct identity_job job_snapshot = {"snapshot create",
                                                 {{REPOSITORY_CONFIG_KEY, GET},
                                                  {"leases/", OWN},
                                                  {"snapshots/", ADD},
                                                  {"packs/", ADD},
                                                  {"wal/", READ},
                                                  {"history/", READ},
                                                  {"terms/", READ}}};
static const struct identity_job job_wal_stream = {
    "wal stream",
    {{REPOSITORY_CONFIG_KEY, GET}, {"wal/", ADD}, {"history/", ADD}, {"terms/", READ}}};
static const struct identity_job job_restore_point = {
    "restore-point create, restore-point steps of runbooks",
    {{REPOSITORY_CONFIG_KEY, GET}, {"restore-points/", ADD}, {"wal/", READ}}};
static const struct identity_job job_verify = {"snapshot verify",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {"snapshots/", READ},
                                                {"packs/", READ},
                                                {"wal/", READ},
                                                {"history/", READ},
                                                {"runs/", ADD}, /* --record */
                                                {"terms/", READ}}};
/* The daemon counts every object; it removes the signs of life that it no longer needs. */
static const struct identity_job job_daemon = {"mainstayd", {{"terms/", OWN}, {"", LIST}}};
static const struct identity_job job_restore = {"restore, wal get, wal window",
                                                {{REPOSITORY_CONFIG_KEY, GET},
                                                 {"leases/", OWN},
                                                 {"snapshots/", READ},
                                                 {"packs/", READ},
                                                 {"wal/", READ},
                                                 {"history/", READ},
                                                 {"restore-points/", READ}}};
static const struct identity_job job_drill = {"drill run, drill list, drill show",
                                              {{"drills/", ADD}, {"terms/", READ}}};
static const struct identity_job job_pin = {
    "snapshot pin, snapshot unpin",
    {{REPOSITORY_CONFIG_KEY, GET}, {"pins/", OWN}, {"snapshots/", READ}, {"leases/", READ}}};
/* Which packs live is in the manifests: nobody who removes needs to read pages. */
static const struct identity_job job_expire = {"snapshot expire, repo gc",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {"leases/", OWN},
                                                {"snapshots/", CLEAN},
                                                {"packs/", LIST | RIGHT_REMOVE},
                                                {"wal/", CLEAN},
                                                {"pins/", CLEAN},
                                                {"history/", READ},
                                                {"runs/", OWN},
                                                {"restore-points/", READ},
                                                {"terms/", READ}}};
static const struct identity_job job_merge = {
    "wal merge", {{REPOSITORY_CONFIG_KEY, GET}, {"wal/", OWN}, {"leases/", READ}}};

/* --- identities ------------------------------------------------------------------------------- */

static const struct identity identities[] = {
    {.name = "founder",
     .summary = "makes the repository, once",
     .attributes = "REPLICATION",
     .jobs = {&job_init, &job_doctor}},
    {.name = "writer",
     .summary = "snapshots, the WAL stream, drills, the daemon: cannot remove what was stored",
     .attributes = "REPLICATION",
     .statement = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_create_restore_point(text) TO %s;",
     .jobs = {&job_snapshot, &job_wal_stream, &job_restore_point, &job_verify, &job_status,
              &job_doctor, &job_daemon, &job_restore, &job_drill}},
    {.name = "reaper",
     .summary = "expire, gc, merge, pins: the only one who removes",
     .jobs = {&job_expire, &job_merge, &job_pin}},
    {.name = "reader",
     .summary = "restores, drills, verification",
     .jobs = {&job_restore, &job_verify, &job_status, &job_drill}},
    {.name = "planner",
     .summary = "plans runbooks, reads runs",
     .attributes = "",
     .member_of = "mainstay_planner",
     .does = "plan, lint, status, report: reads the views"},
    {.name = "runner",
     .summary = "runs and undoes runbooks",
     .attributes = "",
     .member_of = "mainstay_runner",
     .does = "run, undo, pause, cancel, suppress",
     .jobs = {&job_restore_point}},
    {.name = "approver",
     .summary = "approves what somebody else runs",
     .attributes = "",
     .member_of = "mainstay_approver",
     .does = "approve; not somebody who is a runner"},
    {.name = "dispatcher",
     .summary = "sends notices",
     .attributes = "",
     .member_of = "mainstay_dispatcher",
     .does = "mainstayd: sends notices"},
};

size_t identity_count(void)
{
    return ARRAY_LEN(identities);
}

const struct identity *identity_at(size_t at)
{
    return &identities[at];
}

bool identity_find(const char *name, const struct identity **out, struct error *err)
{
    enum { NAMES_SIZE = 200 };
    char names[NAMES_SIZE] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
        if (strcmp(identities[i].name, name) == 0) {
            *out = &identities[i];
            return true;
        }
        int added = snprintf(names + used, sizeof names - used, "%s%s", i == 0 ? "" : ", ",
                             identities[i].name);
        used += added > 0 && (size_t)added < sizeof names - used ? (size_t)added : 0;
    }
    (void)error_set(err, ERROR_USAGE, "there is no identity \"%.40s\"", name);
    return error_hint(err, "There are %s, and all.", names);
}

/* --- SQL -------------------------------------------------------------------------------------- */

static void put_login(const struct identity *identity, struct buf *out)
{
    char login[TEXT_SIZE];
    (void)snprintf(login, sizeof login, "%s_%s",
                   identity->member_of == NULL ? "backup" : "helpdesk", identity->name);
    buf_printf(out, "CREATE ROLE %s LOGIN", login);
    if (identity->attributes[0] != '\0')
        buf_printf(out, " %s", identity->attributes);
    if (identity->member_of != NULL)
        buf_printf(out, " IN ROLE %s", identity->member_of);
    buf_printf(out, ";\n");
    if (identity->statement != NULL) {
        const char *place = strstr(identity->statement, "%s");
        buf_printf(out, "%.*s%s%s\n", (int)(place - identity->statement), identity->statement,
                   login, place + strlen("%s"));
    }
}

void identity_put_grants(const struct identity *identity, struct buf *out)
{
    buf_printf(out, "-- %s: %s\n", identity->name, identity->summary);
    if (identity->attributes == NULL) {
        buf_printf(out, "-- needs no login: it never talks to PostgreSQL\n");
        return;
    }
    if (identity->member_of != NULL)
        buf_printf(out,
                   "-- in the helpdesk's database, after `mainstay adapter install`; one login "
                   "for each person\n");
    else
        buf_printf(out, "-- in the database of postgres.connection; pg_hba.conf lets it into that "
                        "and into \"replication\"\n");
    put_login(identity, out);
}

void identity_put_memberships(struct buf *out)
{
    char grant[TEXT_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
        if (identities[i].member_of == NULL)
            continue;
        (void)snprintf(grant, sizeof grant, "GRANT %s TO login;", identities[i].member_of);
        buf_printf(out, "  %-36s -- %s\n", grant, identities[i].does);
    }
}

/* --- IAM -------------------------------------------------------------------------------------- */

/* The prefixes on which an identity has a right, each once, in the order of the jobs. */
struct prefixes {
    const char *items[IDENTITY_MAX_JOBS * JOB_MAX_RIGHTS];
    size_t count;
};

static void add_prefix(struct prefixes *prefixes, const char *prefix)
{
    for (size_t i = 0; i < prefixes->count; i++)
        if (strcmp(prefixes->items[i], prefix) == 0)
            return;
    prefixes->items[prefixes->count++] = prefix;
}

static void collect(const struct identity *identity, unsigned right, struct prefixes *out)
{
    *out = (struct prefixes){.count = 0};
    for (size_t i = 0; i < IDENTITY_MAX_JOBS && identity->jobs[i] != NULL; i++) {
        const struct job_right *rights = identity->jobs[i]->rights;
        for (size_t j = 0; j < JOB_MAX_RIGHTS && rights[j].prefix != NULL; j++)
            if ((rights[j].rights & right) != 0)
                add_prefix(out, rights[j].prefix);
    }
}

/* "packs/" is everything below it, "mainstay.json" that object. */
static bool add_pattern(struct value *list, const char *before, const char *prefix,
                        struct error *err)
{
    size_t len = strlen(prefix);
    CLEANUP(free_pointer)
    char *pattern = text_format("%s%s%s", before, prefix,
                                len == 0 || prefix[len - 1] == '/' ? "*" : "");
    if (pattern == NULL)
        return error_no_memory(err, "a policy");
    return value_append_text(list, pattern, err);
}

static struct value *begin_statement(struct value *statements, const char *sid, const char *action,
                                     struct error *err)
{
    struct value *statement = value_append_new_object(statements, err);
    if (statement != NULL && value_set_text(statement, "Sid", sid, err) &&
        value_set_text(statement, "Effect", "Allow", err) &&
        value_set_text(statement, "Action", action, err))
        return statement;
    return NULL;
}

static bool add_objects(struct value *statements, const struct s3_location *location,
                        const struct prefixes *prefixes, const char *sid, const char *action,
                        struct error *err)
{
    CLEANUP(free_pointer)
    char *before = text_format("arn:aws:s3:::%s/%s", location->bucket, location->prefix);
    if (before == NULL)
        return error_no_memory(err, "a policy");
    struct value *statement = begin_statement(statements, sid, action, err);
    struct value *list = statement == NULL ? NULL : value_set_new_array(statement, "Resource", err);
    for (size_t i = 0; list != NULL && i < prefixes->count; i++)
        if (!add_pattern(list, before, prefixes->items[i], err))
            return false;
    return list != NULL;
}

/* A request for an object that is not there is answered 404 only to who may list the bucket, and
 * carries no prefix: IfExists lets that one pass. Without it "not there yet" would be "access
 * denied". */
static bool add_listing(struct value *statements, const struct s3_location *location,
                        const struct prefixes *prefixes, struct error *err)
{
    CLEANUP(free_pointer) char *bucket = text_format("arn:aws:s3:::%s", location->bucket);
    if (bucket == NULL)
        return error_no_memory(err, "a policy");
    struct value *statement = begin_statement(statements, "List", "s3:ListBucket", err);
    if (statement == NULL || !value_set_text(statement, "Resource", bucket, err))
        return false;
    struct value *condition = value_set_new_object(statement, "Condition", err);
    struct value *like = condition == NULL
                             ? NULL
                             : value_set_new_object(condition, "StringLikeIfExists", err);
    struct value *list = like == NULL ? NULL : value_set_new_array(like, "s3:prefix", err);
    for (size_t i = 0; list != NULL && i < prefixes->count; i++)
        if (!add_pattern(list, location->prefix, prefixes->items[i], err))
            return false;
    return list != NULL;
}

static bool add_statements(struct value *statements, const struct identity *identity,
                           const struct s3_location *location, struct error *err)
{
    static const struct {
        unsigned right;
        const char *sid;
        const char *action;
    } objects[] = {{RIGHT_GET, "Get", "s3:GetObject"},
                   {RIGHT_PUT, "Put", "s3:PutObject"},
                   {RIGHT_REMOVE, "Remove", "s3:DeleteObject"}};
    struct prefixes prefixes;
    collect(identity, RIGHT_LIST, &prefixes);
    if (!add_listing(statements, location, &prefixes, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        collect(identity, objects[i].right, &prefixes);
        if (prefixes.count > 0 &&
            !add_objects(statements, location, &prefixes, objects[i].sid, objects[i].action, err))
            return false;
    }
    return true;
}

static bool check_place(const struct identity *identity, const char *url, struct error *err)
{
    if (identity->jobs[0] == NULL)
        return error_set(err, ERROR_NOT_FOUND, "%s needs no store: there is no policy to print",
                         identity->name);
    if (text_starts_with(url, "s3://"))
        return true;
    (void)error_set(err, ERROR_USAGE, "a repository in \"%.200s\" has no IAM policy", url);
    return error_hint(err, "Directories have owners and modes: give it to the user of the daemon, "
                           "mode 0700.");
}

struct value *identity_policy(const struct identity *identity, const char *url, struct error *err)
{
    struct s3_location location;
    if (!check_place(identity, url, err) || !s3_location_parse(&location, url, err))
        return NULL;
    struct value *policy = value_new_object(err);
    struct value *statements = NULL;
    if (policy != NULL && value_set_text(policy, "Version", "2012-10-17", err))
        statements = value_set_new_array(policy, "Statement", err);
    bool done = statements != NULL && add_statements(statements, identity, &location, err);
    s3_location_release(&location);
    if (done)
        return policy;
    value_free(policy);
    return NULL;
}
