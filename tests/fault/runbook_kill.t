#!/bin/bash
# time limit: 600
# Runs that are killed, stopped and raced: at every moment the ledger is what is true.
#
#   three runs over the same tickets while agents hold, change and close them
#   kill -9 at random points, resumed by the next process (KILLS, 8; 100 with CHECK_ALL=1; SEED)
#   a process that was silent too long: another one takes over, and the first writes nothing more
# shellcheck source=tests/lib/runbook_scene.sh
. "$(dirname "$0")/../lib/runbook_scene.sh"

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
KILLS=${KILLS:-${CHECK_ALL:+100}}
KILLS=${KILLS:-8}
RANDOM=$((SEED % 32768))
note "SEED=$SEED KILLS=$KILLS"

helpdesk_scene desk || exit 1
helpdesk_scene_fill desk 28500
runbook_files
sql() { helpdesk_sql desk "$@"; }
as() { helpdesk_as desk "$@"; }

note "$SECONDS s"
# --- three runs and agents ------------------------------------------------------------------------------
for word in a b c; do
    run_plan "$scene/$word.json" sweep -p word=$word
done
is "$(sql "SELECT count(*) >= 3000 FROM mainstay.tickets WHERE is_open")" t "there are 3,000 tickets"

agent() { # NAME PAUSE STATEMENT: until $TEST_DIR/agents.stop is there; a line for each that was done
    local pause=$2 statement=$3
    {
        while [ ! -e "$TEST_DIR/agents.stop" ]; do
            echo "$statement"
            echo "\\echo done"
            sleep "$pause"
        done
    } | helpdesk_script_quietly >"$TEST_DIR/agent.$1" 2>"$TEST_DIR/agent.$1.err"
}
helpdesk_script_quietly() {
    "$CLIENT_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$TEST_DIR/desk.sock" -p "$(cluster_port desk)" \
        -U postgres -d helpdesk -f -
}
open_ones="SELECT id FROM helpdesk.tickets WHERE status = 'open' AND id % 7 = (random() * 6)::int ORDER BY random() LIMIT"
agent edits 0.05 "UPDATE helpdesk.tickets SET assignee = COALESCE(assignee, '') || '!'
             WHERE id = ($open_ones 1);" &
agents=($!)
agent holds 0.3 "BEGIN; SELECT 'held' FROM helpdesk.tickets WHERE id IN ($open_ones 30) ORDER BY id FOR UPDATE;
             SELECT pg_sleep(0.15); COMMIT;" &
agents+=($!)
agent closes 0.05 "UPDATE helpdesk.tickets SET status = 'closed' WHERE id = ($open_ones 1);" &
agents+=($!)

runners=()
for word in a b c; do
    as alice runbook run "$scene/$word.json" --yes >"$TEST_DIR/run.$word" 2>&1 &
    runners+=($!)
done
status=0
for pid in "${runners[@]}"; do wait "$pid" || status=1; done
: >"$TEST_DIR/agents.stop"
wait "${agents[@]}"
is $status 0 "three runs over the same tickets end well"
[ $status -eq 0 ] || diag "$(tail -n 5 "$TEST_DIR"/run.?)"

for word in a b c; do
    run=$(sql "SELECT id FROM mainstay.runs WHERE concurrency_group = 'sweep/$word'")
    is "$(run_state "$run")" "done" "run $word is done"
    is "$(run_ledger_differences "$run" mark "sweep:$word")" "" "run $word: ledger and tags are the same, no target without trace"
done
is "$(sql "SELECT count(*) FROM (SELECT ticket_id FROM mainstay.changes WHERE value = 'sweep:all'
           GROUP BY ticket_id HAVING count(*) > 1) d")" 0 "the tag that all three set is set once for each ticket"
is "$(sql "SELECT count(*) FROM (SELECT ticket_id, tag FROM mainstay.ticket_tags GROUP BY 1, 2 HAVING count(*) > 1) d")" 0 \
    "no ticket has a tag twice"
edits=$(grep -c "done" "$TEST_DIR/agent.edits")
is "$(sql "SELECT sum(length(assignee) - length(replace(assignee, '!', ''))) FROM helpdesk.tickets")" "$edits" \
    "no edit of an agent is lost ($edits edits)"
is "$(cat "$TEST_DIR"/agent.*.err)" "" "no agent met an error"
is "$(sql "SELECT count(*) FROM mainstay.run_exceptions e JOIN mainstay.tickets t ON t.id = e.id
           WHERE e.what = 'changed' AND t.is_open")" 0 "what is listed as changed was closed"
held=$(sql "SELECT count(*) FROM mainstay.run_exceptions WHERE what = 'held'")
note "left held at the end: $held; deadlocks: $(sql "SELECT deadlocks FROM pg_stat_database WHERE datname = 'helpdesk'");" \
    "closed by agents: $(grep -c "done" "$TEST_DIR/agent.closes")"
is "$(sql "SELECT count(*) FROM pg_locks WHERE NOT granted")" 0 "nobody waits for a lock"

note "$SECONDS s"
# --- kill -9 ----------------------------------------------------------------------------------------------
# The program itself, without runuser in between: what is killed is what writes.
connection="MAINSTAY_HELPDESK_CONNECTION=$(helpdesk_conninfo desk alice)"
run_of() { sql "SELECT id FROM mainstay.runs WHERE concurrency_group = 'sweep/$1'"; }

differences=""
number=0
killed=0
inside=0
run=""
while [ $killed -lt "$KILLS" ]; do
    if [ -z "$run" ] || run_is "$run" "done"; then
        number=$((number + 1))
        run_plan "$scene/k.json" sweep -p word="k$number"
        command=(runbook run "$scene/k.json" --yes)
    else
        command=(runbook resume "$run")
    fi
    env "$connection" "$MAINSTAY" "${command[@]}" >"$TEST_DIR/k.out" 2>&1 &
    pid=$!
    sleep "0.$(printf '%03d' $((RANDOM % 400 + 20)))"
    kill -KILL "$pid" 2>/dev/null && killed=$((killed + 1))
    wait "$pid" 2>/dev/null
    run=$(run_of "k$number")
    if [ -z "$run" ]; then # killed before it was there: the same plan again
        number=$((number - 1))
        continue
    fi
    run_is "$run" "done" || inside=$((inside + 1))
    found=$(run_ledger_differences "$run" mark "sweep:k$number")
    [ -z "$found" ] || differences+="after kill $killed: $found"$'\n'
done
is "$differences" "" "after each of $killed kills the ledger is what is true"
note "$number runs, $inside kills with a run under way"
is "$([ "$inside" -ge $((KILLS / 3)) ] && echo enough)" enough "the kills hit runs that were under way"
[ -z "$run" ] || run_is "$run" "done" ||
    ok "the last run is carried to its end by another process" as alice runbook resume "$run"
for i in $(seq 1 "$number"); do
    run=$(run_of "k$i")
    found=$(run_ledger_differences "$run" mark "sweep:k$i")
    found+=$(sql "SELECT 'run ' || id FROM mainstay.runs WHERE id = '$run' AND state <> 'done'")
    found+=$(sql "SELECT 'counts ' || result::text FROM mainstay.run_steps WHERE run_id = '$run'
                  AND result->>'done' IS DISTINCT FROM result->>'total'")
    found+=$(sql "SELECT 'ledger ' || count(*) FROM mainstay.changes WHERE run_id = '$run' AND step_id = 'mark'
                  HAVING count(*) <> (SELECT (result->>'changed')::bigint FROM mainstay.run_steps WHERE run_id = '$run')")
    [ -z "$found" ] || differences+="run $i: $found"$'\n'
    as carol audit verify "$run" >/dev/null || differences+="run $i: the chain is broken"$'\n'
done
is "$differences" "" "every run has done each ticket once, its counts are right, its chain is intact"

note "$SECONDS s"
# --- an undo is killed and carried on, too -------------------------------------------------------------------
run=$(run_of k1)
for _ in 1 2 3 4 5; do
    undo=$(sql "SELECT id FROM mainstay.runs WHERE undoes = '$run' AND state <> 'done'")
    command=(runbook undo "$run" --yes)
    [ -z "$undo" ] || command=(runbook resume "$undo")
    env "$connection" "$MAINSTAY" "${command[@]}" >"$TEST_DIR/u.out" 2>&1 &
    pid=$!
    sleep "0.$(printf '%03d' $((RANDOM % 300 + 20)))"
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
done
undo=$(sql "SELECT id FROM mainstay.runs WHERE undoes = '$run' AND state <> 'done'")
[ -z "$undo" ] || as alice runbook resume "$undo" >/dev/null
as alice runbook undo "$run" --yes >/dev/null 2>&1
is "$(sql "SELECT count(*) FROM mainstay.ticket_tags WHERE tag = 'sweep:k1'")" 0 "a killed undo takes everything back"
is "$(sql "SELECT count(*) FROM mainstay.changes WHERE run_id = '$run' AND undone_by IS NULL AND value = 'sweep:k1'")" 0 \
    "and the ledger says so"

note "$SECONDS s"
# --- the lease ---------------------------------------------------------------------------------------------------
run_plan "$scene/l.json" sweep -p word=lease
env "$connection" "$MAINSTAY" runbook run "$scene/l.json" --yes --lease 2s >"$TEST_DIR/old.out" 2>"$TEST_DIR/old.err" &
old=$!
at_work() { [ "$(sql "SELECT count(*) >= 40 FROM mainstay.changes WHERE value = 'sweep:lease'")" = t ]; }
ok "a process works" wait_until 60 at_work
kill -STOP "$old"
run=$(run_of lease)
is "$(run_state "$run")" running "it stands still in the middle of the run"
fails "nobody takes over before its lease is over" 1 "is being worked on by|timeout" as alice runbook resume "$run"
takes_over() { as alice runbook resume "$run" >"$TEST_DIR/new.out" 2>&1; }
ok "then another process carries the run to its end" wait_until 60 takes_over
is "$(run_state "$run")" "done" "it is done"
fence=$(sql "SELECT fence FROM mainstay.runs WHERE id = '$run'")
before=$(sql "SELECT count(*), max(at) FROM mainstay.events WHERE run_id = '$run';
              SELECT count(*), max(at) FROM mainstay.changes WHERE run_id = '$run';
              SELECT count(*) FROM mainstay.run_batches WHERE run_id = '$run'")
kill -CONT "$old"
wait "$old"
like $? '^[15]$' "the first one ends with a failure"
like "$(cat "$TEST_DIR/old.err")" "nothing more was written here|terminating connection|cannot go on with run" "and says why"
is "$(sql "SELECT count(*), max(at) FROM mainstay.events WHERE run_id = '$run';
           SELECT count(*), max(at) FROM mainstay.changes WHERE run_id = '$run';
           SELECT count(*) FROM mainstay.run_batches WHERE run_id = '$run'")" "$before" "it has written nothing more"
is "$(sql "SELECT fence, state FROM mainstay.runs WHERE id = '$run'")" "$fence|done" "the run is as the second one left it"
is "$(run_ledger_differences "$run" mark sweep:lease)" "" "ledger and tags are the same"

# --- more notices than one batch can have ------------------------------------------------------------------------
cat >"$scene/many.yaml" <<'YAML'
apiVersion: mainstay/v1
kind: Runbook
metadata: {name: many, version: "1.0.0", title: Many notices, owner: lead, reviewed_on: "2026-11-26"}
owners: {lead: Decides.}
limits: {max_tickets: 0, max_notices: 5000, batch: 1000, target_ms: 2000}
selections:
  people: {of: customers, where: "c.id > 60"}
steps:
  - {id: tell, uses: notice, owner: lead, to: people, template: hello, channels: [email], expires_after: 12h}
templates:
  hello:
    purpose: service
    en: {subject: "Your ticket", text: "We are working on it. Just answer this mail if you like."}
undo: {tags: allowed, notices: allowed}
YAML
chmod 644 "$scene/many.yaml"
run_plan "$scene/m.json" many
ok "batches of notices grow and the run goes on" as alice runbook run "$scene/m.json" --yes --no-wait
is "$(sql "SELECT count(*) FROM mainstay.notices WHERE template = 'hello' AND state = 'queued'")" \
    "$(sql "SELECT count(*) FROM mainstay.customers WHERE id > 60 AND email IS NOT NULL")" "each customer has one notice"

done_testing
