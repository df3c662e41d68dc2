#!/bin/bash
# Snapshots without WAL of their own: while the stream covers them they rely on the archive. They
# are restored with and without a target and compared; the manifest never comes before the WAL; a
# stream that stops ends the snapshot; whoever may not look, or has no stream, stores its own WAL.
# majors: 13 15 18
# sealed: 15
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1
scene_psql main -c "CREATE TABLE t AS SELECT g, md5(g::text) AS v FROM generate_series(1, 20000) g" \
    -c "CREATE ROLE copier LOGIN REPLICATION" >/dev/null
repository=$(repository_new one)
connection=(--connection "$(cluster_conninfo main)")
snapshot() { # [OPTION...]
    mainstay snapshot create --repo "$repository" "${connection[@]}" --json "$@" >"$TEST_DIR/snapshot.json"
}
said() { json_value "$TEST_DIR/snapshot.json" "$1"; }
content() { scene_psql "$1" -c 'SELECT count(*), sum(hashtext(v)), max(g) FROM t'; }
# as_it_was NAME EXPECTED: starts what was restored and compares
as_it_was() {
    scene_start "$1" "$scene/$1" && wait_until 30 cluster_wait "$1" 'SELECT NOT pg_is_in_recovery()' &&
        [[ $(content "$1") == "$2" ]]
}
restore() { # NAME [OPTION...]
    local name=$1
    shift
    mainstay restore --repo "$repository" --to "$scene/$name" "$@" >"$TEST_DIR/restore.out"
}
gone() { cluster_stop "$1"; scene_remove "$1"; }

# --- who takes its own ------------------------------------------------------------------------------

ok 'without a stream' snapshot
is "$(said wal_included)" true 'a snapshot stores its own WAL'
stream_start "$repository" main --wal-flush-interval 1s
wait_until 10 grep -q 'streaming from' "$stream_log"
ok 'a stream that has stored nothing yet is no help' snapshot
streaming() { [[ $(status_of "$repository" last_lsn) != '' ]] && stored_up_to "$repository" "$(scene_psql main -c 'SELECT redo_lsn FROM pg_control_checkpoint()')"; }
ok 'the stream has the last checkpoint' wait_until 30 streaming
scene_psql main -c "UPDATE t SET v = md5(v) WHERE g % 10 = 0" >/dev/null
ok 'asked for' snapshot --snapshot-own-wal
is "$(said wal_included)" true 'a snapshot stores its own WAL in spite of the stream'
ok 'a role that may only replicate' mainstay snapshot create --repo "$repository" --json \
    --connection "host=127.0.0.1 port=$(cluster_port main) user=copier dbname=nowhere"
is "$(mainstay snapshot show --repo "$repository" --json | grep -c '"wal_included": *true')" 1 'stores its own'

# --- a snapshot that relies on the archive ----------------------------------------------------------

scene_psql main -c "UPDATE t SET v = md5(v) WHERE g % 7 = 0" >/dev/null
before=$(content main)
ok 'the stream has the checkpoint of the snapshots so far' wait_until 30 streaming
ok 'a snapshot under the stream' snapshot
is "$(said wal_included)" false 'stores no WAL of its own'
id=$(said id) stop=$(said stop_lsn)
ok 'its WAL was in the repository before the manifest' stored_up_to "$repository" "$stop"
like "$(mainstay snapshot show "$id" --repo "$repository")" 'in the archive' 'show says so'
scene_psql main -c "UPDATE t SET v = 'later'" -c 'SELECT pg_switch_wal()' >/dev/null
after=$(content main)
end=$(position main)
ok 'the WAL behind it is stored' wait_until 30 stored_up_to "$repository" "$end"
ok 'verify' mainstay snapshot verify --repo "$repository"
ok 'restore' restore plain --snapshot "$id"
ok 'pg_verifybackup' verify_backup "$scene/plain"
ok 'without a target it is the snapshot, not what came later' as_it_was plain "$before"
ok 'sound indexes and heaps' amcheck plain
cluster_stop plain
ok 'delta restore over it' restore plain --snapshot "$id" --delta
ok 'the same again' as_it_was plain "$before"
gone plain
as_server mkdir -m 700 "$scene/tar"
tar_restore() { mainstay restore --repo "$repository" --snapshot "$id" --tar 2>/dev/null | as_server tar -x -C "$scene/tar"; }
ok 'as a tar stream' tar_restore
ok 'pg_verifybackup of that' verify_backup "$scene/tar"
ok 'the same content' as_it_was tar "$before"
gone tar
ok 'to a target' restore target --snapshot "$id" --target-immediate
ok 'consistent' as_it_was target "$before"
gone target
ok 'to the end' restore latest --latest
ok 'with what came later' as_it_was latest "$after"
gone latest

# --- the manifest comes after the WAL ---------------------------------------------------------------

manifests() { find "$repository/snapshots" -name '*.manifest' | wc -l; }
packs() { find "$repository/packs" -name '*.pack' | wc -l; }
count=$(manifests) had=$(packs)
stream_freeze # still connected: for the server, somebody streams
scene_psql main -c "UPDATE t SET v = md5(g::text)" >/dev/null
before=$(content main)
snapshot &
job=$!
stored() { [[ $(packs) -gt $had ]]; }
ok 'the stream stands still, the snapshot stores its pages' wait_until 30 stored
waits() { [[ -n $(find "$repository/leases" -name '*.json') && $(scene_psql main -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND query LIKE 'BASE_BACKUP%' AND state = 'idle'") = 1 ]]; }
ok 'the backup is over' wait_until 30 waits
is "$(manifests)" "$count" 'but there is no manifest'
stream_thaw
wait "$job"
is $? 0 'the stream goes on: so does the snapshot'
is "$(manifests)" $((count + 1)) 'there is the manifest'
is "$(said wal_included)" false 'which relies on the archive'
ok 'restore' restore held
ok 'the same content' as_it_was held "$before"
gone held

count=$(manifests)
stream_freeze
snapshot --snapshot-wal-timeout 2s 2>"$TEST_DIR/failed.err" &
job=$!
ok 'the backup is over, the stream is not' wait_until 30 waits
runner=$(ps -o ppid= -p "$stream_pid" | tr -d ' ')
kill -KILL "$stream_pid"
kill -CONT "$runner"
wait "$stream_job" 2>/dev/null
wait "$job"
is $? 1 'a stream that dies meanwhile: exit code 1'
like "$(cat "$TEST_DIR/snapshot.json")" 'nobody streams any more from slot .*mainstay' 'the stream is named'
like "$(said hint)" 'mainstay wal stream' 'and the next step'
is "$(manifests)" "$count" 'and there is no manifest'
is "$(find "$repository/leases" -name '*.json' | wc -l)" 0 'nor a lease'
ok 'the next snapshot' snapshot
is "$(said wal_included)" true 'stores its own WAL'

# --- retention and damage ---------------------------------------------------------------------------

stream_start "$repository" main --wal-flush-interval 1s
ok 'the stream catches up' wait_until 30 streaming
ok 'another one that relies on the archive' snapshot
id=$(said id) before=$(content main)
scene_psql main -c 'SELECT pg_switch_wal()' -c 'INSERT INTO t VALUES (0, 0)' -c 'SELECT pg_switch_wal()' >/dev/null
end=$(position main)
wait_until 30 stored_up_to "$repository" "$end"
ok 'a newer one' snapshot --snapshot-own-wal
stream_stop
chunks=$(find "$repository/wal" -name '*.wal' | wc -l)
mainstay snapshot pin "$id" --repo "$repository" --reason 'the year end' >/dev/null
expire() { mainstay snapshot expire --repo "$repository" --retention-keep-last 1 --retention-wal-window 1h >"$TEST_DIR/expire.out"; }
find "$repository" -type f -exec touch -d '2 days ago' {} +
ok 'expire' expire
is "$(snapshot_ids "$repository" | wc -l)" 2 'the pinned snapshot and the newest are left'
ok 'and not all of the WAL' test "$(find "$repository/wal" -name '*.wal' | wc -l)" -lt "$chunks"
ok 'the pinned snapshot restores' restore pinned --snapshot "$id"
ok 'with its content' as_it_was pinned "$before"
gone pinned
ok 'verify' mainstay snapshot verify --repo "$repository"
victim=$(find "$repository/wal" -name '*.wal' | sort | head -n 1)
as_server mv "$victim" "$scene/victim"
fails 'without that WAL it is refused' 5 'relies on the archive' restore no --snapshot "$id"
ok 'before anything is written' test ! -e "$scene/no"
fails 'verify names the snapshot' 4 "$id" mainstay snapshot verify --repo "$repository"
as_server mv "$scene/victim" "$victim"

done_testing
