# shellcheck shell=bash
# What the tests of the WAL stream share: starting and ending streams, asking for what is stored,
# comparing it. Sourced behind scene.sh.

cp "$BUILD/tests/integration/tool_wal" "$TEST_DIR/tool_wal"
chmod 755 "$TEST_DIR/tool_wal"
streams=0

# stream_start REPOSITORY CLUSTER [OPTION...]: sets $stream_job, $stream_pid and $stream_log
stream_start() {
    local repository=$1 cluster=$2
    shift 2
    streams=$((streams + 1))
    stream_log=$TEST_DIR/stream$streams.log
    rm -f "$scene/stream$streams.pid" # of a subshell that counted, too
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

# Stands still, and for the server somebody still streams. runuser stops with what it runs.
stream_freeze() { kill -STOP "$stream_pid"; }
stream_thaw() { kill -CONT "$stream_pid" "$(ps -o ppid= -p "$stream_pid" | tr -d ' ')"; }

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
