#!/bin/bash
# Adapters: what is installed, what is refused, and that `adapter check` finds each thing that could
# be wrong with one: every promise is broken once, and has to be missed.
set -euo pipefail
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "$0")/../lib/helpdesk_scene.sh"

helpdesk_bare desk

# --- refused, and nothing changed ------------------------------------------------------------------

schemas() {
    helpdesk_sql desk "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1" | xargs
}
install_as() { # USER ARGUMENT...
    local user=$1
    shift
    helpdesk_as desk "$user" adapter install reference "$@"
}

fails "an unknown adapter is named with the nearest" 3 'Did you mean "reference"' \
    helpdesk_as desk postgres adapter install referenze
fails "an unknown setting is named with the nearest" 2 'no setting "acter".*' \
    install_as postgres --set acter=1
fails "a setting of another type is refused" 2 '"x" is no whole number' install_as postgres --set actor=x
helpdesk_sql desk "CREATE ROLE nobody LOGIN"
fails "somebody without rights is told what rights it takes" 1 "superuser, or as the owner" install_as nobody
is "$(schemas)" "information_schema public" "a refused installation leaves nothing behind"

helpdesk_sql desk "CREATE SCHEMA helpdesk; CREATE TABLE helpdesk.tickets (id bigint, subject text);
                   CREATE TABLE helpdesk.tags (name text)"
missing=$(install_as postgres 2>&1) || true
for want in 'customers (the table itself)' 'messages (the table itself)' 'orders (the table itself)' \
    'tickets (external_id, number, status, priority, queue, assignee, channel, locale, customer_id, order_no, created_at, updated_at)' \
    'tags (id)' 'ticket_tags (the table itself)' 'ticket_history (the table itself)'; do
    ok "a schema that is not known: named is $want" grep -qF -- "$want" <<<"$missing"
done
fails "and it is refused by a safety rule" 5 'is no .* that adapter "reference" knows' install_as postgres
helpdesk_sql desk "DROP SCHEMA helpdesk CASCADE; CREATE SCHEMA mainstay" 2>/dev/null
fails "a schema mainstay that is somebody else's is left alone" 5 'not of this program' install_as postgres
helpdesk_sql desk "DROP SCHEMA mainstay"
is "$(schemas)" "information_schema public" "nothing was made on the way"

# --- installed -------------------------------------------------------------------------------------

installed=$(install_as postgres --set actor=7)
like "$installed" "GRANT mainstay_runner TO login" "the installation says what to grant"
helpdesk_logins desk
helpdesk_demo desk
is "$(helpdesk_sql desk "SELECT count(*) FILTER (WHERE is_open), count(*) FROM mainstay.tickets" carol)" "160|200" \
    "a planner reads the helpdesk through the views"
fails "a planner does not tag" 1 "permission denied for function tag_add" \
    helpdesk_sql desk "SELECT mainstay.tag_add('x', '{1}', 0)" carol
for login in alice bob carol dora; do
    fails "$login does not read the helpdesk's tables" 1 "permission denied for schema helpdesk" \
        helpdesk_sql desk "SELECT * FROM helpdesk.customers" "$login"
done
fails "a runner does not write the audit log" 1 "permission denied for table events" \
    helpdesk_sql desk "INSERT INTO mainstay.events SELECT" alice
fails "an owner does not rewrite the audit log" 1 "append-only" \
    helpdesk_sql desk "SET ROLE mainstay_owner; TRUNCATE mainstay.events"

helpdesk_sql desk "INSERT INTO mainstay.runs (id, runbook, version, runbook_digest, plan_digest, source, plan, concurrency_group)
    VALUES ('r-1', 'x', '1', repeat('0', 64), repeat('0', 64), '', '{}', 'g')" alice
ok "the same adapter may be installed again" install_as postgres
is "$(helpdesk_sql desk "SELECT id, requester, s.value FROM mainstay.runs, mainstay.settings s WHERE s.name = 'actor'")" \
    "r-1|alice|7" "that keeps runs and the settings that were chosen"
helpdesk_sql desk "UPDATE mainstay.settings SET value = '0' WHERE name = 'adapter_version'"
fails "another version is refused and says how to go on" 5 "--upgrade" install_as postgres
ok "another version is replaced when that is asked for" install_as postgres --upgrade
is "$(helpdesk_sql desk "SELECT count(*) FROM mainstay.runs")" 1 "runs are kept"
helpdesk_sql desk "DROP VIEW mainstay.ticket_tags"
ok "a view that was dropped with a table comes back" install_as postgres
is "$(helpdesk_sql desk "SELECT count(*) > 0 FROM mainstay.ticket_tags")" t "with its rows"
helpdesk_sql desk "UPDATE mainstay.settings SET value = 'zammad' WHERE name = 'adapter'"
fails "another adapter is refused and says how to go on" 5 'has adapter "zammad", not "reference"' install_as postgres
helpdesk_sql desk "UPDATE mainstay.settings SET value = 'reference' WHERE name = 'adapter';
                   UPDATE mainstay.settings SET value = '99' WHERE name = 'core'"
fails "core tables of another version are refused" 5 'version 99 of the core tables' install_as postgres
helpdesk_sql desk "UPDATE mainstay.settings SET value = '1' WHERE name = 'core';
                   CREATE VIEW public.ours AS SELECT id FROM mainstay.tickets"
fails "a view that somebody built on ours is not dropped with it" 1 "other objects depend on them" install_as postgres
helpdesk_sql desk "DROP VIEW public.ours"

# --- who may install -------------------------------------------------------------------------------

other() { # DATABASE USER ARGUMENT...
    local database=$1 user=$2
    shift 2
    MAINSTAY_HELPDESK_CONNECTION="host=127.0.0.1 port=$(cluster_port desk) user=$user dbname=$database" mainstay "$@"
}
cluster_create hosted
cluster_start hosted
cluster_sql hosted "CREATE ROLE dba LOGIN CREATEROLE"
cluster_sql hosted "CREATE DATABASE helpdesk OWNER dba"
ok "an owner without superuser rights installs" helpdesk_as hosted dba adapter install reference
ok "and installs again" helpdesk_as hosted dba adapter install reference
helpdesk_sql hosted "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE alice LOGIN IN ROLE mainstay_runner"
helpdesk_demo hosted
is "$(helpdesk_as hosted alice adapter check | grep -E '^(warning|failed|[0-9])' | cut -c 1-43 | xargs)" \
    "warning logins dba 29 checks, 1 warning, 0 failed" "what they installed passes, with a word on what they may do"
cluster_sql hosted "CREATE ROLE guest LOGIN CREATEROLE"
helpdesk_sql hosted "DROP SCHEMA mainstay CASCADE; GRANT CREATE ON DATABASE helpdesk TO guest;
    GRANT mainstay_owner, mainstay_planner, mainstay_runner TO guest WITH ADMIN OPTION;
    REVOKE ALL ON ALL TABLES IN SCHEMA helpdesk FROM mainstay_owner; REVOKE ALL ON SCHEMA helpdesk FROM mainstay_owner" 2>/dev/null
fails "whose GRANTs the helpdesk's owner did not give gets no half installation" 1 \
    "permission denied.*|owner of the helpdesk's tables" helpdesk_as hosted guest adapter install reference
is "$(helpdesk_sql hosted "SELECT count(*) FROM pg_namespace WHERE nspname = 'mainstay'")" 0 "nothing is left of it"
cluster_stop hosted

cluster_sql desk "CREATE DATABASE printed"
mainstay adapter install reference --set actor=7 --print >"$TEST_DIR/script.sql"
PGOPTIONS="-c client_min_messages=warning" "$CLIENT_BIN/psql" -X -q -h "$TEST_DIR/desk.sock" -p "$(cluster_port desk)" -U postgres -d printed \
    -f "$TEST_DIR/script.sql" >/dev/null
objects="SELECT kind, identity FROM mainstay.adapter_objects UNION ALL SELECT name, value FROM mainstay.settings
    UNION ALL SELECT c.oid::regclass::text, c.relacl::text FROM pg_class c WHERE relnamespace = 'mainstay'::regnamespace
    AND relkind IN ('r', 'v') UNION ALL SELECT p.oid::regprocedure::text, proacl::text || prosrc FROM pg_proc p
    WHERE pronamespace = 'mainstay'::regnamespace ORDER BY 1, 2"
is "$(cluster_sql desk "$objects" printed | md5sum)" "$(helpdesk_sql desk "$objects" | md5sum)" \
    "--print gives psql what install does"
cluster_sql desk "REVOKE CREATE ON SCHEMA public FROM PUBLIC" printed
is "$(other printed postgres adapter check | grep -c '^failed')" 0 "what psql made passes the check"

# --- tags ------------------------------------------------------------------------------------------

before=$(helpdesk_sql desk "SELECT count(*) FROM helpdesk.ticket_history")
is "$(helpdesk_sql desk "SELECT ticket_id FROM mainstay.tag_add('Größe', '{7,5,6,5,-1}', 42) ORDER BY 1" alice | xargs)" "6 7" \
    "tag_add gives only tickets that did not have the tag"
is "$(helpdesk_sql desk "SELECT ticket_id, kind, detail, actor_id FROM helpdesk.ticket_history ORDER BY id DESC LIMIT 2" | sort | xargs)" \
    "6|tag_added|Größe|42 7|tag_added|Größe|42" "the ticket's history says who it was"
is "$(helpdesk_sql desk "SELECT count(*) - $before FROM helpdesk.ticket_history")" 2 "and only for tickets that changed"
is "$(helpdesk_sql desk "SELECT count(*) FROM helpdesk.tickets WHERE updated_at > now() - interval '5 minutes' AND id IN (5, 6, 7)")" 0 \
    "a tag does not move a ticket in the agents' queues"
is "$(helpdesk_sql desk "SELECT mainstay.tag_remove('nobody has it', '{1}', NULL, 0)" alice)" "" "an unknown tag is on no ticket"
fails "as many marks as tickets" 1 "2 tickets but 1 marks" \
    helpdesk_sql desk "SELECT mainstay.tag_remove('vip', '{1,2}', '{1}', 0)" alice
fails "a tag with control characters is refused" 1 "violates check constraint" \
    helpdesk_sql desk "SELECT mainstay.tag_add(E'a\\nb', '{1}', 0)" alice

# --- three at once ---------------------------------------------------------------------------------

helpdesk_scene_fill desk 3000
storm() { # ORDER: six batches of 500 in this order; prints how many tickets it changed
    local batch total=0 got
    for batch in $1; do
        got=$(helpdesk_sql desk "SELECT count(*) FROM mainstay.tag_add('storm', ARRAY(SELECT id FROM mainstay.tickets
                WHERE id > 200 + $batch * 500 AND id <= 700 + $batch * 500 ORDER BY random()), 0)" alice) || return 1
        total=$((total + got))
    done
    echo "$total"
}
storm "0 1 2 3 4 5" >"$TEST_DIR/storm.1" 2>&1 &
first=$!
storm "5 4 3 2 1 0" >"$TEST_DIR/storm.2" 2>&1 &
second=$!
storm "0 5 1 4 2 3" >"$TEST_DIR/storm.3" 2>&1 || true
wait "$first" "$second" || true
is "$(awk '!/^[0-9]+$/ { print } { sum += $1 } END { print sum }' "$TEST_DIR"/storm.?)" 3000 "three runs over the same 3,000 tickets change each once"
is "$(helpdesk_sql desk "SELECT count(*), count(DISTINCT g.ticket_id) FROM helpdesk.ticket_tags g JOIN helpdesk.tags t
    ON t.id = g.tag_id WHERE t.name = 'storm'")" "3000|3000" "no ticket has the tag twice"
is "$(helpdesk_sql desk "SELECT count(*) FROM helpdesk.ticket_history WHERE detail = 'storm'")" 3000 "nor twice in its history"

# --- the check -------------------------------------------------------------------------------------

check() { helpdesk_as desk alice adapter check; }
ok "a good adapter passes" check
history=$(helpdesk_sql desk "SELECT count(*), max(updated_at) FROM helpdesk.ticket_history, helpdesk.tickets")
check >/dev/null
is "$(helpdesk_sql desk "SELECT count(*), max(updated_at) FROM helpdesk.ticket_history, helpdesk.tickets")" "$history" \
    "a check changes nothing"
is "$(mainstay adapter list --json | grep -c '"name": "reference"')" 1 "the list is there for machines too"

# sabotage WHAT NAMES SQL [UNDO]: each of the checks NAMES has to find it; a new installation mends it
sabotage() {
    local found name
    helpdesk_sql desk "$3" >/dev/null
    found=$(check) || true
    for name in $2; do
        ok "$name finds $1" grep -Eq "^(failed|warning) +$name " <<<"$found"
    done
    [[ -z ${4:-} ]] || helpdesk_sql desk "$4" >/dev/null
    install_as postgres >/dev/null
}
# rewrite view|function NAME FROM TO: the object with that text replaced; fails when it is not there
rewrite() {
    local get="pg_get_functiondef('$2'::regprocedure)" head=""
    if [[ $1 == view ]]; then
        get="pg_get_viewdef('$2'::regclass)" head="CREATE OR REPLACE VIEW $2 AS "
    fi
    cat <<SQL
SET ROLE mainstay_owner;
DO \$do\$
DECLARE old text := $get; new text := replace(old, \$q\$$3\$q\$, \$q\$$4\$q\$);
BEGIN
  IF old = new THEN RAISE EXCEPTION 'nothing to replace in %', old; END IF;
  EXECUTE '$head' || new;
END \$do\$;
SQL
}
add='mainstay.tag_add(text,bigint[],bigint)'
remove='mainstay.tag_remove(text,bigint[],bigint[],bigint)'

sabotage "a cast of ids" "columns.bare index.tickets" "$(rewrite view mainstay.tickets 't.id,' 't.id::numeric::bigint AS id,')"
sabotage "arithmetic on ticket ids of messages" "columns.bare index.messages" "$(rewrite view mainstay.messages 'm.ticket_id' 'm.ticket_id + 0 AS ticket_id')"
sabotage "arithmetic on times" "columns.bare index.created_key" \
    "$(rewrite view mainstay.tickets 't.created_at AS created_key' "t.created_at + interval '0' AS created_key")"
sabotage "arithmetic on ticket ids of tags" "index.ticket_tags" "$(rewrite view mainstay.ticket_tags 'g.ticket_id' 'g.ticket_id + 0 AS ticket_id')"
sabotage "arithmetic on ids of customers" "index.customers" "$(rewrite view mainstay.customers '.id' '.id + 0 AS id')"
sabotage "a column that is missing" "views.columns" "SET ROLE mainstay_owner; ALTER VIEW mainstay.customers RENAME COLUMN time_zone TO timezone"
sabotage "a column of another type" "views.columns" "SET ROLE mainstay_owner; DROP VIEW mainstay.orders;
    CREATE VIEW mainstay.orders AS SELECT id, order_no, customer_id, carrier, tracking, state, label_state, shipped_at,
    last_scan_at, promised_at, placed_at, total_cents::text, currency, skus FROM helpdesk.orders"
sabotage "a key that is not immutable" "key" "ALTER FUNCTION mainstay.key(timestamptz) STABLE"
sabotage "a function without its owner's rights" "functions" "ALTER FUNCTION mainstay.ticket_lock(bigint[]) SECURITY INVOKER"
sabotage "a function that returns something else" "functions" "SET ROLE mainstay_owner; DROP FUNCTION $add;
    CREATE FUNCTION $add RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1'"
sabotage "tag_add that fails the second time" "tags" "$(rewrite function "$add" 'ON CONFLICT (ticket_id, tag_id) DO NOTHING' '')"
sabotage "tag_add that sets a tag twice" "tag_add.again" "ALTER TABLE helpdesk.ticket_tags DROP CONSTRAINT ticket_tags_ticket_id_tag_id_key;
    $(rewrite function "$add" 'ON CONFLICT (ticket_id, tag_id) DO NOTHING' '')" \
    "ALTER TABLE helpdesk.ticket_tags ADD UNIQUE (ticket_id, tag_id)"
sabotage "tag_add with a mark that is another's" "tag_add" "$(rewrite function "$add" 'SELECT a.ticket_id, a.id FROM added a' 'SELECT a.ticket_id, a.id + 1 FROM added a')"
sabotage "tag_remove that looks at no marks" "tag_remove.mark" "$(rewrite function "$remove" '(p_marks IS NULL OR g.id = u.mark)' 'true')"
sabotage "tag_remove that gives what had no tag" "tag_remove" "$(rewrite function "$remove" 'SELECT r.ticket_id FROM removed r' 'SELECT unnest(p_ids)')"
sabotage "tag_remove that gives a ticket twice" "ids.odd" "$(rewrite function "$remove" 'SELECT r.ticket_id FROM removed r' \
    'SELECT r.ticket_id FROM removed r JOIN unnest(p_ids) i ON i = r.ticket_id')"
sabotage "marks that do not change" "marks" "$(rewrite view mainstay.ticket_tags 'g.id' 'g.ticket_id')
    $(rewrite function "$add" 'SELECT a.ticket_id, a.id FROM' 'SELECT a.ticket_id, a.ticket_id FROM')
    $(rewrite function "$remove" 'g.id = u.mark' 'g.ticket_id = u.mark')"
sabotage "ticket_lock that waits" "tags" "$(rewrite function 'mainstay.ticket_lock(bigint[])' 'SKIP LOCKED' '')"
sabotage "ticket_lock that locks nothing" "ticket_lock" "$(rewrite function 'mainstay.ticket_lock(bigint[])' 'FOR NO KEY UPDATE SKIP LOCKED' '')"
sabotage "a function that is open to all" "public execute" "GRANT EXECUTE ON FUNCTION $add TO PUBLIC"
sabotage "a schema that is open to all" "public" "GRANT USAGE ON SCHEMA mainstay TO PUBLIC" "REVOKE USAGE ON SCHEMA mainstay FROM PUBLIC"
sabotage "a planner who may untag" "execute" "GRANT EXECUTE ON FUNCTION $remove TO mainstay_planner"
sabotage "a planner who may not ask for keys" "execute" "REVOKE EXECUTE ON FUNCTION mainstay.key(timestamptz) FROM mainstay_planner"
sabotage "a runner who may write tickets" "helpdesk.writes" "GRANT UPDATE ON helpdesk.tickets TO mainstay_runner" \
    "REVOKE UPDATE ON helpdesk.tickets FROM mainstay_runner"
sabotage "everybody may write tags" "helpdesk.writes" "GRANT INSERT (name) ON helpdesk.tags TO PUBLIC" "REVOKE INSERT (name) ON helpdesk.tags FROM PUBLIC"
sabotage "a planner who may read the helpdesk's tables" "helpdesk.reads" "GRANT USAGE ON SCHEMA helpdesk TO mainstay_planner; GRANT SELECT ON helpdesk.customers TO mainstay_planner" \
    "REVOKE USAGE ON SCHEMA helpdesk FROM mainstay_planner; REVOKE SELECT ON helpdesk.customers FROM mainstay_planner"
sabotage "a definer without search_path" "definers" "ALTER FUNCTION $add RESET search_path"
sabotage "a definer that looks where everybody may create" "definers" "ALTER FUNCTION $add SET search_path = public, pg_temp; GRANT CREATE ON SCHEMA public TO PUBLIC" \
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
sabotage "an audit log that can be changed" "audit" "ALTER TABLE mainstay.events DISABLE TRIGGER events_append_only" \
    "ALTER TABLE mainstay.events ENABLE TRIGGER events_append_only"
sabotage "approvals that anybody may write" "audit" "GRANT INSERT ON mainstay.approvals TO mainstay_runner" "REVOKE INSERT ON mainstay.approvals FROM mainstay_runner"
sabotage "a role that logs in" "roles" "ALTER ROLE mainstay_runner LOGIN" "ALTER ROLE mainstay_runner NOLOGIN"
sabotage "a runner who is owner" "roles" "GRANT mainstay_owner TO mainstay_runner" "REVOKE mainstay_owner FROM mainstay_runner"
sabotage "a login that runs and approves" "logins" "GRANT mainstay_approver TO alice" "REVOKE mainstay_approver FROM alice"
sabotage "a view of another owner" "owner" "ALTER VIEW mainstay.customers OWNER TO postgres" "ALTER VIEW mainstay.customers OWNER TO mainstay_owner"
sabotage "a view that nobody reads" "planner.reads" "REVOKE SELECT ON mainstay.customers FROM mainstay_planner"
sabotage "a planner who may delete notices" "planner.writes" "GRANT DELETE ON mainstay.notices TO mainstay_planner" "REVOKE DELETE ON mainstay.notices FROM mainstay_planner"
sabotage "a helpdesk that was upgraded" "helpdesk.columns" "ALTER TABLE helpdesk.orders RENAME tracking TO trace" "ALTER TABLE helpdesk.orders RENAME trace TO tracking"
sabotage "an adapter of another version" "adapter" "UPDATE mainstay.settings SET value = '0' WHERE name = 'adapter_version'" \
    "UPDATE mainstay.settings SET value = '1' WHERE name = 'adapter_version'"
ok "mended, it passes again" check
fails "one that fails has its own exit code" 4 "log in as a member of mainstay_runner" helpdesk_as desk carol adapter check
fails "no adapter, nothing to check" 4 "no adapter is installed" other postgres postgres adapter check
done_testing
