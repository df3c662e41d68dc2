#!/bin/bash
# Plans: counts are those of independent SQL, the same question has the same digest, nothing is
# written, limits and guards hold, and everybody who gets no notice has a reason.
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "$0")/../lib/helpdesk_scene.sh"

NOW=2026-03-02T12:00:00Z # a Monday; New York 07:00, Berlin 13:00
HELPDESK_NOW="timestamptz '$NOW'"
helpdesk_scene desk || exit 1

cat >"$scene/base.yaml" <<'YAML'
apiVersion: mainstay/v1
kind: Runbook
metadata: {name: trial, version: "1.0.0", title: A trial, owner: lead, reviewed_on: "2026-02-01"}
owners: {lead: Leads.}
params:
  carrier: {type: text, default: fedex}
  since: {type: duration, default: 30h}
limits: {max_tickets: 1000, max_notices: 1000, batch: 50}
selections:
  affected:
    of: tickets
    where: t.is_open AND t.created_key >= mainstay.key(:now - :since)
    exclude: {tags: ["incident:*", "legal:hold"], where: t.queue = 'billing'}
    segments:
      - {name: failed, needs: [orders], where: o.carrier = :carrier AND o.label_state = 'failed'}
      - {name: named, mentions: ["{{ params.carrier }}"]}
      - {name: vip, where: c.is_vip}
  late:
    of: orders
    needs: [orders]
    where: o.carrier = :carrier AND o.promised_at < :now
  all: {of: customers}
steps:
  - {id: look, uses: assess, selections: [affected, late], expect: [{when: count(affected) < 1, then: stop, say: Nobody is affected.}]}
  - {id: mark, uses: tag, from: affected, add: ["incident:trial", "segment:{{ row.segment }}", "carrier:{{ params.carrier }}"]}
  - {id: tell, uses: notice, to: late, template: late, channels: [email, sms], expires_after: 24h, once_per: 48h}
recover:
  - {id: over, uses: notice, to: late, template: over, only_after: late, channels: [email], expires_after: 24h}
templates:
  late:
    purpose: delay
    facts: {new_date: unknown, refund: true, reply: true}
    en: {subject: "Order {{ orders }}", text: "Hello {{ customer.name }}, {{ order_count }} late. No new date yet; cancel for a full refund, just answer."}
    de: {subject: "Bestellung {{ orders }}", text: "Hallo {{ customer.name }}, {{ order_count }} verspätet. Noch kein Termin; Storno mit Erstattung, antworten Sie einfach."}
  over:
    purpose: service
    en: {subject: "Order {{ orders }} moves", text: "Hello {{ customer.name }}."}
YAML

# plan_of FILE ARGUMENT...: carol's plan as JSON, to stdout; carol may only read
plan_of() {
    local file=$1
    shift
    helpdesk_as desk carol runbook plan "$file" --now "$NOW" --json "$@"
}

# runbook NAME SED...: a copy of the base with changes
runbook() {
    sed -E "${@:2}" "$scene/base.yaml" >"$scene/$1.yaml"
    echo "$scene/$1.yaml"
}

# get FILE EXPRESSION: of the plan, as Python reads it
get() {
    python3 -c 'import json, sys; p = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

sql() { helpdesk_sql desk "$@"; }

# --- the selection ---------------------------------------------------------------------------------

# The same question, asked in another way: one ticket at a time, in the helpdesk's own tables.
EXPECTED="
WITH open AS (
  SELECT t.id, t.subject, t.queue, t.customer_id,
    EXISTS (SELECT FROM helpdesk.orders o WHERE o.order_no = t.order_no AND o.carrier = 'fedex' AND o.label_state = 'failed') AS failed,
    t.subject ~* '(^|[^a-z0-9_])fedex([^a-z0-9_]|\$)' OR EXISTS (SELECT FROM helpdesk.messages m WHERE m.ticket_id = t.id
      AND (m.body ~* '(^|[^a-z0-9_])fedex([^a-z0-9_]|\$)' OR m.subject ~* '(^|[^a-z0-9_])fedex([^a-z0-9_]|\$)')) AS named,
    (SELECT c.is_vip FROM helpdesk.customers c WHERE c.id = t.customer_id) AS vip,
    t.queue = 'billing' OR EXISTS (SELECT FROM helpdesk.ticket_tags g JOIN helpdesk.tags n ON n.id = g.tag_id
      WHERE g.ticket_id = t.id AND (n.name LIKE 'incident:%' OR n.name = 'legal:hold')) AS excluded
  FROM helpdesk.tickets t WHERE t.status IN ('new', 'open', 'pending', 'on_hold')
    AND t.created_at >= $HELPDESK_NOW - interval '30 hours'),
found AS (SELECT *, CASE WHEN failed THEN 'failed' WHEN named THEN 'named' WHEN vip THEN 'vip' END AS segment FROM open)
SELECT"
plan_of "$scene/base.yaml" >"$scene/plan.json" 2>"$scene/plan.err"
is "$?" 0 "somebody who may only read can plan" || cat "$scene/plan.err"
for segment in failed named vip; do
    is "$(get "$scene/plan.json" "[s['count'] for s in p['selections']['affected']['segments'] if s['name'] == '$segment'][0]")" \
        "$(sql "$EXPECTED count(*) FROM found WHERE segment = '$segment' AND NOT excluded")" "segment $segment has as many as SQL says"
done
python3 - "$scene/plan.json" >"$scene/ids" <<'PY'
import json, sys
for s in json.load(open(sys.argv[1]))["selections"]["affected"]["segments"]:
    for part in filter(None, s["ids"].split(",")):
        first, _, last = part.partition("-")
        for i in range(int(first), int(last or first) + 1):
            print(f"{i}|{s['name']}")
PY
sql "$EXPECTED id, segment FROM found WHERE segment IS NOT NULL AND NOT excluded ORDER BY id" >"$scene/ids.expected"
ok "the very same tickets, each in the same segment" cmp <(sort -n "$scene/ids") "$scene/ids.expected"
ok "there are tickets in every segment" test "$(cut -d'|' -f2 "$scene/ids" | sort -u | wc -l)" -eq 3
is "$(get "$scene/plan.json" "p['selections']['affected']['excluded']")" \
    "$(sql "$EXPECTED count(*) FROM found WHERE segment IS NOT NULL AND excluded")" "as many are excluded"
is "$(get "$scene/plan.json" "p['selections']['affected']['customers']")" \
    "$(sql "$EXPECTED count(DISTINCT customer_id) FROM found WHERE segment IS NOT NULL AND NOT excluded")" "of as many customers"
is "$(get "$scene/plan.json" "p['selections']['late']['count']")" \
    "$(sql "SELECT count(*) FROM helpdesk.orders WHERE carrier = 'fedex' AND promised_at < $HELPDESK_NOW")" "as many orders are late"
is "$(get "$scene/plan.json" "p['selections']['all']['count']")" 60 "and all customers are all"
is "$(get "$scene/plan.json" "sum(t['count'] for t in p['steps'][1]['tags'] if t['segment'])")" \
    "$(get "$scene/plan.json" "p['selections']['affected']['count']")" "each ticket gets one tag of its segment"
is "$(get "$scene/plan.json" "p['planned_by']")" carol "the plan says who made it"

# --- the same question, the same answer --------------------------------------------------------------

digest() { get "$1" "p['digest']"; }
plan_of "$scene/base.yaml" >"$scene/again.json"
ok "the same question has the same plan, byte for byte" cmp "$scene/plan.json" "$scene/again.json"
plan_of "$scene/base.yaml" -p since=29h >"$scene/other.json"
isnt_digest() { [ "$(digest "$scene/plan.json")" != "$(digest "$1")" ]; }
ok "another parameter is another digest" isnt_digest "$scene/other.json"
sql "UPDATE helpdesk.customers SET name = 'Somebody Else' WHERE id = (SELECT min(customer_id) FROM helpdesk.orders WHERE carrier = 'fedex' AND promised_at < $HELPDESK_NOW)"
plan_of "$scene/base.yaml" >"$scene/other.json"
ok "a customer's new name is another digest" isnt_digest "$scene/other.json"
cp "$scene/other.json" "$scene/plan.json"

helpdesk_as desk carol runbook plan "$scene/base.yaml" --now "$NOW" -o "$scene/saved.json" >"$scene/saved.txt"
is "$?" 0 "a plan is written to a file"
is "$(digest "$scene/saved.json")" "$(digest "$scene/plan.json")" "with the same digest"
is "$(stat -c %a "$scene/saved.json")" 600 "that only its owner can read"
like "$(cat "$scene/saved.txt")" "next: mainstay runbook run $scene/saved.json" "the next command is there to paste"
mainstay runbook show "$scene/saved.json" >"$scene/shown.txt"
ok "runbook show prints a plan again, without a database" cmp <(head -n -3 "$scene/saved.txt") "$scene/shown.txt"

# tamper FROM TO: a plan in which somebody changed something
tamper() {
    sed "s/$1/$2/" "$scene/saved.json" >"$scene/tampered.json"
    ! cmp -s "$scene/saved.json" "$scene/tampered.json" || { echo "nothing to change: $1"; return 1; }
    mainstay runbook show "$scene/tampered.json"
}
fails "a changed tag is noticed" 4 "was changed after it was made" tamper '"incident:trial"' '"incident:tria1"'
fails "a changed count is noticed" 4 "was changed after it was made" tamper '"count": 60' '"count": 61'
fails "a changed text is noticed" 4 "was changed after it was made" tamper 'No new date yet' 'Tomorrow'
fails "a changed digest is noticed" 4 "was changed after it was made" tamper "$(digest "$scene/saved.json")" \
    "$(printf '0%.0s' {1..64})"

# --- nothing is written ------------------------------------------------------------------------------

# A transaction that has written has a transaction id; the next id does not move by planning.
before=$(sql "SELECT txid_snapshot_xmax(txid_current_snapshot())")
plan_of "$scene/base.yaml" >/dev/null
is "$(sql "SELECT txid_snapshot_xmax(txid_current_snapshot())")" "$before" "planning takes no transaction id"
sql "GRANT EXECUTE ON FUNCTION mainstay.tag_add(text, bigint[], bigint) TO mainstay_planner"
fails "a condition that would write cannot" 1 "read-only transaction" \
    plan_of "$(runbook writes "s/where: t.is_open AND/where: t.is_open AND (SELECT count(*) FROM mainstay.tag_add('x', ARRAY[1]::bigint[], 0)) >= 0 AND/")"
sql "REVOKE EXECUTE ON FUNCTION mainstay.tag_add(text, bigint[], bigint) FROM mainstay_planner"
is "$(sql "SELECT count(*) FROM helpdesk.tags WHERE name = 'x'")" 0 "and it did not"

# --- hostile texts -----------------------------------------------------------------------------------

hostile="x'); DROP TABLE helpdesk.tickets; --"
plan_of "$scene/base.yaml" -p "carrier=$hostile" >"$scene/hostile.json"
is "$?" 0 "SQL in a parameter is a value"
is "$(get "$scene/hostile.json" "[t['tag'] for t in p['steps'][1]['tags']][-1]")" "carrier:$hostile" "it is the tag, as given"
plan_of "$scene/base.yaml" -p 'carrier=(.*)+$|\m' >"$scene/hostile.json"
is "$(get "$scene/hostile.json" "[s['count'] for s in p['selections']['affected']['segments'] if s['name'] == 'named'][0]")" 0 \
    "a regular expression in a parameter is only a word"
helpdesk_as desk carol runbook plan --now "$NOW" --samples 100 -p since=100h \
    "$(runbook all 's/exclude: .*billing.*/exclude: {tags: [none]}/; s/name: vip, where: c.is_vip/name: rest/')" >"$scene/all.txt"
ok "no control byte of a subject or a name reaches the terminal" \
    bash -c '! LC_ALL=C grep -q "[[:cntrl:]]" <(tr -d "\n" <"$1")' _ "$scene/all.txt"
ok "nor anything that turns the direction of text" \
    bash -c '! LC_ALL=C grep -qP "\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]" "$1"' _ "$scene/all.txt"
ok "the hostile subjects are in it all the same" grep -q 'DELETE FROM helpdesk.tickets' "$scene/all.txt"

# --- limits and guards ---------------------------------------------------------------------------------

fails "a plan over its limit of tickets fails" 5 'has [0-9]+ tickets; limits.max_tickets is 3' \
    plan_of "$(runbook tickets 's/max_tickets: 1000/max_tickets: 3/')"
fails "a plan over its limit of notices fails" 5 'would queue [0-9]+ notices; limits.max_notices is 2' \
    plan_of "$(runbook notices 's/max_notices: 1000/max_notices: 2/')"
fails "a guard that fails refuses the plan" 5 'count\(affected\) is [0-9]+, and > 5: Too many.' \
    plan_of "$(runbook guard 's/when: count\(affected\) < 1, then: stop, say: Nobody is affected./when: count(affected) > 5, then: fail, say: Too many./')"
helpdesk_as desk carol runbook plan "$scene/base.yaml" --now 2030-01-01T00:00:00Z -p since=1h >"$scene/stop.txt"
is "$?" 0 "a guard that stops is a plan"
like "$(cat "$scene/stop.txt")" "STOP: count\(affected\) is 0, and < 1: Nobody is affected." "which says so"
like "$(tail -n 1 "$scene/stop.txt")" "a run would change nothing" "at the end too"
fails "a column that the view does not have is named" 1 'selection \\"affected\\": .*column c.is_rich does not exist' \
    plan_of "$(runbook column 's/c.is_vip/c.is_rich/')"

# --- who gets no notice ------------------------------------------------------------------------------

late_of() { # CUSTOMER: an order of theirs that is late
    sql "INSERT INTO helpdesk.orders (external_id, order_no, customer_id, carrier, state, promised_at)
         VALUES ('N$1', 'N$1', $1, 'newpost', 'paid', $HELPDESK_NOW - interval '1 hour')"
}
for customer in 1 2 3 4 5 20 60 9; do late_of "$customer"; done
notices_of() { # FILE ARGUMENT...: "email de 3, sms en 1; no address 2"
    plan_of "$@" -p carrier=newpost >"$scene/notices.json" || return
    get "$scene/notices.json" "', '.join(f\"{n['channel']} {n['locale']} {n['count']}\" for n in p['steps'][2]['notices']) + '; ' + ', '.join(f\"{s['reason']} {s['count']}\" for s in p['steps'][2]['suppressed'])"
}
# 1 de, 2 fr, 3 es, 4 en, 5 de, 9 de, 20 en (no email), 60 en (neither)
is "$(notices_of "$scene/base.yaml")" "email de 3, email en 3, sms en 1; no address 1" \
    "channel by what there is, locale by the customer, the first text for the others"
is "$(get "$scene/notices.json" "p['steps'][2]['customer_count'], len(p['steps'][2]['proofs'])")" "(8, 128)" "every customer has a proof"
is "$(get "$scene/notices.json" "sum(n['count'] for n in p['recover'][0]['notices'])")" 6 \
    "only who gets the first notice, and has an address, gets the second"
is "$(get "$scene/notices.json" "[v['subject'] for v in p['steps'][2]['previews']]")" \
    "['Bestellung N1', 'Order N2', 'Order N20']" "a preview of each kind"
sql "UPDATE helpdesk.customers SET locale = 'de_AT' WHERE id = 2; UPDATE helpdesk.customers SET locale = 'DE-ch-1996' WHERE id = 3"
is "$(notices_of "$scene/base.yaml")" "email de 5, email en 1, sms en 1; no address 1" "de_AT and DE-ch-1996 read German"

suppress() { # CUSTOMER REASON [CHANNEL] [EXPIRES]
    sql "INSERT INTO mainstay.suppressions (customer_key, reason, channel, expires_at) VALUES ('$1', '$2', ${3:-NULL}, ${4:-NULL})"
}
sql "UPDATE helpdesk.customers SET phone = NULL WHERE id BETWEEN 1 AND 9"
suppress c:1 unsubscribed
suppress c:2 complaint "'email'"
suppress a:c3@example.test hard_bounce "'email'"
suppress c:4 legal_hold
suppress c:5 test_account NULL "timestamptz '$NOW' - interval '1 second'" # over
suppress c:9 unsubscribed "'sms'"
is "$(notices_of "$scene/base.yaml")" \
    "email de 2, sms en 1; complaint 1, hard_bounce 1, legal_hold 1, no address 1, unsubscribed 1" \
    "each suppression with its reason; not the one that is over, not the one of another channel"
is "$(notices_of "$(runbook safety 's/purpose: delay/purpose: safety/; s/    facts: .*//')")" \
    "email de 4, sms en 1; hard_bounce 1, legal_hold 1, no address 1" \
    "safety reaches who unsubscribed or complained, not a dead address or a legal hold"
sql "UPDATE helpdesk.customers SET phone = '+44 1632 960' || id WHERE id = 3"
is "$(notices_of "$scene/base.yaml")" \
    "email de 2, sms de 1, sms en 1; complaint 1, legal_hold 1, no address 1, unsubscribed 1" \
    "a dead address is passed over for the telephone"
sql "UPDATE helpdesk.customers SET email = E'c5@example.test\r\nBcc: all@example.test' WHERE id = 5"
is "$(notices_of "$scene/base.yaml")" \
    "email de 1, sms de 1, sms en 1; complaint 1, legal_hold 1, no address 2, unsubscribed 1" \
    "an address that would break a header is none"
is "$(get "$scene/notices.json" "[v['text'] for v in p['steps'][2]['previews'] if v['channel'] == 'email'][0].startswith('Hallo EveBcc: everybody@example.test,')")" \
    True "line breaks in a name are gone"

# a notice of an earlier run, three days and one day ago
sql "INSERT INTO mainstay.runs (id, runbook, version, runbook_digest, plan_digest, source, plan, concurrency_group, state)
     VALUES ('old', 'other', '1.0.0', repeat('0', 64), repeat('0', 64), '', '{}', 'other', 'running')"
told() { # CUSTOMER HOURS STATE
    sql "INSERT INTO mainstay.notices (run_id, step_id, template, customer_key, customer_id, channel, address, locale, purpose,
           body_text, not_before, expires_at, next_at, message_id, created_at, state)
         VALUES ('old', 's', 'late', 'c:$1', $1, 'email', 'x@example.test', 'en', 'delay', '', now(), now() + interval '1 day', now(), 'm$1',
           timestamptz '$NOW' - interval '$2 hours', '$3')"
}
told 9 24 sent
told 20 72 sent
told 3 24 cancelled
is "$(notices_of "$scene/base.yaml")" \
    "sms de 1, sms en 1; complaint 1, legal_hold 1, no address 2, told already 1, unsubscribed 1" \
    "who was told within once_per is not told again; an old or cancelled notice does not count"

# --- quiet hours -------------------------------------------------------------------------------------

sql "DELETE FROM mainstay.suppressions; DELETE FROM mainstay.notices;
     UPDATE helpdesk.customers SET time_zone = 'Asia/Tokyo' WHERE id = 9; UPDATE helpdesk.customers SET time_zone = 'Nowhere/At_All' WHERE id = 3"
# 12:00 UTC is 21:00 in Tokyo: quiet until 09:00, in 12 hours; New York is at 07:00, quiet for two hours;
# nowhere at all it is quiet from 17:00 to 12:00 UTC, and so not now
quiet=$(runbook quiet 's/expires_after: 24h, once_per: 48h/expires_after: 11h, quiet_hours: {from: "20:00", to: "09:00"}/')
like "$(notices_of "$quiet")" "would expire in quiet hours 1" "who would only be told after the notice's end is not told"
like "$(notices_of "$(runbook quieter 's/expires_after: 24h, once_per: 48h/expires_after: 13h, quiet_hours: {from: "20:00", to: "09:00"}/')")" \
    "; no address 2\$" "with two hours more everybody is"
like "$(notices_of "$(runbook unquiet 's/expires_after: 24h, once_per: 48h/expires_after: 11h, quiet_hours: {from: "20:00", to: "09:00"}/; s/purpose: delay/purpose: safety/; s/    facts: .*//')")" \
    "; no address 2\$" "safety knows no quiet hours"

# --- what else is going on -----------------------------------------------------------------------------

is "$(get "$scene/plan.json" "p['overlap']")" "[]" "without other runs there is no overlap"
first=$(head -n 1 "$scene/ids.expected" | cut -d'|' -f1)
sql "INSERT INTO mainstay.run_targets (run_id, selection, seq, id, ticket_id) VALUES ('old', 'a', 1, $first, $first), ('old', 'b', 1, $first, $first),
     ('old', 'b', 2, 1000000, 1000000)"
plan_of "$scene/base.yaml" >"$scene/plan.json"
is "$(get "$scene/plan.json" "p['overlap']")" "[{'run': 'old', 'runbook': 'other', 'tickets': 1}]" "a live run with the same ticket is shown"
is "$(get "$scene/plan.json" "p['estimate']['basis']")" default "the first estimate is a guess"
sql "INSERT INTO mainstay.run_steps (run_id, section, at, step_id, uses, state, cursor, started_at, finished_at)
     VALUES ('old', 'steps', 0, 's', 'tag', 'done', 1000, now() - interval '100 seconds', now());
     UPDATE mainstay.runs SET state = 'done', finished_at = now() WHERE id = 'old'"
plan_of "$scene/base.yaml" >"$scene/plan.json"
is "$(get "$scene/plan.json" "p['estimate']['basis']")" "measured on run old" "the next one is measured"
ok "from how long one target took" test \
    "$(get "$scene/plan.json" "p['estimate']['seconds'] * 10 // (sum(t['count'] for t in p['steps'][1]['tags']) + p['steps'][2]['customer_count'])")" -eq 1
is "$(get "$scene/plan.json" "p['overlap']")" "[]" "a run that is over is no overlap"

fails "an unknown parameter is refused" 2 'has no parameter .*carier' plan_of "$scene/base.yaml" -p carier=ups
fails "without an adapter there is no plan" 3 'no adapter is installed' \
    env MAINSTAY_HELPDESK_CONNECTION="$(cluster_conninfo desk)" "$MAINSTAY" runbook plan "$scene/base.yaml"

done_testing
