#!/bin/bash
# What a dump gives away of a daemon whose key may only write: all memory of it and its children, and
# all its files. It took snapshots and streamed WAL, and nothing in the dump opens what it stored. The
# same search finds what must be there: the metadata key, the key of a pack that is being written, WAL
# on its way, and, of a daemon with a full key, the secret that opens every page.
# time limit: 300
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"
[[ $(id -u) -eq 0 ]] || skip_all 'only root may look at processes that hide from others'
tool=$BUILD/tests/integration/tool_dump
cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"
unset "${!MAINSTAY_REPOSITORY_@}"
repository=$scene/repository
home=$scene/daemon # all files that the daemon has
as_server mkdir "$home"

# --- the daemon ------------------------------------------------------------------------------------

end_daemon() { [[ ! -e $home/pid ]] || kill -KILL "$(cat "$home/pid")" 2>/dev/null || true; }
trap 'status=$?; set +e; end_daemon; (exit "$status"); cluster_cleanup' EXIT

# config SCHEDULE FLUSH-INTERVAL KEY: KEY is a line of the section repository
config() {
    cat >"$home/new" <<EOF
repository:
  url: $repository
  $3
postgres:
  connection: $(cluster_conninfo main)
wal:
  flush-interval: $2
daemon:
  snapshot-schedule: "$1"
  status-interval: 1s
  listen: 127.0.0.1:0
EOF
    mv "$home/new" "$home/mainstay.yaml"
}
# shellcheck disable=SC2016 # the inner shell's variables
start() {
    rm -f "$home/log"
    as_server bash -c 'echo $$ >"$0/pid"; exec "$1" --config "$0/mainstay.yaml" 2>>"$0/log"' \
        "$home" "$TEST_DIR/mainstayd" &
    job=$!
    wait_until 30 grep -qs 'works on the repository now' "$home/log"
}
stop() {
    kill -TERM "$(cat "$home/pid")"
    wait "$job"
    rm "$home/pid"
}
stream_of_daemon() { pgrep -P "$(cat "$home/pid")" -f -- 'wal stream'; }
another_stream() { [[ -n $(stream_of_daemon) && $(stream_of_daemon) != "$1" ]]; }
reload() { # until the stream is another process
    local before
    before=$(stream_of_daemon)
    kill -HUP "$(cat "$home/pid")"
    wait_until 30 another_stream "$before"
}
snapshots_at_least() { [[ $(snapshot_ids "$repository" 2>/dev/null | wc -l) -ge $1 ]]; }
everything_stored() { wait_until 30 confirmed "$(position main)"; }
confirmed() { lsn_at_least "$(scene_psql main -c 'SELECT max(flush_lsn) FROM pg_stat_replication')" "$1"; }

# --- dumps -----------------------------------------------------------------------------------------

stands_still() { [[ $(ps -o state= -p "$1") != [RSD] ]]; } # or is no more
freeze() {
    kill -STOP "$1" 2>/dev/null || return 0
    wait_until 10 stands_still "$1"
}
take() { # NAME PID: of one process
    mkdir -p "$TEST_DIR/dump-$1"
    freeze "$2"
    [[ $(ps -o state= -p "$2") != T ]] || "$tool" take "$2" "$TEST_DIR/dump-$1" # not a job that has just ended
}
take_daemon() { # NAME: daemon, children and files; *** they stand still until all are taken ***
    local daemon children pid
    daemon=$(cat "$home/pid")
    take "$1" "$daemon"
    mapfile -t children < <(pgrep -P "$daemon")
    for pid in "${children[@]}"; do
        take "$1" "$pid"
    done
    cp "$home"/* "$TEST_DIR/dump-$1"
    kill -CONT "$daemon" "${children[@]}" "$(ps -o ppid= -p "$daemon" | tr -d ' ')" 2>/dev/null || true
}
search() { # NAME
    "$tool" search "$repository" "$scene/full.key" "$TEST_DIR/dump-$1" "$TEST_DIR/marks" >"$TEST_DIR/found-$1"
}
try() { "$tool" try "$repository" "$scene/full.key" "$TEST_DIR/dump-$1" >"$TEST_DIR/found-$1"; }
found() { awk -v name="$2" '$1 == name { print $2 }' "$TEST_DIR/found-$1"; } # NAME WHAT: how often
finds() { [[ $(found "$1" "$2") -gt 0 ]] || { cat "$TEST_DIR/found-$1"; return 1; }; }
finds_none() { # NAME WHAT...
    local what
    for what in "${@:2}"; do
        [[ $(found "$1" "$what") == 0 ]] || { cat "$TEST_DIR/found-$1"; return 1; }
    done
}
full_secrets=(content-secret signing-seed full-slot)

# --- the stage -------------------------------------------------------------------------------------

texts() { echo "SELECT '$1' AS kind, md5('$1' || g) AS text FROM generate_series(1, 3000) g"; } # KIND
tickets() { scene_psql main -c "INSERT INTO ticket $(texts "$1")"; }
scene_cluster main -c autovacuum=off # which would send old pages again
scene_psql main -c 'CREATE TABLE ticket (kind text, text text)'
for kind in page wal small late flight; do
    scene_psql main -F ' ' -c "$(texts "$kind")"
done >"$TEST_DIR/marks"
mainstay repo init --no-slot --repo "$repository" --repository-encryption sealed \
    --repository-key-file "$scene/full.key" >/dev/null 2>&1
mainstay repo key add --grant write --new-key-file "$home/write.key" --label daemon \
    --repo "$repository" --repository-key-file "$scene/full.key" >/dev/null
printf '#!/bin/sh\necho asked >>"%s/asked"\ncat "%s/write.key"\n' "$home" "$home" >"$home/vault"
chmod 755 "$home/vault"
give_to_server "$home/vault"
by_program="key-command: $home/vault"
tickets page

# --- a pack that is being written ------------------------------------------------------------------

# snapshot NAME OPTION...: in the background, by the daemon's key; sets $snapshot and $snapshot_job
# shellcheck disable=SC2016 # the inner shell's variables
snapshot() {
    local name=$1
    shift
    as_server env MAINSTAY_STORE_TRACE=true sh -c 'echo $$ >"$0.pid"; exec "$@"' "$scene/$name" "$MAINSTAY" \
        snapshot create --repo "$repository" --repository-key-file "$home/write.key" \
        --connection "$(cluster_conninfo main)" "$@" >"$TEST_DIR/$name.log" 2>&1 &
    snapshot_job=$!
    wait_until 20 test -s "$scene/$name.pid"
    snapshot=$(cat "$scene/$name.pid")
}
goes_on() { kill -CONT "$1" "$(ps -o ppid= -p "$1" | tr -d ' ')"; }
ends_well() { # DESCRIPTION
    local status=0
    wait "$snapshot_job" || status=$?
    is "$status" 0 "$1"
    [[ $status -eq 0 ]] || diag "$(tail "$TEST_DIR"/*.log)"
}
has_sent() { # BYTES: of a base backup
    [[ $(scene_psql main -c "SELECT coalesce(max(backup_streamed), 0) >= $1 FROM pg_stat_progress_basebackup") == t ]]
}
snapshot slow --snapshot-max-rate 4MiB
ok 'a slow snapshot begins' wait_until 30 has_sent $((8 << 20))
take slow "$snapshot"
goes_on "$snapshot"
ends_well 'and ends well'
search slow
is "$(found slow pack-key)" 1 'while a pack is written its key is in memory: the search finds it'
ok 'nothing else that opens content is' finds_none slow "${full_secrets[@]}"

# --- a daemon that may only write ------------------------------------------------------------------

config '@every 2s' 1s "$by_program"
start
ok 'it takes snapshots' wait_until 60 snapshots_at_least 3
config '@every 1d' 0 "$by_program"
reload
everything_stored
tickets wal
everything_stored
for number in {1..20}; do # in messages and chunks of some hundred bytes
    scene_psql main -c "INSERT INTO ticket $(texts small) LIMIT 1 OFFSET $number"
    everything_stored
done
scene_psql main -c 'SELECT pg_switch_wal()' >/dev/null # 16 MiB of zeros go through all buffers
everything_stored
take_daemon idle
search idle
ok 'its own key is found: the search sees the memory of all' finds idle metadata-key
is "$(found idle metadata-key-unlocked)" 0 'only in memory that is locked and left out of core dumps'
ok 'no secret of a full key' finds_none idle "${full_secrets[@]}"
ok 'no key of any pack or part of the WAL' finds_none idle pack-key wal-key
ok 'no text of a ticket, of pages or of the WAL' finds_none idle page wal small
try idle
ok 'of all 32 bytes in it, some open metadata' finds idle opens-tail
ok 'and none a page frame or a frame of WAL' finds_none idle opens-page opens-wal
ok 'both were tried many times' test "$(found idle tried)" -gt 10000

# --- a snapshot that has stored its packs ----------------------------------------------------------

waits_for_wal() { [[ $(grep -A9 'put "packs/' "$TEST_DIR/$1.log" | grep -c 'list "wal/"') -ge 2 ]]; }
stream=$(stream_of_daemon)
tickets late
freeze "$stream"
snapshot late
ok 'a snapshot has stored its packs and waits for WAL' wait_until 30 waits_for_wal late
take late "$snapshot"
goes_on "$snapshot"
goes_on "$stream"
ends_well 'it goes on with the stream'
search late
ok 'no key of what it stored is left in it' finds_none late pack-key wal-key "${full_secrets[@]}"

# --- WAL on its way --------------------------------------------------------------------------------

config '@every 1d' 60s "$by_program"
reload
tickets flight
flight_is_found() {
    rm -rf "$TEST_DIR/dump-flight"
    take_daemon flight && search flight && finds flight flight
}
ok 'WAL that is not stored yet is found' wait_until 30 flight_is_found
ok 'what was stored is not' finds_none flight page wal small
ok 'the program was asked by each child' test "$(wc -l <"$home/asked")" -ge 8
stop

# --- a full key ------------------------------------------------------------------------------------

config '@every 1d' 1s "key-file: $scene/full.key"
start
take_daemon full
search full
ok 'of a daemon with a full key the secret is found' finds full content-secret
ok 'and opens a page frame' finds full pages-by-secret
stop
done_testing
