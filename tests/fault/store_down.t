#!/bin/bash
# The S3 server is gone while clients write more than the daemon may ever hold in memory: dead, or
# alive and silent. The alert is raised, nothing is lost, the stream catches up without a gap, the
# alert is taken back.
#
#   SEED=42 DOWN=60 tests/fault/store_down.t        seconds without a store
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
. "$(dirname "$0")/../lib/load_scene.sh"
command -v radosgw >/dev/null || skip_all 'needs the S3 server radosgw'

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
down=${DOWN:-$([[ -n ${CHECK_ALL:-} ]] && echo 60 || echo 8)}
limit_mib=128 # what the daemon with all its jobs may take
RANDOM=$seed
echo "# SEED=$seed DOWN=$down"

s3_begin || { tap_result 1 'the S3 server starts'; done_testing; }
gateway() { "$TESTS_ROOT/servers/ceph" "$1" "$TEST_DIR/ceph" "${@:2}"; }
trap 'load_end; gateway stop KILL || true; cluster_cleanup' EXIT
scene_cluster main || exit 1
cluster_configure main 'wal_keep_size = 0' 'max_wal_size = 64MB'
cluster_reload main
load_tables main
scene_psql main -c 'CREATE TABLE ballast (content text)' >/dev/null
alerts_begin
SNAPSHOTS='@yearly' daemon_config daemon "$S3_URL" main "$ALERTS" store: '  stall-timeout: 3s'
config=(--config "$scene/daemon.yaml")
mainstay repo init "${config[@]}" >/dev/null
scene_stores+=("$S3_URL")
daemon_start daemon
writer_start one main
has_snapshot() { mainstay snapshot list "${config[@]}" --json | grep -q '"id"'; }
ok 'the daemon has a snapshot' wait_until 60 has_snapshot
ok 'and streams' catches_up 60 daemon main

# Resident memory of the daemon and its children, in KiB: the largest sum of their peaks.
peak_kib=0
measure() {
    local pid sum=0 kib
    for pid in "$(daemon_pid daemon)" $(pgrep -P "$(daemon_pid daemon)"); do
        kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
        sum=$((sum + ${kib:-0}))
    done
    [[ $sum -le $peak_kib ]] || peak_kib=$sum
}

# For so many seconds: more WAL than may be held, and the memory measured.
load_for() { # SECONDS
    local until=$((SECONDS + $1)) from
    from=$(server_bytes main)
    while [[ $SECONDS -lt $until || $(($(server_bytes main) - from)) -lt $((160 << 20)) ]]; do
        scene_psql main -c "INSERT INTO ballast SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 120000) g GROUP BY g / 50" -c 'TRUNCATE ballast'
        measure
    done
    note "$((($(server_bytes main) - from) >> 20)) MiB of WAL without a store"
}

alerts=0
outage() { # HOW BEGIN-COMMAND... -- END-COMMAND...
    local how=$1 begin=() before
    shift
    while [[ $1 != -- ]]; do begin+=("$1"); shift; done
    shift
    alerts=$((alerts + 1))
    before=$(stored_bytes daemon)
    "${begin[@]}"
    load_for "$down"
    ok "$how: the alert is raised" wait_until 60 told store-down firing "$alerts"
    ok "$how: the slot keeps the WAL" test "$(scene_psql main -c "SELECT pg_current_wal_flush_lsn() - restart_lsn > 150000000 AND wal_status <> 'lost' FROM pg_replication_slots")" = t
    "$@"
    ok "$how: the stream catches up" catches_up 120 daemon main
    is "$(wal_status daemon gaps)" 0 "$how: without a gap"
    ok "$how: the store has more than before" test "$(stored_bytes daemon)" -gt "$before"
    ok "$how: the end of it is told" wait_until 60 told store-down resolved "$alerts"
}

dead=(gateway signal gateway KILL) silent=(gateway signal gateway STOP)
again_dead=(gateway gateway) again_silent=(gateway signal gateway CONT)
way=$((RANDOM % 2))
if [[ $way -eq 0 || -n ${CHECK_ALL:-} ]]; then outage 'a dead store' "${dead[@]}" -- "${again_dead[@]}"; fi
if [[ $way -eq 1 || -n ${CHECK_ALL:-} ]]; then outage 'a silent store' "${silent[@]}" -- "${again_silent[@]}"; fi
measure
note "peak of the daemon with its jobs: $((peak_kib >> 10)) MiB"
ok "at most $limit_mib MiB, whatever is waiting" test "$peak_kib" -le $((limit_mib << 10))

# --- a server that does not want to keep so much ---------------------------------------------------

# A checkpoint that gives up a slot waits for its walsender, and a walsender whose client does not read
# any more cannot end.
scene_psql main -c "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'" -c 'SELECT pg_reload_conf()' >/dev/null
"${silent[@]}"
load_for 1
ok 'a checkpoint that gives up the slot is not held up' timeout 60 "$CLIENT_BIN/psql" -X -q \
    -h "$TEST_DIR/main.sock" -p "$(cluster_port main)" -U postgres -d postgres -c CHECKPOINT
is "$(scene_psql main -c "SELECT wal_status FROM pg_replication_slots")" lost 'the slot is given up'
"${again_silent[@]}"
scene_psql main -c "ALTER SYSTEM RESET max_slot_wal_keep_size" -c 'SELECT pg_reload_conf()' >/dev/null
ok 'the gap is told' wait_until 90 told wal-gap firing
ok 'and closed by a snapshot' wait_until 60 told wal-gap resolved

# --- what is in the store --------------------------------------------------------------------------

writers_stop
catches_up 60 daemon main
end=$(stored_bytes daemon)
restored() {
    mainstay restore "${config[@]}" --to "$scene/r1" --latest && scene_start r1 "$scene/r1" &&
        cluster_wait r1 'SELECT NOT pg_is_in_recovery()' && restored_rows r1 3 "$end" -
}
step 'a restore to the end has every row' restored
ok 'and no other' rows_are_those_of r1 main
done_testing
