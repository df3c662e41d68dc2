#!/bin/bash
# Two promotions under load while one stream goes on: from the last standby of a chain, over the switch
# to timeline 2 and over the switch to timeline 3. Then a restore onto each timeline, compared row by
# row with what the clients of its primary were told.
# time limit: 280
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
# shellcheck source=tests/lib/scene.sh
. "$(dirname "$0")/../lib/scene.sh"
# shellcheck source=tests/lib/load_scene.sh
. "$(dirname "$0")/../lib/load_scene.sh"
trap 'load_end; cluster_cleanup' EXIT

# standby NAME OF: a physical standby, copied while the other one runs
standby() {
    as_server "$CLIENT_BIN/pg_basebackup" -D "$scene/$1" -R -c fast -d "$(cluster_conninfo "$2")" >/dev/null 2>&1 &&
        scene_start "$1" "$scene/$1"
}
promote() { as_server "$SERVER_BIN/pg_ctl" -w -D "$(cluster_data "$1")" promote >/dev/null; }
switched_at() { # CLUSTER TIMELINE: where its ancestor was left, in bytes
    lsn_bytes "$(grep -E '^[0-9]' "$(cluster_data "$1")/pg_wal/0000000$2.history" | tail -n 1 | cut -f 2)"
}
follows() { # CLUSTER BYTES
    [[ $(scene_psql "$1" -c "SELECT pg_last_wal_replay_lsn() - '0/0' >= $2") == t ]]
}
log_has() { [[ $(grep -c '^ack' "$TEST_DIR/writers/$1") -ge $2 ]]; }

scene_cluster one || exit 1
load_tables one
standby two one || exit 1
standby three two || exit 1
daemon_config daemon "$scene/repository" three
config=(--config "$scene/daemon.yaml")
mainstay repo init "${config[@]}" >/dev/null
# A snapshot of a standby begins with its last restartpoint.
scene_psql one -c CHECKPOINT
mainstay snapshot create --postgres-connection "$(cluster_conninfo one)" "${config[@]}" >/dev/null
daemon_start daemon
writer_start first one
stream_reaches() { stored_reaches daemon "$(scene_psql one -c "SELECT pg_current_wal_flush_lsn() - '0/0'")"; }
ok 'the last of the chain is streamed from' wait_until 60 stream_reaches
stream=$(daemon_child daemon 'wal stream')

# The old primary goes on: what it writes from the promotion on is on a dead branch.
ok 'the second server is promoted, under load' promote two
writer_start second two
on_timeline() { [[ $(wal_status daemon timeline) == "$1" ]]; }
ok 'the stream follows to timeline 2' wait_until 60 on_timeline 2
wait_until 60 log_has second 100
position=$(server_bytes two)
ok 'and has what is written there' wait_until 60 stored_reaches daemon "$position"

ok 'the third server is promoted, under load' promote three
writer_start third three
ok 'the stream follows to timeline 3' wait_until 60 on_timeline 3
wait_until 60 log_has third 100
writers_stop
ok 'and has all that is written there' catches_up 60 daemon three
is "$(daemon_child daemon 'wal stream')" "$stream" 'it was one stream all the time'
switch2=$(switched_at two 2)
switch3=$(switched_at three 3)

restored() { # NAME TIMELINE
    mainstay restore "${config[@]}" --to "$scene/$1" --latest --target-timeline "$2" && scene_start "$1" "$scene/$1" &&
        cluster_wait "$1" 'SELECT NOT pg_is_in_recovery()'
}
step 'timeline 3 is restored' restored r3 3
ok 'with every row of the last primary' same_content r3 three
step 'timeline 2 is restored' restored r2 2
step 'timeline 1 is restored' restored r1 1
# Client by client: each wrote to a server of its own.
mv "$TEST_DIR/writers" "$TEST_DIR/all"
rows() { # CLUSTER WRITER MUST MAY
    rm -rf "$TEST_DIR/writers"
    mkdir "$TEST_DIR/writers"
    cp "$TEST_DIR/all/$2" "$TEST_DIR/writers/"
    ONLY=$2 restored_rows "$1" 3 "$3" "$4"
}
ok 'timeline 1 has what its clients were told, up to the switch' rows r1 first "$switch2" "$switch2"
ok 'and nothing of timeline 2' test -z "$(scene_psql r1 -c "SELECT FROM entry WHERE writer <> 'first'")"
ok 'timeline 2 has the same of timeline 1' rows r2 first "$switch2" "$switch2"
ok 'and what its own clients were told, up to the switch' rows r2 second "$switch3" "$switch3"
ok 'and nothing of timeline 3' test -z "$(scene_psql r2 -c "SELECT FROM entry WHERE writer = 'third'")"
ok 'sound indexes and heaps' amcheck r2
done_testing
