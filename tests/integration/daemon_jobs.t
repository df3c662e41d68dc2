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
# shellcheck source=tests/lib/daemon_scene.sh
. "$here/../lib/daemon_scene.sh"

repository=$scene/repository

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
received() { grep -qE "$1" "$TEST_DIR/received" 2>/dev/null; }
peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
parts_read() { find "$repository/runs/verify" -type f -printf '%f\n' | sort | cut -d- -f2; }
parts_at_least() { [[ $(parts_read | wc -l) -ge $1 ]]; }
snapshot_known() { [[ -n $(snapshot_ids "$repository") ]]; }

# --- stage -----------------------------------------------------------------------------------------

scene_cluster main -c max_slot_wal_keep_size=1GB
scene_psql main -c 'CREATE TABLE ticket AS SELECT g AS id, md5(g::text) AS subject FROM generate_series(1, 50000) g'
mainstay repo init --repository-url "$repository" >/dev/null
"$here/../lib/http_receiver" "$TEST_DIR/receiver.port" "$TEST_DIR/received" &
daemon_beside+=("$!")
wait_until 20 test -s "$TEST_DIR/receiver.port"
echo "http://127.0.0.1:$(cat "$TEST_DIR/receiver.port")/alerts" >"$scene/webhook"
echo '{"title": "{{alert}}: {{state}}", "say": ["{{text}}"]}' >"$scene/alert.json"
chmod 644 "$scene/alert.json"
chmod 600 "$scene/webhook"
give_to_server "$scene/webhook"

# --- every role, by its schedule -------------------------------------------------------------------

daemon_config '@every 2s' '@every 2s' '@every 3s'
daemon_start daemon
ok 'snapshots happen' wait_until 60 metric_at_least daemon 'mainstay_job_runs_total{job="snapshot"}' 3
ok 'clean-ups happen' wait_until 60 metric_known daemon mainstay_last_expire_time_seconds
ok 'all parts of the repository are read' wait_until 60 metric_is daemon mainstay_verify_parts_read 2
ok 'and found sound' metric_is daemon mainstay_verify_ok 1
ok 'objects are counted' wait_until 20 metric_at_least daemon mainstay_repository_objects 5
ok 'and their bytes' metric_at_least daemon mainstay_repository_size_bytes 100000
ok 'what can be recovered is known' metric_at_least daemon mainstay_last_recoverable_time_seconds \
    "$(metric daemon mainstay_first_recoverable_time_seconds)"
ok 'and how far the slot is from its limit' wait_until 30 metric_at_least daemon \
    mainstay_slot_safe_bytes 100000000
ok 'requests of the children are counted' metric_at_least daemon \
    'mainstay_store_requests_total{operation="put"}' 10
is "$(metric daemon 'mainstay_store_request_duration_seconds_count{operation="put"}' | wc -l)" 1 \
    'with their durations'
as_server "$MAINSTAY" status --objects --config "$scene/daemon.yaml" >"$TEST_DIR/status"
ok 'status says what was verified' grep -qE '^verified +2 of 2 parts, last at ' "$TEST_DIR/status"
ok 'and how large the repository is' grep -qE '^objects +[0-9]+, ' "$TEST_DIR/status"
ok 'and what the slot keeps' grep -qE '^slot +in use, keeps .* until max_slot_wal_keep_size' "$TEST_DIR/status"

# --- memory under load -----------------------------------------------------------------------------

daemon_config '@yearly' '@yearly' '@yearly'
kill -HUP "$(daemon_pid daemon)"
ok 'schedules change' wait_until 20 daemon_said daemon 'expire-schedule: .* is now "@yearly"'
wait_until 60 metric_is daemon 'mainstay_job_running{job="snapshot"}' 0
stream=$(daemon_child daemon 'wal stream')
for _ in 1 2 3 4; do
    scene_psql main -c "INSERT INTO ticket SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 100000) g"
done
end=$(scene_psql main -c 'SELECT pg_current_wal_lsn() - $$0/0$$::pg_lsn')
ok 'the WAL of the load is stored' wait_until 60 metric_at_least daemon mainstay_wal_stored_lsn_bytes "$end"
total=0
for pid in "$(daemon_pid daemon)" "$stream" "$(daemon_child daemon --hold-lock)"; do
    total=$((total + $(peak_kib "$pid")))
done
diag "peak of daemon, stream and leader: $(peak_kib "$(daemon_pid daemon)"), $(peak_kib "$stream") and $(peak_kib "$(daemon_child daemon --hold-lock)") KiB"
ok 'all processes that run all the time take at most 128 MiB together' test "$total" -le 131072

# --- parts go on across restarts -------------------------------------------------------------------

for _ in 1 2; do
    count=$(parts_read | wc -l)
    daemon_config '@yearly' '@every 1s' '@yearly'
    kill -HUP "$(daemon_pid daemon)"
    wait_until 30 parts_at_least $((count + 1)) || diag 'no verification'
    kill -KILL "$(daemon_pid daemon)"
    wait "$daemon_job" 2>/dev/null || true
    daemon_start daemon
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
ok 'and counted' metric_at_least daemon mainstay_verify_parts_damaged 1
cat "$TEST_DIR/pack" >"$pack"
ok 'its end is told when the part was read again' wait_until 60 received '"verify-failed: resolved"'

# --- a job that does not end -----------------------------------------------------------------------

wait_until 20 metric_is daemon mainstay_leader 1
stream=$(daemon_child daemon 'wal stream')
kill -STOP "$stream"
kill -TERM "$(daemon_pid daemon)"
before=$SECONDS
ok 'SIGTERM ends the daemon although a job hangs' wait_until 20 daemon_gone daemon
diag "after about $((SECONDS - before)) s, allowed were 2 s for the job"
ok 'which was killed' daemon_said daemon 'wal-stream did not end in time: killed'
status=0
wait "$daemon_job" || status=$?
is "$status" 1 'and the exit code says so'
done_testing
