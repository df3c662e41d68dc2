#!/bin/bash
# One recorded history of three clients, and random targets in it: the time of a commit to the
# microsecond, its LSN, its transaction id, restore points; inclusive and exclusive. What must be there
# is read from the server's own WAL by pg_waldump, in the order in which PostgreSQL would replay it, and
# must be exactly the rows that are. Then once more with the clock of the store two hours ahead.
#
#   SEED=42 TARGETS=40 tests/integration/pitr_points.t
# sealed: 15
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
# shellcheck source=tests/lib/scene.sh
. "$(dirname "$0")/../lib/scene.sh"
# shellcheck source=tests/lib/load_scene.sh
. "$(dirname "$0")/../lib/load_scene.sh"

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
usual=${MAINSTAY_TEST_SEALED:+4}
targets=${TARGETS:-$([[ -n ${CHECK_ALL:-} ]] && echo 50 || echo "${usual:-7}")}
RANDOM=$seed
echo "# SEED=$seed TARGETS=$targets"
trap 'load_end; cluster_cleanup' EXIT
export PGTZ=UTC TZ=UTC

# --- a history -------------------------------------------------------------------------------------

scene_cluster main || exit 1
load_tables main
daemon_config daemon "$scene/repository" main
config=(--config "$scene/daemon.yaml")
mainstay repo init "${config[@]}" >/dev/null
daemon_start daemon
for writer in one two three; do
    writer_start "$writer" main
done
first_snapshot() { [[ $(snapshot_ids "$scene/repository" | wc -l) -ge 1 ]]; }
ok 'the daemon takes the first snapshot' wait_until 60 first_snapshot
written() { [[ $(cat "$TEST_DIR/writers/"* | grep -c '^ack') -ge $1 ]]; }
for point in before-lunch at-lunch after-lunch; do
    count=$(cat "$TEST_DIR/writers/"* | grep -c '^ack')
    wait_until 60 written $((count + 150))
    ok "restore point $point" mainstay restore-point create "${config[@]}" "$point"
    [[ $point != at-lunch ]] || ok 'a second snapshot, under load' mainstay snapshot create "${config[@]}"
done
wait_until 60 written $((count + 300))
writers_stop
ok 'the store has all of it' catches_up 60 daemon main

mainstay wal window "${config[@]}" --json >"$TEST_DIR/window.json"
begin=$(json_value "$TEST_DIR/window.json" first_lsn)
end=$(scene_psql main -c 'SELECT pg_current_wal_flush_lsn()')
# One line for each end of a transaction and each restore point, in the order of the WAL:
# commit|abort XID POSITION MICROSECONDS, or point NAME POSITION
"$CLIENT_BIN/pg_waldump" -p "$(cluster_data main)/pg_wal" -s "$begin" -e "$end" 2>/dev/null |
    sed -nE 's/^rmgr: Transaction .*tx: +([0-9]+), lsn: ([0-9A-F\/]+),.*desc: (COMMIT|ABORT) ([-0-9]+) ([:0-9.]+).*/\L\3 \1 \U\2 \4T\5Z/p
             s/^rmgr: XLOG .*lsn: ([0-9A-F\/]+),.*desc: RESTORE_POINT (.*)/point \2 \1 1970-01-01Z/p' >"$TEST_DIR/waldump"
while read -r kind what lsn _; do
    echo "$kind $what $(((16#${lsn%/*} << 32) + 16#${lsn#*/}))"
done <"$TEST_DIR/waldump" | paste -d ' ' - <(cut -d ' ' -f 4 "$TEST_DIR/waldump" | date -u -f - +%s%6N) >"$TEST_DIR/history"
note "$(cut -d ' ' -f 1 "$TEST_DIR/history" | sort | uniq -c | tr -s ' \n' ' ') in the history"
is "$(grep -c '^point' "$TEST_DIR/history")" 3 'the WAL has the restore points'
ok 'and commits and rollbacks between them' test "$(grep -c '^commit' "$TEST_DIR/history")" -ge 300 \
    -a "$(grep -c '^abort' "$TEST_DIR/history")" -ge 20
scene_psql main -F ' ' -c 'SELECT xmin, writer, n FROM entry' >"$TEST_DIR/rows"

# --- targets ---------------------------------------------------------------------------------------

# expected KIND VALUE INCLUSIVE(0|1): the rows, by the rules of xlogrecovery.c (recoveryStopsBefore and
# recoveryStopsAfter): a time ends the replay before the first end of a transaction behind it. What was
# committed before the history begins, when the first snapshot ended, is in all of it.
expected() {
    awk -v target="$1" -v value="$2" -v inclusive="$3" '
        FNR == NR {
            if ($1 == "commit") in_history[$2] = 1
            if (stopped) next
            if (target == "time" && $1 != "point" && (inclusive ? $4 > value + 0 : $4 >= value + 0)) stopped = 1
            if (target == "lsn" && !inclusive && $3 >= value + 0) stopped = 1
            if (target == "xid" && $2 == value && !inclusive) stopped = 1
            if (!stopped && $1 == "commit") in_it[$2] = 1
            if (target == "lsn" && inclusive && $3 >= value + 0) stopped = 1
            if (target == "xid" && $2 == value) stopped = 1
            if (target == "name" && $1 == "point" && $2 == value) stopped = 1
            next
        }
        ($1 in in_it) || !($1 in in_history) { print $2, $3 }' \
        "$TEST_DIR/history" "$TEST_DIR/rows" | LC_ALL=C sort
}

number=0
restored_exactly() { # KIND VALUE INCLUSIVE [OPTION...]
    number=$((number + 1))
    local name=r$number kind=$1 value=$2 inclusive=$3
    shift 3
    [[ $inclusive -eq 1 ]] || set -- "$@" --target-exclusive
    mainstay restore "${config[@]}" --to "$scene/$name" "$@" && scene_start "$name" "$scene/$name" &&
        cluster_wait "$name" 'SELECT NOT pg_is_in_recovery()' || return
    rows_of "$name" | LC_ALL=C sort >"$TEST_DIR/$name.rows"
    expected "$kind" "$value" "$inclusive" >"$TEST_DIR/$name.expected"
    echo "rows expected: $(wc -l <"$TEST_DIR/$name.expected")"
    diff "$TEST_DIR/$name.expected" "$TEST_DIR/$name.rows" && scene_remove "$name"
}

# Far enough from both ends: something to be there, something not to.
pick() { # KIND-PATTERN: a line of the history into $kind, $what, $position and $micros
    local line
    line=$(grep -nE "$1" "$TEST_DIR/history" |
        awk -F : -v seed=$((RANDOM * 32768 + RANDOM)) -v total="$(wc -l <"$TEST_DIR/history")" '
            BEGIN { srand(seed) }
            $1 > total / 20 && $1 < total * .95 && rand() < 1 / ++seen { line = $2 }
            END { print line }')
    read -r kind what position micros <<<"$line"
}

random_target() { # HOW (0 to 6)
    local inclusive=$((RANDOM % 2))
    case $1 in
    0 | 1)
        pick '^(commit|abort) '
        step "time of $kind $what, inclusive $1" restored_exactly time "$micros" "$1" --target-time "$(time_text "$micros")"
        ;;
    2 | 3)
        pick '^commit '
        step "LSN of commit $what, inclusive $(($1 - 2))" restored_exactly lsn "$position" $(($1 - 2)) --target-lsn "$(bytes_lsn "$position")"
        ;;
    4 | 5)
        pick '^commit '
        step "transaction $what, inclusive $(($1 - 4))" restored_exactly xid "$what" $(($1 - 4)) --target-xid "$what"
        ;;
    6)
        pick '^point '
        step "restore point $what" restored_exactly name "$what" 1 --target-name "$what"
        ;;
    esac
}

for ((i = 0; i < targets; i++)); do
    random_target $((i % 7))
done

# --- clocks ----------------------------------------------------------------------------------------

# The server stamps commits; the time at which the store got an object only bounds what it can hold.
find "$scene/repository" -type f -exec touch -d '2 hours' {} +
pick '^commit '
step 'the clock of the store two hours ahead' restored_exactly time "$micros" 1 --target-time "$(time_text "$micros")"
done_testing
