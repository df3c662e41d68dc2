#!/bin/bash
# Two daemons on one server that is written to all the time: the one that works is killed, with all its
# jobs, and the other one streams within 30 seconds; no WAL is missing, no snapshot is taken twice, and
# what is restored is what the server has.
# time limit: 240
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/daemon_scene.sh
. "$here/../lib/daemon_scene.sh"

repository=$scene/repository

# --- helpers ---------------------------------------------------------------------------------------

daemon_config() { # NAME
    cat >"$scene/$1.yaml" <<EOF
repository:
  url: $repository
postgres:
  connection: $(cluster_conninfo main)
wal:
  flush-interval: 1s
daemon:
  snapshot-schedule: "@every 5s"
  status-interval: 1s
  listen: 127.0.0.1:0
EOF
}
server_lsn() { cluster_sql main "SELECT pg_current_wal_lsn() - '0/0'"; }
snapshots_at_least() { [[ $(snapshot_ids "$repository" | wc -l) -ge $1 ]]; }
written() { cluster_sql main 'SELECT count(*) FROM ticket'; }
written_at_least() { [[ $(written) -ge $1 ]]; }

# --- stage -----------------------------------------------------------------------------------------

scene_cluster main
scene_psql main -c 'CREATE TABLE ticket (at timestamptz DEFAULT clock_timestamp(), subject text)'
mainstay repo init --repository-url "$repository" >/dev/null
while scene_psql main -c "INSERT INTO ticket (subject) SELECT md5(g::text) FROM generate_series(1, 50) g"; do
    sleep 0.1
done 2>/dev/null &
daemon_beside+=("$!")
writer=$!
daemon_config first
daemon_start first
ok 'a daemon works' wait_until 30 metric_is first mainstay_leader 1
daemon_config second
daemon_start second
ok 'another one stands by' wait_until 30 metric_is second mainstay_leader 0
ok 'snapshots are taken' wait_until 90 snapshots_at_least 2
ok 'the WAL is streamed' wait_until 60 metric_at_least first mainstay_wal_stored_lsn_bytes 1

# --- the kill --------------------------------------------------------------------------------------

first=$(daemon_pid first)
children=$(pgrep -P "$first" | tr '\n' ' ')
kill -KILL "$first"
killed_ms=$(date +%s%3N)
target=$(server_lsn) # nothing of the first daemon can have stored what comes behind this
ok 'the standby works within 30 s' wait_until 30 metric_is second mainstay_leader 1
led_ms=$(date +%s%3N)
ok 'and streams what was written after the kill' wait_until 30 metric_at_least second \
    mainstay_wal_stored_lsn_bytes $((target + 1))
streamed_ms=$(date +%s%3N)
diag "killed; led after $((led_ms - killed_ms)) ms, WAL from after the kill in the store after $((streamed_ms - killed_ms)) ms"
ok 'all of that within 30 s of the kill' test $((streamed_ms - killed_ms)) -le 30000
left_over() { local pid; for pid in $children; do [[ ! -e /proc/$pid ]] || return 0; done; return 1; }
none_left_over() { ! left_over; }
ok 'no job of the killed one is left' wait_until 20 none_left_over
count=$(snapshot_ids "$repository" | wc -l)
ok 'the standby takes the snapshots that come' wait_until 90 snapshots_at_least $((count + 2))

# --- nothing missing, nothing twice ----------------------------------------------------------------

rows=$(written)
wait_until 30 written_at_least $((rows + 50))
kill "$writer"
wait "$writer" 2>/dev/null || true
daemon_beside=()
end=$(server_lsn)
ok 'the stream reaches the end' wait_until 60 metric_at_least second mainstay_wal_stored_lsn_bytes "$end"
ok 'the WAL has no gap' metric_is second mainstay_wal_gap 0
mainstay snapshot list --json --repository-url "$repository" >"$TEST_DIR/list.json"
# "@every 5s" means the seconds since 1970 that 5 divides: two snapshots in one such interval, or two at
# once, are too many.
twice() {
    python3 - "$TEST_DIR/list.json" <<'PY'
import datetime, json, sys
def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
listed = [entry["snapshot"] for entry in json.load(open(sys.argv[1]))["snapshots"]]
found = sorted((moment(one["started"]), moment(one["finished"])) for one in listed)
if len(found) < 4:
    print(f"only {len(found)} snapshots")
for (start, end), (next_start, _) in zip(found, found[1:]):
    if next_start < end or next_start // 5 == start // 5:
        print(f"{start} to {end}, then {next_start}")
PY
}
is "$(twice 2>&1)" '' 'no two snapshots at once, none for the same time of the schedule'
kill -TERM "$(daemon_pid second)"
ok 'everything in the repository is sound' mainstay snapshot verify --repository-url "$repository"
ok 'it restores to the end of the stream' mainstay restore --to "$scene/restored" --latest \
    --repository-url "$repository"
scene_start restored "$scene/restored"
ok 'recovery ends' cluster_wait restored 'SELECT NOT pg_is_in_recovery()'
ok 'the restored server has what the server has' same_content main restored
done_testing
