#!/bin/bash
# Point-in-time recovery from S3 (Ceph RGW): the WAL is streamed there, the snapshot lies there, and
# PostgreSQL's restore_command reads from there. And, in a local repository, 1,000 chunks that are
# merged while recoveries read them: not a byte and not a row is missing.
# majors: 15
# time limit: 280
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'

note "PostgreSQL $PG_MAJOR"
s3_begin || exit 1
scene_cluster main -c track_commit_timestamp=on || exit 1
scene_psql main -c 'CREATE TABLE lines (i int, v text)' >/dev/null
repository=$S3_URL
ok 'a repository in S3' mainstay repo init --repo "$repository"
scene_stores+=("$repository")
insert() { scene_psql "$1" -c "INSERT INTO lines SELECT g, md5(g::text) FROM generate_series($2, $3) g"; }
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i::bigint), sum(hashtext(v)) FROM lines'; }
restore() { mainstay restore --repo "$repository" --to "$scene/$1" "${@:2}"; }
promoted() { scene_start "$1" "$scene/$1" && wait_until 60 cluster_wait "$1" 'SELECT NOT pg_is_in_recovery()'; }

# --- S3 ---------------------------------------------------------------------------------------------

stream_start "$repository" main --wal-flush-interval 1s
wait_until 20 grep -q 'streaming from' "$stream_log"
insert main 1 20000
covered() { stored_up_to "$repository" "$(scene_psql main -c 'SELECT redo_lsn FROM pg_control_checkpoint()')"; }
ok 'the stream stores the WAL in S3' wait_until 30 covered
ok 'a snapshot' mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)"
like "$(mainstay snapshot show --repo "$repository")" 'in the archive' 'which relies on that WAL'
insert main 20001 21000
xid=$(scene_psql main -c "INSERT INTO lines VALUES (0, 'the last') RETURNING txid_current()" | head -n 1)
time=$(scene_psql main -c "SELECT to_char(pg_xact_commit_timestamp('$xid'::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'")
wanted=$(rows main)
scene_psql main -c 'DELETE FROM lines' -c 'SELECT pg_switch_wal()' >/dev/null
insert main 1 10
end=$(position main)
ok 'a mistake is stored, too' wait_until 30 stored_up_to "$repository" "$end"
stream_stop
is $? 0 'the stream ends as usual'
ok 'verify reads packs and WAL' mainstay snapshot verify --repo "$repository"
ok 'restore to the moment before' restore back --target-time "$time"
like "$(cat "$scene/back/postgresql.auto.conf")" 's3://' 'PostgreSQL reads from S3'
ok 'it is promoted' promoted back
is "$(rows back)" "$wanted" 'the rows are those of that moment'
ok 'sound indexes and heaps' amcheck back
cluster_stop back
ok 'restore to the end' restore last --latest
ok 'it is promoted' promoted last
is "$(rows last)" "$(rows main)" 'with the mistake'
cluster_stop last

# --- 1,000 chunks, merged while they are read -------------------------------------------------------

repository=$(repository_new local)
stream_start "$repository" main --wal-flush-interval 0 --slot merged
wait_until 10 grep -q 'streaming from' "$stream_log"
ok 'a snapshot' mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" --snapshot-own-wal
start=$(mainstay snapshot show --repo "$repository" --json | grep -o '"start_lsn": *"[^"]*"' | grep -oE '[0-9A-F]+/[0-9A-F]+' | head -n 1)
for ((i = 1; i <= 4000; i++)); do
    echo "INSERT INTO lines VALUES ($i, repeat(md5('$i'), 40));"
done >"$TEST_DIR/commits.sql"
chunks() { find "$repository/wal" -name '*.wal' | wc -l; }
many() {
    scene_psql main -f "$TEST_DIR/commits.sql" >/dev/null
    [[ $(chunks) -ge 1000 ]]
}
ok 'a thousand chunks' wait_until 120 many
end=$(position main)
wait_until 20 stored_up_to "$repository" "$end"
stream_stop
note "$(chunks) chunks"
ok 'restore' restore merged --latest
# get_all DIRECTORY: each segment of the server, as PostgreSQL would ask for it, compared
segments=$(find "$(cluster_data main)/pg_wal" -name '0000000100000000????????' -printf '%f\n' | sort |
    awk -v first="$(scene_psql main -c "SELECT pg_walfile_name('$start')")" -v last="$(scene_psql main -c "SELECT pg_walfile_name('$end')")" '$0 >= first && $0 < last')
get_all() {
    local name
    as_server mkdir -p "$1"
    for name in $segments; do
        mainstay wal get --repo "$repository" --restore-prefetch 0 "$name" "$1/$name" &&
            cmp "$1/$name" "$(cluster_data main)/pg_wal/$name" || return 1
    done
}
before=$(chunks)
promoted merged &
recovery=$!
for reader in 1 2; do
    get_all "$scene/get$reader" >"$TEST_DIR/get$reader.log" 2>&1 &
    readers[reader]=$!
done
ok 'they are merged' mainstay wal merge --repo "$repository" --older-than 0s
ok 'into few' test "$(chunks)" -lt $((before / 50))
for reader in 1 2; do
    wait "${readers[reader]}"
    is $? 0 "reader $reader got every byte meanwhile" || diag "$(cat "$TEST_DIR/get$reader.log")"
done
wait "$recovery"
is $? 0 'a recovery went through them meanwhile'
ok 'afterwards every byte is there' get_all "$scene/get3"
is "$(rows merged)" "$(rows main)" 'every row is there'
cluster_stop merged
cluster_stop main

done_testing
