#!/bin/bash
# Exports of other helpdesks: what comes in, what a second import changes, and what is refused with
# file, line and column.
set -euo pipefail
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "$0")/../lib/helpdesk_scene.sh"

helpdesk_bare desk
helpdesk_as desk postgres adapter install reference >/dev/null
helpdesk_sql desk "CREATE ROLE ingrid LOGIN IN ROLE helpdesk_import; CREATE ROLE alice LOGIN IN ROLE mainstay_runner"

exports=$scene/export
mkdir "$exports"
import_as() { # USER ARGUMENT...
    local user=$1
    shift
    helpdesk_as desk "$user" adapter import "$@"
}
import() { import_as ingrid "$@"; }
# put NAME: a file of the export from stdin
put() { cat >"$exports/$1"; }

# --- a directory in the words of several helpdesks -------------------------------------------------

{
    printf '\xef\xbb\xbf' # as spreadsheets begin their files
    cat <<'E'
external_id,name,email,phone,locale,time_zone,country,is_vip,created_at
c1,"O'Brien, ""Bob""",bob@example.test,+49301,de,Europe/Berlin,DE,TRUE,2025-01-01T00:00:00Z
c2,"two
lines	and a tab",,,fr,,,0,2025-01-02T00:00:00+01:00
c3,\N,n@example.test,,,,,no,2025-01-03T00:00:00Z
E
} | put customers.csv
put orders.jsonl <<'E'
{"id": 9007199254740993, "name": "#1001", "customer_id": "c1", "tracking_company": "UPS", "status": "shipped", "total_price": "19.90", "currency": "EUR", "lineitem_sku": ["A-1", "B \"2\"", "c,d"], "created_at": "2026-08-01T10:00:00Z"}

{"id": 2, "name": "#1002", "customer": {"id": "c9", "email": "new@example.test", "name": "New"}, "state": "paid", "skus": []}
E
put tickets.csv <<'E'
Id,Requester email,Requester,Subject,Status,Priority,Group,Assignee,Tags,Via,Created at,Updated at
101,bob@example.test,Bob,"Wo ist mein Päckchen? 📦",open,High,shipping,Anna,"vip incident:old",email,2026-08-30 10:00,2026-08-30 11:00
102,,,"'); DROP TABLE helpdesk.tickets;--",Hold,,shipping,,,chat,2026-08-30T10:00:00Z,2026-08-30T11:00:00Z
103,BOB@example.test,,x,solved,urgent,,,,,2026-08-30 10:00:00 +0200,2026-08-30 10:00:00 UTC
104,stranger@example.test,A Stranger,y,new,,,,"größe",,2026-08-30,2026-08-30
E
put messages.jsonl <<'E'
{"id": "m1", "ticket_id": 101, "from_agent": false, "body_text": "line 1\nline 2\t\\N \\. end", "public": true, "created_at": "2026-08-30T10:00:00.25Z"}
{"id": "m2", "ticket_id": 101, "from_agent": true, "body_text": null, "created_at": "2026-08-30T10:01:00Z"}
E
put tags.csv <<'E'
ticket,tag
102,legal:hold
102,legal:hold
101,vip
E

fails "times without a zone are refused unless one is given" 1 \
    'tickets.csv:2: column "created_at": .* is not a time with its zone' import "$exports"
is "$(helpdesk_sql desk "SELECT count(*) FROM helpdesk.tickets")" 0 "a file is a transaction"
is "$(import "$exports" --zone Europe/Berlin | sed 's|.*/||')" \
    "customers.csv: 3 records: 0 customers new, 0 updated, 3 as they were
orders.jsonl: 2 records: 0 orders new, 0 updated, 2 as they were
tickets.csv: 4 records: 4 tickets new, 0 updated, 0 as they were, 3 tags set
messages.jsonl: 2 records: 2 messages new, 0 updated, 0 as they were
tags.csv: 3 records, 1 tag set" "what comes in is counted, and what was there stays as it is"

is "$(helpdesk_sql desk "SELECT external_id, name, email, phone, is_vip, created_at AT TIME ZONE 'UTC' FROM helpdesk.customers
      WHERE external_id IN ('c1', 'c2', 'c3') ORDER BY 1")" \
    "c1|O'Brien, \"Bob\"|bob@example.test|+49301|t|2025-01-01 00:00:00
c2|two
lines	and a tab|||f|2025-01-01 23:00:00
c3|\\N|n@example.test||f|2025-01-03 00:00:00" "customers come in as they were written"
is "$(helpdesk_sql desk "SELECT o.external_id, order_no, c.external_id, carrier, state, total_cents, skus FROM helpdesk.orders o
      JOIN helpdesk.customers c ON c.id = o.customer_id ORDER BY o.id")" \
    '9007199254740993|#1001|c1|UPS|in_transit|1990|{A-1,"B \"2\"","c,d"}
2|#1002|c9||paid||{}' "orders find their customers, and bring those that are not there"
is "$(helpdesk_sql desk "SELECT t.external_id, c.external_id, t.status, t.priority, t.channel, t.created_at AT TIME ZONE 'UTC'
      FROM helpdesk.tickets t LEFT JOIN helpdesk.customers c ON c.id = t.customer_id ORDER BY t.id")" \
    "101|c1|open|high|email|2026-08-30 08:00:00
102||on_hold||chat|2026-08-30 10:00:00
103|c1|solved|urgent||2026-08-30 08:00:00
104|email:stranger@example.test|new|||2026-08-29 22:00:00" "tickets find their customers by address; times mean what they say"
is "$(helpdesk_sql desk "SELECT subject FROM helpdesk.tickets WHERE external_id IN ('101', '102') ORDER BY id")" \
    "Wo ist mein Päckchen? 📦
'); DROP TABLE helpdesk.tickets;--" "subjects are texts, whatever is in them"
is "$(helpdesk_sql desk "SELECT direction, body, is_public, created_at AT TIME ZONE 'UTC' FROM helpdesk.messages WHERE external_id = 'm1'")" \
    "in|line 1
line 2	\\N \\. end|t|2026-08-30 10:00:00.25" "nothing in a body ends the copy"
is "$(helpdesk_sql desk "SELECT t.external_id, string_agg(g.tag, ' ' ORDER BY g.tag COLLATE \"C\") FROM helpdesk.tickets t
      JOIN mainstay.ticket_tags g ON g.ticket_id = t.id GROUP BY 1 ORDER BY 1" | xargs)" \
    "101|incident:old vip 102|legal:hold 104|größe" "tags are set, each once"

# --- again -----------------------------------------------------------------------------------------

helpdesk_sql desk "SELECT mainstay.tag_add('incident:new', ARRAY(SELECT id FROM mainstay.tickets), 0)" alice >/dev/null
import "$exports/tickets.csv" --kind tickets --zone Europe/Berlin >/dev/null # updated_at is the file's again
stamp=$(helpdesk_sql desk "SELECT sum(hashtextextended(t::text, 0)) FROM helpdesk.messages t")
sed -i 's/,Hold,/,closed,/' "$exports/tickets.csv"
is "$(import "$exports" --zone Europe/Berlin --json | grep -oE '"(kind|created|updated|tags)": *[^,}]*' |
    sed 's/.*: *//' | xargs)" \
    "customers 0 0 0 orders 0 0 0 tickets 0 1 0 messages 0 0 0 tags 0 0 0" "a second import updates what has changed"
is "$(helpdesk_sql desk "SELECT sum(hashtextextended(t::text, 0)) FROM helpdesk.messages t")" "$stamp" "and nothing else"
is "$(helpdesk_sql desk "SELECT status FROM helpdesk.tickets WHERE external_id = '102'")" closed "the status is the new one"
is "$(helpdesk_sql desk "SELECT count(*) FROM mainstay.ticket_tags WHERE tag = 'incident:new'")" 4 "a run's tags survive it"
put more.csv <<'E'
external_id,subject
101,first
101,second
E
import "$exports/more.csv" --kind tickets >/dev/null
is "$(helpdesk_sql desk "SELECT subject, status, queue FROM helpdesk.tickets WHERE external_id = '101'")" "second|open|shipping" \
    "the last record of an id counts, and columns that the file does not have stay"

# --- refused ---------------------------------------------------------------------------------------

# refused DESCRIPTION EXTENSION PATTERN [ARGUMENT...]: a file of tickets from stdin
refused() {
    local description=$1 file="$exports/bad.$2" pattern=$3
    shift 3
    cat >"$file"
    fails "refused: $description" 1 "$pattern" import "$file" --kind tickets "$@"
}
refused "a column that is misspelt" csv 'bad.csv:1: tickets have no column "Subjct"' <<<$'id,Subjct\n1,x'
fails "... with the nearest name" 1 'Did you mean "subject"' import "$exports/bad.csv" --kind tickets
refused "a column that is not known" csv '"Satisfaction Score=" leaves it out' <<<$'id,Satisfaction Score\n1,x'
refused "a member that is not known" jsonl 'bad.jsonl:2: tickets have no column "custom_fields"' \
    <<<$'{"id": 1}\n{"id": 2, "custom_fields": [{"id": 3}]}'
refused "a mapping to a column that is not there" csv 'tickets have no column "Case"' --map Case=case <<<$'id,Case\n1,x'
refused "two columns for one" csv 'the columns "id" and "external_id" are both external_id' <<<$'id,external_id\n1,x'
refused "a record with too few fields" csv 'bad.csv:4: there is 1 field, the header has 2' <<<$'id,subject\n1,"a\nb"\n2'
refused "a quote that is never closed" csv 'bad.csv:3: the quote that opens here is never closed' <<<$'id,subject\n1,x\n2,"a\nb'
refused "a NUL byte" csv 'bad.csv:2: there is a NUL byte' < <(printf 'id,subject\n1,a\0b\n')
refused "a NUL in JSON" jsonl 'bad.jsonl:1 is not valid JSON' <<<'{"id": 1, "subject": "a\u0000b"}'
refused "bytes that are not UTF-8" csv 'bad.csv:3: the text is not UTF-8' < <(printf 'id,subject\n1,x\n2,a\xff\n')
refused "a record without its id" csv 'bad.csv:3: column "external_id": is empty or missing' <<<$'id,subject\n1,x\n,y'
refused "a status that nobody knows" csv 'bad.csv:2: column "status": "wontfix" is not new, open, pending' <<<$'id,status\n1,wontfix'
refused "a time that is none" csv 'column "created_at": "2026-02-28 25:00" is not a time' --zone UTC <<<$'id,created_at\n1,2026-02-28 25:00'
refused "a day that is none" csv 'column "created_at": "2026-02-30" is not a time' --zone UTC <<<$'id,created_at\n1,2026-02-30'
refused "a tag with control characters" jsonl 'column "tags": .* control characters' <<<'{"id": 1, "tags": ["a\nb"]}'
refused "an object where a text is wanted" jsonl 'no column "subject.a"' <<<'{"id": 1, "subject": {"a": 1}}'
refused "a list where a text is wanted" jsonl 'column "subject": is a list or an object' <<<'{"id": 1, "subject": ["a"]}'
refused "broken JSON" jsonl 'bad.jsonl:2 is not valid JSON' <<<$'{"id": 1}\n{"id": 2'
refused "an empty file" csv 'is empty: the first line names the columns' </dev/null
refused "a customer that is not there" csv 'bad.csv:3: there is no customer "nobody"; so it is on 2 lines' \
    <<<$'id,customer_id\n1,c1\n2,nobody\n3,nobody'
is "$(helpdesk_sql desk "SELECT count(*) FROM helpdesk.tickets")" 4 "of a file that is refused nothing stays"
ok "columns may be left out one by one" import "$exports/bad.csv" --kind tickets --map customer_id=
put odd.csv <<<$'id,What is this?,Subject\n7,x,y'
ok "unknown ones with --skip-unknown" import "$exports/odd.csv" --kind tickets --skip-unknown
fails "a file of another kind" 2 "neither .csv nor .jsonl" import "$TEST_DIR/desk.port" --kind tickets
fails "a file without its kind" 2 "a file needs it" import "$exports/odd.csv"
fails "a directory without exports" 3 "nothing to import" import "$scene"
fails "who is no member of helpdesk_import" 1 "permission denied" import_as alice "$exports/odd.csv" --kind tickets --skip-unknown

# --- many ------------------------------------------------------------------------------------------

many=${IMPORT_TICKETS:-20000}
awk -v n="$many" 'BEGIN {
    print "id,requester_email,subject,status,tags,created_at,updated_at"
    for (i = 1; i <= n; i++)
        printf "B%d,p%d@example.test,\"Parcel %d, where is it?\",open,\"a b%d\",2026-08-30T10:00:00Z,2026-08-30T10:00:00Z\n", i, i % 5000, i, i % 50
}' >"$exports/many.csv"
started=$(date +%s%N)
ok "$many tickets come in" import "$exports/many.csv" --kind tickets
note "$many tickets in $((($(date +%s%N) - started) / 1000000)) ms"
is "$(helpdesk_sql desk "SELECT count(*), count(DISTINCT customer_id), (SELECT count(*) FROM mainstay.ticket_tags WHERE tag = 'a')
      FROM helpdesk.tickets WHERE external_id LIKE 'B%'")" "$many|5000|$many" "all of them, with customers and tags"
started=$(date +%s%N)
is "$(import "$exports/many.csv" --kind tickets | sed 's/.*records: //')" \
    "0 tickets new, 0 updated, $many as they were, 0 tags set" "the same file again changes nothing"
note "again in $((($(date +%s%N) - started) / 1000000)) ms"
done_testing
