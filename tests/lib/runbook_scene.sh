# shellcheck shell=bash
# Runbooks on the demo helpdesk: a small one that goes quickly through every kind of step, and words
# for driving runs.
#
#   . tests/lib/runbook_scene.sh; helpdesk_scene desk; runbook_files
#   run=$(run_started alice outage)         planned as carol, started without waiting; prints its id
#   run_state "$run"; run_answer bob approve "$run" ...

# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "${BASH_SOURCE[0]}")/helpdesk_scene.sh"

# Runbooks are files of the scene: outage (everything), sweep (only tags, in many small batches).
runbook_files() {
    cat >"$scene/outage.yaml" <<'YAML'
apiVersion: mainstay/v1
kind: Runbook
metadata:
  name: outage
  version: "1.0.0"
  title: A carrier is down
  summary: For tests.
  owner: lead
  reviewed_on: "2026-11-22"
owners:
  lead: Decides.
  comms: Reads every text.
params:
  carrier: {type: enum, values: [ups, fedex, usps, dhl], required: true, help: "Which."}
  word: {type: text, default: soon, help: "When customers hear from us."}
concurrency:
  group: "outage/{{ params.carrier }}"
limits: {max_tickets: 5000, max_notices: 5000, batch: 10, target_ms: 200, max_replica_lag: 2s, max_active_backends: 60}
clock: {first_update_within: 1h, update_every: 20m, long_after: 2h, update_every_long: 60m, grace: 5m, on_breach: lead}
selections:
  affected:
    of: tickets
    where: t.is_open
    exclude: {tags: ["incident:*", "legal:*"]}
    segments:
      - {name: late, needs: [orders], where: "o.carrier = :carrier AND o.state = 'in_transit'"}
      - {name: other, needs: [orders], where: "o.carrier = :carrier"}
  at-risk:
    of: orders
    needs: [orders]
    where: o.carrier = :carrier AND o.state IN ('paid', 'labelled', 'in_transit')
steps:
  - {id: first, uses: status, owner: comms, component: shipping, state: investigating, template: status-first, webhooks: [page]}
  - id: assess
    uses: assess
    owner: lead
    selections: [affected, at-risk]
    expect:
      - {when: count(affected) < 2, then: stop, say: Fewer than two tickets is not an incident.}
  - {id: checkpoint, uses: restore-point, timeout: 60s}
  - {id: mark, uses: tag, from: affected, add: ["incident:outage", "carrier:{{ params.carrier }}", "segment:{{ row.segment }}", "state:needs-update"]}
  - id: fallback
    uses: task
    owner: lead
    ask: |
      Use one more carrier?
      Χρησιμοποιήστε τον άλλο μεταφορέα όταν περισσότερες από εκατό παραγγελίες περιμένουν ακόμη.
    choices: [switch, hold]
    default: {after: 30m, choice: hold}
  - {id: gate, uses: approval, role: comms, quorum: 1, expires: 45m}
  - {id: tell, uses: notice, owner: comms, to: at-risk, template: delay-first, channels: [email, sms], once_per: 24h, expires_after: 12h}
  - {id: over, uses: wait, owner: lead, signal: carrier-back, for: 72h, remind: 30m}
recover:
  - {id: answered, uses: untag, from: affected, remove: ["state:needs-update"]}
  - {id: last, uses: status, owner: comms, component: shipping, state: resolved, template: status-last, webhooks: [page]}
exit:
  - {text: People say that it is over.}
  - {text: Nobody waits., zero: affected}
  - {text: All notices are out., drained: true}
templates:
  status-first:
    purpose: status
    en: {subject: "Shipping", text: "We are looking into it. More {{ params.word }}."}
  status-last:
    purpose: status
    en: {subject: "Shipping", text: "It is over."}
  delay-first:
    purpose: delay
    facts: {new_date: unknown, refund: true, reply: true}
    en:
      subject: "Your order {{ orders }} may be late"
      text: |
        Hello {{ customer.name }},
        we do not know the new date yet. You can cancel for a full refund: just answer this mail.
undo: {tags: allowed, notices: allowed}
YAML
    cat >"$scene/sweep.yaml" <<'YAML'
apiVersion: mainstay/v1
kind: Runbook
metadata:
  name: sweep
  version: "1.0.0"
  title: Tags in many small batches
  summary: For tests.
  owner: lead
  reviewed_on: "2026-11-22"
owners:
  lead: Decides.
params:
  word: {type: text, required: true, pattern: "[a-z0-9]+", help: "Part of the tags."}
  status: {type: enum, values: [open, any], default: any, help: "Which tickets."}
concurrency:
  group: "sweep/{{ params.word }}"
limits: {max_tickets: 100000, max_notices: 10, batch: 20, target_ms: 25, max_active_backends: 60}
selections:
  affected:
    of: tickets
    where: t.is_open AND (:status = 'any' OR t.status = :status)
    exclude: {tags: ["legal:*"]}
steps:
  - {id: mark, uses: tag, from: affected, add: ["sweep:{{ params.word }}", "sweep:all"]}
undo: {tags: allowed, notices: allowed}
YAML
    give_to_server "$scene"
}

# run_plan FILE RUNBOOK [-p KEY=VALUE...]: as carol, who may only look
run_plan() {
    local file=$1 runbook=$2
    shift 2
    rm -f "$file"
    helpdesk_as desk carol runbook plan "$scene/$runbook.yaml" "$@" -o "$file" >"$file.out" &&
        chmod 644 "$file"
}

# run_started USER PLAN: does it without waiting for people; prints the run's id
run_started() {
    helpdesk_as desk "$1" runbook run "$2" --yes --no-wait --json >"$TEST_DIR/started.json" 2>"$TEST_DIR/started.err" ||
        { cat "$TEST_DIR/started.err" "$TEST_DIR/started.json" >&2; return 1; }
    json_value "$TEST_DIR/started.json" id
}

run_state() {
    helpdesk_sql desk "SELECT state FROM mainstay.runs WHERE id = '$1'"
}

# "done" when the run is in that state
run_is() {
    [ "$(run_state "$1")" = "$2" ]
}

# What must be true of a run at every moment, whoever was killed: one row for each thing that is not.
#   tags in the ledger that the ticket has not, or with another mark (none was removed by people)
#   targets up to the cursor that are neither in the ledger, nor listed, nor had the tag before
#   tickets with the run's own tag that the ledger does not have
run_ledger_differences() { # RUN STEP OWN_TAG
    helpdesk_sql desk "
    SET enable_nestloop = off; -- the tables grew since anybody analysed them
    SELECT 'ledger without tag ' || c.ticket_id || ' ' || c.value FROM mainstay.changes c
     WHERE c.run_id = '$1' AND c.kind = 'tag+' AND c.undone_by IS NULL AND NOT EXISTS (
       SELECT FROM mainstay.ticket_tags t
        WHERE t.ticket_id = c.ticket_id AND t.tag = c.value AND t.mark = c.mark);
    SELECT 'tag without ledger ' || t.ticket_id FROM mainstay.ticket_tags t
     WHERE t.tag = '$3' AND NOT EXISTS (
       SELECT FROM mainstay.changes c
        WHERE c.run_id = '$1' AND c.value = t.tag AND c.ticket_id = t.ticket_id AND c.mark = t.mark);
    SELECT 'target without trace ' || g.id FROM mainstay.run_targets g
      JOIN mainstay.run_steps s ON s.run_id = g.run_id AND s.step_id = '$2'
     WHERE g.run_id = '$1' AND g.selection = 'affected' AND g.seq <= s.cursor
       AND NOT EXISTS (SELECT FROM mainstay.changes c
                        WHERE c.run_id = g.run_id AND c.value = '$3' AND c.ticket_id = g.id)
       AND NOT EXISTS (SELECT FROM mainstay.run_exceptions e
                        WHERE e.run_id = g.run_id AND e.step_id = '$2' AND e.id = g.id);
    SELECT 'target ahead of the cursor ' || c.ticket_id FROM mainstay.changes c
      JOIN mainstay.run_targets g ON g.run_id = c.run_id AND g.selection = 'affected' AND g.id = c.ticket_id
      JOIN mainstay.run_steps s ON s.run_id = g.run_id AND s.step_id = '$2'
     WHERE c.run_id = '$1' AND c.step_id = '$2' AND g.seq > s.cursor"
}
