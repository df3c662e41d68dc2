#!/bin/bash
# What cannot be sealed as the configuration says is not stored at all, by no job of the daemon: not when it
# starts, and not when a key is lost or a plain repository lies there while it runs.
# time limit: 240
# shellcheck disable=SC2317 # functions are called by ok and wait_until
set -uo pipefail
# shellcheck source=tests/lib/scene.sh
. "$(dirname "$0")/../lib/scene.sh"
# shellcheck source=tests/lib/load_scene.sh
. "$(dirname "$0")/../lib/load_scene.sh"
trap 'load_end; cluster_cleanup' EXIT
unset MAINSTAY_REPOSITORY_ENCRYPTION MAINSTAY_REPOSITORY_KEY_FILE
objects_keep
scene_plain=("$scene/plain")

key=$scene/repository.key
repository=$scene/repository
jobs=(snapshot verify expire drill)
as_server mkdir "$scene/scratch"
scene_cluster main || exit 1
[[ -n ${MAINSTAY_TEST_SEALED:-} ]] || scene_mark main
alerts_begin
mainstay repo init --no-slot --repo "$repository" --repository-encryption sealed --repository-key-file "$key" \
    --repository-codec none 2>/dev/null
mainstay repo init --no-slot --repo "$scene/plain" >/dev/null

config() { # REPOSITORY LINE...: of the section repository
    local url=$1
    shift
    {
        printf '%s\n' 'repository:' "  url: $url" '  encryption: sealed' "$@"
        cat <<END
postgres:
  connection: $(cluster_conninfo main)
snapshot:
  label: mark-of-a-label
wal:
  flush-interval: 1s
retention:
  keep-last: 2
drill:
  scratch: $scene/scratch
  server-binaries: $SERVER_BIN
daemon:
  wal-stream: true
  snapshot-schedule: "@every 3s"
  verify-schedule: "@every 3s"
  expire-schedule: "@every 3s"
  drill-schedule: "@every 6s"
  status-interval: 1s
  listen: 127.0.0.1:0
alert:
  failures: 1
$ALERTS
END
    } >"$scene/daemon.yaml"
}
of_job() { metric daemon "mainstay_job_$1{job=\"$2\"}"; }   # NAME JOB
at_least() { [[ $(of_job "$1" "$2") -ge $3 ]] 2>/dev/null; } # NAME JOB NUMBER
stored() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }

# --- from the start ---------------------------------------------------------------------------------

# refused WHAT PATTERN REPOSITORY LINE...: the daemon cannot work, says why, and nothing is stored
refused() {
    local what=$1 pattern=$2 url=$3 before
    shift 3
    config "$url" "$@"
    before=$(stored "$url")
    step "$what: the daemon starts" daemon_start daemon
    ok "$what: and tries" wait_until 60 at_least failures_total leader 1
    like "$(cat "$scene/daemon.log")" "$pattern" "$what: it says what is wrong"
    is "$(of_job runs_total snapshot)$(of_job runs_total wal-stream)" 00 "$what: no job is begun"
    daemon_kill daemon all
    is "$(stored "$url")" "$before" "$what: and nothing is stored"
}
printf '%064d\n' 1 | as_server tee "$scene/other.key" | as_server tee "$scene/open.key" >/dev/null
chmod 600 "$scene/other.key"
chmod 644 "$scene/open.key"
refused 'a plain repository' 'sealed' "$scene/plain" "  key-file: $key"
refused 'no key' 'no key is configured' "$repository"
refused 'no such key' 'none.key' "$repository" "  key-file: $scene/none.key"
refused 'another key' 'not the key' "$repository" "  key-file: $scene/other.key"
refused 'a key that others can read' 'open.key' "$repository" "  key-file: $scene/open.key"

# --- while it runs ----------------------------------------------------------------------------------

config "$repository" "  key-file: $key"
step 'with its key the daemon starts' daemon_start daemon
# Every job has ended well since the moment $1 (seconds since 1970).
all_well() {
    local job
    for job in "${jobs[@]}"; do
        [[ $(of_job last_success_time_seconds "$job" | cut -d. -f1) -gt $1 ]] 2>/dev/null || return
    done
}
ok 'and does every job' wait_until 90 all_well 0
ok 'the stream, too' catches_up 60 daemon main

# stopped WHAT: every job fails twice, and no snapshot and no proof comes into being
stopped() {
    local job before
    for job in "${jobs[@]}"; do
        wait_until 60 at_least failures_total "$job" $(($(of_job failures_total "$job") + 1))
    done
    before=$(find "$repository" -path "$repository/snapshots/*" -o -path "$repository/drills/*" -o -path "$repository/runs/*" | sort)
    for job in "${jobs[@]}"; do
        ok "$1: $job fails" wait_until 90 at_least failures_total "$job" $(($(of_job failures_total "$job") + 1))
    done
    is "$(find "$repository" -path "$repository/snapshots/*" -o -path "$repository/drills/*" -o -path "$repository/runs/*" | sort)" \
        "$before" "$1: nothing is stored by them"
}
as_server mv "$key" "$key.away"
stopped 'the key is gone'
ok 'the key is gone: it is told' wait_until 20 told job-failed-snapshot firing
as_server cp -p "$repository/mainstay.json" "$scene/sealed.json"
as_server cp "$scene/plain/mainstay.json" "$repository/mainstay.json"
as_server mv "$key.away" "$key"
stopped 'the repository says that it is plain'
as_server cp "$scene/sealed.json" "$repository/mainstay.json"
ok 'the repository is what it was: every job goes on' wait_until 120 all_well "$(date +%s)"
daemon_kill daemon all
ok 'all that was ever stored is sealed' objects_look "$(objects_of "$repository")"
ok 'and sound' mainstay snapshot verify --repo "$repository" --repository-key-file "$key"
done_testing
