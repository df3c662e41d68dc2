#!/bin/bash
# The WAL stream where the WAL breaks off: the server removed what was not stored, a standby is
# promoted in mid-stream or while nobody streams, an old primary went its own way.
# majors: 13 18
# time limit: 280
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1
scene_psql main -c 'CREATE TABLE lines AS SELECT 1 AS i' >/dev/null
repository=$(repository_new one)
stream_start "$repository" main --until "$(position main)"
wait "$stream_job"
is $? 0 'a stream ends where it should'

# --- WAL that is gone -------------------------------------------------------------------------------

scene_psql main -c "ALTER SYSTEM SET wal_keep_size = 0" -c "ALTER SYSTEM SET max_wal_size = '32MB'" \
    -c "ALTER SYSTEM SET min_wal_size = '32MB'" -c "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'" \
    -c 'SELECT pg_reload_conf()' >/dev/null
lost() {
    scene_psql main -c 'INSERT INTO lines VALUES (2)' -c 'SELECT pg_switch_wal()' \
        -c CHECKPOINT >/dev/null
    [[ $(scene_psql main -c "SELECT wal_status FROM pg_replication_slots") = lost ]]
}
ok 'the server gives the slot up' wait_until 60 lost
old_end=$(status_of "$repository" last_lsn)
stream_start "$repository" main --wal-flush-interval 1s
wait "$stream_job"
is $? 1 'a gap: exit code 1'
like "$(cat "$stream_log")" "gap in the WAL after $old_end" 'it says where'
like "$(cat "$stream_log")" 'take a new snapshot' 'and the next step'
stream_start "$repository" main --wal-flush-interval 1s --restart-after-gap
gap_seen() { [[ $(status_of "$repository" gaps) = 1 ]]; }
scene_psql main -c 'INSERT INTO lines VALUES (3)'
ok 'with --restart-after-gap it goes on' wait_until 30 gap_seen
like "$(cat "$stream_log")" 'is missing' 'and says once more what is missing'
stream_stop
is $? 0 'the stream behind the gap ends as usual'
scene_psql main -c 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()' >/dev/null

# --- a promotion, followed and missed ---------------------------------------------------------------

cluster_stop main
cp -a "$(cluster_data main)" "$scene/standby"
rm -rf "$scene/standby/pg_replslot/"*
cluster_start main
as_server touch "$scene/standby/standby.signal"
echo "primary_conninfo = '$(cluster_conninfo main)'" >>"$scene/standby/postgresql.conf"
cluster_register standby "$scene/standby"
cluster_start standby || exit 1
followed=$(repository_new followed)
missed=$(repository_new missed)
stream_start "$missed" standby --wal-flush-interval 1s --slot missed
missed_log=$stream_log
wait_until 10 grep -q 'streaming from' "$missed_log"
scene_psql main -c 'INSERT INTO lines SELECT generate_series(1, 10000)' -c CHECKPOINT >/dev/null
end=$(position main)
ok 'a standby is streamed from' wait_until 30 stored_up_to "$missed" "$end"
stream_kill
stream_start "$followed" standby --wal-flush-interval 1s --slot followed
wait_until 10 grep -q 'streaming from' "$stream_log"
scene_psql main -c 'INSERT INTO lines SELECT generate_series(1, 10000)' >/dev/null
end=$(position main)
wait_until 30 stored_up_to "$followed" "$end"
as_server "$SERVER_BIN/pg_ctl" -w -D "$scene/standby" promote >/dev/null
scene_psql standby -c 'CREATE TABLE promoted AS SELECT 1 AS i' >/dev/null
asked=standby
end=$(position standby)
on_two() { [[ $(status_of "$1" timeline) = 2 ]] && stored_up_to "$1" "$end"; }
ok 'the stream follows a promotion' wait_until 30 on_two "$followed"
stream_stop
is $? 0 'and ends as usual'
ok 'the old timeline is complete' same_as_server "$followed" 1 standby
ok 'the new one too' same_as_server "$followed" 2 standby "$end"
stored_history() { mainstay wal get --repo "$1" --restore-prefetch 0 00000002.history "$scene/history" && cat "$scene/history"; }
is "$(stored_history "$followed")" "$(cat "$scene/standby/pg_wal/00000002.history")" 'the history is stored'
stream_start "$missed" standby --slot missed --until "$end"
wait "$stream_job"
is $? 0 'a stream that missed the promotion catches up over it' || diag "$(cat "$stream_log")"
ok 'on the old timeline' same_as_server "$missed" 1 standby
ok 'and on the new one' same_as_server "$missed" 2 standby "$end"
ok 'with the history' test -s "$missed/history/00000002.history"

# A repository that followed the old primary beyond the point of the switch: what it has from there
# on is a dead branch, and the new timeline begins before its end.
astray=$(repository_new astray)
scene_psql main -c 'INSERT INTO lines SELECT generate_series(1, 50000)' >/dev/null
asked=main
stream_start "$astray" main --slot astray --until "$(position main)"
wait "$stream_job"
is $? 0 'the old primary goes its own way'
stream_start "$astray" standby --slot astray --until "$end"
wait "$stream_job"
is $? 0 'the new primary is followed all the same' || diag "$(cat "$stream_log")"
ok 'on its own timeline' same_as_server "$astray" 2 standby "$end"
cluster_stop standby

done_testing
