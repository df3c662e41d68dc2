#!/bin/bash
# The daemon beside a real server: snapshots by schedule, SIGHUP, children killed, a standby that
# takes over, metrics, alerts on failure and on recovery, one snapshot at a time, SIGTERM.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/daemon_scene.sh
. "$here/../lib/daemon_scene.sh"

repository=$scene/repository

# --- helpers ---------------------------------------------------------------------------------------

# daemon_config NAME SCHEDULE [LINE...]: extra lines belong to the section alert
daemon_config() {
    local name=$1 schedule=$2
    shift 2
    cat >"$scene/$name.yaml.new" <<EOF
repository:
  url: $repository
store:
  retry-total: 2s
postgres:
  connection: $(cluster_conninfo main) password=hunter2
daemon:
  snapshot-schedule: "$schedule"
  wal-stream: ${wal_stream:-false}
  status-interval: 1s
  listen: 127.0.0.1:0
  drain-timeout: 20s
alert:
  failures: 1
  webhook-file: $scene/webhook
  heartbeat-file: $scene/heartbeat
EOF
    [[ $# -eq 0 ]] || printf '  %s\n' "$@" >>"$scene/$name.yaml.new"
    mv "$scene/$name.yaml.new" "$scene/$name.yaml"
}

ready() { daemon_get "$1" /readyz >/dev/null; }
not_ready() { ! ready "$1"; }
snapshots_at_least() { [[ $(snapshot_ids "$repository" | wc -l) -ge $1 ]]; }
received() { grep -qE "$1" "$TEST_DIR/received" 2>/dev/null; }

# --- stage -----------------------------------------------------------------------------------------

scene_cluster main
scene_psql main -c 'CREATE TABLE ticket AS SELECT g AS id, md5(g::text) AS subject FROM generate_series(1, 1000) g'
mainstay repo init --repository-url "$repository" >/dev/null
"$here/../lib/http_receiver" "$TEST_DIR/receiver.port" "$TEST_DIR/received" 1 &
daemon_beside+=("$!")
wait_until 20 test -s "$TEST_DIR/receiver.port"
echo "http://127.0.0.1:$(cat "$TEST_DIR/receiver.port")/alerts/s3cret" >"$scene/webhook"
echo "http://127.0.0.1:$(cat "$TEST_DIR/receiver.port")/heartbeat" >"$scene/heartbeat"
chmod 600 "$scene/webhook" "$scene/heartbeat"
give_to_server "$scene/webhook"
give_to_server "$scene/heartbeat"

# --- check -----------------------------------------------------------------------------------------

daemon_config first '@every 61 parsecs'
fails 'a wrong schedule is refused by --check' 2 'daemon.snapshot-schedule' \
    as_server "$TEST_DIR/mainstayd" --check --config "$scene/first.yaml"
daemon_config first '@every 2s'
ok '--check accepts a good one' as_server "$TEST_DIR/mainstayd" --check --config "$scene/first.yaml"

# --- schedule, metrics, probes ---------------------------------------------------------------------

daemon_start first
ok 'it lives' daemon_get first /healthz
ok 'snapshots happen by schedule' wait_until 60 snapshots_at_least 3
ok 'it is ready' wait_until 20 ready first
ok 'it leads' metric_is first mainstay_leader 1
ok 'the last snapshot is known' wait_until 20 metric_known first mainstay_last_snapshot_age_seconds
ok 'runs are counted' test "$(metric first 'mainstay_job_runs_total{job="snapshot"}')" -ge 3
ok 'a heartbeat followed a snapshot' wait_until 20 received '^GET /heartbeat'
as_server "$MAINSTAY" status --config "$scene/first.yaml" >"$TEST_DIR/status"
ok 'status knows the last good snapshot' grep -qE '^last good +[0-9a-f]{16}, ' "$TEST_DIR/status"
ok 'and the server' grep -qE '^server +primary, ' "$TEST_DIR/status"

# --- SIGHUP ----------------------------------------------------------------------------------------

daemon_config first '@every 3s' 'snapshot-age: 3d'
kill -HUP "$(daemon_pid first)"
ok 'SIGHUP tells what changed' wait_until 20 daemon_said first 'snapshot-schedule: "@every 2s" is now "@every 3s"'
sed -i 's/daemon:/dæmon:/' "$scene/first.yaml"
kill -HUP "$(daemon_pid first)"
ok 'a wrong configuration changes nothing' wait_until 20 daemon_said first 'the configuration stays as it was'
ok 'it works on' daemon_get first /healthz
daemon_config first '@every 3s'
sed -i 's/hunter2/hunter3/' "$scene/first.yaml"
kill -HUP "$(daemon_pid first)"
ok 'another password is a change' wait_until 20 daemon_said first 'postgres.connection: .*\*\*\*'
fails 'and never shown' 1 '' grep -E 'hunter|s3cret' "$scene/first.log"
ok 'it leads again with the new connection' wait_until 30 metric_is first mainstay_leader 1

# --- a child dies ----------------------------------------------------------------------------------

wait_until 20 daemon_has_child first '--hold-lock'
lock=$(daemon_child first --hold-lock)
kill -KILL "$lock"
ok 'a killed child is noticed' wait_until 20 daemon_said first 'leader failed with exit code 137'
# shellcheck disable=SC2016
ok 'and started again' wait_until 30 bash -c '
    now=$(pgrep -P "$1" -f -- --hold-lock | head -n 1); [[ -n $now && $now != "$2" ]]' \
    bash "$(daemon_pid first)" "$lock"
ok 'the daemon works on' wait_until 30 metric_is first mainstay_leader 1

# --- alerts ----------------------------------------------------------------------------------------

mv "$repository" "$repository.away"
ok 'a failing job raises an alert, over a receiver that refused once' wait_until 60 \
    received '^POST /alerts/s3cret .*"alert":"job-failed-snapshot","state":"firing"'
mv "$repository.away" "$repository"
ok 'its recovery is told' wait_until 90 received '"alert":"job-failed-snapshot","state":"resolved"'
is "$(grep -c '"job-failed-snapshot","state":"firing"' "$TEST_DIR/received")" 1 'each once'
fails 'the log does not show the URL' 1 '' grep s3cret "$scene/first.log"

# --- standby ---------------------------------------------------------------------------------------

wal_stream=true
daemon_config second '@every 2s'
daemon_start second
ok 'a second daemon stands by' wait_until 20 daemon_said second 'standing by'
ok 'and says so' metric_is second mainstay_leader 0
ok 'it is not ready' not_ready second
kill -KILL "$(daemon_pid first)"
before=$SECONDS
ok 'it takes over when the first one is killed' wait_until 30 metric_is second mainstay_leader 1
diag "took over in about $((SECONDS - before)) s"
count=$(snapshot_ids "$repository" | wc -l)
ok 'and takes snapshots' wait_until 60 snapshots_at_least $((count + 1))

ok 'and streams the WAL' wait_until 60 metric_known second mainstay_wal_stored_lsn_bytes
ok 'and shows what its slot keeps' wait_until 20 metric_known second mainstay_slot_retained_bytes

# --- one snapshot at a time ------------------------------------------------------------------------

daemon_config second '@yearly'
kill -HUP "$(daemon_pid second)"
wait_until 20 daemon_said second 'is now "@yearly"'
wait_until 30 metric_is second 'mainstay_job_running{job="snapshot"}' 0
key=$(python3 -c '
import hashlib, json, sys
id = bytes.fromhex(json.load(open(sys.argv[1]))["id"])
print(int.from_bytes(hashlib.sha256(b"mainstay snapshot " + id).digest()[:8], "big", signed=True))
' "$repository/mainstay.json")
mkfifo "$TEST_DIR/hold"
"$CLIENT_BIN/psql" -X -q -A -t -h "$TEST_DIR/main.sock" -p "$(cluster_port main)" -U postgres \
    -d postgres <"$TEST_DIR/hold" >/dev/null &
holder=$!
exec 5>"$TEST_DIR/hold"
echo "SELECT pg_advisory_lock($key);" >&5
cluster_wait main "SELECT count(*) >= 2 FROM pg_locks WHERE locktype = 'advisory' AND granted"
mainstay snapshot create --config "$scene/second.yaml" >"$TEST_DIR/waited.out" 2>"$TEST_DIR/waited.err" 5>&- &
waiter=$!
ok 'a snapshot beside another one waits' wait_until 30 grep -q 'waiting for it to end' "$TEST_DIR/waited.err"
exec 5>&-
wait "$holder"
status=0
wait "$waiter" || status=$?
is "$status" 0 'and is taken when that one ended'

# --- SIGTERM ---------------------------------------------------------------------------------------

kill -TERM "$(daemon_pid second)"
ok 'SIGTERM ends the daemon' wait_until 30 daemon_gone second
ok 'after draining' daemon_said second 'daemon ended'
packs=()
for part in '' 1/2 2/2; do
    mainstay snapshot verify --json --repository-url "$repository" ${part:+--subset $part} >"$TEST_DIR/verify.json"
    packs+=("$(json_value "$TEST_DIR/verify.json" packs_checked)")
done
is "$((packs[1] + packs[2]))" "${packs[0]}" 'the parts of a verification together are all of it'
fails 'no process of ours is left' 1 '' pgrep -f "$TEST_DIR/mainsta"
done_testing
