#!/bin/bash
# Failover with a list of hosts: the primary is killed, the standby promoted, and the stream finds
# it by target_session_attrs, makes its slot there and goes on. WAL that the new primary does not
# have is a gap: said, an exit code, and nothing behind it is recoverable before the next snapshot.
# majors: 13 18
# time limit: 280
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
scene_cluster main || exit 1
scene_psql main -c 'CREATE TABLE lines (i int)' >/dev/null
cluster_stop main
cp -a "$(cluster_data main)" "$scene/standby"
cluster_start main
as_server touch "$scene/standby/standby.signal"
cluster_register standby "$scene/standby"
cluster_configure standby "primary_conninfo = '$(cluster_conninfo main)'"
cluster_start standby || exit 1
hosts="host=127.0.0.1,127.0.0.1 port=$(cluster_port main),$(cluster_port standby) user=postgres dbname=postgres target_session_attrs=read-write"
both() { mainstay "$@" --connection "$hosts"; }
insert() { scene_psql "$1" -c "INSERT INTO lines SELECT generate_series($2, $3)" -c CHECKPOINT; }
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i::bigint), max(i) FROM lines'; }
replayed() { [[ $(scene_psql "$1" -c "SELECT pg_last_wal_replay_lsn() >= '$2'") = t ]]; }
slots() { scene_psql "$1" -c "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE restart_lsn IS NOT NULL"; }

if [[ $PG_MAJOR -eq 13 ]]; then # libpq asks with a statement that a replication connection does not take
    fails 'target_session_attrs=primary on 13 says what to write' 1 'target_session_attrs=read-write' mainstay snapshot create \
        --repo "$(repository_new primary)" --connection "${hosts/read-write/primary}"
fi

# --- nothing is missing -----------------------------------------------------------------------------

repository=$(repository_new one)
ok 'a snapshot from the primary of the list' both snapshot create --repo "$repository"
connection=$hosts
# stream_hosts [OPTION...]: stream_start takes the cluster's own connection; the last one counts
stream_hosts() { stream_start "$repository" main --connection "$connection" --wal-flush-interval 1s "$@"; }
stream_hosts
wait_until 10 grep -q 'streaming from' "$stream_log"
is "$(slots standby)" '' 'the slot is on the primary alone'
insert main 1 1000
end=$(position main)
ok 'the standby has it' wait_until 30 replayed standby "$end"
ok 'the store, too' wait_until 30 stored_up_to "$repository" "$end"
first_job=$stream_job first_pid=$stream_pid first_log=$stream_log

# A repository of its own for the standby: its snapshot relies on what is streamed from there.
aside=$(repository_new aside)
scene_psql standby -c CHECKPOINT
stream_start "$aside" standby --slot aside --wal-flush-interval 1s
wait_until 10 grep -q 'streaming from' "$stream_log"
ok 'WAL is streamed from the standby' wait_until 30 stored_up_to "$aside" "$end"
ok 'a snapshot from the standby' mainstay snapshot create --repo "$aside" --connection "$(cluster_conninfo standby)" --slot aside
like "$(mainstay snapshot show --repo "$aside")" 'in the archive' 'relies on it'
stream_stop
ok 'restore' mainstay restore --repo "$aside" --to "$scene/aside-copy"
ok 'pg_verifybackup' verify_backup "$scene/aside-copy"
ok 'it starts' scene_start aside "$scene/aside-copy"
is "$(rows aside)" "$(rows main)" 'with the rows'
cluster_stop aside
scene_psql standby -c "SELECT pg_drop_replication_slot('aside')" >/dev/null
stream_job=$first_job stream_pid=$first_pid stream_log=$first_log

cluster_kill main
as_server "$SERVER_BIN/pg_ctl" -w -D "$scene/standby" promote >/dev/null
insert standby 1001 2000
asked=standby
end=$(position standby)
on_two() { [[ $(status_of "$repository" timeline) = 2 ]] && stored_up_to "$repository" "$end"; }
ok 'the primary is killed, the standby promoted: the stream goes on there' wait_until 60 on_two || diag "$(cat "$stream_log")"
is "$(slots standby)" mainstay 'its slot is made on the new primary'
is "$(status_of "$repository" gaps)" 0 'without a gap'
wanted=$(rows standby)
ok 'restore over the failover' mainstay restore --repo "$repository" --to "$scene/after" --latest
ok 'it starts' scene_start after "$scene/after"
ok 'it is promoted' wait_until 30 cluster_wait after 'SELECT NOT pg_is_in_recovery()'
is "$(rows after)" "$wanted" 'with the rows of both primaries'
cluster_stop after
scene_remove after
stream_stop
is $? 0 'the stream ends as usual'

# --- the new primary does not have all of it ----------------------------------------------------------

scene_psql standby -c 'SELECT pg_drop_replication_slot($$mainstay$$)' >/dev/null
cluster_stop standby
cp -a "$scene/standby" "$scene/third"
cluster_start standby -c wal_keep_size=0 -c max_wal_size=32MB -c min_wal_size=32MB
as_server touch "$scene/third/standby.signal"
cluster_register third "$scene/third"
cluster_configure third "primary_conninfo = '$(cluster_conninfo standby)'" 'wal_keep_size = 0' 'max_wal_size = 32MB' 'min_wal_size = 32MB'
cluster_start third || exit 1
connection="host=127.0.0.1,127.0.0.1 port=$(cluster_port standby),$(cluster_port third) user=postgres dbname=postgres target_session_attrs=read-write"
hosts=$connection
old_end=$(status_of "$repository" last_lsn)
old_segment=$(scene_psql standby -c "SELECT pg_walfile_name('$old_end')")
recycled() {
    scene_psql standby -c 'INSERT INTO lines VALUES (0)' -c 'SELECT pg_switch_wal()' -c CHECKPOINT >/dev/null
    wait_until 20 replayed third "$(position standby)"
    scene_psql third -c CHECKPOINT
    [[ ! -e $scene/third/pg_wal/$old_segment ]]
}
ok 'while nobody streams, the standby forgets old WAL' wait_until 60 recycled
cluster_kill standby
as_server "$SERVER_BIN/pg_ctl" -w -D "$scene/third" promote >/dev/null
asked=third
insert third 2001 3000
stream_hosts
wait "$stream_job"
is $? 1 'missing WAL ends the stream: exit code 1'
like "$(cat "$stream_log")" "gap in the WAL after $old_end" 'it says where'
like "$(cat "$stream_log")" 'take a new snapshot' 'and the next step'
stream_hosts --restart-after-gap
gap_seen() { [[ $(status_of "$repository" timeline) = 3 ]]; }
insert third 3001 4000
ok 'with --restart-after-gap it goes on with what there is' wait_until 30 gap_seen
like "$(cat "$stream_log")" 'take a new snapshot, recovery cannot go through the gap' 'and says so once more'
insert third 4001 5000
end=$(position third)
ok 'the WAL behind the gap is stored' wait_until 30 stored_up_to "$repository" "$end"
fails 'no recovery goes through the gap' 5 'is missing' mainstay restore --repo "$repository" --to "$scene/no" --latest
fails 'nor to a place inside it' 5 'Recoverable is timeline' mainstay restore --repo "$repository" --to "$scene/no" --target-lsn "$end"
ok 'nothing was written' test ! -e "$scene/no"
ok 'verify shows no damage' mainstay snapshot verify --repo "$repository"
ok 'the next snapshot' both snapshot create --repo "$repository"
insert third 5001 6000
end=$(position third)
ok 'more WAL' wait_until 30 stored_up_to "$repository" "$end"
wanted=$(rows third)
ok 'makes what follows recoverable' mainstay restore --repo "$repository" --to "$scene/last" --latest
ok 'it starts' scene_start last "$scene/last"
ok 'it is promoted' wait_until 30 cluster_wait last 'SELECT NOT pg_is_in_recovery()'
is "$(rows last)" "$wanted" 'with all rows'
stream_stop
is $? 0 'the stream ends as usual'
cluster_stop last
cluster_stop third

done_testing
