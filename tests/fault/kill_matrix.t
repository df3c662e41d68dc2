#!/bin/bash
# Daemon, PostgreSQL and S3 server die by kill -9 in every combination while clients write; then
# restores to random points, compared row by row with what the clients were told. At last the
# stream as synchronous standby: nothing that was acknowledged may be missing.
#
#   SEED=42 ROUNDS=7 tests/fault/kill_matrix.t      the seven combinations, from a random one on
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
. "$(dirname "$0")/../lib/load_scene.sh"
command -v radosgw >/dev/null || skip_all 'needs the S3 server radosgw'

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
rounds=${ROUNDS:-$([[ -n ${CHECK_ALL:-} ]] && echo 21 || echo 3)}
RANDOM=$seed
echo "# SEED=$seed ROUNDS=$rounds"
combinations=(daemon server store 'daemon server' 'daemon store' 'server store' 'daemon server store')

s3_begin || { tap_result 1 'the S3 server starts'; done_testing; }
trap 'load_end; "$TESTS_ROOT/servers/ceph" stop "$TEST_DIR/ceph" KILL || true; cluster_cleanup' EXIT
scene_cluster main || exit 1
# Only the slot keeps WAL, and it is recycled soon.
cluster_configure main 'wal_keep_size = 0' 'max_wal_size = 64MB' 'checkpoint_timeout = 30s'
cluster_reload main
load_tables main
SNAPSHOTS='@every 5s' daemon_config daemon "$S3_URL" main
config=(--config "$scene/daemon.yaml")
ok 'repo init' mainstay repo init "${config[@]}"
scene_stores+=("$S3_URL")
daemon_start daemon
for writer in one two; do
    writer_start "$writer" main
done
snapshots_at_least() { [[ $(mainstay snapshot list "${config[@]}" --json | grep -c '"id"') -ge $1 ]]; }
ok 'the daemon takes a snapshot and streams' wait_until 60 snapshots_at_least 1
window() { mainstay wal window "${config[@]}" --json >"$TEST_DIR/window.json"; }
window
first=$(lsn_bytes "$(json_value "$TEST_DIR/window.json" first_lsn)")

# --- helpers ---------------------------------------------------------------------------------------

nap() { # up to so many milliseconds: the random moment of a fault, nothing waits for it
    local ms=$((RANDOM % $1))
    sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
}

# Into $order. Never in a subshell, which has random numbers of its own.
shuffle() { # WORD...
    local i j word
    order=("$@")
    for ((i = $# - 1; i > 0; i--)); do
        j=$((RANDOM % (i + 1)))
        word=${order[i]} order[i]=${order[j]} order[j]=$word
    done
}
one_of() { # WORD...: into $one
    shift $((RANDOM % $#))
    one=$1
}

# The daemon alone, its stream alone, or all of it; the gateway of the S3 server, or all of that.
kill_part() {
    case $1 in
    daemon)
        one_of all daemon stream
        daemon_way=$one
        daemon_kill daemon "$daemon_way"
        ;;
    server) cluster_kill main ;;
    store)
        one_of gateway whole
        store_way=$one
        if [[ $store_way == gateway ]]; then
            "$TESTS_ROOT/servers/ceph" signal "$TEST_DIR/ceph" gateway KILL
        else
            "$TESTS_ROOT/servers/ceph" stop "$TEST_DIR/ceph" KILL
        fi
        ;;
    esac
}

start_part() {
    case $1 in
    daemon) [[ $daemon_way == stream ]] || daemon_start daemon ;;
    server) cluster_restart main ;;
    store)
        if [[ $store_way == gateway ]]; then
            "$TESTS_ROOT/servers/ceph" gateway "$TEST_DIR/ceph"
        else
            "$TESTS_ROOT/servers/ceph" start "$TEST_DIR/ceph" >/dev/null
        fi
        ;;
    esac
}

number=0
restore() { # [OPTION...]: makes and starts a restored server
    number=$((number + 1))
    mainstay restore "${config[@]}" --to "$scene/r$number" "$@" &&
        scene_start "r$number" "$scene/r$number" &&
        cluster_wait "r$number" 'SELECT NOT pg_is_in_recovery()'
}

restored_to_a_random_point() {
    local place position time
    random_place "$first" "$(stored_bytes daemon)" || return
    read -r position time <<<"$place"
    case $((RANDOM % 3)) in
    0)
        what="--target-lsn $position"
        restore --target-lsn "$(bytes_lsn "$position")" && restored_rows "r$number" 3 "$position" "$position"
        ;;
    1)
        what="--target-lsn $position --target-exclusive"
        restore --target-lsn "$(bytes_lsn "$position")" --target-exclusive &&
            restored_rows "r$number" 3 "$position" "$position" exclusive
        ;;
    2)
        what="--target-time $time"
        restore --target-time "$(time_text "$time")" &&
            restored_rows "r$number" 4 "$time" "$time"
        ;;
    esac
}

# What a lost server leaves behind: everything that the store had confirmed before the kill.
restored_to_the_end() {
    restore --latest && restored_rows "r$number" 3 "$confirmed" -
}

forget_restored() {
    ok "${1:-}what was restored is of the server" rows_are_those_of "r$number" main
    scene_remove "r$number"
}

# --- the matrix ------------------------------------------------------------------------------------

offset=$((RANDOM % ${#combinations[@]}))
for ((round = 0; round < rounds; round++)); do
    parts=${combinations[(offset + round * 3) % ${#combinations[@]}]}
    name="round $((round + 1)), kill -9 of $parts"
    ok "$name: the WAL flows" catches_up 60 daemon main
    nap 1500
    confirmed=$(stored_bytes daemon)
    shuffle $parts
    for part in "${order[@]}"; do
        kill_part "$part"
        nap 200
    done
    lost=$((RANDOM % 2))
    shuffle $parts
    for part in "${order[@]}"; do
        [[ $part == server && $lost -eq 1 ]] || step "$name: $part starts again" start_part "$part"
    done
    if [[ $parts == *server* && $lost -eq 1 ]]; then
        step "$name: without the server, all that was confirmed is there" restored_to_the_end
        step "$name: the server starts again" start_part server
        forget_restored "$name: "
    fi
    ok "$name: the stream catches up" catches_up 90 daemon main
    is "$(wal_status daemon gaps)" 0 "$name: without a gap"
    what=
    step "$name: a random point" restored_to_a_random_point
    note "$what"
    forget_restored "$name: "
    [[ $test_failed -eq 0 ]] || break
done

# --- synchronous -----------------------------------------------------------------------------------

daemon_kill daemon all
SNAPSHOTS='@yearly' FLUSH_INTERVAL=0 daemon_config daemon "$S3_URL" main
scene_psql main -c "ALTER SYSTEM SET synchronous_standby_names = 'mainstay'" -c 'SELECT pg_reload_conf()' >/dev/null
daemon_start daemon
# A client that was let through before the setting reached it has had its answer by now.
is_sync() { [[ $(scene_psql main -c 'SELECT sync_state FROM pg_stat_replication') == sync ]]; }
ok 'synchronous: the stream is the standby' wait_until 60 is_sync
writers_stop
writer_start three main
enough() { [[ $(scene_psql main -c "SELECT count(*) >= 30 FROM entry WHERE writer = 'three'" 2>/dev/null) == t ]]; }
ok 'synchronous: commits return when the store has them' wait_until 60 enough
shuffle daemon server store
for part in "${order[@]}"; do
    kill_part "$part"
    nap 30
done
writers_stop
start_part store
restored_all() { restore --latest && restored_rows "r$number" 3 999999999999999999 -; }
step 'synchronous: all that was acknowledged is there, without the server' restored_all
done_testing
