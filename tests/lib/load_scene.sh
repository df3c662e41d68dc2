# shellcheck shell=bash
# Clients that write all the time and note what was acknowledged, a daemon that can be killed, and
# the comparison of restored rows with those notes. Sourced behind scene.sh.
#
#   load_tables main                      makes the tables entry and counter
#   writer_start one main; writers_stop   a client; it goes on when its server comes back
#   cluster_restart main                  on the port that it had
#   daemon_config daemon URL main [LINE]  writes $scene/daemon.yaml; the rest as in daemon_scene.sh
#   restored_rows r1 MUST MAY [exclusive] compares; see there
#
# A client's log, one line for each step of transaction N, positions of the WAL in bytes and times
# in microseconds, both of the server:
#
#   try N POSITION TIME     before the COMMIT is sent
#   ack N POSITION TIME     after it was acknowledged
#   roll N                  it was rolled back

# shellcheck source=tests/lib/daemon_scene.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemon_scene.sh"
mkdir "$TEST_DIR/writers"
writer_jobs=()

load_end() {
    touch "$TEST_DIR/writers.stop"
    daemons_end
    [[ ${#writer_jobs[@]} -eq 0 ]] || kill "${writer_jobs[@]}" 2>/dev/null || true
    [[ -z ${receiver:-} ]] || kill "$receiver" 2>/dev/null || true
}

# Like ok, but in this shell: what the command sets and registers stays.
step() { # DESCRIPTION COMMAND...
    local description=$1 status=0
    shift
    "$@" >"$TEST_DIR/step" 2>&1 || status=$?
    tap_result "$status" "$description"
    [[ $status -eq 0 ]] || diag "exit code $status of: $*" "$(head -n 40 "$TEST_DIR/step")"
}

# --- clients ---------------------------------------------------------------------------------------

load_tables() { # CLUSTER
    scene_psql "$1" -c 'CREATE TABLE entry (writer text, n int, content text, PRIMARY KEY (writer, n))' \
        -c 'CREATE TABLE counter (writer text PRIMARY KEY, n int NOT NULL)' >/dev/null
}

# Some hundred transactions from number FROM on: every seventh one is rolled back.
writer_script() { # NAME FROM
    awk -v name="$1" -v from="$2" -v pause="${WRITER_PAUSE:-0.002}" 'BEGIN {
        now = "pg_current_wal_insert_lsn() - $$0/0$$, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        for (n = from; n < from + 200; n++) {
            print "BEGIN;"
            printf "INSERT INTO entry VALUES ($$%s$$, %d, repeat(md5($$%s%d$$), 1 + %d %% 8));\n", name, n, name, n, n
            printf "INSERT INTO counter VALUES ($$%s$$, 1) ON CONFLICT (writer) DO UPDATE SET n = counter.n + 1;\n", name
            printf "SELECT $$try$$, %d, %s;\n", n, now
            print n % 7 == 0 ? "ROLLBACK;" : "COMMIT;"
            if (n % 7 == 0)
                printf "SELECT $$roll$$, %d;\n", n
            else
                printf "SELECT $$ack$$, %d, %s;\n", n, now
            if (pause > 0)
                printf "SELECT FROM pg_sleep(%s);\n", pause
        }
    }'
}

writer_loop() { # NAME CLUSTER
    local name=$1 next=1 log=$TEST_DIR/writers/$1
    touch "$log"
    while [[ ! -e $TEST_DIR/writers.stop ]]; do
        writer_script "$name" "$next" >"$TEST_DIR/$name.sql"
        scene_psql "$2" -F ' ' -f "$TEST_DIR/$name.sql" >>"$log" 2>>"$TEST_DIR/$name.err" || sleep 0.1
        # The outcome of a transaction that was tried last may be unknown: its number is not used again.
        next=$(awk '$1 == "try" { n = $2 } END { print n + 1 }' "$log")
    done
}

writer_start() { # NAME CLUSTER
    rm -f "$TEST_DIR/writers.stop"
    writer_loop "$1" "$2" &
    writer_jobs+=($!)
}

writers_stop() {
    touch "$TEST_DIR/writers.stop"
    wait "${writer_jobs[@]}"
    writer_jobs=()
}

# --- positions -------------------------------------------------------------------------------------

lsn_bytes() { # LSN: as a number of bytes
    local high=${1%/*} low=${1#*/}
    echo $(((16#$high << 32) + 16#$low))
}
time_text() { # MICROSECONDS: as a target
    echo "$(date -u -d "@$(($1 / 1000000))" +%FT%T).$(printf '%06d' $(($1 % 1000000)))Z"
}
bytes_lsn() { printf '%X/%X\n' $(($1 >> 32)) $(($1 & 0xFFFFFFFF)); }
server_bytes() { scene_psql "$1" -c "SELECT pg_current_wal_flush_lsn() - '0/0'"; } # CLUSTER
server_reaches() { local now; now=$(server_bytes "$1" 2>/dev/null) && [[ -n $now && $now -ge $2 ]]; }

wal_status() { # CONFIG KEY: of the newest timeline
    mainstay wal status --config "$scene/$1.yaml" --json 2>/dev/null |
        grep -oE "\"$2\" *: *(\"[^\"]*\"|[0-9]+)" | tail -n 1 | sed -E 's/^"[^"]*" *: *//; s/"//g'
}
stored_bytes() { # CONFIG: how far the store has the WAL; 0 when it does not answer
    local lsn
    lsn=$(wal_status "$1" last_lsn)
    lsn_bytes "${lsn:-0/0}"
}
stored_reaches() { [[ $(stored_bytes "$1") -ge $2 ]]; } # CONFIG BYTES
# Until the store has what the server has now.
catches_up() { # SECONDS CONFIG CLUSTER
    local target
    wait_until "$1" server_reaches "$3" 0 && target=$(server_bytes "$3") &&
        wait_until "$1" stored_reaches "$2" "$target"
}

# --- servers and daemons ---------------------------------------------------------------------------

cluster_restart() { # CLUSTER [SERVER OPTION...]
    local name=$1
    shift
    as_server "$SERVER_BIN/pg_ctl" -w -t 60 -D "$(cluster_data "$name")" -l "$TEST_DIR/$name.log" -o \
        "-p $(cluster_port "$name") -k '$TEST_DIR/$name.sock' -c listen_addresses=127.0.0.1 $*" \
        start >/dev/null
}

# Extra lines are whole sections, or go on with the section alert.
daemon_config() { # NAME URL CLUSTER [LINE...]
    local name=$1 url=$2 cluster=$3
    shift 3
    cat >"$scene/$name.yaml" <<END
repository:
  url: $url
postgres:
  connection: $(cluster_conninfo "$cluster")
wal:
  flush-interval: ${FLUSH_INTERVAL:-1s}
daemon:
  wal-stream: true
  snapshot-schedule: "${SNAPSHOTS:-@yearly}"
  status-interval: ${STATUS_INTERVAL:-1s}
  listen: 127.0.0.1:0
alert:
  failures: 1
END
    [[ $# -eq 0 ]] || printf '%s\n' "$@" >>"$scene/$name.yaml"
}

# --- comparing -------------------------------------------------------------------------------------

# A place in the clients' logs, behind FROM and not behind TO: "POSITION TIME" in $place
random_place() { # FROM TO (bytes)
    place=$(cat "$TEST_DIR/writers/"* | awk -v seed=$((RANDOM * 32768 + RANDOM)) -v from="$1" -v to="$2" '
        BEGIN { srand(seed) }
        ($1 == "ack" || $1 == "try") && $3 > from && $3 <= to && rand() < 1 / ++seen { place = $3 " " $4 }
        END { if (place == "") exit 1; print place }') || { echo "no place from $1 to $2"; return 1; }
}

rows_of() { # CLUSTER
    scene_psql "$1" -F ' ' -c "SELECT writer, n FROM entry WHERE writer ~ '^${ONLY:-.*}$' ORDER BY 1, 2"
}

# restored_rows CLUSTER FIELD MUST MAY [exclusive]: FIELD is 3 for positions, 4 for times. Fails, and says
# why, unless every commit that was acknowledged up to MUST is there, none that was tried behind MAY
# (exclusive: at MAY or behind) is, none that was rolled back, none that nobody tried; with its content,
# and with the counters that the same transactions moved. MAY - allows all. ONLY names one client. Leaves
# $TEST_DIR/CLUSTER.rows.
restored_rows() {
    local name=$1 wrong
    rows_of "$name" >"$TEST_DIR/$name.rows" || return
    for log in "$TEST_DIR/writers/"*; do
        sed "s/^/${log##*/} /" "$log"
    done >"$TEST_DIR/commits"
    wrong=$(awk -v field="$2" -v must="$3" -v may="$4" -v exclusive="${5:-}" '
        function say(text) { if (said++ < 20) print text }
        FNR == NR { have[$1 " " $2] = 1; next }
        { key = $1 " " $3; at = $(field + 1) }
        $2 == "try" { tried[key] = 1 }
        $2 == "try" && may != "-" && (exclusive != "" ? at >= may + 0 : at > may + 0) && key in have {
            say(key " is there, but was tried at " at)
        }
        $2 == "ack" && at <= must + 0 { needed++; if (!(key in have)) say(key " is lost: acknowledged at " at) }
        $2 == "roll" && key in have { say(key " is there, but was rolled back") }
        END {
            for (key in have) if (!(key in tried)) say(key " is there, but nobody tried it")
            if (needed == 0) say("nothing had to be there: nothing was tested")
            printf "# %d rows had to be there\n", needed >"/dev/stderr"
        }' "$TEST_DIR/$name.rows" "$TEST_DIR/commits")
    wrong+=$(scene_psql "$name" -c "SELECT 'the content of ' || writer || n || ' is wrong' FROM entry
        WHERE content IS DISTINCT FROM repeat(md5(writer || n), 1 + n % 8)" -c "
        SELECT 'counter ' || writer || ' is wrong' FROM counter c WHERE n <>
        (SELECT count(*) FROM entry e WHERE e.writer = c.writer)")
    [[ -z $wrong ]] || { echo "$wrong"; return 1; }
}

# Nothing may be restored that the server itself does not have.
rows_are_those_of() { # CLUSTER SERVER
    rows_of "$2" >"$TEST_DIR/$2.rows"
    [[ -z $(LC_ALL=C comm -23 <(sort "$TEST_DIR/$1.rows") <(sort "$TEST_DIR/$2.rows")) ]]
}

# --- alerts ----------------------------------------------------------------------------------------

# Receives the alerts of the daemons that are configured with $ALERTS.
alerts_begin() {
    "$TESTS_ROOT/lib/http_receiver" "$TEST_DIR/receiver.port" "$TEST_DIR/alerts" &
    receiver=$!
    wait_until 20 test -s "$TEST_DIR/receiver.port"
    echo "http://127.0.0.1:$(cat "$TEST_DIR/receiver.port")/alerts" >"$scene/webhook"
    chmod 600 "$scene/webhook"
    give_to_server "$scene/webhook"
    ALERTS="  webhook-file: $scene/webhook"
}
# told NAME firing|resolved [COUNT]: so often at least
told() { [[ $(grep -c "\"alert\":\"$1\",\"state\":\"$2\"" "$TEST_DIR/alerts" 2>/dev/null) -ge ${3:-1} ]]; }
