#!/bin/bash
# A run from its plan to its undo: what is written is what was planned, minus what is not true any
# more; two persons; other processes pause, resume, cancel and answer it.
# shellcheck source=tests/lib/runbook_scene.sh
. "$(dirname "$0")/../lib/runbook_scene.sh"

helpdesk_scene desk || exit 1
runbook_files
sql() { helpdesk_sql desk "$@"; }
as() { helpdesk_as desk "$@"; }
tagged() { sql "SELECT count(*) FROM mainstay.ticket_tags WHERE tag = '$1'"; }

# --- before: somebody has set one of the tags by hand ----------------------------------------------
before=$(sql "SELECT min(t.id) FROM mainstay.tickets t JOIN mainstay.orders o USING (order_no)
              WHERE t.is_open AND o.carrier = 'ups' AND NOT EXISTS (SELECT FROM mainstay.ticket_tags g
                WHERE g.ticket_id = t.id)")
sql "SELECT mainstay.tag_add('carrier:ups', ARRAY[$before]::bigint[], 0)" >/dev/null
tags_before=$(sql "SELECT ticket_id, tag, mark FROM mainstay.ticket_tags ORDER BY 1, 2")

ok "a planner plans" run_plan "$scene/plan.json" outage -p carrier=ups
count=$(sed -n '/"affected": {/,/}/p' "$scene/plan.json" | grep -m1 '"count"' | tr -cd 0-9)
fails "a planner cannot run it" "1|5" "denied" as carol runbook run "$scene/plan.json" --yes
fails "without a terminal and without --yes nothing happens" 5 "nobody can be asked" \
    as alice runbook run "$scene/plan.json"
is "$(sql "SELECT count(*) FROM mainstay.runs")" 0 "and no run is stored"
sed 's/"ids": "[^"]*"/"ids": "1-3"/' "$scene/plan.json" >"$scene/forged.json"
fails "a plan that was changed is refused" 4 "digest" as alice runbook run "$scene/forged.json" --yes

# --- drift between plan and run ----------------------------------------------------------------------
closed=$(sql "SELECT max(t.id) FROM mainstay.tickets t JOIN mainstay.orders o USING (order_no)
              WHERE t.is_open AND o.carrier = 'ups' AND t.id <> $before AND NOT EXISTS (
                SELECT FROM mainstay.ticket_tags g WHERE g.ticket_id = t.id)")
sql "UPDATE helpdesk.tickets SET status = 'closed' WHERE id = $closed"
gone=$(sql "SELECT max(t.id) FROM mainstay.tickets t JOIN mainstay.orders o USING (order_no)
            WHERE t.is_open AND o.carrier = 'ups' AND t.id <> $before AND NOT EXISTS (
              SELECT FROM mainstay.ticket_tags g WHERE g.ticket_id = t.id)")
sql "DELETE FROM helpdesk.ticket_history WHERE ticket_id = $gone;
     DELETE FROM helpdesk.messages WHERE ticket_id = $gone; DELETE FROM helpdesk.tickets WHERE id = $gone"
sql "INSERT INTO helpdesk.tickets (external_id, subject, status, customer_id, order_no, created_at, updated_at)
     SELECT 'NEW1', 'new', 'open', customer_id, order_no, now(), now() FROM mainstay.orders
     WHERE carrier = 'ups' AND state = 'in_transit' LIMIT 1"

run=$(run_started alice "$scene/plan.json")
like "$run" '^outage-[0-9]{8}-[0-9a-f]{6}$' "the run has a name"
is "$(run_state "$run")" waiting "it waits for an answer"
is "$(tagged incident:outage)" $((count - 2)) "every planned ticket but the two that changed has the tag"
is "$(sql "SELECT what, id FROM mainstay.run_exceptions WHERE run_id = '$run' ORDER BY 1")" \
    "changed|$closed
gone|$gone" "what was closed and what is gone is listed"
is "$(sql "SELECT result->>'new' FROM mainstay.run_steps WHERE run_id = '$run' AND step_id = 'mark'")" 1 \
    "the new ticket is counted"
is "$(sql "SELECT count(*) FROM mainstay.ticket_tags g JOIN mainstay.tickets t ON t.id = g.ticket_id
           WHERE t.ref = 'NEW1' AND tag LIKE '%:%'")" 0 "and not touched"
is "$(run_ledger_differences "$run" mark incident:outage)" "" "ledger and tags are the same"
is "$(sql "SELECT count(*) FROM mainstay.changes WHERE ticket_id = $before AND value = 'carrier:ups'")" 0 \
    "the tag that was there before is not in the ledger"
is "$(sql "SELECT result->'restore_point'->>'confirmed' FROM mainstay.run_steps WHERE run_id = '$run' AND step_id = 'checkpoint'")" \
    false "without a repository the restore point is not called confirmed"
like "$(as carol runbook status "$run")" 'could not be confirmed' "which status says"

# --- refusals while it lives ---------------------------------------------------------------------------
fails "one run of a group at a time" 5 "$run of \"outage/ups\" is waiting" \
    as alice runbook run "$scene/plan.json" --yes
fails "what goes on cannot be undone" 5 "cannot be undone" as alice runbook undo "$run" --yes
fails "the requester cannot approve" 5 "permission denied" as alice runbook approve "$run" --yes

# --- people -----------------------------------------------------------------------------------------
ok "an answer that is no choice is kept" as alice runbook signal "$run" fallback --value maybe
as alice runbook resume "$run" --no-wait >/dev/null 2>&1
is "$(sql "SELECT state FROM mainstay.run_steps WHERE run_id = '$run' AND step_id = 'fallback'")" waiting \
    "and does not count"
ok "one of the choices does" as bob runbook signal "$run" fallback --value switch
ok "resume goes on" as alice runbook resume "$run" --no-wait
like "$(sql "SELECT reason FROM mainstay.runs WHERE id = '$run'")" '^for approval: 0 of 1' "to the approval"
is "$(sql "SELECT count(*) FROM mainstay.notices WHERE run_id = '$run' AND channel <> 'webhook'")" 0 \
    "no notice is queued before it"

sql "GRANT mainstay_approver TO alice"
fails "not even as an approver" 5 "was requested by alice, who cannot approve it" \
    as alice runbook approve "$run" --yes
sql "REVOKE mainstay_approver FROM alice"
fails "who is no approver cannot approve, and is told what that takes" 5 "doctor --print-grants approver" \
    as dora runbook approve "$run" --yes
fails "another digest is not what was shown" 5 "has plan" \
    as bob runbook approve "$run" --yes --digest "$(printf '%064d' 0)"
fails "a rejection needs a reason" 2 "say why" as bob runbook approve "$run" --reject --yes
fails "there is no such step" 5 "waits for no approval in step tell" \
    as bob runbook approve "$run" --step tell --yes
is "$(sql "SELECT count(*) FROM mainstay.approvals")" 0 "none of these is kept"
fails "an approval cannot be written past its function" 1 "permission denied" \
    helpdesk_sql desk "INSERT INTO mainstay.approvals VALUES ('$run', 'gate', 'x', 'carol', 'approved')" bob
fails "nor can its event be forged" 1 "its own function only" \
    helpdesk_sql desk "SELECT mainstay.event_append('$run', 'h', 'approved', '{}')" alice

# The run is being waited with by a process; the approval comes from another one.
as alice runbook resume "$run" >"$TEST_DIR/resume.out" 2>"$TEST_DIR/resume.err" &
waiter=$!
holds() { [ "$(sql "SELECT holder IS NOT NULL FROM mainstay.runs WHERE id = '$run'")" = t ]; }
ok "a process waits" wait_until 60 holds
ok "bob approves" as bob runbook approve "$run" --yes --comment "texts checked"
like "$(as carol runbook status "$run")" "approved_by: bob|waiting" "which is seen"
fails "nobody decides twice" 5 "waits for no approval|has decided" as bob runbook approve "$run" --yes
notices_there() { [ "$(sql "SELECT count(*) > 0 FROM mainstay.notices WHERE run_id = '$run' AND channel = 'email'")" = t ]; }
ok "the notices are queued" wait_until 60 notices_there
waits_for_signal() { [[ $(sql "SELECT reason FROM mainstay.runs WHERE id = '$run'") == 'for the signal carrier-back' ]]; }
ok "and the run waits for its signal" wait_until 60 waits_for_signal
fails "a run that a process works on is not resumed by another" 1 "is being worked on by" \
    as alice runbook resume "$run" --no-wait
ok "pause from another process" as alice runbook pause "$run"
is "$(run_state "$run")" paused "it is paused"
wait "$waiter"
like "$(cat "$TEST_DIR/resume.err")" "was paused" "and its process says so"
like "$(sql "SELECT reason FROM mainstay.runs WHERE id = '$run'")" "asked for by alice" "who asked for it is known"
ok "the signal is given while it is paused" as alice runbook signal "$run" carrier-back

# --- recovery -------------------------------------------------------------------------------------------
ok "resume: the signal begins recovery" as alice runbook resume "$run" --no-wait
is "$(run_state "$run")" "done" "the run is done"
is "$(tagged state:needs-update)" 0 "recovery took its own tag away"
is "$(sql "SELECT count(*) FROM mainstay.notices WHERE run_id = '$run' AND channel = 'webhook'")" 2 \
    "both status updates are queued"
report=$(as carol runbook report "$run")
like "$report" "texts checked" "the report has the approval"
like "$report" "does not hold" "and the exit criteria"
like "$report" "chain intact" "and the chain"
as carol runbook report "$run" --json >"$TEST_DIR/report.json"
is "$(json_value "$TEST_DIR/report.json" intact)" true "also as JSON"
like "$report" "Contact rate . [0-9.]+ tickets an hour" "what happened to the helpdesk stands in it"
opened=$(sql "SELECT count(*) FROM mainstay.tickets t, mainstay.runs r WHERE r.id = '$run'
    AND t.created_at >= r.created_at - interval '24 hours' AND t.created_at < r.created_at")
is "$(json_value "$TEST_DIR/report.json" opened_before)" "$opened" "tickets of the day before are counted"
is "$(python3 -c 'import json, sys; hours = json.load(open(sys.argv[1]))["impact"]["hours"]
print(sum(h["opened"] for h in hours if h["hour"] < 0))' "$TEST_DIR/report.json")" "$opened" "hour by hour, too"
is "$(json_value "$TEST_DIR/report.json" of_run)" \
    "$(sql "SELECT count(DISTINCT ticket_id) FROM mainstay.changes WHERE run_id = '$run'")" "and those of the run"
as carol runbook report "$run" --format html >"$TEST_DIR/report.html"
is "$(python3 -c 'import re, sys; page = open(sys.argv[1]).read()
print(len(re.findall("<svg", page)), len(re.findall("</svg>", page)), "<script" in page, "http" in page.replace("http-equiv", ""))' \
    "$TEST_DIR/report.html")" "3 3 False False" "a page with three charts that loads nothing"
like "$(cat "$TEST_DIR/report.html")" "<h1>[^<]*: done</h1>" "it begins with how the run ended"
fails "another format is refused" 2 "markdown or html" as carol runbook report "$run" --format pdf
head=$(json_value "$TEST_DIR/report.json" head)
fails "what is over cannot be cancelled" 5 "it is over" as alice runbook cancel "$run"
fails "nor resumed" 5 "it is done" as alice runbook resume "$run"
fails "nor signalled" 5 "nothing waits for a signal" as alice runbook signal "$run" carrier-back

# --- a second run changes nothing -----------------------------------------------------------------------
changes=$(sql "SELECT count(*) FROM mainstay.changes")
ok "the same plan can be run again" as alice runbook run "$scene/plan.json" --yes --no-wait
again=$(sql "SELECT id FROM mainstay.runs WHERE id <> '$run'")
is "$(sql "SELECT count(*) FROM mainstay.changes")" "$changes" "but changes nothing"
is "$(sql "SELECT what, count(*) FROM mainstay.run_exceptions WHERE run_id = '$again' GROUP BY 1 ORDER BY 1")" \
    "changed|$((count - 1))
gone|1" "every ticket is listed: it carries an incident already"
ok "it is cancelled" as alice runbook cancel "$again"
is "$(run_state "$again")" cancelled "at once, as nobody works on it"
is "$(sql "SELECT count(*) FROM mainstay.notices WHERE run_id = '$again' AND state = 'queued'")" 0 \
    "and its status update is called back"

# --- undo ---------------------------------------------------------------------------------------------
other=$(sql "SELECT min(ticket_id) FROM mainstay.changes WHERE run_id = '$run' AND value = 'incident:outage'")
sql "SELECT mainstay.tag_remove('incident:outage', ARRAY[$other]::bigint[], NULL, 0);
     SELECT mainstay.tag_add('incident:outage', ARRAY[$other]::bigint[], 0)" >/dev/null
mark=$(sql "SELECT mark FROM mainstay.ticket_tags WHERE ticket_id = $other AND tag = 'incident:outage'")
like "$(as alice runbook undo "$run" --plan 2>&1)" "1 stays: somebody has set the tag again" \
    "the plan of the undo has the conflict"
is "$(sql "SELECT count(*) FROM mainstay.runs WHERE kind = 'undo'")" 0 "and does nothing"
sent=$(sql "UPDATE mainstay.notices SET state = 'sent' WHERE id = (SELECT min(id) FROM mainstay.notices
            WHERE run_id = '$run' AND channel = 'email') RETURNING id")
fails "an undo asks too" 5 "nobody can be asked" as alice runbook undo "$run"
ok "undo" as alice runbook undo "$run" --yes
undo=$(sql "SELECT id FROM mainstay.runs WHERE kind = 'undo'")
is "$(sql "SELECT ticket_id, tag, mark FROM mainstay.ticket_tags WHERE ticket_id <> $gone ORDER BY 1, 2")" \
    "$(printf '%s\n' "$tags_before" "$other|incident:outage|$mark" | grep -v "^$gone|" |
        sort -t '|' -k1,1n -k2,2)" "every tag is as before the run; the one set by hand since stays"
is "$(tagged carrier:ups)" 1 "the tag that was there before the run is still there"
is "$(sql "SELECT what, id FROM mainstay.run_exceptions WHERE run_id = '$undo'")" "conflict|$other" \
    "the conflict is listed"
is "$(sql "SELECT state FROM mainstay.notices WHERE run_id = '$run' GROUP BY 1 ORDER BY 1")" "cancelled
sent" "what was not sent is called back"
is "$(sql "SELECT state FROM mainstay.notices WHERE id = $sent")" sent "what was sent is not"
changes=$(sql "SELECT count(*) FROM mainstay.changes")
ok "a second undo" as alice runbook undo "$run" --yes
is "$(sql "SELECT count(*) FROM mainstay.changes")" "$changes" "changes nothing"
fails "an undo cannot be undone" 5 "is an undo" as alice runbook undo "$undo" --yes

# --- audit ------------------------------------------------------------------------------------------------
ok "the chain is intact, also with the head of the report" as carol audit verify "$run" --head "$head"
fails "events cannot be changed" 1 "append-only" sql "UPDATE mainstay.events SET actor = 'x'"
fails "nor removed" 1 "append-only" sql "DELETE FROM mainstay.events"
fails "nor emptied" 1 "append-only" sql "TRUNCATE mainstay.events"
fails "nor written by a runner" 1 "permission denied" \
    helpdesk_sql desk "INSERT INTO mainstay.events SELECT * FROM mainstay.events LIMIT 1" alice
tamper() { # DESCRIPTION PATTERN SQL: done by somebody who may switch triggers off, and taken back
    sql "CREATE TABLE public.kept AS SELECT * FROM mainstay.events WHERE run_id = '$run';
         ALTER TABLE mainstay.events DISABLE TRIGGER events_append_only; $3"
    fails "$1 is found" 4 "$2" as carol audit verify "$run" --head "$head"
    sql "DELETE FROM mainstay.events WHERE run_id = '$run'; INSERT INTO mainstay.events SELECT * FROM public.kept;
         ALTER TABLE mainstay.events ENABLE TRIGGER events_append_only; DROP TABLE public.kept"
}
tamper "a changed detail" "event 3 .* was changed" \
    "UPDATE mainstay.events SET detail = '{}' WHERE run_id = '$run' AND seq = 3"
tamper "another actor" "event 4 .* was changed" \
    "UPDATE mainstay.events SET actor = 'bob' WHERE run_id = '$run' AND seq = 4"
tamper "another time" "event 5 .* was changed" \
    "UPDATE mainstay.events SET at = at + interval '1 microsecond' WHERE run_id = '$run' AND seq = 5"
tamper "a missing event" "event 6 is missing" "DELETE FROM mainstay.events WHERE run_id = '$run' AND seq = 6"
tamper "two events in another order" "event 7 .* was changed" \
    "UPDATE mainstay.events SET seq = CASE seq WHEN 7 THEN 100008 ELSE 7 END WHERE run_id = '$run' AND seq IN (7, 8);
     UPDATE mainstay.events SET seq = 8 WHERE run_id = '$run' AND seq = 100008"
tamper "a missing tail" "events, .* are there" \
    "DELETE FROM mainstay.events WHERE run_id = '$run' AND seq > 10"
ok "and it is intact again" as carol audit verify "$run"
sql "CREATE TABLE public.runs_kept AS SELECT event_count, event_head FROM mainstay.runs WHERE id = '$run';
     UPDATE mainstay.runs SET event_count = 10, event_head = (SELECT hash FROM mainstay.events WHERE run_id = '$run' AND seq = 10)
      WHERE id = '$run'"
tamper "a tail that was cut off together with the run's own count" "written anew" \
    "DELETE FROM mainstay.events WHERE run_id = '$run' AND seq > 10"
sql "UPDATE mainstay.runs SET event_count = k.event_count, event_head = k.event_head FROM public.runs_kept k WHERE id = '$run'"

# --- rejected, stopped, paused by an error -------------------------------------------------------------------
run_plan "$scene/fedex.json" outage -p carrier=fedex
run=$(run_started postgres "$scene/fedex.json")
as postgres runbook signal "$run" fallback --value hold >/dev/null
as postgres runbook resume "$run" --no-wait >/dev/null 2>&1
fails "a superuser who asked for a run cannot approve it either" 5 "who cannot approve it" \
    as postgres runbook approve "$run" --yes
ok "bob rejects it" as bob runbook approve "$run" --reject --comment "wrong text" --yes
as postgres runbook resume "$run" --no-wait >/dev/null 2>&1
is "$(sql "SELECT state, reason FROM mainstay.runs WHERE id = '$run'")" "cancelled|rejected by bob: wrong text" \
    "which ends the run"
is "$(sql "SELECT count(*) FROM mainstay.notices WHERE run_id = '$run' AND state <> 'cancelled'")" 0 \
    "without any notice"
ok "its tags can be taken back" as alice runbook undo "$run" --yes
is "$(tagged carrier:fedex)" 0 "all of them"

sed 's/count(affected) < 2/count(affected) < 4000/' "$scene/outage.yaml" >"$scene/small.yaml"
chmod 644 "$scene/small.yaml"
run_plan "$scene/small.json" small -p carrier=usps
run=$(run_started alice "$scene/small.json")
is "$(sql "SELECT state FROM mainstay.runs WHERE id = '$run'")" "done" "a guard ends a run without failure"
like "$(sql "SELECT reason FROM mainstay.runs WHERE id = '$run'")" "Fewer than two" "and says why"
is "$(tagged carrier:usps)" 0 "before anything is written"

for rule in pause continue fail; do
    sed "s/uses: tag, from: affected/uses: tag, on_error: $rule, from: affected/; s/incident:outage/incident:$rule/" \
        "$scene/outage.yaml" >"$scene/broken.yaml"
    chmod 644 "$scene/broken.yaml"
    run_plan "$scene/broken.json" broken -p carrier=dhl
    sql "CREATE FUNCTION helpdesk.refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
           RAISE EXCEPTION 'no tags today'; END \$\$;
         CREATE TRIGGER refuse BEFORE INSERT ON helpdesk.ticket_tags FOR EACH ROW EXECUTE FUNCTION helpdesk.refuse()"
    run=$(run_started alice "$scene/broken.json" 2>/dev/null) ||
        run=$(sql "SELECT id FROM mainstay.runs ORDER BY created_at DESC LIMIT 1")
    sql "DROP TRIGGER refuse ON helpdesk.ticket_tags; DROP FUNCTION helpdesk.refuse()"
    case $rule in
    pause)
        is "$(run_state "$run")" paused "on_error: pause"
        like "$(sql "SELECT reason FROM mainstay.runs WHERE id = '$run'")" "no tags today" "with the reason"
        ok "once it is mended resume goes on" as alice runbook resume "$run" --no-wait
        is "$(run_ledger_differences "$run" mark "incident:pause")" "" "with everything done once"
        ;;
    continue)
        is "$(run_state "$run")" waiting "on_error: continue"
        is "$(sql "SELECT state FROM mainstay.run_steps WHERE run_id = '$run' AND step_id = 'mark'")" failed \
            "the step has failed"
        ;;
    fail) is "$(run_state "$run")" failed "on_error: fail" ;;
    esac
    [ "$rule" = fail ] || as alice runbook cancel "$run" >/dev/null
    as alice runbook undo "$run" --yes >/dev/null 2>&1
done

# --- rows that agents hold ------------------------------------------------------------------------------------
run_plan "$scene/sweep.json" sweep -p word=held
held=$(sql "SELECT min(id) FROM mainstay.tickets WHERE is_open AND NOT EXISTS (SELECT FROM mainstay.ticket_tags g
            WHERE g.ticket_id = tickets.id)")
mkfifo "$TEST_DIR/agent.in"
"$CLIENT_BIN/psql" -X -q -A -t -h "$TEST_DIR/desk.sock" -p "$(cluster_port desk)" -U postgres -d helpdesk \
    <"$TEST_DIR/agent.in" >"$TEST_DIR/agent.out" 2>&1 &
agent=$!
exec 7>"$TEST_DIR/agent.in"
echo "BEGIN; SELECT 'held' FROM helpdesk.tickets WHERE id = $held FOR UPDATE;" >&7
ok "an agent holds a ticket" wait_until 30 grep -q held "$TEST_DIR/agent.out"
as alice runbook run "$scene/sweep.json" --yes >"$TEST_DIR/sweep.out" 2>&1 &
sweeper=$!
is_held() { [ "$(sql "SELECT count(*) FROM mainstay.run_exceptions WHERE what = 'held' AND id = $held")" = 1 ]; }
ok "the run goes past it and lists it" wait_until 60 is_held
echo "COMMIT;" >&7
exec 7>&-
wait "$sweeper"
is $? 0 "the run ends well"
wait "$agent"
run=$(sql "SELECT id FROM mainstay.runs WHERE runbook = 'sweep'")
is "$(sql "SELECT count(*) FROM mainstay.changes WHERE run_id = '$run' AND ticket_id = $held AND value = 'sweep:held'")" 1 \
    "the ticket has its tag after all"
is "$(sql "SELECT count(*) FROM mainstay.run_exceptions WHERE run_id = '$run' AND what = 'held'")" 0 "nothing is left held"
is "$(run_ledger_differences "$run" mark sweep:held)" "" "ledger and tags are the same"
is "$(sql "SELECT result->>'done' = result->>'total' FROM mainstay.run_steps WHERE run_id = '$run'")" t "and every target is counted once"

# --- an error of the server that is long, and not in ASCII ------------------------------------------------------------
sql "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION '%', repeat('ошибка ', 100); END \$\$;
     CREATE TRIGGER refuse BEFORE INSERT ON helpdesk.ticket_tags FOR EACH ROW EXECUTE FUNCTION refuse()"
run_plan "$scene/sweep.json" sweep -p word=refused
fails "a step that the server refuses fails" 1 "ошибка ошибка" as alice runbook run "$scene/sweep.json" --yes
is "$(sql "SELECT state, reason LIKE '%ошибка ошибка%' FROM mainstay.runs WHERE runbook = 'sweep' AND id <> '$run'")" "paused|t" \
    "the run is paused, and says why"
sql "DROP FUNCTION refuse CASCADE"

# --- the clock ------------------------------------------------------------------------------------------------------
run_plan "$scene/clock.json" outage -p carrier=usps
run=$(run_started alice "$scene/clock.json")
pages() {
    sql "SELECT (SELECT count(*) FROM mainstay.events WHERE run_id = '$run' AND kind = 'clock_breach'),
                (SELECT count(*) FROM mainstay.notices WHERE run_id = '$run' AND channel = 'webhook' AND address = 'lead'),
                (SELECT count(*) FROM mainstay.notices WHERE run_id = '$run' AND channel = 'webhook' AND address = 'page')"
}
is "$(pages)" "0|0|1" "an update was posted, none is late"
is "$(sql "SELECT state, reason FROM mainstay.runs WHERE id = '$run'")" \
    "waiting|for lead: Use one more carrier? Χρησιμοποιήστε τον άλλο μεταφορέα…" "it says what it waits for, in whole words"
# What the daemon's metrics are made of, as a login that may only look.
clock_status() {
    as carol status --repository-url "$scene/repository" --json |
        grep -oE '"(runs_live|update_late_us)": ?[0-9]+' | grep -oE '[0-9]+$' | xargs
}
mainstay repo init --repository-url "$scene/repository" >/dev/null
live=$(sql "SELECT count(*) FROM mainstay.runs WHERE finished_at IS NULL")
is "$(clock_status)" "$live 0" "status has the runs that are not over, and no update is late"
sql "UPDATE mainstay.runs SET next_update_at = now() - interval '1 hour' WHERE id = '$run'"
like "$(clock_status)" "^$live 36[0-9]{8}$" "and then how late one is"
like "$(as carol status --repository-url "$scene/repository")" "runbooks +$live under way, an update is 1 h 0 min late" "for people too"
sql "UPDATE mainstay.runs SET next_update_at = now() - interval '2 hours' WHERE state = 'done'"
like "$(clock_status)" "^$live 36[0-9]{8}$" "but not of a run that is over"
as alice runbook resume "$run" --no-wait >/dev/null 2>&1
as alice runbook resume "$run" --no-wait >/dev/null 2>&1
is "$(pages)" "1|1|1" "a promise that was broken pages once, and posts nothing"
sql "UPDATE mainstay.run_steps SET due_at = now() WHERE run_id = '$run' AND step_id = 'fallback'"
as alice runbook resume "$run" --no-wait >/dev/null 2>&1
is "$(sql "SELECT result->>'choice' FROM mainstay.run_steps WHERE run_id = '$run' AND step_id = 'fallback'")" hold \
    "a task that nobody answers takes its default"
sql "UPDATE mainstay.run_steps SET due_at = now() WHERE run_id = '$run' AND step_id = 'gate'"
fails "a window for approval that is over is closed" 5 "no longer waiting" as bob runbook approve "$run" --yes
as alice runbook resume "$run" --no-wait >/dev/null 2>&1
ok "whoever resumes the run asks again" as bob runbook approve "$run" --yes

done_testing
