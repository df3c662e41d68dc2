/*
 * What the catalogs say: one query for each promise, which gives a row (problem, fix) for each
 * thing that breaks it. A new promise is a row of the table.
 */
#include "adapter_check_internal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "postgres/query.h"

struct rule {
    const char *name;
    const char *ok; /* what is true when there are no rows */
    enum check_verdict verdict;
    const char *sql;
};

/* The contract's columns. "key" is whatever mainstay.key returns; "int" any whole number. */
#define CONTRACT                                                                              \
    "contract (view, col, type) AS (SELECT w.v, c.col, c.type FROM (VALUES"                   \
    " ('tickets', 'id int, ref text, api_ref text, tenant bigint, subject text, status text," \
    " is_open bool, priority text, queue text, assignee text, channel text, locale text,"     \
    " customer_id int, customer_name text, customer_email text, customer_phone text,"         \
    " order_no text, created_key key, updated_key key, created_at timestamptz,"               \
    " updated_at timestamptz'),"                                                              \
    " ('messages', 'id int, ticket_id int, created_key key, direction text, is_public bool,"  \
    " subject text, body text, content_type text'),"                                          \
    " ('customers', 'id int, name text, email text, phone text, locale text, time_zone text," \
    " country text, is_vip bool, created_at timestamptz'),"                                   \
    " ('ticket_tags', 'ticket_id int, tag text, mark bigint'),"                               \
    " ('orders', 'id int, order_no text, customer_id int, carrier text, tracking text,"       \
    " state text, label_state text, shipped_at timestamptz, last_scan_at timestamptz,"        \
    " promised_at timestamptz, placed_at timestamptz, total_cents bigint, currency text,"     \
    " skus text[]')) w (v, list), unnest(string_to_array(w.list, ', ')) AS item,"             \
    " LATERAL (SELECT split_part(item, ' ', 1), split_part(item, ' ', 2)) c (col, type)"      \
    " WHERE w.v <> 'orders' OR EXISTS (SELECT 1 FROM mainstay.settings s"                     \
    " WHERE s.name = 'capabilities' AND 'orders' = ANY (string_to_array(s.value, ','))))"

#define KEY_TYPE                                                  \
    "COALESCE((SELECT p.prorettype::regtype::text FROM pg_proc p" \
    " WHERE p.oid = to_regprocedure('mainstay.key(timestamptz)')), 'unknown')"

#define ROLES                                                                  \
    "unnest(ARRAY['mainstay_planner', 'mainstay_runner', 'mainstay_approver'," \
    " 'mainstay_dispatcher']) AS r (name)"

#define FUNCTIONS                                                                          \
    "(VALUES ('mainstay.ticket_lock(bigint[])', 'SETOF bigint'),"                          \
    " ('mainstay.tag_add(text,bigint[],bigint)', 'TABLE(ticket_id bigint, mark bigint)')," \
    " ('mainstay.tag_remove(text,bigint[],bigint[],bigint)', 'SETOF bigint'))"             \
    " AS f (signature, result)"

/* Tables and views outside the system's schemas and ours. */
#define HELPDESK_RELATIONS                                                                      \
    "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p', 'v'," \
    " 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'mainstay')"

static const struct rule rules[] = {
    {"views.columns", "the views have the columns of the contract", CHECK_FAILED,
     "WITH " CONTRACT ", have AS (SELECT c.relname, a.attname, t.typcategory,"
     " format_type(a.atttypid, NULL) AS type FROM pg_class c"
     " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
     " JOIN pg_type t ON t.oid = a.atttypid"
     " WHERE c.relnamespace = 'mainstay'::regnamespace AND c.relkind = 'v')"
     " SELECT k.view || '.' || k.col || CASE WHEN h.type IS NULL THEN ' is missing' ELSE"
     "   ' is ' || h.type || ', not ' || CASE k.type WHEN 'key' THEN " KEY_TYPE
     "   WHEN 'int' THEN 'integer or bigint' ELSE k.type END END, ''"
     " FROM contract k LEFT JOIN have h ON h.relname = k.view AND h.attname = k.col"
     " WHERE h.type IS NULL OR NOT CASE k.type WHEN 'text' THEN h.typcategory = 'S'"
     "   WHEN 'int' THEN h.type IN ('integer', 'bigint') WHEN 'key' THEN h.type = " KEY_TYPE
     "   WHEN 'bool' THEN h.type = 'boolean'"
     "   WHEN 'timestamptz' THEN h.type = 'timestamp with time zone'"
     "   ELSE h.type = k.type END ORDER BY 1"},

    {"key", "mainstay.key() is immutable and can be inlined", CHECK_FAILED,
     "SELECT CASE WHEN p.oid IS NULL THEN 'mainstay.key(timestamptz) is missing'"
     "   WHEN p.provolatile <> 'i' THEN 'mainstay.key() is not IMMUTABLE'"
     "   ELSE 'mainstay.key() is not plain SQL' END, ''"
     " FROM (SELECT 1) one LEFT JOIN pg_proc p"
     "   ON p.oid = to_regprocedure('mainstay.key(timestamptz)')"
     " WHERE p.oid IS NULL OR p.provolatile <> 'i' OR p.prosecdef OR p.proconfig IS NOT NULL"
     "   OR p.prolang <> (SELECT l.oid FROM pg_language l WHERE l.lanname = 'sql')"},

    {"functions", "ticket_lock, tag_add and tag_remove have their signatures", CHECK_FAILED,
     "SELECT f.signature || CASE WHEN p.oid IS NULL THEN ' is missing' WHEN NOT p.prosecdef"
     "   THEN ' is not SECURITY DEFINER' ELSE ' returns ' || pg_get_function_result(p.oid) ||"
     "   ', not ' || f.result END, ''"
     " FROM " FUNCTIONS " LEFT JOIN pg_proc p ON p.oid = to_regprocedure(f.signature)"
     " WHERE p.oid IS NULL OR NOT p.prosecdef OR pg_get_function_result(p.oid) <> f.result"},

    {"owner", "everything in schema mainstay is mainstay_owner's", CHECK_FAILED,
     "SELECT o.kind || ' ' || o.name || ' is owned by ' || pg_get_userbyid(o.owner),"
     "   format('ALTER %s %s OWNER TO mainstay_owner', o.kind, o.name)"
     " FROM (SELECT 'SCHEMA' AS kind, 'mainstay' AS name, nspowner AS owner FROM pg_namespace"
     "     WHERE nspname = 'mainstay'"
     "   UNION ALL SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text,"
     "     relowner FROM pg_class WHERE relnamespace = 'mainstay'::regnamespace"
     "     AND relkind IN ('r', 'v')"
     "   UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, proowner FROM pg_proc"
     "     WHERE pronamespace = 'mainstay'::regnamespace) o"
     " WHERE o.owner <> 'mainstay_owner'::regrole"},

    {"public", "nothing in schema mainstay is open to PUBLIC", CHECK_FAILED,
     "SELECT p.privilege_type || ' on ' || o.name || ' is granted to PUBLIC',"
     "   format('REVOKE ALL ON %s %s FROM PUBLIC', o.kind, o.name)"
     " FROM (SELECT 'SCHEMA' AS kind, 'mainstay' AS name, COALESCE(nspacl,"
     "     acldefault('n', nspowner)) AS acl FROM pg_namespace WHERE nspname = 'mainstay'"
     "   UNION ALL SELECT 'TABLE', oid::regclass::text, COALESCE(relacl,"
     "     acldefault('r', relowner)) FROM pg_class WHERE relnamespace = 'mainstay'::regnamespace"
     "     AND relkind IN ('r', 'v')"
     "   UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, COALESCE(proacl,"
     "     acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'mainstay'::regnamespace) "
     "o,"
     " LATERAL aclexplode(o.acl) p WHERE p.grantee = 0"},

    {"definers", "functions with the owner's rights look in schemas that nobody else can write",
     CHECK_FAILED,
     "WITH definers AS (SELECT p.oid::regprocedure::text AS name, (SELECT substr(c, 13)"
     "     FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%') AS path"
     "   FROM pg_proc p WHERE p.pronamespace = 'mainstay'::regnamespace AND p.prosecdef),"
     " parts AS (SELECT d.name, btrim(s, ' \"') AS schema FROM definers d,"
     "   unnest(string_to_array(d.path, ',')) s)"
     " SELECT name || ' has no search_path that ends with pg_temp',"
     "   'ALTER FUNCTION ' || name || ' SET search_path = pg_catalog, pg_temp'"
     " FROM definers WHERE path IS NULL OR path !~ '(^|[ ,])\"?pg_temp\"?$'"
     " UNION ALL SELECT parts.name || ' looks in schema ' || schema || ', where ' || r.name || ' "
     "may"
     " create objects', format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', schema)"
     " FROM parts JOIN pg_namespace n ON n.nspname = schema, " ROLES
     " WHERE has_schema_privilege(r.name, n.oid, 'CREATE')"},

    {"execute", "only a runner may lock and tag", CHECK_FAILED,
     "SELECT CASE WHEN r.name = 'mainstay_runner' THEN 'mainstay_runner may not execute '"
     "   ELSE r.name || ' may execute ' END || f.signature,"
     "   CASE WHEN r.name = 'mainstay_runner' THEN 'GRANT' ELSE 'REVOKE' END || ' EXECUTE ON"
     " FUNCTION ' || f.signature || CASE WHEN r.name = 'mainstay_runner' THEN ' TO '"
     "   ELSE ' FROM ' END || r.name"
     " FROM " FUNCTIONS ", " ROLES " WHERE to_regprocedure(f.signature) IS NOT NULL"
     " AND has_function_privilege(r.name, to_regprocedure(f.signature), 'EXECUTE')"
     "   <> (r.name = 'mainstay_runner')"
     " UNION ALL SELECT 'mainstay_planner may not execute mainstay.key()',"
     "   'GRANT EXECUTE ON FUNCTION mainstay.key(timestamptz) TO mainstay_planner'"
     " FROM to_regprocedure('mainstay.key(timestamptz)') k"
     " WHERE k IS NOT NULL AND NOT has_function_privilege('mainstay_planner', k, 'EXECUTE')"},

    {"planner.reads", "a planner reads the views", CHECK_FAILED,
     "WITH " CONTRACT " SELECT DISTINCT 'mainstay_planner may not read ' || c.oid::regclass,"
     "   'GRANT SELECT ON ' || c.oid::regclass || ' TO mainstay_planner'"
     " FROM contract k JOIN pg_class c ON c.relnamespace = 'mainstay'::regnamespace"
     "   AND c.relname = k.view"
     " WHERE NOT has_table_privilege('mainstay_planner', c.oid, 'SELECT')"},

    {"planner.writes", "a planner writes nothing", CHECK_FAILED,
     "SELECT 'mainstay_planner may write ' || c.oid::regclass,"
     "   format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM mainstay_planner',"
     "   c.oid::regclass) FROM pg_class c WHERE c.relnamespace = 'mainstay'::regnamespace"
     " AND c.relkind IN ('r', 'v')"
     " AND (has_table_privilege('mainstay_planner', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
     "   OR has_any_column_privilege('mainstay_planner', c.oid, 'INSERT, UPDATE'))"},

    {"helpdesk.writes", "the helpdesk's tables are written through the functions only",
     CHECK_FAILED,
     "SELECT r.name || ' may write ' || c.oid::regclass,"
     "   format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM %I, PUBLIC',"
     "   c.oid::regclass, r.name) FROM " HELPDESK_RELATIONS ", " ROLES
     " WHERE has_table_privilege(r.name, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
     "   OR has_any_column_privilege(r.name, c.oid, 'INSERT, UPDATE') ORDER BY 1"},

    {"helpdesk.reads", "the helpdesk's tables are read through the views only", CHECK_WARNING,
     "SELECT r.name || ' may read ' || c.oid::regclass || ' itself',"
     "   format('REVOKE SELECT ON %s FROM %I, PUBLIC', c.oid::regclass, r.name)"
     " FROM " HELPDESK_RELATIONS ", " ROLES " WHERE has_schema_privilege(r.name, n.oid, 'USAGE')"
     " AND has_any_column_privilege(r.name, c.oid, 'SELECT') ORDER BY 1"},

    {"audit", "events and approvals are append-only, and only functions write them", CHECK_FAILED,
     "SELECT 'trigger ' || w.t || ' on mainstay.' || w.c || ' is missing or disabled',"
     "   format('ALTER TABLE mainstay.%s ENABLE TRIGGER %s', w.c, w.t)"
     " FROM (VALUES ('events', 'events_append_only'), ('approvals', 'approvals_append_only'))"
     "   w (c, t) WHERE NOT EXISTS (SELECT 1 FROM pg_trigger g"
     "   WHERE g.tgrelid = to_regclass('mainstay.' || w.c) AND g.tgname = w.t"
     "   AND g.tgenabled IN ('O', 'A'))"
     " UNION ALL SELECT r.name || ' may write ' || c.oid::regclass,"
     "   format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM %I', c.oid::regclass, r.name)"
     " FROM pg_class c, " ROLES " WHERE c.relnamespace = 'mainstay'::regnamespace"
     " AND c.relname IN ('events', 'approvals', 'signals', 'settings', 'adapter_objects')"
     " AND (has_table_privilege(r.name, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
     "   OR has_any_column_privilege(r.name, c.oid, 'INSERT, UPDATE'))"},

    {"roles", "the roles are plain: no login, no special rights, no other memberships",
     CHECK_FAILED,
     "SELECT format('role %s may log in or has special rights', rolname),"
     "   format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
     " NOBYPASSRLS', rolname) FROM pg_roles"
     " WHERE rolname IN ('mainstay_owner', 'mainstay_planner', 'mainstay_runner',"
     "   'mainstay_approver', 'mainstay_dispatcher')"
     " AND (rolcanlogin OR rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication"
     "   OR rolbypassrls)"
     " UNION ALL SELECT format('role %s is a member of %s', m.member::regrole, m.roleid::regrole),"
     "   format('REVOKE %s FROM %s', m.roleid::regrole, m.member::regrole)"
     " FROM pg_auth_members m, " ROLES " WHERE m.member::regrole::text = r.name"
     " AND m.roleid::regrole::text <> 'mainstay_planner'"},

    {"logins", "nobody is both runner and approver, or owner", CHECK_WARNING,
     "SELECT format('%s may both run and approve', rolname), format('REVOKE mainstay_approver FROM"
     " %I', rolname) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"
     " AND pg_has_role(oid, 'mainstay_runner', 'MEMBER')"
     " AND pg_has_role(oid, 'mainstay_approver', 'MEMBER')"
     " UNION ALL SELECT format('%s may act as mainstay_owner', rolname),"
     "   format('REVOKE mainstay_owner FROM %I', rolname) FROM pg_roles"
     " WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, 'mainstay_owner', 'MEMBER')"},
};

static void add_findings(const struct rule *rule, const struct query_result *rows,
                         struct check_list *list)
{
    struct buf text;
    size_t count = query_rows(rows);
    if (count == 0) {
        check_add(list, rule->name, CHECK_OK, "%s", rule->ok);
        return;
    }
    buf_init(&text, (size_t)4 * CHECK_TEXT_SIZE);
    for (size_t i = 0; i < count && text.len < CHECK_TEXT_SIZE; i++)
        buf_printf(&text, "%s%.200s", i == 0 ? "" : "; ", query_field(rows, i, 0));
    const char *problems = buf_text(&text);
    check_add(list, rule->name, rule->verdict, "%s", problems == NULL ? "" : problems);
    check_fix(list, "%s", query_field(rows, 0, 1));
    buf_release(&text);
}

void adapter_check_catalog(struct connection *connection, struct check_list *list)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct error err;
        CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
        struct query query = {.sql = rules[i].sql, .what = "look at the catalogs"};
        if (query_run(connection, &query, &rows, &err))
            add_findings(&rules[i], rows, list);
        else
            adapter_check_error(list, rules[i].name, &err);
    }
}
