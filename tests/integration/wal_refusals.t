#!/bin/bash
# What a server may refuse a WAL stream: no free wal sender, a wal_level that is too low, no right to
# replicate, no free slot, a slot that is a logical one. Each is said with the next step.
# majors: 13 18
# time limit: 120
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"

note "PostgreSQL $PG_MAJOR"
repository=$(repository_new one)
user=postgres
stream() { mainstay wal stream --repo "$repository" --connection "$(cluster_conninfo main $user)" --until 0/1 "$@"; }
doctor() { mainstay doctor --repo "$repository" --connection "$(cluster_conninfo main)" "$@"; }

scene_cluster main -c max_wal_senders=1 -c max_replication_slots=1 || exit 1
scene_psql main -c 'CREATE ROLE nobody LOGIN'
user=nobody
fails 'no right to replicate' 1 'ALTER ROLE .*nobody.* REPLICATION' stream
user=postgres

# A stream holds the one wal sender that there is.
stream_start "$repository" main --wal-flush-interval 1s
wait_until 10 grep -q 'streaming from' "$stream_log"
fails 'no free wal sender' 1 'Raise max_wal_senders' stream --slot other
fails 'no free wal sender for a snapshot' 1 'Raise max_wal_senders' mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)"
fails 'doctor says it too' 1 'max_wal_senders' doctor
stream_stop
fails 'no free slot' 1 'max_replication_slots|pg_drop_replication_slot' stream --slot other
fails 'doctor --fix cannot make it either, and says so' 1 'max_replication_slots' doctor --fix --slot other
cluster_stop main

cluster_start main -c wal_level=logical
scene_psql main -c "SELECT pg_create_logical_replication_slot('decoding', 'pgoutput')" >/dev/null
fails 'a logical slot' '1|5' 'logical replication slot' stream --slot decoding
is "$(scene_psql main -c "SELECT slot_type FROM pg_replication_slots WHERE slot_name = 'decoding'")" logical 'is left alone'

# --- the slot is made before the first snapshot ---
slots() { scene_psql main -c "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE restart_lsn IS NOT NULL AND slot_type = 'physical'"; }
ok 'doctor --fix makes the slot' doctor --fix --slot fixed
is "$(slots)" 'fixed mainstay' 'which holds WAL back'
ok 'a second time there is nothing to do' doctor --fix --slot fixed
is "$(doctor --fix --slot fixed | grep -c 'fix\.wal_slot')" 0 'and it says nothing'
init() { mainstay repo init --repo "$scene/$1" --connection "$(cluster_conninfo main)" "${@:2}" 2>&1; }
like "$(init two --slot second)" 'pg_drop_replication_slot' 'repo init makes it too, and says how to be rid of it'
is "$(slots)" 'fixed mainstay second' 'with a connection'
ok 'unless it is told not to' init three --slot third --no-slot
like "$(init four --slot UPPER)" 'was not made' 'what fails is said'
ok 'and the repository is there' test -e "$scene/four/mainstay.json"
is "$(slots)" 'fixed mainstay second' 'with what was there'
scene_psql main -c "SELECT pg_drop_replication_slot('decoding'), pg_drop_replication_slot('fixed'), pg_drop_replication_slot('second')" -c "SELECT pg_drop_replication_slot('mainstay')" >/dev/null
cluster_stop main

cluster_start main -c wal_level=minimal -c max_wal_senders=0 || exit 1
fails 'wal_level too low' 1 'wal_level' stream
fails 'doctor gives the statement' 1 "ALTER SYSTEM SET wal_level = 'replica'" doctor
is "$(find "$repository/leases" -name '*.json' 2>/dev/null | wc -l)" 0 'nothing is left under way'
cluster_stop main

done_testing
