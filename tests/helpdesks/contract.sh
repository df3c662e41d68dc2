# shellcheck shell=bash
# What every adapter must do, on any helpdesk: the promises of runbooks/adapters/README.md as assertions.
#
#   . tests/lib/scene.sh; . tests/helpdesks/contract.sh
#   scene_cluster desk && desk_create zammad && desk_contract zammad
#
# One database for each helpdesk, named like its adapter, in cluster "desk". Its tables come from
# NAME/schema.sql or, where a test loads the real ones, from its own function desk_schema_NAME; the tickets
# from data.sql and NAME/load.sql. Logins: alice (runner), carol (planner), postgres.

HELPDESKS_ROOT=$TESTS_ROOT/helpdesks
DESK_NOISE=${DESK_NOISE:-3000}
# What differs: settings, lines of history about a ticket, an index that the helpdesk does not have.
declare -A desk_settings=(
    [zammad]="order_column=order_number"
    [chatwoot]=""
    [libredesk]=""
    [znuny]="order_field=OrderNumber"
    [rt5]="order_field=Order"
    [redmine]="order_field=Order"
)
declare -A desk_history=(
    [zammad]="SELECT t.name || ' ' || h.value_to FROM histories h JOIN history_types t ON t.id = h.history_type_id
              WHERE h.o_id = 1001 AND h.created_by_id = 400 ORDER BY h.id"
    [chatwoot]="SELECT content FROM messages WHERE conversation_id = 1001 AND message_type = 2 ORDER BY id"
    [libredesk]="SELECT text_content FROM conversation_messages WHERE conversation_id = 1001 AND type = 'activity'
                 AND private AND status = 'sent' AND sender_id = 400 ORDER BY id"
    [znuny]="SELECT name FROM ticket_history WHERE ticket_id = 1001 AND create_by = 400 ORDER BY id"
    [rt5]="SELECT CASE WHEN t.newreference IS NULL THEN 'removed ' ELSE 'added ' END || v.content
           FROM transactions t JOIN objectcustomfieldvalues v ON v.id = COALESCE(t.newreference, t.oldreference)
           WHERE t.objecttype = 'RT::Ticket' AND t.objectid = 1001 AND t.type = 'CustomField' AND t.creator = 400
           ORDER BY t.id"
    [redmine]="SELECT COALESCE('added ' || a.name, 'removed ' || r.name) 
               FROM journals j JOIN journal_details d ON d.journal_id = j.id
               LEFT JOIN custom_field_enumerations a ON a.id::text = d.value
               LEFT JOIN custom_field_enumerations r ON r.id::text = d.old_value
               WHERE j.journalized_id = 1001 AND j.user_id = 400 ORDER BY j.id"
)
declare -A desk_history_expected=(
    [zammad]="added incident:carrier-outage
added carrier:ups
removed incident:carrier-outage
removed carrier:ups"
    [chatwoot]="Mainstay Bot added incident__carrier-outage
Mainstay Bot added carrier__ups
Mainstay Bot removed incident__carrier-outage
Mainstay Bot removed carrier__ups"
    [libredesk]="Mainstay Bot added tag incident:carrier-outage
Mainstay Bot added tag carrier:ups
Mainstay Bot removed tag incident:carrier-outage
Mainstay Bot removed tag carrier:ups"
    [znuny]="%%FieldName%%Tags%%Value%%incident:carrier-outage%%OldValue%%
%%FieldName%%Tags%%Value%%incident:carrier-outage, carrier:ups%%OldValue%%incident:carrier-outage
%%FieldName%%Tags%%Value%%carrier:ups%%OldValue%%incident:carrier-outage, carrier:ups
%%FieldName%%Tags%%Value%%%%OldValue%%carrier:ups"
    [rt5]="added incident:carrier-outage
added carrier:ups
removed incident:carrier-outage
removed carrier:ups"
    [redmine]="added incident:carrier-outage
added carrier:ups
removed incident:carrier-outage
removed carrier:ups"
)
# Where the helpdesk has none on the time of creation, the one that the manual tells to make.
declare -A desk_index=(
    [chatwoot]="CREATE INDEX ON conversations (created_at)"
    [rt5]="CREATE INDEX ON tickets (created)"
)
# What it does with its own rows beside the tags; empty is right.
declare -A desk_wrong=(
    [chatwoot]="SELECT 'counter of ' || t.name FROM tags t
                  WHERE t.taggings_count <> (SELECT count(*) FROM taggings g WHERE g.tag_id = t.id)
                UNION ALL SELECT 'labels of ' || c.id FROM conversations c
                  WHERE COALESCE(c.cached_label_list, '') <> COALESCE((
                  SELECT string_agg(t.name, ', ' ORDER BY g.id) FROM taggings g JOIN tags t ON t.id = g.tag_id
                  WHERE g.taggable_id = c.id AND g.taggable_type = 'Conversation' AND g.context = 'labels'), '')"
    [redmine]="SELECT 'values of ' || customized_id FROM custom_values v
               WHERE custom_field_id = (SELECT id FROM custom_fields WHERE name = 'Tags') GROUP BY customized_id
               HAVING (count(*) FILTER (WHERE COALESCE(value, '') = '') > 0) = (count(*) FILTER (WHERE value <> '') > 0)"
)

# desk_sql NAME STATEMENT [USER]: unaligned rows, no header
desk_sql() {
    PGCLIENTENCODING=UTF8 "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/desk.sock" \
        -p "$(cluster_port desk)" -U "${3:-postgres}" -d "$1" -c "$2"
}

# desk_lines NAME STATEMENT [USER]: the rows in one line, separated by ";"
desk_lines() { desk_sql "$@" | paste -sd ';'; }

# desk_file NAME FILE [PSQL OPTION...]
desk_file() {
    local name=$1 file=$2
    shift 2
    PGCLIENTENCODING=UTF8 "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/desk.sock" \
        -p "$(cluster_port desk)" -U postgres -d "$name" "$@" -f - <"$file"
}

desk_as() { # NAME USER ARGUMENT...: the program, logged in to that helpdesk
    local connection
    connection="host=127.0.0.1 port=$(cluster_port desk) user=$2 dbname=$1"
    shift 2
    MAINSTAY_HELPDESK_CONNECTION=$connection mainstay "$@"
}

desk_schema() { # NAME: the helpdesk's tables
    if [[ $(type -t "desk_schema_$1") == function ]]; then
        "desk_schema_$1"
    else
        cluster_sql desk "CREATE DATABASE $1" && desk_file "$1" "$HELPDESKS_ROOT/$1/schema.sql"
    fi
}

# Ids were given by hand: the sequences go on behind them.
DESK_SEQUENCES="SELECT format('SELECT setval(%L, max(%I)) FROM %s HAVING max(%I) IS NOT NULL',
    s.oid::regclass, a.attname, c.oid::regclass, a.attname)
  FROM pg_attrdef f
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_class c ON c.oid = f.adrelid
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.adnum
  WHERE c.relnamespace = 'public'::regnamespace \\gexec"

desk_create() { # NAME: tables and tickets
    desk_schema "$1" && desk_file "$1" "$HELPDESKS_ROOT/data.sql" -v noise="$DESK_NOISE" &&
        desk_file "$1" "$HELPDESKS_ROOT/$1/load.sql" &&
        desk_file "$1" <(echo "$DESK_SEQUENCES") >/dev/null && desk_sql "$1" "ANALYZE"
}

desk_install() { # NAME [OPTION...]
    local name=$1 setting options=(--set actor=400)
    shift
    for setting in ${desk_settings[$name]}; do
        options+=(--set "$setting")
    done
    desk_as "$name" postgres adapter install "${options[@]}" "$@" "$name"
}

# Logins are of the cluster; their table of what a run did is the database's.
desk_people() {
    local login
    for login in "alice mainstay_runner" "carol mainstay_planner"; do
        desk_sql "$1" "SELECT 1 FROM pg_roles WHERE rolname = '${login% *}'" | grep -q 1 ||
            desk_sql "$1" "CREATE ROLE ${login% *} LOGIN IN ROLE ${login#* }"
    done
    desk_sql "$1" "CREATE TABLE fixture.ledger (tag text, ticket bigint, mark bigint);
                   GRANT USAGE ON SCHEMA fixture TO alice; GRANT SELECT, INSERT, DELETE ON fixture.ledger TO alice"
}

# --- what a run does --------------------------------------------------------------------------------

desk_selection() { desk_file "$1" "$HELPDESKS_ROOT/selection.sql" | paste -sd ' '; }

# desk_tag NAME TAG "ID ID...": adds it as a run would, into the ledger; prints how many changed
desk_tag() {
    desk_sql "$1" "WITH a AS (SELECT * FROM mainstay.tag_add('$2', '{${3// /,}}', 400)),
        l AS (INSERT INTO fixture.ledger SELECT '$2', ticket_id, mark FROM a) SELECT count(*) FROM a" alice
}

# desk_undo NAME TAG: takes off what the ledger says and nobody touched; prints the tickets
desk_undo() {
    desk_sql "$1" "WITH l AS (SELECT array_agg(ticket ORDER BY ticket) ids, array_agg(mark ORDER BY ticket) marks
                     FROM fixture.ledger WHERE tag = '$2')
        SELECT r FROM l, mainstay.tag_remove('$2', l.ids, l.marks, 400) r ORDER BY r" alice | paste -sd ' '
    desk_sql "$1" "DELETE FROM fixture.ledger WHERE tag = '$2'" alice
}

desk_tags() { desk_lines "$1" "SELECT ticket_id || ' ' || tag FROM mainstay.ticket_tags WHERE ticket_id < 2000 ORDER BY 1"; }

# Every row of the helpdesk's own tables.
desk_content() {
    desk_sql "$1" "SELECT format('SELECT %L || sum(hashtextextended(t::text, 0)) FROM %s t;',
          c.oid::regclass || ' ', c.oid::regclass)
        FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname" |
        desk_file "$1" /dev/stdin | md5sum
}

desk_beside() { # NAME WHEN
    [[ -z ${desk_wrong[$1]:-} ]] ||
        is "$(desk_lines "$1" "${desk_wrong[$1]}")" "" "$1: what it keeps beside the tags $2"
}

# --- the promises -----------------------------------------------------------------------------------

DESK_COLUMNS="customers: id name email phone locale time_zone country is_vip created_at
messages: id ticket_id created_key direction is_public subject body content_type
ticket_tags: ticket_id tag mark
tickets: id ref api_ref tenant subject status is_open priority queue assignee channel locale customer_id \
customer_name customer_email customer_phone order_no created_key updated_key created_at updated_at"

desk_contract_views() {
    local name=$1
    is "$(desk_sql "$name" "SELECT relname || ': ' || string_agg(attname, ' ' ORDER BY attnum)
          FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
          WHERE relnamespace = 'mainstay'::regnamespace AND relkind = 'v' AND attnum > 0
            AND relname IN ('tickets', 'messages', 'customers', 'ticket_tags') GROUP BY relname ORDER BY relname")" \
        "$DESK_COLUMNS" "$name: the views have the contract's columns"
    is "$(desk_lines "$name" "SELECT t.id FROM fixture.tickets t JOIN fixture.customers c ON c.id = t.customer
            LEFT JOIN mainstay.tickets m ON m.id = t.id
          WHERE t.state <> 'merged' AND (m.subject, m.is_open, m.customer_id, m.customer_name,
              COALESCE(m.customer_email, '-'), COALESCE(m.order_no, '-'), m.created_at, m.created_key) IS DISTINCT FROM
            (t.subject, t.state IN ('open', 'pending'), t.customer, concat_ws(' ', c.first_name, c.last_name),
              COALESCE(c.email, '-'), COALESCE(t.order_no, '-'), t.created_at, mainstay.key(t.created_at)) ORDER BY 1")" \
        "" "$name: tickets are as they were written, customer and order included"
    is "$(desk_lines "$name" "SELECT id FROM mainstay.tickets WHERE id = 1015 AND is_open")" \
        "" "$name: what was merged away is not open"
    is "$(desk_lines "$name" "SELECT m.id || ' ' || v.body FROM fixture.messages m LEFT JOIN LATERAL (
            SELECT direction, is_public, body FROM mainstay.messages v
            WHERE v.ticket_id = m.ticket AND v.body = m.body LIMIT 1) v ON true
          WHERE NOT m.html AND (v.direction, v.is_public) IS DISTINCT FROM
            (CASE m.direction WHEN 'note' THEN 'internal' ELSE m.direction END, m.direction <> 'note')")" \
        "" "$name: messages read as they were written, with who wrote them"
    is "$(desk_lines "$name" "SELECT c.id FROM fixture.customers c LEFT JOIN mainstay.customers m ON m.id = c.id
          WHERE (m.name, COALESCE(m.email, '-')) IS DISTINCT FROM
              (concat_ws(' ', c.first_name, c.last_name), COALESCE(c.email, '-'))
            AND EXISTS (SELECT 1 FROM fixture.tickets t WHERE t.customer = c.id)")" \
        "" "$name: customers have their names and addresses"
    is "$(desk_lines "$name" "SELECT c.id FROM fixture.customers c JOIN mainstay.customers m ON m.id = c.id,
            mainstay.settings s
          WHERE s.name = 'capabilities' AND ((s.value LIKE '%phone%' AND m.phone IS DISTINCT FROM c.phone)
            OR (s.value LIKE '%locale%' AND m.locale IS DISTINCT FROM c.locale AND m.locale IS NOT NULL))")" \
        "" "$name: phone and locale are there as the capabilities say"
}

desk_contract_tags() {
    local name=$1 before expected
    expected=$(desk_sql "$name" "SELECT id FROM fixture.tickets WHERE expected IS NOT NULL ORDER BY id" | paste -sd ' ')
    is "$(desk_selection "$name")" "$expected" "$name: the selection is the same as everywhere"
    before=$(desk_tags "$name")
    is "$(desk_tag "$name" incident:carrier-outage "$expected")" 13 "$name: 13 tickets get the tag"
    is "$(desk_tag "$name" carrier:ups "$expected")" 12 "$name: 12 get the second, one had it from a person"
    is "$(desk_selection "$name")" "" "$name: what is tagged is not selected again"
    is "$(desk_lines "$name" "SELECT l.ticket || l.tag FROM fixture.ledger l
            LEFT JOIN mainstay.ticket_tags g ON (g.ticket_id, g.tag, g.mark) = (l.ticket, l.tag, l.mark)
          WHERE g.mark IS NULL
          UNION ALL SELECT 'same mark ' || mark FROM fixture.ledger GROUP BY mark, tag HAVING count(*) > 1 AND mark > 0")" \
        "" "$name: the marks that tag_add returned are those of the view"
    local content
    content=$(desk_content "$name")
    is "$(desk_tag "$name" incident:carrier-outage "$expected")$(desk_tag "$name" carrier:ups "$expected")" 00 \
        "$name: a second run tags nothing"
    is "$(desk_content "$name")" "$content" "$name: and writes nothing at all"
    is "$(desk_undo "$name" incident:carrier-outage)" "$expected" "$name: undo takes the first tag off"
    is "$(desk_undo "$name" carrier:ups)" "${expected/1011 /}" \
        "$name: and the second, but not where a person had set it"
    is "$(desk_tags "$name")" "$before" "$name: the tags are what they were"
    is "$(desk_sql "$name" "${desk_history[$name]}")" "${desk_history_expected[$name]}" \
        "$name: history says who did it"
    desk_beside "$name" "agrees"
}

desk_last_run() {
    desk_sql "$1" "SELECT id FROM mainstay.runs WHERE kind = 'run' ORDER BY created_at DESC LIMIT 1"
}

# desk_run NAME: carrier-outage up to its tags, which two answers of people stand before; ends it there, as
# cancelled, and leaves the run's id in $desk_run_id.
desk_run() {
    local name=$1 plan=$scene/$1.plan
    {
        desk_as "$name" carol runbook plan carrier-outage -p carrier=ups -p since=2026-08-30T08:00:00Z -p next_update=12:00 \
            --now 2026-08-30T10:00:00Z -o "$plan" &&
            desk_as "$name" alice runbook run --yes --no-wait "$plan" &&
            desk_run_id=$(desk_last_run "$name") &&
            desk_as "$name" alice runbook signal "$desk_run_id" classify --value carrier &&
            desk_as "$name" alice runbook signal "$desk_run_id" contain --value contained &&
            desk_as "$name" alice runbook resume --no-wait "$desk_run_id" &&
            desk_as "$name" alice runbook cancel "$desk_run_id"
    } >"$scene/$name.run" 2>&1 || { diag "$(tail -n 20 "$scene/$name.run")"; return 1; }
}

# Planned by somebody who may only read, run and undone by another: the program on this helpdesk.
desk_contract_runbook() {
    local name=$1 before
    before=$(desk_tags "$name")
    if ! desk_run "$name"; then
        tap_result 1 "$name: carrier-outage is planned and run"
        return
    fi
    is "$(grep -o '"ids": *"[^"]*"' "$scene/$name.plan" | grep -o '[0-9,-]*')" "1001-1005,1011-1014,1016,1018-1020" \
        "$name: carrier-outage is planned for the same tickets as everywhere"
    is "$(desk_lines "$name" "SELECT tag || ' ' || count(*) || ' ' || count(c.mark) FROM mainstay.ticket_tags t
            LEFT JOIN mainstay.changes c ON (c.ticket_id, c.mark, c.value) = (t.ticket_id, t.mark, t.tag)
          WHERE t.ticket_id < 2000 AND t.tag ~ '^(incident:carrier-outage|carrier:|segment:|state:)'
          GROUP BY tag ORDER BY tag")" \
        "carrier:ups 13 12;incident:carrier-outage 13 13;segment:mentioned 13 13;state:needs-update 13 13" \
        "$name: all four tags are on them, and all but the person's in the ledger"
    ok "$name: the run is undone" desk_as "$name" alice runbook undo --yes "$desk_run_id"
    is "$(desk_tags "$name")" "$before" "$name: the tags are what they were before it"
    desk_beside "$name" "agrees after a run"
}

# A person takes the tag off and sets it again: it is the person's now.
desk_contract_marks() {
    local name=$1
    desk_tag "$name" again "1001 1002 1003" >/dev/null
    desk_sql "$name" "SELECT mainstay.tag_remove('again', '{1002}', NULL, 1)" alice >/dev/null
    desk_sql "$name" "SELECT mainstay.tag_add('again', '{1002}', 1)" alice >/dev/null
    desk_sql "$name" "SELECT mainstay.tag_add('later', '{1003}', 1)" alice >/dev/null
    is "$(desk_undo "$name" again)" "1001 1003" \
        "$name: a tag that was set again by a person stays, another tag beside it does not matter"
    is "$(desk_lines "$name" "SELECT ticket_id || tag FROM mainstay.ticket_tags WHERE tag IN ('again', 'later') ORDER BY 1")" \
        "1002again;1003later" "$name: and nothing else is left or gone"
    is "$(desk_lines "$name" "SELECT mainstay.tag_remove('again', '{1002}', '{NULL}', 400)" alice)" "" \
        "$name: a mark that is not known fits nothing"
    is "$(desk_lines "$name" "SELECT mainstay.tag_add('again', '{99999999, 4000000000}', 400)" alice)" "" \
        "$name: tickets that are gone are passed over"
}

# Three sessions want the same 300 tickets, in batches; an agent holds one of them for a while.
desk_contract_sessions() {
    local name=$1 i ids batch statement="" pids=()
    ids=$(desk_sql "$name" "SELECT id FROM fixture.tickets WHERE id > 10000 ORDER BY id LIMIT 300")
    for ((i = 0; i < 300; i += 100)); do
        batch=$(sed -n "$((i + 1)),$((i + 100))p" <<<"$ids" | paste -sd ,)
        statement+="SELECT count(*) FROM mainstay.tag_add('many', '{$batch}', 400);"
    done
    for i in 1 2 3; do
        desk_file "$name" <(echo "SET ROLE mainstay_runner; $statement") >"$TEST_DIR/$name.session$i" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || tap_result 1 "$name: a session failed"
    done
    is "$(($(cat "$TEST_DIR/$name".session? | paste -sd +)))" 300 "$name: three sessions at once add each tag once"
    is "$(desk_lines "$name" "SELECT count(*), count(DISTINCT ticket_id) FROM mainstay.ticket_tags WHERE tag = 'many'")" "300|300" \
        "$name: no ticket has it twice"
    desk_beside "$name" "agrees after that too"
    echo "SELECT mainstay.ticket_lock('{1003,1002,1001,77}')" >"$TEST_DIR/other"
    cat >"$TEST_DIR/$name.held" <<SQL
BEGIN;
SELECT FROM mainstay.ticket_lock('{1002}');
\\! "$CLIENT_BIN/psql" -X -q -A -t -h "$TEST_DIR/desk.sock" -p $(cluster_port desk) -U alice -d $name -f "$TEST_DIR/other" | paste -sd ' '
SQL
    is "$(desk_file "$name" "$TEST_DIR/$name.held" | grep .)" "1001 1003" \
        "$name: a row that an agent holds is passed over, not waited for"
}

desk_contract_rights() {
    local name=$1
    fails "$name: a planner cannot tag" 1 "permission denied for function tag_add" \
        desk_sql "$name" "SELECT mainstay.tag_add('x', '{1001}', 1)" carol
    fails "$name: a runner cannot read the helpdesk's own tables" 1 "permission denied for (table|relation)" \
        desk_sql "$name" "SELECT * FROM users" alice
    is "$(desk_sql "$name" "SELECT count(*) FROM mainstay.tickets t, mainstay.messages m
          WHERE t.id = 1001 AND m.ticket_id = t.id AND m.direction = 'in'" carol)" 1 \
        "$name: a planner reads tickets and messages"
    is "$(desk_lines "$name" "SELECT proname FROM pg_proc p
          WHERE pronamespace = 'mainstay'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
            OR proname IN ('tag_add', 'tag_remove', 'ticket_lock')
              AND NOT (prosecdef AND proconfig::text LIKE '%search_path=pg_catalog, pg_temp%')")" \
        "" "$name: no function is open to everybody"
    is "$(desk_lines "$name" "SELECT table_name || '.' || column_name FROM information_schema.column_privileges
          WHERE grantee = 'mainstay_owner' AND table_schema = 'public' AND table_name IN ('users', 'customer_user')
            AND column_name ~ 'pass|^pw|salt|token|secret|api_key|auth'")" "" "$name: no password or token is readable"
}

DESK_LARGE="tickets|ticket|conversations|issues|ticket_articles|messages|conversation_messages|article|\
article_data_mime|transactions|attachments|journals"

# Plans, not times: tickets and messages are found by their indexes, which a cast in a view would prevent.
desk_contract_plan() {
    local name=$1 plan view
    [[ -z ${desk_index[$name]:-} ]] || desk_sql "$name" "${desk_index[$name]}; ANALYZE"
    plan=$({ echo EXPLAIN; cat "$HELPDESKS_ROOT/selection.sql"; } | desk_file "$name" /dev/stdin)
    is "$(grep -E "Seq Scan on ($DESK_LARGE)( |\$)" <<<"$plan")" \
        "" "$name: the selection reads no table of tickets or messages from end to end"
    for view in tickets.id messages.ticket_id customers.id ticket_tags.ticket_id; do
        plan=$(desk_sql "$name" "SET enable_seqscan = off; SET enable_bitmapscan = off;
            EXPLAIN (COSTS off) SELECT * FROM mainstay.${view%.*} WHERE ${view#*.} = 1001")
        like "$plan" 'Index Cond: [^"]*= .?1001' "$name: ${view%.*} are found by ${view#*.}"
    done
}

desk_contract() { # NAME
    ok "$1: the adapter is installed" desk_install "$1"
    desk_people "$1"
    ok "$1: and once more" desk_install "$1"
    desk_contract_views "$1"
    desk_contract_plan "$1"
    ok "$1: \`adapter check\` finds nothing wrong" desk_as "$1" alice adapter check
    desk_contract_tags "$1"
    desk_contract_marks "$1"
    desk_contract_runbook "$1"
    desk_contract_sessions "$1"
    desk_contract_rights "$1"
}
