# shellcheck shell=bash
# Daemons, each with a name: its configuration is $scene/NAME.yaml, which the test writes, its log
# $scene/NAME.log. Sourced behind scene.sh; all of them are killed when the test ends.
#
#   daemon_start first                    waits until it listens; $daemon_job is for `wait`
#   wait_until 20 metric_is first mainstay_leader 1
#   daemon_kill first all; daemon_start first
#   daemon_beside+=("$!")                 what else is killed at the end

cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"
daemon_beside=()

daemons_end() {
    local file
    for file in "$scene"/*.pid; do
        [[ ! -e $file ]] || daemon_kill "$(basename "$file" .pid)" all
    done
    [[ ${#daemon_beside[@]} -eq 0 ]] || kill "${daemon_beside[@]}" 2>/dev/null || true
}
trap 'status=$?; set +e; daemons_end; (exit "$status"); cluster_cleanup' EXIT

# The log begins anew: the line that is waited for is not that of an earlier daemon.
# shellcheck disable=SC2016,SC2034 # the inner shell's variables; daemon_job is the test's
daemon_start() { # NAME
    rm -f "$scene/$1.log"
    as_server bash -c 'echo $$ >"$1/$2.pid"; exec "$3" --config "$1/$2.yaml" 2>>"$1/$2.log"' \
        bash "$scene" "$1" "$TEST_DIR/mainstayd" &
    daemon_job=$!
    wait_until 30 grep -qs 'metrics on' "$scene/$1.log"
}

# daemon_kill NAME all|daemon|stream: SIGKILL to the daemon with all its jobs (a pod that dies), to
# the daemon alone, to the stream alone
daemon_kill() {
    local pid victims
    pid=$(daemon_pid "$1") || return 0
    grep -qs mainstayd "/proc/$pid/cmdline" || return 0
    mapfile -t victims < <(pgrep -P "$pid")
    case $2 in
    all) kill -KILL "$pid" "${victims[@]}" 2>/dev/null || true ;;
    daemon) kill -KILL "$pid" ;;
    stream) kill -KILL "$(daemon_child "$1" 'wal stream')" 2>/dev/null || true ;;
    esac
}

daemon_pid() { cat "$scene/$1.pid" 2>/dev/null; }                        # NAME
daemon_gone() { ! kill -0 "$(daemon_pid "$1")" 2>/dev/null; }            # NAME
daemon_said() { grep -qE "$2" "$scene/$1.log"; }                         # NAME PATTERN
daemon_child() { pgrep -P "$(daemon_pid "$1")" -f -- "$2" | head -n 1; } # NAME WORDS
daemon_has_child() { [[ -n $(daemon_child "$1" "$2") ]]; }               # NAME WORDS

# --- what it serves --------------------------------------------------------------------------------

daemon_get() { # NAME PATH: the body; fails unless 200
    curl -sf -m 5 "http://127.0.0.1:$(grep -oE 'metrics on http://127.0.0.1:[0-9]+' \
        "$scene/$1.log" | tail -n 1 | grep -oE '[0-9]+$')$2"
}
metric() { daemon_get "$1" /metrics | awk -v name="$2" '$1 == name { printf "%.0f\n", $2 }'; } # NAME METRIC
metric_known() { [[ -n $(metric "$1" "$2") ]]; }
metric_is() { [[ $(metric "$1" "$2") == "$3" ]]; }
metric_at_least() { [[ $(metric "$1" "$2") -ge $3 ]] 2>/dev/null; }
