#!/bin/bash
# A promotion exactly on a segment boundary: the recovery stops behind a segment switch, so that the
# new timeline begins with a segment of its own. It is streamed, and both timelines are restored.
# majors: 18
# time limit: 200
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1
repository=$(repository_new one)
scene_psql main -c 'CREATE TABLE lines (i int)' >/dev/null
stream_start "$repository" main --wal-flush-interval 1s
wait_until 10 grep -q 'streaming from' "$stream_log"
ok 'a snapshot' mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)"
insert() { scene_psql "$1" -c "INSERT INTO lines SELECT generate_series($2, $3)"; }
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i::bigint), max(i) FROM lines'; }
restore() { mainstay restore --repo "$repository" --to "$scene/$1" "${@:2}"; }
promoted() { scene_start "$1" "$scene/$1" && wait_until 30 cluster_wait "$1" 'SELECT NOT pg_is_in_recovery()'; }
segment_of() { scene_psql main -c "SELECT pg_walfile_name('$1')"; }

insert main 1 1000
before=$(scene_psql main -c 'SELECT pg_current_wal_insert_lsn()')
scene_psql main -c 'SELECT pg_switch_wal()' >/dev/null
insert main 1001 2000
scene_psql main -c CHECKPOINT
end=$(position main)
ok 'the WAL of timeline 1 is stored' wait_until 30 stored_up_to "$repository" "$end"
stream_stop
whole=$(rows main)

ok 'restore up to the switch' restore second --target-lsn "$before"
ok 'it is promoted' promoted second
switched=$(grep -E '^1' "$scene/second/pg_wal/00000002.history" | cut -f2)
like "$switched" '^0/[0-9A-F]*000000$' 'exactly on a segment boundary'
is "$(rows second)" '1000|500500|1000' 'with the rows from before'
insert second 5001 6000
scene_psql second -c 'SELECT pg_switch_wal()' -c CHECKPOINT >/dev/null
insert second 6001 6500
scene_psql second -c CHECKPOINT
end=$(position second)
asked=second
stream_start "$repository" second --until "$end"
wait "$stream_job"
is $? 0 'timeline 2 is streamed' || diag "$(cat "$stream_log")"
ok 'with all of its WAL' same_as_server "$repository" 2 second "$end"

as_server mkdir "$scene/get"
get() { mainstay wal get --repo "$repository" --restore-prefetch 0 "$1" "$scene/get/$1"; }
first=00000002$(scene_psql second -c "SELECT substr(pg_walfile_name('$switched'::pg_lsn + 1), 9)" 2>/dev/null ||
    scene_psql second -c "SELECT substr(pg_walfile_name(('0/' || to_hex(('$switched'::pg_lsn - '0/0'::pg_lsn)::bigint + 1))::pg_lsn), 9)")
last_of_one=00000002$(segment_of "$before" | cut -c9-)
ok 'the first segment of timeline 2' get "$first"
ok 'is that of the server' cmp "$scene/get/$first" "$scene/second/pg_wal/$first"
fails 'the one before is not of timeline 2' 1 '' get "$last_of_one"
ok 'but of timeline 1' get "00000001${last_of_one:8}"
wanted=$(rows second)
cluster_stop second
ok 'restore onto timeline 2' restore third --latest
ok 'it is promoted' promoted third
is "$(rows third)" "$wanted" 'with the rows of timeline 2'
cluster_stop third
ok 'restore onto timeline 1' restore fourth --latest --target-timeline 1
ok 'it is promoted' promoted fourth
is "$(rows fourth)" "$whole" 'with the rows of timeline 1'
cluster_stop fourth
cluster_stop main

done_testing
