#!/bin/bash
# Snapshots and clean-ups at the same time, with no grace at all, both killed at any instruction:
# whatever a manifest names is there, and the newest snapshot restores.
#
#   SEED=42 ROUNDS=500 tests/fault/expire.t
#
# Many more rounds in less time, without a server: tests/unit/snapshot/test_expire_killed.c.
# time limit: 300
# sealed: 15
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
rounds=${ROUNDS:-$([[ -n ${CHECK_ALL:-} ]] && echo 500 || echo 1000000)}
# without a number of rounds: as many as fit
seconds=$([[ -n ${ROUNDS:-}${CHECK_ALL:-} ]] && echo 100000 || echo 15)
RANDOM=$seed
echo "# SEED=$seed ROUNDS=$rounds"

repository=$scene/repository
objects_keep
export MAINSTAY_REPOSITORY_URL=$repository MAINSTAY_POSTGRES_CONNECTION
scene_cluster main
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
scene_psql main -c "CREATE TABLE t AS SELECT g, repeat(md5(g::text), 4) AS text FROM generate_series(1, 20000) AS g"
ok 'repo init' mainstay repo init

change() {
    scene_psql main -c "UPDATE t SET text = md5(random()::text) WHERE g % 40 = $((RANDOM % 40)); CHECKPOINT"
}
objects() { # DIRECTORY
    if [[ -d $repository/$1 ]]; then find "$repository/$1" -type f | sort; fi
}
count_objects() { objects "$1" | wc -l; }

# --- the commands ----------------------------------------------------------------------------------

for _ in 1 2 3 4; do
    change
    mainstay snapshot create >/dev/null
done
mapfile -t ids < <(snapshot_ids "$repository")
is "$(count_objects leases)" 0 'snapshots leave no lease behind'
ok 'pin' mainstay snapshot pin "${ids[0]}" --reason 'for the auditor'
ok 'a second pin, with an end' mainstay snapshot pin "${ids[0]}" --reason 'and another' --expires 2999-01-01
like "$(mainstay snapshot list)" 'pinned: for the auditor' 'snapshot list shows the pin'
like "$(mainstay snapshot show "${ids[0]}")" 'and another, until 2999-01-01T00:00:00Z' 'snapshot show does too'
fails 'a pin for the past is refused' 2 'has passed' \
    mainstay snapshot pin latest --reason x --expires 2020-01-01

before=$(find "$repository" -type f | sort)
ok 'expire --dry-run' mainstay snapshot expire --keep-last 1 --grace 0s --dry-run
mainstay snapshot expire --keep-last 1 --grace 0s --dry-run --json >"$TEST_DIR/plan.json"
is "$(find "$repository" -type f | sort)" "$before" 'a dry run changes nothing'
would=$(json_value "$TEST_DIR/plan.json" garbage_packs)
mainstay snapshot expire --keep-last 1 --grace 0s >"$TEST_DIR/done.txt"
like "$(cat "$TEST_DIR/done.txt")" "${ids[0]} .* keep .*pinned: for the auditor" 'the plan says why'
like "$(cat "$TEST_DIR/done.txt")" "${ids[1]} .* remove +no rule keeps it" 'for each snapshot'
like "$(cat "$TEST_DIR/done.txt")" "removed $would packs?," 'and it is done as the dry run said'
is "$(snapshot_ids "$repository" | tr '\n' ' ')" "${ids[0]} ${ids[3]} " 'the pinned and the newest are left'
ok 'which verify' mainstay snapshot verify
ok 'unpin' mainstay snapshot unpin "${ids[0]}"
fails 'unpin again' 3 'has no pin' mainstay snapshot unpin "${ids[0]}"
mainstay snapshot expire --keep-last 1 --grace 0s >/dev/null
is "$(snapshot_ids "$repository")" "${ids[3]}" 'without the pin only the newest is left'

# --- a manifest that cannot be read ----------------------------------------------------------------

change
mainstay snapshot create >/dev/null
oldest=$(objects snapshots | head -n 1)
cp -p "$oldest" "$TEST_DIR/manifest"
printf x | dd of="$oldest" bs=1 seek=100 conv=notrunc status=none
packs=$(objects packs)
mainstay snapshot expire --keep-last 1 --grace 0s >"$TEST_DIR/done.txt" 2>"$TEST_DIR/talk"
like "$(cat "$TEST_DIR/talk")" 'no pack may be removed: a manifest cannot be read' 'an unreadable manifest: it is said'
is "$(objects packs)" "$packs" 'and every pack stays'
ok 'and so does the manifest' test -e "$oldest"
cp -p "$TEST_DIR/manifest" "$oldest"

# --- rounds ----------------------------------------------------------------------------------------

# start COMMAND...: in the background, without a shell between; its pid in $pid
start() {
    if [[ $(id -u) -eq 0 ]]; then
        setpriv --reuid="$SERVER_USER" --regid="$SERVER_USER" --clear-groups "$@" >"$TEST_DIR/talk.$3" 2>&1 &
    else
        "$@" >"$TEST_DIR/talk.$3" 2>&1 &
    fi
    pid=$!
}
nap() { # up to so many microseconds: the random moment of a death, nothing waits for it
    local us=$((RANDOM * $1 / 32768))
    sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
}
# ended PID: its exit status, 0 when it was killed
ended() {
    local status=0
    wait "$1" 2>/dev/null || status=$?
    [[ $status -ne 137 ]] || { echo "$1" >>"$TEST_DIR/killed"; status=0; }
    return "$status"
}

# The leases of the dead look as old as they will be one day: all of them, or those of one process.
age_leases() { # [PID]
    if [[ -z ${1:-} ]]; then
        objects leases | xargs -r touch -c -d '3 days ago'
    else
        find "$(objects_of "$repository")/leases" -name "*.$1-*" -exec touch -d '3 days ago' {} +
    fi
}

round() {
    local taking cleaning
    change || return
    if ((RANDOM % 2)); then
        start "$MAINSTAY" snapshot create
        taking=$pid
        nap "$whole_us"
        start "$MAINSTAY" repo gc --grace 0s
        if ((RANDOM % 3)); then # a clean-up after one that died
            nap 30000
            kill -KILL "$pid" 2>/dev/null
            ended "$pid" || return
            age_leases "$pid"
            start "$MAINSTAY" snapshot expire --keep-last 2 --grace 0s
        fi
        cleaning=$pid
    else
        start "$MAINSTAY" snapshot expire --keep-last $((1 + RANDOM % 3)) --grace 0s
        cleaning=$pid
        nap 20000
        start "$MAINSTAY" snapshot create
        taking=$pid
    fi
    if ((RANDOM % 2)); then nap "$whole_us"; kill -KILL "$cleaning" 2>/dev/null; fi
    if ((RANDOM % 2)); then nap "$whole_us"; kill -KILL "$taking" 2>/dev/null; fi
    ended "$taking" || { cat "$TEST_DIR/talk.create"; return 1; }
    ended "$cleaning" || { cat "$TEST_DIR/talk."*; return 1; }
    age_leases
    mainstay snapshot verify
}

restores() {
    rm -rf "$scene/restored"
    mainstay restore --to "$scene/restored" && verify_backup "$scene/restored"
}

from=${EPOCHREALTIME/./}
ok 'a snapshot' mainstay snapshot create
whole_us=$((${EPOCHREALTIME/./} - from))
: >"$TEST_DIR/killed"
until=$((SECONDS + seconds))
for ((i = 1; i <= rounds && SECONDS < until; i++)); do
    ok "round $i: everything that is needed is there" round
    if ((i % 10 == 0)); then
        ok "round $i: the newest snapshot restores" restores
    fi
    [[ $test_failed -eq 0 ]] || break
done
killed=$(wc -l <"$TEST_DIR/killed")
echo "# $((i - 1)) rounds, $killed killed"
is "$((killed * 4 >= i - 1))" 1 'many kills hit a running program'

# --- when all is quiet -----------------------------------------------------------------------------

change
age_leases
ok 'the next snapshot works' mainstay snapshot create
ok 'a clean-up removes what the dead left' mainstay snapshot expire --keep-last 2 --grace 0s
# The first one removed the leases of the dead last of all; what they named as a parent goes now.
ok 'another one what those leases still held' mainstay snapshot expire --keep-last 2 --grace 0s
ok 'and the packs of both' mainstay repo gc --grace 0s
is "$(count_objects snapshots) $(count_objects leases)" '2 0' 'two snapshots are left, and no lease'
mainstay snapshot verify --json >"$TEST_DIR/verify.json"
is "$(json_value "$TEST_DIR/verify.json" ok) $(json_value "$TEST_DIR/verify.json" unreferenced_packs)" \
    'true 0' 'no pack is damaged, none is left over'
ok 'the newest snapshot restores' restores
scene_start restored "$scene/restored"
ok 'with the content of the server' same_content main restored
done_testing
