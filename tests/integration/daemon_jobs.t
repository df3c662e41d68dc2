#!/bin/bash
# All roles of one daemon beside a server under load: verification part by part across restarts,
# clean-ups, what metrics know of them and of the store, damage and its end, memory, a job that does
# not end.
# time limit: 240
# sealed: 15
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"
repository=$scene/repository
receiver=
end_daemons() {
    [[ ! -e $scene/daemon.pid ]] || kill -KILL "$(cat "$scene/daemon.pid")" 2>/dev/null || true
    [[ -z $receiver ]] || kill "$receiver" 2>/dev/null || true
}
trap 'status=$?; set +e; end_daemons; (exit "$status"); cluster_cleanup' EXIT

# --- helpers ---------------------------------------------------------------------------------------

daemon_config() { # SNAPSHOT VERIFY EXPIRE
    cat >"$scene/daemon.yaml.new" <<EOF
repository:
  url: $repository
postgres:
  connection: $(cluster_conninfo main)
wal:
  flush-interval: 1s
retention:
  keep-last: 2
daemon:
  snapshot-schedule: "$1"
  verify-schedule: "$2"
  verify-runs: 2
  expire-schedule: "$3"
  status-interval: 1s
  count-interval: 1s
  listen: 127.0.0.1:0
  drain-timeout: 2s
alert:
  webhook-file: $scene/webhook
  format: template
  template-file: $scene/alert.json
EOF
    mv "$scene/daemon.yaml.new" "$scene/daemon.yaml"
}
# shellcheck disable=SC2016 # the inner shell's variables
daemon_start() {
    rm -f "$scene/daemon.log"
    as_server bash -c 'echo $$ >"$1/daemon.pid"; exec "$2" --config "$1/daemon.yaml" \
        2>>"$1/daemon.log"' bash "$scene" "$TEST_DIR/mainstayd" &
    job=$!
    wait_until 20 grep -qs 'metrics on' "$scene/daemon.log"
}
daemon_pid() { cat "$scene/daemon.pid"; }
daemon_gone() { ! kill -0 "$(daemon_pid)" 2>/dev/null; }
daemon_said() { grep -qE "$1" "$scene/daemon.log"; }
metric() {
    curl -sf -m 5 "http://127.0.0.1:$(grep -oE 'metrics on http://127.0.0.1:[0-9]+' \
        "$scene/daemon.log" | tail -n 1 | grep -oE '[0-9]+$')/metrics" |
        awk -v name="$1" '$1 == name { printf "%.0f\n", $2 }'
}
metric_known() { [[ -n $(metric "$1") ]]; }
metric_is() { [[ $(metric "$1") == "$2" ]]; }
metric_at_least() { [[ $(metric "$1") -ge $2 ]] 2>/dev/null; }
received() { grep -qE "$1" "$TEST_DIR/received" 2>/dev/null; }
child() { pgrep -P "$(daemon_pid)" -f -- "$1" | head -n 1; }
peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
parts_read() { find "$repository/runs/verify" -type f -printf '%f\n' | sort | cut -d- -f2; }
parts_at_least() { [[ $(parts_read | wc -l) -ge $1 ]]; }
snapshot_known() { [[ -n $(snapshot_ids "$repository") ]]; }

# --- stage -----------------------------------------------------------------------------------------

scene_cluster main -c max_slot_wal_keep_size=1GB
scene_psql main -c 'CREATE TABLE ticket AS SELECT g AS id, md5(g::text) AS subject FROM generate_series(1, 50000) g'
mainstay repo init --repository-url "$repository" >/dev/null
"$here/../lib/http_receiver" "$TEST_DIR/receiver.port" "$TEST_DIR/received" &
receiver=$!
wait_until 20 test -s "$TEST_DIR/receiver.port"
echo "http://127.0.0.1:$(cat "$TEST_DIR/receiver.port")/alerts" >"$scene/webhook"
echo '{"title": "{{alert}}: {{state}}", "say": ["{{text}}"]}' >"$scene/alert.json"
chmod 644 "$scene/alert.json"
chmod 600 "$scene/webhook"
give_to_server "$scene/webhook"

# --- every role, by its schedule -------------------------------------------------------------------

daemon_config '@every 2s' '@every 2s' '@every 3s'
daemon_start
ok 'snapshots happen' wait_until 60 metric_at_least 'mainstay_job_runs_total{job="snapshot"}' 3
ok 'clean-ups happen' wait_until 60 metric_known mainstay_last_expire_time_seconds
ok 'all parts of the repository are read' wait_until 60 metric_is mainstay_verify_parts_read 2
ok 'and found sound' metric_is mainstay_verify_ok 1
ok 'objects are counted' wait_until 20 metric_at_least mainstay_repository_objects 5
ok 'and their bytes' metric_at_least mainstay_repository_size_bytes 100000
ok 'what can be recovered is known' metric_at_least mainstay_last_recoverable_time_seconds \
    "$(metric mainstay_first_recoverable_time_seconds)"
ok 'and how far the slot is from its limit' wait_until 30 metric_at_least \
    mainstay_slot_safe_bytes 100000000
ok 'requests of the children are counted' metric_at_least \
    'mainstay_store_requests_total{operation="put"}' 10
is "$(metric 'mainstay_store_request_duration_seconds_count{operation="put"}' | wc -l)" 1 \
    'with their durations'
as_server "$MAINSTAY" status --objects --config "$scene/daemon.yaml" >"$TEST_DIR/status"
ok 'status says what was verified' grep -qE '^verified +2 of 2 parts, last at ' "$TEST_DIR/status"
ok 'and how large the repository is' grep -qE '^objects +[0-9]+, ' "$TEST_DIR/status"
ok 'and what the slot keeps' grep -qE '^slot +in use, keeps .* until max_slot_wal_keep_size' "$TEST_DIR/status"

# --- memory under load -----------------------------------------------------------------------------

daemon_config '@yearly' '@yearly' '@yearly'
kill -HUP "$(daemon_pid)"
ok 'schedules change' wait_until 20 daemon_said 'expire-schedule: .* is now "@yearly"'
wait_until 60 metric_is 'mainstay_job_running{job="snapshot"}' 0
stream=$(child 'wal stream')
for _ in 1 2 3 4; do
    scene_psql main -c "INSERT INTO ticket SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 100000) g"
done
end=$(scene_psql main -c 'SELECT pg_current_wal_lsn() - $$0/0$$::pg_lsn')
ok 'the WAL of the load is stored' wait_until 60 metric_at_least mainstay_wal_stored_lsn_bytes "$end"
total=0
for pid in "$(daemon_pid)" "$stream" "$(child --hold-lock)"; do
    total=$((total + $(peak_kib "$pid")))
done
diag "peak of daemon, stream and leader: $(peak_kib "$(daemon_pid)"), $(peak_kib "$stream") and $(peak_kib "$(child --hold-lock)") KiB"
ok 'all processes that run all the time take at most 128 MiB together' test "$total" -le 131072

# --- parts go on across restarts -------------------------------------------------------------------

for _ in 1 2; do
    count=$(parts_read | wc -l)
    daemon_config '@yearly' '@every 1s' '@yearly'
    kill -HUP "$(daemon_pid)"
    wait_until 30 parts_at_least $((count + 1)) || diag 'no verification'
    kill -KILL "$(daemon_pid)"
    wait "$job" 2>/dev/null || true
    daemon_start
done
wait_until 30 parts_at_least $((count + 2))
is "$(parts_read | uniq | wc -l)" "$(parts_read | wc -l)" \
    'no part is read twice in a row, whatever was killed'

# --- damage and its end ----------------------------------------------------------------------------

pack=$(find "$repository/packs" -name '*.pack' -size +100k | head -n 1)
cp "$pack" "$TEST_DIR/pack"
mainstay snapshot verify --repository-url "$repository" >/dev/null
chmod u+w "$pack"
printf 'x' | dd of="$pack" bs=1 seek=5000 conv=notrunc status=none
ok 'damage is told, by the template' wait_until 60 \
    received '\{"title": ?"verify-failed: firing", ?"say": ?\["verification found damaged'
ok 'and counted' metric_at_least mainstay_verify_parts_damaged 1
cat "$TEST_DIR/pack" >"$pack"
ok 'its end is told when the part was read again' wait_until 60 received '"verify-failed: resolved"'

# --- a job that does not end -----------------------------------------------------------------------

wait_until 20 metric_is mainstay_leader 1
stream=$(child 'wal stream')
kill -STOP "$stream"
kill -TERM "$(daemon_pid)"
before=$SECONDS
ok 'SIGTERM ends the daemon although a job hangs' wait_until 20 daemon_gone
diag "after about $((SECONDS - before)) s, allowed were 2 s for the job"
ok 'which was killed' daemon_said 'wal-stream did not end in time: killed'
status=0
wait "$job" || status=$?
is "$status" 1 'and the exit code says so'
done_testing
