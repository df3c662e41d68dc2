#include "cli/identity.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "repository/key_object.h"
#include "repository/repository.h"
#include "store/s3_location.h"
#include "store/s3_lock.h"

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
    SEE_LOCK = RIGHT_SEE_LOCK,
    RENEW = RIGHT_RENEW,
    CHANGED = RIGHT_LIST_VERSIONS,                                   /* was it put over? */
    GONE = RIGHT_LIST_VERSIONS | RIGHT_GET_VERSION | RIGHT_SEE_LOCK, /* or removed under a lock? */
};

/* Whoever opens a repository reads mainstay.json, and the keys if it is sealed. */
static const struct identity_job job_init = {
    "repo init", {{REPOSITORY_CONFIG_KEY, GET | PUT}, {KEY_PREFIX, ADD}, {"", LIST}}};
static const struct identity_job job_key = {"repo key",
                                            {{REPOSITORY_CONFIG_KEY, GET}, {KEY_PREFIX, OWN}}};
static const struct identity_job job_doctor = {"doctor",
                                               {{REPOSITORY_CONFIG_KEY, GET | GONE},
                                                {KEY_PREFIX, READ | CHANGED},
                                                {"probe/", OWN},
                                                {"snapshots/", READ | GONE},
                                                {"packs/", CHANGED},
                                                {"wal/", CHANGED},
                                                {"history/", GONE},
                                                {"restore-points/", GONE},
                                                {"drills/", CHANGED},
                                                {"", RIGHT_SETTINGS}}};
static const struct identity_job job_status = {"status, snapshot list, snapshot show, wal status",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {KEY_PREFIX, READ},
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
                                                 {{REPOSITORY_CONFIG_KEY, GET | RENEW},
                                                  {KEY_PREFIX, READ | RENEW},
                                                  {"leases/", OWN},
                                                  {"snapshots/", ADD},
                                                  {"packs/", ADD | RENEW},
                                                  {"wal/", READ},
                                                  {"history/", READ},
                                                  {"terms/", READ}}};
static const struct identity_job job_wal_stream = {"wal stream",
                                                   {{REPOSITORY_CONFIG_KEY, GET},
                                                    {KEY_PREFIX, READ},
                                                    {"wal/", ADD},
                                                    {"history/", ADD},
                                                    {"terms/", READ}}};
static const struct identity_job job_restore_point = {
    "restore-point create, restore-point steps of runbooks",
    {{REPOSITORY_CONFIG_KEY, GET}, {KEY_PREFIX, READ}, {"restore-points/", ADD}, {"wal/", READ}}};
static const struct identity_job job_verify = {"snapshot verify",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {KEY_PREFIX, READ},
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
                                                 {KEY_PREFIX, READ},
                                                 {"leases/", OWN},
                                                 {"snapshots/", READ},
                                                 {"packs/", READ},
                                                 {"wal/", READ},
                                                 {"history/", READ},
                                                 {"restore-points/", READ}}};
static const struct identity_job job_drill = {"drill run, drill list, drill show",
                                              {{"drills/", ADD}, {"terms/", READ}}};
static const struct identity_job job_pin = {"snapshot pin, snapshot unpin",
                                            {{REPOSITORY_CONFIG_KEY, GET},
                                             {KEY_PREFIX, READ},
                                             {"pins/", OWN},
                                             {"snapshots/", READ},
                                             {"leases/", READ}}};
/* Which packs live is in the manifests: nobody who removes needs to read pages. */
static const struct identity_job job_expire = {"snapshot expire, repo gc",
                                               {{REPOSITORY_CONFIG_KEY, GET},
                                                {KEY_PREFIX, READ},
                                                {"leases/", OWN},
                                                {"snapshots/", CLEAN | SEE_LOCK},
                                                {"packs/", LIST | RIGHT_REMOVE},
                                                {"wal/", CLEAN},
                                                {"pins/", CLEAN},
                                                {"history/", READ},
                                                {"runs/", OWN},
                                                {"restore-points/", READ},
                                                {"terms/", READ}}};
static const struct identity_job job_merge = {
    "wal merge",
    {{REPOSITORY_CONFIG_KEY, GET}, {KEY_PREFIX, READ}, {"wal/", OWN}, {"leases/", READ}}};

/* --- identities ------------------------------------------------------------------------------- */

static const struct identity identities[] = {
    {.name = "founder",
     .summary = "makes the repository, and changes its keys if it is sealed",
     .attributes = "REPLICATION",
     .jobs = {&job_init, &job_doctor, &job_key}},
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
     .looks_back = true,
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

/* For what a policy is made. */
struct policy {
    const struct identity *identity;
    const struct s3_location *location;
    const struct store_lock *lock;
    struct value *statements;
};

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

static bool looks_back(const struct policy *policy)
{
    return policy->identity->looks_back &&
           (store_lock_is_wanted(policy->lock) || policy->location->as_of_us != 0);
}

/* With those that locks add: what is put is locked by the same request, what is renewed is looked
 * at first (s3_lock.c). */
static unsigned rights_on(const struct policy *policy, const struct job_right *row)
{
    unsigned rights = row->rights;
    bool covered = s3_lock_covers(policy->lock, row->prefix);
    if (covered && (rights & RENEW) != 0)
        rights |= SEE_LOCK;
    if (covered && (rights & (PUT | RENEW)) != 0)
        rights |= (policy->lock->keep_us > 0 ? RIGHT_LOCK : 0U) |
                  (policy->lock->hold ? RIGHT_HOLD : 0U);
    if ((rights & GET) != 0 && looks_back(policy))
        rights |= RIGHT_GET_VERSION;
    return rights;
}

static void collect(const struct policy *policy, unsigned right, struct prefixes *out)
{
    const struct identity_job *const *jobs = policy->identity->jobs;
    *out = (struct prefixes){.count = 0};
    for (size_t i = 0; i < IDENTITY_MAX_JOBS && jobs[i] != NULL; i++) {
        const struct job_right *rights = jobs[i]->rights;
        for (size_t j = 0; j < JOB_MAX_RIGHTS && rights[j].prefix != NULL; j++)
            if ((rights_on(policy, &rights[j]) & right) != 0)
                add_prefix(out, rights[j].prefix);
    }
    if (right == RIGHT_LIST_VERSIONS && looks_back(policy))
        add_prefix(out, ""); /* s3_versions.c lists them all, once */
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

enum { ACTIONS_MAX = 3 };

/* One statement, for each right one. */
struct statement {
    unsigned right;
    const char *sid;
    const char *actions[ACTIONS_MAX];
};

static bool add_actions(struct value *statement, const char *const actions[ACTIONS_MAX],
                        struct error *err)
{
    if (actions[1] == NULL)
        return value_set_text(statement, "Action", actions[0], err);
    struct value *list = value_set_new_array(statement, "Action", err);
    for (size_t i = 0; list != NULL && i < ACTIONS_MAX && actions[i] != NULL; i++)
        if (!value_append_text(list, actions[i], err))
            return false;
    return list != NULL;
}

static struct value *begin_statement(const struct policy *policy, const struct statement *what,
                                     const char *effect, struct error *err)
{
    struct value *statement = value_append_new_object(policy->statements, err);
    if (statement != NULL && value_set_text(statement, "Sid", what->sid, err) &&
        value_set_text(statement, "Effect", effect, err) &&
        add_actions(statement, what->actions, err))
        return statement;
    return NULL;
}

static bool add_resources(const struct policy *policy, struct value *statement,
                          const struct prefixes *prefixes, struct error *err)
{
    CLEANUP(free_pointer)
    char *before = text_format("arn:aws:s3:::%s/%s", policy->location->bucket,
                               policy->location->prefix);
    if (before == NULL)
        return error_no_memory(err, "a policy");
    struct value *list = value_set_new_array(statement, "Resource", err);
    for (size_t i = 0; list != NULL && i < prefixes->count; i++)
        if (!add_pattern(list, before, prefixes->items[i], err))
            return false;
    return list != NULL;
}

/* Returns the object that holds the values of one key. */
static struct value *add_condition(struct value *statement, const char *operator,
                                   struct error * err)
{
    struct value *condition = value_set_new_object(statement, "Condition", err);
    return condition == NULL ? NULL : value_set_new_object(condition, operator, err);
}

/* Amazon lets a policy say that a hold may be put and not lifted; a store without this condition
 * lets whoever puts them lift them. */
static bool only_on(struct value *statement, struct error *err)
{
    struct value *equals = add_condition(statement, "StringEqualsIfExists", err);
    return equals != NULL && value_set_text(equals, "s3:object-lock-legal-hold", "ON", err);
}

static bool add_objects(const struct policy *policy, const struct statement *what,
                        struct error *err)
{
    struct prefixes prefixes;
    collect(policy, what->right, &prefixes);
    if (prefixes.count == 0)
        return true;
    struct value *statement = begin_statement(policy, what, "Allow", err);
    return statement != NULL && add_resources(policy, statement, &prefixes, err) &&
           (what->right != RIGHT_HOLD || only_on(statement, err));
}

static struct value *begin_bucket(const struct policy *policy, const struct statement *what,
                                  struct error *err)
{
    CLEANUP(free_pointer) char *bucket = text_format("arn:aws:s3:::%s", policy->location->bucket);
    if (bucket == NULL) {
        (void)error_no_memory(err, "a policy");
        return NULL;
    }
    struct value *statement = begin_statement(policy, what, "Allow", err);
    return statement != NULL && value_set_text(statement, "Resource", bucket, err) ? statement
                                                                                   : NULL;
}

/* A request for an object that is not there is answered 404 only to who may list the bucket, and
 * carries no prefix: IfExists lets that one pass. Without it "not there yet" would be "access
 * denied". */
static bool add_listing(const struct policy *policy, const struct statement *what,
                        struct error *err)
{
    struct prefixes prefixes;
    collect(policy, what->right, &prefixes);
    if (prefixes.count == 0)
        return true;
    struct value *statement = begin_bucket(policy, what, err);
    struct value *like = statement == NULL ? NULL
                                           : add_condition(statement, "StringLikeIfExists", err);
    struct value *list = like == NULL ? NULL : value_set_new_array(like, "s3:prefix", err);
    for (size_t i = 0; list != NULL && i < prefixes.count; i++)
        if (!add_pattern(list, policy->location->prefix, prefixes.items[i], err))
            return false;
    return list != NULL;
}

static bool add_settings(const struct policy *policy, struct error *err)
{
    static const struct statement what = {RIGHT_SETTINGS,
                                          "Settings",
                                          {"s3:GetBucketVersioning",
                                           "s3:GetBucketObjectLockConfiguration",
                                           "s3:GetLifecycleConfiguration"}};
    struct prefixes prefixes;
    collect(policy, what.right, &prefixes);
    return prefixes.count == 0 || begin_bucket(policy, &what, err) != NULL;
}

/* Nobody is given this right; another policy may. Ceph's gateway asks for no right at all: there
 * everybody has it who is not denied it. */
static bool add_denial(const struct policy *policy, struct error *err)
{
    static const struct statement what = {.sid = "NoBypass",
                                          .actions = {"s3:BypassGovernanceRetention"}};
    const struct prefixes everything = {.items = {""}, .count = 1};
    if (!store_lock_is_wanted(policy->lock))
        return true;
    struct value *statement = begin_statement(policy, &what, "Deny", err);
    return statement != NULL && add_resources(policy, statement, &everything, err);
}

static bool add_statements(const struct policy *policy, struct error *err)
{
    static const struct statement listings[] = {
        {RIGHT_LIST, "List", {"s3:ListBucket"}},
        {RIGHT_LIST_VERSIONS, "ListVersions", {"s3:ListBucketVersions"}}};
    static const struct statement objects[] = {
        {RIGHT_GET, "Get", {"s3:GetObject"}},
        {RIGHT_GET_VERSION, "GetVersion", {"s3:GetObjectVersion"}},
        {RIGHT_PUT, "Put", {"s3:PutObject"}},
        {RIGHT_REMOVE, "Remove", {"s3:DeleteObject"}},
        {RIGHT_SEE_LOCK, "SeeLock", {"s3:GetObjectRetention", "s3:GetObjectLegalHold"}},
        {RIGHT_LOCK, "Lock", {"s3:PutObjectRetention"}},
        {RIGHT_HOLD, "Hold", {"s3:PutObjectLegalHold"}}};
    for (size_t i = 0; i < ARRAY_LEN(listings); i++)
        if (!add_listing(policy, &listings[i], err))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (!add_objects(policy, &objects[i], err))
            return false;
    return add_settings(policy, err) && add_denial(policy, err);
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

struct value *identity_policy(const struct identity *identity, const char *url,
                              const struct store_lock *lock, struct error *err)
{
    struct s3_location location;
    if (!check_place(identity, url, err) || !s3_location_parse(&location, url, err))
        return NULL;
    struct policy policy = {.identity = identity, .location = &location, .lock = lock};
    struct value *root = value_new_object(err);
    if (root != NULL && value_set_text(root, "Version", "2012-10-17", err))
        policy.statements = value_set_new_array(root, "Statement", err);
    bool done = policy.statements != NULL && add_statements(&policy, err);
    s3_location_release(&location);
    if (done)
        return root;
    value_free(root);
    return NULL;
}
