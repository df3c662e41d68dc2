#!/bin/bash
# Keys of a sealed repository change under load: clients write, a daemon with a key that may only write
# streams and takes snapshots, and meanwhile data keys are rotated and slots come and go. What is restored,
# by a full key and at points around a rotation, is what the clients were told.
# time limit: 180
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/load_scene.sh
. "$here/../lib/load_scene.sh"
load=
trap 'status=$?; set +e; [[ -z $load ]] || kill "$load" 2>/dev/null; load_end; (exit "$status"); cluster_cleanup' EXIT

repository=$scene/repository
admin=(--repo "$repository" --repository-key-file "$scene/admin.key")
# The daemon and everything that does not name another one: may only write.
export MAINSTAY_REPOSITORY_KEY_FILE=$scene/writer.key
key() { mainstay repo key "$@" "${admin[@]}"; }
slot_of() { key list | awk -v label="$1" '$NF == label || $(NF - 2) == label { print $1; exit }'; }
generations() { find "$repository/keys" -type f -printf '%f\n' | cut -c 1-16 | sort -u; }
newest() { key list --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["generation"])'; }
# generations_in DIRECTORY: those that its objects were sealed with
# What a killed writer has only begun lies in .tmp, and may be shorter than a head.
generations_in() {
    python3 -c 'import os, sys
names = [os.path.join(at, name) for at, _, files in os.walk(sys.argv[1]) for name in files]
heads = [(open(name, "rb").read(56), "/.tmp/" in name) for name in names]
print(*sorted({head[32:40].hex() for head, begun in heads if len(head) == 56 or not begun}), sep="\n")' "$repository/$1" 2>/dev/null
}
sealed_with() { generations_in "$2" | grep -q "$1"; } # GENERATION DIRECTORY
snapshots() { snapshot_ids "$repository" | wc -l; }
more_snapshots() { [[ $(snapshots) -gt $1 ]]; }
end_connection="SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'mainstay'"
stream_pid() { daemon_child daemon 'wal stream'; }

# --- stage -------------------------------------------------------------------------------------------------

scene_cluster main
load_tables main
"$CLIENT_BIN/pgbench" -q -i -s 1 -h "$TEST_DIR/main.sock" -p "$(cluster_port main)" -U postgres postgres >/dev/null 2>&1
mainstay repo init --no-slot --repository-encryption sealed "${admin[@]}" >/dev/null 2>&1
key add --grant write --new-key-file "$scene/writer.key" --label writer >/dev/null
alerts_begin
SNAPSHOTS='@every 3s' daemon_config daemon "$repository" main "$ALERTS"
config=(--config "$scene/daemon.yaml")
daemon_start daemon
WRITER_PAUSE=0.02
writer_start one main
writer_start two main
"$CLIENT_BIN/pgbench" -n -c 1 -R 50 -T 120 -h "$TEST_DIR/main.sock" -p "$(cluster_port main)" -U postgres postgres >/dev/null 2>&1 &
load=$!
ok 'a snapshot of a daemon that may only write' wait_until 30 more_snapshots 0
stream=$(stream_pid)
begun=$(newest)
first=$(server_bytes main)
ok 'and its stream' wait_until 30 stored_reaches daemon "$first"

# --- rotations, and slots that come and go ---------------------------------------------------------------------

before=() after=()
for round in 1 2 3; do
    before[round]=$(server_bytes main)
    ok "round $round: data keys are rotated" key rotate
    after[round]=$(server_bytes main)
    ok 'a slot is added' key add --new-key-file "$scene/extra$round.key" --label "extra$round"
    [[ $round -eq 1 ]] || ok 'another one is removed' key remove --slot "$(slot_of "extra$((round - 1))")"
    ok 'the daemon takes snapshots in the new generation' wait_until 30 sealed_with "$(newest)" snapshots
    ok 'a full key takes one' mainstay snapshot create "${admin[@]}" --connection "$(cluster_conninfo main)" --snapshot-own-wal
    ok 'the stream goes on' wait_until 30 stored_reaches daemon "$(server_bytes main)"
done
is "$(stream_pid)" "$stream" 'it was one stream all the time'
is "$(generations | wc -l)" 4 'there are four generations'
is "$(generations_in wal)" "$begun" 'it goes on with the data keys that it began with'
scene_psql main -c "$end_connection" >/dev/null
renewed() { sealed_with "$(newest)" wal; }
ok 'with the next connection it seals with the newest' wait_until 30 renewed
is "$(stream_pid)" "$stream" 'the same stream still'
is "$(grep -E ' (error|warning) ' "$scene/daemon.log" | grep -v 'terminating connection due to administrator command')" '' \
    'nothing else failed in the daemon'

# --- the daemon's own slot is removed ----------------------------------------------------------------------------

ok 'the slot of the daemon is removed' key remove --slot "$(slot_of writer)"
ok 'its next snapshot fails, and says why' wait_until 30 grep -q 'this is not the key file of any of its slots' "$scene/daemon.log"
removed=$(server_bytes main)
stored_by_admin() { MAINSTAY_REPOSITORY_KEY_FILE=$scene/admin.key stored_reaches daemon "$1"; }
ok 'its stream goes on' wait_until 30 stored_by_admin "$removed"
is "$(stream_pid)" "$stream" 'the same one'
scene_psql main -c "$end_connection" >/dev/null
ok 'and tells with its next connection what will happen' wait_until 30 grep -q 'cannot be started again with this key' "$scene/daemon.log"
removed=$(server_bytes main)
ok 'no WAL is missing' wait_until 30 stored_by_admin "$removed"
daemon_kill daemon stream
not_the_key() { [[ $(grep -c 'this is not the key file' "$scene/daemon.log") -gt $1 ]]; }
ok 'killed, it is not started again' wait_until 30 not_the_key "$(grep -c 'this is not the key file' "$scene/daemon.log")"
ok 'an alert is sent' wait_until 30 grep -q firing "$TEST_DIR/alerts"
ok 'with the key in place again it streams' key add --grant write --new-key-file "$scene/writer.key" --label writer
writers_stop
kill "$load" && { wait "$load" || true; } 2>/dev/null
load=
ok 'all that was missed meanwhile' wait_until 60 stored_reaches daemon "$(server_bytes main)"
daemon_kill daemon all

# --- what comes back -----------------------------------------------------------------------------------------------

export MAINSTAY_REPOSITORY_KEY_FILE=$scene/admin.key
number=0
restore() {
    number=$((number + 1))
    mainstay restore "${config[@]}" --to "$scene/r$number" "$@" && scene_start "r$number" "$scene/r$number" &&
        cluster_wait "r$number" 'SELECT NOT pg_is_in_recovery()'
}
step 'the latest state is restored' restore --latest
ok 'it is the server' same_content r1 main
scene_remove r1
around() { # DESCRIPTION FROM TO
    local position
    random_place "$2" "$3"
    position=${place% *}
    step "restored to a commit $1" restore --target-lsn "$(bytes_lsn "$position")"
    ok 'it has what the clients were told, and no more' restored_rows "r$number" 3 "$position" "$position"
    scene_remove "r$number"
}
around 'before a rotation' "$first" "${before[2]}"
around 'after it' "${after[2]}" "${before[3]}"
around 'while the key of the daemon was removed' "${after[3]}" "$removed"
ok 'every object is sound' mainstay snapshot verify "${config[@]}"
is "$({ generations_in snapshots; generations_in packs; generations_in wal; } | sort -u)" "$(generations)" \
    'objects of every generation are there'
mkdir "$TEST_DIR/keys"
mv "$repository"/mainstay.json "$repository"/keys "$TEST_DIR/keys/"
is "$(generations_in .)" "$(cd "$TEST_DIR/keys/keys" && printf '%s\n' * | cut -c 1-16 | sort -u)" 'and none that is not sealed'
done_testing
