#!/bin/bash
# Recovery to a point: transactions whose time, LSN and id are known, restored to just before and
# just after, over two promotions; everything that must be refused; a standby.
# time limit: 900
# majors: 13 18
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

repository=$scene/repository
repo=(--repository-url "$repository")
cp "$BUILD/tests/integration/tool_wal_feed" "$TEST_DIR/feed"
chmod 755 "$TEST_DIR/feed"

# feed SERVER TIMELINE FROM TO: that WAL, as a stream would have stored it
feed() { as_server "$TEST_DIR/feed" "$repository" "$(cluster_data "$1")" "$2" "$3" "$4"; }
feed_history() { as_server "$TEST_DIR/feed" "$repository" "$(cluster_data "$1")" history "$2"; }
snapshot() {
    mainstay snapshot create "${repo[@]}" --json \
        --postgres-connection "$(cluster_conninfo "$1")" >"$TEST_DIR/snapshot.json"
}
said() { json_value "$TEST_DIR/snapshot.json" "$1"; }
restore() { # DIRECTORY [OPTION...]
    local to=$1
    shift
    mainstay restore "${repo[@]}" --to "$to" "$@" >"$TEST_DIR/restore.out"
}
wal_lsn() { scene_psql "$1" -c 'SELECT pg_current_wal_lsn()'; }
segment_start() { scene_psql "$1" -c "SELECT '0/' || upper(to_hex(('$2'::pg_lsn - '0/0'::pg_lsn)::bigint / 16777216 * 16777216))"; }
switched_at() { grep -E '^[0-9]' "$1" | tail -n 1 | cut -f2; } # where the last ancestor was left
points() { scene_psql "$1" -c 'SELECT string_agg(note, $$ $$ ORDER BY id) FROM point'; }

# A transaction that leaves its note; xid_NOTE, before_NOTE, after_NOTE (LSN), time_NOTE (of its commit).
transaction() { # SERVER NOTE
    local name=${2//-/_}
    printf -v "before_$name" %s "$(wal_lsn "$1")"
    printf -v "xid_$name" %s "$(scene_psql "$1" -c "INSERT INTO point (note) VALUES ('$2') RETURNING txid_current()")"
    local xid_name=xid_$name
    printf -v "time_$name" %s "$(scene_psql "$1" -c "SELECT to_char(pg_xact_commit_timestamp('${!xid_name}'::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || 'Z'")"
    printf -v "after_$name" %s "$(wal_lsn "$1")"
}

# recovered WHAT EXPECTED_NOTES [RESTORE OPTION...]: restores, starts, waits for the promotion, compares
number=0
recovered() {
    local what=$1 expected=$2 name
    shift 2
    number=$((number + 1))
    name=r$number
    ok "$what: restore" restore "$scene/$name" "$@"
    ok "$what: pg_verifybackup" verify_backup "$scene/$name"
    ok "$what: it starts" scene_start "$name" "$scene/$name"
    ok "$what: it is promoted" cluster_wait "$name" 'SELECT NOT pg_is_in_recovery()'
    is "$(points "$name")" "$expected" "$what: those before are there, those after are not"
    is "$(scene_psql "$name" -c "SELECT count(*) || ' ' || sum(hashtext(v)) FROM ballast")" "$ballast" "$what: the rest is the same"
}
finish() { # ends the restored server
    cluster_stop "r$number"
    scene_remove "r$number"
}

# --- a server with a history -----------------------------------------------------------------------

scene_cluster main "-c track_commit_timestamp=on"
cluster_configure main 'track_commit_timestamp = on'
mainstay repo init "${repo[@]}" >/dev/null
scene_psql main -c 'CREATE TABLE point (id serial PRIMARY KEY, note text)' \
    -c 'CREATE TABLE ballast AS SELECT g, repeat(md5(g::text), 4) AS v FROM generate_series(1, 20000) g'
ballast=$(scene_psql main -c "SELECT count(*) || ' ' || sum(hashtext(v)) FROM ballast")
# The first statement of a server is not yet behind the first snapshot.
transaction main early
ok 'the first snapshot' snapshot main
start=$(said start_lsn) stop1=$(said stop_lsn)
for note in a b c; do transaction main "$note"; done
ok 'the second snapshot' snapshot main
stop2=$(said stop_lsn)
transaction main d
scene_psql main -c 'SELECT pg_switch_wal()' >/dev/null
transaction main e
scene_psql main -c "SELECT pg_switch_wal()" >/dev/null
transaction main f
scene_psql main -c CHECKPOINT # so that the last transaction does not end the WAL
begin=$(segment_start main "$start")
end=$(wal_lsn main)
feed main 1 "$begin" "$end"
mainstay wal window "${repo[@]}" --json >"$TEST_DIR/window.json"
is "$(json_value "$TEST_DIR/window.json" first_lsn)" "$stop1" 'the window begins with the first snapshot'
is "$(json_value "$TEST_DIR/window.json" last_lsn)" "$end" 'and ends with the WAL'
is "$(json_value "$TEST_DIR/window.json" snapshots)" 2 'two snapshots lead into it'

# --- targets ---------------------------------------------------------------------------------------

recovered 'latest' 'early a b c d e f' --latest
like "$(cat "$scene/r$number/postgresql.auto.conf")" "recovery_target_timeline = '1'" 'latest: the timeline is given by number'
ok 'latest: sound indexes and heaps' amcheck "r$number"
is "$(find "$scene/r$number/pg_wal" -name 'mainstay.spool*')" '' 'latest: nothing that was fetched in advance is left'
finish
recovered 'time, just after' 'early a b c d e' --target-time "$time_e"
finish
recovered 'time, just before' 'early a b c d' --target-time "$time_e" --target-exclusive
finish
recovered 'LSN, after' 'early a b c d' --target-lsn "$after_d"
finish
recovered 'LSN, before' 'early a b c' --target-lsn "$before_d" --target-exclusive
finish
recovered 'an LSN before the second snapshot' 'early a' --target-lsn "$before_b" --target-exclusive
finish
recovered 'transaction, with it' 'early a b' --target-xid "$xid_b"
finish
recovered 'transaction, without it' 'early a' --target-xid "$xid_b" --target-exclusive
finish
recovered 'immediate' 'early a b c' --target-immediate
finish
recovered 'immediate, of the first' 'early' --target-immediate --snapshot "$(snapshot_ids "$repository" | head -n 1)"
finish

# --- refusals, before anything is written ----------------------------------------------------------

window="timeline 1 from $stop1 .* to $end"
fails 'a target in the future' 5 "the WAL of timeline 1 in the repository ends at $end" restore "$scene/no" --target-time '2099-01-01 00:00:00Z'
soon=$(date -u -d '+30 seconds' '+%F %TZ') # within what clocks may differ by; nothing was committed since
fails 'a time that no transaction has passed yet' 5 'recover to .*: the last transaction .* ended at|ends at' \
    restore "$scene/no" --target-time "$soon"
fails 'an LSN behind the WAL shows the window' 5 "$window" restore "$scene/no" --target-lsn FFFF/0
fails 'a target before the first point' 5 'before the end of snapshot' restore "$scene/no" --target-time '2020-01-01 00:00:00Z'
fails 'an LSN before the first point shows the window' 5 "$window" restore "$scene/no" --target-lsn 0/1000000
fails 'a time without a zone' 2 'if that is UTC' restore "$scene/no" --target-time '2026-03-01 12:00:00'
fails 'a restore point that nobody made' 3 'no restore point' restore "$scene/no" --target-name nothing
fails 'a timeline that nobody knows' 5 'knows nothing of it' restore "$scene/no" --latest --target-timeline 9
fails 'two targets' 2 'more than one' restore "$scene/no" --latest --target-immediate
ok 'nothing was written' test ! -e "$scene/no"

# --- wal get, as PostgreSQL calls it ---------------------------------------------------------------

as_server mkdir "$scene/get"
get() { mainstay wal get "${repo[@]}" --restore-prefetch 0 "$1" "$scene/get/$1"; }
first=$(scene_psql main -c "SELECT pg_walfile_name('$start')")
last=$(scene_psql main -c "SELECT pg_walfile_name('$end')")
ok 'a whole segment' get "$first"
ok 'is that of the server' cmp "$scene/get/$first" "$(cluster_data main)/pg_wal/$first"
ok 'the last segment' get "$last"
is "$(stat -c %s "$scene/get/$last")" 16777216 'has its full size'
offset=$((16#${end##*/} % 16777216))
ok 'is that of the server as far as the WAL goes' cmp -n "$offset" "$scene/get/$last" "$(cluster_data main)/pg_wal/$last"
ok 'and zeros behind' cmp -n $((16777216 - offset)) -i "$offset:0" "$scene/get/$last" /dev/zero
fails 'behind the WAL: 1' 1 '' get 0000000100000000000000FE
fails 'a history that there is not: 1' 1 '' get 00000002.history
fails 'a backup history file: 1' 1 '' get "$first.00000028.backup"
fails 'no repository: more than 125' 254 'repo init' mainstay wal get --repository-url "$scene/nowhere" "$first" "$scene/get/x"
fails 'a wrong option: more than 125' 254 'unknown option' mainstay wal get --nonsense "$first" "$scene/get/x"
fails 'a missing argument: more than 125' 254 'needs PATH' mainstay wal get "${repo[@]}" "$first"
middle=$(find "$repository/wal" -name '*.wal' | sort | sed -n '3p')
as_server mv "$middle" "$scene/aside"
rm "$scene/get/$first" # one beside the target would be what came with the snapshot
fails 'a gap: more than 125' 254 'is not in the repository' get "$first"
fails 'restore refuses the gap' 5 'is missing from' restore "$scene/no" --latest --snapshot "$(snapshot_ids "$repository" | head -n 1)"
inside=$(basename "$middle" .wal)
inside=$(printf '%X/%X' 0 $((16#${inside%-*} + 100)))
fails 'a target inside the gap: from where to where' 5 'is missing from' restore "$scene/no" --target-lsn "$inside"
like "$(mainstay restore "${repo[@]}" --to "$scene/no" --target-lsn "$inside" 2>&1)" 'Recoverable is timeline 1 from' 'and what can be reached'
ok 'nothing was written' test ! -e "$scene/no"
as_server mv "$scene/aside" "$middle"
printf X | as_server dd of="$middle" bs=1 seek=300 conv=notrunc status=none
fails 'damage: more than 125' 254 'wal/' get "$first"
as_server rm "$middle"
feed main 1 "$begin" "$end" || true # puts what is missing

# --- prefetch --------------------------------------------------------------------------------------

as_server mkdir -p "$scene/spooled/pg_wal"
mainstay wal get "${repo[@]}" "$first" "$scene/spooled/pg_wal/RECOVERYXLOG"
second=$(find "$(cluster_data main)/pg_wal" -name '0000000100000000????????' -printf '%f\n' | sort | grep -A 1 "$first" | tail -n 1)
spooled() { compgen -G "$scene/spooled/pg_wal/mainstay.spool/$1.????????????????????????????????????????????????????????????????" >/dev/null; }
ok 'the next segment is fetched in the background' wait_until 30 spooled "$second"
as_server mv "$repository/wal" "$repository/wal.aside"
ok 'and given without the store' mainstay wal get "${repo[@]}" --restore-prefetch 0 "$second" "$scene/spooled/pg_wal/RECOVERYXLOG"
as_server mv "$repository/wal.aside" "$repository/wal"
ok 'as it was' cmp "$scene/spooled/pg_wal/RECOVERYXLOG" "$(cluster_data main)/pg_wal/$second"
ok 'the partial segment is not among them' bash -c "! compgen -G '$scene/spooled/pg_wal/mainstay.spool/$last*'"

# --- two promotions --------------------------------------------------------------------------------

cluster_stop main
ok 'a server is restored to become timeline 2' restore "$scene/second" --target-lsn "$after_e"
cluster_register second "$scene/second"
cluster_configure second 'track_commit_timestamp = on'
ok 'it starts' cluster_start second
cluster_wait second 'SELECT NOT pg_is_in_recovery()'
transaction second on-two
scene_psql second -c CHECKPOINT
switched=$(switched_at "$scene/second/pg_wal/00000002.history")
feed second 2 "$(segment_start second "$switched")" "$(wal_lsn second)"
fails 'a missing history' 5 'history of timeline 2 is not in the repository' restore "$scene/no" --latest
feed_history second 2
recovered 'latest is timeline 2' 'early a b c d e on-two' --latest
finish
recovered 'timeline 1 is still there' 'early a b c d e f' --latest --target-timeline 1
finish
ok 'a snapshot on timeline 2' snapshot second
recovered 'current is the timeline of the snapshot' 'early a b c' --target-timeline current --target-immediate --snapshot "$(snapshot_ids "$repository" | sed -n 2p)"
# This one is timeline 3, from a point of timeline 1.
feed second 2 "$(segment_start second "$(said stop_lsn)")" "$(wal_lsn second)" || true
transaction "r$number" on-three
scene_psql "r$number" -c CHECKPOINT
is "$(scene_psql "r$number" -c 'SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)')" 00000003 'the next promotion makes timeline 3'
switched=$(switched_at "$scene/r$number/pg_wal/00000003.history")
feed_history "r$number" 3
feed "r$number" 3 "$(segment_start "r$number" "$switched")" "$(wal_lsn "r$number")"
finish
recovered 'latest is timeline 3' 'early a b c on-three' --latest
ok 'timeline 3: sound indexes and heaps' amcheck "r$number"
finish
recovered 'onto timeline 2' 'early a b c d e on-two' --target-lsn "$after_on_two" --target-timeline 2
finish
first_snapshot=$(snapshot_ids "$repository" | head -n 1)
fails 'behind that target WAL is missing' 5 'is missing from' restore "$scene/no" --latest --target-timeline 2 --snapshot "$first_snapshot"
fails 'a transaction on an unknown side of it' 5 'is missing from' restore "$scene/no" --target-xid "$xid_d" --target-timeline 2
recovered 'before timeline 2, on its way' 'early a b c d' --target-xid "$xid_d" --target-timeline 2 --snapshot "$first_snapshot"
finish

# --- restore points, with a stream -----------------------------------------------------------------

# shellcheck disable=SC2016 # the inner shell's own variables
as_server sh -c 'echo $$ >"$0"; exec "$@"' "$scene/stream.pid" "$MAINSTAY" wal stream "${repo[@]}" \
    --connection "$(cluster_conninfo second)" --wal-flush-interval 1s >"$TEST_DIR/stream.log" 2>&1 &
stream_job=$!
point() { mainstay restore-point create "${repo[@]}" --connection "$(cluster_conninfo second)" --json "$@" | tee "$TEST_DIR/point.json"; }
fails 'a name that cannot be kept' 2 'cannot be the name' point 'a b'
ok 'a restore point' point before-import
is "$(json_value "$TEST_DIR/point.json" timeline)" 2 'it gives the timeline'
like "$(json_value "$TEST_DIR/point.json" lsn)" '^0/[0-9A-F]+$' 'and the LSN'
fails 'a name is used once' 5 'there is one at' point before-import
like "$(mainstay restore-point list "${repo[@]}")" 'before-import' 'the list shows it'
transaction second imported
ok 'another one' point after-import
recovered 'restore point' 'early a b c d e on-two' --target-name before-import
finish
recovered 'the later restore point' 'early a b c d e on-two imported' --target-name after-import
finish

# --- a standby -------------------------------------------------------------------------------------

rm -rf "$repository/history/00000003.history" "$repository/wal/00000003" # a standby follows the newest timeline
ok 'standby: restore' restore "$scene/standby" --standby
ok 'standby: pg_verifybackup' verify_backup "$scene/standby"
ok 'standby.signal' test -e "$scene/standby/standby.signal" -a ! -e "$scene/standby/recovery.signal"
cluster_register standby "$scene/standby"
cluster_configure standby 'hot_standby = on' "primary_conninfo = '$(cluster_conninfo second)'"
ok 'it starts' cluster_start standby
transaction second streamed
ok 'it follows' cluster_wait standby "SELECT pg_last_wal_replay_lsn() >= '$after_streamed'"
is "$(points standby)" "$(points second)" 'and has the same rows'
is "$(scene_psql standby -c 'SELECT status FROM pg_stat_wal_receiver')" streaming 'over a stream'
cluster_stop standby

status=0
kill -TERM "$(cat "$scene/stream.pid")"
wait "$stream_job" || status=$?
is "$status" 0 'the stream ends in good order'
fails 'without a stream the command says so' 1 'not in the repository' point lost --timeout 0
cluster_stop second

done_testing
