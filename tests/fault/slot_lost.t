#!/bin/bash
# The server loses the slot: dropped while its WAL is still there, dropped and the WAL recycled,
# invalidated by max_slot_wal_keep_size. The daemon tells of the gap, takes the snapshot that it makes
# necessary, and nobody is promised what lies in the gap.
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/load_scene.sh"

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
RANDOM=$seed
echo "# SEED=$seed"
trap 'load_end; cluster_cleanup' EXIT
scene_cluster main || exit 1
cluster_configure main 'wal_keep_size = 0' 'max_wal_size = 32MB' 'min_wal_size = 32MB'
cluster_reload main
load_tables main
alerts_begin
SNAPSHOTS='@yearly' daemon_config daemon "$scene/repository" main "$ALERTS"
config=(--config "$scene/daemon.yaml")
mainstay repo init "${config[@]}" >/dev/null
daemon_start daemon
writer_start one main

snapshots() { snapshot_ids "$scene/repository" | wc -l; }
snapshots_are() { [[ $(snapshots) -ge $1 ]]; }
new_segments() { # until the server has recycled what it had
    local from
    from=$(scene_psql main -c 'SELECT pg_walfile_name(pg_current_wal_lsn())')
    recycled() {
        scene_psql main -c 'SELECT pg_switch_wal()' -c CHECKPOINT >/dev/null
        [[ ! -e $(cluster_data main)/pg_wal/$from ]]
    }
    wait_until 60 recycled
}
slot() { scene_psql main -c "SELECT $1 FROM pg_replication_slots WHERE slot_name = 'mainstay'"; }
slot_is() { [[ $(slot wal_status) == "$1" ]]; }
slot_is_free() { [[ $(slot active) == f ]]; }
number=0
restore() {
    number=$((number + 1))
    mainstay restore "${config[@]}" --to "$scene/r$number" "$@" && scene_start "r$number" "$scene/r$number" &&
        cluster_wait "r$number" 'SELECT NOT pg_is_in_recovery()'
}
restored_to() { # POSITION
    restore --target-lsn "$(bytes_lsn "$1")" --target-exclusive &&
        restored_rows "r$number" 3 "$1" "$1" exclusive && rows_are_those_of "r$number" main &&
        scene_remove "r$number"
}
restored_to_latest() {
    local confirmed
    confirmed=$(stored_bytes daemon)
    restore --latest && restored_rows "r$number" 3 "$confirmed" - && rows_are_those_of "r$number" main &&
        scene_remove "r$number"
}

# --- dropped, and noticed in time ------------------------------------------------------------------

ok 'the first snapshot, which no schedule waits for' wait_until 60 snapshots_are 1
ok 'the WAL flows' catches_up 60 daemon main
window_begins=$(lsn_bytes "$(mainstay wal window "${config[@]}" --json | grep -oE '"first_lsn" *: *"[^"]*' | head -n 1 | sed 's/.*"//')")
daemon_kill daemon all
wait_until 30 slot_is_free
scene_psql main -c "SELECT pg_drop_replication_slot('mainstay')" >/dev/null
daemon_start daemon
ok 'a slot that was dropped is made again' wait_until 30 slot_is reserved
ok 'and the WAL flows' catches_up 60 daemon main
is "$(wal_status daemon gaps)" 0 'without a gap: the server still had it'
is "$(snapshots)" 1 'and without a new snapshot'

# --- dropped, and the WAL with it ------------------------------------------------------------------

# gap_is_handled HOW COUNT: by the daemon alone, whose COUNTth gap it is
gap_is_handled() {
    ok "$1: the alert" wait_until 60 told wal-gap firing "$2"
    ok "$1: a new snapshot, at once" wait_until 60 snapshots_are $(($2 + 1))
    ok "$1: the alert is over" wait_until 60 told wal-gap resolved "$2"
    ok "$1: the WAL flows" catches_up 60 daemon main
    is "$(wal_status daemon gaps)" "$2" "$1: one gap more"
}

# What the daemon said is missing: $from and $to.
gap_as_told() {
    local line
    line=$(grep -oE 'the WAL from [0-9A-F/]+ to [0-9A-F/]+ ' "$scene/daemon.log" | tail -n 1)
    read -r _ _ _ from _ to <<<"$line"
    from=$(lsn_bytes "$from") to=$(lsn_bytes "$to")
}

gap_is_respected() { # HOW
    local place position time from to
    gap_as_told
    mainstay wal window "${config[@]}" --json >"$TEST_DIR/window.json"
    is "$(grep -c '"last_lsn"' "$TEST_DIR/window.json")" $((gaps + 1)) "$1: one window more"
    random_place "$from" $((to - 1))
    read -r position time <<<"$place"
    note "the gap is from $from to $to, the target $position, $time"
    fails "$1: an LSN in the gap is refused" 5 'is missing from.*|Recoverable is' \
        mainstay restore "${config[@]}" --to "$scene/no" --target-lsn "$(bytes_lsn "$position")"
    ok "$1: nothing was written" test ! -e "$scene/no"
    fails "$1: a time in the gap is refused" 5 'cannot recover to|Recoverable is' \
        mainstay restore "${config[@]}" --to "$scene/no" --target-time "$(time_text "$time")"
    ok "$1: nothing was written for it" test ! -e "$scene/no"
    random_place "$window_begins" "$from"
    step "$1: before the gap" restored_to "${place% *}"
    step "$1: behind it" restored_to_latest
}

gaps=1
daemon_kill daemon all
wait_until 30 slot_is_free
scene_psql main -c "SELECT pg_drop_replication_slot('mainstay')" >/dev/null
new_segments
daemon_start daemon
gap_is_handled dropped 1
gap_is_respected dropped

# --- invalidated while nobody streams --------------------------------------------------------------

gaps=2
window_begins=$(lsn_bytes "$(grep -oE '"first_lsn" *: *"[^"]*' "$TEST_DIR/window.json" | tail -n 1 | sed 's/.*"//')")
daemon_kill daemon all
wait_until 30 slot_is_free
scene_psql main -c "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'" -c 'SELECT pg_reload_conf()' >/dev/null
given_up() { scene_psql main -c 'SELECT pg_switch_wal()' -c CHECKPOINT >/dev/null; slot_is lost; }
ok 'the server gives the slot up' wait_until 60 given_up
new_segments
scene_psql main -c 'ALTER SYSTEM RESET max_slot_wal_keep_size' -c 'SELECT pg_reload_conf()' >/dev/null
daemon_start daemon
gap_is_handled invalidated 2
gap_is_respected invalidated
writers_stop
done_testing
