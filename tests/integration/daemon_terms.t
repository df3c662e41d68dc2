#!/bin/bash
# Which daemon works when no server can be asked: the store alone decides. One is put to sleep, one
# is killed, and what a sleeper's job would have made visible is refused. No PostgreSQL here.
# time limit: 240
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
BUILD=${B:-build}
[[ $BUILD == /* ]] || BUILD=$here/../../$BUILD
TEST_DIR=$(mktemp -d)
pids=()

end_all() {
    local pid
    for pid in "${pids[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    done
    # Children are told by the kernel; the repository must not be written while it is removed.
    wait_until 20 nothing_left || true
    rm -rf "$TEST_DIR"
}
nothing_left() { ! pgrep -f -- "--config $TEST_DIR/" >/dev/null; }
trap 'status=$?; end_all; exit "$status"' EXIT

daemon_start() { # NAME [COMMAND...]
    local name=$1
    shift
    cat >"$TEST_DIR/$name.yaml" <<EOF
repository:
  url: $TEST_DIR/repository
postgres:
  connection: host=127.0.0.1 port=1 dbname=nothing
daemon:
  wal-stream: false
  status-interval: 1s
  listen: 127.0.0.1:0
log:
  level: debug
EOF
    "$@" "$BUILD/mainstayd" --config "$TEST_DIR/$name.yaml" 2>>"$TEST_DIR/$name.log" &
    pids+=($!)
    echo "$!" >"$TEST_DIR/$name.pid"
    wait_until 20 grep -qs 'metrics on' "$TEST_DIR/$name.log"
}
daemon_pid() { cat "$TEST_DIR/$1.pid"; }
said() { grep -qE "$2" "$TEST_DIR/$1.log"; }
said_times() { [[ $(grep -cE "$2" "$TEST_DIR/$1.log") -ge $3 ]]; }
metric() {
    curl -sf -m 5 "http://127.0.0.1:$(grep -oE 'metrics on http://127.0.0.1:[0-9]+' \
        "$TEST_DIR/$1.log" | tail -n 1 | grep -oE '[0-9]+$')/metrics" |
        awk -v name="$2" '$1 == name { print $2 }'
}
metric_is() { [[ $(metric "$1" "$2") == "$3" ]]; }
child() { pgrep -P "$(daemon_pid "$1")" -f -- --hold-lock | head -n 1; }

"$BUILD/mainstay" repo init --repository-url "$TEST_DIR/repository" >/dev/null 2>&1

# --- one works, one waits --------------------------------------------------------------------------

daemon_start first
ok 'a daemon works without a server' wait_until 20 metric_is first mainstay_leader 1
ok 'in the first term' metric_is first mainstay_term 1
daemon_start second
ok 'another one stands by' wait_until 20 said second 'standing by'
ok 'and says so' metric_is second mainstay_leader 0

# --- asleep ----------------------------------------------------------------------------------------

keeper=$(child first)
kill -STOP "$(daemon_pid first)" "$keeper"
before=$SECONDS
ok 'when the first one sleeps, the second takes over within 30 s' \
    wait_until 30 metric_is second mainstay_leader 1
diag "took over in about $((SECONDS - before)) s"
ok 'in the second term' metric_is second mainstay_term 2
kill -CONT "$keeper" "$(daemon_pid first)"
ok 'awake, the first one learns it' wait_until 30 said first 'the term is lost'
ok 'and stands by' wait_until 30 said first 'standing by'
ok 'the second works on' metric_is second mainstay_leader 1
gc() { "$BUILD/mainstay" repo gc --repository-url "$TEST_DIR/repository" --grace 0s --term "$1"; }
garbage=$TEST_DIR/repository/packs/00/$(printf '%064d' 0).pack
mkdir -p "${garbage%/*}"
touch -d '1 hour ago' "$garbage"
fails 'a job that the sleeper left running removes nothing' 5 'another daemon has taken over' gc 1
ok 'what it wanted to remove is there' test -e "$garbage"
ok 'a job of the second may' gc 2
fails 'and did' 1 '' test -e "$garbage"
fails 'a term is a number' 2 'not the number of a term' gc first

# --- dead ------------------------------------------------------------------------------------------

kill -KILL "$(daemon_pid second)"
before=$SECONDS
ok 'when the second is killed, the first takes over within 30 s' \
    wait_until 30 metric_is first mainstay_leader 1
diag "took over in about $((SECONDS - before)) s"
ok 'in the third term' metric_is first mainstay_term 3

# --- ended, and PID 1 ------------------------------------------------------------------------------

if unshare --pid --fork --kill-child true 2>/dev/null; then
    daemon_start third unshare --pid --fork --kill-child
    ok 'a third one, PID 1 of its container, stands by' wait_until 20 said third 'standing by'
    init=$(pgrep -P "$(daemon_pid third)")
    # A process that enters the container and leaves a child behind.
    nsenter -t "$init" -p sh -c 'sleep 0.2 & exit 0'
    ok 'it reaps the orphan' wait_until 20 said third 'reaped process'
    fails 'no zombie is left' 1 '' grep -q Z <(ps --ppid "$init" -o stat=)
    kill -TERM "$(daemon_pid first)"
    ok 'asked to end, the first one ends its term: nobody waits for silence' \
        wait_until 12 metric_is third mainstay_leader 1
    kill -TERM "$init"
    ok 'PID 1 ends on SIGTERM' wait_until 20 said third 'daemon ended'
else
    skip 5 'unshare is not allowed here'
fi
done_testing
