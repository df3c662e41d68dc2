#!/bin/bash
# The program dies at any instruction, by kill -9, SIGTERM or with its server, and nothing is lost:
# what was there restores, the repository verifies, the next snapshot works.
#
#   SEED=42 ROUNDS=20 tests/fault/kill9.t
# time limit: 300
# sealed: 15
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"

seed=${SEED:-$(((RANDOM << 15) + RANDOM))}
usual=${MAINSTAY_TEST_SEALED:+8}
rounds=${ROUNDS:-$([[ -n ${CHECK_ALL:-} ]] && echo 100 || echo "${usual:-20}")}
RANDOM=$seed
echo "# SEED=$seed ROUNDS=$rounds"

repository=$scene/repository
export MAINSTAY_REPOSITORY_URL=$repository MAINSTAY_POSTGRES_CONNECTION
scene_cluster main
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
scene_psql main -c "CREATE TABLE t AS SELECT g, repeat(md5(g::text), 4) AS text FROM generate_series(1, 200000) AS g"
ok 'repo init' mainstay repo init
from=${EPOCHREALTIME/./}
ok 'the first snapshot' mainstay snapshot create
whole_us=$((${EPOCHREALTIME/./} - from))

change() {
    scene_psql main -c "UPDATE t SET text = md5(random()::text) WHERE g % 40 = $((RANDOM % 40)); CHECKPOINT"
}

# start COMMAND...: in the background, without a shell between; its pid in $pid, talk in $scene/talk
start() {
    if [[ $(id -u) -eq 0 ]]; then
        setpriv --reuid="$SERVER_USER" --regid="$SERVER_USER" --clear-groups "$@" >"$TEST_DIR/talk" 2>&1 &
    else
        "$@" >"$TEST_DIR/talk" 2>&1 &
    fi
    pid=$!
}

snapshots_there() {
    snapshot_ids "$repository" | wc -l
}

dead() {
    ! kill -0 "$pid" 2>/dev/null
}

killed=0
for ((round = 1; round <= rounds; round++)); do
    change
    had=$(snapshots_there)
    start "$MAINSTAY" snapshot create
    # the moment is random: half of them early, where little is written yet
    after=$((RANDOM % 2 ? RANDOM * whole_us / 32768 : RANDOM * whole_us / 98304))
    sleep "$(printf '%d.%06d' $((after / 1000000)) $((after % 1000000)))"
    kill -KILL "$pid" 2>/dev/null || true
    status=0
    wait "$pid" 2>/dev/null || status=$?
    [[ $status -ne 137 ]] || killed=$((killed + 1))
    has=$(snapshots_there)
    is "$((has >= had && has <= had + 1))" 1 "round $round (killed after $after us): no snapshot lost"
    ok "round $round: the repository verifies" mainstay snapshot verify
    if ((round % 5 == 0)); then
        rm -rf "$scene/restored"
        ok "round $round: the newest snapshot restores" mainstay restore --to "$scene/restored"
        ok "round $round: and passes pg_verifybackup" verify_backup "$scene/restored"
    fi
done
is "$((killed * 2 >= rounds))" 1 "most kills hit a running program ($killed of $rounds)"
ok 'the next snapshot works' mainstay snapshot create

# SIGTERM in mid-snapshot: a quick end, and a reason
change
start "$MAINSTAY" snapshot create --full --snapshot-max-rate 4MiB
streaming() { [[ -n $(scene_psql main -c "SELECT 1 FROM pg_stat_progress_basebackup WHERE backup_streamed > 0") ]]; }
if wait_until 30 streaming; then
    kill -TERM "$pid"
    ok 'SIGTERM ends a snapshot within 5 s' wait_until 5 dead
    status=0
    wait "$pid" || status=$?
    is "$status" 1 'SIGTERM: exit code 1'
    like "$(cat "$TEST_DIR/talk")" 'stop|cancel|interrupt|terminat' 'SIGTERM: the message says so'
    ok 'SIGTERM: the server goes on' cluster_wait main \
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'walsender'"
else
    kill -KILL "$pid" 2>/dev/null || true
    tap_result 1 'a slow snapshot could be caught while it streams'
    diag "$(cat "$TEST_DIR/talk")"
fi

# the server dies in mid-snapshot
had=$(snapshots_there)
start "$MAINSTAY" snapshot create --full --snapshot-max-rate 4MiB
if wait_until 30 streaming; then
    cluster_stop main immediate
    ok 'a snapshot whose server stops ends within 20 s' wait_until 20 dead
    status=0
    wait "$pid" || status=$?
    is "$status" 1 'server stopped: exit code 1'
    like "$(cat "$TEST_DIR/talk")" 'connection|server|terminat|closed' 'server stopped: the message says so'
    is "$(snapshots_there)" "$had" 'server stopped: no snapshot came into being'
    cluster_start main
    MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
else
    kill -KILL "$pid" 2>/dev/null || true
    tap_result 1 'a second slow snapshot could be caught while it streams'
fi
ok 'after the crash of the server the next snapshot works' mainstay snapshot create
ok 'and the repository verifies' mainstay snapshot verify

# SIGTERM and kill -9 in mid-restore: no directory that passes for a cluster, delta finishes it
for signal in TERM KILL; do
    rm -rf "$scene/restored"
    start "$MAINSTAY" restore --to "$scene/restored"
    some_files() { [[ -d $scene/restored/base ]]; }
    wait_until 20 some_files || true
    kill -"$signal" "$pid" 2>/dev/null || true
    ok "SIG$signal ends a restore within 5 s" wait_until 5 dead
    status=0
    wait "$pid" 2>/dev/null || status=$?
    if [[ $status -eq 0 ]]; then
        skip 2 "the restore was faster than SIG$signal"
        continue
    fi
    is "$([[ -e $scene/restored/global/pg_control ]] && echo there)" '' \
        "SIG$signal: the unfinished restore has no pg_control"
    ok "SIG$signal: restore --delta finishes it" mainstay restore --to "$scene/restored" --delta
done
ok 'the result passes pg_verifybackup' verify_backup "$scene/restored"

# the disk fills up in mid-restore
if ! [[ $(id -u) -eq 0 ]] || ! { mkdir "$TEST_DIR/small" && mount -t tmpfs -o size=24m tmpfs "$TEST_DIR/small" 2>/dev/null; }; then
    skip 2 'needs root and tmpfs'
else
    trap 'umount "$TEST_DIR/small"; cluster_cleanup' EXIT
    give_to_server "$TEST_DIR/small"
    fails 'a disk that fills up in mid-restore' 1 'space' \
        mainstay restore --to "$TEST_DIR/small/data" --ignore-space
    is "$([[ -e $TEST_DIR/small/data/global/pg_control ]] && echo there)" '' 'and leaves no pg_control'
fi
done_testing
