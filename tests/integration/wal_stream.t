#!/bin/bash
# The WAL stream under load, with kill -9, a stop request, a slot in use, a fast shutdown and a
# restart, and as a synchronous standby. What is in the store is compared byte by byte with the
# server's own segments, or recovered from.
# majors: 13 18
# sealed: 18
# time limit: 280
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1
pgbench -q -i -s 1 >/dev/null 2>&1

mainstay doctor --repo "$(repository_new empty)" --connection "$(cluster_conninfo main)" \
    >"$TEST_DIR/doctor.out"
like "$(cat "$TEST_DIR/doctor.out")" 'pg_create_physical_replication_slot' \
    'doctor knows the statement for a missing slot'

# --- load, and kill -9 at any moment ----------------------------------------------------------------

repository=$(repository_new one)
pgbench -T 8 -c 2 >/dev/null 2>&1 &
load=$!
for _ in 1 2 3 4; do
    before=$(status_of "$repository" last_lsn)
    stream_start "$repository" main --wal-flush-interval 1s --wal-chunk-size 1MiB
    moved() { [[ $(status_of "$repository" last_lsn) != "$before" ]]; }
    wait_until 20 moved || diag "$(cat "$stream_log")"
    sleep "0.$((RANDOM % 90 + 10))" # the moment of the fault, not a wait
    stream_kill
done
wait "$load"
end=$(position main)
stream_start "$repository" main --until "$end"
wait "$stream_job"
is $? 0 'after four kills the stream catches up'
ok 'the store has what the server has, to the byte' same_as_server "$repository" 1 main "$end"
is "$(status_of "$repository" gaps)" 0 'without a gap'
is "$(scene_psql main -c "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'mainstay'
                            AND restart_lsn IS NOT NULL")" 1 'the slot holds WAL back'

# --- a stop request ---------------------------------------------------------------------------------

stream_start "$repository" main --wal-flush-interval 5min
wait_until 10 grep -q 'streaming from' "$stream_log"
scene_psql main -c 'CREATE TABLE late AS SELECT generate_series(1, 1000) g'
end=$(position main)
received() { [[ $(scene_psql main -c "SELECT sent_lsn >= '$end' FROM pg_stat_replication
                                       WHERE application_name = 'mainstay'") = t ]]; }
wait_until 10 received
started=$SECONDS
stream_stop
is $? 0 'SIGTERM: exit code 0'
ok 'within seconds' test $((SECONDS - started)) -le 5
ok 'what was received is stored' stored_up_to "$repository" "$end"
slot_is_there() { [[ $(scene_psql main -c "SELECT restart_lsn FROM pg_replication_slots") = \
    "$(status_of "$repository" last_lsn)" ]]; }
ok 'and confirmed to the slot' wait_until 5 slot_is_there

mainstay doctor --repo "$repository" --connection "$(cluster_conninfo main)" >"$TEST_DIR/doctor.out"
like "$(cat "$TEST_DIR/doctor.out")" 'pg_drop_replication_slot' 'doctor names a slot nobody uses'

# --- one slot, one stream ---------------------------------------------------------------------------

stream_start "$repository" main --wal-flush-interval 1s
wait_until 10 grep -q 'streaming from' "$stream_log"
first_job=$stream_job first_pid=$stream_pid
stream_start "$repository" main
wait "$stream_job"
is $? 1 'a slot in use: exit code 1'
like "$(cat "$stream_log")" 'is active for PID' 'the other process is named'
like "$(cat "$stream_log")" 'another wal.slot' 'and the next step'
kill -TERM "$first_pid"
wait "$first_job"
is $? 0 'the first stream was not disturbed'

# --- a fast shutdown under load, and the restart ----------------------------------------------------

stream_start "$repository" main --wal-flush-interval 5min
wait_until 10 grep -q 'streaming from' "$stream_log"
pgbench -T 30 -c 2 >"$TEST_DIR/load.log" 2>&1 &
load=$!
before=$(position main)
going() { [[ $(scene_psql main -c "SELECT pg_current_wal_flush_lsn() - '$before' > 200000") = t ]]; }
wait_until 20 going
started=$(date +%s%N)
cluster_stop main fast
took=$((($(date +%s%N) - started) / 1000000))
note "the fast shutdown took $took ms"
ok 'a fast shutdown under load ends promptly, though nothing was due' test "$took" -lt 5000
wait "$load"
checkpoint=$(as_server "$SERVER_BIN/pg_controldata" "$(cluster_data main)" 2>/dev/null |
    sed -n 's/^Latest checkpoint location: *//p')
as_server "$SERVER_BIN/pg_ctl" -w -t 60 -D "$(cluster_data main)" -l "$TEST_DIR/main.log" -o \
    "-p $(cluster_port main) -k '$TEST_DIR/main.sock' -c listen_addresses=127.0.0.1" start >/dev/null
ok 'the store has the checkpoint of the shutdown' stored_up_to "$repository" "${checkpoint:-0/1}"
scene_psql main -c 'CREATE TABLE after_restart AS SELECT 1 AS i' -c 'SELECT pg_switch_wal()' >/dev/null
kill -0 "$stream_pid"
is $? 0 'the stream outlives the server'
end=$(position main)
resumed() { [[ $(grep -c 'streaming from' "$stream_log") -ge 2 ]]; }
ok 'and goes on after its restart' wait_until 40 resumed
received_all() { [[ $(scene_psql main -c "SELECT bool_or(sent_lsn >= '$end') FROM pg_stat_replication") = t ]]; }
wait_until 20 received_all
stream_stop
is $? 0 'and ends as usual'
ok 'with all of the WAL' same_as_server "$repository" 1 main "$end"

# --- synchronous commits ----------------------------------------------------------------------------

cluster_stop main
cp -a "$(cluster_data main)" "$scene/base"
cluster_start main -c synchronous_standby_names=zero -c synchronous_commit=on -c max_slot_wal_keep_size=-1
zero=$(repository_new zero)
stream_start "$zero" main --wal-flush-interval 0 --slot zero
is_sync() { [[ $(scene_psql main -c "SELECT sync_state FROM pg_stat_replication") = sync ]]; }
ok 'the stream is a synchronous standby' wait_until 20 is_sync
scene_psql main -c 'CREATE TABLE acknowledged (id int)'
for ((i = 1; i <= 5000; i++)); do
    echo "INSERT INTO acknowledged VALUES ($i) RETURNING id;"
done >"$TEST_DIR/commits.sql"
scene_psql main -f "$TEST_DIR/commits.sql" >"$TEST_DIR/acknowledged" 2>/dev/null &
client=$!
enough() { [[ $(wc -l <"$TEST_DIR/acknowledged") -ge 50 ]]; }
ok 'commits return when the store has them' wait_until 60 enough
cluster_kill main
stream_kill
wait "$client" 2>/dev/null
acknowledged=$(tail -n 1 "$TEST_DIR/acknowledged")
note "$acknowledged commits were acknowledged"
mkdir "$scene/extracted"
give_to_server "$scene/extracted"
as_server "$TEST_DIR/tool_wal" extract "$zero" 1 "$scene/extracted"
rm -f "$scene/base/pg_wal/"0* "$scene/base/postmaster.pid"
as_server touch "$scene/base/recovery.signal"
cluster_adopt recovered "$scene/base"
cluster_configure recovered "restore_command = 'cp $scene/extracted/%f %p'"
cluster_start recovered
ok 'the recovery from the store ends' wait_until 60 cluster_wait recovered 'SELECT NOT pg_is_in_recovery()'
recovered=$(scene_psql recovered -c 'SELECT max(id) FROM acknowledged')
ok "every acknowledged commit is in the store ($recovered)" test "${recovered:-0}" -ge "$acknowledged"
cluster_stop recovered

done_testing
