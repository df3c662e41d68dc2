#!/bin/bash
# Every fault that a drill is there for, planted: it names the fault and exits with 4, or with 5 where
# it refuses before it begins. A drill that is killed leaves no server. Once by the daemon, with metrics.
# time limit: 900
# shellcheck disable=SC2317 # functions are called by ok, fails and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"

repository=$scene/repository
copy=$scene/copy
scratch=$scene/scratch
as_server mkdir "$scratch"
export MAINSTAY_DRILL_SERVER_BINARIES=$SERVER_BIN

drill() { # of the copy
    mainstay drill run --repo "$copy" --scratch "$scratch" "$@"
}
fresh() {
    rm -rf "$copy" "$scratch"/mainstay-drill-*
    as_server cp -a "$repository" "$copy"
}
flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
middle() { echo $(($(stat -c %s "$1") / 2)); }
in_copy() { find "$copy/$1" -type f | sort; }

# --- a history on two timelines ----------------------------------------------------------------------

CHECKSUMS=off cluster_create main
cluster_start main
scene_psql main -c "CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) AS i" -c "CREATE INDEX t_i ON t (i)"
mainstay repo init --repo "$repository" >/dev/null
stream_start "$repository" main --wal-flush-interval 1s
mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" >/dev/null
for round in 1 2 3; do
    scene_psql main -c "INSERT INTO t SELECT i FROM generate_series(1, 500) AS i"
    wait_until 30 stored_up_to "$repository" "$(position main)"
done
stream_stop || true
cluster_stop main
as_server touch "$(cluster_data main)/standby.signal"
cluster_start main
scene_psql main -c 'SELECT pg_promote()' >/dev/null
stream_start "$repository" main --wal-flush-interval 1s
scene_psql main -c "INSERT INTO t SELECT i FROM generate_series(1, 500) AS i"
wait_until 30 stored_up_to "$repository" "$(position main)"
stream_stop || true

fresh
ok 'nothing is wrong yet' drill
is "$(ls -A "$scratch")" '' 'and nothing is left'

# --- what the repository lacks -----------------------------------------------------------------------

pack=$(in_copy packs | xargs ls -S | head -n 1)
rm "$pack"
fails 'a missing pack' 4 "broken +restore: .*${pack##*/}" drill
fresh
flip "$pack" "$(middle "$pack")"
fails 'a flipped byte in a pack' 4 'broken +restore: .*pack' drill
fresh
manifest=$(in_copy snapshots | tail -n 1)
flip "$manifest" "$(middle "$manifest")"
fails 'a flipped byte in a manifest' 4 'broken +restore: .*(manifest|snapshot)' drill
fresh
chunk=$(in_copy wal/00000001 | sed -n 2p)
flip "$chunk" "$(middle "$chunk")"
fails 'a flipped byte in WAL' 4 "broken +(recovery|restore): .*${chunk##*/}" drill
fresh
rm "$chunk"
fails 'a gap in the WAL' 4 'broken +restore: .*WAL of timeline [12] is missing from' drill
fresh
rm "$copy/history/00000002.history"
fails 'a deleted history' 4 'broken +restore: .*history' drill
fresh

# --- what was promised, and is not so ----------------------------------------------------------------

cat >"$scene/drill.yaml" <<'YAML'
assertions:
  - {name: plenty, promise: there are a million rows, sql: SELECT count(*) FROM t, at-least: "1000000"}
YAML
chmod 644 "$scene/drill.yaml"
fails 'an assertion that does not hold' 4 'broken +assertion plenty: .*a million rows.*7000' \
    drill --assertions "$scene/drill.yaml"
evidence=$(find "$scratch" -maxdepth 1 -name 'mainstay-drill-*')
ok 'the log is kept' grep -q 'redo starts at' "$evidence/server.log"
ok 'the data is not' test ! -e "$evidence/data"
fails 'a restore that takes longer than its goal' 4 'broken +rto: .*at most 1 ms' drill --drill-rto-goal 1ms
fails 'more loss than the goal' 4 'broken +rpo: .*at most 1 ms' drill --drill-rpo-goal 1ms
like "$(mainstay drill list --repo "$copy")" 'FAILED' 'failed drills have proofs'
like "$(mainstay status --repo "$copy")" 'FAILED, 3 in a row' 'and status says so'
echo 'nothing: here' >"$scene/wrong.yaml"
chmod 644 "$scene/wrong.yaml"
fails 'wrong assertions are wrong usage' 2 'wrong.yaml:1:1' drill --assertions "$scene/wrong.yaml"

# --- what cannot be done -------------------------------------------------------------------------------

fails 'no server binaries' 5 "package postgresql-$PG_MAJOR" drill --drill-server-binaries "$scene"
fails 'no space by the limit' 5 'scratch-limit is' drill --drill-scratch-limit 1MiB
fails 'too long a path for a socket' 5 'too long a path' \
    drill --scratch "/tmp/$(printf 'x%.0s' {1..120})"
is "$(find "$scratch" -newer "$scene/drill.yaml" -name data)" '' 'nothing was written'
if [[ $(id -u) -eq 0 ]]; then
    ok 'root drills as another user' "$MAINSTAY" drill run --repo "$copy" --scratch "$scratch" \
        --drill-user "$SERVER_USER"
    fails 'root without one is refused' 5 'drill.user "nobody-there" is not a user' \
        "$MAINSTAY" drill run --repo "$copy" --scratch "$scratch" --drill-user nobody-there
    mkdir "$TEST_DIR/small"
    if mount -t tmpfs -o size=30m,mode=777 none "$TEST_DIR/small" 2>/dev/null; then
        fails 'no space on the disk' 5 'free are' drill --scratch "$TEST_DIR/small"
        umount "$TEST_DIR/small"
    else
        skip 1 'nothing can be mounted here'
    fi
else
    skip 3 'not root'
fi

# --- killed --------------------------------------------------------------------------------------------

cat >"$scene/sleep.yaml" <<'YAML'
assertions:
  - {name: long, promise: it takes long, sql: "SELECT pg_sleep(50)", rows: "1"}
YAML
chmod 644 "$scene/sleep.yaml"
scratch_servers() { # processes that work in the scratch directory
    local link
    for link in /proc/[0-9]*/cwd; do
        [[ $(readlink "$link" 2>/dev/null) != "$scratch"/* ]] || echo "$link"
    done
}
no_server() { [[ -z $(scratch_servers) ]]; }
a_server() { compgen -G "$scratch/mainstay-drill-*/data/postmaster.pid" >/dev/null; }
it_sleeps() {
    [[ $("$CLIENT_BIN/psql" -X -A -t -h "$(echo "$scratch"/mainstay-drill-*)" -U postgres -d postgres \
        -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'" 2>/dev/null) = 1 ]]
}
drill_start() {
    rm -rf "$scratch"/mainstay-drill-*
    # shellcheck disable=SC2016 # the inner shell's own variables
    as_server sh -c 'echo $$ >"$0"; exec "$@"' "$scene/drill.pid" "$MAINSTAY" drill run --repo "$copy" \
        --scratch "$scratch" --assertions "$scene/sleep.yaml" >"$TEST_DIR/killed.log" 2>&1 &
    drill_job=$!
}
drill_start
wait_until 60 a_server
kill -KILL "$(cat "$scene/drill.pid")"
wait "$drill_job" 2>/dev/null || true
ok 'killed while it starts: no server stays' wait_until 20 no_server
drill_start
wait_until 60 it_sleeps
kill -KILL "$(cat "$scene/drill.pid")"
wait "$drill_job" 2>/dev/null || true
ok 'killed while it checks: no server stays' wait_until 20 no_server
ok 'its directory does' compgen -G "$scratch/mainstay-drill-*/data/PG_VERSION"
left=$(echo "$scratch"/mainstay-drill-*)
ok 'the next drill is none the worse' drill
ok 'and removes it' test ! -e "$left"
drill_start
wait_until 60 it_sleeps
kill -TERM "$(cat "$scene/drill.pid")"
wait "$drill_job" 2>/dev/null || true
ok 'asked to end, it does: no server' no_server
is "$(ls -A "$scratch")" '' 'and no directory'

# --- an index that is wrong on the source ------------------------------------------------------------

cluster_sql main 'CHECKPOINT'
file=$(cluster_sql main "SELECT pg_relation_filepath('t_i')")
cluster_stop main
# The tuple of 1234: length 16, the key, padding. Another key there breaks the order.
at=$(LC_ALL=C grep -obUaP '\x10\x00\xd2\x04\x00\x00\x00\x00\x00\x00' "$(cluster_data main)/$file" | head -n 1 | cut -d: -f1)
printf '\x0f\x27' | dd of="$(cluster_data main)/$file" bs=1 seek=$((at + 2)) conv=notrunc status=none
cluster_start main
# A repository of its own: beside a good snapshot, a page that says that it did not change is not taken again.
repository=$scene/second
mainstay repo init --repo "$repository" >/dev/null
stream_start "$repository" main --wal-flush-interval 1s --wal-slot second # the history of timeline 2, too
wait_until 20 stored_up_to "$repository" "$(position main)"
mainstay snapshot create --repo "$repository" --connection "$(cluster_conninfo main)" --snapshot-own-wal >/dev/null
fresh
fails 'a corrupted index' 4 'broken +amcheck: .*"public.t_i" in database "postgres"' drill --target-immediate

# --- by the daemon -------------------------------------------------------------------------------------

# shellcheck source=tests/lib/daemon_scene.sh
. "$here/../lib/daemon_scene.sh"
cluster_sql main 'REINDEX INDEX t_i' >/dev/null
wait_until 20 stored_up_to "$repository" "$(position main)"
stream_stop || true
cat >"$scene/daemon.yaml" <<EOF_CONFIG
repository:
  url: $repository
drill:
  scratch: $scratch
  server-binaries: $SERVER_BIN
daemon:
  wal-stream: false
  drill-schedule: "@every 1s"
  status-interval: 1s
  listen: 127.0.0.1:0
EOF_CONFIG
daemon_start daemon
measured() { daemon_get daemon /metrics >"$TEST_DIR/metrics" && grep -qE "^$1\$" "$TEST_DIR/metrics"; }
ok 'a drill by the daemon is in the metrics' wait_until 60 measured 'mainstay_drill_ok 1'
ok 'with its RTO' measured 'mainstay_drill_rto_seconds [0-9.]+'
ok 'its age' measured 'mainstay_last_good_drill_age_seconds [0-9.]+'
ok 'and no failures' measured 'mainstay_drill_failures 0'
kill -TERM "$(daemon_pid daemon)"
wait "$daemon_job" || true
ok 'the daemon leaves no server' no_server
done_testing
