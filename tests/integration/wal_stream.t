#!/bin/bash
# The WAL stream under what happens to it: load, kill -9, a fast shutdown, a restart, a slot in use,
# WAL that is gone, a promotion, synchronous commits. What is in the store is compared byte by byte
# with the server's own segments, or recovered from.
# majors: 13 15 18
# time limit: 280
. "$(dirname "$0")/../lib/scene.sh"

cp "$BUILD/tests/integration/tool_wal" "$TEST_DIR/tool_wal"
chmod 755 "$TEST_DIR/tool_wal"
streams=0

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1

# stream_start REPOSITORY CLUSTER [OPTION...]: sets $stream_job, $stream_pid and $stream_log
stream_start() {
    local repository=$1 cluster=$2
    shift 2
    streams=$((streams + 1))
    stream_log=$TEST_DIR/stream$streams.log
    # shellcheck disable=SC2016 # the inner shell's own variables
    as_server sh -c 'echo $$ >"$0"; exec "$@"' "$scene/stream$streams.pid" "$MAINSTAY" wal stream \
        --repo "$repository" --connection "$(cluster_conninfo "$cluster")" "$@" \
        >"$stream_log" 2>&1 &
    stream_job=$!
    wait_until 10 test -s "$scene/stream$streams.pid" || return 1
    stream_pid=$(cat "$scene/stream$streams.pid")
}

stream_kill() {
    kill -KILL "$stream_pid"
    wait "$stream_job" 2>/dev/null
}

# Ends it in good order; the status is the stream's.
stream_stop() {
    kill -TERM "$stream_pid"
    wait "$stream_job"
}

status_of() { # REPOSITORY KEY: of the newest timeline
    mainstay wal status --repo "$1" --json >"$TEST_DIR/status.json"
    grep -oE "\"$2\" *: *(\"[^\"]*\"|[0-9]+)" "$TEST_DIR/status.json" | tail -n 1 |
        sed -E 's/^"[^"]*" *: *//; s/"//g'
}

lsn_at_least() { # LSN LSN
    [[ -n $1 ]] && [[ $(scene_psql "${asked:-main}" -c "SELECT '$1'::pg_lsn >= '$2'") = t ]]
}
stored_up_to() { lsn_at_least "$(status_of "$1" last_lsn)" "$2"; }
position() { scene_psql "$1" -c 'SELECT pg_current_wal_flush_lsn()'; }

pgbench() {
    "$CLIENT_BIN/pgbench" -n -h "$TEST_DIR/main.sock" -p "$(cluster_port main)" -U postgres "$@" \
        postgres
}

repository_new() {
    mainstay repo init --repo "$scene/$1" >/dev/null
    echo "$scene/$1"
}

same_as_server() { # REPOSITORY TIMELINE CLUSTER [LSN]
    "$TEST_DIR/tool_wal" compare "$1" "$2" "$(cluster_data "$3")/pg_wal" ${4:+"$4"}
}

pgbench -q -i -s 2 >/dev/null 2>&1

# --- load, and kill -9 at any moment ----------------------------------------------------------------

repository=$(repository_new one)
pgbench -T 10 -c 2 >/dev/null 2>&1 &
load=$!
for round in 1 2 3 4 5; do
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
is $? 0 'after five kills the stream catches up'
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
going() { lsn_at_least "$(position main)" "$(scene_psql main -c "SELECT '$before'::pg_lsn + 1000000")"; }
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

# --- WAL that is gone -------------------------------------------------------------------------------

scene_psql main -c "ALTER SYSTEM SET wal_keep_size = 0" -c "ALTER SYSTEM SET max_wal_size = '32MB'" \
    -c "ALTER SYSTEM SET min_wal_size = '32MB'" -c "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'" \
    -c 'SELECT pg_reload_conf()' >/dev/null
lost() {
    scene_psql main -c 'INSERT INTO after_restart VALUES (2)' -c 'SELECT pg_switch_wal()' \
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
scene_psql main -c 'INSERT INTO after_restart VALUES (3)'
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
scene_psql main -c 'INSERT INTO after_restart SELECT generate_series(1, 10000)' -c CHECKPOINT >/dev/null
end=$(position main)
ok 'a standby is streamed from' wait_until 30 stored_up_to "$missed" "$end"
stream_kill
stream_start "$followed" standby --wal-flush-interval 1s --slot followed
wait_until 10 grep -q 'streaming from' "$stream_log"
scene_psql main -c 'INSERT INTO after_restart SELECT generate_series(1, 10000)' >/dev/null
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
like "$(tr -d "\0" <"$followed/history/00000002.history")" '1.*0/' 'the history is stored'
stream_start "$missed" standby --slot missed --until "$end"
wait "$stream_job"
is $? 0 'a stream that missed the promotion catches up over it' || diag "$(cat "$stream_log")"
ok 'on the old timeline' same_as_server "$missed" 1 standby
ok 'and on the new one' same_as_server "$missed" 2 standby "$end"
ok 'with the history' test -s "$missed/history/00000002.history"

# The old primary goes its own way on timeline 1, and the repository does not follow.
scene_psql main -c 'INSERT INTO after_restart SELECT generate_series(1, 100000)' >/dev/null
stream_start "$repository" standby --slot astray
wait "$stream_job"
is $? 1 'a repository that went past the switch on the old primary is not continued blindly' || true
like "$(cat "$stream_log")" 'gap|removed|history|other WAL' 'and the reason is said'
cluster_stop standby

# --- synchronous commits ----------------------------------------------------------------------------

asked=main
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
enough() { [[ $(wc -l <"$TEST_DIR/acknowledged") -ge 100 ]]; }
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
